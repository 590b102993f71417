//! A plugin of version 1 in today's host.

use forgewatch_tests::build;
use forgewatch_tests::fake::{Answer, Fake, Match, Recorded, World, contoso};
use forgewatch_tests::sandbox::{Run, Sandbox};
use serde_json::{Value, json};

/// The host that the fake plays for the old plugin.
const HOST: &str = "abi-1.example";
/// Every way in which the host runs plugins.
const ISOLATIONS: [&str; 2] = ["in_process", "process"];

const CONFIG: &str = r#"
[providers.abi-1]
allow_write = true
options = { colour = "red" }

[identities.reader]
kind = "bearer"
token = { env = "READER" }

[integrations.old]
provider = "abi-1"
external_id = "account-1"
domain_name = "https://abi-1.example"
identity = "reader"

[repositories]
by-url = { url = "https://abi-1.example/p/good" }
by-id = { integration = "old", project = "p", name = "renamed", external_id = "good" }
cut-off = { integration = "old", project = "p", name = "long" }
gone = { integration = "old", project = "p", name = "gone" }
host-extension = { integration = "old", project = "p", name = "host-extension" }
limited = { integration = "old", project = "p", name = "limited" }
odd = { integration = "old", project = "p", name = "odd" }
panic = { integration = "old", project = "p", name = "panic" }
write = { integration = "old", project = "p", name = "write" }
"#;

/// A sandbox with the old plugin, and a fake that plays its forge.
fn sandbox(isolation: &str) -> (Fake, Sandbox) {
    let fake = Fake::start_blocking(World::contoso());
    let at = |path: &str| Match::any().host(HOST).path_prefix(path);
    fake.fault(at("/account/account-1"), Answer::status(200).body("https://abi-1.example/"));
    fake.fault(at("/p/good"), Answer::status(200).header("x-note", "noted").body("hello"));
    fake.fault(at("/p/long"), Answer::status(200).body("x".repeat(65)));
    fake.fault(at("/p/limited"), Answer::status(429));
    fake.fault(at("/p/odd"), Answer::status(418));
    fake.fault(at("/hooks"), Answer::status(201));
    fake.fault(at("/"), Answer::status(404));
    let mut sandbox = Sandbox::with_fake(&fake);
    sandbox.set_variable("READER", contoso::BEARER);
    sandbox.install(&build::baseline().provider);
    sandbox.write(
        "forgewatch.toml",
        CONFIG.replace("allow_write", &format!("isolation = \"{isolation}\"\nallow_write")),
    );
    (fake, sandbox)
}

#[track_caller]
fn assert_result(report: &Value, name: &str, reason: &str, detail: &str, status: Value, retry: Value) {
    let results = report["results"].as_array().expect("results are a list");
    let found = results.iter().find(|result| result["repository"] == name);
    let result = found.unwrap_or_else(|| panic!("no {name} in {report:#}"));
    let seen = (&result["reason"], &result["http_status"], &result["retry_after_s"]);
    assert_eq!(seen, (&reason.into(), &status, &retry), "{result:#}");
    assert!(result["detail"].as_str().is_some_and(|text| text.contains(detail)), "{result:#}");
}

fn check(sandbox: &Sandbox) -> Run {
    sandbox.run(&["--log-level", "info", "check", "--format", "json"]).exits(1)
}

#[test]
fn an_old_plugin_checks_repositories() {
    for isolation in ISOLATIONS {
        let (fake, sandbox) = sandbox(isolation);
        let run = check(&sandbox);
        let report = run.json();
        let none = Value::Null;
        for (name, reason, detail, status, retry) in [
            ("by-url", "granted", "noted", json!(200), &none),
            ("by-id", "granted", "noted", json!(200), &none),
            ("cut-off", "invalid_response", "the answer is cut off", json!(200), &none),
            ("gone", "not_found", "there is no such repository", json!(404), &none),
            ("host-extension", "granted", "version None, unsupported: true", none.clone(), &none),
            ("limited", "rate_limited", "wait", json!(429), &json!(7)),
            ("odd", "provider_error", "an odd answer", json!(418), &none),
            ("panic", "plugin_failed", "panic in the old provider", none.clone(), &none),
            ("write", "granted", "", json!(201), &none),
        ] {
            assert_result(&report, name, reason, detail, status, retry.clone());
        }
        for part in ["made a client", "key=old", "times=0", r#"options={"colour":"red"}"#, "is_past=true"] {
            assert!(run.stderr.contains(part), "no {part} in {}", run.stderr);
        }
        let sent = |path: &str| fake.requests_to(|request| request.host == HOST && request.path == path);
        let bearer = format!("Bearer {}", contoso::BEARER);
        let carries = |request: &Recorded| request.header("authorization") == Some(&bearer);
        let good = sent("/p/good");
        assert!(good.len() == 2 && good.iter().all(|it| carries(it) && it.header("x-abi") == Some("1")));
        let hooks = sent("/hooks");
        assert_eq!((hooks.len(), &*hooks[0].body), (1, b"ping".as_slice()));

        // The base URL that was looked up and the counter were saved.
        let again = check(&sandbox);
        assert!(again.stderr.contains("times=1"), "{}", again.stderr);
        assert_eq!(sent("/account/account-1").len(), 1);
    }
}

#[test]
fn an_old_plugin_takes_urls_apart() {
    for isolation in ISOLATIONS {
        let (_fake, sandbox) = sandbox(isolation);
        let run = sandbox.run(&[
            "route",
            "--format=json",
            "https://abi-1.example/p/n",
            "http://abi-1.example/p/n",
            "https://abi-1.example/p",
            "https://abi-1.example/p/..",
            "https://example.net/p/n",
        ]);
        let routes = run.exits(1).json();
        assert_eq!((&routes[0]["provider"], &routes[0]["integration"]), (&json!("abi-1"), &json!("old")));
        assert_eq!((&routes[0]["project"], &routes[0]["name"]), (&json!("p"), &json!("n")));
        let errors = ["insecure_scheme", "not_a_repository_url", "invalid_segment", "unsupported_host"];
        for (index, error) in errors.into_iter().enumerate() {
            assert_eq!(routes[index + 1]["error"], error, "{routes:#}");
        }
    }
}

#[test]
fn an_old_plugin_is_listed_inspected_and_verified() {
    for isolation in ISOLATIONS {
        let (_fake, sandbox) = sandbox(isolation);
        let listing = sandbox.run(&["plugin", "list", "--format=json"]).exits(0).json();
        let plugins = listing["plugins"].as_array().expect("a list").iter();
        let own: Vec<_> = plugins.filter(|plugin| plugin["key"] == "abi-1").collect();
        assert_eq!(own.len(), 1, "{listing:#}");
        assert_eq!((&own[0]["abi"], &own[0]["isolation"]), (&json!(1), &json!(isolation)));
        assert_eq!(own[0]["state"], if isolation == "process" { "ready" } else { "available" });
        let said = sandbox.run(&["plugin", "inspect", "abi-1", "--format=json"]).exits(0).json();
        assert_eq!((&said["name"], &said["version"]), (&json!("ABI 1"), &json!("1.0.0")));
        assert_eq!(said["wished_hosts"], json!(["www.abi-1.example"]));
        assert_eq!(said["options_schema"]["properties"]["colour"]["type"], "string");
        let steps = sandbox.run(&["plugin", "verify", "abi-1", "--format=json"]).exits(0).json();
        let ok = |step: &Value| step["ok"] == true;
        assert!(steps.as_array().is_some_and(|steps| steps.iter().all(ok)), "{steps:#}");
    }
}
