//! What `check` prints and how it ends, and the shapes that dashboards read.

use std::io::Read;
use std::process::Stdio;

use forgewatch_tests::fake::{Answer, Fake, Kind, Match, World};
use forgewatch_tests::sandbox::Sandbox;
use serde_json::Value;

use crate::support::{CONTOSO, HOST, assert_harmless, assert_has, contoso_sandbox, finish, misbehaving};

/// One repository for each verdict; names are not in the order of their results.
const THREE: &str = r#"
[repositories.beta-denied]
integration = "contoso"
project = "Web Shop"
name = "vault"

[repositories.alpha-granted]
url = "https://contoso.visualstudio.com/Web%20Shop/_git/storefront"

[repositories.gamma-unclear]
integration = "contoso"
project = "Tools"
name = "Tools"
"#;

fn three() -> (Fake, Sandbox) {
    let fake = Fake::start_blocking(World::contoso());
    fake.fault(Match::any().path_contains("repositories/Tools"), Answer::status(429).retry_after(7));
    let sandbox = contoso_sandbox(&fake);
    // One after the other, since the limit is its identity's and not one repository's alone.
    sandbox.write("forgewatch.toml", format!("http.concurrency = 1\n{CONTOSO}{THREE}"));
    (fake, sandbox)
}

fn keys(value: &Value) -> Vec<&str> {
    let object = value.as_object().expect("an object");
    object.keys().map(String::as_str).collect()
}

fn is_moment(value: &Value) -> bool {
    let text = value.as_str().unwrap_or_default();
    text.len() == 20 && text.ends_with('Z') && text.as_bytes()[10] == b'T'
}

#[track_caller]
fn assert_result_shape(result: &Value) {
    let expected = [
        "repository",
        "integration",
        "provider",
        "has_access",
        "verdict",
        "reason",
        "detail",
        "base_url",
        "http_status",
        "retry_after_s",
        "duration_ms",
        "checked_at",
    ];
    assert_eq!(keys(result), expected);
    for key in ["repository", "integration", "provider", "verdict", "reason", "detail", "base_url"] {
        assert!(result[key].is_string(), "{key} in {result:#}");
    }
    assert_eq!(result["has_access"], Value::Bool(result["verdict"] == "granted"));
    for key in ["http_status", "retry_after_s"] {
        assert!(result[key].is_null() || result[key].is_u64(), "{key} in {result:#}");
    }
    assert!(result["duration_ms"].as_f64().is_some_and(|it| it >= 0.0), "{result:#}");
    assert!(is_moment(&result["checked_at"]), "{result:#}");
}

#[test]
fn json_has_the_documented_shape() {
    let (_fake, sandbox) = three();
    let run = sandbox.run(&["check", "--format", "json"]).exits(1);
    assert_eq!(run.stderr, "");
    let report = run.json();
    assert_eq!(keys(&report), ["schema", "started_at", "duration_ms", "summary", "results"]);
    assert_eq!(report["schema"], 1);
    assert!(is_moment(&report["started_at"]) && report["duration_ms"].is_number());
    assert_eq!(
        report["summary"],
        serde_json::json!({"total": 3, "granted": 1, "denied": 1, "indeterminate": 1})
    );
    assert_eq!(keys(&report["summary"]), ["total", "granted", "denied", "indeterminate"]);
    let results = report["results"].as_array().expect("a list");
    results.iter().for_each(assert_result_shape);
    let told: Vec<_> = results
        .iter()
        .map(|it| {
            (&it["repository"], &it["verdict"], &it["reason"], &it["http_status"], &it["retry_after_s"])
        })
        .map(|it| serde_json::json!([it.0, it.1, it.2, it.3, it.4]))
        .collect();
    assert_eq!(
        told,
        [
            serde_json::json!(["alpha-granted", "granted", "granted", 200, null]),
            serde_json::json!(["beta-denied", "denied", "not_found", 404, null]),
            serde_json::json!(["gamma-unclear", "indeterminate", "rate_limited", 429, 7]),
        ]
    );
    assert_eq!(results[0]["base_url"], "https://dev.azure.com/contoso/");
}

