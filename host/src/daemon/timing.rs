//! When a repository is checked: at its own phase of its interval, so that the load is even and the same after a
//! restart.
//!
//! Phases are fixed to the wall clock, but only looked up there when a check is planned: what waits goes by the
//! monotonic clock, and a wall clock that jumps moves no check that is planned.

use std::time::Duration;

use sha2::{Digest, Sha256};

use crate::verdict::Moment;

/// How fast repositories are taken up that were never checked, or not for longer than their interval: one after
/// another at this distance, unless their phase comes sooner.
const CATCH_UP: Duration = Duration::from_millis(20);

/// A repository's place in any interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Phase(u64);

impl Phase {
    /// The phase of the repository with this name.
    pub(super) fn of(name: &str) -> Self {
        let digest = Sha256::digest(name.as_bytes());
        Self(digest.iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }

    /// How long it is until the first moment in this phase that is at least `at_least` ahead.
    pub(super) fn next(self, now: Moment, interval: Duration, at_least: Duration) -> Duration {
        let interval_ms = interval.as_millis().max(1);
        let offset = u128::from(self.0) % interval_ms;
        let now_ms = u128::try_from(now.unix_ms()).unwrap_or(0);
        let earliest = now_ms + at_least.as_millis();
        let behind = (earliest + interval_ms - offset) % interval_ms;
        let wait = if behind == 0 { 0 } else { interval_ms - behind };
        Duration::from_millis(u64::try_from(earliest + wait - now_ms).unwrap_or(u64::MAX))
    }
}

/// Plans the first checks after a start or a reload.
pub(super) struct CatchUp {
    now: Moment,
    overdue: u32,
}

impl CatchUp {
    pub(super) fn new(now: Moment) -> Self {
        Self { now, overdue: 0 }
    }

    /// How long a repository waits that was `last` checked then.
    pub(super) fn first(&mut self, phase: Phase, interval: Duration, last: Option<Moment>) -> Duration {
        // A last check in the future was made before the clock was set: nothing is known of when it was.
        let age = last.filter(|last| *last <= self.now).map(|last| self.now.since(last));
        if let Some(age) = age.filter(|age| *age < interval) {
            return phase.next(self.now, interval, (interval / 2).saturating_sub(age));
        }
        self.overdue += 1;
        phase.next(self.now, interval, Duration::ZERO).min(CATCH_UP * self.overdue)
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;

    const INTERVAL: Duration = Duration::from_secs(900);

    fn at(seconds: f64) -> Moment {
        (SystemTime::UNIX_EPOCH + Duration::from_secs_f64(seconds)).into()
    }

    #[test]
    fn phases_spread_evenly_over_the_interval() {
        let mut slots = [0_u32; 90];
        for n in 0..90_000 {
            let wait = Phase::of(&format!("repository-{n}")).next(at(1e9), INTERVAL, Duration::ZERO);
            slots[wait.as_secs() as usize / 10] += 1;
        }
        // A thousand each; five standard deviations are 158.
        assert!(slots.iter().all(|count| (842..=1158).contains(count)), "{slots:?}");
    }

    #[test]
    fn a_phase_is_the_same_whenever_it_is_asked_for() {
        let phase = Phase::of("payments-api");
        let first = 1e9 + phase.next(at(1e9), INTERVAL, Duration::ZERO).as_secs_f64();
        for later in [0.0, 1.0, 333.0, 900.0, 12_345.678] {
            let next = 1e9 + later + phase.next(at(1e9 + later), INTERVAL, Duration::ZERO).as_secs_f64();
            let intervals = (next - first) / 900.0;
            assert!((intervals - intervals.round()).abs() < 1e-5, "{later}: {intervals}");
        }
    }

    #[test]
    fn the_next_check_is_far_enough_ahead() {
        let phase = Phase::of("web");
        for second in 0..900 {
            let wait = phase.next(at(1e9 + f64::from(second)), INTERVAL, INTERVAL / 2);
            assert!(wait >= INTERVAL / 2 && wait < INTERVAL * 3 / 2, "{wait:?}");
        }
    }

    #[test]
    fn what_was_checked_lately_keeps_its_phase_and_what_is_overdue_comes_soon() {
        let mut plan = CatchUp::new(at(1e9));
        let phase = Phase::of("web");
        for age in [1.0, 100.0, 449.0, 899.0] {
            let wait = plan.first(phase, INTERVAL, Some(at(1e9 - age)));
            assert_eq!(
                wait,
                phase.next(at(1e9 - age), INTERVAL, INTERVAL / 2) - Duration::from_secs_f64(age)
            );
        }
        assert_eq!(plan.first(phase, INTERVAL, None), CATCH_UP);
        assert_eq!(plan.first(phase, INTERVAL, Some(at(1e9 - 900.0))), CATCH_UP * 2);
        // The clock was set back an hour since that check.
        assert_eq!(plan.first(phase, INTERVAL, Some(at(1e9 + 3600.0))), CATCH_UP * 3);
    }
}
