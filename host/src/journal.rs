//! The journal: what happened, kept in the state.
//!
//! A one-shot sweep leaves its transaction and nothing else: histories and incidents are the daemon's.

mod incident;

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::json;

pub use incident::{Cause, Fingerprint, Incident, Incidents, Joined};

use crate::state::{Event, EventKind, State};
use crate::sweep::{CheckResult, Summary};

/// Writes events into the state.
pub struct Recorder {
    state: Arc<State>,
}

impl Recorder {
    /// A recorder into `state`.
    pub fn new(state: Arc<State>) -> Self {
        Self { state }
    }

    /// Records the transaction of a sweep. A state that cannot be written costs a warning, not the results.
    pub fn record(&self, started_at: SystemTime, duration: Duration, results: &[CheckResult]) {
        let nanoseconds = started_at.duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
        let event = Event {
            id: format!("sweep-{nanoseconds:x}-{:x}", std::process::id()),
            kind: EventKind::Transaction,
            at: started_at,
            integration: None,
            repository: None,
            fingerprint: None,
            payload: json!({
                "transaction": "sweep",
                "duration_ms": duration.as_millis() as u64,
                "summary": Summary::of(results),
                "requests": results.iter().map(|result| u64::from(result.requests)).sum::<u64>(),
            }),
        };
        if let Err(error) = self.state.append(&event) {
            tracing::warn!("the sweep is not recorded: {error}");
        }
    }
}
