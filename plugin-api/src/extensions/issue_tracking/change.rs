//! What becomes of an issue.

use serde::{Deserialize, Serialize};

/// What happens to the assignee.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum AssigneeTarget {
    /// Nothing.
    #[default]
    Leave,
    /// Nobody has it from then on.
    Clear,
    /// The person with this e-mail address has it from then on.
    Email(String),
}

/// What happens to the state.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum StateTarget {
    /// Nothing.
    #[default]
    Leave,
    /// The state of this name.
    Name(String),
    /// Whatever state of its kind says that it is done. An issue in such a state stays in it.
    Done,
    /// Whatever state of its kind says that it is not done. An issue in such a state stays in it.
    Open,
}

/// Changes of one issue, to be made all together or not at all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct IssueChange {
    assignee: AssigneeTarget,
    state: StateTarget,
    comment: Option<String>,
    expected_revision: Option<u64>,
}

impl IssueChange {
    /// Nothing changes.
    pub fn none() -> Self {
        Self::default()
    }

    /// Sets what happens to the assignee.
    #[must_use]
    pub fn with_assignee(mut self, assignee: AssigneeTarget) -> Self {
        self.assignee = assignee;
        self
    }

    /// Sets what happens to the state.
    #[must_use]
    pub fn with_state(mut self, state: StateTarget) -> Self {
        self.state = state;
        self
    }

    /// Adds a comment, in plain text.
    #[must_use]
    pub fn with_comment(mut self, comment: impl Into<String>) -> Self {
        self.comment = Some(comment.into());
        self
    }

    /// Changes nothing unless the issue is still at this [`Issue::revision`](super::Issue::revision).
    #[must_use]
    pub fn with_expected_revision(mut self, revision: u64) -> Self {
        self.expected_revision = Some(revision);
        self
    }

    /// What happens to the assignee.
    pub fn assignee(&self) -> &AssigneeTarget {
        &self.assignee
    }

    /// What happens to the state.
    pub fn state(&self) -> &StateTarget {
        &self.state
    }

    /// The comment, in plain text.
    pub fn comment(&self) -> Option<&str> {
        self.comment.as_deref()
    }

    /// The revision that the issue has to be at.
    pub fn expected_revision(&self) -> Option<u64> {
        self.expected_revision
    }
}
