//! How subscriptions do: asked at their trackers soon after the start, after another configuration and after they were made,
//! and once an hour from then on; one at a time.
//!
//! - That a tracker cannot be asked says nothing about a subscription: it is as it was last known to be.
//! - Each change is told once, in the log and in the journal, with the way out.
//! - Nothing is put right here: who subscribes is the operator, with a command.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use forgewatch_plugin_api::{Subscription, SubscriptionStatus};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::desk::{Refusal, RefusalKind};
use super::handle::{Handle, Shared};
use super::subscribing::command;
use crate::journal::event;
use crate::metrics;
use crate::services::call;
use crate::state::SubscriptionRow;
use crate::text::printable;
use crate::verdict::{Moment, Stamp};

/// From one question about a subscription to the next.
const INTERVAL: Duration = Duration::from_secs(60 * 60);
/// The same after one that nobody answered.
const AGAIN: Duration = Duration::from_secs(5 * 60);
/// How often the state is looked at for what was subscribed to meanwhile.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// Characters of a name, an address and a detail.
const LONGEST: usize = 500;

/// A subscription, and how it does. All text in it is safe to print.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "Subscription")]
pub struct SubscriptionReport {
    /// The integration whose tracker it is.
    pub integration: String,
    /// The project whose issues it is about; none for all.
    pub project: Option<String>,
    /// Where it delivers.
    pub url: String,
    /// How it does, as far as is known.
    pub status: Status,
    /// Why it is so.
    pub detail: Option<String>,
    /// Why nothing newer is known.
    pub problem: Option<String>,
    /// Since when it is known to be so.
    pub since: Option<Stamp>,
    /// When the tracker has said so last.
    pub checked_at: Option<Stamp>,
    /// When it was made.
    pub made_at: Stamp,
}

/// How a subscription does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// It delivers.
    Enabled,
    /// It delivers, and is about to be switched off, since deliveries fail.
    OnProbation,
    /// It delivers nothing.
    Disabled,
    /// The tracker does not have it.
    Missing,
    /// Its making was cut off, and nobody knows whether the tracker has it.
    Unfinished,
    /// The tracker could not be asked yet.
    #[default]
    #[serde(other)]
    Unknown,
}

impl Status {
    /// The word for people and machines.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Enabled => "enabled",
            Self::OnProbation => "on_probation",
            Self::Disabled => "disabled",
            Self::Missing => "missing",
            Self::Unfinished => "unfinished",
            Self::Unknown => "unknown",
        }
    }

    /// Whether it delivers nothing, as the tracker has said.
    pub fn is_down(self) -> bool {
        matches!(self, Self::Disabled | Self::Missing)
    }
}

impl From<SubscriptionStatus> for Status {
    fn from(status: SubscriptionStatus) -> Self {
        match status {
            SubscriptionStatus::Enabled => Self::Enabled,
            SubscriptionStatus::OnProbation => Self::OnProbation,
            _ => Self::Disabled,
        }
    }
}

/// What is known of all subscriptions, while the process lives.
#[derive(Default)]
pub(super) struct Subscriptions(Mutex<BTreeMap<i64, Condition>>);

/// What is known of one.
struct Condition {
    /// The tracker's own id.
    id: Option<String>,
    /// The integration, as the configuration has it.
    integration: String,
    report: SubscriptionReport,
    /// When it is asked about next.
    due: Instant,
}

/// A question that is due.
struct Due {
    number: i64,
    integration: String,
    id: String,
}

impl Handle {
    /// All subscriptions, in the order in which they were made.
    pub fn subscriptions(&self) -> Vec<SubscriptionReport> {
        self.shared.subscriptions.lock().values().map(|condition| condition.report.clone()).collect()
    }

    /// Which issues are delivered, each once, as far as that is known: where there are several subscriptions for the same,
    /// one is enough.
    pub fn subscriptions_by_issues(&self) -> Vec<metrics::Subscription> {
        by_issues(&self.subscriptions())
    }
}

fn by_issues(all: &[SubscriptionReport]) -> Vec<metrics::Subscription> {
    let mut known: BTreeMap<(String, String), bool> = BTreeMap::new();
    let is_known = |it: &&SubscriptionReport| !matches!(it.status, Status::Unknown | Status::Unfinished);
    for report in all.iter().filter(is_known) {
        let issues = (report.integration.clone(), report.project.clone().unwrap_or_default());
        *known.entry(issues).or_default() |= !report.status.is_down();
    }
    let subscription =
        |((integration, project), is_up)| metrics::Subscription { integration, project, is_up };
    known.into_iter().map(subscription).collect()
}

