//! What waits to be written, as one group: all that was submitted is committed together, so that nothing is ever
//! half there.
//!
//! Of one repository's standings, and of one incident's rows, only the latest waits. Events wait in order. While the
//! store cannot be written, [`Bound::Limited`] keeps memory bounded: events that find too many of their kind waiting
//! are dropped.

use std::collections::BTreeMap;

use rusqlite::Transaction;

use super::records::{Event, EventKind, IncidentRow, Save};
use super::rows;

/// Transactions that wait at most: the least of what a long outage costs, and most of what is recorded.
const MOST_TRANSACTIONS: usize = 10_000;
/// Other events that wait at most: about a hundred megabytes.
const MOST_OTHERS: usize = 100_000;

/// Whether more than a certain number of events may wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bound {
    Unlimited,
    Limited,
}

/// Events that were dropped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Dropped {
    pub(super) transactions: u64,
    pub(super) others: u64,
}

impl Dropped {
    pub(super) fn all(self) -> u64 {
        self.transactions + self.others
    }
}

// Sorted, since neighbours in the store are written faster one after the other.
#[derive(Debug, Default)]
pub(super) struct Backlog {
    standings: BTreeMap<String, Option<String>>,
    incidents: BTreeMap<String, IncidentRow>,
    events: Vec<Event>,
    transactions: usize,
}

impl Backlog {
    pub(super) fn is_empty(&self) -> bool {
        self.rows() == 0
    }

    pub(super) fn rows(&self) -> usize {
        self.standings.len() + self.incidents.len() + self.events.len()
    }

    pub(super) fn add(&mut self, save: Save, bound: Bound) -> Dropped {
        let mut dropped = Dropped::default();
        self.standings.extend(save.standings);
        self.incidents.extend(save.incidents.into_iter().map(|row| (row.id.clone(), row)));
        for event in save.events {
            let is_transaction = event.kind == EventKind::Transaction;
            let others = self.events.len() - self.transactions;
            match bound {
                Bound::Limited if is_transaction && self.transactions >= MOST_TRANSACTIONS => {
                    dropped.transactions += 1;
                }
                Bound::Limited if !is_transaction && others >= MOST_OTHERS => dropped.others += 1,
                _ => {
                    self.transactions += usize::from(is_transaction);
                    self.events.push(event);
                }
            }
        }
        dropped
    }

    /// Puts what was submitted later behind what is here.
    pub(super) fn append(&mut self, later: Self) {
        self.standings.extend(later.standings);
        self.incidents.extend(later.incidents);
        self.events.extend(later.events);
        self.transactions += later.transactions;
    }

    pub(super) fn write(&self, transaction: &Transaction<'_>) -> rusqlite::Result<()> {
        for (repository, standing) in &self.standings {
            rows::put_standing(transaction, repository, standing.as_deref())?;
        }
        for row in self.incidents.values() {
            rows::put_incident(transaction, row)?;
        }
        self.events.iter().try_for_each(|event| rows::append(transaction, event))
    }
}
