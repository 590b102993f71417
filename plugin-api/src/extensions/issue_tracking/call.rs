//! The operations, as they cross.

use serde::{Deserialize, Serialize};

use super::change::IssueChange;
use super::issue::{IssueRef, NewIssue};
use super::search::IssueQuery;
use crate::extensions::list_repositories::ListRequest;

/// One operation with all that it takes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "operation", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Call {
    /// [`Provider::search_issues`](crate::Provider::search_issues).
    SearchIssues(IssueQuery),
    /// [`Provider::get_issue`](crate::Provider::get_issue).
    GetIssue(IssueRef),
    /// [`Provider::create_issue`](crate::Provider::create_issue).
    CreateIssue(NewIssue),
    /// [`Provider::update_issue`](crate::Provider::update_issue).
    UpdateIssue {
        /// The issue.
        issue: IssueRef,
        /// What becomes of it.
        change: IssueChange,
    },
    /// [`Provider::issue_states`](crate::Provider::issue_states).
    IssueStates {
        /// The project.
        project: String,
        /// The kind of issue.
        kind: String,
    },
    /// [`Provider::list_projects`](crate::Provider::list_projects).
    ListProjects(ListRequest),
    /// One of a later version.
    #[serde(other)]
    Unknown,
}
