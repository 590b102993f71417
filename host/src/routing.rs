//! From a repository URL to the provider, the integration and the repository that it names. No requests.
//!
//! Patterns preselect, plugins decide: a manifest's patterns, the hosts of a provider's configured base URLs and
//! of its `server_roots` say which plugins are asked; what a plugin answers is what counts.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use forgewatch_plugin_api::{BaseUrl, Failure, Reason, RepositoryUrl, UrlContext, UrlErrorKind};
use regex::{RegexSet, RegexSetBuilder};
use serde::Serialize;
use tokio::time::timeout;
use url::Url;

use crate::plugins::Provider;
use crate::text::printable;

/// Each plugin's patterns are limited by themselves, so that all of them together fit whatever plugins there are.
const LARGEST_SET_BYTES: usize = 1 << 30;
/// How long a plugin may take a URL apart.
const LONGEST_PARSE: Duration = Duration::from_secs(10);

/// Why a URL leads nowhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RouteErrorKind {
    /// No plugin claims the host.
    UnsupportedHost,
    /// A host that a plugin knows, and no repository; or no URL at all.
    NotARepositoryUrl,
    /// Plain HTTP where it is not accepted.
    InsecureScheme,
    /// A project or repository that cannot be one.
    InvalidSegment,
    /// A broken percent escape.
    InvalidPercentEncoding,
    /// Several plugins or integrations claim it.
    Ambiguous,
    /// A plugin that may know it failed.
    PluginFailed,
}

/// A URL that leads nowhere, and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct RouteError {
    /// The kind.
    pub kind: RouteErrorKind,
    /// One sentence, safe to print.
    pub detail: String,
}

impl RouteError {
    fn new(kind: RouteErrorKind, detail: impl fmt::Display) -> Self {
        Self { kind, detail: printable(&detail.to_string(), 500).into_owned() }
    }

    /// The plugin that should know has failed.
    pub fn of_failed_plugin(failure: &Failure) -> Self {
        Self::new(RouteErrorKind::PluginFailed, failure)
    }

    /// Several integrations have the URL's base URL.
    pub fn several_integrations(integrations: &[&KnownIntegration]) -> Self {
        let names: Vec<_> = integrations.iter().map(|known| known.name.as_str()).collect();
        let detail = format!("several integrations have this base URL: {}", names.join(", "));
        Self::new(RouteErrorKind::Ambiguous, detail)
    }
}

/// What routing knows of an integration.
#[derive(Clone, Debug)]
pub struct KnownIntegration {
    /// Its name in the configuration.
    pub name: String,
    /// Its provider's key.
    pub provider: String,
    /// Its base URL as configured.
    pub domain_name: String,
    /// Its base URL as repaired and saved, or as configured.
    pub base_url: String,
    /// Whether plain HTTP is accepted for it.
    pub allow_insecure_http: bool,
}

/// What routing knows of a provider.
#[derive(Clone, Debug, Default)]
pub struct KnownProvider {
    /// The patterns of its manifest.
    pub url_patterns: Vec<String>,
    /// Its options, a JSON object.
    pub options: serde_json::Map<String, serde_json::Value>,
}

/// Where a URL leads.
#[derive(Clone, Debug)]
pub struct Parsed {
    /// The key of the provider that understood it.
    pub provider: String,
    /// What it understood.
    pub url: RepositoryUrl,
}

/// Routes URLs. Made once for a configuration.
pub struct Router {
    patterns: RegexSet,
    /// The provider of each pattern.
    keys: Vec<String>,
    contexts: BTreeMap<String, Arc<UrlContext>>,
    integrations: Vec<KnownIntegration>,
    /// The base URL of each integration in its comparable form.
    base_urls: Vec<Option<String>>,
    /// Which of the integrations have a base URL, repaired or configured, by its comparable form.
    by_base_url: HashMap<String, Vec<usize>>,
    /// The keys of providers that some integration has.
    configured: BTreeSet<String>,
}

