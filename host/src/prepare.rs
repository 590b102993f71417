//! From a valid configuration to something that can run: plugins opened, URLs routed, secrets read, state open.
//!
//! Everything that stands in the way is found in one pass and told together; nothing runs half-way. No request
//! leaves the machine here.

mod finds;
mod found;
mod identities;
mod listing;
mod parts;
mod planning;
mod providers;
mod reached;
mod repositories;
mod rooms;
mod world;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use forgewatch_plugin_api as api;

use crate::config::{Config, Loaded, Problem, Problems, SiloMode};
use crate::journal::Recorder;
use crate::plugins::Provider;
use crate::routing::{KnownIntegration, Parsed, RouteError, RouteErrorKind, Router};
use crate::services::{DOMAIN_NAME, Services, effective_base_url, origin_of};
use crate::state::{State, StateError};
use crate::sweep::{Integration, Sweep, Target};
use crate::text::printable;
pub use finds::Finds;
pub(crate) use identities::{Trouble, read_secret};
pub use listing::PluginEntry;
pub(crate) use parts::{http_problem, http_settings};
pub use reached::Reached;
pub use rooms::Rooms;
pub use world::{Watched, World};

use parts::Beginning;
use providers::Providers;
use repositories::Wanted;

/// A sweep that can start.
pub struct Prepared {
    /// What the plugins of the sweep use; to be finished after it.
    pub services: Services,
    /// The sweep.
    pub sweep: Sweep,
    /// Where to record it.
    pub recorder: Recorder,
    /// The plugins that it needs, by their providers' keys; to be closed after it.
    pub providers: BTreeMap<String, Provider>,
    /// What discoveries have found for it.
    pub finds: Finds,
}

/// Where a URL leads, with the integration that has its base URL.
pub type Destination = Result<(Parsed, Option<String>), RouteError>;

/// The routes of a configuration.
pub struct Routes {
    providers: Providers,
    router: Router,
}

impl Routes {
    /// Finds the plugins and sets the routes up.
    ///
    /// # Errors
    ///
    /// Everything about plugins and their settings that is wrong.
    pub fn of(loaded: &Loaded) -> Result<Self, Problems> {
        let mut problems = Vec::new();
        let state = read_state(loaded, &mut problems);
        let routes = Self::new(loaded, state.as_deref(), None, &mut problems);
        match routes {
            Some(routes) if problems.is_empty() => Ok(routes),
            _ => Err(Problems(problems)),
        }
    }

    fn new(
        loaded: &Loaded,
        state: Option<&State>,
        former: Option<&World>,
        problems: &mut Vec<Problem>,
    ) -> Option<Self> {
        let config = &loaded.config;
        let providers = Providers::find(loaded, former, problems)?;
        let known = config.integrations.iter().map(|(name, integration)| {
            let domain_name = integration.domain_name.expose().to_owned();
            let saved = state.and_then(|state| saved_base_url(state, name, &domain_name));
            let base_url = match providers.policies.get(&integration.provider) {
                Some(policy) => effective_base_url(policy, &domain_name, saved.as_deref()),
                None => domain_name.clone(),
            };
            KnownIntegration {
                name: name.clone(),
                provider: integration.provider.clone(),
                domain_name,
                base_url,
                allow_insecure_http: integration.allow_insecure_http,
            }
        });
        match Router::new(&providers.known, known.collect()) {
            Ok(router) => Some(Self { providers, router }),
            Err(error) => {
                let message = format!("the URL patterns of all plugins together do not compile: {error}");
                problems.push(Problem { key: "plugins.dirs".to_owned(), source: None, message, help: None });
                None
            }
        }
    }

    /// Where a URL leads.
    ///
    /// # Errors
    ///
    /// A plugin that claims such URLs does not open.
    pub async fn destination(&self, url: &str) -> Result<Destination, Problems> {
        let parsed = self.parse(url).await.map_err(|problem| Problems(vec![problem]))?;
        if let Err(error) = &parsed
            && let Some((_, failure)) = self.failed_plugin(error, None, url).await
        {
            return Ok(Err(RouteError::of_failed_plugin(&failure)));
        }
        Ok(parsed.and_then(|parsed| {
            let fitting = self.router.integrations_of(&parsed);
            match fitting.as_slice() {
                [] => Ok((parsed, None)),
                [one] => Ok((parsed, Some(one.name.clone()))),
                several => Err(RouteError::several_integrations(several)),
            }
        }))
    }

    async fn parse(&self, url: &str) -> Result<Result<Parsed, RouteError>, Problem> {
        self.router.parse(url, |key| self.providers.open(key)).await
    }

    /// The integration that a URL belongs to whose plugin has failed on it, and how it failed: what a repository
    /// costs then is its own answer, and not the sweep.
    async fn failed_plugin(
        &self,
        error: &RouteError,
        integration: Option<&str>,
        url: &str,
    ) -> Option<(&str, api::Failure)> {
        let known = self.router.integration_for(integration, url)?;
        let failure = match error.kind {
            RouteErrorKind::PluginFailed => {
                api::Failure::new(api::Reason::PLUGIN_FAILED, error.detail.as_str())
            }
            RouteErrorKind::UnsupportedHost if !self.providers.known.contains_key(&known.provider) => {
                self.providers.open(&known.provider).ok()?.ready().await.err()?
            }
            _ => return None,
        };
        Some((&known.name, failure))
    }
}

