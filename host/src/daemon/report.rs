//! How the daemon does, in short: what its API tells and what `forgewatch status` reads. The JSON form is a contract.

mod notices;
mod people;
#[cfg(test)]
mod tests;

use std::time::Duration;

pub use notices::{Notice, Weight};
pub use people::PeopleReport;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::discovery::Finding;
use super::handle::{Handle, Reloads};
use super::identities::Ending;
use super::ledger::{HeldFor, Ledger, Standby};
use super::snapshot::Tally;
use crate::alerts::TargetReport;
use crate::journal::{Cause, Incident};
use crate::metrics::started_at;
use crate::prepare::World;
use crate::state::Health;
use crate::text::printable;
use crate::tracker::{SubscriptionReport, TrackerReport};
use crate::verdict::{Moment, Reason, Stamp, Verdict};

/// How many incidents are told one by one.
const MOST_INCIDENTS: usize = 20;
/// Characters of a detail or a cause.
const LONGEST_TEXT: usize = 500;

/// How the daemon does. All text in it is safe to print.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Report {
    /// The version that runs.
    pub version: String,
    /// When its process began.
    pub started_at: Stamp,
    /// How long ago that was, in seconds.
    pub uptime_s: u64,
    /// Whether it takes orders.
    pub ready: bool,
    /// All repositories, counted.
    pub repositories: RepositoriesReport,
    /// Every integration, in name order.
    pub integrations: Vec<IntegrationReport>,
    /// Every discovery, in name order.
    #[serde(default)]
    pub discoveries: Vec<DiscoveryReport>,
    /// How checks keep up.
    pub schedule: ScheduleReport,
    /// The open incidents that affect most, most first, at most 20.
    pub incidents: Vec<IncidentReport>,
    /// How many incidents are open.
    pub incidents_open: usize,
    /// How the state does.
    pub state: StateReport,
    /// How the configuration was read.
    pub config: ConfigReport,
    /// Every plugin that is used, in key order.
    pub plugins: Vec<PluginReport>,
    /// Every identity whose end is known, in name order.
    #[serde(default)]
    pub identities: Vec<IdentityReport>,
    /// Every target of alerts, in name order.
    #[serde(default)]
    pub alerts: Vec<TargetReport>,
    /// Every integration in whose tracker there are issues for incidents, or are to be; in name order.
    #[serde(default)]
    pub trackers: Vec<TrackerReport>,
    /// Every subscription to what becomes of issues, in the order in which they were made.
    #[serde(default)]
    pub subscriptions: Vec<SubscriptionReport>,
}

/// Repositories, counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RepositoriesReport {
    /// All of them.
    pub total: usize,
    /// With access.
    pub granted: usize,
    /// Without.
    pub denied: usize,
    /// Nobody could say yet.
    pub indeterminate: usize,
    /// Not checked yet.
    pub unknown: usize,
    /// Without a clear answer for too long, whatever was believed before.
    pub stale: usize,
}

/// How checks keep up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ScheduleReport {
    /// Checks that run.
    pub running: usize,
    /// Checks that are due and wait for their turn.
    pub waiting: usize,
    /// How long the check that is most overdue has been due, in seconds.
    pub lag_s: f64,
}

/// How an integration does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct IntegrationReport {
    /// Its name.
    pub name: String,
    /// Its provider's key.
    pub provider: String,
    /// Repositories with access.
    pub granted: usize,
    /// Repositories without.
    pub denied: usize,
    /// Repositories of which nobody could say yet.
    pub indeterminate: usize,
    /// Repositories that were not checked yet.
    pub unknown: usize,
    /// Until when no regular check is made.
    pub held_until: Option<Stamp>,
    /// Why, while none is made.
    #[serde(default)]
    pub held_for: Option<HeldFor>,
    /// Since when its forge has been in trouble.
    pub trouble_since: Option<Stamp>,
}

/// How a discovery does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DiscoveryReport {
    /// Its name.
    pub name: String,
    /// The integration that it searches.
    pub integration: String,
    /// Repositories that it has found; those that are configured too are counted there.
    pub repositories: usize,
    /// How many of them the last whole listing has not shown. Their own checks say whether access is lost.
    pub missing: usize,
    /// When everything was listed last.
    pub listed_at: Option<Stamp>,
    /// Why the last listing came to nothing; what was found before is watched on.
    pub problem: Option<String>,
    /// Why the last listing may have missed something.
    pub incomplete: Option<String>,
}

/// An open incident.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct IncidentReport {
    /// Unique for ever.
    pub id: String,
    /// The integration that it happens to.
    pub integration: String,
    /// The repository that it happens to, by its configured name, when it is that repository's own trouble.
    pub repository: Option<String>,
    /// Why its checks fail.
    pub reason: Reason,
    /// What is behind it.
    pub cause: Cause,
    /// Repositories that it holds.
    pub affected: u32,
    /// When it was opened.
    pub first_seen: Stamp,
    /// What was seen at last, and what to do.
    pub detail: String,
    /// What people do about it.
    #[serde(default)]
    pub people: PeopleReport,
}

