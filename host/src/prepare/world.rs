//! What a configuration leads to for whoever runs on it: made as a whole, never changed, and followed by another.
//!
//! A world that follows another shares with it whatever comes out the same: plugins and their workers, the HTTP client,
//! identities with their tokens, policies, integrations. Both run side by side until the former is retired, and
//! one that cannot be prepared changes nothing about the other. Who checks, and when, is not known here.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;

use super::PluginEntry;
use super::found::Occupied;
use super::parts::Beginning;
use super::providers::Providers;
use crate::config::{self, Loaded, Problems};
use crate::discovery::{Catalogue, Discovery, identity};
use crate::plugins::Provider;
use crate::services::Services;
use crate::services::identity::Identity;
use crate::state::State;
use crate::sweep::{Integration, Target};

/// What a configuration leads to. Immutable, though plugins and tokens live on inside.
pub struct World {
    /// What the plugins use. To be finished once in the life of the process, with the last world.
    pub services: Services,
    /// By name, every configured integration, used by a repository or not. One that is the same as in the world before
    /// is the same `Arc`, and what was made for it can be used on.
    pub integrations: BTreeMap<String, Arc<Integration>>,
    /// In the order of their names.
    pub repositories: Vec<Watched>,
    /// The opened plugins, and those that could not be, by their providers' keys.
    pub providers: BTreeMap<String, Provider>,
    /// By name, the identities of all integrations. A region has none.
    pub identities: BTreeMap<String, Arc<Identity>>,
    /// How long each may take.
    pub check_timeout: Duration,
    /// What finds further repositories, by name.
    pub discoveries: BTreeMap<String, Arc<Discovery>>,
    pub(super) found: Arc<Providers>,
}

/// A repository to be checked again and again.
#[derive(Clone)]
pub struct Watched {
    /// What to check.
    pub target: Target,
    /// When, and when to believe it: its own settings over its integration's over those of all.
    pub rules: config::Defaults,
    /// Its labels, shared among repositories with equal ones.
    pub labels: Arc<BTreeMap<String, String>>,
    /// The discovery that has found it, unless it is configured.
    pub discovery: Option<Arc<Discovery>>,
}

impl World {
    /// The world of a configuration; with a `former` one whatever that has already. What is wrong with the
    /// configuration already is told together with what is found here. What discoveries have found is added by
    /// [`World::with_found`].
    ///
    /// Needs a runtime. Reads files, runs the commands that print secrets and routes every repository, so it keeps its
    /// thread busy for a while: beside running checks it belongs on a thread for blocking work.
    ///
    /// # Errors
    ///
    /// Everything that is wrong, in one go. The former world is as it was.
    pub async fn prepare(
        loaded: &Loaded,
        state: Arc<State>,
        former: Option<&Self>,
    ) -> Result<Self, Problems> {
        let config = &loaded.config;
        let mut beginning = Beginning::of(loaded, Some(state), former, loaded.problems.clone());
        let wanted = beginning.configured().await;
        let discoveries = beginning.discoveries();
        let parts = beginning.end(config.integrations.keys().map(String::as_str).collect()).await?;
        let integrations = parts.integrations(config.integrations.keys())?;
        let watched = wanted.into_iter().filter_map(|(name, wanted)| {
            let repository = config.repositories.get(name)?;
            let mut rules = config.defaults;
            if let Some(integration) = config.integrations.get(&wanted.integration) {
                rules = rules.with(&integration.overrides);
            }
            Some(Watched {
                target: wanted.target(&integrations),
                rules: rules.with(&repository.overrides),
                labels: Arc::clone(&repository.labels),
                discovery: None,
            })
        });
        let mut repositories: Vec<_> = watched.collect();
        // What is shown of odd names may be in another order.
        repositories.sort_by(|one, other| one.target.name.cmp(&other.target.name));
        let alike = |pair: &[Watched]| pair[0].target.name == pair[1].target.name;
        if let Some(pair) = repositories.windows(2).find(|pair| alike(pair)) {
            let message = format!("two repositories are both shown as `{}`", pair[0].target.name);
            let help = Some("give one of them another name".to_owned());
            return Err(Problems(vec![loaded.problem(&["repositories"], message, help)]));
        }
        if repositories.is_empty() && discoveries.is_empty() {
            tracing::warn!(
                "there are no repositories to check: add a `[repositories.NAME]` or a `[discovery.NAME]` table"
            );
        }
        Ok(Self {
            integrations,
            repositories,
            check_timeout: config.check_timeout.get(),
            providers: parts.providers.opened(),
            discoveries,
            found: Arc::new(parts.providers),
            identities: parts.identities,
            services: parts.services,
        })
    }

