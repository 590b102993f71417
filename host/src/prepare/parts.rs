//! What a configuration leads to beside its repositories, all of it used on from before where nothing has changed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use forgewatch_plugin_api as api;

use super::providers::Providers;
use super::repositories::{self, Configured, Selected};
use super::{Routes, World, identities, silo_mode};
use crate::config::{self, Loaded, Problem, Problems};
use crate::discovery::Discovery;
use crate::services::http::{BuildError, HttpClient, HttpSettings};
use crate::services::identity::Identity;
use crate::services::{IntegrationSettings, ProviderPolicy, Services};
use crate::state::State;
use crate::sweep::Integration;

/// What has to be there before repositories are routed, and everything that was found wrong so far.
pub(super) struct Beginning<'a> {
    loaded: &'a Loaded,
    former: Option<&'a World>,
    state: Option<Arc<State>>,
    client: Option<HttpClient>,
    routes: Option<Routes>,
    problems: Vec<Problem>,
}

/// Everything that integrations are made of.
pub(super) struct Parts<'a> {
    loaded: &'a Loaded,
    former: Option<&'a World>,
    pub(super) state: Arc<State>,
    pub(super) services: Services,
    pub(super) identities: BTreeMap<String, Arc<Identity>>,
    pub(super) providers: Providers,
}

impl<'a> Beginning<'a> {
    /// Opens the plugin of every integration. Without a state there must be a problem.
    pub(super) fn of(
        loaded: &'a Loaded,
        state: Option<Arc<State>>,
        former: Option<&'a World>,
        mut problems: Vec<Problem>,
    ) -> Self {
        let client = http_client(loaded, former, &mut problems);
        let routes = Routes::new(loaded, state.as_deref(), former, &mut problems);
        if let Some(routes) = &routes {
            routes.providers.open_all(loaded, &mut problems);
        }
        Self { loaded, former, state, client, routes, problems }
    }

    /// Every configured repository that leads somewhere, in the order of their names.
    pub(super) async fn configured(&mut self) -> Configured<'a> {
        match &self.routes {
            Some(routes) => repositories::configured(self.loaded, routes, &mut self.problems).await,
            None => Vec::new(),
        }
    }

    /// Every discovery, ready to be used.
    pub(super) fn discoveries(&mut self) -> BTreeMap<String, Arc<Discovery>> {
        discoveries(self.loaded, &mut self.problems)
    }

    /// The repositories among `configured`, or beside them, that `selectors` name.
    pub(super) async fn selected(&mut self, configured: Configured<'a>, selectors: &[String]) -> Selected {
        match &self.routes {
            Some(routes) => {
                let problems = &mut self.problems;
                repositories::selected(self.loaded, routes, configured, selectors, problems).await
            }
            None => Selected::default(),
        }
    }

    /// Reads the secrets of these integrations, and is through with finding fault.
    pub(super) async fn end(mut self, integrations: BTreeSet<&str>) -> Result<Parts<'a>, Problems> {
        let Self { loaded, former, .. } = self;
        let identities = identities::resolve(loaded, integrations, former, &mut self.problems).await;
        let (Some(state), Some(client), Some(routes), true) =
            (self.state, self.client, self.routes, self.problems.is_empty())
        else {
            return Err(Problems(self.problems));
        };
        let mut services = Services::new(client, Arc::clone(&state), silo_mode(&loaded.config));
        if let Some(former) = former {
            services = services.following(&former.services);
        }
        Ok(Parts { loaded, former, state, services, identities, providers: routes.providers })
    }
}

