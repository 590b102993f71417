//! The extensions that this crate knows: their names, versions and encodings. Authors use the typed side, methods of
//! [`Host`](crate::Host) and of [`Provider`](crate::Provider); the encodings are for hosts and for whoever writes one
//! in memory.
//!
//! [`sleep`] is offered by hosts, all others by providers. Their payloads and answers are JSON objects; a field that a
//! side does not know is passed over, and one that is missing has its default.
//!
//! **Evolution:** what a name and its bytes mean stays; a later version of an extension understands every call of an
//! earlier one. None of it is part of the layout that ABI 1 fixes.

pub mod check_repositories;
mod json;
pub mod limits;
pub mod list_repositories;
pub mod probe_identity;
pub mod requirements;
pub mod sleep;
mod verdict;

/// An extension that a provider offers through a method of [`Provider`](crate::Provider).
///
/// **Evolution:** since 1.2.0. More constants may come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extension {
    name: &'static str,
    version: u32,
}

impl Extension {
    /// [`Provider::list_repositories`](crate::Provider::list_repositories).
    pub const LIST_REPOSITORIES: Self =
        Self { name: list_repositories::NAME, version: list_repositories::VERSION };
    /// [`Provider::check_repositories`](crate::Provider::check_repositories).
    pub const CHECK_REPOSITORIES: Self =
        Self { name: check_repositories::NAME, version: check_repositories::VERSION };
    /// [`Provider::probe_identity`](crate::Provider::probe_identity).
    pub const PROBE_IDENTITY: Self = Self { name: probe_identity::NAME, version: probe_identity::VERSION };
    /// [`Provider::requirements`](crate::Provider::requirements).
    pub const REQUIREMENTS: Self = Self { name: requirements::NAME, version: requirements::VERSION };
    /// [`Provider::limits`](crate::Provider::limits).
    pub const LIMITS: Self = Self { name: limits::NAME, version: limits::VERSION };

    /// All that this version knows.
    pub const ALL: [Self; 5] = [
        Self::LIST_REPOSITORIES,
        Self::CHECK_REPOSITORIES,
        Self::PROBE_IDENTITY,
        Self::REQUIREMENTS,
        Self::LIMITS,
    ];

    /// The name that crosses.
    pub const fn name(self) -> &'static str {
        self.name
    }

    /// The version described here.
    pub const fn version(self) -> u32 {
        self.version
    }
}
