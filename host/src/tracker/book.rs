//! All that is followed, in memory. No I/O.

use std::collections::{BTreeMap, BTreeSet};

use super::record::{Link, Owed, Record};
use super::settings::Settings;
use crate::alerts::Labels;
use crate::journal::Incident;

/// What is followed, by the incidents' ids.
#[derive(Debug, Default)]
pub(super) struct Book {
    records: BTreeMap<String, Record>,
    /// What the state does not have as it is here.
    changed: BTreeSet<String>,
    /// The state is another one: what it has of this is wrong.
    pub(super) anew: bool,
}

impl Book {
    pub(super) fn restored(records: impl Iterator<Item = (String, Record)>) -> Self {
        Self { records: records.collect(), ..Self::default() }
    }

    pub(super) fn get(&self, incident: &str) -> Option<&Record> {
        self.records.get(incident)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&String, &Record)> {
        self.records.iter()
    }

    /// Changes what is followed of an incident, if anything is.
    pub(super) fn change<T>(&mut self, incident: &str, change: impl FnOnce(&mut Record) -> T) -> Option<T> {
        let record = self.records.get_mut(incident)?;
        self.changed.insert(incident.to_owned());
        Some(change(record))
    }

    /// Changes what is followed of an incident, from now on at the latest.
    pub(super) fn follow(
        &mut self,
        incident: &Incident,
        labels: Labels,
        change: impl FnOnce(&mut Record),
    ) -> Record {
        self.changed.insert(incident.id.clone());
        let record = self.records.entry(incident.id.clone());
        let record = record.or_insert_with(|| Record::new(incident.clone(), labels));
        change(record);
        record.clone()
    }

    /// Takes in how an incident is now; whether there is something to do for it that there was not. `labels` are none
    /// where nobody can say whose it is.
    pub(super) fn note(&mut self, incident: &Incident, labels: Option<Labels>, settings: &Settings) -> bool {
        let Some(record) = self.records.get_mut(&incident.id) else {
            let rule = labels.as_ref().and_then(|labels| settings.rule_for(labels));
            let (Some(labels), Some(rule), None) = (labels.clone(), rule, incident.resolved_at) else {
                return false;
            };
            self.follow(incident, labels, |record| record.rule = Some(rule.name.clone()));
            return true;
        };
        let was_over = record.is_over();
        // That it goes on is no change.
        let known =
            Incident { last_seen: incident.last_seen, count: incident.count, ..record.incident.clone() };
        let (former_rule, is_other) = (record.rule.clone(), known != *incident);
        if was_over {
            return false;
        }
        record.incident = incident.clone();
        record.labels = labels.unwrap_or(std::mem::take(&mut record.labels));
        if record.issue.is_none() && record.making_since.is_none() && !record.by_hand {
            record.rule = settings.rule_for(&record.labels).map(|rule| rule.name.clone());
        }
        if record.is_over() {
            let end = record.issue.is_some() || record.making_since.is_some();
            record.owed = Owed { end, ..Owed::default() };
            if !end && record.assignee.is_none() {
                self.forget(&incident.id);
                return true;
            }
        }
        let is_news = record.is_over() || record.rule != former_rule;
        if is_news || is_other {
            self.changed.insert(incident.id.clone());
        }
        is_news
    }

    /// The incidents that this issue is linked to, in the order of their ids.
    pub(super) fn linked_to(&self, integration: &str, key: &str) -> Vec<String> {
        let is_it = |link: &Link| link.is_of(integration, key);
        let linked = self.records.iter().filter(|(_, record)| record.issue.as_ref().is_some_and(is_it));
        linked.map(|(id, _)| id.clone()).collect()
    }

    /// Forgets what is followed of an incident.
    pub(super) fn forget(&mut self, incident: &str) {
        if self.records.remove(incident).is_some() {
            self.changed.insert(incident.to_owned());
        }
    }

    /// What the state is to be told, each once.
    pub(super) fn changes(&mut self) -> Vec<(String, Option<String>)> {
        let changed = std::mem::take(&mut self.changed).into_iter();
        let text = |record: &Record| serde_json::to_string(record).ok();
        changed.map(|id| (self.records.get(&id).and_then(text), id)).map(|(text, id)| (id, text)).collect()
    }

    /// Has these told once more.
    pub(super) fn mark(&mut self, incidents: impl IntoIterator<Item = String>) {
        self.changed.extend(incidents);
    }

    /// The state is another one, which has none of this or something else.
    pub(super) fn begin_again(&mut self) {
        self.anew = true;
        self.changed = self.records.keys().cloned().collect();
    }
}
