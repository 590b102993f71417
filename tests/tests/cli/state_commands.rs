//! `forgewatch state`: what `check` finds and leaves alone, and what `backup` writes and refuses.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use forgewatch_tests::fake::{Fake, World};
use forgewatch_tests::sandbox::{Run, Sandbox};
use rusqlite::Connection;
use serde_json::json;

use crate::support::{CONTOSO, assert_harmless, assert_has, contoso_sandbox, redacted};

const STOREFRONT: &str =
    "[repositories.storefront]\nurl = \"https://dev.azure.com/contoso/Web%20Shop/_git/storefront\"\n";

/// A sandbox whose state, `state.db` in a folder of its own, has the transaction of one sweep in it.
fn swept() -> Sandbox {
    let fake = Fake::start_blocking(World::contoso());
    let sandbox = contoso_sandbox(&fake);
    let state = "[state]\npath = \"kept/state.db\"\n";
    sandbox.write("forgewatch.toml", format!("{CONTOSO}{STOREFRONT}{state}"));
    sandbox.run(&["check"]).exits(0);
    sandbox
}

/// Every file of a folder with its mode and what stands for its bytes.
fn files(folder: &Path) -> BTreeMap<PathBuf, (u32, u64)> {
    let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    let described = entries.map(|path| {
        let mode = fs::metadata(&path).expect("a file").permissions().mode() & 0o777;
        let mut hasher = DefaultHasher::new();
        fs::read(&path).unwrap_or_default().hash(&mut hasher);
        (path, (mode, hasher.finish()))
    });
    described.collect()
}

/// Checks the state at a path.
fn check(sandbox: &Sandbox, path: &str) -> Run {
    sandbox.run(&["state", "check", "--format", "json", "--set", &format!("state.path={path}")])
}

/// Overwrites the pages of a table or an index.
fn damage(store: &Path, name: &str) {
    let page = "SELECT rootpage FROM sqlite_schema WHERE name = ?1";
    let connection = Connection::open(store).expect("a store");
    let page: i64 = connection.query_row(page, [name], |row| row.get(0)).expect("a page");
    drop(connection);
    let mut bytes = fs::read(store).expect("a store");
    bytes[(page as usize - 1) * 4096..][..4096].fill(0xaa);
    fs::write(store, bytes).expect("its owner may");
}

#[test]
fn a_good_state_is_told_as_such_and_left_as_it_is() {
    let sandbox = swept();
    let before = files(&sandbox.path("kept"));
    let report = sandbox.run(&["state", "check", "--format", "json"]).exits(0).json();
    let moment = report["oldest_event"].as_str().expect("a moment").to_owned();
    let expected = json!({
        "path": sandbox.path("kept/state.db"),
        "damaged": false,
        "schema": 5,
        "size_bytes": fs::metadata(sandbox.path("kept/state.db")).expect("a store").len(),
        "log_bytes": 0,
        "tables": {"standings": 0, "incidents": 0, "events": 1, "alerts": 0, "followed": 0, "subscriptions": 0, "discoveries": 0, "found": 0, "metadata": 0, "identities": 0},
        "oldest_event": moment,
        "newest_event": moment,
        "findings": [],
    });
    assert_eq!(report, expected);
    let table = sandbox.run(&["state", "check"]).exits(0);
    let told = redacted(&sandbox, &table.stdout).replace(&moment, "[moment]");
    insta::assert_snapshot!("state_check", told);
    assert_eq!(files(&sandbox.path("kept")), before);

    // Nor does it matter that somebody has it open and writes to it.
    let other = Connection::open(sandbox.path("kept/state.db")).expect("a store");
    other.execute_batch("BEGIN IMMEDIATE; DELETE FROM events").expect("nobody else writes");
    let report = sandbox.run(&["state", "check", "--format", "json"]).exits(0).json();
    assert_eq!(report["tables"]["events"], 1);
    other.execute_batch("COMMIT").expect("nobody else writes");
    let report = sandbox.run(&["state", "check", "--format", "json"]).exits(0).json();
    assert_eq!((&report["tables"]["events"], &report["oldest_event"]), (&json!(0), &json!(null)));
}

