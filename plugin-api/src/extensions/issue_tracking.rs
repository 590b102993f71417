//! `issue_tracking`: issues of the forge's tracker, found, read, written. Since 1.3.0, on a client.
//!
//! It is one extension with several operations, since a host that keeps an issue for an incident needs them together:
//! an author who offers it writes them all. One that the forge has no way for may keep its default, which says that it is
//! not offered. What a tracker tells by itself is an extension of its own, [`issue_events`](super::issue_events): there
//! are trackers without it.
//!
//! - A payload is an object with its `operation`; one that this version does not know is not offered.
//! - An answer of more than [`LARGEST_BYTES`] is a failure; of what was found, as much is given as fits.
//! - What the tracker understood and refused is [`Failure::is_rejected`]; what somebody else was faster with,
//!   [`Failure::is_conflict`].

mod call;
mod change;
mod issue;
mod search;
mod state;

use serde::{Deserialize, Serialize};

use super::json::{self, is_key};
use crate::provider::Provider;
use crate::types::{Failure, Reason};

pub use call::Call;
pub use change::{AssigneeTarget, IssueChange, StateTarget};
pub use issue::{Issue, IssueRef, NewIssue, Person};
pub use search::{FoundIssue, FoundIssues, IssueQuery};
pub use state::{IssueState, ProjectPage, StateCategory, TrackerProject};

/// The extension's name.
pub const NAME: &str = "issue_tracking";
/// The version described here.
pub const VERSION: u32 = 1;
/// The largest answer, and the largest payload, in bytes.
pub const LARGEST_BYTES: usize = 1 << 20;

/// Attribute of a [`Failure`]: somebody else has changed the issue meanwhile.
const CONFLICT: &str = "conflict";
/// Attribute of a [`Failure`]: the tracker refuses a value.
const REJECTED: &str = "rejected";

impl Failure {
    /// The issue is at another revision than the expected one, so nothing was changed. Since 1.3.0.
    pub fn conflict(detail: impl Into<String>) -> Self {
        Self::new(Reason::PROVIDER_ERROR, detail.into()).with_attribute(CONFLICT, "true")
    }

    /// The tracker has understood what was asked and refuses a value of it, so that asking again is no use. Since 1.3.0.
    pub fn rejected(detail: impl Into<String>) -> Self {
        Self::new(Reason::PROVIDER_ERROR, detail.into()).with_attribute(REJECTED, "true")
    }

    /// Whether somebody else has changed the issue meanwhile: read it, and decide anew.
    pub fn is_conflict(&self) -> bool {
        self.attribute(CONFLICT).is_some()
    }

    /// Whether the tracker refuses a value.
    pub fn is_rejected(&self) -> bool {
        self.attribute(REJECTED).is_some()
    }
}

/// An answer that is a list.
#[derive(Serialize, Deserialize)]
struct States {
    states: Vec<IssueState>,
}

/// The call in a payload.
///
/// # Errors
///
/// [`Reason::PLUGIN_FAILED`] for what is none, [`Failure::unsupported`] for an operation of a later version.
pub fn decode_call(payload: &[u8]) -> Result<Call, Failure> {
    match bounded("payload", payload)? {
        Call::Unknown => Err(Failure::unsupported(NAME)),
        call => Ok(call),
    }
}

/// A call as the payload.
pub fn encode_call(call: &Call) -> Vec<u8> {
    json::encode(call)
}

/// What was found, as the answer: as much of it as fits, and then it says so.
pub fn encode_found(mut found: FoundIssues) -> Vec<u8> {
    loop {
        let answer = json::encode(&found);
        if answer.len() <= LARGEST_BYTES || found.issues().is_empty() {
            return answer;
        }
        let half = found.issues().len() / 2;
        found = found.cut(half).with_incomplete("more was found than fits into an answer");
    }
}

/// What was found, at most as much as was asked for. What has no key is left out.
///
/// # Errors
///
/// [`Reason::PLUGIN_FAILED`] for what is no such answer, as for all that follow.
pub fn decode_found(answer: &[u8], query: &IssueQuery) -> Result<FoundIssues, Failure> {
    let found: FoundIssues = bounded("answer", answer)?;
    Ok(found.retained(|issue| is_key(issue.key())).cut(query.limit() as usize))
}

/// The issue in an answer.
///
/// # Errors
///
/// As for [`decode_found`].
pub fn decode_issue(answer: &[u8]) -> Result<Issue, Failure> {
    json::keyed(NAME, Issue::key, bounded("answer", answer)?)
}

/// The states in an answer.
///
/// # Errors
///
/// As for [`decode_found`].
pub fn decode_states(answer: &[u8]) -> Result<Vec<IssueState>, Failure> {
    bounded("answer", answer).map(|answer: States| answer.states)
}

/// The page of projects in an answer.
///
/// # Errors
///
/// As for [`decode_found`].
pub fn decode_projects(answer: &[u8]) -> Result<ProjectPage, Failure> {
    bounded("answer", answer)
}

fn bounded<T: serde::de::DeserializeOwned>(whose: &str, bytes: &[u8]) -> Result<T, Failure> {
    json::decode_at_most(LARGEST_BYTES, NAME, whose, bytes)
}

/// Answers a call with the provider's methods.
pub(crate) async fn answer<P: Provider>(
    provider: &P,
    client: &P::Client,
    payload: &[u8],
) -> Result<Vec<u8>, Failure> {
    Ok(match decode_call(payload)? {
        Call::SearchIssues(query) => encode_found(provider.search_issues(client, &query).await?),
        Call::GetIssue(issue) => json::encode(&provider.get_issue(client, &issue).await?),
        Call::CreateIssue(issue) => json::encode(&provider.create_issue(client, &issue).await?),
        Call::UpdateIssue { issue, change } => {
            json::encode(&provider.update_issue(client, &issue, &change).await?)
        }
        Call::IssueStates { project, kind } => {
            json::encode(&States { states: provider.issue_states(client, &project, &kind).await? })
        }
        Call::ListProjects(request) => json::encode(&provider.list_projects(client, &request).await?),
        Call::Unknown => return Err(Failure::unsupported(NAME)),
    })
}
