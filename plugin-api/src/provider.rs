//! The author's side: one trait.

use std::future::Future;

use crate::extensions::Extension;
use crate::extensions::check_repositories::BatchAnswer;
use crate::extensions::issue_events::{
    NewSubscription, Subscription, WebhookDelivery, WebhookEvent, WebhookProof,
};
use crate::extensions::issue_tracking::{
    FoundIssues, Issue, IssueChange, IssueQuery, IssueRef, IssueState, NewIssue, ProjectPage,
};
use crate::extensions::limits::Limits;
use crate::extensions::list_repositories::{ListRequest, RepositoryPage};
use crate::extensions::probe_identity::IdentityProbe;
use crate::extensions::requirements::Requirements;
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
    /// nothing to look up answers with its one address or with the failure below, which is the default since 1.2.0.
    ///
    /// # Errors
    ///
    /// [`Reason::BASE_URL_UNRESOLVED`] when the forge has no usable answer, else what went wrong.
    fn get_base_url(
        &self,
        host: &Host,
        integration: &Integration,
    ) -> impl Future<Output = Result<String, Failure>> + Send {
        let _ = (host, integration);
        async {
            let detail = "the forge looks no base URL up: correct `domain_name` of the integration";
            Err(Failure::new(Reason::BASE_URL_UNRESOLVED, detail))
        }
    }

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

    /// The extensions that it offers through the methods that follow. One that is not named here is never called, and
    /// hosts that are older than an extension do not call it either.
    const EXTENSIONS: &'static [Extension] = &[];

    /// Lists what the identity is granted, a page at a time, for discovery and for checks of many repositories at
    /// once. [`Extension::LIST_REPOSITORIES`], since 1.2.0.
    ///
    /// A repository that a page shows has the verdict that [`has_repo_access`](Self::has_repo_access) would give; one
    /// that no page shows is checked by itself. Leave out what you are not sure of.
    ///
    /// # Errors
    ///
    /// As for a check. It ends the listing; nothing is concluded from repositories that had not come by then.
    fn list_repositories(
        &self,
        client: &Self::Client,
        request: &ListRequest,
    ) -> impl Future<Output = Result<RepositoryPage, Failure>> + Send {
        let _ = (client, request);
        async { Err(Failure::unsupported(Extension::LIST_REPOSITORIES.name())) }
    }

    /// Checks repositories of one project with fewer requests than there are repositories: at most 2,000, at least
    /// two. [`Extension::CHECK_REPOSITORIES`], since 1.2.0.
    ///
    /// The answers come in the order of the repositories, and must be those that
    /// [`has_repo_access`](Self::has_repo_access) would give; `None` has it asked. Say no only where you know.
    ///
    /// # Errors
    ///
    /// As for a check. The host then asks for one repository by itself, and for the others where that differs.
    fn check_repositories(
        &self,
        client: &Self::Client,
        repositories: &[Repository],
    ) -> impl Future<Output = Result<Vec<BatchAnswer>, Failure>> + Send {
        let _ = (client, repositories);
        async { Err(Failure::unsupported(Extension::CHECK_REPOSITORIES.name())) }
    }

    /// Asks the forge who the identity is and when it ends. [`Extension::PROBE_IDENTITY`], since 1.2.0.
    ///
    /// # Errors
    ///
    /// As for a check. It is shown, and is no verdict of any repository.
    fn probe_identity(
        &self,
        client: &Self::Client,
    ) -> impl Future<Output = Result<IdentityProbe, Failure>> + Send {
        let _ = client;
        async { Err(Failure::unsupported(Extension::PROBE_IDENTITY.name())) }
    }

    /// Finds out what the identity may do beside reading. [`Extension::REQUIREMENTS`], since 1.2.0.
    ///
    /// # Errors
    ///
    /// As for a check. It is shown, and is no verdict of any repository.
    fn requirements(
        &self,
        client: &Self::Client,
    ) -> impl Future<Output = Result<Requirements, Failure>> + Send {
        let _ = client;
        async { Err(Failure::unsupported(Extension::REQUIREMENTS.name())) }
    }

    /// What the integration's forge lets one identity ask, without asking anybody. [`Extension::LIMITS`], since 1.2.0.
    ///
    /// Of the integration, its name, base URL, kind of identity and options are there.
    fn limits(&self, integration: &Integration) -> Limits {
        let _ = integration;
        Limits::unknown()
    }

    /// Looks for issues. [`Extension::ISSUE_TRACKING`], since 1.3.0, as all down to
    /// [`list_projects`](Self::list_projects).
    ///
    /// # Errors
    ///
    /// As for a check. A search that cannot be sure is no failure: [`FoundIssues::with_incomplete`].
    fn search_issues(
        &self,
        client: &Self::Client,
        query: &IssueQuery,
    ) -> impl Future<Output = Result<FoundIssues, Failure>> + Send {
        let _ = (client, query);
        async { Err(Failure::unsupported(Extension::ISSUE_TRACKING.name())) }
    }

    /// Reads an issue.
    ///
    /// # Errors
    ///
    /// [`Reason::NOT_FOUND`] for one that the tracker does not show, else as for a check.
    fn get_issue(
        &self,
        client: &Self::Client,
        issue: &IssueRef,
    ) -> impl Future<Output = Result<Issue, Failure>> + Send {
        let _ = (client, issue);
        async { Err(Failure::unsupported(Extension::ISSUE_TRACKING.name())) }
    }

    /// Makes an issue, and gives it back as the tracker has it. A host never repeats this by itself.
    ///
    /// # Errors
    ///
    /// [`Failure::rejected`] for what the tracker takes for wrong, else as for a check.
    fn create_issue(
        &self,
        client: &Self::Client,
        issue: &NewIssue,
    ) -> impl Future<Output = Result<Issue, Failure>> + Send {
        let _ = (client, issue);
        async { Err(Failure::unsupported(Extension::ISSUE_TRACKING.name())) }
    }

    /// Makes all changes of an issue with one request, and gives it back as the tracker has it. A host never repeats
    /// this by itself. A tracker that takes several requests is sent the comment last, after what it may refuse.
    ///
    /// # Errors
    ///
    /// [`Failure::conflict`] where the expected revision is not the issue's any more, [`Failure::rejected`] for what the
    /// tracker takes for wrong: both say that nothing was changed. Else as for reading it; [`Reason::NOT_FOUND`] is said
    /// of the issue alone, never of its states or of whom it is given to.
    fn update_issue(
        &self,
        client: &Self::Client,
        issue: &IssueRef,
        change: &IssueChange,
    ) -> impl Future<Output = Result<Issue, Failure>> + Send {
        let _ = (client, issue, change);
        async { Err(Failure::unsupported(Extension::ISSUE_TRACKING.name())) }
    }

    /// The states that issues of a kind can have in a project: by its name, as issues have it, or its id, as events have
    /// it.
    ///
    /// # Errors
    ///
    /// [`Reason::NOT_FOUND`] for a kind that the project does not have, else as for a check: never an empty list, which
    /// would say that nothing is ever done.
    fn issue_states(
        &self,
        client: &Self::Client,
        project: &str,
        kind: &str,
    ) -> impl Future<Output = Result<Vec<IssueState>, Failure>> + Send {
        let _ = (client, project, kind);
        async { Err(Failure::unsupported(Extension::ISSUE_TRACKING.name())) }
    }

    /// Lists the projects that can have issues, a page at a time.
    ///
    /// # Errors
    ///
    /// As for a check.
    fn list_projects(
        &self,
        client: &Self::Client,
        request: &ListRequest,
    ) -> impl Future<Output = Result<ProjectPage, Failure>> + Send {
        let _ = (client, request);
        async { Err(Failure::unsupported(Extension::ISSUE_TRACKING.name())) }
    }

    /// Has the tracker tell what becomes of its issues. [`Extension::ISSUE_EVENTS`], since 1.3.0, as all down to
    /// [`parse_webhook`](Self::parse_webhook). A host never repeats this by itself.
    ///
    /// # Errors
    ///
    /// [`Failure::rejected`] for what the tracker takes for wrong, else as for a check.
    fn subscribe(
        &self,
        client: &Self::Client,
        wanted: &NewSubscription,
    ) -> impl Future<Output = Result<Subscription, Failure>> + Send {
        let _ = (client, wanted);
        async { Err(Failure::unsupported(Extension::ISSUE_EVENTS.name())) }
    }

    /// Says how a subscription does.
    ///
    /// # Errors
    ///
    /// [`Reason::NOT_FOUND`] for one that is not there, else as for a check.
    fn get_subscription(
        &self,
        client: &Self::Client,
        id: &str,
    ) -> impl Future<Output = Result<Subscription, Failure>> + Send {
        let _ = (client, id);
        async { Err(Failure::unsupported(Extension::ISSUE_EVENTS.name())) }
    }

    /// Ends a subscription.
    ///
    /// # Errors
    ///
    /// [`Reason::NOT_FOUND`] for one that is not there, else as for a check.
    fn unsubscribe(
        &self,
        client: &Self::Client,
        id: &str,
    ) -> impl Future<Output = Result<(), Failure>> + Send {
        let _ = (client, id);
        async { Err(Failure::unsupported(Extension::ISSUE_EVENTS.name())) }
    }

    /// Where deliveries have what proves them, and which of their headers [`Provider::parse_webhook`] needs, without asking
    /// anybody.
    ///
    /// # Errors
    ///
    /// That it is not offered.
    fn webhook_proof(&self) -> Result<WebhookProof, Failure> {
        Err(Failure::unsupported(Extension::ISSUE_EVENTS.name()))
    }

    /// Says what a delivery means, without asking anybody. It may come from anybody: whose account it claims to be of is
    /// needed to find the secret that it has to have.
    ///
    /// # Errors
    ///
    /// [`Reason::INVALID_RESPONSE`] for what is no delivery, or does not say of which account. What has nothing to say
    /// of issues is an event without one.
    fn parse_webhook(&self, delivery: &WebhookDelivery) -> Result<WebhookEvent, Failure> {
        let _ = delivery;
        Err(Failure::unsupported(Extension::ISSUE_EVENTS.name()))
    }

    /// The version of an extension of your own, `name`, that the provider offers, `None` when it does not; with a client, whether
    /// that client's forge supports it.
    ///
    /// A call does not say which version it means, so a later version understands every call of an earlier one;
    /// what breaks takes another name.
    fn query_extension(&self, client: Option<&Self::Client>, name: &str) -> Option<u32> {
        let _ = (client, name);
        None
    }

    /// Calls an extension of your own, in its own encoding; with a client where it needs one.
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
