//! Which repositories are wanted, and where each of them leads.

use std::collections::BTreeMap;
use std::pin::pin;

use forgewatch_plugin_api::{self as api, Failure};
use futures_util::{StreamExt, stream};
use globset::{GlobBuilder, GlobMatcher};

use super::Routes;
use crate::config::{Loaded, Problem, Repository, nearest};
use crate::routing::{KnownIntegration, Parsed, RouteErrorKind, looks_like_url};
use crate::text::{mask_url, mask_user_info, printable};

/// Integrations that a message names; it comes once for each wrong repository.
const MOST_CANDIDATES: usize = 5;

/// URLs that plugins take apart at once: a worker answers many in one go.
const AT_ONCE: usize = 64;

/// A repository to check.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    /// What results call it.
    pub(super) shown: String,
    pub(super) integration: String,
    /// What its provider is told of it, or why its plugin cannot say where it leads; then its check ends with that.
    pub(super) repository: Result<api::Repository, Failure>,
}

/// The configured repositories that lead somewhere, in the order of their names.
pub(super) type Configured<'a> = Vec<(&'a str, Wanted)>;

/// Routes all configured repositories, whatever is asked for: a wrong one is a wrong configuration.
pub(super) async fn configured<'a>(
    loaded: &'a Loaded,
    routes: &Routes,
    problems: &mut Vec<Problem>,
) -> Configured<'a> {
    let mut configured = Vec::new();
    let routed = stream::iter(&loaded.config.repositories)
        .map(async |(name, repository)| (name, route(loaded, routes, name, repository).await));
    let mut routed = pin!(routed.buffered(AT_ONCE));
    while let Some((name, routed)) = routed.next().await {
        match routed {
            Ok(Some(wanted)) => configured.push((name.as_str(), wanted)),
            Ok(None) => {}
            Err(problem) => problems.push(problem),
        }
    }
    configured
}

/// What `selectors` name.
#[derive(Default)]
pub(super) struct Selected {
    /// Configured repositories, and URLs ad hoc.
    pub(super) wanted: Vec<Wanted>,
    /// Names and patterns that may mean what was found, and what is wrong where they do not.
    pub(super) among_found: Vec<AmongFound>,
}

/// A name or a pattern.
pub(super) struct AmongFound {
    text: String,
    glob: GlobMatcher,
    /// That it means no configured repository either.
    unmatched: Option<Problem>,
}

impl AmongFound {
    fn new(text: &str, glob: GlobMatcher, unmatched: Option<Problem>) -> Self {
        Self { text: text.to_owned(), glob, unmatched }
    }

    /// Whether it means the found repository that is called so.
    pub(super) fn is_for(&self, name: &str) -> bool {
        self.text == name || self.glob.is_match(name)
    }

    /// Whether it may mean something that this discovery finds: each is called `DISCOVERY:…`.
    pub(super) fn may_mean(&self, discovery: &str) -> bool {
        let beginning = self.text.split(['*', '?', '[', '{', '\\']).next().unwrap_or_default();
        let begins = format!("{}:", printable(discovery, 500));
        beginning.starts_with(&begins) || (begins.starts_with(beginning) && beginning != self.text)
    }

    /// What it says, which may be a name.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// What is wrong, if it means nothing that was found.
    pub(super) fn into_problem(self) -> Option<Problem> {
        self.unmatched
    }
}

/// The repositories that `selectors` name, among the configured ones or beside them.
pub(super) async fn selected(
    loaded: &Loaded,
    routes: &Routes,
    configured: Configured<'_>,
    selectors: &[String],
    problems: &mut Vec<Problem>,
) -> Selected {
    if selectors.is_empty() {
        let config = &loaded.config;
        let is_empty = config.repositories.is_empty() && config.discovery.is_empty();
        if is_empty && !loaded.lacks(&["repositories", "discovery"]) {
            let help = "add a `[repositories.NAME]` or a `[discovery.NAME]` table to /etc/forgewatch/forgewatch.toml, to \
                        $XDG_CONFIG_HOME/forgewatch/forgewatch.toml (by default below ~/.config) or to the file that \
                        --config names; or name a URL"
                .to_owned();
            let message = "there are no repositories to check".to_owned();
            problems.push(Problem {
                key: "repositories".to_owned(),
                source: None,
                message,
                help: Some(help),
            });
        }
        let wanted = configured.into_iter().map(|(_, wanted)| wanted).collect();
        return Selected { wanted, among_found: Vec::new() };
    }
    let (mut wanted, mut among_found) = (BTreeMap::new(), Vec::new());
    for selector in selectors {
        match select(loaded, routes, &configured, selector).await {
            Ok((found, among)) => {
                wanted.extend(found.into_iter().map(|wanted| (wanted.shown.clone(), wanted)));
                among_found.extend(among);
            }
            Err(_) if loaded.lacks(&["repositories", "integrations", "providers", "plugins"]) => {}
            Err(problem) => problems.push(problem),
        }
    }
    let discoveries = &loaded.config.discovery;
    let (among_found, unmatched): (Vec<_>, Vec<_>) =
        among_found.into_iter().partition(|it: &AmongFound| discoveries.keys().any(|name| it.may_mean(name)));
    if !loaded.lacks(&["repositories", "discovery"]) {
        problems.extend(unmatched.into_iter().filter_map(AmongFound::into_problem));
    }
    Selected { wanted: wanted.into_values().collect(), among_found }
}

