//! Looking for issues.

use serde::{Deserialize, Serialize};

/// The most issues that one search asks for.
const MOST_FOUND: u32 = 1000;

/// What to look for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct IssueQuery {
    text: String,
    project: Option<String>,
    limit: u32,
}

impl IssueQuery {
    /// A text, as somebody has typed it, and how many issues are wanted: 1 to 1,000.
    pub fn new(text: impl Into<String>, limit: u32) -> Self {
        Self { text: text.into(), project: None, limit }
    }

    /// Looks in one project alone, by its name or id.
    #[must_use]
    pub fn with_project(mut self, project: impl Into<String>) -> Self {
        self.project = Some(project.into());
        self
    }

    /// The text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The project.
    pub fn project(&self) -> Option<&str> {
        self.project.as_deref()
    }

    /// How many issues are wanted.
    pub fn limit(&self) -> u32 {
        self.limit.clamp(1, MOST_FOUND)
    }
}

/// What a search has found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FoundIssues {
    issues: Vec<FoundIssue>,
    #[serde(default)]
    incomplete: Option<String>,
}

impl FoundIssues {
    /// The issues, best first.
    pub fn new(issues: Vec<FoundIssue>) -> Self {
        Self { issues, incomplete: None }
    }

    /// Says that there may well be more, and why, in one sentence: nothing found is no news then.
    #[must_use]
    pub fn with_incomplete(mut self, why: impl Into<String>) -> Self {
        self.incomplete = Some(why.into());
        self
    }

    /// The issues, best first.
    pub fn issues(&self) -> &[FoundIssue] {
        &self.issues
    }

    /// Why there may well be more; none for what is whole.
    pub fn incomplete(&self) -> Option<&str> {
        self.incomplete.as_deref()
    }

    pub(super) fn cut(mut self, limit: usize) -> Self {
        self.issues.truncate(limit);
        self
    }

    pub(super) fn retained(mut self, is_one: impl FnMut(&FoundIssue) -> bool) -> Self {
        self.issues.retain(is_one);
        self
    }
}

/// An issue as a search shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FoundIssue {
    key: String,
    #[serde(default)]
    title: String,
    #[serde(default)]
    project: Option<String>,
    #[serde(default)]
    state: Option<String>,
    #[serde(default)]
    url: Option<String>,
}

impl FoundIssue {
    /// An issue by its key and its title, which may be empty.
    pub fn new(key: impl Into<String>, title: impl Into<String>) -> Self {
        Self { key: key.into(), title: title.into(), project: None, state: None, url: None }
    }

    /// Sets the project.
    #[must_use]
    pub fn with_project(mut self, project: impl Into<String>) -> Self {
        self.project = Some(project.into());
        self
    }

    /// Sets the state, by its name.
    #[must_use]
    pub fn with_state(mut self, state: impl Into<String>) -> Self {
        self.state = Some(state.into());
        self
    }

    /// Sets where people see it.
    #[must_use]
    pub fn with_url(mut self, url: impl Into<String>) -> Self {
        self.url = Some(url.into());
        self
    }

    /// The key.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The title; empty for an issue without one.
    pub fn title(&self) -> &str {
        &self.title
    }

    /// The project.
    pub fn project(&self) -> Option<&str> {
        self.project.as_deref()
    }

    /// The name of its state.
    pub fn state(&self) -> Option<&str> {
        self.state.as_deref()
    }

    /// Where people see it.
    pub fn url(&self) -> Option<&str> {
        self.url.as_deref()
    }
}
