//! Integrations: the counts of their repositories, their identities and what their forges let them ask.

use minijinja::context;

use super::bar::shares;
use super::numbered::Numbered;
use super::render::{Frame, value};
use super::visit::{Answered, Visit};
use crate::api::view::Integration;

/// Integrations of one page.
const PAGE: usize = 50;

/// An integration with its bar.
#[derive(serde::Serialize)]
struct Drawn {
    #[serde(flatten)]
    integration: Integration,
    shares: Vec<super::bar::Share>,
}

pub(super) async fn list(visit: Visit) -> Answered {
    let integrations = visit.site.view.integrations().await?;
    let headline = format!("{} integrations", integrations.len());
    let page = Numbered::of(integrations, PAGE, &visit.parameters()?)?;
    let page = page.map(|integration| Drawn { shares: shares(integration.verdicts()), integration });
    let content = context! { page => value(page) };
    visit.answer("integrations.html", Frame::of("integrations", "Integrations", headline), content).await
}
