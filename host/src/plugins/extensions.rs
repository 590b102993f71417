//! The extensions that the host knows, typed: what providers and clients may offer beyond checks.
//!
//! A provider without one answers with a failure for which `is_unsupported` holds. What comes back is the word of a
//! plugin: bounded in size by the worker's protocol, believed no further than a check's answer is.

mod issues;

pub use issues::delivery_for_plugin;

use forgewatch_plugin_api::abi::HostObject;
use forgewatch_plugin_api::extensions::{
    check_repositories, limits, list_repositories, probe_identity, requirements,
};
use forgewatch_plugin_api::{
    BatchAnswer, Failure, IdentityProbe, Integration, Limits, ListRequest, Repository, RepositoryPage,
    Requirements,
};

use super::{Client, Provider};

impl Provider {
    /// What the integration's forge lets one identity ask. Cancel-safe.
    ///
    /// # Errors
    ///
    /// The plugin's failure, or that it does not offer this.
    pub async fn limits(&self, host: HostObject, integration: &Integration) -> Result<Limits, Failure> {
        let payload = limits::encode_request(integration);
        limits::decode(&self.call_extension(host, limits::NAME, &payload).await?)
    }
}

impl Client {
    /// One page of what the identity is granted. Cancel-safe.
    ///
    /// # Errors
    ///
    /// The plugin's failure, or that it does not offer this.
    pub async fn list_repositories(
        &self,
        host: HostObject,
        request: &ListRequest,
    ) -> Result<RepositoryPage, Failure> {
        let payload = list_repositories::encode_request(request);
        list_repositories::decode_page(&self.call_extension(host, list_repositories::NAME, &payload).await?)
    }

    /// The answers about these repositories of one project, in their order. Cancel-safe.
    ///
    /// # Errors
    ///
    /// The plugin's failure, or that it does not offer this.
    pub async fn check_repositories(
        &self,
        host: HostObject,
        repositories: &[&Repository],
    ) -> Result<Vec<BatchAnswer>, Failure> {
        let payload = check_repositories::encode_request(repositories.iter().copied());
        let answer = self.call_extension(host, check_repositories::NAME, &payload).await?;
        check_repositories::decode_answers(&answer, repositories.len())
    }

    /// Who the forge takes the identity for. Cancel-safe.
    ///
    /// # Errors
    ///
    /// The plugin's failure, or that it does not offer this.
    pub async fn probe_identity(&self, host: HostObject) -> Result<IdentityProbe, Failure> {
        probe_identity::decode(&self.call_extension(host, probe_identity::NAME, &[]).await?)
    }

    /// What the identity may do at the forge. Cancel-safe.
    ///
    /// # Errors
    ///
    /// The plugin's failure, or that it does not offer this.
    pub async fn requirements(&self, host: HostObject) -> Result<Requirements, Failure> {
        requirements::decode(&self.call_extension(host, requirements::NAME, &[]).await?)
    }
}