#[test]
fn damage_is_found() {
    let sandbox = swept();
    let good = sandbox.path("kept/state.db");
    for name in ["events", "events_by_kind", "metadata"] {
        fs::copy(&good, sandbox.path(&format!("{name}.db"))).expect("a copy");
        damage(&sandbox.path(&format!("{name}.db")), name);
    }
    let bytes = fs::read(&good).expect("a store");
    sandbox.write("cut.db", &bytes[..bytes.len() / 2]);
    sandbox.write("text.db", "dear diary\n".repeat(100));
    for name in ["events", "events_by_kind", "metadata", "cut", "text"] {
        let path = sandbox.path(&format!("{name}.db"));
        fs::set_permissions(&path, Permissions::from_mode(0o600)).expect("its owner may");
        let before = fs::read(&path).expect("a file");
        let run = check(&sandbox, &format!("{name}.db")).exits(1);
        assert_eq!(run.stderr, "");
        let report = run.json();
        assert_eq!(report["damaged"], true, "{name}: {report:#}");
        for finding in report["findings"].as_array().expect("a list") {
            assert_eq!(finding["damage"], true, "{name}: {finding:#}");
            assert_has(finding["help"].as_str().expect("text"), &["put a backup in its place"]);
        }
        assert_eq!(fs::read(&path).expect("a file"), before, "{name} was changed");
    }
    let table = sandbox.run(&["state", "check", "--set", "state.path=events.db"]).exits(1).stdout;
    assert_has(&table, &["\ndamaged     ", "put a backup in its place", "\nthe state is damaged\n"]);
    assert!(!table.contains("\\n") && !table.contains("***"), "{table}");
    assert_eq!(table.matches("put a backup in its place").count(), 1, "{table}");
    let copy = ["state", "backup", "copy.db", "--set", "state.path=metadata.db"];
    assert_has(&sandbox.run(&copy).exits(2).stderr, &["error: ", "is no intact state of forgewatch"]);
    assert!(!sandbox.path("copy.db").exists());
}

#[test]
fn what_cannot_be_looked_into_is_told() {
    let sandbox = swept();
    let foreign = Connection::open(sandbox.path("foreign.db")).expect("a database");
    foreign.execute_batch("CREATE TABLE theirs (a)").expect("a table");
    drop(foreign);
    fs::copy(sandbox.path("kept/state.db"), sandbox.path("newer.db")).expect("a copy");
    let newer = Connection::open(sandbox.path("newer.db")).expect("a store");
    newer.execute_batch("PRAGMA user_version = 99").expect("the version can be set");
    drop(newer);
    for (path, message) in [
        ("nowhere.db", "there is no state at"),
        ("kept", "cannot be read: it is no file"),
        ("foreign.db", "another program made this database"),
        ("newer.db", "has schema 99, this version knows 5: upgrade"),
    ] {
        let run = check(&sandbox, path).exits(2);
        assert_has(&run.stderr, &["error: ", message, path]);
        assert_eq!((run.stdout.as_str(), run.stderr.lines().count()), ("", 1), "{run:#?}");
    }
    assert!(!sandbox.path("nowhere.db").exists());
}

#[test]
fn dangers_are_no_damage() {
    let sandbox = swept();
    let state = sandbox.path("kept/state.db");
    fs::set_permissions(&state, Permissions::from_mode(0o644)).expect("its owner may");
    symlink("kept/state.db", sandbox.path("link\u{1b}.db")).expect("a link");
    sandbox.write("empty.db", "");
    for (path, problem, help) in [
        ("kept/state.db", "others may use it (mode 0644), and it holds tokens", "chmod 600"),
        ("link\u{1b}.db", "it is a symbolic link to `kept/state.db`", "name the file itself in `state.path`"),
        ("empty.db", "it is empty: nothing was ever saved, or it was lost", "put a backup in its place"),
    ] {
        let set = format!("state.path={path}");
        let run = sandbox.run(&["state", "check", "--set", &set]).exits(0);
        assert_has(&run.stdout, &["\ndanger      ", problem, help, "\nnothing is damaged\n"]);
        assert_harmless(&run.stdout);
        let report = check(&sandbox, path).exits(0).json();
        assert_eq!((&report["damaged"], &report["findings"][0]["damage"]), (&json!(false), &json!(false)));
    }
    assert_eq!(fs::metadata(&state).expect("a store").permissions().mode() & 0o777, 0o644);
}

