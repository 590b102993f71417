//! Stub, replaced by the real one.
use std::time::Duration;

use crate::verdict::Reason;

/// Stub.
#[derive(Clone, Default)]
pub struct Metrics;

impl Metrics {
    /// Stub.
    pub fn new() -> Self {
        Self
    }
    /// Stub.
    pub fn checked(&self, _provider: &str, _reason: Reason, _took: Duration) {}
    /// Stub.
    pub fn started(&self, _lag: Duration) {}
    /// Stub.
    pub fn turned(&self, _from: Option<Reason>, _to: Reason) {}
    /// Stub.
    pub fn reloaded(&self, _successful: bool) {}
}
