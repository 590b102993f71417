//! A tracker, as one integration reaches it.
//!
//! Every question ends within the time that a check has. What comes back is the word of a plugin: it may ask for a rest, and
//! not for one without an end.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use forgewatch_plugin_api::abi::HostObject;
use forgewatch_plugin_api::{
    Failure, FoundIssues, Issue, IssueChange, IssueQuery, IssueRef, IssueState, ListRequest, NewIssue,
    ProjectPage, Subscription,
};
use tokio::time::timeout;

use crate::plugins::Client;
use crate::services::HookSecret;
use crate::services::call::{self, CallRecord};
use crate::sweep::{Connected, Integration};
use crate::verdict::{Outcome, Reason};

/// The longest rest that a tracker may ask for, as for checks.
const LONGEST_ASKED_S: u64 = 60 * 60;

/// A tracker with the client that asks it.
#[derive(Clone)]
pub struct Desk {
    integration: Arc<Integration>,
    connected: Arc<Connected>,
    limit: Duration,
}

/// Why a tracker did not do what it was asked for.
#[derive(Clone, Debug)]
pub struct Refusal {
    /// What was seen, and what to do.
    pub outcome: Outcome,
    /// What that means for whoever asked.
    pub kind: RefusalKind,
    /// Whether a request was sent that may have changed something.
    pub has_written: bool,
}

/// What a refusal means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusalKind {
    /// The plugin has no such way.
    Unsupported,
    /// Somebody else has changed the issue meanwhile.
    Conflict,
    /// The tracker refuses a value, so that asking again is no use.
    Rejected,
    /// There is no such thing, or the identity does not see it.
    Missing,
    /// It may work later, or once somebody has put something right.
    Failed,
}

impl Desk {
    /// A tracker by a client that is there.
    pub fn new(integration: Arc<Integration>, connected: Arc<Connected>, limit: Duration) -> Self {
        Self { integration, connected, limit }
    }

    /// The integration's name.
    pub fn integration(&self) -> &str {
        &self.integration.name
    }

    /// Looks for issues.
    ///
    /// # Errors
    ///
    /// The tracker or its plugin refuses, as with all that follow.
    pub async fn search(&self, query: &IssueQuery) -> Result<FoundIssues, Refusal> {
        self.ask(async |client, host| client.search_issues(host, query).await).await
    }

    /// Reads an issue.
    ///
    /// # Errors
    ///
    /// As for [`Desk::search`].
    pub async fn get(&self, issue: &IssueRef) -> Result<Issue, Refusal> {
        self.ask(async |client, host| client.get_issue(host, issue).await).await
    }

    /// Makes an issue. Dropped before its end, or refused with [`Refusal::has_written`], it may have been made.
    ///
    /// # Errors
    ///
    /// As for [`Desk::search`].
    pub async fn create(&self, issue: &NewIssue) -> Result<Issue, Refusal> {
        self.ask(async |client, host| client.create_issue(host, issue).await).await
    }

    /// Makes all changes of an issue, or none. Dropped before its end, they may have been made.
    ///
    /// # Errors
    ///
    /// As for [`Desk::search`].
    pub async fn update(&self, issue: &IssueRef, change: &IssueChange) -> Result<Issue, Refusal> {
        self.ask(async |client, host| client.update_issue(host, issue, change).await).await
    }

    /// The states that issues of a kind can have.
    ///
    /// # Errors
    ///
    /// As for [`Desk::search`].
    pub async fn states(&self, project: &str, kind: &str) -> Result<Vec<IssueState>, Refusal> {
        self.ask(async |client, host| client.issue_states(host, project, kind).await).await
    }

    /// One page of the projects that can have issues.
    ///
    /// # Errors
    ///
    /// As for [`Desk::search`].
    pub async fn projects(&self, request: &ListRequest) -> Result<ProjectPage, Refusal> {
        self.ask(async |client, host| client.list_projects(host, request).await).await
    }

    /// Has the tracker deliver what becomes of issues. Dropped before its end, it may have been done.
    ///
    /// # Errors
    ///
    /// As for [`Desk::search`].
    pub async fn subscribe(
        &self,
        url: &str,
        project: Option<&str>,
        secret: Arc<HookSecret>,
    ) -> Result<Subscription, Refusal> {
        self.ask(async |client, host| client.subscribe(host, url, project, secret).await).await
    }

    /// How a subscription does.
    ///
    /// # Errors
    ///
    /// As for [`Desk::search`].
    pub async fn subscription(&self, id: &str) -> Result<Subscription, Refusal> {
        self.ask(async |client, host| client.get_subscription(host, id).await).await
    }

    /// Ends a subscription. Dropped before its end, that may have been done.
    ///
    /// # Errors
    ///
    /// As for [`Desk::search`].
    pub async fn unsubscribe(&self, id: &str) -> Result<(), Refusal> {
        self.ask(async |client, host| client.unsubscribe(host, id).await).await
    }

    async fn ask<T>(
        &self,
        question: impl AsyncFnOnce(&Client, HostObject) -> Result<T, Failure>,
    ) -> Result<T, Refusal> {
        let client = match &*self.connected {
            Ok(client) => client,
            Err(outcome) => return Err(Refusal::of(outcome.clone(), RefusalKind::Failed)),
        };
        let record = Arc::new(CallRecord::default());
        let asked =
            call::scope(Arc::clone(&record), question(client, self.integration.services.host_object()));
        let refusal = match timeout(self.limit, asked).await {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(failure)) => {
                let kind = RefusalKind::of(&failure);
                Refusal::of(crate::sweep::complete(failure.into(), &record), kind)
            }
            Err(_) => {
                let detail =
                    format!("the tracker did not answer within {}", humantime::format_duration(self.limit));
                Refusal::of(Outcome::new(Reason::TimedOut, detail), RefusalKind::Failed)
            }
        };
        Err(Refusal { has_written: record.has_written(), ..refusal })
    }
}

impl Refusal {
    /// One without a request.
    pub(crate) fn of(outcome: Outcome, kind: RefusalKind) -> Self {
        let retry_after_s = outcome.retry_after_s.map(|seconds| seconds.min(LONGEST_ASKED_S));
        Self { outcome: Outcome { retry_after_s, ..outcome }, kind, has_written: false }
    }
}

impl RefusalKind {
    fn of(failure: &Failure) -> Self {
        if failure.is_unsupported() {
            Self::Unsupported
        } else if failure.is_conflict() {
            Self::Conflict
        } else if failure.is_rejected() {
            Self::Rejected
        } else if Reason::from_api(failure.reason()) == Some(Reason::NotFound) {
            Self::Missing
        } else {
            Self::Failed
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.outcome.detail.as_str() {
            "" => f.write_str(self.outcome.reason.as_str()),
            detail => f.write_str(detail),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_asks_for_a_rest_without_an_end() {
        for (asked, has) in [(Some(u64::MAX), Some(LONGEST_ASKED_S)), (Some(7), Some(7)), (None, None)] {
            let outcome = Outcome { retry_after_s: asked, ..Outcome::new(Reason::RateLimited, "slower") };
            assert_eq!(Refusal::of(outcome, RefusalKind::Failed).outcome.retry_after_s, has);
        }
    }
}
