//! Integrations: the counts of their repositories, their identities and what their forges let them ask.

use minijinja::context;

use super::bar::shares;
use super::numbered::Numbered;
use super::render::{Frame, value};
use super::visit::{Answered, Visit};
use crate::api::view::Integration;
use crate::tracker::subscribing::command;
use crate::tracker::{SubscriptionReport, TrackerReport};

/// Integrations of one page.
const PAGE: usize = 50;

/// An integration with its bar.
#[derive(serde::Serialize)]
struct Drawn {
    #[serde(flatten)]
    integration: Integration,
    shares: Vec<super::bar::Share>,
    tracker: Option<TrackerReport>,
    subscriptions: Vec<Subscribed>,
}

/// A subscription to what becomes of its issues.
#[derive(serde::Serialize)]
struct Subscribed {
    #[serde(flatten)]
    report: SubscriptionReport,
    /// What makes it anew.
    command: String,
}

impl Subscribed {
    fn of(report: &SubscriptionReport) -> Self {
        let command = command(&report.integration, report.project.as_deref());
        Self { report: report.clone(), command }
    }
}

pub(super) async fn list(visit: Visit) -> Answered {
    let integrations = visit.site.view.integrations().await?;
    let headline = format!("{} integrations", integrations.len());
    let page = Numbered::of(integrations, PAGE, &visit.parameters()?)?;
    let (trackers, subscriptions) = (visit.site.view.trackers().await?, visit.site.view.subscriptions());
    let page = page.map(|integration| {
        let is_its = |it: &&SubscriptionReport| it.integration == integration.name;
        let subscriptions = subscriptions.iter().filter(is_its).map(Subscribed::of).collect();
        let tracker = trackers.iter().find(|it| it.integration == integration.name).cloned();
        Drawn { shares: shares(integration.verdicts()), tracker, subscriptions, integration }
    });
    let content = context! { page => value(page) };
    visit.answer("integrations.html", Frame::of("integrations", "Integrations", headline), content).await
}
