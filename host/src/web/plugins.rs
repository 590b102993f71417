//! Plugins: which library files there are, how they do, and what holds them.

use minijinja::context;

use super::numbered::Numbered;
use super::render::{Frame, value};
use super::visit::{Answered, Visit};

/// Library files of one page.
const PAGE: usize = 100;

pub(super) async fn list(visit: Visit) -> Answered {
    let plugins = visit.site.view.plugins().await?;
    let headline = format!("{} library files", plugins.len());
    let page = Numbered::of(plugins, PAGE, &visit.parameters()?)?;
    let content = context! { page => value(page) };
    visit.answer("plugins.html", Frame::of("plugins", "Plugins", headline), content).await
}