impl Prepared {
    /// A sweep over the repositories that `selectors` name: names, patterns, URLs, or all without any. What is wrong
    /// with the configuration already is told together with what is found here.
    ///
    /// Unless it is only to be tried, the discoveries that may be meant are listed first, as the only requests here.
    /// Where that fails, what they had found before is checked.
    ///
    /// # Errors
    ///
    /// Everything that is wrong, in one go; and names and patterns that mean nothing, configured or found.
    pub async fn for_check(loaded: &Loaded, selectors: &[String], dry_run: bool) -> Result<Self, Problems> {
        let mut problems = loaded.problems.clone();
        let state = match problems.as_slice() {
            [] => open_state(loaded, &mut problems),
            // Nothing will run, and the path may not be the one that was meant.
            _ => read_state(loaded, &mut problems),
        };
        let mut finds = Finds::stored(state.clone());
        let mut beginning = Beginning::of(loaded, state, None, problems);
        let configured = beginning.configured().await;
        finds.look_beside(&configured, beginning.discoveries());
        let selected = beginning.selected(configured, selectors).await;
        finds.narrow(selectors, selected.among_found);
        let parts = beginning.end(needed(&loaded.config, selectors, &selected.wanted, &finds)).await?;
        let names = selected.wanted.iter().map(|wanted| &wanted.integration);
        let integrations = parts.integrations(names.chain(finds.integrations()))?;
        let check_timeout = loaded.config.check_timeout.get();
        if !dry_run {
            finds.list(&integrations, check_timeout).await;
        }
        let found = finds.wanted()?;
        let wanted = selected.wanted.into_iter().chain(found);
        let sweep = Sweep {
            targets: wanted.map(|wanted| wanted.target(&integrations)).collect(),
            concurrency: usize::from(loaded.config.http.concurrency),
            check_timeout,
        };
        let providers =
            integrations.values().map(|it| (it.provider_key.clone(), it.provider.clone())).collect();
        Ok(Self { services: parts.services, sweep, recorder: Recorder::new(parts.state), providers, finds })
    }

    /// Waits until every plugin is ready. A sweep need not: it goes on without those that fail.
    ///
    /// # Errors
    ///
    /// What is wrong with those that do not get ready, and with repositories whose plugins failed on their URLs.
    pub async fn ready(&self) -> Result<(), Problems> {
        let mut problems = Vec::new();
        for (key, provider) in &self.providers {
            if let Err(failure) = provider.ready().await {
                problems.push(failed(&format!("providers.{key}"), &failure));
            }
        }
        for target in &self.sweep.targets {
            if let Err(failure) = &target.repository {
                problems.push(failed(&format!("repositories.{}", target.name), failure));
            }
        }
        if problems.is_empty() { Ok(()) } else { Err(Problems(problems)) }
    }
}

fn failed(key: &str, failure: &api::Failure) -> Problem {
    let message = printable(failure.detail(), 500).into_owned();
    Problem { key: key.to_owned(), source: None, message, help: None }
}

/// The integrations whose identities are needed: all of them for a sweep over everything, so that a missing secret is
/// told even where something else is wrong with a repository.
fn needed<'a>(
    config: &'a Config,
    selectors: &[String],
    wanted: &'a [Wanted],
    finds: &'a Finds,
) -> BTreeSet<&'a str> {
    match selectors {
        [] => config.integrations.keys().map(String::as_str).collect(),
        _ => wanted
            .iter()
            .map(|wanted| &wanted.integration)
            .chain(finds.integrations())
            .map(String::as_str)
            .collect(),
    }
}

impl Wanted {
    fn target(self, integrations: &BTreeMap<String, Arc<Integration>>) -> Target {
        let integration = Arc::clone(&integrations[&self.integration]);
        Target { name: self.shown, integration, repository: self.repository }
    }
}

/// The former one where it is the same: what it holds in memory goes on.
fn kept<T: PartialEq>(new: Arc<T>, former: Option<&Arc<T>>) -> Arc<T> {
    former.filter(|former| ***former == *new).map_or(new, Arc::clone)
}

fn silo_mode(config: &Config) -> api::SiloMode {
    match config.silo_mode {
        SiloMode::Monolith => api::SiloMode::MONOLITH,
        SiloMode::Control => api::SiloMode::CONTROL,
        SiloMode::Region => api::SiloMode::REGION,
    }
}

/// The state as far as it is there, for what saves nothing. Makes no file.
fn read_state(loaded: &Loaded, problems: &mut Vec<Problem>) -> Option<Arc<State>> {
    opened(loaded, problems, State::open_read_only(&loaded.config.state.path))
}

/// The state, for reading alone where it cannot be written: checking goes on, with nothing saved.
fn open_state(loaded: &Loaded, problems: &mut Vec<Problem>) -> Option<Arc<State>> {
    let path = &loaded.config.state.path;
    let state = State::open(path).or_else(|error| {
        if error.is_unwritable() {
            tracing::warn!(
                "{}; checking goes on, but nothing is saved: make it writable, or choose another `state.path`",
                printable(&error.to_string(), 500)
            );
            State::open_read_only(path)
        } else {
            Err(error)
        }
    });
    opened(loaded, problems, state)
}

fn opened(
    loaded: &Loaded,
    problems: &mut Vec<Problem>,
    state: Result<State, StateError>,
) -> Option<Arc<State>> {
    match state {
        Ok(state) => Some(Arc::new(state)),
        Err(_) if loaded.lacks(&["state"]) => None,
        Err(error) => {
            problems.push(loaded.problem(&["state", "path"], error.to_string(), None));
            None
        }
    }
}

fn saved_base_url(state: &State, integration: &str, configured: &str) -> Option<String> {
    state.metadata(integration, DOMAIN_NAME, &origin_of(configured)).unwrap_or_else(|error| {
        tracing::warn!(integration, "{error}; the configured base URL is used");
        None
    })
}
