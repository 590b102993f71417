//! The daemon's writes: one thread with a connection of its own, which collects what is submitted.
//!
//! - Submitting never blocks and never fails. What is submitted in one [`Save`] is on disk together or not at all,
//!   and nothing overtakes anything.
//! - A store that cannot be written costs nothing but memory, within bounds, until it can be written again. It is
//!   tried again every few seconds; [`Health`] says how it stands, and the log at the beginning and at the end.
//! - A file that was removed or replaced is noticed before the next commit, and the path is opened anew.
//!
//! Reading is absent: it goes through a [`State`](super::State) of its own.

mod inbox;
#[cfg(test)]
mod tests;
mod thread;
mod trouble;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::{oneshot, watch};

use super::records::Save;
use super::retention::Retention;
use super::{StateError, file};
use inbox::Shared;
use thread::Thread;

/// How long a stop waits for what is not on disk yet.
const GRACE: Duration = Duration::from_secs(5);

/// How the writing of the state stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Health {
    /// Whether what is submitted reaches the disk.
    pub persisting: bool,
    /// Why it does not, and what to do about it.
    pub problem: Option<String>,
    /// Since when it does not.
    pub since: Option<SystemTime>,
    /// Rows that waited after the last attempt.
    pub waiting: usize,
    /// Events that found no more room while nothing could be written, since the start.
    pub dropped_events: u64,
    /// The number of the last event on disk.
    pub last_seq: i64,
    /// Commits since the start.
    pub commits: u64,
    /// How long the last one took.
    pub last_commit: Duration,
    /// How often the file was removed or replaced while in use. What had been saved is gone each time: everything
    /// that is known has to be submitted again.
    pub reopened: u64,
}

/// What was submitted is not on disk.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{problem}")]
pub struct NotSaved {
    /// Why, and what to do about it.
    pub problem: String,
}

/// The one that writes. Dropping it waits, as [`Writer::close`] does.
pub struct Writer {
    path: PathBuf,
    shared: Arc<Shared>,
}

/// When the thread does what.
#[derive(Clone, Copy, Debug)]
struct Pace {
    /// How long a group waits for others. Half a second of standings and events is what a sudden end of the machine
    /// costs; they come again with the next check. It also is what lets a thousand checks share one `fsync`.
    collect: Duration,
    /// Rows that are written without waiting any longer, so that no commit takes long.
    rows: usize,
    /// Until a store that could not be written is tried again. A write that has not ended by then counts as one that
    /// failed, as far as memory is concerned.
    retry: Duration,
    /// From one search for what is too old to the next.
    tidy: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            collect: Duration::from_millis(500),
            rows: 2_000,
            retry: Duration::from_secs(5),
            tidy: Duration::from_secs(3600),
        }
    }
}

impl Writer {
    /// Opens the store at `path` as [`State::open`](super::State::open) does, and starts the thread. Nothing is too
    /// old until [`Writer::set_retention`] says what is.
    ///
    /// # Errors
    ///
    /// [`StateError::InUse`] while there is another writer, in this process or any other; and those of `State::open`.
    pub fn start(path: &Path) -> Result<Self, StateError> {
        Self::start_at(path, Pace::default())
    }

    fn start_at(path: &Path, pace: Pace) -> Result<Self, StateError> {
        file::prepare(path)?;
        let claim = file::Claim::take(path)?;
        let shared = Arc::new(Shared::new(path, claim, pace));
        let thread = Thread::open(path, Arc::clone(&shared))?;
        let spawned = std::thread::Builder::new().name("state-writer".to_owned()).spawn(move || thread.run());
        spawned.map_err(|error| StateError::Failed { path: path.to_owned(), problem: error.to_string() })?;
        Ok(Self { path: path.to_owned(), shared })
    }

    /// Has a group written, soon and as a whole. An empty one is no work.
    pub fn submit(&self, save: Save) {
        self.shared.submit(save);
    }

    /// How the writing stands, now and whenever it changes.
    pub fn health(&self) -> watch::Receiver<Health> {
        self.shared.health()
    }

    /// Says how long things are kept, from now on. What is older is deleted at once, and then every hour.
    pub fn set_retention(&self, retention: Retention) {
        self.shared.set_retention(retention);
    }

    /// Returns when everything that was submitted before is on disk. Cancelling it changes nothing.
    ///
    /// # Errors
    ///
    /// It cannot be written now. It goes on waiting, and is tried again.
    pub async fn flush(&self) -> Result<(), NotSaved> {
        let (answer, answered) = oneshot::channel();
        self.shared.flush(answer);
        answered.await.unwrap_or_else(|_| Err(trouble::ended(&self.path)))
    }

    /// Writes what is left, ends the thread, and lets other writers in. Waits for 5 seconds at most.
    ///
    /// # Errors
    ///
    /// What was left could not be written, and is lost.
    pub async fn close(self) -> Result<(), NotSaved> {
        let path = self.path.clone();
        let closed = tokio::task::spawn_blocking(move || self.shared.close(GRACE)).await;
        closed.unwrap_or_else(|_| Err(trouble::ended(&path)))
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        // What is lost was told in the log.
        let _ = self.shared.close(GRACE);
    }
}
