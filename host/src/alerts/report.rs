//! How targets do, for whoever asks.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::metrics::AlertTarget;
use crate::verdict::{Moment, Stamp};

/// Somebody who is told of incidents, and whether that works.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "AlertTarget")]
pub struct TargetReport {
    /// Its name.
    pub name: String,
    /// What it is: `webhook`, `slack`, `alertmanager` or `email`.
    pub kind: String,
    /// Beginnings and ends of incidents that it has not taken yet.
    pub pending: usize,
    /// Beginnings that are kept from it by maintenance.
    #[serde(default)]
    pub quiet: usize,
    /// When it took a message last, since the start.
    pub delivered_at: Option<Stamp>,
    /// Since when it takes none.
    pub failing_since: Option<Stamp>,
    /// Why not, and what to do.
    pub problem: Option<String>,
    /// When it is tried again.
    pub next_attempt_at: Option<Stamp>,
}

/// What is known of a target while the process lives.
#[derive(Clone, Debug, Default)]
pub(super) struct Condition {
    pub(super) delivered_at: Option<Moment>,
    pub(super) failing_since: Option<Moment>,
    pub(super) problem: Option<String>,
    pub(super) next_attempt_at: Option<Moment>,
}

impl Condition {
    pub(super) fn report(&self, name: &str, kind: &str, (pending, quiet): (usize, usize)) -> TargetReport {
        TargetReport {
            name: name.to_owned(),
            kind: kind.to_owned(),
            pending,
            quiet,
            delivered_at: self.delivered_at.map(Stamp),
            failing_since: self.failing_since.map(Stamp),
            problem: self.problem.clone(),
            next_attempt_at: self.next_attempt_at.map(Stamp),
        }
    }
}

impl From<&TargetReport> for AlertTarget {
    fn from(report: &TargetReport) -> Self {
        Self {
            name: report.name.clone(),
            pending: report.pending,
            is_failing: report.failing_since.is_some(),
        }
    }
}