#[test]
fn the_other_formats_say_the_same() {
    let (_fake, sandbox) = three();
    let run = sandbox.run(&["check", "--format", "ndjson"]).exits(1);
    let mut lines: Vec<Value> =
        run.stdout.lines().map(|line| serde_json::from_str(line).expect("an object a line")).collect();
    lines.iter().for_each(assert_result_shape);
    lines.sort_by_key(|line| line["repository"].to_string());
    assert_eq!(lines.len(), 3);
    assert_eq!(lines[2]["reason"], "rate_limited");

    let run = sandbox.run(&["check", "--format", "junit"]).exits(1);
    let report = quick_junit::Report::deserialize_from_str(&run.stdout).expect("JUnit XML");
    assert_eq!((report.tests, report.failures, report.errors), (3, 1, 1));
    let suite = &report.test_suites[0];
    assert_eq!((suite.tests, suite.failures, suite.errors), (3, 1, 1));
    let names: Vec<_> = suite.test_cases.iter().map(|case| case.name.as_str()).collect();
    assert_eq!(names, ["alpha-granted", "beta-denied", "gamma-unclear"]);

    let run = sandbox.run(&["check"]).exits(1);
    assert_eq!(run.stderr, "");
    let (table, took) = run.stdout.rsplit_once(", in ").expect("a closing line");
    assert!(took.ends_with("s\n"), "{took}");
    let (before, rest) = table.split_once("(the limit ends at ").expect("the time of its end");
    let (moment, after) = rest.split_once(')').expect("a time in brackets");
    assert!(is_moment(&moment.into()), "{moment}");
    insta::assert_snapshot!("table", format!("{before}(the limit ends at [time]){after}"));
}

#[test]
fn the_exit_status_is_the_worst_verdict() {
    let (_fake, sandbox) = three();
    for (names, status) in [
        (&["alpha-granted"][..], 0),
        (&["beta-denied"], 1),
        (&["gamma-unclear"], 3),
        (&["alpha-granted", "gamma-unclear"], 3),
        (&["beta-denied", "gamma-unclear"], 1),
        (&["nobody"], 2),
    ] {
        for format in ["table", "ndjson"] {
            let run = sandbox.run(&[&["check", "--format", format], names].concat());
            assert_eq!(run.status, Some(status), "{format} {names:?}: {run:?}");
        }
    }
}

#[test]
fn colour_is_for_those_who_want_it() {
    let (_fake, sandbox) = three();
    let run = |variables: &[(&str, &str)], arguments: &[&str]| {
        let mut command = sandbox.command(arguments);
        command.envs(variables.iter().copied());
        let run = finish(command);
        (run.stdout.contains('\u{1b}'), run.stderr.contains('\u{1b}'))
    };
    let force = ("CLICOLOR_FORCE", "1");
    assert_eq!(run(&[force], &["check"]), (true, false));
    assert_eq!(run(&[force], &["check", "nobody"]), (false, true));
    assert_eq!(run(&[force], &["check", "--format", "json"]), (false, false));
    assert_eq!(run(&[force], &["check", "--format", "ndjson"]), (false, false));
    assert_eq!(run(&[force], &["check", "--format", "junit"]), (false, false));
    assert_eq!(run(&[force, ("NO_COLOR", "1")], &["check"]), (false, false));
    assert_eq!(run(&[force, ("NO_COLOR", "1")], &["check", "nobody"]), (false, false));
    assert_eq!(run(&[("TERM", "xterm-256color")], &["check", "--help"]), (false, false));
}

