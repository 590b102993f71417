//! How a plugin's worker does, for whoever wants to know.

use std::sync::Arc;
use std::time::SystemTime;

use super::connection::Connection;
use super::sandbox::Coverage;

/// How a plugin is, since when, and why.
#[derive(Clone)]
pub struct Status {
    pub(super) phase: Phase,
    /// Since when.
    pub since: SystemTime,
    /// Why new bytes at the plugin's path are not used.
    pub not_replaced: Option<String>,
}

/// What a plugin's worker is doing.
#[derive(Clone)]
pub(super) enum Phase {
    Starting,
    Ready(Arc<Connection>),
    Restarting { cause: String },
    Quarantined { cause: String },
    Refused { cause: String },
}

impl Status {
    /// One word: `starting`, `ready`, `restarting`, `quarantined` or `refused`.
    pub fn state(&self) -> &'static str {
        match self.phase {
            Phase::Starting => "starting",
            Phase::Ready(_) => "ready",
            Phase::Restarting { .. } => "restarting",
            Phase::Quarantined { .. } => "quarantined",
            Phase::Refused { .. } => "refused",
        }
    }

    /// Whether it will not be tried again as it is.
    pub(in crate::plugins) fn is_refused(&self) -> bool {
        matches!(self.phase, Phase::Refused { .. })
    }

    /// Why it is not ready, or not the newest.
    pub fn cause(&self) -> Option<&str> {
        match &self.phase {
            Phase::Restarting { cause } | Phase::Quarantined { cause } | Phase::Refused { cause } => {
                Some(cause)
            }
            Phase::Starting | Phase::Ready(_) => self.not_replaced.as_deref(),
        }
    }

    /// The sandbox of the worker that is ready.
    pub fn coverage(&self) -> Option<&Coverage> {
        match &self.phase {
            Phase::Ready(connection) => connection.coverage(),
            _ => None,
        }
    }
}
