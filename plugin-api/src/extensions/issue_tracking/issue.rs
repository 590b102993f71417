//! Issues and the people who have them.

use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use crate::extensions::json;

/// Which issue.
///
/// A key is unique in the account, and stands for itself: where the tracker counts in each project anew, the project is
/// part of the key (`group/project#7`). It has at most 200 characters, none of them a control character; what has another
/// one is no issue to a host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IssueRef {
    key: String,
    #[serde(default)]
    project: Option<String>,
}

impl IssueRef {
    /// An issue by its key: a number, or what else the tracker calls it by.
    pub fn new(key: impl Into<String>) -> Self {
        Self { key: key.into(), project: None }
    }

    /// Sets the project that it was seen in last, as [`Issue::project`]. It may save a request, and be out of date.
    #[must_use]
    pub fn with_project(mut self, project: impl Into<String>) -> Self {
        self.project = Some(project.into());
        self
    }

    /// The key.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The project.
    pub fn project(&self) -> Option<&str> {
        self.project.as_deref()
    }
}

/// A person as a tracker knows them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Person {
    name: String,
    email: Option<String>,
    id: Option<String>,
}

impl Person {
    /// A person by the name that is shown.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), ..Self::default() }
    }

    /// Sets the e-mail address.
    #[must_use]
    pub fn with_email(mut self, email: impl Into<String>) -> Self {
        self.email = Some(email.into());
        self
    }

    /// Sets the tracker's own id.
    #[must_use]
    pub fn with_id(mut self, id: impl Into<String>) -> Self {
        self.id = Some(id.into());
        self
    }

    /// The name that is shown.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The e-mail address, where the tracker tells it.
    pub fn email(&self) -> Option<&str> {
        self.email.as_deref()
    }

    /// The tracker's own id.
    pub fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }
}

/// An issue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Issue {
    key: String,
    #[serde(default)]
    title: String,
    #[serde(default)]
    project: Option<String>,
    #[serde(default)]
    kind: String,
    #[serde(default)]
    state: String,
    #[serde(default)]
    assignee: Option<Person>,
    #[serde(default)]
    url: Option<String>,
    #[serde(default)]
    revision: Option<u64>,
    #[serde(default)]
    changed_at_unix_ms: Option<u64>,
}

impl Issue {
    /// An issue by its key and title, of a kind (bug, task) and in a state, each by the tracker's name for it.
    pub fn new(
        key: impl Into<String>,
        title: impl Into<String>,
        kind: impl Into<String>,
        state: impl Into<String>,
    ) -> Self {
        Self {
            key: key.into(),
            title: title.into(),
            project: None,
            kind: kind.into(),
            state: state.into(),
            assignee: None,
            url: None,
            revision: None,
            changed_at_unix_ms: None,
        }
    }

    /// Sets the project, by its name.
    #[must_use]
    pub fn with_project(mut self, project: impl Into<String>) -> Self {
        self.project = Some(project.into());
        self
    }

    /// Sets who has it.
    #[must_use]
    pub fn with_assignee(mut self, assignee: Person) -> Self {
        self.assignee = Some(assignee);
        self
    }

    /// Sets where people see it.
    #[must_use]
    pub fn with_url(mut self, url: impl Into<String>) -> Self {
        self.url = Some(url.into());
        self
    }

    /// Sets its revision: a number that grows with each change of it. Where the tracker has none, give none, and
    /// say [when it was changed](Self::with_changed_at).
    #[must_use]
    pub fn with_revision(mut self, revision: u64) -> Self {
        self.revision = Some(revision);
        self
    }

    /// Sets when it was changed last, by the tracker's clock, as [`WebhookEvent::with_changed_at`] does: what trackers
    /// without revisions are followed by.
    ///
    /// [`WebhookEvent::with_changed_at`]: crate::WebhookEvent::with_changed_at
    #[must_use]
    pub fn with_changed_at(mut self, at: SystemTime) -> Self {
        self.changed_at_unix_ms = json::to_unix_ms(at);
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

    /// The name of its project.
    pub fn project(&self) -> Option<&str> {
        self.project.as_deref()
    }

    /// Its kind, by the tracker's name for it.
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// The name of its state.
    pub fn state(&self) -> &str {
        &self.state
    }

    /// Who has it.
    pub fn assignee(&self) -> Option<&Person> {
        self.assignee.as_ref()
    }

    /// Where people see it.
    pub fn url(&self) -> Option<&str> {
        self.url.as_deref()
    }

    /// A number that grows with each change of it, where the tracker has one.
    pub fn revision(&self) -> Option<u64> {
        self.revision
    }

    /// When it was changed last, where the tracker says so.
    pub fn changed_at(&self) -> Option<SystemTime> {
        json::from_unix_ms(self.changed_at_unix_ms)
    }
}

/// An issue that is to be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewIssue {
    project: String,
    kind: String,
    title: String,
    #[serde(default)]
    description: String,
    #[serde(default)]
    labels: Vec<String>,
    #[serde(default)]
    assignee_email: Option<String>,
}

impl NewIssue {
    /// An issue of a kind (bug, task) in a project, with its title.
    pub fn new(project: impl Into<String>, kind: impl Into<String>, title: impl Into<String>) -> Self {
        Self {
            project: project.into(),
            kind: kind.into(),
            title: title.into(),
            description: String::new(),
            labels: Vec::new(),
            assignee_email: None,
        }
    }

    /// Sets the description, in plain text.
    #[must_use]
    pub fn with_description(mut self, description: impl Into<String>) -> Self {
        self.description = description.into();
        self
    }

    /// Adds a label.
    #[must_use]
    pub fn with_label(mut self, label: impl Into<String>) -> Self {
        self.labels.push(label.into());
        self
    }

    /// Gives it to the person with this e-mail address.
    #[must_use]
    pub fn with_assignee_email(mut self, email: impl Into<String>) -> Self {
        self.assignee_email = Some(email.into());
        self
    }

    /// The project, by its name or id.
    pub fn project(&self) -> &str {
        &self.project
    }

    /// The kind, by the tracker's name for it.
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// The title.
    pub fn title(&self) -> &str {
        &self.title
    }

    /// The description, in plain text: escape it for the tracker's markup.
    pub fn description(&self) -> &str {
        &self.description
    }

    /// The labels.
    pub fn labels(&self) -> &[String] {
        &self.labels
    }

    /// The e-mail address of who shall have it.
    pub fn assignee_email(&self) -> Option<&str> {
        self.assignee_email.as_deref()
    }
}