/// How the state does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StateReport {
    /// Whether writes work.
    pub persisting: bool,
    /// Why not.
    pub problem: Option<String>,
    /// Since when.
    pub since: Option<Stamp>,
    /// Rows that wait to be written.
    pub waiting: usize,
    /// Events that found no more room while nothing could be written.
    pub dropped_events: u64,
    /// The number of the last event on disk.
    pub last_seq: i64,
}

/// How the configuration was read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ConfigReport {
    /// Whether the last attempt was taken over.
    pub successful: bool,
    /// When it was made.
    pub at: Stamp,
    /// When the configuration that is in use was read.
    pub loaded_at: Stamp,
    /// How long the last attempt took, in milliseconds.
    pub duration_ms: f64,
    /// What was wrong.
    pub problems: Vec<String>,
    /// What could not be changed without a restart.
    pub needs_restart: Vec<String>,
}

/// How a plugin does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PluginReport {
    /// Its provider's key.
    pub key: String,
    /// One word; `ready` when it takes calls.
    pub state: String,
    /// Why it is not ready, or not the newest.
    pub cause: Option<String>,
}

/// When an identity ends.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct IdentityReport {
    /// Its name.
    pub name: String,
    /// When the token that it has now ends.
    pub expires_at: Stamp,
    /// Whether it gets a new one by itself.
    pub renews: bool,
}

impl Report {
    /// How a daemon does now. Checks wait for one pass over the ledger.
    pub fn of(handle: &Handle) -> Self {
        let counted = handle.read(Counted::of);
        let is_ready = !handle.shared.commands.is_closed();
        let discoveries = handle.findings().into_iter().map(DiscoveryReport::from).collect();
        Self { discoveries, ..counted.complete(is_ready, &handle.health().borrow(), handle.reloads()) }
    }

    /// Whether something is wrong with the daemon itself, so that what it says may be old or incomplete.
    pub fn is_degraded(&self) -> bool {
        let has_plugins_down = self.plugins.iter().any(|plugin| plugin.state != "ready");
        let has_targets_down = self.alerts.iter().any(|target| target.failing_since.is_some());
        let has_trackers_down = self.trackers.iter().any(|tracker| tracker.failing_since.is_some());
        let has_subscriptions_down = self.subscriptions.iter().any(|it| it.status.is_down());
        !self.ready
            || !self.state.persisting
            || !self.config.successful
            || has_plugins_down
            || has_targets_down
            || has_trackers_down
            || has_subscriptions_down
    }

    /// Whether access is missing, or something is the matter that costs answers.
    pub fn has_trouble(&self) -> bool {
        let cannot_list = self.discoveries.iter().any(|discovery| discovery.problem.is_some());
        self.repositories.denied > 0
            || self.incidents_open > 0
            || cannot_list
            || self.in_trouble().next().is_some()
    }

    /// The identities that end within `limit` or have ended, and do nothing about it themselves.
    pub fn ending(&self, limit: Duration) -> impl Iterator<Item = &IdentityReport> {
        let last = Moment::now().after(limit);
        self.identities.iter().filter(move |it| !it.renews && it.expires_at.0 <= last)
    }

    /// The integrations whose forge is in trouble, and since when: nothing newer is known of their repositories.
    pub fn in_trouble(&self) -> impl Iterator<Item = (&IntegrationReport, Stamp)> {
        self.integrations.iter().filter_map(|it| Some((it, it.trouble_since?)))
    }
}

/// What is taken out of the ledger.
struct Counted {
    tally: Tally,
    standbys: Vec<Standby>,
    schedule: ScheduleReport,
    incidents: Vec<IncidentReport>,
    incidents_open: usize,
}

impl Counted {
    fn of(ledger: &Ledger) -> Self {
        let mut open: Vec<&Incident> = ledger.incidents.open().collect();
        let incidents_open = open.len();
        open.sort_by_key(|incident| (std::cmp::Reverse(incident.affected), incident.first_seen));
        open.truncate(MOST_INCIDENTS);
        Self {
            tally: Tally::of(ledger, false),
            standbys: ledger.integrations.values().cloned().collect(),
            schedule: ScheduleReport::of(ledger),
            incidents: open.into_iter().map(IncidentReport::from).collect(),
            incidents_open,
        }
    }

