//! How a plugin's worker does, for whoever wants to know.

use std::collections::BTreeMap;
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
    /// How often its worker ended, or was replaced.
    pub restarts: BTreeMap<RestartCause, u64>,
}

/// Why a plugin's worker was not the last one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RestartCause {
    /// Its code crashed.
    Crashed,
    /// It ended by itself, or could not be started.
    Exited,
    /// It gave no sign of life.
    Stuck,
    /// It said to the host what no worker says.
    Violation,
    /// Something outside ended or stopped it.
    Killed,
    /// Its file has new bytes.
    Replaced,
}

impl RestartCause {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Crashed, Self::Exited, Self::Stuck, Self::Violation, Self::Killed, Self::Replaced];

    /// The word for people and machines.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Crashed => "crashed",
            Self::Exited => "exited",
            Self::Stuck => "stuck",
            Self::Violation => "violation",
            Self::Killed => "killed",
            Self::Replaced => "replaced",
        }
    }
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
