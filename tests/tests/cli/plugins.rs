//! Plugins that misbehave: the host says what it saw and goes on with the others.

use forgewatch_tests::fake::World;
use serde_json::Value;

use crate::support::{CONTOSO, HOST, ODD, assert_harmless, assert_has, misbehaving};

/// Integrations whose clients differ, and repositories that ask the plugin for every kind of misbehaviour.
const ODD_ONES: &str = r#"
check_timeout = "4s"
http.timeout = "3s"
http.concurrency = 64

[integrations.panicking]
provider = "misbehaving"
domain_name = "https://forge.example/"
external_id = "panic-client"

[integrations.panicking-drop]
provider = "misbehaving"
domain_name = "https://forge.example/"
external_id = "panic-client-drop"

[integrations.foreign]
provider = "misbehaving"
domain_name = "https://forge.example/"
external_id = "foreign-base-url"

[integrations.named]
provider = "misbehaving"
domain_name = "https://forge.example/"
identity = "reader"

[repositories]
panic-sync = { integration = "odd", name = "panic-sync" }
panic-future = { integration = "odd", name = "panic-future" }
panic-drop = { integration = "odd", name = "panic-drop" }
panic-client = { integration = "panicking", name = "fine" }
panic-client-drop = { integration = "panicking-drop", name = "fine" }
panic-parse = { url = "https://misbehaving.example/fine", integration = "parsed" }
hang = { integration = "odd", name = "hang" }
hang-panic-drop = { integration = "odd", name = "hang-panic-drop" }
unknown-reason = { integration = "odd", name = "unknown-reason" }
granted-failure = { integration = "odd", name = "granted-failure" }
delete = { integration = "odd", name = "delete" }
foreign-host = { integration = "named", name = "foreign-host" }
own-authorization = { integration = "odd", name = "own-authorization" }
foreign-base-url = { integration = "foreign", name = "fine" }
log = { integration = "odd", name = "log" }
control-characters = { integration = "odd", name = "control-characters" }
long-detail = { integration = "odd", name = "long-detail" }
sleep = { integration = "odd", name = "sleep" }
sleep-too-long = { integration = "odd", name = "sleep-too-long" }
sleep-malformed = { integration = "odd", name = "sleep-malformed" }
slow-is-fine = { integration = "odd", name = "slow-is-fine" }
storefront = { integration = "contoso", project = "Web Shop", name = "storefront" }

[integrations.parsed]
provider = "misbehaving"
domain_name = "https://misbehaving.example/"
"#;

fn result<'a>(report: &'a Value, name: &str) -> &'a Value {
    let results = report["results"].as_array().expect("results are a list");
    let found = results.iter().find(|result| result["repository"] == name);
    found.unwrap_or_else(|| panic!("no {name} in {report:#}"))
}

