//! `probe_identity`: who the forge takes the identity for, and until when. Since 1.2.0, on a client.

use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use super::json;
use crate::types::Failure;

/// The extension's name.
pub const NAME: &str = "probe_identity";
/// The version described here.
pub const VERSION: u32 = 1;

/// What the forge says of the identity.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct IdentityProbe {
    subject: String,
    expires_at_unix_s: Option<u64>,
    scopes: Vec<String>,
}

impl IdentityProbe {
    /// The forge's name for whom the identity speaks: a login, an application, a bot.
    pub fn new(subject: impl Into<String>) -> Self {
        Self { subject: subject.into(), ..Self::default() }
    }

    /// Sets when the forge stops accepting it.
    #[must_use]
    pub fn with_expiry(mut self, at: SystemTime) -> Self {
        let since = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        self.expires_at_unix_s = Some(since.as_secs());
        self
    }

    /// Adds a scope or permission that it has, in the forge's words.
    #[must_use]
    pub fn with_scope(mut self, scope: impl Into<String>) -> Self {
        self.scopes.push(scope.into());
        self
    }

    /// For whom it speaks.
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// When it ends, where the forge says so.
    pub fn expires_at(&self) -> Option<SystemTime> {
        SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(self.expires_at_unix_s?))
    }

    /// What it may do, in the forge's words; empty where the forge does not say.
    pub fn scopes(&self) -> &[String] {
        &self.scopes
    }
}

/// A probe as the answer. The payload is empty.
pub fn encode(probe: &IdentityProbe) -> Vec<u8> {
    json::encode(probe)
}

/// The probe in an answer.
///
/// # Errors
///
/// [`Reason::PLUGIN_FAILED`](crate::Reason::PLUGIN_FAILED) for what is none.
pub fn decode(answer: &[u8]) -> Result<IdentityProbe, Failure> {
    json::decode(NAME, "answer", answer)
}
