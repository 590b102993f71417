//! What is known at the moment of a scrape, as plain data.

use std::time::SystemTime;

use crate::journal::Cause;
use crate::state::Health;
use crate::verdict::{Moment, Reason};

/// Everything that is projected.
#[derive(Debug)]
pub struct Snapshot {
    /// Repositories, counted.
    pub repositories: Vec<Repositories>,
    /// Every integration.
    pub integrations: Vec<Integration>,
    /// Checks that run.
    pub checks_running: usize,
    /// Open incidents, counted.
    pub incidents: Vec<Incidents>,
    /// Every plugin that is used.
    pub plugins: Vec<Plugin>,
    /// Identities whose end is known.
    pub identities: Vec<Identity>,
    /// Every discovery.
    pub discoveries: Vec<Discovery>,
    /// Every target of alerts.
    pub alerts: Vec<AlertTarget>,
    /// Every integration in whose tracker there are issues for incidents, or are to be.
    pub trackers: Vec<Tracker>,
    /// Issues that are subscribed to, as far as is known how that does.
    pub subscriptions: Vec<Subscription>,
    /// Whether the last attempt to read the configuration was taken over.
    pub config_successful: bool,
    /// When the configuration that is in use was read.
    pub config_loaded_at: Moment,
    /// How the state does.
    pub state: Health,
    /// Repositories one by one, where that is wanted; those of which nothing clear is known are left out.
    pub access: Vec<Access>,
}

/// Repositories of an integration that have one standing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repositories {
    /// The integration.
    pub integration: String,
    /// Its provider's key.
    pub provider: String,
    /// Why they stand so, none while nothing is known.
    pub reason: Option<Reason>,
    /// How many.
    pub count: usize,
}

/// How an integration does.
#[derive(Clone, Debug)]
pub struct Integration {
    /// Its name.
    pub name: String,
    /// Repositories without a clear answer for too long.
    pub stale: usize,
    /// Checks that are due and wait for their turn.
    pub waiting: usize,
    /// Whether no regular check is made for now.
    pub is_held: bool,
    /// Whether many repositories turned at once and the cause is being looked for.
    pub is_investigating: bool,
    /// What its forge will still answer, as it said at last.
    pub rate_budget: Option<u64>,
}

/// Open incidents of one kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Incidents {
    /// The integration.
    pub integration: String,
    /// Why its checks fail.
    pub reason: Reason,
    /// What is behind them.
    pub cause: Cause,
    /// How many.
    pub count: usize,
}

/// How a plugin does.
#[derive(Clone, Debug)]
pub struct Plugin {
    /// Its provider's key.
    pub provider: String,
    /// Whether it takes calls.
    pub is_up: bool,
    /// How often its worker was started again, by cause.
    pub restarts: Vec<(&'static str, u64)>,
}

/// An identity that ends.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Identity {
    /// Its name.
    pub name: String,
    /// When its token ends.
    pub expires_at: SystemTime,
    /// Whether it gets a new one by itself.
    pub renews: bool,
}

/// How a discovery does.
#[derive(Clone, Debug)]
pub struct Discovery {
    /// Its name.
    pub name: String,
    /// Repositories that it has found.
    pub repositories: usize,
    /// When everything was listed last.
    pub listed_at: Option<Moment>,
}

/// One repository.
#[derive(Clone, Debug)]
pub struct Access {
    /// Its name.
    pub repository: String,
    /// Its integration.
    pub integration: String,
    /// Whether there is access.
    pub granted: bool,
}

/// How a target of alerts does.
#[derive(Clone, Debug)]
pub struct AlertTarget {
    /// Its name.
    pub name: String,
    /// Beginnings and ends of incidents that it has not taken yet.
    pub pending: usize,
    /// Whether the last message was not taken.
    pub is_failing: bool,
}

/// How a tracker does.
#[derive(Clone, Debug)]
pub struct Tracker {
    /// The integration whose tracker it is.
    pub integration: String,
    /// Incidents for which there is something to do.
    pub pending: usize,
    /// Whether it does nothing of that.
    pub is_failing: bool,
}

/// Whether a tracker tells what becomes of issues.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscription {
    /// The integration whose tracker it is.
    pub integration: String,
    /// The project; empty for all.
    pub project: String,
    /// Whether it delivers.
    pub is_up: bool,
}
