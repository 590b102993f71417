//! What is told, before it takes the form that its target wants.

use std::collections::BTreeMap;

use clap::ValueEnum;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use url::Url;

use crate::config::Severity;
use crate::journal::{Cause, Incident};
use crate::verdict::{Reason, Stamp};

/// What becomes of an incident.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema, ValueEnum,
)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "AlertEvent")]
pub enum Happening {
    /// It began.
    Opened,
    /// It goes on.
    Reminded,
    /// It is over.
    Resolved,
}

impl Happening {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Opened, Self::Reminded, Self::Resolved];

    /// The word for people and machines.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Opened => "opened",
            Self::Reminded => "reminded",
            Self::Resolved => "resolved",
        }
    }
}

/// One message: what became of the incidents that belong together. It is serialized as webhooks without a template of
/// their own send it.
#[derive(Clone, Debug, Serialize)]
pub struct Message {
    /// The version of this shape.
    pub schema: u32,
    /// The same for every attempt to deliver it.
    pub delivery: String,
    /// What became of all of them.
    pub event: Happening,
    /// When this attempt is made.
    pub at: Stamp,
    /// Whether it was sent to see whether it arrives, and is about nothing real.
    pub test: bool,
    /// The labels by which they belong together.
    pub group: BTreeMap<String, String>,
    /// The page that shows all of this, where that has an address.
    pub url: Option<Url>,
    /// The incidents; the worst first, then the oldest.
    pub incidents: Vec<Told>,
}

/// What people do about an incident.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Handling {
    /// Who has it, by the name in the configuration.
    pub assignee: Option<String>,
    /// The issue that is about it.
    pub issue: Option<ToldIssue>,
}

/// An issue in a tracker, as it is told.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ToldIssue {
    /// The integration whose tracker has it.
    pub integration: String,
    /// What the tracker calls it by. Text of a forge.
    pub key: String,
    /// Its address, where the tracker names one. Text of a forge.
    pub url: Option<String>,
}

/// An incident as it is told.
#[derive(Clone, Debug, Serialize)]
pub struct Told {
    /// Unique for ever.
    pub id: String,
    /// The same for every incident of the same cause.
    pub fingerprint: String,
    /// The integration that it happens to.
    pub integration: String,
    /// The repository, when it is that one's alone.
    pub repository: Option<String>,
    /// Why its checks fail.
    pub reason: Reason,
    /// What is behind it.
    pub cause: Cause,
    /// How bad it is.
    pub severity: Severity,
    /// What was seen at last. Text of a forge, without control characters and otherwise as it came.
    pub detail: String,
    /// What to do about it.
    pub way_out: &'static str,
    /// What routes go by: the labels of its integration and its repository, and `integration`, `provider`,
    /// `repository`, `reason`, `cause` and `severity`.
    pub labels: BTreeMap<String, String>,
    /// When it was opened.
    pub first_seen: Stamp,
    /// When a check failed for it at last.
    pub last_seen: Stamp,
    /// When it was over.
    pub resolved_at: Option<Stamp>,
    /// Repositories that it holds now.
    pub affected: u32,
    /// The most that it has held at once.
    pub most_affected: u32,
    /// Its page, where that has an address.
    pub url: Option<Url>,
    /// What people do about it.
    #[serde(flatten)]
    pub handling: Handling,
}

impl Message {
    /// The version of the shape that there is now.
    pub const SCHEMA: u32 = 1;
}

impl Told {
    /// An incident, with what it is routed by.
    pub fn new(
        incident: &Incident,
        severity: Severity,
        labels: BTreeMap<String, String>,
        page: Option<&Url>,
        handling: Handling,
    ) -> Self {
        Self {
            id: incident.id.clone(),
            fingerprint: incident.fingerprint.clone(),
            integration: incident.integration.clone(),
            repository: incident.repository.clone(),
            reason: incident.reason,
            cause: incident.cause,
            severity,
            detail: incident.detail.clone(),
            way_out: incident.cause.way_out(),
            labels,
            first_seen: incident.first_seen.into(),
            last_seen: incident.last_seen.into(),
            resolved_at: incident.resolved_at.map(Stamp),
            affected: incident.affected,
            most_affected: incident.most_affected,
            url: page.and_then(|page| incident.page(page)),
            handling,
        }
    }
}
