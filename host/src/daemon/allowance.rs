//! What a lane's identity may still ask of its forge: checks that are merely due rest while that is used up, but for the
//! share of those who wait for an answer. Such a rest is the daemon's own doing and no trouble.

use std::sync::Arc;

use tokio::time::Instant;

use crate::services::IntegrationServices;
use crate::services::budget::{Begun, Room};

/// The allowance of one integration; one without any is never used up.
#[derive(Default)]
pub(super) struct Allowance {
    services: Option<Arc<IntegrationServices>>,
    /// When the rest ends, or has ended at last.
    rests_until: Option<Instant>,
}

impl Allowance {
    pub(super) fn of(services: &Arc<IntegrationServices>) -> Self {
        Self { services: Some(Arc::clone(services)), rests_until: None }
    }

    /// Whether a check that is merely due may start.
    pub(super) fn permits(&mut self, now: Instant) -> bool {
        let budget = self.services.as_ref().and_then(|services| services.budget());
        match budget.map_or(Room::Free, |budget| budget.room(now)) {
            Room::Until(until) => {
                self.rests_until = Some(until);
                false
            }
            room => {
                // It may be over sooner than was told.
                self.rests_until = self.rests_until.map(|until| until.min(now));
                room == Room::Free
            }
        }
    }

    /// When the rest ends, or has ended at last. What was due in it is late from then on.
    pub(super) fn rests_until(&self) -> Option<Instant> {
        self.rests_until
    }

    /// Counts a check that begins, until what this gives is dropped.
    pub(super) fn begin(&self) -> Option<Begun> {
        Some(self.services.as_ref()?.budget()?.begin())
    }
}
