//! State files that cannot be used, at the start and later.

use std::fs;

use forgewatch_tests::daemon::Daemon;
use forgewatch_tests::records::Records;
use forgewatch_tests::sandbox::Sandbox;
use forgewatch_tests::watchlist::Watchlist;

use crate::support::{delete, large, until_granted, wait_for_checks};

/// The daemon must refuse to start, and say all of this.
#[track_caller]
fn assert_refused(sandbox: &Sandbox, arguments: &[&str], parts: &[&str]) {
    let run = sandbox.run(&[&["run"], arguments].concat()).exits(2);
    for part in parts {
        assert!(run.stderr.contains(part), "no {part:?} in:\n{}", run.stderr);
    }
    assert!(!run.stderr.contains("ready"), "{}", run.stderr);
}

#[test]
fn a_state_has_one_daemon() {
    let fake = large(1, 1);
    let sandbox = Watchlist::large(1, 1).sandbox(&fake);
    let daemon = Daemon::start(&sandbox);
    assert_refused(&sandbox, &[], &["another daemon uses", "stop it", "`state.path`"]);
    wait_for_checks(&fake, 2);
    daemon.stop();
    Daemon::start(&sandbox).stop();
}

#[test]
fn a_state_that_is_newer_or_damaged_or_cannot_be_made_is_refused_and_left_as_it_is() {
    let fake = large(1, 1);
    let sandbox = Watchlist::large(1, 1).sandbox(&fake);
    let records = Records::of(&sandbox);
    Daemon::start(&sandbox).stop();
    let state = rusqlite::Connection::open(records.path()).expect("a state");
    state.pragma_update(None, "user_version", 4711).expect("it can be written");
    drop(state);
    assert_refused(&sandbox, &[], &["has schema 4711", "upgrade", "`state.path`"]);

    fs::write(
        records.path(),
        "no database at all, and long enough to be taken for the head of one".repeat(100),
    )
    .expect("it can be written");
    assert_refused(&sandbox, &[], &["is no intact state of forgewatch", "move it away", "`state.path`"]);
    assert!(fs::read(records.path()).expect("it is there").starts_with(b"no database"));

    sandbox.write("file", "");
    let path = format!("state.path={:?}", sandbox.path("file/folder/state.db"));
    assert_refused(&sandbox, &["--set", &path], &["file/folder/state.db` cannot be written", "state.path"]);
}

#[test]
fn while_the_state_cannot_be_written_checks_go_on_and_nothing_is_forgotten() {
    const WAITS: &str = "what cannot be saved waits in memory";
    let fake = large(1, 3);
    let sandbox = Watchlist::large(1, 3).set("defaults.interval", r#""300ms""#).sandbox(&fake);
    let daemon = Daemon::start(&sandbox);
    until_granted(&daemon, 3);
    // Every write fails that is not to the first bytes.
    daemon.process().limit_files(Some(1));
    daemon.tells(WAITS, 1);
    delete(&fake, 0, 1);
    daemon.tells("access to `p0-r1` is lost", 1);
    wait_for_checks(&fake, 10);
    let health = daemon.get("/api/v1/status").json()["state"].clone();
    assert_eq!(
        (&health["persisting"], health["waiting"].as_u64() > Some(0)),
        (&false.into(), true),
        "{health}"
    );
    assert_eq!(daemon.get("/api/v1/repositories/p0-r1").json()["verdict"], "denied");
    let before = daemon.records().standings();
    assert_eq!(before["p0-r1"]["confirmed"]["reason"], "granted");
    daemon.process().limit_files(None);
    daemon.tells("is written again", 1);
    daemon.until_confirmed(1, "not_found");
    let records = daemon.records().clone();
    let run = daemon.stop();
    assert_eq!(run.stderr.matches(WAITS).count(), 1, "{}", run.stderr);
    assert!(run.stderr.contains("0 events were dropped"), "{}", run.stderr);
    assert_eq!(records.transitions("p0-r1"), [">granted", "granted>not_found"]);
    assert_eq!(records.open_incidents().len(), 1);
    let seen = |standing: &serde_json::Value| standing["seen"]["at"].as_i64().expect("a moment");
    assert!(records.standings().iter().all(|(name, now)| seen(now) > seen(&before[name])));
    records.assert_intact();
}
