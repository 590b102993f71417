//! What a tracker delivers, and what it means.

use std::time::SystemTime;

use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer, Serialize};

use crate::extensions::issue_tracking::Person;
use crate::extensions::json;

/// Where the proof is that a delivery comes from a subscription, which the host compares in constant time; and what of a
/// delivery is for the plugin.
///
/// **Evolution:** there is one kind of proof so far. A host that does not know a later kind believes no delivery.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WebhookProof {
    #[serde(default)]
    kind: ProofKind,
    header: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    headers: Vec<String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum ProofKind {
    #[default]
    SecretInHeader,
    #[serde(other)]
    Later,
}

impl WebhookProof {
    /// The subscription's secret, as it is, in a header of this name.
    pub fn secret_in_header(name: impl Into<String>) -> Self {
        Self { kind: ProofKind::SecretInHeader, header: name.into(), headers: Vec::new() }
    }

    /// The header that has the secret.
    pub fn header(&self) -> &str {
        &self.header
    }

    /// Names headers that say what a delivery means, as some forges have them. A plugin gets these beside the body, and no
    /// others; the secret, credentials and cookies not even by their names.
    #[must_use]
    pub fn with_headers<N: Into<String>>(mut self, names: impl IntoIterator<Item = N>) -> Self {
        self.headers.extend(names.into_iter().map(Into::into));
        self
    }

    /// The headers that are for the plugin.
    pub fn headers(&self) -> &[String] {
        &self.headers
    }

    pub(super) fn is_known(&self) -> bool {
        self.kind != ProofKind::Later
    }
}

/// A request that somebody has sent to where a tracker delivers. Nothing of it is proven.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WebhookDelivery {
    headers: Vec<(String, String)>,
    #[serde(skip)]
    body: Vec<u8>,
}

impl WebhookDelivery {
    /// A request with this body.
    pub fn new(body: impl Into<Vec<u8>>) -> Self {
        Self { headers: Vec::new(), body: body.into() }
    }

    /// Adds a header. Hosts have those that [`WebhookProof::with_headers`] names.
    #[must_use]
    pub fn with_header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// The first header of that name, compared without regard to case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// The body, as it came.
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    pub(super) fn with_body(mut self, body: &[u8]) -> Self {
        self.body = body.to_vec();
        self
    }
}

/// What a delivery is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
#[non_exhaustive]
pub enum WebhookEventKind {
    /// An issue was changed.
    IssueUpdated,
    /// Something else, in the tracker's word.
    Other(String),
}

impl From<String> for WebhookEventKind {
    fn from(word: String) -> Self {
        if word == ISSUE_UPDATED { Self::IssueUpdated } else { Self::Other(json::as_own_word(word)) }
    }
}

impl From<WebhookEventKind> for String {
    fn from(kind: WebhookEventKind) -> Self {
        match kind {
            WebhookEventKind::IssueUpdated => ISSUE_UPDATED.to_owned(),
            WebhookEventKind::Other(word) => json::own_word(word, |word| word == ISSUE_UPDATED),
        }
    }
}

const ISSUE_UPDATED: &str = "issue_updated";

/// What has happened to the assignee.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum AssigneeChange {
    /// Nothing.
    #[default]
    Unchanged,
    /// Nobody has it any more.
    Cleared,
    /// This person has it now.
    Set(Person),
}

/// What somebody says that this version does not know changes nothing.
fn known_change<'de, D: Deserializer<'de>>(change: D) -> Result<AssigneeChange, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Said {
        Known(AssigneeChange),
        Later(IgnoredAny),
    }
    Said::deserialize(change).map(|said| match said {
        Said::Known(change) => change,
        Said::Later(_) => AssigneeChange::Unchanged,
    })
}

/// What has happened to the state, by names; none where the tracker does not say.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct StateChange {
    old: Option<String>,
    new: Option<String>,
}

impl StateChange {
    /// From a state to another.
    pub fn new(old: Option<String>, new: Option<String>) -> Self {
        Self { old, new }
    }

