//! github.com, GitHub Enterprise Cloud and GitHub Enterprise Server for Forgewatch.
//!
//! Reads every form of repository URL, and says whether an integration reaches a repository, and why not. A public
//! repository, which anyone can read, counts as reached only where something is granted to the identity. All I/O is the
//! host's; no token is ever seen here.
//!
//! Absent: checks of many repositories by name, since the REST interface has none and GraphQL takes POST requests, which
//! plugins may not send unasked; a listing does that work. Installations and their tokens, which are the host's.
#![forbid(unsafe_code)]

mod answer;
mod base_url;
mod client;
mod granted;
mod identity;
mod listing;
mod site;
mod target;
#[cfg(test)]
mod tests;
mod urls;
mod verdict;

use std::time::Duration;

use forgewatch_plugin_api::Extension;
use forgewatch_plugin_api::prelude::*;
use forgewatch_plugin_support::configured;

use base_url::BaseUrl;
pub use client::Client;

/// The provider `github`.
#[derive(Debug, Default)]
pub struct Github;

impl Provider for Github {
    type Client = Client;

    const EXTENSIONS: &'static [Extension] = &[
        Extension::LIST_REPOSITORIES,
        Extension::PROBE_IDENTITY,
        Extension::REQUIREMENTS,
        Extension::LIMITS,
    ];

    fn parse_repository_url(&self, url: &str, context: &UrlContext) -> Result<RepositoryUrl, UrlError> {
        urls::parse(url, context)
    }

    /// There is nothing to look up: a well-formed base URL is its own answer.
    async fn get_base_url(&self, _: &Host, integration: &Integration) -> Result<String, Failure> {
        BaseUrl::of(integration).map(|_| format!("{}/", integration.domain_name().trim_end_matches('/')))
    }

    async fn get_client(&self, host: Host, integration: Integration) -> Result<Client, Failure> {
        let base = BaseUrl::of(&integration);
        // A region holds no identity and judges no base URL; the host refuses its requests with a reason of their own.
        if integration.silo_mode() == SiloMode::REGION {
            let base = base.unwrap_or_else(|_| BaseUrl::unjudged(integration.domain_name()));
            return Ok(Client::new(host, &integration, base));
        }
        if integration.identity_kind().is_none() {
            return Err(configured::without_identity(&integration));
        }
        Ok(Client::new(host, &integration, base?))
    }

    async fn has_repo_access(&self, client: &Client, repository: &Repository) -> Result<Access, Failure> {
        client.check(repository).await
    }

    async fn list_repositories(
        &self,
        client: &Client,
        request: &ListRequest,
    ) -> Result<RepositoryPage, Failure> {
        listing::list_repositories(client, request).await
    }

    async fn probe_identity(&self, client: &Client) -> Result<IdentityProbe, Failure> {
        identity::probe(client).await
    }

    async fn requirements(&self, client: &Client) -> Result<Requirements, Failure> {
        identity::requirements(client).await
    }

    fn limits(&self, integration: &Integration) -> Limits {
        match BaseUrl::of(integration) {
            // More for some accounts, and never less.
            Ok(base) if base.is_cloud => {
                Limits::unknown().with_requests(5000, Duration::from_secs(3600)).with_page_size(listing::PAGE)
            }
            // An administrator's choice, off at first.
            Ok(_) => Limits::unknown().with_page_size(listing::PAGE),
            Err(_) => Limits::unknown(),
        }
    }
}

export_provider! {
    provider: Github,
    key: "github",
    name: "GitHub",
    url_patterns: [r"(?i)\bgithub\.com\b", r"(?i)\.ghe\.com\b"],
    hosts: ["api.github.com"],
    options_schema: include_str!("../options.schema.json"),
}
