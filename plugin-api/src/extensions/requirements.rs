//! `requirements`: what the identity may do at the forge. Since 1.2.0, on a client.

use serde::{Deserialize, Serialize};

use super::json;
use crate::types::Failure;

/// The extension's name.
pub const NAME: &str = "requirements";
/// The version described here.
pub const VERSION: u32 = 1;

/// Which of the things that integrations do the identity may do: yes, no, or nobody can tell without trying.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Requirements {
    read: Option<bool>,
    write: Option<bool>,
    webhooks: Option<bool>,
}

impl Requirements {
    /// Nothing is known.
    pub fn unknown() -> Self {
        Self::default()
    }

    /// Says whether it may read code.
    #[must_use]
    pub fn with_read(mut self, may: bool) -> Self {
        self.read = Some(may);
        self
    }

    /// Says whether it may write code.
    #[must_use]
    pub fn with_write(mut self, may: bool) -> Self {
        self.write = Some(may);
        self
    }

    /// Says whether it may set up webhooks.
    #[must_use]
    pub fn with_webhooks(mut self, may: bool) -> Self {
        self.webhooks = Some(may);
        self
    }

    /// Whether it may read code, where that is known.
    pub fn read(&self) -> Option<bool> {
        self.read
    }

    /// Whether it may write code, where that is known.
    pub fn write(&self) -> Option<bool> {
        self.write
    }

    /// Whether it may set up webhooks, where that is known.
    pub fn webhooks(&self) -> Option<bool> {
        self.webhooks
    }
}

/// Requirements as the answer. The payload is empty.
pub fn encode(requirements: &Requirements) -> Vec<u8> {
    json::encode(requirements)
}

/// The requirements in an answer.
///
/// # Errors
///
/// [`Reason::PLUGIN_FAILED`](crate::Reason::PLUGIN_FAILED) for what is none.
pub fn decode(answer: &[u8]) -> Result<Requirements, Failure> {
    json::decode(NAME, "answer", answer)
}
