//! Alerts: who is told of incidents, and whether that works.

use minijinja::context;

use super::numbered::Numbered;
use super::render::{Frame, value};
use super::visit::{Answered, Visit};

/// Targets of one page.
const PAGE: usize = 100;

pub(super) async fn list(visit: Visit) -> Answered {
    let targets = visit.site.view.alerts().await?;
    let failing = targets.iter().filter(|target| target.failing_since.is_some()).count();
    let headline = format!("{failing} of {} targets of alerts take nothing", targets.len());
    let page = Numbered::of(targets, PAGE, &visit.parameters()?)?;
    visit
        .answer("alerts.html", Frame::of("alerts", "Alerts", headline), context! { page => value(page) })
        .await
}