#[test]
fn a_reader_that_goes_away_is_no_fault() {
    let (_fake, sandbox) = misbehaving(World::contoso());
    // More than a pipe holds.
    let many: String = (0..600)
        .map(|it| format!("r{it} = {{ integration = \"odd\", name = \"control-characters\" }}\n"))
        .collect();
    sandbox.write("forgewatch.toml", format!("{}[repositories]\n{many}", crate::support::ODD));
    for arguments in [
        &["check"][..],
        &["check", "--format=json"],
        &["check", "--format=ndjson"],
        &["check", "--format=junit"],
        &["config", "schema"],
        &["config", "show"],
        &["plugin", "list"],
        &["completions", "bash"],
        &["--help"],
    ] {
        let mut command = sandbox.command(arguments);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the binary can be started");
        drop(child.stdout.take());
        let mut told = String::new();
        let errors = child.stderr.as_mut().expect("it is piped");
        errors.read_to_string(&mut told).expect("errors are text");
        let status = child.wait().expect("it ends");
        assert!(matches!(status.code(), Some(0 | 1 | 130)), "{arguments:?}: {status} {told}");
        assert_eq!(told, "", "{arguments:?}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_told() {
    let (_fake, sandbox) = three();
    for format in ["table", "json", "ndjson", "junit"] {
        let full = std::fs::File::create("/dev/full").expect("the device is there");
        let mut command = sandbox.command(&["check", "--format", format]);
        command.stdout(full).stderr(Stdio::piped());
        let child = command.spawn().expect("the binary can be started");
        let output = child.wait_with_output().expect("it ends");
        let told = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{format}: {told}");
        assert_has(&told, &["error: cannot write to standard output: "]);
        assert_eq!(told.lines().count(), 1, "{format}: {told}");
    }
}

#[test]
fn foreign_text_is_harmless_in_every_format() {
    const EVIL: &str = "\u{1b}[31m\u{202e}<script>&\u{7}";
    let (fake, sandbox) = misbehaving(World::contoso());
    fake.clear_faults();
    fake.fault(Match::any().host(HOST), Answer::status(200).body(EVIL));
    sandbox.write(
        "forgewatch.json",
        serde_json::json!({
            "identities": {EVIL: {"kind": "bearer", "token": {"env": "READER"}}},
            "integrations": {
                EVIL: {"provider": "misbehaving", "domain_name": "https://forge.example/", "identity": EVIL},
                "bad-url": {"provider": "misbehaving", "identity": EVIL,
                    "domain_name": format!("https://user:hunter2@x{EVIL}.example/")},
            },
            "repositories": {
                EVIL: {"integration": EVIL, "name": "echo"},
                "plugin": {"integration": EVIL, "name": "control-characters"},
                "bad-url": {"integration": "bad-url", "name": EVIL},
            },
        })
        .to_string(),
    );
    for format in ["table", "json", "ndjson", "junit"] {
        let run = sandbox.run(&["check", "--config", "forgewatch.json", "--format", format]);
        assert_has(&run.stdout, &["\\u{202e}", "the forge said "]);
        assert_harmless(&run.stdout);
        assert_harmless(&run.stderr);
        let all = format!("{}{}", run.stdout, run.stderr);
        assert!(!all.contains("hunter2"), "{format}: {all}");
        // JSON's own escapes bring the characters back.
        if format == "json" {
            let texts = run.json()["results"].to_string();
            assert!(!texts.contains("\\u001b"), "{texts}");
        }
        if format == "junit" {
            assert!(!run.stdout.contains("<script>"), "{}", run.stdout);
            quick_junit::Report::deserialize_from_str(&run.stdout).expect("JUnit XML");
        }
    }
    for command in [
        &["route", "https://misbehaving.example/\u{1b}[31m\u{202e}", "\u{1b}\u{202e}"][..],
        &["plugin", "inspect", EVIL],
        &["plugin", "verify", EVIL],
        &["config", "explain", EVIL],
    ] {
        let run = sandbox.run(&[command, &["--config", "forgewatch.json"]].concat());
        assert_harmless(&run.stdout);
        assert_harmless(&run.stderr);
        assert_ne!(run.status, Some(0), "{run:?}");
    }
}

#[test]
fn selectors_name_repositories_once() {
    let (fake, sandbox) = three();
    let ad_hoc = "https://dev.azure.com/contoso/Web%20Shop/_git/legacy-shop";
    for (selectors, names) in [
        (&["alpha-granted"][..], &["alpha-granted"][..]),
        (&["*-granted", "beta-?enied"], &["alpha-granted", "beta-denied"]),
        (&["{alpha,gamma}-*"], &["alpha-granted", "gamma-unclear"]),
        (&["[ab]*", "alpha-granted", "*"], &["alpha-granted", "beta-denied", "gamma-unclear"]),
        // A configured repository, by the other form of its URL, and twice.
        (&["https://dev.azure.com/contoso/Web%20Shop/_git/storefront", "alpha-*"], &["alpha-granted"]),
        (&["git@ssh.dev.azure.com:v3/contoso/Tools/Tools"], &["gamma-unclear"]),
        (&["https://user:hunter2@dev.azure.com/CONTOSO/tools/_git/TOOLS"], &["gamma-unclear"]),
        (&[ad_hoc, ad_hoc], &[ad_hoc]),
    ] {
        let before = fake.counters().of(Kind::Repository);
        let run = sandbox.run(&[&["check", "--format", "json"], selectors].concat());
        let report = run.json();
        let results = report["results"].as_array().expect("a list");
        let found: Vec<_> = results.iter().map(|it| it["repository"].as_str().unwrap_or_default()).collect();
        assert_eq!(found, names, "{selectors:?}");
        assert!(results.iter().all(|it| it["integration"] == "contoso"), "{report:#}");
        let asked = fake.counters().of(Kind::Repository) - before;
        assert_eq!(asked, names.len() as u64, "{selectors:?}");
    }
}
