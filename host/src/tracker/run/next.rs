//! What is to be done next for an incident. No I/O.

#[cfg(test)]
mod tests;

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::super::record::Record;
use super::super::settings::Settings;
use crate::backoff::doubled;
use crate::verdict::Moment;

/// After how long a linked issue is read again: what a tracker delivers gets lost.
pub(super) const READ_EVERY: Duration = Duration::from_secs(60 * 60);
/// For how long a search may not show yet what was made.
pub(super) const INDEX_LAG: Duration = Duration::from_secs(10 * 60);

/// The longest, after several were made that were never to be seen.
const LONGEST_LAG: Duration = Duration::from_secs(24 * 60 * 60);

/// Something to do at a tracker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in super::super) enum Step {
    /// Look whether an issue was made of which nobody knows.
    Recover,
    /// Find an issue, or make one.
    Find,
    /// Say in the issue whose it is.
    Greet,
    /// Give the issue to whoever has the incident.
    Assign,
    /// Say in the issue that the incident is over, and close it.
    End,
    /// Look how the issue is.
    Read,
}

impl Record {
    /// The integration whose tracker has its issue, or is to have it.
    pub(in super::super) fn tracker<'a>(&'a self, settings: &'a Settings) -> Option<&'a str> {
        match &self.issue {
            Some(link) => Some(&link.integration),
            None => {
                let rule = self.rule.as_deref().and_then(|name| settings.rule(name));
                rule.map(|rule| rule.integration.as_str())
            }
        }
    }

    /// The name of the tracker that is to have an issue for it, while there is none that is known.
    pub(crate) fn awaits_issue_in(&self) -> Option<&str> {
        let step = self.next(Moment::now()).map(|(step, _)| step);
        self.rule.as_deref().filter(|_| matches!(step, Some(Step::Recover | Step::Find)))
    }

    /// What is to be done next, and how long that can wait.
    pub(in super::super) fn next(&self, now: Moment) -> Option<(Step, Duration)> {
        let at_once = |step| Some((step, Duration::ZERO));
        let Some(link) = &self.issue else {
            let is_wanted = self.rule.is_some() && !self.by_hand && !self.is_over();
            return match self.making_since {
                Some(_) => at_once(Step::Recover),
                None if is_wanted => at_once(Step::Find),
                None => None,
            };
        };
        // What is gone is told nothing but that the incident is over: it may be back.
        match (self.owed.end, link.gone_since) {
            (true, _) => return at_once(Step::End),
            (false, None) if self.owed.greeting => return at_once(Step::Greet),
            (false, None) if self.owed.assignee => return at_once(Step::Assign),
            _ => {}
        }
        if self.is_over() {
            return None;
        }
        // The clock may have been set back since it was read.
        let is_due = link.is_stale || now < link.read_at;
        let rest = if is_due { Duration::ZERO } else { READ_EVERY };
        Some((Step::Read, rest.saturating_sub(now.since(link.read_at))))
    }

    /// Whether an issue that may have been made has surely not been, as a complete search has not shown it now. A tracker
    /// that makes issues, says nothing of it and never shows them is to have few.
    pub(super) fn is_surely_unmade(&self, now: Moment) -> bool {
        let lag = doubled(INDEX_LAG, self.unmade, LONGEST_LAG);
        self.making_since.is_some_and(|since| now.since(since) >= lag)
    }
}
