//! How trackers are reached: by the clients that checks have.

use std::sync::Arc;

use futures_util::future::BoxFuture;

use super::handle::Handle;
use crate::sweep::Integration;
use crate::tracker::{Desk, Source};

impl Source for Handle {
    fn desk<'a>(&'a self, integration: &'a str) -> BoxFuture<'a, Option<Desk>> {
        Box::pin(async move {
            let found = self.read(|ledger| {
                Some((Arc::clone(ledger.clients.get(integration)?), ledger.world.check_timeout))
            });
            let (client, limit) = found?;
            let connected = client.get(limit).await;
            Some(Desk::new(Arc::clone(&client.integration), connected, limit))
        })
    }

    fn integrations(&self, provider: &str) -> Vec<Arc<Integration>> {
        self.read(|ledger| {
            let all = ledger.world.integrations.values();
            all.filter(|it| it.provider_key == provider).cloned().collect()
        })
    }
}
