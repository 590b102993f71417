//! Giving a forge a rest: how long an integration's checks wait while it is limited or down.
//!
//! A rate limit holds at once, for as long as the forge says. Other trouble has to last for a few answers in a row,
//! so that one bad repository holds nobody. After the rest one check goes ahead, and its answer opens the gate or
//! doubles the next rest.

use std::time::Duration;

use tokio::time::Instant;

use super::ledger::HeldFor;
use crate::backoff::doubled;
use crate::verdict::{Outcome, Reason, Verdict};

/// Unclear answers in a row that are the forge's trouble, and not a repository's.
const TROUBLE: u32 = 5;
const SHORTEST: Duration = Duration::from_secs(5);
const LONGEST: Duration = Duration::from_secs(5 * 60);
/// What a forge may ask for; a longer `Retry-After` is a mistake or an attack.
const LONGEST_ASKED: Duration = Duration::from_secs(60 * 60);

/// Whether checks of an integration may start.
#[derive(Debug, Default)]
pub(super) struct Gate {
    state: State,
    unclear: u32,
    rests: u32,
    /// Since when what waited for the forge could have started.
    open_since: Option<Instant>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Open,
    Held {
        until: Instant,
        /// Whether the forge has asked for it.
        limited: bool,
    },
    /// One check is out to see.
    Probing,
}

impl Gate {
    /// How many checks may run at once at most, apart from other limits.
    pub(super) fn room(&self, now: Instant) -> usize {
        match self.state {
            State::Open => usize::MAX,
            State::Held { until, .. } if until > now => 0,
            State::Held { .. } | State::Probing => 1,
        }
    }

    /// Until when nothing may start.
    pub(super) fn held_until(&self) -> Option<Instant> {
        match self.state {
            State::Held { until, .. } => Some(until),
            State::Open | State::Probing => None,
        }
    }

    /// What it is that holds, while something does.
    pub(super) fn held_for(&self) -> HeldFor {
        match self.state {
            State::Held { limited: true, .. } => HeldFor::RateLimit,
            _ => HeldFor::Trouble,
        }
    }

    /// From when on a check counts as late that was `due`: a forge at rest makes nobody late.
    pub(super) fn late_from(&self, due: Instant) -> Instant {
        let open_since = self.held_until().or(self.open_since);
        open_since.map_or(due, |open_since| due.max(open_since))
    }

    /// Whether the forge is in trouble, as far as is known.
    pub(super) fn is_closed(&self) -> bool {
        self.state != State::Open
    }

    /// A check starts.
    pub(super) fn started(&mut self) {
        if self.is_closed() {
            self.state = State::Probing;
        }
    }

    /// A check ended. True when this opens or closes the gate.
    pub(super) fn ended(&mut self, outcome: &Outcome, now: Instant) -> bool {
        let was_closed = self.is_closed();
        let rests = matches!(self.state, State::Held { until, .. } if until > now);
        if outcome.reason.verdict() != Verdict::Indeterminate {
            // What was under way when a limit was told was let through before.
            if rests && matches!(self.state, State::Held { limited: true, .. }) {
                return false;
            }
            let open_since = if was_closed { Some(now) } else { self.open_since };
            *self = Self { open_since, ..Self::default() };
            return was_closed;
        }
        self.unclear = self.unclear.saturating_add(1);
        let limited = outcome.reason == Reason::RateLimited;
        // Checks that were under way when the gate was closed say nothing new.
        if !rests && (limited || was_closed || self.unclear >= TROUBLE) {
            self.rest(limited, outcome.retry_after_s, now);
        } else if limited
            && let (State::Held { until, .. }, Some(asked)) = (self.state, outcome.retry_after_s)
        {
            self.state = State::Held { until: until.max(now + asked_rest(asked)), limited };
        }
        self.is_closed() != was_closed
    }

    fn rest(&mut self, limited: bool, asked: Option<u64>, now: Instant) {
        let own = doubled(SHORTEST, self.rests, LONGEST);
        let rest = asked.filter(|_| limited).map_or(own, asked_rest);
        self.rests = self.rests.saturating_add(1);
        self.state = State::Held { until: now + rest, limited };
    }
}

fn asked_rest(seconds: u64) -> Duration {
    Duration::from_secs(seconds).clamp(Duration::from_secs(1), LONGEST_ASKED)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(reason: Reason, retry_after_s: Option<u64>) -> Outcome {
        Outcome { retry_after_s, ..Outcome::new(reason, "") }
    }

    fn seconds(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    #[test]
    fn one_bad_repository_among_good_ones_holds_nobody() {
        let (mut gate, now) = (Gate::default(), Instant::now());
        for _ in 0..20 {
            for _ in 0..TROUBLE - 1 {
                gate.ended(&answer(Reason::ProviderError, None), now);
            }
            gate.ended(&answer(Reason::NotFound, None), now);
            assert!(!gate.is_closed());
        }
    }

    #[test]
    fn a_rate_limit_holds_at_once_for_as_long_as_the_forge_says() {
        let (mut gate, now) = (Gate::default(), Instant::now());
        assert!(gate.ended(&answer(Reason::RateLimited, Some(90)), now));
        assert_eq!(gate.held_until(), Some(now + seconds(90)));
        // An answer of before asks for more.
        gate.ended(&answer(Reason::RateLimited, Some(120)), now);
        assert_eq!((gate.held_until(), gate.room(now)), (Some(now + seconds(120)), 0));
        assert_eq!(gate.room(now + seconds(120)), 1);
        gate.ended(&answer(Reason::RateLimited, Some(1_000_000)), now + seconds(120));
        assert_eq!(gate.held_until(), Some(now + seconds(120) + LONGEST_ASKED));
    }

    #[test]
    fn what_was_let_through_before_a_limit_does_not_end_it() {
        let (mut gate, now) = (Gate::default(), Instant::now());
        gate.ended(&answer(Reason::RateLimited, Some(90)), now);
        assert!(!gate.ended(&answer(Reason::Granted, None), now));
        assert_eq!((gate.held_until(), gate.room(now)), (Some(now + seconds(90)), 0));
        assert!(gate.ended(&answer(Reason::Granted, None), now + seconds(90)));
        assert_eq!(gate.room(now), usize::MAX);
    }

    #[test]
    fn a_forge_that_stays_down_is_asked_less_and_less_by_one_check_at_a_time() {
        let (mut gate, mut now) = (Gate::default(), Instant::now());
        let down = answer(Reason::Unreachable, None);
        for _ in 0..TROUBLE {
            assert_eq!(gate.room(now), usize::MAX);
            gate.ended(&down, now);
        }
        let mut rests = Vec::new();
        for _ in 0..9 {
            let until = gate.held_until().unwrap();
            rests.push((until - now).as_secs());
            now = until;
            assert_eq!(gate.room(now), 1);
            gate.started();
            assert_eq!(gate.room(now), 1);
            gate.ended(&down, now);
        }
        assert_eq!(rests, [5, 10, 20, 40, 80, 160, 300, 300, 300]);
        assert!(gate.ended(&answer(Reason::Granted, None), now));
        assert_eq!(gate.room(now), usize::MAX);
    }

    #[test]
    fn answers_of_before_the_rest_do_not_prolong_it() {
        let (mut gate, now) = (Gate::default(), Instant::now());
        let down = answer(Reason::Unreachable, None);
        for _ in 0..TROUBLE + 30 {
            gate.ended(&down, now);
        }
        assert_eq!(gate.held_until(), Some(now + SHORTEST));
    }
}
