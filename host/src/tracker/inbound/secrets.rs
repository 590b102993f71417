//! The secrets of all subscriptions, read anew every second at most: guessing costs no more than that.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::task::spawn_blocking;
use tokio::time::Instant;

use crate::services::HookSecret;
use crate::state::{State, StateError, SubscriptionRow};

/// For how long what was read counts.
const FRESH: Duration = Duration::from_secs(1);

/// What was read last.
#[derive(Default)]
pub(super) struct Secrets(Mutex<Option<(Instant, Arc<[Known]>)>>);

/// A subscription's secret.
pub(super) struct Known {
    pub(super) integration: String,
    pub(super) secret: HookSecret,
}

impl Secrets {
    /// The secrets of all subscriptions.
    ///
    /// # Errors
    ///
    /// The state cannot be read.
    pub(super) async fn all(&self, state: &Arc<State>) -> Result<Arc<[Known]>, StateError> {
        let mut last = self.0.lock().await;
        if let Some((_, known)) = last.as_ref().filter(|(at, _)| at.elapsed() < FRESH) {
            return Ok(Arc::clone(known));
        }
        let state = Arc::clone(state);
        // Without its thread the process is about to end.
        let rows = spawn_blocking(move || state.subscriptions()).await.unwrap_or_else(|_| Ok(Vec::new()))?;
        let known: Arc<[Known]> = rows.into_iter().filter_map(Known::of).collect();
        *last = Some((Instant::now(), Arc::clone(&known)));
        Ok(known)
    }
}

impl Known {
    /// None for a row that somebody has spoilt.
    fn of(row: SubscriptionRow) -> Option<Self> {
        let secret = HookSecret::new(row.secret);
        let secret = secret.inspect_err(|error| {
            tracing::debug!("the subscription {} of the state is passed over: {error}", row.number);
        });
        Some(Self { integration: row.integration, secret: secret.ok()? })
    }
}
