//! Azure DevOps Services (once VSTS) and Azure DevOps Server (once TFS) for Forgewatch.
//!
//! Reads every form of repository URL, repairs malformed base URLs of cloud organisations, says whether an integration
//! reaches a repository, and why not, and has work items as issues, with service hooks for what becomes of them. All I/O
//! is the host's; no token is ever seen here. `limits` and `requirements` are absent: the service counts in units of its
//! own and does not tell what a token may do.
#![forbid(unsafe_code)]

mod answer;
mod base_url;
mod client;
mod hooks;
mod lookup;
mod many;
mod options;
mod probe;
mod target;
#[cfg(test)]
mod tests;
mod tracker;
mod urls;
mod verdict;
mod webhook;

use forgewatch_plugin_api::prelude::*;
use forgewatch_plugin_support::configured;

pub use client::Client;

/// The provider `vsts`.
#[derive(Debug, Default)]
pub struct Vsts;

impl Provider for Vsts {
    type Client = Client;

    const EXTENSIONS: &'static [Extension] = &[
        Extension::LIST_REPOSITORIES,
        Extension::CHECK_REPOSITORIES,
        Extension::PROBE_IDENTITY,
        Extension::ISSUE_TRACKING,
        Extension::ISSUE_EVENTS,
    ];

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

    async fn search_issues(&self, client: &Client, query: &IssueQuery) -> Result<FoundIssues, Failure> {
        tracker::search(client, query).await
    }

    async fn get_issue(&self, client: &Client, issue: &IssueRef) -> Result<Issue, Failure> {
        tracker::get(client, issue).await
    }

    async fn create_issue(&self, client: &Client, issue: &NewIssue) -> Result<Issue, Failure> {
        tracker::create(client, issue).await
    }

    async fn update_issue(
        &self,
        client: &Client,
        issue: &IssueRef,
        change: &IssueChange,
    ) -> Result<Issue, Failure> {
        tracker::update(client, issue, change).await
    }

    async fn issue_states(
        &self,
        client: &Client,
        project: &str,
        kind: &str,
    ) -> Result<Vec<IssueState>, Failure> {
        tracker::states(client, project, kind).await
    }

    async fn list_projects(&self, client: &Client, request: &ListRequest) -> Result<ProjectPage, Failure> {
        tracker::projects(client, request).await
    }

    async fn subscribe(&self, client: &Client, wanted: &NewSubscription) -> Result<Subscription, Failure> {
        hooks::subscribe(client, wanted).await
    }

    async fn get_subscription(&self, client: &Client, id: &str) -> Result<Subscription, Failure> {
        hooks::get(client, id).await
    }

    async fn unsubscribe(&self, client: &Client, id: &str) -> Result<(), Failure> {
        hooks::unsubscribe(client, id).await
    }

    fn webhook_proof(&self) -> Result<WebhookProof, Failure> {
        Ok(WebhookProof::secret_in_header(hooks::SECRET_HEADER))
    }

    fn parse_webhook(&self, delivery: &WebhookDelivery) -> Result<WebhookEvent, Failure> {
        webhook::parse(delivery)
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
    hosts: ["app.vssps.visualstudio.com", "almsearch.dev.azure.com"],
    options_schema: include_str!("../options.schema.json"),
}
