//! People and trackers as one configuration has them.

use url::Url;

use super::people::People;
use crate::alerts::{Labels, Matches, Plan};
use crate::config::{Loaded, Severity};
use crate::journal::Incident;

/// Who can have incidents, and which of them get an issue where.
#[derive(Debug)]
pub struct Settings {
    pub(crate) people: People,
    rules: Vec<Rule>,
    plan: Plan,
    /// The page of the daemon, for links.
    pub(super) page: Option<Url>,
}

/// A project in which issues are kept for incidents.
#[derive(Debug)]
pub(crate) struct Rule {
    pub(super) name: String,
    pub(super) integration: String,
    pub(super) project: String,
    pub(super) kind: String,
    pub(super) labels: Vec<String>,
    pub(super) find: bool,
    matches: Matches,
}

impl Settings {
    /// As the configuration has it. What is wrong with it is told by others, who look at the same.
    pub fn of(loaded: &Loaded) -> Self {
        let config = &loaded.config;
        let rules = config.trackers.iter().map(|(name, tracker)| Rule {
            name: name.clone(),
            integration: tracker.integration.clone(),
            project: tracker.project.clone(),
            kind: tracker.kind.clone(),
            labels: tracker.labels.clone(),
            find: tracker.find,
            matches: Matches::of(&tracker.matches),
        });
        Self {
            people: People::of(&config.people),
            rules: rules.collect(),
            // Alerts tell of what is wrong with it.
            plan: Plan::of(loaded, &mut Vec::new()),
            page: config.public_url.as_ref().map(|url| url.get().clone()),
        }
    }

    /// What an incident is matched by, and how bad it is, as for alerts.
    pub(super) fn labels(&self, incident: &Incident, repository: Option<&Labels>) -> (Labels, Severity) {
        self.plan.labels(incident, repository)
    }

    /// Whether any incident gets an issue by itself.
    pub(super) fn has_rules(&self) -> bool {
        !self.rules.is_empty()
    }

    /// All trackers, in name order.
    pub(super) fn rules(&self) -> impl Iterator<Item = &Rule> {
        self.rules.iter()
    }

    /// The tracker that takes an incident with these labels: the first by name that fits.
    pub(super) fn rule_for(&self, labels: &Labels) -> Option<&Rule> {
        self.rules.iter().find(|rule| rule.matches.fit(labels))
    }

    /// The tracker of that name.
    pub(super) fn rule(&self, name: &str) -> Option<&Rule> {
        self.rules.iter().find(|rule| rule.name == name)
    }
}
