//! People, and where issues are kept for incidents.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::values::{EmailAddress, Pattern};

/// Somebody who can have incidents.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Person {
    /// Addresses that trackers know them by, in whatever case; the first is the one that trackers are told.
    #[schemars(length(min = 1))]
    pub emails: Vec<EmailAddress>,
    /// Their teams: they can have the incidents whose label `team` is one of these, and those without one.
    #[serde(default)]
    pub teams: Vec<String>,
}

/// A project of a tracker in which issues are kept for incidents.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Tracker {
    /// Name of the integration whose tracker it is.
    pub integration: String,
    /// The project, by the tracker's name or id.
    #[schemars(length(min = 1))]
    pub project: String,
    /// The kind of new issues, by the tracker's name for it.
    #[serde(default = "Tracker::default_kind")]
    #[schemars(length(min = 1))]
    pub kind: String,
    /// Patterns that an incident's labels have to fit, all of them; none fits everything. Of several trackers that fit,
    /// the first by name takes an incident.
    #[serde(default, rename = "match")]
    pub matches: BTreeMap<String, Pattern>,
    /// Labels of new issues.
    #[serde(default = "Tracker::default_labels")]
    #[schemars(inner(length(min = 1, max = 100), regex(pattern = r"^[^;,]+$")))]
    pub labels: Vec<String>,
    /// Whether an open issue of the same cause is looked for before one is made.
    #[serde(default = "Tracker::default_find")]
    pub find: bool,
}

impl Tracker {
    fn default_kind() -> String {
        "Bug".to_owned()
    }

    fn default_labels() -> Vec<String> {
        vec!["forgewatch".to_owned()]
    }

    fn default_find() -> bool {
        true
    }
}
