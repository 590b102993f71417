//! Trackers, as whoever asks here is told of them.
//!
//! - What a tracker refuses is told with its reason, and is never a fault of ours.
//! - Those who wait for a tracker have turns of their own, so that nobody who asks for what is known waits behind them.

use std::sync::Arc;

use axum::http::StatusCode;
use tokio::sync::OwnedSemaphorePermit;

use super::Shared;
use super::error::Error;
use crate::text::printable;
use crate::tracker::{Desk, Refusal, RefusalKind};
use crate::verdict::Reason;

/// Statuses of the errors that are made of refusals, beside those that every route has.
pub(super) const ERRORS: &[u16] = &[501, 502];

/// Characters of what somebody has sent that are shown to them.
pub(super) const LONGEST_NAME: usize = 200;

impl Shared {
    /// Waits until there is room for one more request for which a tracker is asked.
    pub(super) async fn turn_of_tracker(&self) -> Option<OwnedSemaphorePermit> {
        // Nobody closes the semaphore.
        Arc::clone(&self.of_trackers).acquire_owned().await.ok()
    }

    /// The tracker of an integration.
    ///
    /// # Errors
    ///
    /// There is no such integration.
    pub(super) async fn desk(&self, integration: &str) -> Result<Desk, Error> {
        self.tracker.desk(integration).await.ok_or_else(|| {
            Error::not_found(format!("there is no integration `{}`", printable(integration, LONGEST_NAME)))
        })
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        let (outcome, message) = (&refusal.outcome, refusal.to_string());
        let is_for_later =
            matches!(outcome.reason, Reason::RateLimited | Reason::Unreachable | Reason::TimedOut);
        let (status, code) = match refusal.kind {
            RefusalKind::Unsupported => (StatusCode::NOT_IMPLEMENTED, "unsupported"),
            _ if outcome.held_back || is_for_later => {
                (StatusCode::SERVICE_UNAVAILABLE, outcome.reason.as_str())
            }
            _ => (StatusCode::BAD_GATEWAY, outcome.reason.as_str()),
        };
        Self::new(status, code, message).with_retry_after(outcome.retry_after_s)
    }
}
