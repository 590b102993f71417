//! What follows from how often a worker ended: at once again, later, or not for a long time.

use std::collections::VecDeque;
use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, Instant};

use super::process::{EndedBy, Ending};
use crate::backoff::doubled;

/// How many endings of the plugin's own making within [`WINDOW`] are too many.
const MOST_CRASHES: usize = 6;
const WINDOW: Duration = Duration::from_secs(60);
/// How many starts in a row may fail.
const MOST_FAILED_STARTS: u32 = 3;
/// How long a plugin that ended too often is left alone.
pub(super) const QUARANTINE: Duration = Duration::from_secs(600);
/// The wait after the first ending that followed no answer; it doubles.
const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// How a plugin's workers ended so far.
#[derive(Default)]
pub(super) struct History {
    crashes: VecDeque<Instant>,
    failed_starts: u32,
    fruitless: u32,
}

/// How far a worker had come when it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reached {
    /// It never was ready.
    Nothing,
    /// It was ready and answered nothing.
    Ready,
    /// It answered something.
    Served,
}

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Start a new worker after a wait.
    Restart(Duration),
    /// Leave the plugin alone for [`QUARANTINE`]; it ended so often.
    Quarantine { times: usize },
}

impl History {
    /// Notes an ending at `now` and says what follows.
    pub(super) fn note(&mut self, ending: &Ending, reached: Reached, now: Instant) -> Next {
        self.fruitless = if reached == Reached::Served { 0 } else { self.fruitless.saturating_add(1) };
        let by_plugin = ending.by == EndedBy::Plugin;
        self.failed_starts = match reached {
            Reached::Nothing => self.failed_starts + u32::from(by_plugin),
            Reached::Ready | Reached::Served => 0,
        };
        if by_plugin {
            self.crashes.push_back(now);
        }
        self.crashes.retain(|crash| now.duration_since(*crash) < WINDOW + QUARANTINE);
        let recent = self.crashes.iter().filter(|crash| now.duration_since(**crash) < WINDOW).count();
        // One that comes out of a quarantine and crashes again has not become better.
        let relapsed = recent > 0 && self.crashes.len() >= MOST_CRASHES.max(recent + 1);
        if self.failed_starts >= MOST_FAILED_STARTS || recent >= MOST_CRASHES || relapsed {
            return Next::Quarantine { times: recent.max(self.failed_starts as usize) };
        }
        Next::Restart(self.wait())
    }

    /// Grows with the endings that followed no answer, with up to half as much again by chance.
    fn wait(&self) -> Duration {
        let Some(doublings) = self.fruitless.checked_sub(1) else { return Duration::ZERO };
        let wait = doubled(FIRST_WAIT, doublings, LONGEST_WAIT);
        let chance = f64::from(RandomState::new().hash_one(0) as u32) / f64::from(u32::MAX);
        wait.mul_f64(1.0 + chance / 2.0)
    }
}

#[cfg(test)]
mod tests {
    use super::super::status::RestartCause;
    use super::*;

    fn crash() -> Ending {
        Ending::by_plugin(RestartCause::Crashed, "it crashed")
    }

    fn kill() -> Ending {
        Ending { by: EndedBy::Outside, ..crash() }
    }

    #[test]
    fn what_served_is_started_at_once_until_it_crashed_too_often() {
        let mut history = History::default();
        let now = Instant::now();
        for _ in 1..MOST_CRASHES {
            assert_eq!(history.note(&crash(), Reached::Served, now), Next::Restart(Duration::ZERO));
        }
        assert_eq!(history.note(&crash(), Reached::Served, now), Next::Quarantine { times: MOST_CRASHES });
        // So many within a minute were too many; one more right after the quarantine is, too.
        let later = now + QUARANTINE;
        assert_eq!(history.note(&crash(), Reached::Served, later), Next::Quarantine { times: 1 });
        let much_later = later + QUARANTINE + WINDOW;
        assert_eq!(history.note(&crash(), Reached::Served, much_later), Next::Restart(Duration::ZERO));
    }

    #[test]
    fn rare_crashes_and_kills_from_outside_are_no_reason_for_a_quarantine() {
        let mut history = History::default();
        let mut now = Instant::now();
        for _ in 0..100 {
            assert_eq!(history.note(&kill(), Reached::Served, now), Next::Restart(Duration::ZERO));
        }
        for _ in 0..10 {
            assert!(matches!(history.note(&kill(), Reached::Nothing, now), Next::Restart(_)));
        }
        for _ in 0..10 {
            now += WINDOW + QUARANTINE;
            assert_eq!(history.note(&crash(), Reached::Served, now), Next::Restart(Duration::ZERO));
        }
    }

    #[test]
    fn waits_grow_to_a_limit() {
        let mut history = History::default();
        let mut wait = || match history.note(&kill(), Reached::Ready, Instant::now()) {
            Next::Restart(wait) => wait,
            Next::Quarantine { .. } => panic!("nobody crashed"),
        };
        let waits: Vec<_> = (0..20).map(|_| wait()).collect();
        assert!(waits[0] >= FIRST_WAIT && waits[0] <= FIRST_WAIT.mul_f64(1.5), "{waits:?}");
        assert!(waits[19] >= LONGEST_WAIT && waits[19] <= LONGEST_WAIT.mul_f64(1.5), "{waits:?}");
    }

    #[test]
    fn what_never_starts_is_given_up_soon() {
        let mut history = History::default();
        let now = Instant::now();
        for _ in 1..MOST_FAILED_STARTS {
            assert!(matches!(history.note(&crash(), Reached::Nothing, now), Next::Restart(_)));
        }
        assert_eq!(history.note(&crash(), Reached::Nothing, now), Next::Quarantine { times: 3 });
    }
}
