//! Noticing that a library file has new bytes, whether it was renamed into place or overwritten.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::task::spawn_blocking;
use tokio::time::{MissedTickBehavior, interval};

/// How often a file is looked at.
const EVERY: Duration = Duration::from_secs(1);

/// Looks at one file again and again.
pub(super) struct Watch {
    path: PathBuf,
    /// As it was when its bytes were last read.
    known: Option<Stamp>,
    /// As it was at the last look.
    seen: Option<Stamp>,
}

/// What changes with a file's bytes.
type Stamp = (u64, u64, u64, i64, i64, i64, i64);

fn stamp(metadata: &Metadata) -> Stamp {
    let it = metadata;
    (it.dev(), it.ino(), it.size(), it.mtime(), it.mtime_nsec(), it.ctime(), it.ctime_nsec())
}

impl Watch {
    /// Watches `path` from its present state on. Looks at the file, so it blocks for a moment.
    pub(super) fn new(path: PathBuf) -> Self {
        let known = std::fs::metadata(&path).ok().as_ref().map(stamp);
        Self { path, known, seen: known }
    }

    /// The file.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Notes that the bytes of the last change have been read: they are no news any more.
    pub(super) fn taken(&mut self) {
        self.known = self.seen;
    }

    /// Waits until the file is another one than before, and has been for a moment: who writes into it should have
    /// ended. A file that is gone is waited for. Gives its path. Cancel-safe.
    pub(super) async fn changed(&mut self) -> &Path {
        let mut ticks = interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        ticks.tick().await;
        loop {
            ticks.tick().await;
            let path = self.path.clone();
            let metadata = spawn_blocking(move || std::fs::metadata(path)).await;
            let now = metadata.ok().and_then(Result::ok).as_ref().map(stamp);
            let is_settled = now == self.seen;
            self.seen = now;
            if now.is_some() && now != self.known && is_settled {
                return &self.path;
            }
        }
    }
}
