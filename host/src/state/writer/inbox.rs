//! What submitters and the thread share. The lock is held for moments only: nothing under it does I/O.

use std::path::{Path, PathBuf};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use tokio::sync::{oneshot, watch};

use super::super::backlog::{Backlog, Bound, Count};
use super::super::file::Claim;
use super::super::records::Save;
use super::super::retention::Retention;
use super::{Health, NotSaved, Pace, trouble};

/// Who waits for a flush.
pub(super) type Answer = oneshot::Sender<Result<(), NotSaved>>;

pub(super) struct Shared {
    path: PathBuf,
    pub(super) pace: Pace,
    inbox: Mutex<Inbox>,
    /// There is something new to do.
    wake: Condvar,
    /// The thread is gone.
    ended: Condvar,
    health: watch::Sender<Health>,
    pub(super) claim: Mutex<Option<Claim>>,
}

#[derive(Default)]
struct Inbox {
    backlog: Backlog,
    /// Since when the oldest group waits.
    oldest: Option<Instant>,
    flushes: Vec<Answer>,
    /// When to try again, after a commit that failed.
    retry_at: Option<Instant>,
    /// Since when the thread has been at a commit.
    busy_since: Option<Instant>,
    /// The events of that commit.
    in_commit: Count,
    /// Events since the start.
    dropped: u64,
    told_dropped: bool,
    retention: Option<Retention>,
    tidy_at: Option<Instant>,
    closing: bool,
    ended: Option<Result<(), NotSaved>>,
    #[cfg(test)]
    hooks: Vec<Hook>,
}

/// What a test does to the connection.
#[cfg(test)]
pub(super) type Hook = Box<dyn FnOnce(&rusqlite::Connection) + Send>;

/// What the thread does next.
pub(super) enum Task {
    Commit(Batch),
    Tidy(Retention),
    #[cfg(test)]
    Hook(Hook),
}

pub(super) struct Batch {
    pub(super) backlog: Backlog,
    pub(super) flushes: Vec<Answer>,
    /// Nothing comes after it.
    pub(super) last: bool,
}

impl Shared {
    pub(super) fn new(path: &Path, claim: Claim, pace: Pace) -> Self {
        Self {
            path: path.to_owned(),
            pace,
            inbox: Mutex::default(),
            wake: Condvar::new(),
            ended: Condvar::new(),
            health: watch::Sender::new(Health { persisting: true, ..Health::default() }),
            claim: Mutex::new(Some(claim)),
        }
    }

    pub(super) fn health(&self) -> watch::Receiver<Health> {
        self.health.subscribe()
    }

    pub(super) fn tell(&self, change: impl FnOnce(&mut Health)) {
        self.health.send_modify(change);
    }

    pub(super) fn submit(&self, save: Save) {
        let mut inbox = self.lock();
        if inbox.ended.is_some() {
            return;
        }
        let hangs = inbox.busy_since.is_some_and(|since| since.elapsed() > self.pace.retry);
        let in_trouble = hangs || inbox.retry_at.is_some();
        let bound = if in_trouble { Bound::Limited(inbox.in_commit) } else { Bound::Unlimited };
        let few_before = inbox.backlog.rows() < self.pace.rows;
        let dropped = inbox.backlog.add(save, bound);
        inbox.dropped += dropped.all() as u64;
        let first_lost = dropped.others > 0 && !inbox.told_dropped;
        inbox.told_dropped |= first_lost;
        let first = inbox.oldest.is_none() && !inbox.backlog.is_empty();
        if first {
            inbox.oldest = Some(Instant::now());
        }
        let enough = few_before && inbox.backlog.rows() >= self.pace.rows;
        drop(inbox);
        if first || enough {
            self.wake.notify_one();
        }
        if first_lost {
            trouble::tell_dropped(&self.path);
        }
        if hangs {
            self.tell_hanging();
        }
    }

    /// The thread cannot say this itself.
    fn tell_hanging(&self) {
        self.health.send_if_modified(|health| {
            let news = health.persisting;
            if news {
                let problem = trouble::hangs(&self.path);
                tracing::error!("{problem}");
                health.persisting = false;
                health.problem = Some(problem);
                health.since = Some(SystemTime::now());
            }
            news
        });
    }

    pub(super) fn set_retention(&self, retention: Retention) {
        let mut inbox = self.lock();
        inbox.retention = Some(retention);
        inbox.tidy_at = Some(Instant::now());
        self.wake.notify_one();
    }

