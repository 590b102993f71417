//! The plugin's client of one integration: made when it is needed, kept for a while, made anew when it failed.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::sweep::{Connected, Integration};

/// How long a client is used: the domain check belongs to making it, and is repeated with it.
const LONGEST_USE: Duration = Duration::from_secs(10 * 60);
/// How long it counts that none could be made: for the checks that wait for it now, and hardly for others.
const FAILURE_COUNTS: Duration = Duration::from_secs(2);

/// An integration and its client.
pub(super) struct ClientOf {
    pub(super) integration: Arc<Integration>,
    kept: Mutex<Option<(Instant, Arc<Connected>)>>,
}

impl ClientOf {
    pub(super) fn new(integration: Arc<Integration>) -> Self {
        Self { integration, kept: Mutex::new(None) }
    }

    /// The client. Checks that come while it is being made wait for it.
    pub(super) async fn get(&self, limit: Duration) -> Arc<Connected> {
        let mut kept = self.kept.lock().await;
        if let Some((made, connected)) = &*kept {
            let longest = if connected.is_ok() { LONGEST_USE } else { FAILURE_COUNTS };
            if made.elapsed() < longest {
                return Arc::clone(connected);
            }
        }
        let connected = Arc::new(self.integration.connect(limit).await);
        *kept = Some((Instant::now(), Arc::clone(&connected)));
        connected
    }

    /// Has the next check make a new one.
    pub(super) async fn forget(&self) {
        *self.kept.lock().await = None;
    }
}
