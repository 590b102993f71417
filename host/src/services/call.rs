//! What the host notes about one plugin call while the plugin makes its requests.
//!
//! The host runs each call inside [`scope`]; the HTTP service finds the record there. Requests outside of any
//! scope are simply not noted.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use super::hook_secret::HookSecret;

tokio::task_local! {
    static CURRENT: Arc<CallRecord>;
    static UNATTENDED: ();
}

/// The requests of one plugin call.
#[derive(Debug, Default)]
pub struct CallRecord {
    seen: Mutex<Seen>,
    /// Whether nobody waits for the call.
    unattended: AtomicBool,
    /// Whether a request was sent that does more than read.
    wrote: AtomicBool,
    /// What its requests may carry in a placeholder's place.
    secret: Mutex<Option<Arc<HookSecret>>>,
}

/// What a [`CallRecord`] holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// The last answer's status.
    pub http_status: Option<u16>,
    /// Seconds after which the forge wants to be asked again: the last answer's `Retry-After`, between 1 and 900, or
    /// when the limit ends that this answer or the host told of.
    pub retry_after_s: Option<u64>,
    /// When the limit ends that the last request ran into, if it did.
    pub limited_until: Option<SystemTime>,
    /// Whether the last request was not sent, to stay within what the forge allows.
    pub held_back: bool,
    /// How many requests were sent, repeated ones included, those to token end points not.
    pub requests: u32,
    /// How long the answers took to begin; of several requests at once the sum.
    pub waited: Duration,
}

impl CallRecord {
    /// What was seen so far.
    pub fn seen(&self) -> Seen {
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lends the call a secret that its plugin does not see, in the place of one that was lent before.
    pub fn lend(&self, secret: Option<Arc<HookSecret>>) {
        *self.secret.lock().unwrap_or_else(PoisonError::into_inner) = secret;
    }

    pub(super) fn secret(&self) -> Option<Arc<HookSecret>> {
        self.secret.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn writes(&self) {
        self.wrote.store(true, Ordering::Relaxed);
    }

    /// Whether a request was sent that does more than read, so that the call must not be repeated.
    pub fn has_written(&self) -> bool {
        self.wrote.load(Ordering::Relaxed)
    }

    pub(super) fn sent(&self) {
        self.update(|seen| seen.requests = seen.requests.saturating_add(1));
    }

    pub(super) fn is_unattended(&self) -> bool {
        self.unattended.load(Ordering::Relaxed)
    }

    pub(super) fn answered(&self, http_status: u16, wait: Option<Duration>) {
        self.update(|seen| {
            seen.http_status = Some(http_status);
            seen.retry_after_s = wait.map(whole_seconds);
            let is_limited = matches!(http_status, 403 | 429 | 503);
            seen.limited_until = wait.filter(|_| is_limited).map(|wait| SystemTime::now() + wait);
            seen.held_back = false;
        });
    }

    pub(super) fn held_back(&self, wait: Duration) {
        self.update(|seen| {
            seen.retry_after_s = Some(whole_seconds(wait));
            seen.limited_until = None;
            seen.held_back = true;
        });
    }

    pub(super) fn waited(&self, time: Duration) {
        self.update(|seen| seen.waited = seen.waited.saturating_add(time));
    }

    fn update(&self, change: impl FnOnce(&mut Seen)) {
        change(&mut self.seen.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

/// Runs a plugin call whose requests `record` takes note of. Cancel-safe.
pub async fn scope<F: Future>(record: Arc<CallRecord>, call: F) -> F::Output {
    if UNATTENDED.try_with(|()| ()).is_ok() {
        record.unattended.store(true, Ordering::Relaxed);
    }
    CURRENT.scope(record, call).await
}

/// Runs a plugin call with the record that this task is in, or else with one of its own. Cancel-safe.
pub async fn noted<T, F: Future<Output = T>>(call: impl FnOnce(Arc<CallRecord>) -> F) -> T {
    let record = current().unwrap_or_default();
    scope(Arc::clone(&record), call(record)).await
}

/// Runs `work` as something that nobody waits for: the requests of plugin calls in it leave a share of what forges
/// allow to others. Cancel-safe.
pub async fn unattended<F: Future>(work: F) -> F::Output {
    UNATTENDED.scope((), work).await
}

/// Nothing is tried again too soon.
pub(super) fn whole_seconds(wait: Duration) -> u64 {
    (wait.as_secs() + u64::from(wait.subsec_nanos() > 0)).max(1)
}

/// The record of the plugin call that this task is in.
pub fn current() -> Option<Arc<CallRecord>> {
    CURRENT.try_with(Arc::clone).ok()
}
