//! States of issues, and projects that have issues.

use serde::{Deserialize, Serialize};

use crate::extensions::json;

/// What a state means, whatever it is called.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
#[non_exhaustive]
pub enum StateCategory {
    /// Nobody has begun.
    Open,
    /// Somebody works on it.
    InProgress,
    /// Done, to be looked at by somebody else.
    Resolved,
    /// Done.
    Completed,
    /// Given up.
    Removed,
    /// A category of the tracker's own, in its word.
    Other(String),
}

impl StateCategory {
    /// Whether it is done. What nobody knows is not.
    pub fn is_done(&self) -> bool {
        matches!(self, Self::Resolved | Self::Completed)
    }
}

impl From<String> for StateCategory {
    fn from(word: String) -> Self {
        match word.as_str() {
            "open" => Self::Open,
            "in_progress" => Self::InProgress,
            "resolved" => Self::Resolved,
            "completed" => Self::Completed,
            "removed" => Self::Removed,
            _ => Self::Other(json::as_own_word(word)),
        }
    }
}

impl From<StateCategory> for String {
    fn from(category: StateCategory) -> Self {
        match category {
            StateCategory::Open => "open".to_owned(),
            StateCategory::InProgress => "in_progress".to_owned(),
            StateCategory::Resolved => "resolved".to_owned(),
            StateCategory::Completed => "completed".to_owned(),
            StateCategory::Removed => "removed".to_owned(),
            StateCategory::Other(word) => json::own_word(word, |word| {
                !matches!(StateCategory::from(word.to_owned()), StateCategory::Other(_))
            }),
        }
    }
}

/// A state that issues of a kind can have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IssueState {
    name: String,
    category: StateCategory,
}

impl IssueState {
    /// A state by the name that issues show, and what it means.
    pub fn new(name: impl Into<String>, category: StateCategory) -> Self {
        Self { name: name.into(), category }
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it means.
    pub fn category(&self) -> &StateCategory {
        &self.category
    }

    /// Whether it is done.
    pub fn is_done(&self) -> bool {
        self.category.is_done()
    }
}

/// A project that can have issues.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrackerProject {
    id: String,
    name: String,
}

impl TrackerProject {
    /// A project by the tracker's own id and its name.
    pub fn new(id: impl Into<String>, name: impl Into<String>) -> Self {
        Self { id: id.into(), name: name.into() }
    }

    /// The tracker's own id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.name
    }
}

/// Some of the projects.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProjectPage {
    projects: Vec<TrackerProject>,
    #[serde(default)]
    next: Option<String>,
}

impl ProjectPage {
    /// A page, which is the last unless [`with_next`](Self::with_next) says otherwise.
    pub fn new(projects: Vec<TrackerProject>) -> Self {
        Self { projects, next: None }
    }

    /// Says how the next page is asked for, as [`RepositoryPage::with_next`](crate::RepositoryPage::with_next) does.
    #[must_use]
    pub fn with_next(mut self, cursor: impl Into<String>) -> Self {
        self.next = Some(cursor.into());
        self
    }

    /// The projects.
    pub fn projects(&self) -> &[TrackerProject] {
        &self.projects
    }

    /// How the next page is asked for; none after the last.
    pub fn next(&self) -> Option<&str> {
        self.next.as_deref()
    }
}