#[test]
fn a_backup_is_a_state_of_its_own() {
    let sandbox = swept();
    let before = fs::read(sandbox.path("kept/state.db")).expect("a store");
    let run = sandbox.run(&["state", "backup", "copy.db"]).exits(0);
    assert_eq!(run.stderr, "");
    let bytes = fs::metadata(sandbox.path("copy.db")).expect("a backup").len();
    let told = "; standings 0, incidents 0, events 1, alerts 0, followed 0, subscriptions 0, discoveries 0, found 0, metadata 0, identities 0\n";
    assert!(run.stdout.starts_with("wrote copy.db: ") && run.stdout.ends_with(told), "{}", run.stdout);
    assert!(fs::read(sandbox.path("kept/state.db")).expect("a store") == before, "it was changed");
    assert_eq!(files(&sandbox.path(""))[&sandbox.path("copy.db")].0, 0o600);

    let report = check(&sandbox, "copy.db").exits(0).json();
    assert_eq!(
        (&report["size_bytes"], &report["tables"]["events"], &report["findings"]),
        (&json!(bytes), &json!(1), &json!([]))
    );
    sandbox.run(&["check", "--set", "state.path=copy.db", "--set", "http.timeout=1s"]);
    assert_eq!(check(&sandbox, "copy.db").exits(0).json()["tables"]["events"], 2);
    // Nothing but the backup is left where it was written.
    let left: Vec<_> =
        files(&sandbox.path("")).into_keys().filter_map(|path| path.file_name().map(Into::into)).collect();
    assert!(!left.iter().any(|name: &PathBuf| name.to_string_lossy().contains("tmp")), "{left:?}");
}

#[test]
fn a_backup_replaces_nothing_unasked_and_never_the_state() {
    let sandbox = swept();
    let before = fs::read(sandbox.path("kept/state.db")).expect("a store");
    sandbox.write("precious", "mine");
    fs::set_permissions(sandbox.path("precious"), Permissions::from_mode(0o644)).expect("its owner may");
    let refused = sandbox.run(&["state", "backup", "precious"]).exits(2);
    assert_eq!(
        (refused.stdout.as_str(), refused.stderr.as_str()),
        ("", "error: `precious` is there already: choose another name, or replace it with `--force`\n")
    );
    assert_eq!(fs::read(sandbox.path("precious")).expect("a file"), b"mine");
    symlink("kept/state.db", sandbox.path("link.db")).expect("a link");
    for itself in ["kept/state.db", "kept/../kept/state.db-wal", "link.db"] {
        let refused = sandbox.run(&["state", "backup", "--force", itself]).exits(2);
        assert_has(&refused.stderr, &["error: ", itself, "belongs to the state itself: choose another file"]);
    }
    for (file, message) in [("nowhere/copy.db", "cannot be written"), ("kept", "cannot be written")] {
        let refused = sandbox.run(&["state", "backup", "--force", file]).exits(2);
        assert_has(&refused.stderr, &["error: the backup ", file, message]);
    }
    assert!(fs::read(sandbox.path("kept/state.db")).expect("a store") == before, "it was changed");
    let missing = sandbox.run(&["state", "backup", "copy.db", "--set", "state.path=nowhere.db"]).exits(2);
    assert_has(&missing.stderr, &["there is no state at", "nowhere.db"]);
    assert!(!sandbox.path("copy.db").exists());

    sandbox.run(&["state", "backup", "precious", "--force"]).exits(0);
    assert_eq!(files(&sandbox.path(""))[&sandbox.path("precious")].0, 0o600);
    check(&sandbox, "precious").exits(0);
}
