//! The plugin's side of the ABI: an author's [`Provider`] behind the trait objects that the host calls.

use std::future::Future;
use std::sync::Arc;

use abi_stable::library::{__call_root_module_loader, CheckTypeLayout, LibHeader, RootModuleResult};
use abi_stable::prefix_type::PrefixTypeTrait;
use abi_stable::sabi_trait::TD_Opaque;
use abi_stable::std_types::{ROption, RResult, RStr, RString, RVec};
use async_ffi::{BorrowingFfiFuture, FutureExt};

use super::guard::{Guarded, GuardedFuture, contain, install_panic_hook};
use super::{
    ClientAbi, ClientAbi_TO, ClientObject, HostObject, PluginModule, PluginModuleFields, ProviderAbi,
    ProviderAbi_TO, ProviderObject,
};
use crate::extensions::{
    Extension, check_repositories, issue_events, issue_tracking, limits, list_repositories, probe_identity,
    requirements,
};
use crate::host::Host;
use crate::logging;
use crate::provider::Provider;
use crate::types::{Access, Failure, Integration, Repository};
use crate::urls::{RepositoryUrl, UrlContext, UrlError};

/// The header static of a library, for [`export_provider!`](crate::export_provider).
pub const fn header(root_module: extern "C" fn() -> RootModuleResult) -> LibHeader {
    // SAFETY: `root_module::<P>` is the only function handed over, and it makes a `PluginModule`.
    unsafe { LibHeader::from_constructor::<PluginModule>(root_module, CheckTypeLayout::Yes) }
}

/// The root of a library with the provider `P`.
pub extern "C" fn root_module<P: Provider>() -> RootModuleResult {
    __call_root_module_loader(|| PluginModuleFields { create: create::<P> }.leak_into_prefix())
}

extern "C" fn create<P: Provider>(host: HostObject) -> RResult<ProviderObject, Failure> {
    logging::forward_to(Host::new(host));
    install_panic_hook();
    contain("Provider::default", || Arc::new(Guarded::new(P::default())))
        .map(|provider| ProviderAbi_TO::from_value(Exported(provider), TD_Opaque))
        .into()
}

struct Exported<P: Provider>(Arc<Guarded<P>>);

struct ExportedClient<P: Provider> {
    client: Guarded<P::Client>,
    provider: Arc<Guarded<P>>,
}

/// Guards an author's future and turns it into one that crosses.
fn export<'a, T, R>(
    what: &'static str,
    future: impl Future<Output = Result<T, Failure>> + Send + 'a,
    convert: impl FnOnce(T) -> R + Send + 'a,
) -> BorrowingFfiFuture<'a, RResult<R, Failure>>
where
    T: Send + 'a,
{
    GuardedFuture::new(what, future, convert).into_ffi()
}

impl<P: Provider> ProviderAbi for Exported<P> {
    fn parse_repository_url(
        &self,
        url: RStr<'_>,
        context: &UrlContext,
    ) -> RResult<RResult<RepositoryUrl, UrlError>, Failure> {
        contain("parse_repository_url", || self.0.parse_repository_url(url.as_str(), context))
            .map(RResult::from)
            .into()
    }

    fn get_base_url<'a>(
        &'a self,
        host: HostObject,
        integration: &'a Integration,
    ) -> BorrowingFfiFuture<'a, RResult<RString, Failure>> {
        let host = Host::new(host);
        let future = async move { self.0.get_base_url(&host, integration).await };
        export("get_base_url", future, RString::from)
    }

    fn get_client<'a>(
        &'a self,
        host: HostObject,
        integration: Integration,
    ) -> BorrowingFfiFuture<'a, RResult<ClientObject, Failure>> {
        let host = Host::new(host);
        let future = async move { self.0.get_client(host, integration).await };
        export("get_client", future, |client| {
            let client = ExportedClient { client: Guarded::new(client), provider: Arc::clone(&self.0) };
            ClientAbi_TO::from_value(client, TD_Opaque)
        })
    }

    fn query_extension(&self, name: RStr<'_>) -> ROption<u32> {
        contain("query_extension", || version(&**self.0, None, name.as_str())).ok().flatten().into()
    }

    fn call_extension<'a>(
        &'a self,
        host: HostObject,
        name: RString,
        payload: RVec<u8>,
    ) -> BorrowingFfiFuture<'a, RResult<RVec<u8>, Failure>> {
        let host = Host::new(host);
        let future = async move { call(&**self.0, &host, None, &name, payload.into()).await };
        export("call_extension", future, RVec::from)
    }
}

impl<P: Provider> ClientAbi for ExportedClient<P> {
    fn has_repo_access<'a>(
        &'a self,
        repository: &'a Repository,
    ) -> BorrowingFfiFuture<'a, RResult<Access, Failure>> {
        let future = async move { self.provider.has_repo_access(&self.client, repository).await };
        export("has_repo_access", future, |access| access)
    }

    fn query_extension(&self, name: RStr<'_>) -> ROption<u32> {
        let version =
            contain("query_extension", || version(&**self.provider, Some(&self.client), name.as_str()));
        version.ok().flatten().into()
    }

    fn call_extension<'a>(
        &'a self,
        host: HostObject,
        name: RString,
        payload: RVec<u8>,
    ) -> BorrowingFfiFuture<'a, RResult<RVec<u8>, Failure>> {
        let (host, client) = (Host::new(host), Some(&*self.client));
        let future = async move { call(&**self.provider, &host, client, &name, payload.into()).await };
        export("call_extension", future, RVec::from)
    }
}

fn version<P: Provider>(provider: &P, client: Option<&P::Client>, name: &str) -> Option<u32> {
    let known = P::EXTENSIONS.iter().find(|extension| extension.name() == name);
    known.map(|extension| extension.version()).or_else(|| provider.query_extension(client, name))
}

/// Calls one of the extensions that have a method of their own, or leaves it to the author.
async fn call<P: Provider>(
    provider: &P,
    host: &Host,
    client: Option<&P::Client>,
    name: &str,
    payload: Vec<u8>,
) -> Result<Vec<u8>, Failure> {
    let known = P::EXTENSIONS.iter().copied().find(|extension| extension.name() == name);
    match (known, client) {
        (Some(Extension::LIMITS), _) => {
            Ok(limits::encode(&provider.limits(&limits::decode_request(&payload)?)))
        }
        (Some(Extension::LIST_REPOSITORIES), Some(client)) => {
            let request = list_repositories::decode_request(&payload)?;
            provider.list_repositories(client, &request).await.map(list_repositories::encode_page)
        }
        (Some(Extension::CHECK_REPOSITORIES), Some(client)) => {
            let repositories = check_repositories::decode_request(&payload)?;
            let answers = provider.check_repositories(client, &repositories).await?;
            Ok(check_repositories::encode_answers(&answers))
        }
        (Some(Extension::PROBE_IDENTITY), Some(client)) => {
            provider.probe_identity(client).await.map(|probe| probe_identity::encode(&probe))
        }
        (Some(Extension::REQUIREMENTS), Some(client)) => {
            provider.requirements(client).await.map(|requirements| requirements::encode(&requirements))
        }
        (Some(Extension::ISSUE_TRACKING), Some(client)) => {
            issue_tracking::answer(provider, client, &payload).await
        }
        (Some(Extension::ISSUE_EVENTS), client) => issue_events::answer(provider, client, &payload).await,
        _ => provider.call_extension(host, client, name, payload).await,
    }
}