/// Where a configured repository leads; `None` where that cannot be said, since what it depends on is faulty.
async fn route<'a>(
    loaded: &'a Loaded,
    routes: &'a Routes,
    name: &str,
    repository: &'a Repository,
) -> Result<Option<Wanted>, Problem> {
    let wanted = |integration: &'a str, described: Result<api::Repository, Failure>| {
        let described = described.map(|described| match &repository.external_id {
            Some(id) => described.with_external_id(id),
            None => described,
        });
        let shown = printable(name, 500).into_owned();
        Wanted { shown, integration: integration.to_owned(), repository: described }
    };
    let Some(url) = &repository.url else {
        // The configuration's own rules say that these are there.
        return match (&repository.integration, &repository.name) {
            (Some(integration), Some(on_forge)) => {
                Ok(Some(wanted(integration, Ok(described(repository.project.as_deref(), on_forge)))))
            }
            _ => {
                Err(loaded.problem(&["repositories", name], "needs `url`, or `integration` and `name`", None))
            }
        };
    };
    let path = ["repositories", name, "url"];
    let parsed = match routes.parse(url.expose()).await? {
        Ok(parsed) => parsed,
        Err(error)
            if let Some((integration, failure)) =
                routes.failed_plugin(&error, repository.integration.as_deref(), url.expose()).await =>
        {
            return Ok(Some(wanted(integration, Err(failure))));
        }
        Err(error)
            if error.kind == RouteErrorKind::UnsupportedHost
                && loaded.lacks(&["plugins", "providers", "integrations"]) =>
        {
            return Ok(None);
        }
        Err(error) => return Err(loaded.problem(&path, error.detail, None)),
    };
    let integration = match &repository.integration {
        Some(integration) => settled(loaded, routes, &path, integration, &parsed),
        None => only(&parsed, routes).map_err(|(message, help)| loaded.problem(&path, message, Some(help))),
    };
    match integration {
        Err(_) if loaded.lacks(&["integrations"]) => Ok(None),
        integration => Ok(Some(wanted(integration?, Ok(of_url(&parsed))))),
    }
}

fn of_url(parsed: &Parsed) -> api::Repository {
    described(parsed.url.project(), parsed.url.name())
}

fn described(project: Option<&str>, name: &str) -> api::Repository {
    let repository = api::Repository::new(name);
    match project {
        Some(project) => repository.with_project(project),
        None => repository,
    }
}

/// The integration that the repository names, if the URL may belong to it.
fn settled<'a>(
    loaded: &Loaded,
    routes: &Routes,
    path: &[&str],
    integration: &'a str,
    parsed: &Parsed,
) -> Result<&'a str, Problem> {
    let fitting = routes.router.integrations_of(parsed);
    let known = routes.router.integrations_with(&parsed.provider).find(|known| known.name == integration);
    // A malformed base URL cannot be compared before the first check has repaired it.
    let unknown_yet = known.is_some_and(|known| url::Url::parse(&known.base_url).is_err());
    if unknown_yet || fitting.iter().any(|known| known.name == integration) {
        return Ok(integration);
    }
    let base_url = printable(parsed.url.base_url(), 300);
    let message =
        format!("it leads to `{base_url}`, which is not the base URL of integration `{integration}`");
    Err(loaded.problem(path, message, Some(candidates(routes, parsed))))
}

/// The one integration with the URL's base URL, or what is wrong and how to fix it.
fn only<'a>(parsed: &Parsed, routes: &'a Routes) -> Result<&'a str, (String, String)> {
    let base_url = printable(parsed.url.base_url(), 300);
    match routes.router.integrations_of(parsed).as_slice() {
        [one] => Ok(&one.name),
        [] => Err((format!("no integration has the base URL `{base_url}`"), candidates(routes, parsed))),
        several => {
            let names = names(several.iter().copied());
            let help = format!("say which one with `integration`: {names}");
            Err((format!("several integrations have the base URL `{base_url}`"), help))
        }
    }
}

