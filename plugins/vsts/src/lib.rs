//! Azure DevOps Services (once VSTS) and Azure DevOps Server (once TFS) for Forgewatch.
//!
//! Reads every form of repository URL, repairs malformed base URLs of cloud organisations, and says whether an
//! integration reaches a repository, and why not. All I/O is the host's; no token is ever seen here. Service hooks,
//! work items and search are absent, and so are `limits` and `requirements`: the service counts in units of its own and
//! does not tell what a token may do.
#![forbid(unsafe_code)]

mod answer;
mod base_url;
mod client;
mod lookup;
mod many;
mod options;
mod probe;
mod target;
#[cfg(test)]
mod tests;
mod urls;
mod verdict;

use forgewatch_plugin_api::prelude::*;
use forgewatch_plugin_support::configured;

pub use client::Client;

/// The provider `vsts`.
#[derive(Debug, Default)]
pub struct Vsts;

impl Provider for Vsts {
    type Client = Client;

    const EXTENSIONS: &'static [Extension] =
        &[Extension::LIST_REPOSITORIES, Extension::CHECK_REPOSITORIES, Extension::PROBE_IDENTITY];

    fn parse_repository_url(&self, url: &str, context: &UrlContext) -> Result<RepositoryUrl, UrlError> {
        urls::parse(url, context)
    }

    async fn get_base_url(&self, host: &Host, integration: &Integration) -> Result<String, Failure> {
        lookup::get_base_url(host, integration).await
    }

    async fn get_client(&self, host: Host, integration: Integration) -> Result<Client, Failure> {
        // A region holds no identity and repairs nothing; the host refuses its requests with a reason of their own.
        if integration.silo_mode() == SiloMode::REGION {
            let base_url = integration.domain_name().to_owned();
            return Ok(Client::new(host, &integration, base_url));
        }
        if integration.identity_kind().is_none() {
            return Err(configured::without_identity(&integration));
        }
        let base_url = match base_url::fit(integration.domain_name(), integration.allow_insecure_http()) {
            Some(base_url) => base_url,
            None => lookup::repair(&host, &integration).await?,
        };
        Ok(Client::new(host, &integration, base_url))
    }

    async fn has_repo_access(&self, client: &Client, repository: &Repository) -> Result<Access, Failure> {
        client.check(repository).await
    }

    async fn list_repositories(
        &self,
        client: &Client,
        request: &ListRequest,
    ) -> Result<RepositoryPage, Failure> {
        many::list(client, request).await
    }

    async fn check_repositories(
        &self,
        client: &Client,
        repositories: &[Repository],
    ) -> Result<Vec<BatchAnswer>, Failure> {
        many::check(client, repositories).await
    }

    async fn probe_identity(&self, client: &Client) -> Result<IdentityProbe, Failure> {
        probe::identity(client).await
    }
}

export_provider! {
    provider: Vsts,
    key: "vsts",
    name: "Azure DevOps (VSTS)",
    url_patterns: [
        r"(?i)dev\.azure\.com",
        r"(?i)visualstudio\.com",
        "/_git/",
        "/_ssh/",
        "/_apis/git/repositories/",
        "(?i)/tfs/",
    ],
    hosts: ["app.vssps.visualstudio.com"],
    options_schema: include_str!("../options.schema.json"),
}
