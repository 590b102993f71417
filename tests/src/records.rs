//! What a daemon has written into its state, read behind its back.
//!
//! The file is opened anew for each look and for reading alone, so that looking disturbs nobody.

use std::collections::BTreeMap;
use std::path::PathBuf;

use rusqlite::{Connection, OpenFlags};
use serde_json::Value;

use crate::sandbox::Sandbox;

/// A state file, there or not.
#[derive(Clone, Debug)]
pub struct Records {
    path: PathBuf,
}

/// An event of the journal.
#[derive(Clone, Debug)]
pub struct Event {
    /// Its id.
    pub id: String,
    /// `transaction`, `error` or `generic`.
    pub kind: String,
    /// Milliseconds since 1970.
    pub at: i64,
    /// The integration that it is about.
    pub integration: Option<String>,
    /// The repository that it is about.
    pub repository: Option<String>,
    /// The rest.
    pub payload: Value,
}

impl Records {
    /// Those in the sandbox's usual place.
    pub fn of(sandbox: &Sandbox) -> Self {
        Self { path: sandbox.path("state/forgewatch/state.db") }
    }

    /// The file.
    pub fn path(&self) -> &PathBuf {
        &self.path
    }

    /// The state, for queries of one's own.
    ///
    /// # Panics
    /// If it cannot be opened; the other looks are as strict.
    pub fn open(&self) -> Connection {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        Connection::open_with_flags(&self.path, flags).expect("a state")
    }

    /// What is known of each repository.
    pub fn standings(&self) -> BTreeMap<String, Value> {
        let rows =
            self.rows("SELECT repository, standing FROM standings", |row| Ok((row.get(0)?, row.get(1)?)));
        rows.into_iter().map(|(name, standing): (String, String)| (name, json(&standing))).collect()
    }

    /// What is known of one, null if nothing is.
    pub fn standing(&self, repository: &str) -> Value {
        self.standings().remove(repository).unwrap_or_default()
    }

    /// The confirmed reason of each repository that has one.
    pub fn confirmed(&self) -> BTreeMap<String, String> {
        let standings = self.standings().into_iter();
        let reason = |standing: &Value| Some(standing["confirmed"]["reason"].as_str()?.to_owned());
        standings.filter_map(|(name, standing)| Some((name, reason(&standing)?))).collect()
    }

    /// How many repositories are confirmed for this reason.
    pub fn count_of(&self, reason: &str) -> usize {
        self.confirmed().values().filter(|confirmed| *confirmed == reason).count()
    }

    /// All incidents, oldest first.
    pub fn incidents(&self) -> Vec<Value> {
        let query = "SELECT incident FROM incidents ORDER BY opened_at, id";
        self.rows(query, |row| row.get::<_, String>(0)).iter().map(|incident| json(incident)).collect()
    }

    /// Those that are open.
    pub fn open_incidents(&self) -> Vec<Value> {
        self.incidents().into_iter().filter(|incident| incident["resolved_at"].is_null()).collect()
    }

    /// The journal, oldest first.
    pub fn events(&self) -> Vec<Event> {
        let query = "SELECT id, kind, at, integration, repository, payload FROM events ORDER BY seq";
        self.rows(query, |row| {
            Ok(Event {
                id: row.get(0)?,
                kind: row.get(1)?,
                at: row.get(2)?,
                integration: row.get(3)?,
                repository: row.get(4)?,
                payload: json(&row.get::<_, String>(5)?),
            })
        })
    }

    /// The events of a generic kind, as their payload names it.
    pub fn generic(&self, name: &str) -> Vec<Event> {
        self.events().into_iter().filter(|event| event.payload["generic"] == name).collect()
    }

    /// What became of incidents, in order: `opened`, `updated` and `resolved`.
    pub fn of_incidents(&self, what: &str) -> Vec<Event> {
        self.events().into_iter().filter(|event| event.payload["incident"] == what).collect()
    }

    /// The confirmed changes of a repository as `from>to`, in order; `from` is empty for the first.
    pub fn transitions(&self, repository: &str) -> Vec<String> {
        self.all_transitions().remove(repository).unwrap_or_default()
    }

    /// The confirmed changes of all repositories.
    pub fn all_transitions(&self) -> BTreeMap<String, Vec<String>> {
        let mut all: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for event in self.generic("transition") {
            let reason = |side: &str| event.payload[side]["reason"].as_str().unwrap_or_default().to_owned();
            let turn = format!("{}>{}", reason("from"), reason("to"));
            all.entry(event.repository.clone().unwrap_or_default()).or_default().push(turn);
        }
        all
    }

    /// Checks the whole file.
    pub fn assert_intact(&self) {
        let verdicts = self.rows("PRAGMA integrity_check", |row| row.get::<_, String>(0));
        assert_eq!(verdicts, ["ok"]);
    }

    fn rows<T>(&self, query: &str, read: impl Fn(&rusqlite::Row<'_>) -> rusqlite::Result<T>) -> Vec<T> {
        let state = self.open();
        let mut statement = state.prepare(query).expect("a query");
        let rows = statement.query_map([], |row| read(row)).expect("rows");
        rows.map(|row| row.expect("a row")).collect()
    }
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).expect("JSON")
}
