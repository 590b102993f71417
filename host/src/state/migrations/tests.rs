use rusqlite::Connection;
use serde_json::json;
use tempfile::TempDir;

use super::super::{Event, EventFilter, EventKind, SavedMetadata, State};
use super::*;

/// A store as version 1 left it, with an event that was appended three times on one day and once on the next.
fn version_1(folder: &TempDir) -> State {
    let path = folder.path().join("state.db");
    let connection = Connection::open(&path).unwrap();
    connection.execute_batch("PRAGMA journal_mode = WAL").unwrap();
    connection.execute_batch(STEPS[0]).unwrap();
    connection.pragma_update(None, "application_id", APPLICATION_ID).unwrap();
    connection.pragma_update(None, "user_version", 1).unwrap();
    let rows = "INSERT INTO events (id, day, kind, at, payload) VALUES
                ('a', 0, 'error', 1, '1'), ('b', 0, 'generic', 2, '2'), ('a', 0, 'error', 3, '3'),
                ('a', 1, 'error', 90000000, '4'), ('a', 0, 'error', 5, '5');
                INSERT INTO metadata VALUES ('acme', 'domain_name', 'from', 'to', 0);";
    connection.execute_batch(rows).unwrap();
    State::open_read_only(&path).unwrap()
}

fn journal(state: &State) -> Vec<(i64, String)> {
    let events = state.events(&EventFilter::default(), None, Some(0), 100).unwrap();
    events.into_iter().map(|event| (event.seq, event.payload.to_string())).collect()
}

#[test]
fn a_store_of_version_1_is_taken_up_with_what_counts_in_it() {
    let folder = TempDir::new().unwrap();
    let old = version_1(&folder);
    let state = State::open(old.path()).unwrap();
    let kept = [(2, "2".to_owned()), (4, "4".to_owned()), (5, "5".to_owned())];
    assert_eq!(journal(&state), kept);
    let saved = SavedMetadata { name: "domain_name".into(), configured: "from".into(), value: "to".into() };
    assert_eq!(state.all_metadata("acme").unwrap(), [saved]);
    assert_eq!((state.oldest_seq().unwrap(), state.last_seq().unwrap()), (Some(2), 5));

    let event = Event {
        id: "a".to_owned(),
        kind: EventKind::Error,
        at: super::super::records::from_unix_ms(6),
        integration: None,
        repository: None,
        fingerprint: None,
        payload: json!(6),
    };
    state.append(&event).unwrap();
    assert_eq!(journal(&state), [(2, "2".to_owned()), (4, "4".to_owned()), (6, "6".to_owned())]);
    // Who had it open for reading sees it too.
    assert_eq!(journal(&old), journal(&state));
    assert_eq!(journal(&State::open(old.path()).unwrap()), journal(&state));
}

#[test]
fn a_store_that_was_taken_up_is_like_a_new_one() {
    let folder = TempDir::new().unwrap();
    let old = State::open(version_1(&folder).path()).unwrap();
    let new = State::open(&folder.path().join("new.db")).unwrap();
    let schema = |state: &State| {
        let connection = Connection::open(state.path()).unwrap();
        let vacuum: i64 = connection.query_row("PRAGMA auto_vacuum", [], |row| row.get(0)).unwrap();
        let mut statement =
            connection.prepare("SELECT coalesce(sql, name) FROM sqlite_schema ORDER BY name").unwrap();
        let rows = statement.query_map([], |row| row.get::<_, String>(0)).unwrap();
        (vacuum, rows.map(Result::unwrap).collect::<Vec<_>>())
    };
    assert_eq!(schema(&old), schema(&new));
    assert_eq!(schema(&new).0, 2);
    assert!(!schema(&new).1.iter().any(|sql| sql.contains("journal")));
}

#[test]
fn a_store_of_version_2_keeps_what_it_has() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("state.db");
    let connection = Connection::open(&path).unwrap();
    connection.execute_batch(&STEPS[..2].concat()).unwrap();
    connection.pragma_update(None, "application_id", APPLICATION_ID).unwrap();
    connection.pragma_update(None, "user_version", 2).unwrap();
    connection.execute_batch("INSERT INTO standings VALUES ('api', '{}')").unwrap();
    let state = State::open(&path).unwrap();
    assert_eq!(state.standings(|name, _| name.to_owned()).unwrap(), ["api"]);
    assert!(state.discoveries().unwrap().is_empty() && state.found().unwrap().is_empty());
    assert_eq!(version(&connection).unwrap(), SCHEMA_VERSION);
}

#[test]
fn a_store_of_version_1_can_be_read_as_it_is() {
    let folder = TempDir::new().unwrap();
    let old = version_1(&folder);
    assert_eq!(old.all_metadata("acme").unwrap().len(), 1);
    assert!(old.standings(|_, _| ()).unwrap().is_empty() && journal(&old).is_empty());
    assert_eq!((old.oldest_seq().unwrap(), old.last_seq().unwrap()), (None, 0));
}

#[test]
fn a_step_that_fails_leaves_the_store_as_it_was() {
    let folder = TempDir::new().unwrap();
    let old = version_1(&folder);
    let connection = Connection::open(old.path()).unwrap();
    connection.execute_batch("CREATE TABLE incidents (theirs TEXT)").unwrap();
    assert!(State::open(old.path()).is_err());
    assert_eq!(version(&connection).unwrap(), 1);
    let left = "SELECT count(*) FROM sqlite_schema WHERE name IN ('standings', 'unique_events')";
    assert_eq!(connection.query_row(left, [], |row| row.get::<_, i64>(0)).unwrap(), 0);
}