impl Router {
    /// A router for these providers, by key, and integrations.
    ///
    /// # Errors
    ///
    /// The patterns of all providers together are too large.
    pub fn new(
        providers: &BTreeMap<String, KnownProvider>,
        integrations: Vec<KnownIntegration>,
    ) -> Result<Self, regex::Error> {
        let mut patterns = Vec::new();
        let mut keys = Vec::new();
        let mut contexts = BTreeMap::new();
        for (key, provider) in providers {
            let own = || integrations.iter().filter(|integration| integration.provider == *key);
            let roots = server_roots(&provider.options).filter_map(|root| host_pattern(&root));
            let bases = own().filter_map(|integration| host_pattern(&integration.base_url));
            // Many integrations on one host have one pattern.
            let hosts: BTreeSet<String> = roots.chain(bases).collect();
            patterns.extend(provider.url_patterns.iter().cloned().chain(hosts));
            keys.resize(patterns.len(), key.clone());
            let base_urls = own().map(|it| BaseUrl::new(&it.base_url, it.allow_insecure_http));
            let options = serde_json::Value::Object(provider.options.clone()).to_string();
            contexts.insert(key.clone(), Arc::new(UrlContext::new(&options, base_urls)));
        }
        let mut by_base_url: HashMap<String, Vec<usize>> = HashMap::new();
        for (index, known) in integrations.iter().enumerate() {
            let base_urls: BTreeSet<_> =
                [&known.base_url, &known.domain_name].into_iter().filter_map(|url| comparable(url)).collect();
            base_urls.into_iter().for_each(|url| by_base_url.entry(url).or_default().push(index));
        }
        Ok(Self {
            patterns: RegexSetBuilder::new(patterns).size_limit(LARGEST_SET_BYTES).build()?,
            keys,
            contexts,
            base_urls: integrations.iter().map(|known| comparable(&known.base_url)).collect(),
            configured: integrations.iter().map(|known| known.provider.clone()).collect(),
            integrations,
            by_base_url,
        })
    }

    /// Takes a URL apart. `provider` opens a provider by its key. Cancel-safe.
    ///
    /// # Errors
    ///
    /// Outside, the provider does not open or fails; inside, the URL leads nowhere.
    pub async fn parse<E>(
        &self,
        url: &str,
        provider: impl Fn(&str) -> Result<Provider, E>,
    ) -> Result<Result<Parsed, RouteError>, E> {
        let url = url.trim();
        if !looks_like_url(url) {
            let detail = "this is no URL: expected https://… or user@host:path";
            return Ok(Err(RouteError::new(RouteErrorKind::NotARepositoryUrl, detail)));
        }
        let mut candidates: Vec<&str> =
            self.patterns.matches(url).iter().map(|index| self.keys[index].as_str()).collect();
        candidates.dedup();
        // A plugin that nobody configured has no say where one that somebody did wants to be asked.
        let is_configured = |key: &&str| self.configured.contains(*key);
        if candidates.iter().any(is_configured) {
            candidates.retain(is_configured);
        }
        let mut parsed: Vec<Parsed> = Vec::new();
        let mut error = None;
        for key in candidates {
            let provider = provider(key)?;
            match self.ask(key, url, &provider).await {
                Ok(url) => parsed.push(Parsed { provider: key.to_owned(), url }),
                // A plugin that knows the host says more than one that does not.
                Err(new) if error.is_none() || new.kind != RouteErrorKind::UnsupportedHost => {
                    error = Some(new);
                }
                Err(_) => {}
            }
        }
        Ok(match (parsed.len(), error) {
            (0, Some(error)) => Err(error),
            (0, None) => Err(RouteError::new(
                RouteErrorKind::UnsupportedHost,
                "no plugin claims this host: install its plugin, or add a server of your own to `server_roots` in \
                 [providers.KEY.options]",
            )),
            (1, _) => Ok(parsed.remove(0)),
            _ => {
                let keys: Vec<_> = parsed.iter().map(|parsed| parsed.provider.as_str()).collect();
                let detail = format!("several plugins claim this URL: {}", keys.join(", "));
                Err(RouteError::new(RouteErrorKind::Ambiguous, detail))
            }
        })
    }

    async fn ask(&self, key: &str, url: &str, provider: &Provider) -> Result<RepositoryUrl, RouteError> {
        let context = self.contexts.get(key).cloned().unwrap_or_default();
        let answer = timeout(LONGEST_PARSE, provider.parse_repository_url(url, &context)).await;
        let answer = answer.unwrap_or_else(|_| {
            let detail = format!("taking a URL apart took longer than {} s", LONGEST_PARSE.as_secs());
            Err(Failure::new(Reason::PLUGIN_FAILED, detail))
        });
        let answer = answer.map_err(|failure| {
            let is_named = failure.detail().contains(&format!("`{key}`"));
            let detail = match is_named {
                true => failure.to_string(),
                false => format!("the plugin `{key}` failed: {failure}"),
            };
            RouteError::new(RouteErrorKind::PluginFailed, detail)
        })?;
        answer.map_err(|error| {
            let kind = match error.kind() {
                UrlErrorKind::UNSUPPORTED_HOST => RouteErrorKind::UnsupportedHost,
                UrlErrorKind::INSECURE_SCHEME => RouteErrorKind::InsecureScheme,
                UrlErrorKind::INVALID_SEGMENT => RouteErrorKind::InvalidSegment,
                UrlErrorKind::INVALID_PERCENT_ENCODING => RouteErrorKind::InvalidPercentEncoding,
                _ => RouteErrorKind::NotARepositoryUrl,
            };
            RouteError::new(kind, error.detail())
        })
    }

