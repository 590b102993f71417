//! The state as the API reads it: off the threads that answer, and no more of it than a page.

use std::sync::Arc;

use tokio::task::spawn_blocking;

use super::error::Error;
use crate::state::{EventFilter, IncidentCursor, IncidentRow, State, StateError, StoredEvent};

/// What is read.
#[derive(Clone)]
pub(super) struct Stored(Arc<dyn Journal>);

/// What the state keeps of the past. Calls block.
pub(super) trait Journal: Send + Sync {
    /// At most `limit` events: those that follow `after`, oldest first, or else those before `before`, newest first.
    fn events(
        &self,
        filter: &EventFilter,
        before: Option<i64>,
        after: Option<i64>,
        limit: usize,
    ) -> Result<Vec<StoredEvent>, StateError>;

    /// At most `limit` incidents after the place `before`: open ones, last opened first, or resolved ones, last
    /// resolved first.
    fn incidents(
        &self,
        open: bool,
        before: Option<&IncidentCursor>,
        limit: usize,
    ) -> Result<Vec<IncidentRow>, StateError>;

    /// One incident.
    fn incident(&self, id: &str) -> Result<Option<IncidentRow>, StateError>;

    /// The number of the oldest event that is still there.
    fn oldest_seq(&self) -> Result<Option<i64>, StateError>;

    /// The number of the event that was appended last.
    fn last_seq(&self) -> Result<i64, StateError>;
}

impl Stored {
    pub(super) fn new(state: Arc<impl Journal + 'static>) -> Self {
        Self(state)
    }

    pub(super) async fn events(
        &self,
        filter: EventFilter,
        before: Option<i64>,
        after: Option<i64>,
        limit: usize,
    ) -> Result<Vec<StoredEvent>, Error> {
        self.read(move |journal| journal.events(&filter, before, after, limit)).await
    }

    pub(super) async fn resolved_incidents(
        &self,
        before: Option<IncidentCursor>,
        limit: usize,
    ) -> Result<Vec<IncidentRow>, Error> {
        self.read(move |journal| journal.incidents(false, before.as_ref(), limit)).await
    }

    /// An incident as it was kept last.
    pub(super) async fn incident(&self, id: String) -> Result<Option<IncidentRow>, Error> {
        self.read(move |journal| journal.incident(&id)).await
    }

    pub(super) async fn oldest_seq(&self) -> Result<Option<i64>, Error> {
        self.read(|journal| journal.oldest_seq()).await
    }

    pub(super) async fn last_seq(&self) -> Result<i64, Error> {
        self.read(|journal| journal.last_seq()).await
    }

    async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&dyn Journal) -> Result<T, StateError> + Send + 'static,
    ) -> Result<T, Error> {
        let journal = Arc::clone(&self.0);
        match spawn_blocking(move || read(&*journal)).await {
            Ok(answer) => answer.map_err(|error| {
                let _ = Error::internal(&error);
                Error::unavailable("the state cannot be read at the moment; the log says why")
            }),
            Err(error) => Err(Error::internal(&error)),
        }
    }
}

impl Journal for State {
    fn events(
        &self,
        filter: &EventFilter,
        before: Option<i64>,
        after: Option<i64>,
        limit: usize,
    ) -> Result<Vec<StoredEvent>, StateError> {
        self.events(filter, before, after, limit)
    }

    fn incidents(
        &self,
        open: bool,
        before: Option<&IncidentCursor>,
        limit: usize,
    ) -> Result<Vec<IncidentRow>, StateError> {
        self.incidents(open, before, limit)
    }

    fn incident(&self, id: &str) -> Result<Option<IncidentRow>, StateError> {
        self.incident(id)
    }

    fn oldest_seq(&self) -> Result<Option<i64>, StateError> {
        self.oldest_seq()
    }

    fn last_seq(&self) -> Result<i64, StateError> {
        self.last_seq()
    }
}
