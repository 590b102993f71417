//! When to believe what was seen: a loss after several denials in a row, a recovery after several grants.
//!
//! - An indeterminate answer confirms nothing and refutes nothing: what is pending stays pending.
//! - A repository of which nothing is known yet is damped like any other, and its first turn comes from nothing.
//! - A denial for another reason than the one believed is damped too, so that an incident does not change its
//!   cause with every hiccup.
//!
//! No clock and no I/O: the caller says when something was seen.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Moment, Reason, Verdict};

/// How many answers in a row are believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Thresholds {
    /// Denials that confirm a loss, at least one.
    pub failure: u32,
    /// Grants that confirm a recovery, at least one.
    pub success: u32,
}

/// What is believed of a repository, and what speaks against it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// What was confirmed last.
    pub confirmed: Option<Confirmed>,
    /// What was seen since, not often enough.
    pub pending: Option<Pending>,
    /// Since when there has been no clear answer, if the last one was none.
    pub unclear_since: Option<Moment>,
}

/// A confirmed reason: `granted`, or one that denies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confirmed {
    /// Why.
    pub reason: Reason,
    /// Since it was confirmed.
    pub since: Moment,
}

/// Clear answers in a row that differ from what is confirmed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pending {
    /// Of the latest one.
    pub reason: Reason,
    /// How many.
    pub count: u32,
}

/// A confirmed change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turn {
    /// What was believed, `None` if nothing was.
    pub from: Option<Reason>,
    /// What is believed now.
    pub to: Reason,
}

impl Standing {
    /// The verdict that is believed.
    pub fn verdict(&self) -> Option<Verdict> {
        self.confirmed.map(|confirmed| confirmed.reason.verdict())
    }

    /// Whether a denial of something believed to be granted, or not known yet, waits to be confirmed.
    pub fn is_losing(&self) -> bool {
        self.verdict() != Some(Verdict::Denied)
            && self.pending.is_some_and(|pending| pending.reason.verdict() == Verdict::Denied)
    }

    /// Takes an answer in; the turn that it confirms.
    pub fn observe(&mut self, reason: Reason, at: Moment, thresholds: Thresholds) -> Option<Turn> {
        let verdict = reason.verdict();
        if verdict == Verdict::Indeterminate {
            self.unclear_since.get_or_insert(at);
            return None;
        }
        self.unclear_since = None;
        if self.confirmed.is_some_and(|confirmed| confirmed.reason == reason) {
            self.pending = None;
            return None;
        }
        let before = self.pending.filter(|pending| self.counts_together(pending.reason, reason));
        let count = before.map_or(0, |pending| pending.count).saturating_add(1);
        let threshold = match verdict {
            Verdict::Granted => thresholds.success,
            _ => thresholds.failure,
        };
        if count < threshold {
            self.pending = Some(Pending { reason, count });
            return None;
        }
        Some(self.confirm(reason, at))
    }

    /// Believes a reason at once, whoever has found out that it is true.
    pub fn confirm(&mut self, reason: Reason, at: Moment) -> Turn {
        let from = self.confirmed.map(|confirmed| confirmed.reason);
        self.confirmed = Some(Confirmed { reason, since: at });
        self.pending = None;
        Turn { from, to: reason }
    }

    /// Whether there has been no clear answer for `limit`.
    pub fn is_stale(&self, now: Moment, limit: Duration) -> bool {
        self.unclear_since.is_some_and(|since| now.since(since) >= limit)
    }

    /// A loss is a loss whichever way it is denied; between two reasons of a loss each has to speak for itself.
    fn counts_together(&self, one: Reason, other: Reason) -> bool {
        match self.verdict() {
            Some(Verdict::Denied) => one == other,
            _ => one.verdict() == other.verdict(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Reason::{Forbidden, Granted, NotFound, RateLimited, Unreachable};

    const TWICE: Thresholds = Thresholds { failure: 2, success: 1 };

    fn at(second: u64) -> Moment {
        (std::time::SystemTime::UNIX_EPOCH + Duration::from_secs(second)).into()
    }

    /// What comes of answers one second apart: the turns, by the second.
    fn turns(thresholds: Thresholds, answers: &[Reason]) -> Vec<(usize, Option<Reason>, Reason)> {
        let mut standing = Standing::default();
        let turns = answers.iter().enumerate().filter_map(|(second, answer)| {
            let turn = standing.observe(*answer, at(second as u64), thresholds)?;
            Some((second, turn.from, turn.to))
        });
        turns.collect()
    }

    #[test]
    fn a_loss_takes_two_denials_and_a_recovery_one_grant() {
        let seen = [Granted, NotFound, NotFound, NotFound, Granted];
        let expected = [(0, None, Granted), (2, Some(Granted), NotFound), (4, Some(NotFound), Granted)];
        assert_eq!(turns(TWICE, &seen), expected);
    }

    #[test]
    fn a_single_denial_is_a_hiccup() {
        assert_eq!(turns(TWICE, &[Granted, NotFound, Granted, NotFound, Granted]), [(0, None, Granted)]);
    }

    #[test]
    fn denials_for_two_reasons_are_a_loss_for_the_later_one() {
        assert_eq!(turns(TWICE, &[Granted, NotFound, Forbidden])[1], (2, Some(Granted), Forbidden));
    }

    #[test]
    fn an_indeterminate_answer_neither_confirms_nor_refutes() {
        let seen = [Granted, Unreachable, Unreachable, Unreachable, RateLimited];
        assert_eq!(turns(TWICE, &seen), [(0, None, Granted)]);
        assert_eq!(
            turns(TWICE, &[Granted, NotFound, Unreachable, NotFound])[1],
            (3, Some(Granted), NotFound)
        );
    }

    #[test]
    fn another_reason_of_a_loss_has_to_last_as_well() {
        let seen = [NotFound, NotFound, Forbidden, NotFound, Forbidden, Forbidden];
        assert_eq!(turns(TWICE, &seen), [(1, None, NotFound), (5, Some(NotFound), Forbidden)]);
    }

    #[test]
    fn a_recovery_can_be_asked_to_last() {
        let slow = Thresholds { failure: 1, success: 3 };
        let seen = [NotFound, Granted, Granted, NotFound, Granted, Granted, Granted];
        assert_eq!(turns(slow, &seen), [(0, None, NotFound), (6, Some(NotFound), Granted)]);
    }

    #[test]
    fn staleness_counts_from_the_first_unclear_answer() {
        let mut standing = Standing::default();
        for second in 5..8 {
            standing.observe(Unreachable, at(second), TWICE);
        }
        let limit = Duration::from_secs(10);
        assert!(!standing.is_stale(at(14), limit));
        assert!(standing.is_stale(at(15), limit));
        standing.observe(Forbidden, at(16), TWICE);
        assert!(!standing.is_stale(at(100), limit));
    }

    #[test]
    fn a_clock_that_was_set_back_makes_nothing_stale() {
        let mut standing = Standing::default();
        standing.observe(Unreachable, at(1_000), TWICE);
        assert!(!standing.is_stale(at(10), Duration::from_secs(1)));
    }
}