    /// The state before; none for an issue that is new.
    pub fn old(&self) -> Option<&str> {
        self.old.as_deref()
    }

    /// The state since.
    pub fn new_state(&self) -> Option<&str> {
        self.new.as_deref()
    }
}

/// What a delivery says. It is worth what its proof is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WebhookEvent {
    account: String,
    kind: WebhookEventKind,
    #[serde(default)]
    delivery: Option<String>,
    #[serde(default)]
    issue: Option<String>,
    #[serde(default)]
    project: Option<String>,
    #[serde(default)]
    revision: Option<u64>,
    #[serde(default)]
    changed_at_unix_ms: Option<u64>,
    #[serde(default, deserialize_with = "known_change")]
    assignee: AssigneeChange,
    #[serde(default)]
    state: Option<StateChange>,
}

impl WebhookEvent {
    /// An event of an account: the [`external_id`](crate::Integration::external_id) of an integration. A forge that
    /// names none in the body may do so in a header; say in your documentation what an operator has to configure.
    pub fn new(account: impl Into<String>, kind: WebhookEventKind) -> Self {
        Self {
            account: account.into(),
            kind,
            delivery: None,
            issue: None,
            project: None,
            revision: None,
            changed_at_unix_ms: None,
            assignee: AssigneeChange::Unchanged,
            state: None,
        }
    }

    /// Sets what is the same when it is delivered again.
    #[must_use]
    pub fn with_delivery(mut self, id: impl Into<String>) -> Self {
        self.delivery = Some(id.into());
        self
    }

    /// Sets the key of the issue, the same as [`Issue::key`](crate::Issue::key).
    #[must_use]
    pub fn with_issue(mut self, key: impl Into<String>) -> Self {
        self.issue = Some(key.into());
        self
    }

    /// Sets the project, by its id.
    #[must_use]
    pub fn with_project(mut self, id: impl Into<String>) -> Self {
        self.project = Some(id.into());
        self
    }

    /// Sets the issue's revision since.
    #[must_use]
    pub fn with_revision(mut self, revision: u64) -> Self {
        self.revision = Some(revision);
        self
    }

    /// Sets when the issue was changed.
    #[must_use]
    pub fn with_changed_at(mut self, at: SystemTime) -> Self {
        self.changed_at_unix_ms = json::to_unix_ms(at);
        self
    }

    /// Sets what has happened to the assignee.
    #[must_use]
    pub fn with_assignee(mut self, change: AssigneeChange) -> Self {
        self.assignee = change;
        self
    }

    /// Sets what has happened to the state.
    #[must_use]
    pub fn with_state(mut self, change: StateChange) -> Self {
        self.state = Some(change);
        self
    }

    /// The account that it claims to be of.
    pub fn account(&self) -> &str {
        &self.account
    }

    /// What it is about.
    pub fn kind(&self) -> &WebhookEventKind {
        &self.kind
    }

    /// What is the same when it is delivered again.
    pub fn delivery(&self) -> Option<&str> {
        self.delivery.as_deref()
    }

    /// The key of the issue; none where it is about none.
    pub fn issue(&self) -> Option<&str> {
        self.issue.as_deref()
    }

    /// The project, by its id.
    pub fn project(&self) -> Option<&str> {
        self.project.as_deref()
    }

    /// The issue's revision since, as [`Issue::revision`](crate::Issue::revision).
    pub fn revision(&self) -> Option<u64> {
        self.revision
    }

    /// When the issue was changed.
    pub fn changed_at(&self) -> Option<SystemTime> {
        json::from_unix_ms(self.changed_at_unix_ms)
    }

    /// Leaves out what can be no key.
    pub(super) fn plain(mut self) -> Self {
        self.issue = self.issue.filter(|key| json::is_key(key));
        self.delivery = self.delivery.filter(|id| json::is_key(id));
        self
    }

    /// What has happened to the assignee.
    pub fn assignee(&self) -> &AssigneeChange {
        &self.assignee
    }

    /// What has happened to the state; none for nothing.
    pub fn state(&self) -> Option<&StateChange> {
        self.state.as_ref()
    }
}
