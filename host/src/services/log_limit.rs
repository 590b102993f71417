//! A limit on how much a plugin may write into the host's log: it must not fill the operator's disk.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Lines that a plugin may log within [`WINDOW`].
const MOST_LINES: u32 = 200;
const WINDOW: Duration = Duration::from_secs(1);

/// Counts the lines of one plugin.
#[derive(Debug, Default)]
pub(super) struct LogLimit {
    window: Mutex<Window>,
}

#[derive(Debug, Default)]
struct Window {
    begun: Option<Instant>,
    lines: u32,
    dropped: u64,
}

/// What to do with a line.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Admission {
    /// Write it.
    Write,
    /// Write it, and before it that so many were dropped.
    WriteAfter {
        /// How many.
        dropped: u64,
    },
    /// Say that lines are dropped from here on.
    FirstDropped,
    /// Drop it.
    Drop,
}

impl LogLimit {
    /// Counts a line that comes at `now`.
    pub(super) fn admit(&self, now: Instant) -> Admission {
        let mut window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
        if window.begun.is_none_or(|begun| now.duration_since(begun) >= WINDOW) {
            let dropped =
                std::mem::replace(&mut *window, Window { begun: Some(now), lines: 1, dropped: 0 }).dropped;
            return if dropped == 0 { Admission::Write } else { Admission::WriteAfter { dropped } };
        }
        window.lines = window.lines.saturating_add(1);
        if window.lines <= MOST_LINES {
            return Admission::Write;
        }
        window.dropped += 1;
        if window.dropped == 1 { Admission::FirstDropped } else { Admission::Drop }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_much_is_dropped_and_said_to_be() {
        let (limit, start) = (LogLimit::default(), Instant::now());
        for _ in 0..MOST_LINES {
            assert_eq!(limit.admit(start), Admission::Write);
        }
        assert_eq!(limit.admit(start), Admission::FirstDropped);
        for _ in 0..9 {
            assert_eq!(limit.admit(start + WINDOW / 2), Admission::Drop);
        }
        assert_eq!(limit.admit(start + WINDOW), Admission::WriteAfter { dropped: 10 });
        assert_eq!(limit.admit(start + WINDOW * 2), Admission::Write);
    }
}
