//! The thread that writes.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use rusqlite::TransactionBehavior;

use super::super::backlog::Backlog;
use super::super::file::{self, Claim, Store};
use super::super::retention::{self, Retention};
use super::super::{StateError, read};
use super::inbox::{Batch, Shared, Task};
use super::trouble::{self, Trouble};
use super::{Health, NotSaved};

/// How long a commit waits for other processes: shorter than a stop does, since that may need a commit.
const BUSY_TIMEOUT: Duration = Duration::from_secs(2);
/// What the write-ahead log shrinks to, once a rush or a long reader has made it longer.
const LOG_BYTES: i64 = 16 << 20;

pub(super) struct Thread {
    path: PathBuf,
    store: Store,
    shared: Arc<Shared>,
    trouble: Option<Trouble>,
}

impl Thread {
    pub(super) fn open(path: &Path, shared: Arc<Shared>) -> Result<Self, StateError> {
        let store = open(path)?;
        let last_seq =
            read::last_seq(&store.connection).map_err(|error| StateError::from_sqlite(path, error))?;
        shared.tell(|health| health.last_seq = last_seq);
        Ok(Self { path: path.to_owned(), store, shared, trouble: None })
    }

    pub(super) fn run(mut self) {
        let _end = End { path: self.path.clone(), shared: Arc::clone(&self.shared) };
        loop {
            match self.shared.next() {
                Task::Commit(batch) => {
                    let last = batch.last;
                    let result = self.commit(batch);
                    if last {
                        self.shared.end(result);
                        return;
                    }
                }
                Task::Tidy(retention) => self.tidy(&retention),
                #[cfg(test)]
                Task::Hook(hook) => hook(&self.store.connection),
            }
        }
    }

    fn commit(&mut self, batch: Batch) -> Result<(), NotSaved> {
        let start = Instant::now();
        let result = match self.write(&batch.backlog) {
            Ok(last_seq) => {
                self.written(last_seq, !batch.backlog.is_empty(), start.elapsed());
                Ok(())
            }
            Err(error) => {
                self.not_written(&error, batch.backlog, batch.last);
                Err(error)
            }
        };
        for flush in batch.flushes {
            // Whoever asked may be gone.
            let _ = flush.send(result.clone());
        }
        result
    }

    /// Writes all of it in one transaction; the number of the last event.
    fn write(&mut self, backlog: &Backlog) -> Result<i64, NotSaved> {
        if !self.store.is_at(&self.path) {
            self.open_anew()?;
        }
        let mut write = || {
            let connection = &mut self.store.connection;
            if backlog.is_empty() {
                return read::last_seq(connection);
            }
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            backlog.write(&transaction)?;
            let last_seq = read::last_seq(&transaction)?;
            transaction.commit()?;
            Ok(last_seq)
        };
        write().map_err(|error| NotSaved::because(&self.path, &error))
    }

    fn open_anew(&mut self) -> Result<(), NotSaved> {
        let replaced = trouble::replaced(&self.path);
        self.shared.tell(|health| not_persisting(health, &replaced));
        let opened = self.claim_anew().and_then(|()| {
            self.store.remove_left_logs(&self.path)?;
            open(&self.path)
        });
        self.store = opened.map_err(|error| NotSaved::replaced_by(&self.path, &error))?;
        tracing::error!("{replaced}; what is there now is used, and what only the old file held is lost");
        self.shared.tell(|health| health.reopened += 1);
        Ok(())
    }

    /// The lock may have gone with its folder.
    fn claim_anew(&self) -> Result<(), StateError> {
        file::prepare(&self.path)?;
        let mut claim = self.shared.claim.lock().unwrap_or_else(PoisonError::into_inner);
        if !claim.as_ref().is_some_and(|claim| claim.is_at(&self.path)) {
            *claim = Some(Claim::take(&self.path)?);
        }
        Ok(())
    }

    fn written(&mut self, last_seq: i64, anything: bool, took: Duration) {
        let (waiting, dropped) = self.shared.committed();
        if let Some(trouble) = self.trouble.take() {
            tell_recovery(&self.path, &trouble, dropped);
        }
        self.shared.tell(|health| {
            health.persisting = true;
            health.problem = None;
            health.since = None;
            health.waiting = waiting;
            health.dropped_events = dropped;
            health.last_seq = last_seq;
            if anything {
                health.commits += 1;
                health.last_commit = took;
            }
        });
    }

    fn not_written(&mut self, error: &NotSaved, backlog: Backlog, last: bool) {
        let (waiting, dropped) = self.shared.failed(backlog);
        if last {
            tracing::error!("{error}; {waiting} rows are lost with the end of this process");
        } else if self.trouble.is_none() {
            tracing::error!("{error}; checking goes on, and what cannot be saved waits in memory");
        }
        let trouble = self.trouble.get_or_insert_with(|| Trouble {
            since: SystemTime::now(),
            start: Instant::now(),
            dropped_before: dropped,
        });
        let since = trouble.since;
        self.shared.tell(|health| {
            not_persisting(health, &error.problem);
            health.since = Some(since);
            health.waiting = waiting;
            health.dropped_events = dropped;
        });
    }

    fn tidy(&mut self, retention: &Retention) {
        let more = retention::step(&self.store.connection, retention).unwrap_or_else(|error| {
            tracing::warn!(
                "what is too old was not deleted from the state: {error}; it is tried again later"
            );
            false
        });
        self.shared.tidied(more);
    }
}

fn open(path: &Path) -> Result<Store, StateError> {
    let store = file::open(path)?;
    let prepare = |store: &Store| {
        store.connection.busy_timeout(BUSY_TIMEOUT)?;
        store.connection.pragma_update(None, "journal_size_limit", LOG_BYTES)
    };
    prepare(&store).map_err(|error| StateError::from_sqlite(path, error))?;
    Ok(store)
}

fn not_persisting(health: &mut Health, problem: &str) {
    health.persisting = false;
    health.problem = Some(problem.to_owned());
    health.since.get_or_insert_with(SystemTime::now);
}

fn tell_recovery(path: &Path, trouble: &Trouble, dropped: u64) {
    let took = humantime::format_duration(Duration::from_secs(trouble.start.elapsed().as_secs()));
    let lost = dropped - trouble.dropped_before;
    tracing::warn!(
        "the state `{}` is written again, after {took}; {lost} events were dropped",
        path.display()
    );
}

/// Says that the thread is gone, whatever ended it.
struct End {
    path: PathBuf,
    shared: Arc<Shared>,
}

impl Drop for End {
    fn drop(&mut self) {
        let ended = trouble::ended(&self.path);
        if std::thread::panicking() {
            self.shared.tell(|health| not_persisting(health, &ended.problem));
        }
        self.shared.end(Err(ended));
    }
}
