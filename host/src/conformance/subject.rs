//! The plugin under test, and how it is asked.

use std::sync::Arc;

use forgewatch_plugin_api::manifest::Manifest;
use forgewatch_plugin_api::{
    Access, BaseUrl, Failure, Integration, Repository, RepositoryUrl, UrlContext, UrlError,
};

use url::Url;

use super::replay::Tracked;
use super::script::{Asked, Script, ScriptedHost};
use super::{Replay, Settings};
use crate::config::HostPort;
use crate::plugins::{Client, Provider};
use crate::routing::server_roots;
use crate::services::ProviderPolicy;

/// Where the forge is when nobody says.
const NOWHERE: &str = "https://forge.example/";

/// The plugin under test.
pub(super) struct Subject {
    pub(super) provider: Provider,
    pub(super) manifest: Manifest,
    pub(super) replay: Option<Replay>,
    /// URLs that it has to know.
    pub(super) urls: Vec<String>,
    pub(super) base_url: String,
    pub(super) repository: Repository,
    allow_insecure_http: bool,
    identity_kind: String,
    options: String,
    policy: Arc<ProviderPolicy>,
    /// The same, with requests that write.
    writing: Arc<ProviderPolicy>,
    /// Whether it asks the forge before there is a client.
    pub(super) asks_for_clients: bool,
}

/// An answer, and what was asked for it.
pub(super) struct Answered {
    pub(super) answer: Result<Access, Failure>,
    pub(super) asked: Vec<Asked>,
}

impl Subject {
    pub(super) async fn new(
        provider: Provider,
        manifest: &Manifest,
        settings: Settings,
        options: &serde_json::Map<String, serde_json::Value>,
    ) -> Self {
        let Settings { mut urls, replay, .. } = settings;
        urls.extend(replay.iter().flat_map(|replay| replay.urls.iter().cloned()));
        let hosts: Vec<HostPort> = manifest.hosts.iter().filter_map(|host| host.parse().ok()).collect();
        let roots: Vec<_> = server_roots(options).collect();
        let policy = |may_write| {
            let policy = ProviderPolicy::new(&manifest.key, hosts.clone(), may_write, &roots);
            Arc::new(policy.unwrap_or_else(|_| ProviderPolicy::of_no_plugin(&manifest.key)))
        };
        let mut subject = Self {
            provider,
            manifest: manifest.clone(),
            urls,
            base_url: replay.as_ref().map_or(NOWHERE, |replay| &replay.domain_name).to_owned(),
            repository: Repository::new("shop").with_project("acme"),
            allow_insecure_http: replay.as_ref().is_some_and(|replay| replay.allow_insecure_http),
            identity_kind: replay.as_ref().map_or("pat", |replay| &replay.identity_kind).to_owned(),
            options: serde_json::Value::Object(options.clone()).to_string(),
            policy: policy(false),
            writing: policy(true),
            asks_for_clients: false,
            replay,
        };
        match &subject.replay {
            Some(replay) => {
                subject.repository = replay.repository.described();
                let host = subject.host(replay.script());
                let _ = subject.client(&host).await;
                subject.asks_for_clients = !host.take_asked().is_empty();
            }
            None => subject.settle_at_url().await,
        }
        subject
    }

    /// Without recorded answers, the first URL says where the forge is and what to ask for.
    async fn settle_at_url(&mut self) {
        let Some(url) = self.urls.first().cloned() else { return };
        if let Some(origin) = Url::parse(&url).ok().filter(Url::has_host).and_then(|url| url.join("/").ok()) {
            self.base_url = origin.into();
        }
        if let Ok(Ok(parsed)) = self.parse(&url).await {
            let repository = Repository::new(parsed.name());
            self.repository = match parsed.project() {
                Some(project) => repository.with_project(project),
                None => repository,
            };
            parsed.base_url().clone_into(&mut self.base_url);
        }
    }

    /// A host for its integration.
    pub(super) fn host(&self, script: Script) -> ScriptedHost {
        self.host_at(&self.base_url, script)
    }

    /// A host for its integration that lets writing through.
    pub(super) fn writing_host(&self, script: Script) -> ScriptedHost {
        ScriptedHost::new(Arc::clone(&self.writing), &self.base_url, self.allow_insecure_http, script)
    }

    /// The issue that was recorded, or one that is made up.
    pub(super) fn tracked(&self) -> Tracked {
        let recorded = self.replay.as_ref().and_then(|replay| replay.issue.clone());
        recorded.unwrap_or_else(|| Tracked::made_up(self.repository.project().unwrap_or("acme")))
    }

    pub(super) fn host_at(&self, base_url: &str, script: Script) -> ScriptedHost {
        ScriptedHost::new(Arc::clone(&self.policy), base_url, self.allow_insecure_http, script)
    }

    /// Its integration, whose identity is there.
    pub(super) fn integration(&self) -> Integration {
        self.integration_without_identity().with_identity_kind(&self.identity_kind)
    }

    pub(super) fn integration_without_identity(&self) -> Integration {
        Integration::new("try", &self.base_url)
            .with_external_id("4711")
            .with_insecure_http(self.allow_insecure_http)
            .with_options(&self.options)
    }

    /// A client of its integration.
    pub(super) async fn client(&self, host: &ScriptedHost) -> Result<Client, Failure> {
        self.client_of(host, self.integration()).await
    }

    pub(super) async fn client_of(
        &self,
        host: &ScriptedHost,
        integration: Integration,
    ) -> Result<Client, Failure> {
        self.provider.get_client(host.object(), move || integration.clone()).await
    }

    /// A check under `script`, of a client that was made under the recorded answers where there are any.
    pub(super) async fn check(&self, script: Script) -> Answered {
        let host = self.host(self.replay.as_ref().map_or_else(|| script.clone(), Replay::script));
        let client = match self.client(&host).await {
            Ok(client) => client,
            Err(failure) => return Answered { answer: Err(failure), asked: host.take_asked() },
        };
        if self.replay.is_some() {
            host.take_asked();
            host.plays(script);
        }
        let answer = client.has_repo_access(&self.repository).await;
        Answered { answer, asked: host.take_asked() }
    }

    /// A check under `script` from the beginning.
    pub(super) async fn check_all(&self, script: Script, integration: Integration) -> Answered {
        let host = self.host_at(integration.domain_name(), script);
        let answer = match self.client_of(&host, integration).await {
            Ok(client) => client.has_repo_access(&self.repository).await,
            Err(failure) => Err(failure),
        };
        Answered { answer, asked: host.take_asked() }
    }

    /// What a URL leads to.
    pub(super) async fn parse(&self, url: &str) -> Result<Result<RepositoryUrl, UrlError>, Failure> {
        let base_url = BaseUrl::new(&self.base_url, self.allow_insecure_http);
        let context = Arc::new(UrlContext::new(&self.options, [base_url]));
        self.provider.parse_repository_url(url, &context).await
    }
}
