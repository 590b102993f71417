use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, SystemTime};

use secrecy::ExposeSecret;
use serde_json::json;
use tempfile::TempDir;

use super::*;

fn store() -> (TempDir, State) {
    let folder = TempDir::new().unwrap();
    let state = State::open(&folder.path().join("deep/er/state.db")).unwrap();
    (folder, state)
}

fn domain_name(configured: &str, value: &str) -> SavedMetadata {
    SavedMetadata {
        name: "domain_name".to_owned(),
        configured: configured.to_owned(),
        value: value.to_owned(),
    }
}

fn tokens(access_token: &str) -> SavedIdentity {
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_607_200);
    SavedIdentity {
        access_token: access_token.into(),
        refresh_token: Some("refresh".into()),
        expires_at: now + Duration::from_secs(3600),
        saved_at: now,
    }
}

fn event(id: &str, at_s: u64, payload: &str) -> Event {
    Event {
        id: id.to_owned(),
        kind: EventKind::Error,
        at: SystemTime::UNIX_EPOCH + Duration::from_secs(at_s),
        integration: Some("acme".to_owned()),
        repository: None,
        fingerprint: None,
        payload: json!({ "text": payload }),
    }
}

fn query<T: rusqlite::types::FromSql>(state: &State, query: &str) -> Vec<T> {
    let store = state.lock().unwrap().unwrap();
    let mut statement = store.connection.prepare(query).unwrap();
    let rows = statement.query_map([], |row| row.get(0)).unwrap();
    rows.map(Result::unwrap).collect()
}

#[test]
fn a_saved_value_applies_while_the_configured_one_is_unchanged() {
    let (_folder, state) = store();
    let saved = domain_name("acme", "https://acme.example/");
    state.save_metadata("acme", &saved).unwrap();
    let reopened = State::open(state.path()).unwrap();
    let read = |configured| reopened.metadata("acme", "domain_name", configured).unwrap();
    assert_eq!(read("acme").as_deref(), Some("https://acme.example/"));
    assert_eq!(read("https://fixed.example/"), None);
    assert_eq!(reopened.metadata("other", "domain_name", "acme").unwrap(), None);
    assert_eq!(reopened.all_metadata("acme").unwrap(), [saved]);
}

#[test]
fn saved_tokens_apply_to_the_same_material_alone() {
    let (_folder, state) = store();
    state.save_identity("bot", "one", &tokens("first")).unwrap();
    state.save_identity("bot", "one", &tokens("second")).unwrap();
    let saved = state.identity("bot", "one").unwrap().unwrap();
    assert_eq!(saved.access_token.expose_secret(), "second");
    assert_eq!(saved.refresh_token.unwrap().expose_secret(), "refresh");
    assert_eq!(saved.expires_at, tokens("").expires_at);
    assert!(state.identity("bot", "two").unwrap().is_none());
    assert!(!format!("{:?}", tokens("second")).contains("second"));
}

#[test]
fn an_event_counts_once_a_day_and_the_latest_wins() {
    let (_folder, state) = store();
    for (id, at_s, payload) in [("a", 10, "old"), ("a", 20, "new"), ("b", 10, "b"), ("a", 90_000, "next day")]
    {
        state.append(&event(id, at_s, payload)).unwrap();
    }
    let shown: Vec<String> = query(&state, "SELECT payload ->> 'text' FROM events ORDER BY seq");
    assert_eq!(shown, ["new", "b", "next day"]);
    assert_eq!(query::<i64>(&state, "SELECT seq FROM events"), [2, 3, 4]);
}

#[test]
fn the_file_is_its_owners_alone() {
    let (folder, state) = store();
    state.append(&event("a", 1, "x")).unwrap();
    let mode = |path: PathBuf| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(folder.path().join("deep/er")), 0o700);
    for ending in ["", "-wal", "-shm"] {
        assert_eq!(mode(folder.path().join(format!("deep/er/state.db{ending}"))), 0o600, "{ending}");
    }
    let path = state.path().to_owned();
    drop(state);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    State::open(&path).unwrap();
    assert_eq!(mode(path), 0o600);
}