    /// The integrations whose base URL the parsed URL leads to.
    pub fn integrations_of(&self, parsed: &Parsed) -> Vec<&KnownIntegration> {
        let base_urls = std::iter::once(parsed.url.base_url()).chain(parsed.url.aliases());
        let fitting: BTreeSet<usize> = base_urls
            .filter_map(comparable)
            .filter_map(|url| self.by_base_url.get(&url))
            .flatten()
            .copied()
            .collect();
        let known = fitting.into_iter().map(|index| &self.integrations[index]);
        known.filter(|it| it.provider == parsed.provider).collect()
    }

    /// The integration `name`, or without one the only one below whose base URL the URL lies.
    pub fn integration_for(&self, name: Option<&str>, url: &str) -> Option<&KnownIntegration> {
        if name.is_some() {
            return self.integrations.iter().find(|it| Some(it.name.as_str()) == name);
        }
        let url = comparable(url)?;
        let known = self.integrations.iter().zip(&self.base_urls);
        let mut fitting = known.filter(|(_, base)| base.as_ref().is_some_and(|base| url.starts_with(base)));
        fitting.next().filter(|_| fitting.next().is_none()).map(|(known, _)| known)
    }

    /// The integrations of a provider, for a message.
    pub fn integrations_with(&self, provider: &str) -> impl Iterator<Item = &KnownIntegration> {
        self.integrations.iter().filter(move |it| it.provider == provider)
    }
}

/// The servers that a provider's options name, by the convention that all providers share.
pub fn server_roots(options: &serde_json::Map<String, serde_json::Value>) -> impl Iterator<Item = String> {
    let roots = options.get("server_roots").and_then(serde_json::Value::as_array);
    roots.into_iter().flatten().filter_map(|root| root.as_str().map(ToOwned::to_owned))
}

/// Whether a text is a URL or scp-like address rather than a name.
pub fn looks_like_url(text: &str) -> bool {
    let head = text.split(['/', '?', '#']).next().unwrap_or_default();
    text.contains("://")
        || head.split_once(':').is_some_and(|(host, _)| host.len() > 1 && host.contains(['.', '@']))
}

/// A pattern for URLs on the host of `base_url`, whatever the scheme, the user or the case.
fn host_pattern(base_url: &str) -> Option<String> {
    let url = Url::parse(base_url).ok()?;
    Some(format!("(?i)(^|//|@){}(:|/|$)", regex::escape(url.host_str()?)))
}

/// A base URL in the form in which two that lead to the same place are equal: lower case, without user, with a
/// final slash; a host alone counts as `https`.
fn comparable(base_url: &str) -> Option<String> {
    let text = base_url.trim().to_lowercase();
    let mut url = Url::parse(&text).or_else(|_| Url::parse(&format!("https://{text}"))).ok()?;
    if !url.path().ends_with('/') {
        let path = format!("{}/", url.path());
        url.set_path(&path);
    }
    Some(format!("{}{}", url.origin().ascii_serialization(), url.path()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base_urls_compare_by_where_they_lead() {
        let cases = [
            ("https://dev.azure.com/Contoso/", "https://dev.azure.com/contoso", true),
            ("https://user@dev.azure.com/contoso/", "https://dev.azure.com:443/contoso/", true),
            ("contoso.visualstudio.com", "https://contoso.visualstudio.com/", true),
            ("http://ado.example/tfs/", "https://ado.example/tfs/", false),
            ("https://dev.azure.com/contoso2/", "https://dev.azure.com/contoso/", false),
        ];
        for (one, other, same) in cases {
            assert_eq!(comparable(one) == comparable(other), same, "{one} {other}");
        }
    }

    #[test]
    fn text_is_no_url() {
        for text in ["", "payments-api", "a b", "C:", "group/name", "C:\\x", "foo:bar"] {
            assert!(!looks_like_url(text), "{text}");
        }
        for text in
            ["https://a/b", "git@ssh.dev.azure.com:v3/a/b/c", "ssh.dev.azure.com:v3/a", "://", "ftp://x"]
        {
            assert!(looks_like_url(text), "{text}");
        }
    }
}