fn candidates(routes: &Routes, parsed: &Parsed) -> String {
    let mut known: Vec<_> = routes
        .router
        .integrations_with(&parsed.provider)
        .map(|known| format!("{} (`{}`)", known.name, mask_user_info(&known.base_url)))
        .collect();
    if known.len() > MOST_CANDIDATES {
        let more = known.split_off(MOST_CANDIDATES).len();
        known.push(format!("and {more} more"));
    }
    match known.as_slice() {
        [] => format!("add an integration with `provider = \"{}\"` and this `domain_name`", parsed.provider),
        known => format!(
            "correct the URL, or the `domain_name` of one of these, or add an integration; those of provider `{}`: {}",
            parsed.provider,
            known.join(", ")
        ),
    }
}

fn names<'a>(known: impl Iterator<Item = &'a KnownIntegration>) -> String {
    known.map(|known| known.name.as_str()).collect::<Vec<_>>().join(", ")
}

async fn select<'a>(
    loaded: &Loaded,
    routes: &'a Routes,
    configured: &Configured<'a>,
    selector: &str,
) -> Result<(Vec<Wanted>, Option<AmongFound>), Problem> {
    let all = &loaded.config.repositories;
    if all.contains_key(selector) {
        let at = configured.binary_search_by_key(&selector, |(name, _)| name);
        return Ok((at.map(|at| configured[at].1.clone()).into_iter().collect(), None));
    }
    let problem =
        |message: String, help: Option<String>| Problem { key: String::new(), source: None, message, help };
    let shown = printable(&mask_url(selector), 300).into_owned();
    let discovery = selector.split_once(':').map(|(discovery, _)| discovery);
    let may_be_found = discovery.is_some_and(|name| loaded.config.discovery.contains_key(name));
    if looks_like_url(selector) && !may_be_found {
        return by_url(routes, configured, selector, &shown)
            .await
            .map_err(|(message, help)| problem(format!("`{shown}`: {message}"), help))
            .map(|wanted| (vec![wanted], None));
    }
    let glob = glob(selector)
        .map_err(|error| problem(format!("`{shown}` is no pattern: {}", error.kind()), None))?;
    if all.keys().any(|name| glob.is_match(name)) {
        let matching = configured.iter().filter(|(name, _)| glob.is_match(name));
        let matching = matching.map(|(_, wanted)| wanted.clone()).collect();
        return Ok((matching, Some(AmongFound::new(selector, glob, None))));
    }
    let near =
        nearest(selector, all.keys().map(String::as_str)).map(|near| format!("did you mean `{near}`?"));
    let what = if loaded.config.discovery.is_empty() { "configured" } else { "configured or found" };
    let unmatched = problem(format!("`{shown}` matches no {what} repository"), near);
    Ok((Vec::new(), Some(AmongFound::new(selector, glob, Some(unmatched)))))
}

fn glob(pattern: &str) -> Result<GlobMatcher, globset::Error> {
    Ok(GlobBuilder::new(pattern).literal_separator(false).build()?.compile_matcher())
}

/// The configured repository that the URL leads to, or the URL ad hoc.
async fn by_url<'a>(
    routes: &'a Routes,
    configured: &Configured<'a>,
    url: &str,
    shown: &str,
) -> Result<Wanted, (String, Option<String>)> {
    let parsed = routes.parse(url).await.map_err(|problem| (problem.message, problem.help))?;
    let parsed = match parsed {
        Ok(parsed) => parsed,
        Err(error) => {
            let (integration, failure) =
                routes.failed_plugin(&error, None, url).await.ok_or((error.detail, None))?;
            return Ok(Wanted {
                shown: shown.to_owned(),
                integration: integration.to_owned(),
                repository: Err(failure),
            });
        }
    };
    let integration = only(&parsed, routes).map_err(|(message, help)| (message, Some(help)))?;
    let repository = of_url(&parsed);
    let words = |one: &api::Repository| (one.name().to_lowercase(), one.project().map(str::to_lowercase));
    let sought = words(&repository);
    let is_same = |one: &Wanted| {
        one.integration == integration && one.repository.as_ref().is_ok_and(|one| words(one) == sought)
    };
    let known = configured.iter().map(|(_, wanted)| wanted).find(|wanted| is_same(wanted));
    let ad_hoc = || Wanted {
        shown: shown.to_owned(),
        integration: integration.to_owned(),
        repository: Ok(repository),
    };
    Ok(known.cloned().unwrap_or_else(ad_hoc))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_may_mean_something_found_is_looked_for() {
        let cases = [
            ("acme:Payments/api", true),
            ("acme:*", true),
            ("ac*", true),
            ("*", true),
            ("?cme:x", true),
            ("{acme,b}:x", true),
            ("acme", false),
            ("web-*", false),
            ("acme2:*", false),
            ("globex:Payments/api", false),
        ];
        for (text, expected) in cases {
            let among = AmongFound::new(text, glob(text).unwrap(), None);
            assert_eq!(among.may_mean("acme"), expected, "{text}");
        }
    }
}
