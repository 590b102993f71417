//! How trackers do, for whoever asks.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::handle::Handle;
use super::record::Record;
use super::run::Step;
use crate::metrics;
use crate::verdict::{Moment, Stamp};

/// An integration in whose tracker there are issues for incidents, and whether that works.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "Tracker")]
pub struct TrackerReport {
    /// The integration's name.
    pub integration: String,
    /// The names of the trackers that have their issues there.
    pub trackers: Vec<String>,
    /// Incidents with an issue there.
    pub linked: usize,
    /// Incidents for which there is something to do there.
    pub pending: usize,
    /// Since when it does nothing of that.
    pub failing_since: Option<Stamp>,
    /// Why not, or why it does not do all of it, and what to do.
    pub problem: Option<String>,
    /// When it is tried again.
    pub next_attempt_at: Option<Stamp>,
}

/// What is known of a tracker while the process lives.
#[derive(Clone, Debug, Default)]
pub(super) struct Condition {
    pub(super) failing_since: Option<Moment>,
    pub(super) problem: Option<String>,
    pub(super) next_attempt_at: Option<Moment>,
    /// What it refuses for single incidents.
    pub(super) refused: BTreeMap<(String, Step), String>,
}

impl Handle {
    /// How each tracker does, in name order of the integrations. Looks at all that is followed, so it blocks for a moment.
    pub fn report(&self) -> Vec<TrackerReport> {
        let (settings, conditions) = (self.shared.settings(), self.shared.conditions().clone());
        let (book, now) = (self.shared.book(), Moment::now());
        let of_rules = settings.rules().map(|rule| rule.integration.as_str());
        let followed: Vec<(&Record, &str)> = {
            let records = book.iter().map(|(_, record)| record);
            records.filter_map(|record| Some((record, record.tracker(&settings)?))).collect()
        };
        let all: BTreeSet<&str> = of_rules.chain(followed.iter().map(|(_, of)| *of)).collect();
        let report = all.into_iter().map(|integration| {
            let here = || followed.iter().filter(|(_, of)| *of == integration).map(|(record, _)| record);
            let is_next =
                |record: &Record, step: Step| record.next(now).is_some_and(|(next, _)| next == step);
            let condition = conditions.get(integration).cloned().unwrap_or_default();
            let refused = condition.refused.into_iter().find(|((incident, step), _)| {
                book.get(incident).is_some_and(|record| is_next(record, *step))
            });
            let of_it = settings.rules().filter(|rule| rule.integration == integration);
            TrackerReport {
                integration: integration.to_owned(),
                trackers: of_it.map(|rule| rule.name.clone()).collect(),
                linked: here().filter(|record| record.issue.is_some() && !record.is_over()).count(),
                pending: here().filter(|record| record.is_pending(now)).count(),
                failing_since: condition.failing_since.map(Stamp),
                problem: condition.problem.or(refused.map(|(_, problem)| problem)),
                next_attempt_at: condition.next_attempt_at.map(Stamp),
            }
        });
        report.collect()
    }
}

impl Record {
    /// Whether there is something to do for it but to look.
    fn is_pending(&self, now: Moment) -> bool {
        self.next(now).is_some_and(|(step, _)| step != Step::Read)
    }
}

impl From<&TrackerReport> for metrics::Tracker {
    fn from(report: &TrackerReport) -> Self {
        Self {
            integration: report.integration.clone(),
            pending: report.pending,
            is_failing: report.failing_since.is_some(),
        }
    }
}