impl Parts<'_> {
    /// The configured ones among these integrations, by name.
    pub(super) fn integrations<'n>(
        &self,
        names: impl Iterator<Item = &'n String>,
    ) -> Result<BTreeMap<String, Arc<Integration>>, Problems> {
        let mut integrations = BTreeMap::new();
        for name in names {
            let Some(configured) = self.loaded.config.integrations.get(name) else { continue };
            if !integrations.contains_key(name) {
                let integration =
                    self.integration(name, configured).map_err(|problem| Problems(vec![problem]))?;
                integrations.insert(name.clone(), integration);
            }
        }
        Ok(integrations)
    }

    fn integration(&self, name: &str, configured: &config::Integration) -> Result<Arc<Integration>, Problem> {
        let key = &configured.provider;
        let former = self.former.and_then(|former| former.integrations.get(name));
        let provider = self.providers.open(key)?;
        let policy = self.providers.policies.get(key).cloned();
        let policy = policy.unwrap_or_else(|| Arc::new(ProviderPolicy::of_no_plugin(key)));
        let settings = IntegrationSettings {
            key: name.to_owned(),
            domain_name: configured.domain_name.expose().to_owned(),
            allow_insecure_http: configured.allow_insecure_http,
            identity: configured.identity.as_ref().and_then(|name| self.identities.get(name)).cloned(),
            metadata: configured.metadata.clone(),
        };
        let services = match former.map(|former| &former.services) {
            Some(former) if former.are_those_of(&self.services, &policy, &settings) => Arc::clone(former),
            _ => self.services.for_integration(policy, settings),
        };
        let description = describe(self.loaded, &self.providers, name, configured);
        let batches = self.loaded.config.providers.get(key).is_none_or(|provider| provider.batch);
        let unchanged = former.filter(|former| {
            former.batches == batches
                && former.provider.is(&provider)
                && Arc::ptr_eq(&former.services, &services)
                && former.description == description
        });
        let new = || {
            let (name, provider_key) = (name.to_owned(), key.clone());
            Arc::new(Integration { name, provider_key, provider, services, description, batches })
        };
        Ok(unchanged.cloned().unwrap_or_else(new))
    }
}

/// What a provider is told of an integration before anything else is known of it.
pub(super) fn describe(
    loaded: &Loaded,
    providers: &Providers,
    name: &str,
    configured: &config::Integration,
) -> api::Integration {
    let config = &loaded.config;
    let mut description = api::Integration::new(name, configured.domain_name.expose())
        .with_silo_mode(silo_mode(config))
        .with_insecure_http(configured.allow_insecure_http)
        .with_options(&providers.options(&configured.provider));
    if let Some(id) = &configured.external_id {
        description = description.with_external_id(id);
    }
    if let Some(identity) = configured.identity.as_ref().and_then(|name| config.identities.get(name)) {
        description = description.with_identity_kind(identities::kind(identity));
    }
    description
}

/// Every discovery, ready to be used.
pub(super) fn discoveries(loaded: &Loaded, problems: &mut Vec<Problem>) -> BTreeMap<String, Arc<Discovery>> {
    let mut discoveries = BTreeMap::new();
    for (name, settings) in &loaded.config.discovery {
        match Discovery::of(&loaded.config, name, settings) {
            Ok(discovery) => drop(discoveries.insert(name.clone(), Arc::new(discovery))),
            Err(error) => {
                let message = format!("its patterns are too much together: {}", error.kind());
                let help = Some("write fewer or shorter ones".to_owned());
                problems.push(loaded.problem(&["discovery", name, "include"], message, help));
            }
        }
    }
    discoveries
}

fn http_client(loaded: &Loaded, former: Option<&World>, problems: &mut Vec<Problem>) -> Option<HttpClient> {
    let former = former.map(|former| former.services.client());
    let client = HttpClient::new(http_settings(loaded), former);
    client.map_err(|error| problems.push(http_problem(loaded, &error))).ok()
}

/// What the configuration says of every client.
pub(crate) fn http_settings(loaded: &Loaded) -> HttpSettings {
    let http = &loaded.config.http;
    HttpSettings {
        timeout: http.timeout.get(),
        ca_file: http.ca_file.clone(),
        proxy: http.proxy.as_ref().map(|proxy| proxy.expose().to_string()),
        no_proxy: http.no_proxy.clone(),
        concurrency: usize::from(http.concurrency),
        max_response_bytes: http.max_response_bytes,
    }
}

/// Why there is no such client.
pub(crate) fn http_problem(loaded: &Loaded, error: &BuildError) -> Problem {
    let (key, help) = match error {
        BuildError::CaFile { .. } => ("ca_file", Some("give a file of PEM certificates".to_owned())),
        BuildError::Proxy { .. } => ("proxy", None),
        _ => {
            return Problem { key: "http".to_owned(), source: None, message: error.to_string(), help: None };
        }
    };
    loaded.problem(&["http", key], error.to_string(), help)
}
