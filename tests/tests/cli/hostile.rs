//! The plugin that attacks: what the host's services refuse it, wherever it runs.

use std::fs;

use forgewatch_tests::build;
use forgewatch_tests::fake::{Answer, Fake, Match, Recorded, World, contoso};
use forgewatch_tests::sandbox::Sandbox;
use serde_json::Value;

use crate::support::{assert_has, contoso_sandbox};

/// The host of the integration that has a credential, and that of the one that has none.
const RICH: &str = "rich.example";
const POOR: &str = "poor.example";

const INTEGRATIONS: &str = r#"
check_timeout = "20s"

[identities.reader]
kind = "bearer"
token = { env = "READER" }

[integrations.rich]
provider = "hostile"
domain_name = "https://rich.example/"
external_id = "keep-host"
identity = "reader"

[integrations.poor]
provider = "hostile"
domain_name = "https://poor.example/"
"#;

/// A sandbox with the library, and a fake that plays both hosts and every unknown one.
fn hostile(library: &[u8]) -> (Fake, Sandbox) {
    let fake = Fake::start_blocking(World::contoso());
    fake.serve_unknown_hosts(true);
    for host in [RICH, POOR] {
        fake.fault(Match::any().host(host), Answer::status(200));
    }
    let sandbox = contoso_sandbox(&fake);
    sandbox.write("plugins/libforgewatch_hostile.so", library);
    (fake, sandbox)
}

/// Checks repositories, each given as its integration and its name, and gives the results.
fn check(sandbox: &Sandbox, repositories: &[(&str, &str)]) -> Value {
    let line = |(integration, name): &(&str, &str)| {
        format!("{name} = {{ integration = \"{integration}\", name = \"{name}\" }}\n")
    };
    let lines: String = repositories.iter().map(line).collect();
    sandbox.write("forgewatch.toml", format!("{INTEGRATIONS}[repositories]\n{lines}"));
    sandbox.run(&["check", "--format=json"]).json()["results"].take()
}

#[track_caller]
fn assert_answer(results: &Value, name: &str, reason: &str, detail: &str) {
    let results = results.as_array().expect("results are a list");
    let found = results.iter().find(|result| result["repository"] == name);
    let result = found.unwrap_or_else(|| panic!("no {name} in {results:#?}"));
    assert_eq!(result["reason"], reason, "{result:#}");
    assert_has(result["detail"].as_str().expect("a detail is text"), &[detail]);
}

fn sent_to<'a>(fake: &'a Fake, host: &'a str) -> Vec<Recorded> {
    fake.requests_to(|request| request.host == host)
}

#[test]
fn requests_that_are_not_allowed_reach_nobody() {
    let library = fs::read(build::hostile()).expect("the library is there");
    let (fake, sandbox) = hostile(&library);
    let results = check(
        &sandbox,
        &[
            ("poor", "fine"),
            ("poor", "slow-ok"),
            ("poor", "delete"),
            ("rich", "foreign-origin"),
            ("poor", "save-foreign-base-url"),
        ],
    );
    assert_answer(&results, "fine", "granted", "answer=A");
    assert_answer(&results, "slow-ok", "granted", "slow-ok came to its end");
    assert_answer(&results, "delete", "unreachable", "`allow_write = true`");
    assert_answer(&results, "foreign-origin", "unreachable", "`allow_hosts = [\"attacker.example\"]`");
    assert_answer(&results, "save-foreign-base-url", "base_url_unresolved", "attacker.example");
    assert!(sent_to(&fake, "attacker.example").is_empty());
    assert!(!sent_to(&fake, POOR).iter().any(|request| request.method == "DELETE"));
}

#[test]
fn the_handle_of_one_integration_sends_its_credential_nowhere_else() {
    let library = fs::read(build::hostile()).expect("the library is there");
    let (fake, sandbox) = hostile(&library);
    let results = check(
        &sandbox,
        &[("rich", "fine"), ("poor", "other-integration"), ("poor", "other-integration-here")],
    );
    assert_answer(&results, "other-integration", "granted", "ANSWERED 200");
    assert_answer(&results, "other-integration-here", "unreachable", "`allow_hosts = [\"poor.example\"]`");
    let authorized = |host: &str| {
        let requests = sent_to(&fake, host);
        requests.iter().filter(|request| request.header("authorization").is_some()).count()
    };
    assert_eq!((authorized(RICH), authorized(POOR)), (1, 0));
    assert!(!results.to_string().contains(contoso::PAT));
}

#[test]
fn very_many_requests_at_once_are_all_answered() {
    let library = fs::read(build::hostile()).expect("the library is there");
    let (fake, sandbox) = hostile(&library);
    let results = check(&sandbox, &[("poor", "many-requests"), ("poor", "requests-and-never-reads")]);
    assert_answer(&results, "many-requests", "granted", "1000 of 1000 answered");
    assert_answer(&results, "requests-and-never-reads", "granted", "never read");
    let get = |request: &Recorded| request.host == POOR && request.method == "GET";
    assert!(fake.requests_to(get).len() >= 1_000);
}

#[test]
fn a_copy_with_other_markers_is_another_plugin() {
    let library = build::hostile_with(&[("answer", "another")]);
    let original = fs::read(build::hostile()).expect("the library is there");
    assert_eq!(library.len(), original.len());
    let (_fake, sandbox) = hostile(&library);
    assert_answer(&check(&sandbox, &[("poor", "fine")]), "fine", "granted", "answer=another");

    // What its constructor does is seen by the exit status of its process.
    sandbox.write("exits.so", build::hostile_with(&[("constructor", "exit")]));
    sandbox.run(&["plugin", "inspect", "./exits.so"]).exits(0);
    let told = sandbox.run(&["plugin", "verify", "./exits.so"]).exits(1);
    assert_has(&told.stdout, &["it exited by itself with status 7"]);
    sandbox.write("panics.so", build::hostile_with(&[("default", "panic")]));
    let told = sandbox.run(&["plugin", "verify", "./panics.so"]).exits(1);
    assert_has(&told.stdout, &["panic in Provider::default"]);
}
