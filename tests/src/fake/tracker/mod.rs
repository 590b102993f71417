//! Work items, their search, and the hooks that tell what becomes of them: what each organisation has of that, and how
//! it changes while the fake runs.
//!
//! It is apart from the world, since requests change it. A change is one revision, whoever makes it, and every
//! subscription that it concerns has a delivery made for it, with a number. Deliveries go out one after another, over
//! real HTTP; while they are held, tests say which one goes when and how often.
//!
//! Absent: rules between states, area paths, links, attachments, TLS to where deliveries go.

mod delivery;
mod faults;
mod hooks;
mod items;
mod patch;
pub(crate) mod routes;
mod search;
mod service;
mod views;

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

pub use delivery::Delivery;
pub use hooks::Subscription;
pub use items::{Kind as WorkItemKind, Revision, WorkItem};

pub(crate) use delivery::{Post, Postman, run as deliver};
pub(crate) use routes::{Route, route};
pub(crate) use service::{answer, change, values};

/// How people are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum People {
    /// As `Name <mail>`.
    Text,
    /// As objects, which newer versions of events have.
    #[default]
    Objects,
}

/// What an organisation has of all that.
#[derive(Clone, Debug)]
pub struct Tracker {
    /// Who can have a work item: name and mail.
    pub people: Vec<(String, String)>,
    /// The types of work items, which every project has.
    pub kinds: Vec<WorkItemKind>,
    /// The work items, by number.
    pub items: BTreeMap<u64, WorkItem>,
    /// The subscriptions.
    pub subscriptions: Vec<Subscription>,
    /// How many were ever made.
    subscriptions_made: u64,
    /// What a search answers beside its results; with any but 0 it has none.
    pub search_info_code: i64,
    /// How people are written in deliveries.
    pub people_in_deliveries: People,
    /// The status of a refusal since a work item is at another revision.
    pub conflict_status: u16,
    /// Failed deliveries after which a subscription is put on probation, and ended.
    pub patience: (u32, u32),
    /// Everything that was made to be delivered, in order.
    pub deliveries: Vec<Delivery>,
    /// Whether deliveries wait for somebody to send them.
    pub holds_deliveries: bool,
}

impl Default for Tracker {
    fn default() -> Self {
        let person = |name: &str, mail: &str| (name.to_owned(), mail.to_owned());
        Self {
            people: vec![
                person("Ada Quill", "ada@contoso.example"),
                person("Ben Ode", "ben@contoso.example"),
            ],
            kinds: WorkItemKind::usual(),
            items: BTreeMap::new(),
            subscriptions: Vec::new(),
            subscriptions_made: 0,
            search_info_code: 0,
            people_in_deliveries: People::default(),
            conflict_status: 412,
            patience: (1, 3),
            deliveries: Vec::new(),
            holds_deliveries: false,
        }
    }
}

impl Tracker {
    /// Adds a work item of a project, by the project's id, and gives its number.
    pub fn add(&mut self, project: &str, kind: &str, title: &str) -> u64 {
        let state = self.kind(kind).and_then(|kind| kind.states.first()).map(|(name, _)| name.clone());
        let id = self.items.keys().next_back().map_or(31, |last| last + 1);
        let mut item = WorkItem::new(project, kind);
        item.fields.insert(items::TITLE.to_owned(), title.to_owned());
        item.fields.insert(items::STATE.to_owned(), state.unwrap_or_else(|| "New".to_owned()));
        self.items.insert(id, item);
        id
    }

    /// The work item of a number.
    ///
    /// # Panics
    /// If there is none.
    pub fn item(&self, id: u64) -> &WorkItem {
        self.items.get(&id).unwrap_or_else(|| panic!("no work item {id} in this tracker"))
    }

    pub(crate) fn kind(&self, name: &str) -> Option<&WorkItemKind> {
        self.kinds.iter().find(|kind| kind.name.eq_ignore_ascii_case(name))
    }

    /// The person of a mail, or of `Name <mail>`.
    pub(crate) fn person(&self, text: &str) -> Option<&(String, String)> {
        let mail = text.rsplit_once('<').map_or(text, |(_, rest)| rest.trim_end_matches('>'));
        self.people.iter().find(|(_, known)| known.eq_ignore_ascii_case(mail.trim()))
    }
}

/// The trackers of all organisations, by their ids.
#[derive(Default)]
pub(crate) struct Trackers(Mutex<BTreeMap<String, Tracker>>);

impl Trackers {
    /// Reads or changes the tracker of an organisation.
    pub(crate) fn with<T>(&self, organisation: &str, work: impl FnOnce(&mut Tracker) -> T) -> T {
        work(self.lock().entry(organisation.to_owned()).or_default())
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Tracker>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
