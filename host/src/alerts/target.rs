//! Somebody who can be told, ready to be told something.

use std::time::Duration;

use super::message::Message;

/// Why a message was not taken. Safe to print; holds no secret and no address that is one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The target cannot be reached, or takes nothing at the moment: it may take all of it later.
    #[error("{detail}")]
    Unavailable {
        /// What was seen, and what to do.
        detail: String,
        /// When it wants to be asked again, if it says so.
        retry_after: Option<Duration>,
    },
    /// It answers, and does not take this message.
    #[error("{detail}")]
    Refused {
        /// What was seen, and what to do.
        detail: String,
    },
}

/// Somebody who can be told.
pub struct Target {}

impl Target {
    /// The targets of a configuration, by name; what is wrong with them is told.
    pub async fn prepare_all(
        _loaded: &crate::config::Loaded,
        _problems: &mut Vec<crate::config::Problem>,
    ) -> std::collections::BTreeMap<String, Self> {
        todo!()
    }

    /// The word for its kind.
    pub fn kind(&self) -> &'static str {
        todo!()
    }

    /// Tells it something, within a bounded time. Cancelling it may leave the message delivered or not.
    ///
    /// # Errors
    ///
    /// It did not take it.
    pub async fn send(&self, _message: &Message) -> Result<(), Refusal> {
        todo!()
    }

    /// How many incidents one message may hold.
    pub fn most_incidents(&self) -> usize {
        todo!()
    }

    /// How often it wants to hear of what is still open, beside reminders; none where it remembers.
    pub fn refresh_every(&self) -> Option<Duration> {
        todo!()
    }
}
