//! Whether checks go on: how often the forge is asked, looked at every millisecond.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::fake::{Fake, Kind};

const LOOK: Duration = Duration::from_millis(1);

/// A look-out for the longest time without a check.
pub(super) struct Pulse {
    ended: Arc<AtomicBool>,
    looking: JoinHandle<(Duration, u64)>,
}

impl Pulse {
    pub(super) fn of(fake: Arc<Fake>) -> Self {
        let ended = Arc::new(AtomicBool::new(false));
        let end = Arc::clone(&ended);
        Self { ended, looking: thread::spawn(move || look(&fake, &end)) }
    }

    /// The longest time without a check since it began, and how many there were.
    pub(super) fn end(self) -> (Duration, u64) {
        self.ended.store(true, Ordering::Relaxed);
        self.looking.join().expect("looking does not fail")
    }
}

fn look(fake: &Fake, end: &AtomicBool) -> (Duration, u64) {
    let asked = || fake.counters().of(Kind::Repository);
    let first = asked();
    let (mut last, mut since, mut longest) = (first, Instant::now(), Duration::ZERO);
    while !end.load(Ordering::Relaxed) {
        thread::sleep(LOOK);
        longest = longest.max(since.elapsed());
        if asked() != last {
            (last, since) = (asked(), Instant::now());
        }
    }
    (longest, last - first)
}
