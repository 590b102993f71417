//! How much a plugin may log.
//!
//! Warnings and errors have a small allowance, since they are shown unasked. What is shown only to who asks for detail
//! has a large one. Neither eats the other's.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How often it is told that lines are left out.
const TELL_EVERY: Duration = Duration::from_secs(10);

/// The allowances of one plugin's log.
pub(super) struct LogLimit(Mutex<Allowances>);

struct Allowances {
    urgent: Allowance,
    detailed: Allowance,
    left_out: u64,
    told: Option<Instant>,
}

/// So many lines at once, and so many a second after that.
pub(crate) struct Allowance {
    most: u32,
    a_second: u32,
    left: f64,
    since: Option<Instant>,
}

/// Whether a line may be logged.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// It may.
    Yes,
    /// It is left out; what to tell, when it is time to.
    No { tell: Option<Told> },
}

/// What to tell of lines that are left out.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Told {
    /// How many were so far.
    pub(super) left_out: u64,
    /// How many of this kind a second are not.
    pub(super) a_second: u32,
}

impl Default for LogLimit {
    fn default() -> Self {
        let (urgent, detailed) = (Allowance::new(100, 10), Allowance::new(10_000, 1_000));
        Self(Mutex::new(Allowances { urgent, detailed, left_out: 0, told: None }))
    }
}

impl LogLimit {
    /// Takes one line of `level`, as the ABI numbers it, out of its allowance.
    pub(super) fn take(&self, level: u8, now: Instant) -> Taken {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let allowance = if level <= 2 { &mut all.urgent } else { &mut all.detailed };
        if allowance.take(now) {
            return Taken::Yes;
        }
        let a_second = allowance.a_second;
        all.left_out = all.left_out.saturating_add(1);
        let is_time = all.told.is_none_or(|told| now.duration_since(told) >= TELL_EVERY);
        let tell = is_time.then_some(Told { left_out: all.left_out, a_second });
        all.told = if is_time { Some(now) } else { all.told };
        Taken::No { tell }
    }
}

impl Allowance {
    pub(crate) fn new(most: u32, a_second: u32) -> Self {
        Self { most, a_second, left: most.into(), since: None }
    }

    /// Whether there was one left.
    pub(crate) fn take(&mut self, now: Instant) -> bool {
        let passed = self.since.map_or(Duration::ZERO, |since| now.duration_since(since));
        self.since = Some(now);
        let gained = passed.as_secs_f64() * f64::from(self.a_second);
        self.left = (self.left + gained).min(self.most.into());
        let is_left = self.left >= 1.0;
        self.left -= if is_left { 1.0 } else { 0.0 };
        is_left
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many of `lines` may be logged, and what is told.
    fn logged(limit: &LogLimit, level: u8, lines: usize, now: Instant) -> (usize, Vec<u64>) {
        let taken: Vec<_> = (0..lines).map(|_| limit.take(level, now)).collect();
        let told = taken.iter().filter_map(|taken| match taken {
            Taken::No { tell } => tell.as_ref().map(|told| told.left_out),
            Taken::Yes => None,
        });
        (taken.iter().filter(|taken| **taken == Taken::Yes).count(), told.collect())
    }

    #[test]
    fn a_flood_is_cut_and_told_now_and_then() {
        let limit = LogLimit::default();
        let start = Instant::now();
        assert_eq!(logged(&limit, 2, 5_000, start), (100, vec![1]));
        assert_eq!(logged(&limit, 1, 5_000, start + Duration::from_secs(1)), (10, vec![]));
        assert_eq!(logged(&limit, 2, 5_000, start + TELL_EVERY), (90, vec![9_891]));
        let later = start + Duration::from_secs(3600);
        assert_eq!(logged(&limit, 2, 50, later), (50, vec![]), "who has become quiet is heard again");
    }

    #[test]
    fn detail_does_not_eat_what_warnings_may() {
        let limit = LogLimit::default();
        let now = Instant::now();
        assert_eq!(logged(&limit, 4, 20_000, now), (10_000, vec![1]));
        assert_eq!(logged(&limit, 1, 100, now), (100, vec![]));
    }
}
