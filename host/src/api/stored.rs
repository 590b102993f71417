//! The state as the API reads it: off the threads that answer, and no more of it than a page.

use std::sync::Arc;
use std::time::SystemTime;

use tokio::task::spawn_blocking;

use super::error::Error;
use crate::state::{EventKind, State, StateError};

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

    /// A resolved incident.
    pub(super) async fn resolved_incident(&self, id: String) -> Result<Option<IncidentRow>, Error> {
        const PAGE: usize = 1000;
        self.read(move |journal| {
            let mut before = None;
            loop {
                let rows = journal.incidents(false, before.as_ref(), PAGE)?;
                let is_last = rows.len() < PAGE;
                before = rows.last().map(IncidentRow::cursor);
                match rows.into_iter().find(|row| row.id == id) {
                    None if !is_last => {}
                    found => return Ok(found),
                }
            }
        })
        .await
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

/// An event as it is in the journal.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct StoredEvent {
    pub(super) seq: i64,
    pub(super) id: String,
    pub(super) kind: EventKind,
    pub(super) at: SystemTime,
    pub(super) integration: Option<String>,
    pub(super) repository: Option<String>,
    pub(super) fingerprint: Option<String>,
    pub(super) payload: serde_json::Value,
}

/// Which events to read; what is `None` does not matter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct EventFilter {
    pub(super) kind: Option<EventKind>,
    pub(super) integration: Option<String>,
    pub(super) repository: Option<String>,
    pub(super) fingerprint: Option<String>,
}

/// An incident as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct IncidentRow {
    pub(super) id: String,
    pub(super) fingerprint: String,
    pub(super) opened_at: SystemTime,
    pub(super) resolved_at: Option<SystemTime>,
    pub(super) incident: String,
}

impl IncidentRow {
    pub(super) fn cursor(&self) -> IncidentCursor {
        IncidentCursor { at: self.resolved_at.unwrap_or(self.opened_at), id: self.id.clone() }
    }
}

/// A place in a list of incidents, newest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct IncidentCursor {
    pub(super) at: SystemTime,
    pub(super) id: String,
}

impl Journal for State {
    fn events(
        &self,
        _: &EventFilter,
        _: Option<i64>,
        _: Option<i64>,
        _: usize,
    ) -> Result<Vec<StoredEvent>, StateError> {
        Ok(Vec::new())
    }

    fn incidents(
        &self,
        _: bool,
        _: Option<&IncidentCursor>,
        _: usize,
    ) -> Result<Vec<IncidentRow>, StateError> {
        Ok(Vec::new())
    }

    fn oldest_seq(&self) -> Result<Option<i64>, StateError> {
        Ok(None)
    }

    fn last_seq(&self) -> Result<i64, StateError> {
        Ok(0)
    }
}