impl Shared {
    /// Asks about subscriptions until it is told to stop.
    pub(super) async fn mind_subscriptions(self: Arc<Self>, stop: CancellationToken) {
        let mut settings = self.settings.subscribe();
        while stop.run_until_cancelled(self.mind_once()).await.is_some() {
            tokio::select! {
                () = stop.cancelled() => return,
                // Another configuration may reach a tracker that the former did not.
                changed = settings.changed() => match changed {
                    Ok(()) => self.subscriptions.hurry(),
                    Err(_) => return,
                },
                () = sleep(LOOK_EVERY) => {}
            }
        }
    }

    /// Asks about every one that is due, in the background of whatever else the tracker is asked.
    async fn mind_once(self: &Arc<Self>) {
        let shared = Arc::clone(self);
        match spawn_blocking(move || shared.state.subscriptions()).await {
            Ok(Ok(rows)) => self.subscriptions.follow(rows),
            Ok(Err(error)) => {
                tracing::debug!("subscriptions cannot be read, and are looked up again: {error}");
            }
            Err(panic) => tracing::error!("reading subscriptions failed: {panic}"),
        }
        while let Some(due) = self.subscriptions.due() {
            let told = match call::unattended(self.source.desk(&due.integration)).await {
                Some(desk) => call::unattended(desk.subscription(&due.id)).await.map_err(Some),
                None => Err(None),
            };
            if let Some(report) = self.subscriptions.take(&due, told) {
                self.tell(&report).await;
            }
        }
    }

    /// Tells that a subscription does otherwise than before.
    async fn tell(&self, report: &SubscriptionReport) {
        let SubscriptionReport { integration, project, status, detail, .. } = report;
        let of = match project {
            Some(project) => format!("issues of `{integration}` in `{project}`"),
            None => format!("issues of `{integration}`"),
        };
        let why = detail.as_ref().map(|detail| format!(": {detail}")).unwrap_or_default();
        match status {
            Status::Enabled => tracing::info!("the tracker delivers what becomes of {of}"),
            Status::OnProbation => tracing::warn!("what becomes of {of} is delivered, and not for long{why}"),
            _ => tracing::warn!(
                "what becomes of {of} is not delivered, since the subscription is {}{why}; run `{}`",
                status.as_str(),
                command(integration, project.as_deref())
            ),
        }
        let more = json!({ "project": project, "status": status, "detail": detail });
        let note = event::generic("subscription", Some(integration), None, Moment::now(), more);
        self.source.note(note).await;
    }
}

impl Subscriptions {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<i64, Condition>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes in which there are.
    fn follow(&self, rows: Vec<SubscriptionRow>) {
        let (mut conditions, now) = (self.lock(), Instant::now());
        conditions.retain(|number, _| rows.iter().any(|row| row.number == *number));
        for row in rows {
            let condition = conditions.entry(row.number).or_insert_with(|| Condition::new(&row, now));
            // It may have been finished since, or the state is another one.
            if condition.id != row.id || condition.report.made_at != Stamp(row.made_at.into()) {
                *condition = Condition::new(&row, now);
            }
        }
    }

    /// Has all of them asked about now.
    fn hurry(&self) {
        let now = Instant::now();
        self.lock().values_mut().for_each(|condition| condition.due = now);
    }

    /// The next question, if one is due. It is put off at once, whatever comes of it.
    fn due(&self) -> Option<Due> {
        let now = Instant::now();
        let mut conditions = self.lock();
        conditions.iter_mut().filter(|(_, condition)| condition.due <= now).find_map(|(number, condition)| {
            let id = condition.id.clone()?;
            condition.due = now + AGAIN;
            Some(Due { number: *number, integration: condition.integration.clone(), id })
        })
    }

    /// Takes in what a tracker has said, or why it has not; what is there is no integration for it. Gives what is to be
    /// told.
    fn take(&self, due: &Due, told: Result<Subscription, Option<Refusal>>) -> Option<SubscriptionReport> {
        let mut conditions = self.lock();
        let condition = conditions.get_mut(&due.number).filter(|it| it.id.as_ref() == Some(&due.id))?;
        let shown = |text: &str| printable(text, LONGEST).into_owned();
        let (status, detail) = match told {
            Ok(subscription) => (Status::from(subscription.status()), shown(subscription.detail())),
            Err(Some(refusal)) if refusal.kind == RefusalKind::Missing => {
                (Status::Missing, shown(&refusal.to_string()))
            }
            Err(refusal) => {
                let none = || "the integration is not configured any more".to_owned();
                let problem = refusal.map_or_else(none, |refusal| refusal.to_string());
                condition.report.problem = Some(shown(&problem));
                return None;
            }
        };
        condition.due = Instant::now() + INTERVAL;
        let (report, now) = (&mut condition.report, Stamp(Moment::now()));
        let is_news =
            report.status != status && (report.status != Status::Unknown || status != Status::Enabled);
        if report.status != status {
            report.since = Some(now);
        }
        (report.status, report.checked_at, report.problem) = (status, Some(now), None);
        report.detail = Some(detail).filter(|detail| !detail.is_empty());
        is_news.then(|| report.clone())
    }
}

