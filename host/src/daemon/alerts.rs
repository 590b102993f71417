//! What alerts learn of the daemon.

use std::sync::Arc;

use futures_util::future::BoxFuture;

use super::handle::{Command, Handle};
use crate::alerts::{Labels, Source};
use crate::journal::Incident;
use crate::state::Event;

impl Source for Handle {
    fn open(&self) -> Vec<Incident> {
        self.read(|ledger| ledger.incidents.open().cloned().collect())
    }

    fn current(&self, fingerprint: &str) -> Option<Incident> {
        self.read(|ledger| ledger.incidents.get(fingerprint).cloned())
    }

    fn labels(&self, repository: &str) -> Option<Arc<Labels>> {
        self.read(|ledger| ledger.get(repository).map(|(watched, _)| Arc::clone(&watched.labels)))
    }

    fn note(&self, event: Event) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            // Without a conductor the process is about to end.
            drop(self.shared.commands.send(Command::Note { event }).await);
        })
    }
}
