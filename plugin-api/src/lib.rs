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

pub use host::Host;
pub use http::{Authentication, BodyState, Method, Request, Response, Scheme};
pub use provider::{Provider, UNSUPPORTED};
pub use segment::path_segment;
pub use types::{Access, Attributes, Failure, Integration, REFUSED, Reason, Repository, SiloMode};
pub use urls::{BaseUrl, RepositoryUrl, UrlContext, UrlError, UrlErrorKind};

pub use tracing;

/// Everything that a provider is written with.
pub mod prelude {
    pub use crate::{
        Access, Authentication, BodyState, Failure, Host, Integration, Method, Provider, Reason, Repository,
        RepositoryUrl, Request, Response, SiloMode, UrlContext, UrlError, UrlErrorKind, export_provider,
        path_segment,
    };
}
