#![doc = include_str!("../README.md")]

pub mod abi;
pub mod extensions;
mod host;
mod http;
mod logging;
pub mod manifest;
mod provider;
mod segment;
#[cfg(feature = "testing")]
pub mod testing;
mod types;
mod urls;
#[cfg(feature = "serde")]
mod wire;

pub use extensions::Extension;
pub use extensions::check_repositories::BatchAnswer;
pub use extensions::limits::Limits;
pub use extensions::list_repositories::{ListRequest, ListedRepository, RepositoryPage};
pub use extensions::probe_identity::IdentityProbe;
pub use extensions::requirements::Requirements;
pub use host::Host;
pub use http::{Authentication, BodyState, Method, Request, Response, Scheme};
pub use provider::{Provider, UNSUPPORTED};
pub use segment::path_segment;
pub use types::{
    Access, Attributes, Failure, Integration, REFUSED, Reason, Repository, SiloMode, TOKEN_PREFIX,
};
pub use urls::{BaseUrl, RepositoryUrl, UrlContext, UrlError, UrlErrorKind};

pub use tracing;

/// Everything that a provider is written with.
pub mod prelude {
    pub use crate::{
        Access, Authentication, BatchAnswer, BodyState, Extension, Failure, Host, IdentityProbe, Integration,
        Limits, ListRequest, ListedRepository, Method, Provider, Reason, Repository, RepositoryPage,
        RepositoryUrl, Request, Requirements, Response, SiloMode, UrlContext, UrlError, UrlErrorKind,
        export_provider, path_segment,
    };
}
