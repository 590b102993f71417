//! What waits to be written, as one group: all that was submitted is committed together, so that nothing is ever
//! half there.
//!
//! Of one repository's standings, of one incident's rows, and of what was found, only the latest waits. Events wait in
//! order. While the store cannot be written, [`Bound::Limited`] keeps memory bounded: events that find too many of their kind, or too
//! many bytes, waiting, those of a commit that is being tried included, are dropped.

use std::collections::BTreeMap;
use std::ops::Add;

use rusqlite::Transaction;
use serde_json::Value;

use super::records::{DiscoveryRow, Event, EventKind, FoundKey, FoundRow, IncidentRow, Save};
use super::rows;

/// Transactions that wait at most: the least of what a long outage costs, and most of what is recorded.
const MOST_TRANSACTIONS: usize = 10_000;
/// Other events that wait at most.
const MOST_OTHERS: usize = 100_000;
/// What all events that wait take at most, in bytes, however long their texts are.
const MOST_BYTES: usize = 64 << 20;

/// Whether more than a certain number of events may wait.
#[derive(Clone, Copy, Debug)]
pub(super) enum Bound {
    Unlimited,
    /// Together with those that wait elsewhere.
    Limited(Count),
}

/// Numbers of events, and what they take.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Count {
    pub(super) transactions: usize,
    pub(super) others: usize,
    pub(super) bytes: usize,
}

impl Count {
    pub(super) fn all(self) -> usize {
        self.transactions + self.others
    }

    fn of(&mut self, kind: EventKind) -> &mut usize {
        if kind == EventKind::Transaction { &mut self.transactions } else { &mut self.others }
    }
}

impl Add for Count {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            transactions: self.transactions + other.transactions,
            others: self.others + other.others,
            bytes: self.bytes + other.bytes,
        }
    }
}

// Sorted, since neighbours in the store are written faster one after the other.
#[derive(Debug, Default)]
pub(super) struct Backlog {
    standings: BTreeMap<String, Option<String>>,
    incidents: BTreeMap<String, IncidentRow>,
    discoveries: BTreeMap<String, Option<DiscoveryRow>>,
    found: BTreeMap<FoundKey, Option<FoundRow>>,
    events: Vec<Event>,
    count: Count,
}

impl Backlog {
    pub(super) fn is_empty(&self) -> bool {
        self.rows() == 0
    }

    pub(super) fn rows(&self) -> usize {
        let found = self.discoveries.len() + self.found.len();
        self.standings.len() + self.incidents.len() + found + self.events.len()
    }

    pub(super) fn events(&self) -> Count {
        self.count
    }

    /// Adds a group; the events of it that were dropped.
    pub(super) fn add(&mut self, save: Save, bound: Bound) -> Count {
        self.standings.extend(save.standings);
        self.incidents.extend(save.incidents.into_iter().map(|row| (row.id.clone(), row)));
        self.discoveries.extend(save.discoveries);
        self.found.extend(save.found);
        let mut dropped = Count::default();
        for event in save.events {
            let bytes = bytes_of(&event);
            let has_room = self.has_room(event.kind, bytes, bound);
            let count = if has_room { &mut self.count } else { &mut dropped };
            *count.of(event.kind) += 1;
            count.bytes += bytes;
            if has_room {
                self.events.push(event);
            }
        }
        dropped
    }

    fn has_room(&self, kind: EventKind, bytes: usize, bound: Bound) -> bool {
        let most = if kind == EventKind::Transaction { MOST_TRANSACTIONS } else { MOST_OTHERS };
        match bound {
            Bound::Unlimited => true,
            Bound::Limited(elsewhere) => {
                let mut waiting = self.count + elsewhere;
                *waiting.of(kind) < most && waiting.bytes + bytes <= MOST_BYTES
            }
        }
    }

    /// Puts what was submitted later behind what is here.
    pub(super) fn append(&mut self, later: Self) {
        self.standings.extend(later.standings);
        self.incidents.extend(later.incidents);
        self.discoveries.extend(later.discoveries);
        self.found.extend(later.found);
        self.events.extend(later.events);
        self.count = self.count + later.count;
    }

    pub(super) fn write(&self, transaction: &Transaction<'_>) -> rusqlite::Result<()> {
        for (repository, standing) in &self.standings {
            rows::put_standing(transaction, repository, standing.as_deref())?;
        }
        for row in self.incidents.values() {
            rows::put_incident(transaction, row)?;
        }
        for (name, row) in &self.discoveries {
            rows::put_discovery(transaction, name, row.as_ref())?;
        }
        for (key, row) in &self.found {
            rows::put_found(transaction, key, row.as_ref())?;
        }
        self.events.iter().try_for_each(|event| rows::append(transaction, event))
    }
}

/// What an event takes in memory, about.
fn bytes_of(event: &Event) -> usize {
    let Event { id, integration, repository, fingerprint, payload, .. } = event;
    let names = [Some(id), integration.as_ref(), repository.as_ref(), fingerprint.as_ref()];
    let names: usize = names.into_iter().flatten().map(String::len).sum();
    size_of::<Event>() + names + bytes_behind(payload)
}

fn bytes_behind(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
        Value::String(text) => text.len(),
        Value::Array(values) => values.iter().map(|value| size_of::<Value>() + bytes_behind(value)).sum(),
        Value::Object(fields) => {
            let field = size_of::<(String, Value)>();
            fields.iter().map(|(name, value)| field + name.len() + bytes_behind(value)).sum()
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;

    fn save(kind: EventKind, count: usize) -> Save {
        let event = Event {
            id: "a".to_owned(),
            kind,
            at: SystemTime::UNIX_EPOCH,
            integration: None,
            repository: None,
            fingerprint: None,
            payload: Value::Null,
        };
        Save { events: vec![event; count], ..Save::default() }
    }

    #[test]
    fn what_a_commit_has_taken_counts_as_waiting() {
        let elsewhere = Count { transactions: MOST_TRANSACTIONS - 3, others: MOST_OTHERS, bytes: 0 };
        let mut backlog = Backlog::default();
        let dropped = backlog.add(save(EventKind::Transaction, 5), Bound::Limited(elsewhere));
        assert_eq!((dropped.transactions, dropped.others, backlog.rows()), (2, 0, 3));
        let dropped = backlog.add(save(EventKind::Error, 5), Bound::Limited(elsewhere));
        assert_eq!((dropped.transactions, dropped.others, backlog.rows()), (0, 5, 3));
        assert_eq!(backlog.add(save(EventKind::Error, 5), Bound::Unlimited).all(), 0);
        assert_eq!((backlog.events().transactions, backlog.events().others), (3, 5));
    }

    #[test]
    fn a_few_events_that_are_large_leave_no_room_either() {
        let large = || {
            let mut save = save(EventKind::Error, 4);
            for event in &mut save.events {
                event.payload = serde_json::json!({ "errors": [{ "detail": "x".repeat(MOST_BYTES / 4) }] });
            }
            save
        };
        let mut backlog = Backlog::default();
        let dropped = backlog.add(large(), Bound::Limited(Count::default()));
        assert_eq!((dropped.others, backlog.events().others), (1, 3));
        let in_commit = backlog.events();
        assert_eq!(Backlog::default().add(large(), Bound::Limited(in_commit)).others, 4);
        assert_eq!(backlog.add(save(EventKind::Transaction, 1), Bound::Limited(Count::default())).all(), 0);
        assert_eq!(backlog.add(large(), Bound::Unlimited).all(), 0);
    }
}
