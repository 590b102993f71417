//! Who can have incidents.

use std::collections::BTreeMap;

use crate::alerts::Labels;
use crate::config;

/// The label that says whose an incident is.
const TEAM: &str = "team";

/// The people of the configuration, by name.
#[derive(Clone, Debug, Default)]
pub struct People(BTreeMap<String, config::Person>);

impl People {
    pub(super) fn of(configured: &BTreeMap<String, config::Person>) -> Self {
        Self(configured.clone())
    }

    /// Whether there is somebody of this name.
    pub fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// The addresses of somebody, the one that trackers are told first.
    pub(super) fn emails(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0.get(name).into_iter().flat_map(|person| &person.emails).map(config::EmailAddress::get)
    }

    /// Those who can have an incident with these labels, in name order.
    pub fn of_team<'a>(&'a self, labels: &'a Labels) -> impl Iterator<Item = &'a str> {
        let is_member = |person: &config::Person| {
            let team = labels.get(TEAM).filter(|team| !team.is_empty());
            team.is_none_or(|team| person.teams.iter().any(|of| of == team))
        };
        self.0.iter().filter(move |(_, person)| is_member(person)).map(|(name, _)| name.as_str())
    }

    /// Who of those who can have an incident with these labels has this address, in whatever case. Of several whoever has
    /// the incident keeps it; else it is the first by name, so that it is always the same.
    pub(super) fn find<'a>(
        &'a self,
        labels: &'a Labels,
        email: &str,
        holder: Option<&str>,
    ) -> Option<&'a str> {
        let has_it = |name: &&str| self.0[*name].emails.iter().any(|known| known.is(email));
        let mut fitting = self.of_team(labels).filter(has_it).peekable();
        let first = fitting.peek().copied();
        fitting.find(|name| Some(*name) == holder).or(first)
    }

    /// Whether anybody has this address.
    pub(super) fn knows(&self, email: &str) -> bool {
        self.0.values().flat_map(|person| &person.emails).any(|known| known.is(email))
    }
}