    /// An answer that is dropped means that the thread is gone.
    pub(super) fn flush(&self, answer: Answer) {
        let mut inbox = self.lock();
        if inbox.ended.is_none() {
            inbox.flushes.push(answer);
            self.wake.notify_one();
        }
    }

    #[cfg(test)]
    pub(super) fn hook(&self, hook: Hook) {
        self.lock().hooks.push(hook);
        self.wake.notify_one();
    }

    /// Waits for something to do.
    pub(super) fn next(&self) -> Task {
        let mut inbox = self.lock();
        loop {
            #[cfg(test)]
            if let Some(hook) = inbox.hooks.pop() {
                return Task::Hook(hook);
            }
            let now = Instant::now();
            let commit_at = inbox.commit_at(&self.pace, now);
            if commit_at.is_some_and(|at| at <= now) {
                return Task::Commit(inbox.take(now));
            }
            // While nothing can be written, nothing can be deleted.
            let tidy_at = inbox.tidy_at.filter(|_| inbox.retry_at.is_none());
            if let Some(retention) = inbox.retention.filter(|_| tidy_at.is_some_and(|at| at <= now)) {
                return Task::Tidy(retention);
            }
            let wait = match commit_at.into_iter().chain(tidy_at).min() {
                Some(at) => at.saturating_duration_since(now),
                None => Duration::MAX,
            };
            inbox = self.wake.wait_timeout(inbox, wait).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// After a commit: nothing stands in the way any more. Rows that wait by now, and what was dropped ever.
    pub(super) fn committed(&self) -> (usize, u64) {
        let mut inbox = self.lock();
        inbox.busy_since = None;
        inbox.in_commit = Count::default();
        inbox.retry_at = None;
        inbox.told_dropped = false;
        (inbox.backlog.rows(), inbox.dropped)
    }

    /// After a commit that failed: what it was about goes before what has come since.
    pub(super) fn failed(&self, mut backlog: Backlog) -> (usize, u64) {
        let mut inbox = self.lock();
        backlog.append(std::mem::take(&mut inbox.backlog));
        inbox.backlog = backlog;
        inbox.busy_since = None;
        inbox.in_commit = Count::default();
        let now = Instant::now();
        inbox.oldest = Some(now);
        inbox.retry_at = Some(now + self.pace.retry);
        (inbox.backlog.rows(), inbox.dropped)
    }

    /// After a step of deleting what is too old.
    pub(super) fn tidied(&self, more: bool) {
        let wait = if more { Duration::ZERO } else { self.pace.tidy };
        self.lock().tidy_at = Some(Instant::now() + wait);
    }

    pub(super) fn end(&self, with: Result<(), NotSaved>) {
        let mut inbox = self.lock();
        inbox.ended.get_or_insert(with);
        inbox.flushes.clear();
        inbox.backlog = Backlog::default();
        self.ended.notify_all();
    }

    /// Asks the thread to end, and waits for that, the first time.
    pub(super) fn close(&self, patience: Duration) -> Result<(), NotSaved> {
        let mut inbox = self.lock();
        let again = std::mem::replace(&mut inbox.closing, true);
        let patience = if again { Duration::ZERO } else { patience };
        self.wake.notify_one();
        let alive = |inbox: &mut Inbox| inbox.ended.is_none();
        let waited = self.ended.wait_timeout_while(inbox, patience, alive);
        let ended = waited.unwrap_or_else(PoisonError::into_inner).0.ended.clone();
        self.claim.lock().unwrap_or_else(PoisonError::into_inner).take();
        ended.unwrap_or_else(|| Err(trouble::left(&self.path, patience)))
    }

    fn lock(&self) -> MutexGuard<'_, Inbox> {
        self.inbox.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inbox {
    fn commit_at(&self, pace: &Pace, now: Instant) -> Option<Instant> {
        if self.closing || !self.flushes.is_empty() {
            return Some(now);
        }
        if self.retry_at.is_some() || self.backlog.rows() < pace.rows {
            return self.retry_at.or(self.oldest.map(|oldest| oldest + pace.collect));
        }
        Some(now)
    }

    fn take(&mut self, now: Instant) -> Batch {
        self.oldest = None;
        self.busy_since = Some(now);
        self.in_commit = self.backlog.events();
        Batch {
            backlog: std::mem::take(&mut self.backlog),
            flushes: std::mem::take(&mut self.flushes),
            last: self.closing,
        }
    }
}
