//! GitLab for Forgewatch: gitlab.com and self-managed servers, nested groups and relative URL roots.
//!
//! Says whether a role that reads code is granted to an integration's identity; that anybody can read a public
//! project proves nothing. All I/O is the host's; no token is ever seen here. There is nothing to look up, so base
//! URLs are judged and never repaired. Absent: `check_repositories`, since GitLab has no request that tells about
//! several projects by name or id; and conditional requests, since a 304 counts like any other answer.
#![forbid(unsafe_code)]

mod base_url;
mod client;
mod identity;
mod listing;
mod project;
mod target;
#[cfg(test)]
mod tests;
mod urls;
mod verdict;

use std::time::Duration;

use forgewatch_plugin_api::prelude::*;
use forgewatch_plugin_support::configured;

pub use client::Client;

/// The provider `gitlab`.
#[derive(Debug, Default)]
pub struct GitLab;

impl Provider for GitLab {
    type Client = Client;

    fn parse_repository_url(&self, url: &str, context: &UrlContext) -> Result<RepositoryUrl, UrlError> {
        urls::parse(url, context)
    }

    async fn get_base_url(&self, _: &Host, integration: &Integration) -> Result<String, Failure> {
        base_url::of(integration)
    }

    async fn get_client(&self, host: Host, integration: Integration) -> Result<Client, Failure> {
        let base_url = base_url::of(&integration);
        // A region holds no identity; the host refuses its requests with a reason of their own.
        if integration.silo_mode() == SiloMode::REGION {
            let base_url = base_url.unwrap_or_else(|_| integration.domain_name().to_owned());
            return Ok(Client::new(host, &integration, base_url));
        }
        if integration.identity_kind().is_none() {
            return Err(configured::without_identity(&integration));
        }
        Ok(Client::new(host, &integration, base_url?))
    }

    async fn has_repo_access(&self, client: &Client, repository: &Repository) -> Result<Access, Failure> {
        client.check(repository).await
    }

    const EXTENSIONS: &'static [Extension] = &[
        Extension::LIST_REPOSITORIES,
        Extension::PROBE_IDENTITY,
        Extension::REQUIREMENTS,
        Extension::LIMITS,
    ];

    async fn list_repositories(
        &self,
        client: &Client,
        request: &ListRequest,
    ) -> Result<RepositoryPage, Failure> {
        listing::page(client, request).await
    }

    async fn probe_identity(&self, client: &Client) -> Result<IdentityProbe, Failure> {
        identity::probe(client).await
    }

    async fn requirements(&self, client: &Client) -> Result<Requirements, Failure> {
        identity::requirements(client).await
    }

    /// Of gitlab.com, for the route that checks one project; a server of one's own has its administrator's limits.
    fn limits(&self, integration: &Integration) -> Limits {
        let limits = Limits::unknown().with_page_size(listing::PAGE_SIZE);
        match base_url::of(integration) {
            Ok(base_url) if base_url == base_url::CLOUD => limits.with_requests(400, Duration::from_secs(60)),
            _ => limits,
        }
    }
}

export_provider! {
    provider: GitLab,
    key: "gitlab",
    name: "GitLab",
    url_patterns: [r"(?i)^[a-z]+://[^/?#]*gitlab", r"(?i)^[^/@:]+@[^/:]*gitlab"],
    options_schema: include_str!("../options.schema.json"),
}
