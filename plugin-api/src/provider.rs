//! The author's side: one trait.

use std::future::Future;

use crate::host::Host;
use crate::types::{Access, Failure, Integration, Reason, Repository};
use crate::urls::{RepositoryUrl, UrlContext, UrlError};

/// A provider: how one kind of forge is asked.
///
/// Implement it with plain `async fn` and hand the type to [`export_provider!`](crate::export_provider).
///
/// - **I/O:** none of your own. Ask the [`Host`]; a library's own timers and sockets do not work here;
///   [`Host::sleep`] waits.
/// - **Panics** become a [`Reason::PLUGIN_FAILED`] with the panic's message; they never leave the plugin.
/// - **Cancellation:** the host may drop any future at any await point, when a check's time is up.
/// - **Concurrency:** every method may run many times at once.
///
/// **Evolution:** since ABI 1. Methods may be added with a default body; the ones here keep their form.
pub trait Provider: Default + Send + Sync + 'static {
    /// A handle on one integration, ready for concurrent calls. A sweep makes it and drops it: what shall
    /// outlive the sweep belongs into [`Host::save_metadata`].
    type Client: Send + Sync + 'static;

    /// Takes a repository URL apart, without asking anybody.
    ///
    /// # Errors
    ///
    /// Judge the host before the path: [`UNSUPPORTED_HOST`](crate::UrlErrorKind::UNSUPPORTED_HOST) leaves the
    /// URL to other plugins, every other kind claims it.
    ///
    /// The URL comes as the operator wrote it, with any user, query, fragment, `.git` or final slash. This is
    /// asked of every plugin one of whose patterns fits, or on the host of one of whose configured base URLs or
    /// `server_roots` the URL is, whatever its scheme and case.
    fn parse_repository_url(&self, url: &str, context: &UrlContext) -> Result<RepositoryUrl, UrlError>;

    /// Looks the integration's base URL up on the forge by its external id.
    ///
    /// A check does not call this by itself: call it from [`get_client`](Self::get_client) when the configured
    /// base URL is unusable, and hand the answer to [`Host::save_metadata`] as `domain_name`. A forge with
    /// nothing to look up answers with its one address or with the failure below.
    ///
    /// # Errors
    ///
    /// [`Reason::BASE_URL_UNRESOLVED`] when the forge has no usable answer, else what went wrong.
    fn get_base_url(
        &self,
        host: &Host,
        integration: &Integration,
    ) -> impl Future<Output = Result<String, Failure>> + Send;

    /// Makes a client for an integration. Called once for an integration and sweep, one call at a time.
    ///
    /// The base URL is the operator's text: it may lack the final slash, the scheme, or be no URL at all. In
    /// [`SiloMode::REGION`](crate::SiloMode::REGION) it is not looked up, and there is no identity. A request
    /// that asks for a credential which is not there fails as [`Reason::IDENTITY_INVALID`] by itself; look at
    /// [`identity_kind`](Integration::identity_kind) to say so earlier.
    ///
    /// # Errors
    ///
    /// The failure becomes the verdict of every repository of the integration.
    fn get_client(
        &self,
        host: Host,
        integration: Integration,
    ) -> impl Future<Output = Result<Self::Client, Failure>> + Send;

    /// Says whether the integration has access to a repository.
    ///
    /// # Errors
    ///
    /// Everything but access, with its reason: an outage is [`Reason::UNREACHABLE`] or
    /// [`Reason::PROVIDER_ERROR`], never a denial.
    fn has_repo_access(
        &self,
        client: &Self::Client,
        repository: &Repository,
    ) -> impl Future<Output = Result<Access, Failure>> + Send;

    /// The version of the extension `name` that the provider offers, `None` when it does not; with a client, whether
    /// that client's forge supports it.
    ///
    /// A call does not say which version it means, so a later version understands every call of an earlier one;
    /// what breaks takes another name.
    fn query_extension(&self, client: Option<&Self::Client>, name: &str) -> Option<u32> {
        let _ = (client, name);
        None
    }

    /// Calls an extension, in the extension's own encoding; with a client where the extension needs one.
    ///
    /// Without a client, `host` may belong to no integration, and then sends no requests.
    ///
    /// # Errors
    ///
    /// The extension's own; [`Failure::unsupported`] for a name that is not offered.
    fn call_extension(
        &self,
        host: &Host,
        client: Option<&Self::Client>,
        name: &str,
        payload: Vec<u8>,
    ) -> impl Future<Output = Result<Vec<u8>, Failure>> + Send {
        let _ = (host, client, payload);
        let failure = Failure::unsupported(name);
        async move { Err(failure) }
    }
}

impl Failure {
    /// The other side does not offer the extension `name`.
    pub fn unsupported(name: &str) -> Self {
        Self::new(Reason::PLUGIN_FAILED, format!("the extension `{name}` is not offered"))
            .with_attribute(UNSUPPORTED, name)
    }

    /// Whether the other side does not offer the extension that was called, as opposed to one that failed.
    pub fn is_unsupported(&self) -> bool {
        self.attribute(UNSUPPORTED).is_some()
    }
}

/// Attribute of a [`Failure`] that says which extension is not offered.
pub const UNSUPPORTED: &str = "unsupported";
