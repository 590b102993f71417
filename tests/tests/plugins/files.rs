//! Library files that are not what their names promise.

use std::fs;
use std::time::Duration;

use forgewatch_tests::build;
use forgewatch_tests::patch::patched;

use crate::support::{Plugin, Row, Sweep};

const FAILED: &[&str] = &["plugin_failed"];
const LIMIT: Duration = Duration::from_secs(40);

#[test]
fn a_file_that_cannot_be_used_costs_the_answers_of_its_provider() {
    let file = |shown: &str, details, change: fn(Vec<u8>) -> Vec<u8>| {
        let row = Row::check("fine", FAILED, details).called(shown);
        Plugin::hostile().without_innocents().row(row).map(change)
    };
    let sweep = Sweep::new("20s")
        .plugin(file(
            "without the section",
            &["is not used", "is no Forgewatch plugin: it has no manifest"],
            |library| patched(&library, ".forgewatch\0", ".forgewitch\0"),
        ))
        .plugin(file(
            "for another machine",
            &["is not used", "is built for", "install the build for"],
            |mut library| {
                // `e_machine`: another one of the two that Forgewatch runs on.
                library[18] = if cfg!(target_arch = "x86_64") { 183 } else { 62 };
                library
            },
        ))
        .plugin(file(
            "cut off in the middle",
            &["is not used", "is no intact library file"],
            |mut library| {
                library.truncate(library.len() / 2);
                library
            },
        ))
        .plugin(file("empty", &["is not used", "is no intact library file"], |_| Vec::new()));
    sweep.run(LIMIT, 3);
}

#[test]
fn a_manifest_that_lies_about_its_key_takes_nobodys_place() {
    // Which of two files would run must not be a matter of chance, so neither does.
    let sweep = Sweep::new("20s");
    sweep.write_configuration();
    sweep.sandbox.write("plugins/libstranger.so", that_claims_to_be_vsts());
    let run = sweep.sandbox.run(&["check", "--format=json"]).exits(3);
    let results = run.json();
    let results = results["results"].as_array().expect("results");
    assert!(!results.is_empty());
    for result in results {
        assert_eq!(result["reason"], "plugin_failed", "{result}");
        let detail = result["detail"].as_str().expect("text");
        assert!(detail.contains("libstranger.so` are both plugins for `vsts`: remove one"), "{detail}");
    }
    println!("\na key that is another's     plugin_failed for both\nstandard error:\n{}", run.stderr);

    // With a lock file it is known who came first.
    let sweep = Sweep::new("20s").toml("[plugins]\nlock_file = \"forgewatch.lock\"\n");
    sweep.write_configuration();
    sweep.sandbox.run(&["plugin", "lock"]).exits(0);
    sweep.sandbox.write("plugins/libstranger.so", that_claims_to_be_vsts());
    sweep.run(LIMIT, 0);
}

/// The attacking library with the manifest of another provider.
fn that_claims_to_be_vsts() -> Vec<u8> {
    patched(
        &fs::read(build::hostile()).expect("the library is there"),
        "\0key=hostile\0name=Hostile",
        "\0key=vsts\0name=Hostile...",
    )
}