#[test]
fn a_plugin_that_misbehaves_spoils_nothing_but_its_own_answers() {
    let (fake, sandbox) = misbehaving(World::contoso());
    fake.serve_unknown_hosts(true);
    sandbox.write("forgewatch.toml", format!("{ODD_ONES}{CONTOSO}{ODD}"));
    let run = sandbox.run(&["check", "--format", "json"]).exits(1);
    let report = run.json();
    // The repository, its reason, and a part of its detail.
    for (name, reason, detail) in [
        ("panic-sync", "plugin_failed", "panic before the first await"),
        ("panic-future", "plugin_failed", "panic after an await"),
        ("panic-drop", "plugin_failed", "panic in drop"),
        ("panic-client", "plugin_failed", "panicked in get_client"),
        ("panic-client-drop", "granted", ""),
        ("hang", "timed_out", "longer than 4s: the forge is slow or the plugin hangs"),
        ("hang-panic-drop", "timed_out", "longer than 4s"),
        (
            "unknown-reason",
            "provider_error",
            "from the future (the plugin's reason 4711 is unknown to this host)",
        ),
        ("granted-failure", "provider_error", "the plugin's reason 0 is unknown"),
        ("delete", "unreachable", "add `allow_write = true` under `[providers.misbehaving]`"),
        (
            "foreign-host",
            "unreachable",
            "write `allow_hosts = [\"attacker.example\"]` under `[providers.misbehaving]`",
        ),
        ("own-authorization", "unreachable", "the header `Authorization` is the host's own"),
        ("foreign-base-url", "base_url_unresolved", "attacker.example"),
        ("log", "granted", ""),
        ("control-characters", "forbidden", "first\\n\\u{1b}[2Jsecond\\u{202e}third"),
        ("sleep", "granted", "slept"),
        ("sleep-too-long", "timed_out", "longer than 4s"),
        ("sleep-malformed", "plugin_failed", "called the extension `sleep` with 3 bytes"),
        ("slow-is-fine", "granted", ""),
        ("storefront", "granted", ""),
    ] {
        let result = result(&report, name);
        assert_eq!(result["reason"], reason, "{result:#}");
        assert_has(result["detail"].as_str().expect("a detail is text"), &[detail]);
    }
    let slept = result(&report, "sleep");
    assert!(slept["duration_ms"].as_f64() >= Some(20.0) && slept["http_status"].is_null(), "{slept:#}");
    let long = result(&report, "long-detail")["detail"].as_str().expect("a detail is text");
    assert!(long.ends_with('…') && long.len() < 4096, "{} bytes", long.len());

    assert_harmless(&run.stderr);
    let line = run.stderr.lines().find(|line| line.contains("hello"));
    assert_has(
        line.expect("the plugin's line"),
        &[
            "WARN",
            "check{repository=log integration=odd}",
            "hello from the plugin\\u{1b}[31m",
            "plugin=\"misbehaving\"",
            "answer=42",
        ],
    );
    let sent_to = |host: &str| fake.requests_to(|request| request.host == host);
    assert!(sent_to("attacker.example").is_empty());
    let carried = |request: &forgewatch_tests::fake::Recorded| request.header("authorization").is_some();
    assert!(!sent_to(HOST).iter().any(carried), "no identity was asked for");
    let methods = sent_to(HOST);
    let other = methods.iter().find(|request| !["CONNECT", "GET"].contains(&request.method.as_str()));
    assert!(other.is_none(), "{other:?}");
}

#[test]
fn what_the_operator_allows_is_allowed() {
    let (fake, sandbox) = misbehaving(World::contoso());
    fake.serve_unknown_hosts(true);
    sandbox.write(
        "forgewatch.toml",
        format!(
            "{CONTOSO}{ODD}identity = \"reader\"\n[providers.misbehaving]\nallow_write = true\n\
             allow_hosts = [\"attacker.example\"]\n[repositories]\n\
             delete = {{ integration = \"odd\", name = \"delete\" }}\n\
             foreign-host = {{ integration = \"odd\", name = \"foreign-host\" }}\n"
        ),
    );
    sandbox.run(&["check"]);
    let sent = |method: &str, host: &str| {
        fake.requests_to(|request| request.method == method && request.host == host).len()
    };
    assert_eq!((sent("DELETE", HOST), sent("GET", "attacker.example")), (1, 1));
}

#[test]
fn a_parser_that_panics_is_a_route_that_fails() {
    let (_fake, sandbox) = misbehaving(World::contoso());
    sandbox.write("forgewatch.toml", CONTOSO);
    let run = sandbox.run(&[
        "route",
        "--format=json",
        "https://misbehaving.example/panic-parse",
        "https://misbehaving.example/fine",
        "https://dev.azure.com/contoso/_git/Tools",
    ]);
    let routes = run.exits(1).json();
    assert_has(routes[0]["detail"].as_str().expect("a detail"), &["panic in the parser"]);
    assert_eq!(routes[1]["name"], "fine");
    assert_eq!(routes[2]["integration"], "contoso");
}
