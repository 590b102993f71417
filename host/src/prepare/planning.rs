//! What `forgewatch plan` reckons with: integrations with what their plugins offer, and the repositories that are known.
//! Plugins are opened and asked what they can; no secret is read and no request leaves the machine.

use std::collections::BTreeMap;

use forgewatch_plugin_api::{Extension, Limits};
use futures_util::future::join_all;

use super::found::Occupied;
use super::parts::describe;
use super::repositories::{self, Wanted};
use super::{Routes, failed, read_state, saved_base_url};
use crate::config::{self, Config, Loaded, Problem, Problems};
use crate::discovery::Catalogue;
use crate::plan::{Known, Plan, Planned, Search, Times};
use crate::plugins::Provider;
use crate::services::{effective_base_url, for_plugin};
use crate::state::State;
use crate::sweep::Means;
use crate::text::{mask_url, printable};

impl Plan {
    /// The plan of a configuration.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with it, and plugins that cannot say what they offer.
    pub async fn prepare(loaded: &Loaded) -> Result<Self, Problems> {
        let mut problems = loaded.problems.clone();
        let state = read_state(loaded, &mut problems);
        let Some(routes) = Routes::new(loaded, state.as_deref(), None, &mut problems) else {
            return Err(Problems(problems));
        };
        routes.providers.open_all(loaded, &mut problems);
        let repositories = known(loaded, &routes, state.as_deref(), &mut problems).await;
        let planned = if problems.is_empty() {
            integrations(loaded, &routes, state.as_deref(), repositories, &mut problems).await
        } else {
            Vec::new()
        };
        join_all(routes.providers.opened().values().map(Provider::close)).await;
        if problems.is_empty() {
            Ok(Self::of(planned, times(&loaded.config)))
        } else {
            Err(Problems(problems))
        }
    }
}

fn times(config: &Config) -> Times {
    Times {
        check_timeout: config.check_timeout.get(),
        confirm_after: config.schedule.confirm_after.get(),
        breaker_minimum: config.breaker.minimum,
    }
}

/// What is known of an integration.
#[derive(Default)]
struct Holds {
    /// Its repositories: configured, or found before.
    repositories: Vec<Known>,
    discoveries: Vec<Search>,
    /// How many repositories its identity sees.
    visible: Option<usize>,
}

/// What is known of each integration.
async fn known(
    loaded: &Loaded,
    routes: &Routes,
    state: Option<&State>,
    problems: &mut Vec<Problem>,
) -> BTreeMap<String, Holds> {
    let config = &loaded.config;
    let mut known: BTreeMap<String, Holds> = BTreeMap::new();
    let mut occupied = Occupied::default();
    for (name, wanted) in repositories::configured(loaded, routes, problems).await {
        let own = config.repositories.get(name).map(|repository| repository.overrides);
        let described = described(config, &wanted, own.unwrap_or_default());
        occupied.add(&wanted.shown, &wanted.integration, wanted.repository.as_ref().ok());
        known.entry(wanted.integration).or_default().repositories.push(described);
    }
    let discoveries = super::parts::discoveries(loaded, problems);
    let catalogue = state.map(Catalogue::stored).transpose().unwrap_or_else(|error| {
        tracing::warn!("what was found before is not counted: {error}");
        None
    });
    let catalogue = catalogue.unwrap_or_default();
    for discovery in discoveries.values() {
        let holds = known.entry(discovery.settings.integration.clone()).or_default();
        let count = catalogue.listed_at(discovery).map(|_| catalogue.counts(discovery).0);
        holds.visible = holds.visible.max(count.filter(|_| discovery.wants_all()));
        holds.discoveries.push(Search {
            discovery: printable(&discovery.name, 500).into_owned(),
            list_every: discovery.settings.list_every.get(),
            known: count,
        });
    }
    for found in occupied.found(&discoveries, &catalogue) {
        let rules = found.discovery.rules;
        let described = Known {
            project: found.repository.project().map(ToOwned::to_owned),
            interval: rules.interval.get(),
            failure_threshold: rules.failure_threshold,
        };
        known.entry(found.discovery.settings.integration.clone()).or_default().repositories.push(described);
    }
    known
}

fn described(config: &Config, wanted: &Wanted, own: config::Overrides) -> Known {
    let integration = config.integrations.get(&wanted.integration);
    let rules = integration.map_or(config.defaults, |it| config.defaults.with(&it.overrides)).with(&own);
    let repository = wanted.repository.as_ref().ok();
    Known {
        project: repository.and_then(|repository| repository.project()).map(ToOwned::to_owned),
        interval: rules.interval.get(),
        failure_threshold: rules.failure_threshold,
    }
}

async fn integrations(
    loaded: &Loaded,
    routes: &Routes,
    state: Option<&State>,
    mut known: BTreeMap<String, Holds>,
    problems: &mut Vec<Problem>,
) -> Vec<Planned> {
    let mut planned = Vec::new();
    for (name, configured) in &loaded.config.integrations {
        let Some(Holds { repositories, discoveries, visible }) = known.remove(name) else { continue };
        match offer(loaded, routes, name, configured).await {
            Ok((means, limits)) => planned.push(Planned {
                integration: printable(name, 500).into_owned(),
                provider: configured.provider.clone(),
                identity: configured
                    .identity
                    .as_deref()
                    .map(|identity| printable(identity, 500).into_owned()),
                forge: forge(routes, state, name, configured),
                means,
                limits,
                repositories,
                discoveries,
                visible,
            }),
            Err(problem) => problems.push(problem),
        }
    }
    planned
}

/// How repositories can be asked for together, and what one identity may ask.
async fn offer(
    loaded: &Loaded,
    routes: &Routes,
    name: &str,
    configured: &config::Integration,
) -> Result<(Means, Limits), Problem> {
    let key = &configured.provider;
    let provider = routes.providers.open(key)?;
    let broken = |failure| failed(&format!("providers.{key}"), &failure);
    let offers = async |extension: Extension| {
        provider.query_extension(extension.name()).await.map(|version| version.is_some())
    };
    let may_batch = loaded.config.providers.get(key).is_none_or(|provider| provider.batch);
    let means = if may_batch && offers(Extension::CHECK_REPOSITORIES).await.map_err(broken)? {
        Means::Project
    } else if may_batch && offers(Extension::LIST_REPOSITORIES).await.map_err(broken)? {
        Means::Listing
    } else {
        Means::OneByOne
    };
    let description = describe(loaded, &routes.providers, name, configured);
    match provider.limits(for_plugin(key), &description).await {
        Ok(limits) => Ok((means, limits)),
        Err(failure) if failure.is_unsupported() => Ok((means, Limits::unknown())),
        Err(failure) => Err(broken(failure)),
    }
}

/// Where an integration's forge is; what is configured, where that cannot be said before the first check.
fn forge(routes: &Routes, state: Option<&State>, name: &str, configured: &config::Integration) -> String {
    let domain_name = configured.domain_name.expose();
    let saved = state.and_then(|state| saved_base_url(state, name, domain_name));
    let base_url = match routes.providers.policies.get(&configured.provider) {
        Some(policy) => effective_base_url(policy, domain_name, saved.as_deref()),
        None => domain_name.to_owned(),
    };
    match url::Url::parse(&base_url) {
        Ok(url) if url.has_host() => url.origin().ascii_serialization(),
        _ => printable(&mask_url(&base_url), 500).into_owned(),
    }
}
