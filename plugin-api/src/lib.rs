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
pub use extensions::issue_events::{
    AssigneeChange, NewSubscription, StateChange, Subscription, SubscriptionStatus, WebhookDelivery,
    WebhookEvent, WebhookEventKind, WebhookProof,
};
pub use extensions::issue_tracking::{
    AssigneeTarget, FoundIssue, FoundIssues, Issue, IssueChange, IssueQuery, IssueRef, IssueState, NewIssue,
    Person, ProjectPage, StateCategory, StateTarget, TrackerProject,
};
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
        Access, AssigneeChange, AssigneeTarget, Authentication, BatchAnswer, BodyState, Extension, Failure,
        FoundIssue, FoundIssues, Host, IdentityProbe, Integration, Issue, IssueChange, IssueQuery, IssueRef,
        IssueState, Limits, ListRequest, ListedRepository, Method, NewIssue, NewSubscription, Person,
        ProjectPage, Provider, Reason, Repository, RepositoryPage, RepositoryUrl, Request, Requirements,
        Response, SiloMode, StateCategory, StateChange, StateTarget, Subscription, SubscriptionStatus,
        TrackerProject, UrlContext, UrlError, UrlErrorKind, WebhookDelivery, WebhookEvent, WebhookEventKind,
        WebhookProof, export_provider, path_segment,
    };
}