    fn complete(self, ready: bool, health: &Health, reloads: Reloads) -> Report {
        let (tally, now) = (&self.tally, Moment::now());
        let integrations = tally.integrations.iter().zip(&self.standbys);
        let started_at = started_at().into();
        Report {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            started_at: Stamp(started_at),
            uptime_s: now.since(started_at).as_secs(),
            ready,
            repositories: tally.repositories(|_| true),
            integrations: integrations
                .map(|(integration, standby)| {
                    let counts = tally.repositories(|name| name == integration.name);
                    IntegrationReport::new(&tally.world, &integration.name, counts, standby)
                })
                .collect(),
            discoveries: Vec::new(),
            schedule: self.schedule,
            incidents: self.incidents,
            incidents_open: self.incidents_open,
            state: health.into(),
            config: reloads.into(),
            plugins: plugins(&tally.world),
            identities: tally.identities.iter().map(IdentityReport::from).collect(),
            alerts: Vec::new(),
            trackers: Vec::new(),
            subscriptions: Vec::new(),
        }
    }
}

impl Tally {
    /// The repositories of the integrations that are `wanted`.
    fn repositories(&self, wanted: impl Fn(&str) -> bool) -> RepositoriesReport {
        let mut report = RepositoriesReport::default();
        for ((_, reason), count) in self.repositories.iter().filter(|((name, _), _)| wanted(name)) {
            report.total += count;
            *match reason.map(Reason::verdict) {
                Some(Verdict::Granted) => &mut report.granted,
                Some(Verdict::Denied) => &mut report.denied,
                Some(Verdict::Indeterminate) => &mut report.indeterminate,
                None => &mut report.unknown,
            } += count;
        }
        let stale = self.integrations.iter().filter(|it| wanted(&it.name)).map(|it| it.stale);
        RepositoriesReport { stale: stale.sum(), ..report }
    }
}

impl ScheduleReport {
    fn of(ledger: &Ledger) -> Self {
        let now = Moment::now();
        let due = ledger.entries.iter().filter_map(|entry| entry.next_check).min();
        let standbys = || ledger.integrations.values();
        Self {
            running: standbys().map(|standby| standby.running).sum(),
            waiting: standbys().map(|standby| standby.waiting).sum(),
            lag_s: due.map_or(0.0, |due| now.since(due).as_secs_f64()),
        }
    }
}

impl IntegrationReport {
    fn new(world: &World, name: &str, counts: RepositoriesReport, standby: &Standby) -> Self {
        let RepositoriesReport { granted, denied, indeterminate, unknown, .. } = counts;
        Self {
            name: shown(name),
            provider: world.integrations.get(name).map(|it| it.provider_key.clone()).unwrap_or_default(),
            granted,
            denied,
            indeterminate,
            unknown,
            held_until: standby.held_until.map(Stamp),
            held_for: standby.held_for,
            trouble_since: standby.trouble_since.map(Stamp),
        }
    }
}

impl From<Finding> for DiscoveryReport {
    fn from(finding: Finding) -> Self {
        let Finding { name, integration, repositories, missing, listed_at, problem, incomplete } = finding;
        Self {
            name: shown(&name),
            integration: shown(&integration),
            repositories,
            missing,
            listed_at: listed_at.map(Stamp),
            problem: problem.as_deref().map(shown),
            incomplete: incomplete.as_deref().map(shown),
        }
    }
}

impl From<&Incident> for IncidentReport {
    fn from(incident: &Incident) -> Self {
        Self {
            id: incident.id.clone(),
            integration: shown(&incident.integration),
            repository: incident.repository.as_deref().map(shown),
            reason: incident.reason,
            cause: incident.cause,
            affected: incident.affected,
            first_seen: Stamp(incident.first_seen),
            detail: shown(&incident.detail),
            people: PeopleReport::default(),
        }
    }
}

impl From<&Ending> for IdentityReport {
    fn from(ending: &Ending) -> Self {
        Self { name: shown(&ending.name), expires_at: Stamp(ending.expires_at.into()), renews: ending.renews }
    }
}

impl From<&Health> for StateReport {
    fn from(health: &Health) -> Self {
        Self {
            persisting: health.persisting,
            problem: health.problem.as_deref().map(shown),
            since: health.since.map(|since| Stamp(since.into())),
            waiting: health.waiting,
            dropped_events: health.dropped_events,
            last_seq: health.last_seq,
        }
    }
}

impl From<Reloads> for ConfigReport {
    fn from(reloads: Reloads) -> Self {
        let Reloads { successful, at, loaded_at, took, problems, needs_restart } = reloads;
        let duration_ms = took.as_secs_f64() * 1e3;
        Self { successful, at: Stamp(at), loaded_at: Stamp(loaded_at), duration_ms, problems, needs_restart }
    }
}

fn plugins(world: &World) -> Vec<PluginReport> {
    let plugins = world.providers.iter().map(|(key, provider)| {
        let condition = provider.condition();
        PluginReport {
            key: key.clone(),
            state: condition.state.to_owned(),
            cause: condition.cause.as_deref().map(shown),
        }
    });
    plugins.collect()
}

fn shown(text: &str) -> String {
    printable(text, LONGEST_TEXT).into_owned()
}
