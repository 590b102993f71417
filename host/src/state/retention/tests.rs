use std::fs;
use std::path::Path;

use serde_json::json;
use tempfile::TempDir;

use super::super::{Event, EventFilter, IncidentRow, State, file, rows};
use super::*;

const DAY: Duration = Duration::from_secs(86_400);
const KEPT: Retention =
    Retention { events: DAY.saturating_mul(30), transactions: DAY, incidents: DAY.saturating_mul(7) };

fn days_ago(days: u32) -> SystemTime {
    SystemTime::now() - DAY * days
}

fn fill(connection: &Connection, count: usize, kind: EventKind, days: u32) {
    connection.execute_batch("BEGIN").unwrap();
    for number in 0..count {
        let event = Event {
            id: format!("{}-{days}-{number}", kind.name()),
            kind,
            at: days_ago(days),
            integration: None,
            repository: None,
            fingerprint: None,
            payload: json!("x".repeat(1000)),
        };
        rows::append(connection, &event).unwrap();
    }
    connection.execute_batch("COMMIT").unwrap();
}

fn put_incident(connection: &Connection, id: &str, opened: u32, resolved: Option<u32>) {
    let row = IncidentRow {
        id: id.to_owned(),
        fingerprint: String::new(),
        opened_at: days_ago(opened),
        resolved_at: resolved.map(days_ago),
        incident: "{}".to_owned(),
    };
    rows::put_incident(connection, &row).unwrap();
}

fn store(path: &Path) -> file::Store {
    file::prepare(path).unwrap();
    file::open(path).unwrap()
}

#[test]
fn what_is_too_old_goes_by_its_kind_in_small_steps() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("state.db");
    let store = store(&path);
    let connection = &store.connection;
    fill(connection, 2 * STEP_ROWS + 1, EventKind::Transaction, 2);
    fill(connection, 5, EventKind::Transaction, 0);
    for kind in [EventKind::Error, EventKind::Generic] {
        fill(connection, 10, kind, 31);
        fill(connection, 3, kind, 29);
    }
    for (id, opened, resolved) in [("open", 900, None), ("old", 10, Some(8)), ("new", 10, Some(6))] {
        put_incident(connection, id, opened, resolved);
    }
    let rows = || {
        let count = "SELECT (SELECT count(*) FROM events) + (SELECT count(*) FROM incidents)";
        connection.query_row(count, [], |row| row.get::<_, i64>(0)).unwrap()
    };
    let mut before = rows();
    while step(connection, &KEPT).unwrap() {
        assert!(before - rows() <= STEP_ROWS as i64, "{before} to {}", rows());
        before = rows();
    }
    let state = State::open_read_only(&path).unwrap();
    let count = |kind| {
        let filter = EventFilter { kind: Some(kind), ..EventFilter::default() };
        state.events(&filter, None, None, 1_000_000).unwrap().len()
    };
    assert_eq!(EventKind::ALL.map(count), [5, 3, 3]);
    let incidents =
        |open| state.incidents(open, None, 9).unwrap().into_iter().map(|row| row.id).collect::<Vec<_>>();
    assert_eq!((incidents(true), incidents(false)), (vec!["open".to_owned()], vec!["new".to_owned()]));
}

#[test]
fn the_files_become_smaller_again() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("state.db");
    let store = store(&path);
    let connection = &store.connection;
    fill(connection, 20_000, EventKind::Transaction, 2);
    fill(connection, 1_000, EventKind::Error, 2);
    connection.query_row("PRAGMA wal_checkpoint(FULL)", [], |_| Ok(())).unwrap();
    let size = |ending| fs::metadata(file::beside(&path, ending)).unwrap().len();
    let full = size("");
    assert!(full > 20_000_000);
    while step(connection, &KEPT).unwrap() {}
    assert!(size("") < full / 4, "{} of {full}", size(""));
    assert_eq!(size("-wal"), 0);
    let left: i64 = connection.query_row("SELECT count(*) FROM events", [], |row| row.get(0)).unwrap();
    assert_eq!(left, 1_000);
}
