//! The plugin's client of one integration: made when it is needed, kept for a while, made anew when it failed.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::OnceCell;
use tokio::time::Instant;

use crate::sweep::{Connected, Integration, Means};

/// How long a client is used: the domain check belongs to making it, and is repeated with it.
const LONGEST_USE: Duration = Duration::from_secs(10 * 60);
/// How long it counts that none could be made: for the checks that wait for it now, and hardly for others.
const FAILURE_COUNTS: Duration = Duration::from_secs(2);

/// An integration and its client.
pub(super) struct ClientOf {
    pub(super) integration: Arc<Integration>,
    kept: Mutex<Arc<Made>>,
    means: Mutex<Option<Means>>,
}

/// A client, or the attempt to make one, and when that ended.
type Made = OnceCell<(Instant, Arc<Connected>)>;

impl ClientOf {
    pub(super) fn new(integration: Arc<Integration>) -> Self {
        // Where nothing is asked for together there is nothing to find out.
        let means = (!integration.batches).then_some(Means::OneByOne);
        Self { integration, kept: Mutex::default(), means: Mutex::new(means) }
    }

    /// How its repositories can be asked for together; none before a client could tell, or could not be made.
    pub(super) fn means(&self) -> Option<Means> {
        *self.means.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The client. Checks that come while it is being made wait for it.
    pub(super) async fn get(&self, limit: Duration) -> Arc<Connected> {
        let current = {
            let mut kept = self.kept();
            if kept.get().is_some_and(|(made, connected)| made.elapsed() >= counts(connected)) {
                *kept = Arc::default();
            }
            Arc::clone(&kept)
        };
        let connect = async || {
            let connected = self.integration.connect(limit).await;
            if connected.is_ok() || self.means().is_none() {
                let means = Means::of(&self.integration, &connected).await;
                *self.means.lock().unwrap_or_else(PoisonError::into_inner) = Some(means);
            }
            (Instant::now(), Arc::new(connected))
        };
        Arc::clone(&current.get_or_init(connect).await.1)
    }

    /// Whether there is one that can be used.
    pub(super) fn is_made(&self) -> bool {
        self.kept().get().is_some_and(|(_, connected)| connected.is_ok())
    }

    /// Has the next check make a new one.
    pub(super) fn forget(&self) {
        let mut kept = self.kept();
        // One that is being made is new already.
        if kept.initialized() {
            *kept = Arc::default();
        }
    }

    fn kept(&self) -> MutexGuard<'_, Arc<Made>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn counts(connected: &Connected) -> Duration {
    if connected.is_ok() { LONGEST_USE } else { FAILURE_COUNTS }
}
