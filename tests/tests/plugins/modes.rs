//! The plugins in the host's process and in workers: nothing but the time may differ.

use std::fmt::Write;

use forgewatch_tests::build;
use forgewatch_tests::fake::{Answer, Fake, Match, Recorded, World, contoso};
use forgewatch_tests::sandbox::Sandbox;
use serde_json::Value;

use crate::support::HOST;

const INTEGRATIONS: &str = r#"
check_timeout = "4s"
http.timeout = "3s"

[identities.reader]
kind = "pat"
token = { env = "READER" }

[identities.stranger]
kind = "pat"
token = { env = "STRANGER" }

# Whoever is told of a limit asks no more for a while, which is nobody else's business.
[identities.limited]
kind = "pat"
token = { env = "READER" }

[integrations.limited]
provider = "vsts"
domain_name = "https://dev.azure.com/contoso/"
identity = "limited"

[integrations.contoso]
provider = "vsts"
domain_name = "https://dev.azure.com/contoso/"
identity = "reader"

[integrations.strangers]
provider = "vsts"
domain_name = "https://dev.azure.com/contoso/"
identity = "stranger"

[integrations.nobody]
provider = "vsts"
domain_name = "https://dev.azure.com/contoso/"

[integrations.odd]
provider = "misbehaving"
domain_name = "https://forge.example/"
identity = "reader"

[integrations.foreign]
provider = "misbehaving"
domain_name = "https://forge.example/"
external_id = "foreign-base-url"

[repositories]
from-url = { url = "https://dev.azure.com/contoso/Web%20Shop/_git/storefront", integration = "contoso" }
unauthorized = { integration = "strangers", project = "Web Shop", name = "storefront" }
no-identity = { integration = "nobody", project = "Web Shop", name = "storefront" }
foreign-base-url = { integration = "foreign", name = "fine" }
"#;

/// Names on the forge, and what it answers where that is not the world's own answer.
fn at_contoso() -> Vec<(&'static str, Option<Answer>)> {
    vec![
        ("storefront", None),
        ("legacy-shop", None),
        ("no-such-one", None),
        ("limited", Some(Answer::status(429).header("Retry-After", "7"))),
        ("broken", Some(Answer::status(500))),
        ("forbidden", Some(Answer::status(403))),
    ]
}

/// What the plugin that misbehaves may do in the host's own process.
const HARMLESS: &[&str] = &[
    "fine",
    "panic-sync",
    "panic-future",
    "panic-drop",
    "hang",
    "hang-panic-drop",
    "log",
    "control-characters",
    "long-detail",
    "unknown-reason",
    "granted-failure",
    "delete",
    "foreign-host",
    "own-authorization",
    "echo",
    "sleep",
    "sleep-too-long",
    "sleep-malformed",
    "slow-is-fine",
];

/// What is left of a sweep without its times: the results, and what was sent.
fn sweep(fake: &Fake, isolation: &str) -> (Vec<Value>, Vec<String>) {
    let mut sandbox = Sandbox::with_fake(fake);
    sandbox.set_variable("READER", contoso::PAT);
    sandbox.set_variable("STRANGER", "not-a-token-of-contoso");
    sandbox.install(build::misbehaving());
    let mut config = INTEGRATIONS.to_owned();
    for (name, _) in at_contoso() {
        let integration = if name == "limited" { name } else { "contoso" };
        let _ = writeln!(
            config,
            "{name} = {{ integration = {integration:?}, project = \"Web Shop\", name = \"{name}\" }}"
        );
    }
    for name in HARMLESS {
        let _ = writeln!(config, "odd-{name} = {{ integration = \"odd\", name = \"{name}\" }}");
    }
    sandbox.write("forgewatch.toml", config);
    fake.take_requests();
    let isolation = format!("plugins.isolation={isolation:?}");
    let run = sandbox.run(&["check", "--format=json", "--set", &isolation]).exits(1);
    let mut results = run.json()["results"].as_array().expect("results are a list").clone();
    for result in &mut results {
        let result = result.as_object_mut().expect("a result is an object");
        for time in ["checked_at", "duration_ms"] {
            assert!(result.remove(time).is_some(), "no {time} in {result:?}");
        }
        if let Some(Value::String(detail)) = result.get_mut("detail")
            && let Some(at) = detail.find(" (the limit ends at ")
        {
            detail.truncate(at);
        }
    }
    let mut sent: Vec<String> = fake.take_requests().iter().map(shown).collect();
    sent.sort();
    (results, sent)
}

fn shown(request: &Recorded) -> String {
    let Recorded { method, host, path, query, .. } = request;
    format!("{method} {host}{path}?{query} {:?}", request.header("authorization"))
}

#[test]
fn a_plugin_answers_alike_wherever_it_runs() {
    let fake = Fake::start_blocking(World::contoso());
    fake.serve_unknown_hosts(true);
    fake.fault(Match::any().host(HOST), Answer::status(200));
    for (name, answer) in at_contoso() {
        if let Some(answer) = answer {
            fake.fault(Match::any().path_contains(&format!("/{name}")), answer);
        }
    }
    let (here, sent_here) = sweep(&fake, "in_process");
    let (there, sent_there) = sweep(&fake, "process");
    for (here, there) in here.iter().zip(&there) {
        println!(
            "{:24} {:20} {}",
            there["repository"].as_str().unwrap_or_default(),
            there["reason"].as_str().unwrap_or_default(),
            there["detail"].as_str().unwrap_or_default().chars().take(160).collect::<String>()
        );
        assert_eq!(here, there);
    }
    assert_eq!(here.len(), there.len());
    // Tunnels are opened as connections are needed, which is a matter of time.
    let requests =
        |sent: Vec<String>| sent.into_iter().filter(|line| !line.starts_with("CONNECT")).collect::<Vec<_>>();
    assert_eq!(requests(sent_here), requests(sent_there));
    let reasons: std::collections::BTreeSet<_> =
        there.iter().filter_map(|result| result["reason"].as_str()).collect();
    assert!(reasons.len() >= 10, "{reasons:?}");
}
