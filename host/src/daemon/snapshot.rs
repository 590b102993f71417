//! What is known, counted for the metrics.

use std::collections::BTreeMap;
use std::sync::Arc;

use foldhash::HashMap;
use tokio::time::Instant;

use super::handle::{Handle, Reloads};
use super::identities::{Ending, ending};
use super::ledger::Ledger;
use crate::metrics::{Access, Discovery, Identity, Incidents, Integration, Plugin, Repositories, Snapshot};
use crate::prepare::World;
use crate::state::Health;
use crate::verdict::{Moment, Reason, Verdict};

impl Handle {
    /// Counts what is known; with `each`, repository by repository too. Checks wait for one pass over the ledger.
    pub fn snapshot(&self, each: bool) -> Snapshot {
        let tally = self.read(|ledger| Tally::of(ledger, each));
        let discoveries = self.findings().into_iter().map(|finding| Discovery {
            name: finding.name,
            repositories: finding.repositories,
            listed_at: finding.listed_at,
        });
        let discoveries = discoveries.collect();
        Snapshot { discoveries, ..tally.complete(self.health().borrow().clone(), &self.reloads()) }
    }
}

/// What one pass over the ledger counts. The rest is found out without holding it.
pub struct Tally {
    pub(super) world: Arc<World>,
    /// By integration and reason.
    pub(super) repositories: BTreeMap<(String, Option<Reason>), usize>,
    pub(super) integrations: Vec<Integration>,
    pub(super) running: usize,
    incidents: Vec<Incidents>,
    pub(super) identities: Vec<Ending>,
    /// In the order of the world's repositories, where that was asked for.
    verdicts: Vec<Option<Verdict>>,
}

impl Tally {
    /// Counts.
    pub fn of(ledger: &Ledger, each: bool) -> Self {
        let (mut counted, mut stale) = (HashMap::default(), HashMap::<_, usize>::default());
        let mut verdicts = Vec::with_capacity(if each { ledger.entries.len() } else { 0 });
        for (watched, entry) in ledger.iter() {
            let (integration, reason) = (watched.target.integration.name.as_str(), entry.reason());
            *counted.entry((integration, reason)).or_default() += 1;
            if entry.stale {
                *stale.entry(integration).or_default() += 1;
            }
            if each {
                verdicts.push(reason.map(Reason::verdict));
            }
        }
        let now = Moment::now();
        let integrations = ledger.integrations.iter().map(|(name, standby)| Integration {
            name: name.clone(),
            stale: stale.get(name.as_str()).copied().unwrap_or_default(),
            waiting: standby.waiting,
            is_held: standby.held_until.is_some_and(|until| until > now),
            is_investigating: standby.investigating,
            rate_budget: None,
        });
        let owned = |((name, reason), count): ((&str, _), _)| ((name.to_owned(), reason), count);
        Self {
            world: Arc::clone(&ledger.world),
            integrations: integrations.collect(),
            repositories: counted.into_iter().map(owned).collect(),
            running: ledger.integrations.values().map(|standby| standby.running).sum(),
            incidents: incidents(ledger),
            identities: ending(&ledger.world, &ledger.integrations),
            verdicts,
        }
    }

    /// With everything that is no part of the ledger.
    pub fn complete(mut self, state: Health, reloads: &Reloads) -> Snapshot {
        let world = Arc::clone(&self.world);
        for integration in &mut self.integrations {
            let services = world.integrations.get(&integration.name).map(|it| &it.services);
            let budget = services.and_then(|services| services.budget());
            let left = budget.and_then(|budget| budget.left(Instant::now()));
            integration.rate_budget = left.map(|left| left.remaining);
        }
        let provider_of =
            |name: &str| world.integrations.get(name).map(|it| it.provider_key.clone()).unwrap_or_default();
        let repositories = self.repositories.into_iter().map(|((integration, reason), count)| Repositories {
            provider: provider_of(&integration),
            integration,
            reason,
            count,
        });
        let access = world.repositories.iter().zip(&self.verdicts).filter_map(|(watched, verdict)| {
            let granted = match verdict {
                Some(Verdict::Granted) => true,
                Some(Verdict::Denied) => false,
                Some(Verdict::Indeterminate) | None => return None,
            };
            let (repository, integration) = (&watched.target.name, &watched.target.integration.name);
            Some(Access { repository: repository.clone(), integration: integration.clone(), granted })
        });
        Snapshot {
            repositories: repositories.collect(),
            integrations: self.integrations,
            checks_running: self.running,
            incidents: self.incidents,
            plugins: plugins(&world),
            identities: self.identities.into_iter().map(Identity::from).collect(),
            discoveries: Vec::new(),
            alerts: Vec::new(),
            trackers: Vec::new(),
            subscriptions: Vec::new(),
            config_successful: reloads.successful,
            config_loaded_at: reloads.loaded_at,
            state,
            access: access.collect(),
        }
    }
}

fn incidents(ledger: &Ledger) -> Vec<Incidents> {
    let mut counted = BTreeMap::<_, usize>::new();
    for incident in ledger.incidents.open() {
        *counted.entry((incident.integration.as_str(), incident.reason, incident.cause)).or_default() += 1;
    }
    let owned = |((integration, reason, cause), count): ((&str, _, _), _)| {
        let integration = integration.to_owned();
        Incidents { integration, reason, cause, count }
    };
    counted.into_iter().map(owned).collect()
}

fn plugins(world: &World) -> Vec<Plugin> {
    let plugins = world.providers.iter().map(|(key, provider)| {
        let condition = provider.condition();
        let restarts = condition.restarts.iter().map(|(cause, count)| (cause.as_str(), *count)).collect();
        Plugin { provider: key.clone(), is_up: condition.is_up(), restarts }
    });
    plugins.collect()
}

impl From<Ending> for Identity {
    fn from(ending: Ending) -> Self {
        let Ending { name, expires_at, renews } = ending;
        Self { name, expires_at, renews }
    }
}
