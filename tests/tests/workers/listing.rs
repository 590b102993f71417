//! What `plugin list` and `plugin verify` say of plugins that run in workers.

use std::fs;

use forgewatch_tests::build;
use forgewatch_tests::sandbox::Sandbox;
use serde_json::Value;

use crate::support::{LIBRARY, assert_has};

/// A sandbox with the workspace's plugins and a copy of the one that attacks.
fn with_hostile(markers: &[(&str, &str)]) -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write(LIBRARY, build::hostile_with(markers));
    sandbox
}

fn entry(listing: &Value, key: &str) -> Value {
    let entries = listing["plugins"].as_array().expect("a list");
    entries.iter().find(|entry| entry["key"] == key).expect("it is listed").clone()
}

#[test]
fn states_come_with_their_causes() {
    // Markers, state, sandbox, and a part of the detail.
    for (markers, state, covered, detail) in [
        (("answer", "A"), "ready", Some("full"), ""),
        (("default", "panic"), "refused", None, "does not start: the plugin panicked in Provider::default"),
        (
            ("constructor", "segfault"),
            "quarantined",
            None,
            "since it failed 3 times in a row, at last: it crashed with a segmentation fault (SIGSEGV)",
        ),
    ] {
        let sandbox = with_hostile(&[markers]);
        let listing = sandbox.run(&["plugin", "list", "--format=json"]).exits(0).json();
        let entry = entry(&listing, "hostile");
        assert_eq!((&entry["state"], &entry["isolation"]), (&state.into(), &"process".into()), "{entry:#}");
        assert_eq!(entry["sandbox"].as_str(), covered, "{entry:#}");
        assert_has(entry["detail"].as_str().expect("text"), &[detail]);
        let since = entry["since"].as_str().expect("a time");
        assert!(since.starts_with("20") && since.ends_with('Z') && since.len() == 20, "{since}");

        let table = sandbox.run(&["plugin", "list"]).exits(0).stdout;
        let room = covered.map_or("in a worker process\n", |_| "in a worker process, sandbox full\n");
        assert_has(&table, &[&format!("{state:12}  hostile "), "Hostile 1.0.0\n", room, detail]);
        // One that is broken is nobody else's trouble.
        assert_has(&table, &["ready         vsts "]);
    }
}

#[test]
fn in_the_host_s_own_process_nothing_is_opened_to_be_listed() {
    let sandbox = with_hostile(&[("constructor", "exit")]);
    sandbox.write("forgewatch.toml", "[providers.hostile]\nisolation = \"in_process\"\n");
    let listing = sandbox.run(&["plugin", "list", "--format=json"]).exits(0).json();
    let entry = entry(&listing, "hostile");
    for (key, value) in [("state", "available"), ("isolation", "in_process"), ("sandbox", "none")] {
        assert_eq!(entry[key], value, "{entry:#}");
    }
    assert!(entry["since"].is_null(), "{entry:#}");
    let table = sandbox.run(&["plugin", "list"]).exits(0).stdout;
    assert_has(&table, &["available     hostile ", "in the host's process, without a sandbox\n"]);
}

#[test]
fn a_library_that_is_refused_is_listed_with_its_cause() {
    let sandbox = Sandbox::new();
    fs::write(sandbox.path(LIBRARY), "garbage").expect("a file can be written");
    let table = sandbox.run(&["plugin", "list"]).exits(0).stdout;
    assert_has(&table, &["libforgewatch_hostile.so", "ready         vsts "]);
    assert!(!table.contains("hostile.so\n              in a worker"), "{table}");
}

#[test]
fn verify_says_what_ended_the_worker() {
    for (marker, cause) in [
        (("constructor", "none"), None),
        (("constructor", "exit"), Some("it exited by itself with status 7")),
        (("constructor", "connect"), Some("it tried to open a network connection (`socket`)")),
        (("default", "panic"), Some("does not start: the plugin panicked in Provider::default")),
    ] {
        let run = with_hostile(&[marker]).run(&["plugin", "verify", "hostile"]);
        match cause {
            None => assert_has(
                &run.exits(0).stdout,
                &[
                    "ok      sandbox   full\n",
                    "ok      start     the provider is ready, in a worker process\n",
                ],
            ),
            Some(cause) => {
                assert_has(&run.exits(1).stdout, &["failed  start     the plugin `hostile` ", cause]);
            }
        }
    }
}