    /// The same world with what discoveries have found in the place of what they had found before.
    #[must_use]
    pub fn with_found(&self, catalogue: &Catalogue) -> Self {
        let configured = self.repositories.iter().filter(|watched| watched.discovery.is_none());
        let mut repositories: Vec<Watched> = configured.cloned().collect();
        let mut occupied = Occupied::default();
        for Watched { target, .. } in &repositories {
            occupied.add(&target.name, &target.integration.name, target.repository.as_ref().ok());
        }
        for found in occupied.found(&self.discoveries, catalogue) {
            let Some(integration) = self.integrations.get(&found.discovery.settings.integration) else {
                continue;
            };
            repositories.push(Watched {
                target: Target {
                    name: found.shown,
                    integration: Arc::clone(integration),
                    repository: Ok(found.repository),
                },
                rules: found.discovery.rules,
                labels: Arc::clone(&found.discovery.settings.labels),
                discovery: Some(Arc::clone(found.discovery)),
            });
        }
        repositories.sort_by(|one, other| one.target.name.cmp(&other.target.name));
        Self {
            services: self.services.clone(),
            integrations: self.integrations.clone(),
            repositories,
            providers: self.providers.clone(),
            identities: self.identities.clone(),
            check_timeout: self.check_timeout,
            discoveries: self.discoveries.clone(),
            found: Arc::clone(&self.found),
        }
    }

    /// What the repositories that a discovery has found are called, by identity.
    pub fn names_found(&self, discovery: &str) -> HashMap<String, &str> {
        let found = self.repositories.iter().filter_map(|watched| {
            watched.discovery.as_ref().filter(|it| it.name == discovery)?;
            let repository = watched.target.repository.as_ref().ok()?;
            let identity = identity(repository.project(), repository.name(), repository.external_id());
            Some((identity, watched.target.name.as_str()))
        });
        found.collect()
    }

    /// Says that `next` is in use from now on: where other material goes by an identity's name, its tokens are not
    /// stored any more.
    pub fn replaced_by(&self, next: &Self) {
        for (name, identity) in &self.identities {
            if next.identities.get(name).is_some_and(|next| !Arc::ptr_eq(next, identity)) {
                identity.replaced();
            }
        }
    }

    /// Every library file that was found, with how those do that are open.
    pub fn plugins(&self) -> Vec<PluginEntry> {
        self.found.entries(&self.providers)
    }

    /// A world without library files, for tests of those who only look at one.
    #[cfg(test)]
    pub(crate) fn by_hand(
        services: Services,
        integrations: BTreeMap<String, Arc<Integration>>,
        repositories: Vec<Watched>,
    ) -> Self {
        let providers = integrations.values().map(|it| (it.provider_key.clone(), it.provider.clone()));
        Self {
            services,
            providers: providers.collect(),
            integrations,
            repositories,
            check_timeout: Duration::from_secs(60),
            identities: BTreeMap::new(),
            discoveries: BTreeMap::new(),
            found: Arc::new(Providers::none()),
        }
    }

    /// Ends the plugins' workers that `next` does not go on with. To be called when no check of this world runs any
    /// more. Token refreshes under way are left to end by themselves; [`Services::finish`] waits for them.
    pub async fn retire(&self, next: Option<&Self>) {
        let goes_on = |key: &String, provider: &Provider| {
            next.and_then(|next| next.providers.get(key)).is_some_and(|it| it.is(provider))
        };
        let ending = self.providers.iter().filter(|(key, provider)| !goes_on(key, provider));
        join_all(ending.map(|(_, provider)| provider.close())).await;
    }
}
