//! The rows of the store as the rest of the host sees them.

use std::time::{Duration, SystemTime};

use schemars::JsonSchema;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

/// A metadata value that stands in for a configured one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SavedMetadata {
    /// Its name.
    pub name: String,
    /// The configured value that it came from, empty when there was none.
    pub configured: String,
    /// What holds instead.
    pub value: String,
}

/// The tokens that an identity's issuer gave last.
#[derive(Clone, Debug)]
pub struct SavedIdentity {
    /// What requests carry.
    pub access_token: SecretString,
    /// What the next ones are asked for with.
    pub refresh_token: Option<SecretString>,
    /// When the access token ends.
    pub expires_at: SystemTime,
    /// When it was obtained.
    pub saved_at: SystemTime,
}

impl SavedIdentity {
    pub(super) fn access_token(&self) -> &str {
        self.access_token.expose_secret()
    }

    pub(super) fn refresh_token(&self) -> Option<&str> {
        self.refresh_token.as_ref().map(ExposeSecret::expose_secret)
    }
}

/// The kind of an [`Event`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "Kind")]
pub enum EventKind {
    /// A sweep or a check, with its durations.
    Transaction,
    /// A check that did not end well, or a plugin that failed.
    Error,
    /// Anything else worth remembering.
    Generic,
}

impl EventKind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Transaction, Self::Error, Self::Generic];

    /// The word that is stored.
    pub fn name(self) -> &'static str {
        match self {
            Self::Transaction => "transaction",
            Self::Error => "error",
            Self::Generic => "generic",
        }
    }
}

/// One entry of the journal.
#[derive(Clone, Debug)]
pub struct Event {
    /// Its id; the same id again on the same day replaces it in everything that is shown.
    pub id: String,
    /// Its kind.
    pub kind: EventKind,
    /// When it happened.
    pub at: SystemTime,
    /// The integration that it is about.
    pub integration: Option<String>,
    /// The repository that it is about.
    pub repository: Option<String>,
    /// What groups it with others of the same cause.
    pub fingerprint: Option<String>,
    /// The rest.
    pub payload: serde_json::Value,
}

/// An event as it is in the journal.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredEvent {
    /// Its place: later events have higher numbers, and no number is used twice.
    pub seq: i64,
    /// Its id.
    pub id: String,
    /// Its kind.
    pub kind: EventKind,
    /// When it happened, to the millisecond.
    pub at: SystemTime,
    /// The integration that it is about.
    pub integration: Option<String>,
    /// The repository that it is about.
    pub repository: Option<String>,
    /// What groups it with others of the same cause.
    pub fingerprint: Option<String>,
    /// The rest.
    pub payload: serde_json::Value,
}

/// Which events to read; what is `None` does not matter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventFilter {
    /// Of this kind.
    pub kind: Option<EventKind>,
    /// About this integration.
    pub integration: Option<String>,
    /// About this repository.
    pub repository: Option<String>,
    /// Of this cause.
    pub fingerprint: Option<String>,
}

/// An incident as it is kept. The state does not know what is in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IncidentRow {
    /// Its id; a later row with the same one replaces it.
    pub id: String,
    /// What groups its events.
    pub fingerprint: String,
    /// When it was opened, to the millisecond.
    pub opened_at: SystemTime,
    /// When it was resolved, to the millisecond; `None` while it is open.
    pub resolved_at: Option<SystemTime>,
    /// The incident itself, JSON.
    pub incident: String,
}

impl IncidentRow {
    /// Where the next page starts after this one.
    pub fn cursor(&self) -> IncidentCursor {
        IncidentCursor { at: self.resolved_at.unwrap_or(self.opened_at), id: self.id.clone() }
    }
}

/// A place in a list of incidents, newest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IncidentCursor {
    /// When the incident was opened, in a list of open ones; else when it was resolved.
    pub at: SystemTime,
    /// Its id.
    pub id: String,
}

/// A discovery as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiscoveryRow {
    /// The integration that it searches.
    pub integration: String,
    /// What it was looking for.
    pub wanted: String,
    /// When everything was listed last, to the millisecond.
    pub listed_at: Option<SystemTime>,
}

/// A repository that a discovery has found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundRow {
    /// Its project on the forge.
    pub project: Option<String>,
    /// Its name on the forge.
    pub name: String,
    /// The forge's own id.
    pub external_id: Option<String>,
    /// When it was shown first, to the millisecond.
    pub first_seen: SystemTime,
    /// Since when no whole listing has shown it, to the millisecond.
    pub missing_since: Option<SystemTime>,
}

/// What tells a found repository from all others: its discovery, and its identity there.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FoundKey {
    /// The discovery's name.
    pub discovery: String,
    /// The forge's own id or, without one, project and name.
    pub identity: String,
}

/// What is written together or not at all.
#[derive(Clone, Debug, Default)]
pub struct Save {
    /// Repositories with their standings, JSON; `None` forgets the repository.
    pub standings: Vec<(String, Option<String>)>,
    /// Incidents, new ones and changed ones.
    pub incidents: Vec<IncidentRow>,
    /// Discoveries by name, new ones and changed ones; `None` forgets one.
    pub discoveries: Vec<(String, Option<DiscoveryRow>)>,
    /// Repositories that were found; `None` forgets one.
    pub found: Vec<(FoundKey, Option<FoundRow>)>,
    /// Events to append, in order.
    pub events: Vec<Event>,
}

impl Save {
    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        let Self { standings, incidents, discoveries, found, events } = self;
        standings.is_empty()
            && incidents.is_empty()
            && discoveries.is_empty()
            && found.is_empty()
            && events.is_empty()
    }
}

pub(super) fn to_unix_ms(time: SystemTime) -> i64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

pub(super) fn from_unix_ms(unix_ms: i64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_millis(u64::try_from(unix_ms).unwrap_or(0))
}
