//! A provider as the host calls it.

use std::sync::Arc;

use forgewatch_plugin_api::abi::{ClientObject, HostObject, ProviderObject};
use forgewatch_plugin_api::{Access, Failure, Integration, Repository, RepositoryUrl, UrlContext, UrlError};

use super::load::LoadedLibrary;

/// A provider that is ready to be called. Cheap to clone.
#[derive(Clone)]
pub struct Provider {
    object: Arc<ProviderObject>,
}

impl Provider {
    /// Starts the provider of an open library; `host` takes its log.
    ///
    /// # Errors
    ///
    /// The plugin panicked.
    pub fn start(library: LoadedLibrary, host: HostObject) -> Result<Self, Failure> {
        let object = (library.module.create())(host).into_result()?;
        Ok(Self { object: Arc::new(object) })
    }

    /// Takes a repository URL apart.
    ///
    /// # Errors
    ///
    /// Outside, the plugin failed; inside, the URL is none of its repositories.
    pub fn parse_repository_url(
        &self,
        url: &str,
        context: &UrlContext,
    ) -> Result<Result<RepositoryUrl, UrlError>, Failure> {
        let parsed = self.object.parse_repository_url(url.into(), context);
        parsed.into_result().map(Into::into)
    }

    /// Makes a client for an integration. Cancel-safe.
    ///
    /// # Errors
    ///
    /// The plugin's failure, or its panic.
    pub async fn get_client(&self, host: HostObject, integration: Integration) -> Result<Client, Failure> {
        let object = self.object.get_client(host, integration).await.into_result()?;
        Ok(Client { object })
    }
}

/// A provider's handle on one integration.
pub struct Client {
    object: ClientObject,
}

impl Client {
    /// Checks one repository. Cancel-safe.
    ///
    /// # Errors
    ///
    /// The plugin's failure, or its panic.
    pub async fn has_repo_access(&self, repository: &Repository) -> Result<Access, Failure> {
        self.object.has_repo_access(repository).await.into_result()
    }
}
