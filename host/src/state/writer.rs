//! Stub.

use std::time::{Duration, SystemTime};

/// How the state does.
#[derive(Clone, Debug, Default)]
pub struct Health {
    /// Whether writes work.
    pub persisting: bool,
    /// Why not.
    pub problem: Option<String>,
    /// Since when.
    pub since: Option<SystemTime>,
    /// Groups that wait.
    pub waiting: usize,
    /// Events given up.
    pub dropped_events: u64,
    /// The last committed event.
    pub last_seq: i64,
    /// Commits so far.
    pub commits: u64,
    /// How long the last commit took.
    pub last_commit: Duration,
}
