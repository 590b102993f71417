//! What a configuration leads to for the daemon.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::config::Defaults;
use crate::plugins::Provider;
use crate::services::Services;
use crate::sweep::{Integration, Target};

/// Everything that the daemon runs on. Immutable; a reload makes a new one.
pub struct World {
    /// What plugins use.
    pub services: Services,
    /// Every configured integration, by name.
    pub integrations: BTreeMap<String, Arc<Integration>>,
    /// In name order.
    pub repositories: Vec<Watched>,
    /// Opened plugins, by provider key.
    pub providers: BTreeMap<String, Provider>,
    /// How long one check may take.
    pub check_timeout: Duration,
}

/// A repository that is watched.
pub struct Watched {
    /// What to check.
    pub target: Target,
    /// When to check it and when to believe it.
    pub rules: Defaults,
    /// Its labels, shared among those that have the same.
    pub labels: Arc<BTreeMap<String, String>>,
}
