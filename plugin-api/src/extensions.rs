//! The extensions that this crate knows: their names, versions and encodings. Authors use the typed side, methods of
//! [`Host`](crate::Host) and of [`Provider`](crate::Provider); the encodings are for hosts and for whoever writes one
//! in memory.
//!
//! [`sleep`] is offered by hosts, all others by providers. Their payloads and answers are JSON objects; a field that a
//! side does not know is passed over, and one that is missing has its default. Several methods that an author writes
//! together are operations of one extension.
//!
//! **Evolution:** what a name and its bytes mean stays; a later version of an extension understands every call of an
//! earlier one. None of it is part of the layout that ABI 1 fixes.

pub mod check_repositories;
pub mod issue_events;
pub mod issue_tracking;
mod json;
pub mod limits;
pub mod list_repositories;
pub mod probe_identity;
pub mod requirements;
pub mod sleep;
mod verdict;

/// An extension that a provider offers through methods of [`Provider`](crate::Provider).
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

    /// [`Provider::search_issues`](crate::Provider::search_issues) and what comes after it there, to
    /// [`list_projects`](crate::Provider::list_projects). Since 1.3.0.
    pub const ISSUE_TRACKING: Self = Self { name: issue_tracking::NAME, version: issue_tracking::VERSION };
    /// [`Provider::subscribe`](crate::Provider::subscribe) and what comes after it there, to
    /// [`parse_webhook`](crate::Provider::parse_webhook). Since 1.3.0.
    pub const ISSUE_EVENTS: Self = Self { name: issue_events::NAME, version: issue_events::VERSION };

    /// All that this version knows.
    pub const ALL: [Self; 7] = [
        Self::LIST_REPOSITORIES,
        Self::CHECK_REPOSITORIES,
        Self::PROBE_IDENTITY,
        Self::REQUIREMENTS,
        Self::LIMITS,
        Self::ISSUE_TRACKING,
        Self::ISSUE_EVENTS,
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
