//! What is known of identities: by the host itself, and by forges that were asked.

use std::collections::BTreeMap;
use std::time::SystemTime;

use super::ledger::Standby;
use crate::prepare::World;
use crate::sweep::{Integration, Who};

/// An identity whose end is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ending {
    pub(super) name: String,
    pub(super) expires_at: SystemTime,
    pub(super) renews: bool,
}

/// When an integration's identity ends: the host knows that of tokens that it renews, a forge of others.
pub fn expires_at(integration: &Integration, standby: &Standby) -> Option<SystemTime> {
    let known = integration.services.default_identity()?.expires_at();
    known.or_else(|| standby.who().and_then(|who| who.expires_at))
}

/// Every identity whose end is known, in name order. Several integrations may have one, and forges may differ about it:
/// the first end counts.
pub(super) fn ending(world: &World, standbys: &BTreeMap<String, Standby>) -> Vec<Ending> {
    let mut ending = BTreeMap::<String, Ending>::new();
    for (name, integration) in &world.integrations {
        let Some(identity) = integration.services.default_identity() else { continue };
        let Some(expires_at) = standbys.get(name).and_then(|standby| expires_at(integration, standby)) else {
            continue;
        };
        let (name, renews) = (identity.name().to_owned(), identity.renews());
        let known = ending.entry(name.clone()).or_insert(Ending { name, expires_at, renews });
        known.expires_at = known.expires_at.min(expires_at);
    }
    ending.into_values().collect()
}

impl Standby {
    /// Who the forge says that its identity is.
    pub fn who(&self) -> Option<&Who> {
        self.identity.as_ref()?.1.who.as_ref()
    }
}
