//! From a valid configuration to something that can run: plugins opened, URLs routed, secrets read, state open.
//!
//! Everything that stands in the way is found in one pass and told together; nothing runs half-way. No request
//! leaves the machine here.

mod identities;
mod listing;
mod providers;
mod repositories;
mod rooms;
mod world;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use forgewatch_plugin_api as api;

use crate::config::{Config, Loaded, Problem, Problems, SiloMode};
use crate::journal::Recorder;
use crate::plugins::Provider;
use crate::routing::{KnownIntegration, Parsed, RouteError, RouteErrorKind, Router};
use crate::services::http::{BuildError, HttpClient, HttpSettings};
use crate::services::identity::Identity;
use crate::services::{
    DOMAIN_NAME, IntegrationSettings, ProviderPolicy, Services, effective_base_url, origin_of,
};
use crate::state::{State, StateError};
use crate::sweep::{Integration, Sweep, Target};
use crate::text::printable;
pub(crate) use identities::read_secret;
pub use listing::PluginEntry;
pub use rooms::Rooms;
pub use world::{Watched, World};

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
        let routes = Self::new(loaded, state.as_deref(), &mut problems);
        match routes {
            Some(routes) if problems.is_empty() => Ok(routes),
            _ => Err(Problems(problems)),
        }
    }

    fn new(loaded: &Loaded, state: Option<&State>, problems: &mut Vec<Problem>) -> Option<Self> {
        let config = &loaded.config;
        let providers = Providers::find(loaded, problems)?;
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
    ) -> Option<(String, api::Failure)> {
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
        Some((known.name.clone(), failure))
    }
}

impl Prepared {
    /// A sweep over the repositories that `selectors` name: names, patterns, URLs, or all without any. What is wrong
    /// with the configuration already is told together with what is found here.
    ///
    /// # Errors
    ///
    /// Everything that is wrong, in one go.
    pub async fn for_check(loaded: &Loaded, selectors: &[String]) -> Result<Self, Problems> {
        let config = &loaded.config;
        let mut problems = loaded.problems.clone();
        let state = match problems.as_slice() {
            [] => open_state(loaded, &mut problems),
            // Nothing will run, and the path may not be the one that was meant.
            _ => read_state(loaded, &mut problems),
        };
        let client = http_client(loaded, &mut problems);
        let routes = Routes::new(loaded, state.as_deref(), &mut problems);
        let wanted = match &routes {
            Some(routes) => {
                routes.providers.open_all(loaded, &mut problems);
                repositories::wanted(loaded, routes, selectors, &mut problems).await
            }
            None => Vec::new(),
        };
        let identities = identities::resolve(loaded, needed(config, selectors, &wanted), &mut problems).await;
        let (Some(state), Some(client), Some(routes), true) = (state, client, routes, problems.is_empty())
        else {
            return Err(Problems(problems));
        };
        let services = Services::new(client, Arc::clone(&state), silo_mode(config));
        let integrations = integrations(config, &routes.providers, &services, &identities, &wanted)?;
        let targets = wanted.into_iter().map(|wanted| wanted.target(&integrations)).collect();
        let sweep = Sweep {
            targets,
            concurrency: usize::from(config.http.concurrency),
            check_timeout: config.check_timeout.get(),
        };
        let providers =
            integrations.values().map(|it| (it.provider_key.clone(), it.provider.clone())).collect();
        Ok(Self { services, sweep, recorder: Recorder::new(state), providers })
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
fn needed<'a>(config: &'a Config, selectors: &[String], wanted: &'a [Wanted]) -> BTreeSet<&'a str> {
    match selectors {
        [] => config.integrations.keys().map(String::as_str).collect(),
        _ => wanted.iter().map(|wanted| wanted.integration.as_str()).collect(),
    }
}

/// The integrations that the wanted repositories belong to, by name.
fn integrations(
    config: &Config,
    providers: &Providers,
    services: &Services,
    identities: &BTreeMap<String, Arc<Identity>>,
    wanted: &[Wanted],
) -> Result<HashMap<String, Arc<Integration>>, Problems> {
    let mut integrations = HashMap::new();
    for name in wanted.iter().map(|wanted| &wanted.integration) {
        let Some(integration) = config.integrations.get(name).filter(|_| !integrations.contains_key(name))
        else {
            continue;
        };
        let key = &integration.provider;
        let provider = providers.open(key).map_err(|problem| Problems(vec![problem]))?;
        let policy = providers.policies.get(key).cloned();
        let policy = policy.unwrap_or_else(|| Arc::new(ProviderPolicy::of_no_plugin(key)));
        let identity = integration.identity.as_ref().and_then(|name| identities.get(name)).cloned();
        let kind =
            integration.identity.as_ref().and_then(|name| config.identities.get(name)).map(identities::kind);
        let options = providers.options(key);
        let settings = IntegrationSettings {
            key: name.clone(),
            domain_name: integration.domain_name.expose().to_owned(),
            allow_insecure_http: integration.allow_insecure_http,
            identity,
            metadata: integration.metadata.clone(),
        };
        let mut description = api::Integration::new(name, integration.domain_name.expose())
            .with_silo_mode(silo_mode(config))
            .with_insecure_http(integration.allow_insecure_http)
            .with_options(&options);
        if let Some(id) = &integration.external_id {
            description = description.with_external_id(id);
        }
        if let Some(kind) = kind {
            description = description.with_identity_kind(kind);
        }
        let ready = Integration {
            name: name.clone(),
            provider_key: key.clone(),
            provider,
            services: services.for_integration(policy, settings),
            description,
        };
        integrations.insert(name.clone(), Arc::new(ready));
    }
    Ok(integrations)
}

impl Wanted {
    fn target(self, integrations: &HashMap<String, Arc<Integration>>) -> Target {
        let mut repository = api::Repository::new(&self.name);
        if let Some(project) = &self.project {
            repository = repository.with_project(project);
        }
        if let Some(id) = &self.external_id {
            repository = repository.with_external_id(id);
        }
        let repository = self.failure.map_or(Ok(repository), Err);
        Target { name: self.shown, integration: Arc::clone(&integrations[&self.integration]), repository }
    }
}

fn silo_mode(config: &Config) -> api::SiloMode {
    match config.silo_mode {
        SiloMode::Monolith => api::SiloMode::MONOLITH,
        SiloMode::Control => api::SiloMode::CONTROL,
        SiloMode::Region => api::SiloMode::REGION,
    }
}

fn http_client(loaded: &Loaded, problems: &mut Vec<Problem>) -> Option<HttpClient> {
    let http = &loaded.config.http;
    let settings = HttpSettings {
        timeout: http.timeout.get(),
        ca_file: http.ca_file.clone(),
        proxy: http.proxy.as_ref().map(|proxy| proxy.expose().to_string()),
        concurrency: usize::from(http.concurrency),
        max_response_bytes: http.max_response_bytes,
    };
    let problem = |error: BuildError| {
        let (key, help) = match &error {
            BuildError::CaFile { .. } => ("ca_file", Some("give a file of PEM certificates".to_owned())),
            BuildError::Proxy { .. } => ("proxy", None),
            _ => {
                return Problem {
                    key: "http".to_owned(),
                    source: None,
                    message: error.to_string(),
                    help: None,
                };
            }
        };
        loaded.problem(&["http", key], error.to_string(), help)
    };
    HttpClient::new(&settings).map_err(|error| problems.push(problem(error))).ok()
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
