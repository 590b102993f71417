//! The daemon at a glance.

use schemars::JsonSchema;
use serde::Serialize;

use super::access::Scope;
use super::answer::{Found, Time};
use super::error::Error;
use super::input::Nothing;
use super::integrations::Verdicts;
use super::route::{Call, Operation, Routes};
use crate::daemon::{Ledger, Reloads};
use crate::state::Health;
use crate::verdict::Moment;

pub(super) fn add(routes: &mut Routes) {
    let summary = "The daemon at a glance.";
    let operation = Operation { id: "get_status", summary, scope: Some(Scope::Read), errors: &[] };
    routes.get("/api/v1/status", operation, status);
}

/// The daemon at a glance.
#[derive(Serialize, JsonSchema)]
struct Status {
    version: String,
    started_at: Time,
    uptime_s: f64,
    ready: bool,
    repositories: Repositories,
    open_incidents: usize,
    schedule: Schedule,
    state: StateHealth,
    reload: Reloaded,
}

#[derive(Serialize, JsonSchema)]
#[schemars(inline)]
struct Repositories {
    total: usize,
    verdicts: Verdicts,
    /// Those that have been long without a clear answer.
    stale: usize,
}

/// How checks keep up.
#[derive(Default, Serialize, JsonSchema)]
#[schemars(inline)]
struct Schedule {
    /// Checks that run.
    running: usize,
    /// Checks that are due and wait for their turn.
    waiting: usize,
    /// How long the check that is most overdue has been due.
    lag_s: f64,
}

/// How the writing of the state stands.
#[derive(Serialize, JsonSchema)]
#[schemars(inline)]
struct StateHealth {
    /// Whether what happens reaches the disk.
    persisting: bool,
    /// Why it does not.
    problem: Option<String>,
    /// Since when it does not.
    since: Option<Time>,
    /// Rows that wait to be written.
    waiting: usize,
    /// Events that found no more room.
    dropped_events: u64,
    /// The number of the last event on disk.
    last_seq: i64,
}

/// How the configuration was read.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Reload")]
pub(super) struct Reloaded {
    /// Whether the last attempt was taken over; the start counts as one.
    successful: bool,
    /// When it was made.
    at: Time,
    /// When the configuration that is in use was read.
    loaded_at: Time,
    duration_ms: f64,
    /// What was wrong.
    problems: Vec<String>,
    /// What could not be changed without a restart.
    needs_restart: Vec<String>,
}

async fn status(call: Call<Nothing>) -> Result<Found<Status>, Error> {
    let shared = call.shared;
    let now = Moment::now();
    let (repositories, schedule, open_incidents) = shared
        .look(move |ledger| {
            (Repositories::of(ledger), Schedule::of(ledger, now), ledger.incidents.open().count())
        })
        .await?;
    let ready = *shared.ready.borrow() && !shared.stop.is_cancelled();
    Ok(Found(Status {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        started_at: shared.started_at.into(),
        uptime_s: now.since(shared.started_at).as_secs_f64(),
        ready,
        repositories,
        open_incidents,
        schedule,
        state: shared.handle.health().borrow().clone().into(),
        reload: shared.handle.reloads().into(),
    }))
}

impl Repositories {
    fn of(ledger: &Ledger) -> Self {
        let mut verdicts = Verdicts::default();
        ledger.entries.iter().for_each(|entry| verdicts.add(entry));
        let stale = ledger.entries.iter().filter(|entry| entry.stale).count();
        Self { total: verdicts.total(), verdicts, stale }
    }
}

impl Schedule {
    fn of(ledger: &Ledger, now: Moment) -> Self {
        let due = ledger.entries.iter().filter_map(|entry| entry.next_check).min();
        let lag_s = due.map_or(0.0, |due| now.since(due).as_secs_f64());
        let standbys = || ledger.integrations.values();
        Self {
            running: standbys().map(|standby| standby.running).sum(),
            waiting: standbys().map(|standby| standby.waiting).sum(),
            lag_s,
        }
    }
}

impl From<Health> for StateHealth {
    fn from(health: Health) -> Self {
        Self {
            persisting: health.persisting,
            problem: health.problem,
            since: health.since.map(|since| Moment::from(since).into()),
            waiting: health.waiting,
            dropped_events: health.dropped_events,
            last_seq: health.last_seq,
        }
    }
}

impl From<Reloads> for Reloaded {
    fn from(reloads: Reloads) -> Self {
        Self {
            successful: reloads.successful,
            at: reloads.at.into(),
            loaded_at: reloads.loaded_at.into(),
            duration_ms: reloads.took.as_secs_f64() * 1000.0,
            problems: reloads.problems,
            needs_restart: reloads.needs_restart,
        }
    }
}
