//! The rows of the store as the rest of the host sees them.

use std::time::{Duration, SystemTime};

use secrecy::{ExposeSecret, SecretString};

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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// A sweep or a check, with its durations.
    Transaction,
    /// A check that did not end well, or a plugin that failed.
    Error,
    /// Anything else worth remembering.
    Generic,
}

impl EventKind {
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

pub(super) fn to_unix_ms(time: SystemTime) -> i64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

pub(super) fn from_unix_ms(unix_ms: i64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_millis(u64::try_from(unix_ms).unwrap_or(0))
}
