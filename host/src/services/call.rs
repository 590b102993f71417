//! What the host notes about one plugin call while the plugin makes its requests.
//!
//! The host runs each call inside [`scope`]; the HTTP service finds the record there. Requests outside of any
//! scope are simply not noted.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

tokio::task_local! {
    static CURRENT: Arc<CallRecord>;
}

/// The requests of one plugin call.
#[derive(Debug, Default)]
pub struct CallRecord {
    seen: Mutex<Seen>,
}

/// What a [`CallRecord`] holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// The last answer's status.
    pub http_status: Option<u16>,
    /// The last answer's `Retry-After` in seconds, between 1 and 900.
    pub retry_after_s: Option<u64>,
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

    pub(super) fn sent(&self) {
        self.update(|seen| seen.requests = seen.requests.saturating_add(1));
    }

    pub(super) fn answered(&self, http_status: u16, retry_after_s: Option<u64>) {
        self.update(|seen| {
            seen.http_status = Some(http_status);
            seen.retry_after_s = retry_after_s;
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
    CURRENT.scope(record, call).await
}

/// The record of the plugin call that this task is in.
pub fn current() -> Option<Arc<CallRecord>> {
    CURRENT.try_with(Arc::clone).ok()
}