#[test]
fn a_newer_store_is_refused_untouched() {
    let (_folder, state) = store();
    state.lock().unwrap().unwrap().connection.execute_batch("PRAGMA user_version = 7").unwrap();
    for opened in [State::open(state.path()), State::open_read_only(state.path())] {
        let error = opened.err().unwrap();
        assert!(matches!(error, StateError::Newer { found: 7, known: 5, .. }), "{error}");
        assert!(error.to_string().ends_with("upgrade, or choose another `state.path`"), "{error}");
    }
    assert_eq!(query::<i64>(&state, "PRAGMA user_version"), [7]);
}

#[test]
fn what_is_no_store_is_refused() {
    let folder = TempDir::new().unwrap();
    let text = folder.path().join("text.db");
    fs::write(&text, "x".repeat(5000)).unwrap();
    let foreign = folder.path().join("foreign.db");
    Connection::open(&foreign).unwrap().execute_batch("CREATE TABLE t (x)").unwrap();
    for path in [text, foreign, folder.path().to_owned()] {
        let error = State::open(&path).err().unwrap();
        assert!(matches!(error, StateError::NotAStore { .. } | StateError::Foreign { .. }), "{error:?}");
    }
}

#[test]
fn what_cannot_be_written_is_told_apart() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    assert!(State::open(&file.join("state.db")).err().unwrap().is_unwritable());

    let (_folder, state) = store();
    let saved = domain_name("acme", "https://acme.example/");
    state.save_metadata("acme", &saved).unwrap();
    state.ensure_writable().unwrap();
    let full = "PRAGMA max_page_count = 1";
    state.lock().unwrap().unwrap().connection.query_row(full, [], |_| Ok(())).unwrap();
    let long = event("a", 1, &"x".repeat(200_000));
    assert!(state.append(&long).err().unwrap().is_unwritable());

    let reader = State::open_read_only(state.path()).unwrap();
    assert_eq!(reader.all_metadata("acme").unwrap().as_slice(), std::slice::from_ref(&saved));
    assert!(reader.save_metadata("acme", &saved).err().unwrap().is_unwritable());
    assert!(reader.ensure_writable().err().unwrap().is_unwritable());
    assert!(reader.exclusive("x").err().unwrap().is_unwritable());
}

#[test]
fn a_store_that_turns_read_only_is_noticed_before_anything_is_lost() {
    let (_folder, state) = store();
    state.freeze();
    assert!(state.ensure_writable().err().unwrap().is_unwritable());
    assert!(state.all_metadata("acme").unwrap().is_empty());
}

#[test]
fn a_store_without_its_log_is_read_as_it_stands() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("odd ?#%41 name.db");
    let state = State::open(&path).unwrap();
    let saved = domain_name("acme", "https://acme.example/");
    state.save_metadata("acme", &saved).unwrap();
    drop(state);
    let (connection, version) = file::open_immutable(&path).unwrap();
    let query = "SELECT value FROM metadata";
    let value: String = connection.query_row(query, [], |row| row.get(0)).unwrap();
    assert_eq!((value.as_str(), version), ("https://acme.example/", 5));
}

#[test]
fn a_missing_store_reads_as_empty() {
    let folder = TempDir::new().unwrap();
    let state = State::open_read_only(&folder.path().join("state.db")).unwrap();
    assert!(state.all_metadata("acme").unwrap().is_empty());
    assert!(state.append(&event("a", 1, "x")).err().unwrap().is_unwritable());
}

#[test]
fn a_store_may_be_opened_by_many_at_once() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("state.db");
    std::thread::scope(|scope| {
        for number in 0..8 {
            let path = &path;
            scope.spawn(move || {
                let state = State::open(path).unwrap();
                state.append(&event(&number.to_string(), 1, "x")).unwrap();
            });
        }
    });
    let state = State::open(&path).unwrap();
    assert_eq!(query::<i64>(&state, "SELECT count(*) FROM events"), [8]);
}
