//! Work items and their types.

use std::collections::BTreeMap;

pub(super) const TITLE: &str = "System.Title";
pub(super) const DESCRIPTION: &str = "System.Description";
pub(super) const TAGS: &str = "System.Tags";
pub(super) const STATE: &str = "System.State";
pub(super) const ASSIGNED_TO: &str = "System.AssignedTo";
pub(super) const HISTORY: &str = "System.History";

/// A type of work items.
#[derive(Clone, Debug)]
pub struct Kind {
    /// Its name.
    pub name: String,
    /// Its states with their categories, in order.
    pub states: Vec<(String, String)>,
}

impl Kind {
    /// A type with its states and their categories.
    pub fn new(name: &str, states: &[(&str, &str)]) -> Self {
        let states = states.iter().map(|(name, category)| ((*name).to_owned(), (*category).to_owned()));
        Self { name: name.to_owned(), states: states.collect() }
    }

    pub(super) fn usual() -> Vec<Self> {
        let bug = [
            ("New", "Proposed"),
            ("Active", "InProgress"),
            ("Resolved", "Resolved"),
            ("Closed", "Completed"),
        ];
        let task =
            [("New", "Proposed"), ("Active", "InProgress"), ("Closed", "Completed"), ("Removed", "Removed")];
        vec![Self::new("Bug", &bug), Self::new("Task", &task)]
    }
}

/// A work item.
#[derive(Clone, Debug)]
pub struct WorkItem {
    /// Its project, by id.
    pub project: String,
    /// Its type.
    pub kind: String,
    /// Its fields, by their names; whoever has it by `Name <mail>`.
    pub fields: BTreeMap<String, String>,
    /// Its revision.
    pub rev: u64,
    /// What was said about it, oldest first.
    pub comments: Vec<String>,
    /// Every change, oldest first.
    pub history: Vec<Revision>,
}

/// A change of a work item.
#[derive(Clone, Debug)]
pub struct Revision {
    /// The revision that it made.
    pub rev: u64,
    /// The fields that it changed: their values before and since.
    pub changes: BTreeMap<String, (Option<String>, Option<String>)>,
}

impl WorkItem {
    pub(super) fn new(project: &str, kind: &str) -> Self {
        Self {
            project: project.to_owned(),
            kind: kind.to_owned(),
            fields: BTreeMap::new(),
            rev: 1,
            comments: Vec::new(),
            history: Vec::new(),
        }
    }

    /// The value of a field.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields.get(name).map(String::as_str)
    }

    /// Its state.
    pub fn state(&self) -> &str {
        self.field(STATE).unwrap_or_default()
    }

    /// Makes a revision of new values; what is the same is no change, and a comment is one without a field.
    pub(super) fn revise(&mut self, values: Vec<(String, Option<String>)>) {
        let mut changes = BTreeMap::new();
        for (name, new) in values {
            if name == HISTORY {
                self.comments.extend(new);
                continue;
            }
            let old = match &new {
                Some(new) => self.fields.insert(name.clone(), new.clone()),
                None => self.fields.remove(&name),
            };
            if old != new {
                changes.insert(name, (old, new));
            }
        }
        self.rev += 1;
        self.history.push(Revision { rev: self.rev, changes });
    }
}
