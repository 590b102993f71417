//! The part of the configuration that the conductor goes by.

use std::time::Duration;

use super::queue::Limits;
use crate::config::{self, Config};
use crate::state::Retention;

/// What the conductor goes by; a reload brings others.
pub(super) struct Settings {
    pub(super) limits: Limits,
    pub(super) confirm_after: Duration,
    pub(super) stop_grace: Duration,
    pub(super) breaker: config::Breaker,
    pub(super) retention: Retention,
}

impl Settings {
    pub(super) fn of(config: &Config) -> Self {
        let (schedule, retention) = (&config.schedule, &config.retention);
        Self {
            limits: Limits {
                overall: usize::from(schedule.concurrency),
                integration: usize::from(schedule.integration_concurrency),
            },
            confirm_after: schedule.confirm_after.get(),
            stop_grace: schedule.stop_grace.get(),
            breaker: config.breaker.clone(),
            retention: Retention {
                events: retention.events.get(),
                transactions: retention.transactions.get(),
                incidents: retention.incidents.get(),
            },
        }
    }
}
