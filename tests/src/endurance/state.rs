//! What the daemon has written down, read beside it.

use std::collections::BTreeMap;
use std::path::Path;

use rusqlite::{Connection, OpenFlags, Params};

/// The state's file.
pub(super) struct State(Connection);

/// A confirmed change of one repository: from one verdict, if there was one, to another.
pub(super) type Turn = (Option<String>, String);

impl State {
    /// # Panics
    /// If it cannot be read, as everywhere in here.
    pub(super) fn open(path: &Path) -> Self {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags).expect("the state is there");
        connection.busy_timeout(std::time::Duration::from_secs(10)).expect("it can be set");
        connection.pragma_update(None, "query_only", true).expect("it can be set");
        Self(connection)
    }

    /// What SQLite finds wrong with the file; `ok` if nothing.
    pub(super) fn integrity(&self) -> String {
        self.0.query_row("PRAGMA integrity_check", [], |row| row.get(0)).expect("it can be read")
    }

    /// The number of the last event.
    pub(super) fn last_seq(&self) -> i64 {
        self.count("SELECT coalesce(max(seq), 0) FROM events", [])
    }

    /// Repositories of which something is known.
    pub(super) fn standings(&self) -> i64 {
        self.count("SELECT count(*) FROM standings", [])
    }

    /// Repositories of which it is believed that access is there, or is not.
    pub(super) fn believed(&self, granted: bool) -> i64 {
        let query = "SELECT count(*) FROM standings \
                     WHERE (standing ->> '$.confirmed.reason' = 'granted') = ?1";
        self.count(query, [granted])
    }

    /// Of these repositories the number whose access is believed to be there, or not to be.
    pub(super) fn believed_of(&self, names: &[String], granted: bool) -> usize {
        let query = "SELECT count(*) FROM standings \
                     WHERE repository = ?1 AND (standing ->> '$.confirmed.reason' = 'granted') = ?2";
        names.iter().filter(|name| self.count(query, (name.as_str(), granted)) == 1).count()
    }

    /// How often incidents did `what` after the event with this number.
    pub(super) fn incidents(&self, what: &str, after: i64) -> i64 {
        let query = "SELECT count(*) FROM events \
                     WHERE seq > ?1 AND kind = 'error' AND payload ->> '$.incident' = ?2";
        self.count(query, (after, what))
    }

    /// The first attempt to read the configuration that began at this moment or later: when it ended, in
    /// milliseconds since 1970, and whether it was successful.
    pub(super) fn reload(&self, from_ms: i64) -> Option<(i64, bool)> {
        let query = "SELECT at + (payload ->> '$.duration_ms'), payload ->> '$.successful' FROM events \
                     WHERE kind = 'generic' AND at >= ?1 \
                     AND payload ->> '$.generic' = 'configuration_reloaded' ORDER BY seq LIMIT 1";
        self.0.query_row(query, [from_ms], |row| Ok((row.get(0)?, row.get(1)?))).ok()
    }

    /// Every repository's turns after the event with this number, in their order.
    pub(super) fn turns(&self, after: i64) -> BTreeMap<String, Vec<Turn>> {
        let query = "SELECT repository, payload ->> '$.from.verdict', payload ->> '$.to.verdict' FROM events \
                     WHERE seq > ?1 AND kind = 'generic' AND payload ->> '$.generic' = 'transition' ORDER BY seq";
        let mut statement = self.0.prepare(query).expect("the query is right");
        let rows = statement.query_map([after], |row| Ok((row.get(0)?, (row.get(1)?, row.get(2)?))));
        let mut turns = BTreeMap::<String, Vec<Turn>>::new();
        for row in rows.expect("it can be read") {
            let (repository, turn) = row.expect("it can be read");
            turns.entry(repository).or_default().push(turn);
        }
        turns
    }

    fn count(&self, query: &str, values: impl Params) -> i64 {
        let mut statement = self.0.prepare_cached(query).expect("the query is right");
        statement.query_row(values, |row| row.get(0)).expect("it can be read")
    }
}