impl Condition {
    fn new(row: &SubscriptionRow, now: Instant) -> Self {
        let shown = |text: &str| printable(text, LONGEST).into_owned();
        let status = if row.id.is_some() { Status::Unknown } else { Status::Unfinished };
        Self {
            id: row.id.clone(),
            integration: row.integration.clone(),
            report: SubscriptionReport {
                integration: shown(&row.integration),
                project: row.project.as_deref().map(shown),
                url: shown(&row.url),
                status,
                detail: None,
                problem: None,
                since: None,
                checked_at: None,
                made_at: Stamp(row.made_at.into()),
            },
            due: now,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::verdict::{Outcome, Reason};

    fn row(number: i64, id: Option<&str>) -> SubscriptionRow {
        SubscriptionRow {
            number,
            integration: "acme".to_owned(),
            project: None,
            url: "https://watch.example.org/api/v1/webhooks/vsts".to_owned(),
            secret: "abcdefghijklmnopqrst".into(),
            id: id.map(ToOwned::to_owned),
            made_at: SystemTime::UNIX_EPOCH,
        }
    }

    fn refusal(kind: RefusalKind) -> Option<Refusal> {
        Some(Refusal::of(Outcome::new(Reason::Unreachable, "nobody answers"), kind))
    }

    fn is(status: SubscriptionStatus) -> Result<Subscription, Option<Refusal>> {
        Ok(Subscription::new("one", status).with_detail("so it is"))
    }

    #[tokio::test(start_paused = true)]
    async fn each_is_asked_about_at_once_and_then_every_hour() {
        let all = Subscriptions::default();
        all.follow(vec![row(1, Some("one")), row(2, None), row(3, Some("three"))]);
        let (one, three) = (all.due().unwrap(), all.due().unwrap());
        assert_eq!((one.number, three.number), (1, 3));
        assert!(all.due().is_none(), "what is unfinished has no id to ask with");
        all.take(&one, is(SubscriptionStatus::Enabled));
        all.take(&three, Err(refusal(RefusalKind::Failed)));
        tokio::time::advance(AGAIN).await;
        assert_eq!(all.due().unwrap().number, 3, "one that nobody answered comes sooner");
        tokio::time::advance(INTERVAL - AGAIN).await;
        assert_eq!((all.due().unwrap().number, all.due().unwrap().number), (1, 3));
        assert!(all.due().is_none());
        all.hurry();
        assert_eq!(all.due().unwrap().number, 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_change_is_told_once_and_a_tracker_that_is_down_changes_nothing() {
        let all = Subscriptions::default();
        all.follow(vec![row(1, Some("one"))]);
        let due = all.due().unwrap();
        let take = |told| all.take(&due, told).map(|report| report.status);
        assert_eq!(take(is(SubscriptionStatus::Enabled)), None, "that it delivers is what is expected");
        assert_eq!(take(is(SubscriptionStatus::OnProbation)), Some(Status::OnProbation));
        assert_eq!(take(is(SubscriptionStatus::Disabled)), Some(Status::Disabled));
        assert_eq!(take(is(SubscriptionStatus::Disabled)), None);
        assert_eq!(take(Err(refusal(RefusalKind::Failed))), None);
        assert_eq!(take(Err(None)), None);
        let known = all.lock()[&1].report.clone();
        assert_eq!(known.status, Status::Disabled);
        assert_eq!(known.problem.as_deref(), Some("the integration is not configured any more"));
        assert_eq!(take(Err(refusal(RefusalKind::Missing))), Some(Status::Missing));
        assert_eq!(take(is(SubscriptionStatus::Enabled)), Some(Status::Enabled));
        assert_eq!(all.lock()[&1].report.problem, None);
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_was_made_anew_is_another() {
        let all = Subscriptions::default();
        all.follow(vec![row(1, None)]);
        assert_eq!(all.lock()[&1].report.status, Status::Unfinished);
        all.follow(vec![row(1, Some("one"))]);
        let due = all.due().unwrap();
        all.take(&due, is(SubscriptionStatus::Disabled));
        all.follow(vec![row(2, Some("two"))]);
        assert!(all.take(&due, is(SubscriptionStatus::Enabled)).is_none());
        assert!(all.lock().values().map(|it| it.report.status).eq([Status::Unknown]));
    }
}
