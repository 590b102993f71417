//! The ABI: what a host and a plugin built apart from each other agree on. Authors need none of it.
//!
//! A plugin library holds a manifest in a section of its own (see [`manifest`](crate::manifest)) and exports
//! one static, [`HEADER_SYMBOL`], from which the host gets a [`PluginModule`] after comparing type layouts.
//!
//! - This is the one room of the crate with `unsafe`.
//! - No panic passes through here: `guard` stops each in the library where it started.
//! - Nothing is ever unloaded.
//!
//! **Evolution:** since ABI 1. Traits, structs and functions in here are frozen at the first release: a host
//! refuses a plugin in which any of them differs. New abilities are extensions.
#![expect(unsafe_code, reason = "the FFI room")]
#![allow(missing_docs, reason = "sabi_trait adds public items that take no documentation")]
#![allow(non_local_definitions, reason = "sabi_trait's own")]
#![allow(clippy::allow_attributes_without_reason, reason = "sabi_trait's own")]

mod export;
mod guard;

use abi_stable::StableAbi;
use abi_stable::library::RootModule;
use abi_stable::sabi_trait;
use abi_stable::sabi_types::VersionStrings;
use abi_stable::std_types::{RBox, ROption, RResult, RStr, RString, RVec};
use async_ffi::{BorrowingFfiFuture, FfiFuture};

use crate::http::{Request, Response};
use crate::types::{Access, Attributes, Failure, Integration, Repository};
use crate::urls::{RepositoryUrl, UrlContext, UrlError};

pub use abi_stable;
pub use async_ffi;
pub use export::{header, root_module};
pub use guard::contain;

/// The version of the ABI that this crate speaks.
pub const ABI_VERSION: u32 = 1;

/// The name of the static that a plugin library exports, with its NUL.
pub const HEADER_SYMBOL: &[u8] = b"forgewatch_plugin_v1\0";

/// One event of a plugin's log.
#[repr(C)]
#[derive(StableAbi, Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct LogRecord {
    /// 1 error, 2 warn, 3 info, 4 debug, 5 trace.
    pub level: u8,
    /// The module that it comes from.
    pub target: RString,
    /// The message.
    pub message: RString,
    /// The event's fields.
    pub fields: Attributes,
}

/// What the host does for a plugin. Every method may be called from any thread.
#[sabi_trait]
pub trait HostServices: Send + Sync + 'static {
    /// Sends a request; the future may be dropped at any time.
    fn http(&self, request: Request) -> FfiFuture<RResult<Response, Failure>>;
    /// Saves a metadata value, giving back what was saved.
    fn save_metadata(&self, name: RString, value: RString) -> FfiFuture<RResult<RString, Failure>>;
    /// The most detailed level that the host's log takes, 0 for none, numbered as in [`LogRecord`].
    fn log_level(&self) -> u8;
    /// Takes an event.
    fn log(&self, record: LogRecord);
    /// Milliseconds since 1970.
    fn now_unix_ms(&self) -> u64;
    /// The version of an extension of the host.
    fn query_extension(&self, name: RStr<'_>) -> ROption<u32>;
    /// Calls an extension of the host.
    #[sabi(last_prefix_field)]
    fn call_extension(&self, name: RString, payload: RVec<u8>) -> FfiFuture<RResult<RVec<u8>, Failure>>;
}

/// The host, as it is handed to a plugin.
pub type HostObject = HostServices_TO<RBox<()>>;

/// What [`Provider`](crate::Provider) is on the other side.
#[sabi_trait]
pub trait ProviderAbi: Send + Sync + 'static {
    /// Takes a repository URL apart.
    fn parse_repository_url(
        &self,
        url: RStr<'_>,
        context: &UrlContext,
    ) -> RResult<RResult<RepositoryUrl, UrlError>, Failure>;
    /// Looks a base URL up.
    fn get_base_url<'a>(
        &'a self,
        host: HostObject,
        integration: &'a Integration,
    ) -> BorrowingFfiFuture<'a, RResult<RString, Failure>>;
    /// Makes a client.
    fn get_client<'a>(
        &'a self,
        host: HostObject,
        integration: Integration,
    ) -> BorrowingFfiFuture<'a, RResult<ClientObject, Failure>>;
    /// The version of an extension.
    fn query_extension(&self, name: RStr<'_>) -> ROption<u32>;
    /// Calls an extension that needs no client.
    #[sabi(last_prefix_field)]
    fn call_extension<'a>(
        &'a self,
        host: HostObject,
        name: RString,
        payload: RVec<u8>,
    ) -> BorrowingFfiFuture<'a, RResult<RVec<u8>, Failure>>;
}

/// A provider, as it is handed to the host.
pub type ProviderObject = ProviderAbi_TO<RBox<()>>;

/// What a [`Provider::Client`](crate::Provider::Client) is on the other side.
#[sabi_trait]
pub trait ClientAbi: Send + Sync + 'static {
    /// Checks one repository.
    fn has_repo_access<'a>(
        &'a self,
        repository: &'a Repository,
    ) -> BorrowingFfiFuture<'a, RResult<Access, Failure>>;
    /// The version of an extension, as this client's forge supports it.
    fn query_extension(&self, name: RStr<'_>) -> ROption<u32>;
    /// Calls an extension that works on a client.
    #[sabi(last_prefix_field)]
    fn call_extension<'a>(
        &'a self,
        host: HostObject,
        name: RString,
        payload: RVec<u8>,
    ) -> BorrowingFfiFuture<'a, RResult<RVec<u8>, Failure>>;
}

/// A client, as it is handed to the host.
pub type ClientObject = ClientAbi_TO<RBox<()>>;

/// The root of a plugin library.
#[repr(C)]
#[derive(StableAbi)]
#[sabi(kind(Prefix(prefix_ref = PluginModule)))]
#[sabi(missing_field(panic))]
pub struct PluginModuleFields {
    /// Makes the provider. Called once in a process; the host handle serves the provider's log.
    #[sabi(last_prefix_field)]
    pub create: extern "C" fn(HostObject) -> RResult<ProviderObject, Failure>,
}

impl RootModule for PluginModule {
    abi_stable::declare_root_module_statics! {PluginModule}
    const BASE_NAME: &'static str = "forgewatch_plugin";
    const NAME: &'static str = "forgewatch_plugin";
    const VERSION_STRINGS: VersionStrings = VersionStrings::new("1.0.0");
}
