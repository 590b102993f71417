//! What the command line says of itself.

use forgewatch_tests::sandbox::Sandbox;

use crate::support::{assert_harmless, assert_has};

/// Every command, as its path of names.
const COMMANDS: [&[&str]; 28] = [
    &[],
    &["check"],
    &["run"],
    &["route"],
    &["status"],
    &["plan"],
    &["plugin"],
    &["plugin", "list"],
    &["plugin", "inspect"],
    &["plugin", "verify"],
    &["plugin", "lock"],
    &["plugin", "new"],
    &["plugin", "test"],
    &["config"],
    &["config", "check"],
    &["config", "show"],
    &["config", "explain"],
    &["config", "schema"],
    &["state"],
    &["state", "backup"],
    &["state", "check"],
    &["alerts"],
    &["alerts", "test"],
    &["tracker"],
    &["tracker", "subscribe"],
    &["tracker", "unsubscribe"],
    &["tracker", "list"],
    &["completions"],
];

#[test]
fn help_is_there_for_every_command() {
    let sandbox = Sandbox::new();
    for path in COMMANDS {
        let run = sandbox.run(&[path, &["--help"]].concat()).exits(0);
        assert_eq!(run.stderr, "", "{path:?}");
        assert_has(&run.stdout, &["Usage:", "--config", "--set", "--profile"]);
        assert_harmless(&run.stdout);
    }
    insta::assert_snapshot!("help", sandbox.run(&["--help"]).stdout);
    insta::assert_snapshot!("help_plugin_lock", sandbox.run(&["plugin", "lock", "--help"]).stdout);
    insta::assert_snapshot!("help_state_backup", sandbox.run(&["state", "backup", "--help"]).stdout);
    insta::assert_snapshot!("help_state_check", sandbox.run(&["state", "check", "--help"]).stdout);
    let subscribe = sandbox.run(&["tracker", "subscribe", "--help"]).stdout;
    insta::assert_snapshot!("help_tracker_subscribe", subscribe);
    insta::assert_snapshot!("help_check", sandbox.run(&["check", "--help"]).stdout);

    let version = sandbox.run(&["--version"]).exits(0).stdout;
    assert_eq!(version, concat!("forgewatch ", env!("CARGO_PKG_VERSION"), "\n"));
    for shell in ["bash", "zsh", "fish"] {
        let script = sandbox.run(&["completions", shell]).exits(0).stdout;
        assert_has(&script, &["forgewatch", "inspect", "ndjson"]);
    }
}
