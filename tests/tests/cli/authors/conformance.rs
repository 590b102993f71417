//! `forgewatch plugin test`: green for what is right, red for each fault by itself, and over in time.

use std::path::{Path, PathBuf};

use forgewatch_tests::build;
use forgewatch_tests::sandbox::{Run, Sandbox};
use serde_json::Value;

use crate::support::{assert_harmless, assert_has};

/// What is red for a fault: how many cases, and of some the group, the name, and a part of what came.
type Red = (usize, &'static [(&'static str, &'static str, &'static str)]);

const EVERY_FAULT: &[(&str, Red)] = &[
    ("404-is-an-outage", (1, &[("answers", "404", "provider_error: the forge has lost it")])),
    (
        "a-limit-is-a-loss",
        (
            7,
            &[
                ("answers", "429 with Retry-After: 30", "forbidden"),
                ("recorded answers", "their bodies with status 429", "forbidden"),
                ("extensions", "check_repositories: 429", "forbidden"),
            ],
        ),
    ),
    (
        "an-outage-is-a-loss",
        (
            13,
            &[
                ("answers", "500", "forbidden"),
                ("answers", "503 with Retry-After: 30", "forbidden"),
                ("recorded answers", "their bodies with status 503", "forbidden"),
                ("extensions", "list_repositories: 500", "forbidden"),
            ],
        ),
    ),
    (
        "an-outage-is-an-empty-list",
        (9, &[("extensions", "list_repositories: 500", "a page of 0 repositories that is said to be whole")]),
    ),
    (
        "answers-in-another-order",
        (1, &[("extensions", "check_repositories: as recorded, in the order that was asked for", "granted")]),
    ),
    (
        "answers-too-few",
        (
            1,
            &[(
                "extensions",
                "check_repositories: as recorded, in the order that was asked for",
                "for 1 repositories",
            )],
        ),
    ),
    (
        "aborts",
        (
            4,
            &[
                ("answers", "401", "it aborted (SIGABRT)"),
                ("answers", "410", "is in quarantine for 10 minutes"),
            ],
        ),
    ),
    ("anybody-is-somebody", (9, &[("extensions", "probe_identity: 401", "`somebody`")])),
    (
        "believes-200",
        (
            35,
            &[
                ("malformed bodies", "an empty body", "granted"),
                ("malformed bodies", "a page of HTML", "granted"),
                ("malformed bodies", "a body that was too large", "granted"),
                ("recorded answers", "cut off after 0/8", "granted"),
                ("extensions", "probe_identity: `{`", "`bot`"),
            ],
        ),
    ),
    (
        "believes-beginnings",
        (
            5,
            &[
                ("recorded answers", "cut off after 7/8", "granted"),
                ("recorded answers", "cut off unseen, at every eighth", "granted"),
                ("recorded answers", "whole, but said to be cut off", "granted"),
            ],
        ),
    ),
    (
        "believes-bodies",
        (
            7,
            &[
                ("recorded answers", "their bodies with status 404", "granted"),
                ("recorded answers", "their bodies with status 500", "granted"),
            ],
        ),
    ),
    (
        "follows-redirects",
        (
            10,
            &[
                (
                    "answers",
                    "301 to another host",
                    "GET https://elsewhere.example/moved, refused by the host",
                ),
                ("answers", "307 to itself", "30 requests"),
            ],
        ),
    ),
    (
        "cuts-names",
        (
            1,
            &[(
                "behaviour",
                "names that would lead elsewhere",
                "\"shop?x\" is granted, by the answer about \"shop\"",
            )],
        ),
    ),
    (
        "forgets-the-probe",
        (
            1,
            &[(
                "extensions",
                "probe_identity: offered",
                "named in EXTENSIONS, but the method is not written",
            )],
        ),
    ),
    ("hangs-on-410", (1, &[("answers", "410", "the plugin hangs")])),
    ("hurries", (1, &[("answers", "429 with Retry-After: 30", "1 s")])),
    ("keeps-dots", (1, &[("repository URLs", "odd last segments", "has the name \".\"")])),
    (
        "no-answer-is-a-loss",
        (
            8,
            &[
                ("answers", "no answer: the host says unreachable", "not_found"),
                ("answers", "a request that the host refuses", "not_found"),
                ("answers", "no usable credential: the host says identity_invalid", "not_found"),
                ("behaviour", "an integration without an identity", "not_found"),
            ],
        ),
    ),
    ("no-credential", (61, &[("recorded answers", "they mean access", "none asked for it")])),
    ("no-requests", (1, &[("extensions", "limits: numbers that make sense", "Some(0)")])),
    ("no-words", (1, &[("answers", "502", "provider_error without a word")])),
    (
        "one-at-a-time",
        (
            2,
            &[
                ("behaviour", "64 checks at once through one client", "`granted` and `invalid_response`"),
                ("behaviour", "a check that is given up, and one after it", "another check is under way"),
            ],
        ),
    ),
    (
        "outage-takes-rights",
        (
            7,
            &[
                ("extensions", "requirements: 500", "read: Some(false)"),
                ("extensions", "requirements: `{`", "read: Some(true)"),
            ],
        ),
    ),
    (
        "panics-on-escapes",
        (1, &[("repository URLs", "odd last segments", "panicked in parse_repository_url")]),
    ),
    (
        "panics-on-nothing",
        (
            10,
            &[
                ("malformed bodies", "an empty body", "panicked in has_repo_access"),
                ("recorded answers", "cut off after 0/8", "the forge answers something"),
            ],
        ),
    ),
    (
        "raw-names",
        (1, &[("behaviour", "names that would lead elsewhere", "\".\" made it GET https://wrong.example/")]),
    ),
    (
        "repeats-bodies",
        (
            42,
            &[
                ("answers", "401", "fw-secret"),
                ("malformed bodies", "a page of HTML", "fw-secret"),
                ("malformed bodies", "two million spaces", "the detail"),
            ],
        ),
    ),
    ("repeats-passwords", (2, &[("repository URLs", "a password in the URL", "https://me:fw-secret")])),
    ("spins-on-410", (1, &[("answers", "410", "it gave no sign of life")])),
    (
        "swaps-401-and-403",
        (6, &[("answers", "401", "forbidden: refused"), ("answers", "403", "unauthorized: refused")]),
    ),
    (
        "takes-any-base-url",
        (
            3,
            &[
                ("malformed base URLs", "nothing", "GET /api/repos/acme/shop, which is no address"),
                ("malformed base URLs", "without a scheme", "which is no address"),
            ],
        ),
    ),
    ("an-outage-is-no-issue", (9, &[("issues", "search_issues: 500", "an answer as if nothing were wrong")])),
    ("nothing-is-ever-done", (9, &[("issues", "issue_states: 500", "an answer as if nothing were wrong")])),
    (
        "a-subscription-without-its-secret",
        (1, &[("issues", "subscribe: as recorded", "POST https://wrong.example/api/hooks without it")]),
    ),
    ("another-subscription", (1, &[("issues", "get_subscription: as recorded", "`2`")])),
    ("another-issue", (2, &[("issues", "get_issue: as recorded", "`8`")])),
    (
        "believes-any-delivery",
        (
            8,
            &[
                ("issues", "parse_webhook: nothing", "an event"),
                ("issues", "parse_webhook: delivery 1, cut off at every eighth", "an event"),
            ],
        ),
    ),
    ("takes-any-url", (1, &[("repository URLs", "what is no URL at all", "the repository `something`")])),
    ("unknown-reason", (6, &[("answers", "500", "the plugin's reason 99 is unknown")])),
    (
        "lists-a-loss",
        (1, &[("extensions", "list_repositories: as recorded", "forbidden: the list shows no right")]),
    ),
    (
        "lists-for-ever",
        (13, &[("extensions", "list_repositories: ends, when every page is `[]`", "more than 50 pages")]),
    ),
    (
        "never-probes",
        (1, &[("extensions", "probe_identity: as recorded", "invalid_response: the forge names nobody")]),
    ),
    (
        "never-asks",
        (
            68,
            &[
                ("answers", "404", "an answer without any request"),
                ("answers", "500", "not_found: surely gone"),
            ],
        ),
    ),
    (
        "posts",
        (
            74,
            &[
                ("answers", "401", "POST requests are not allowed"),
                ("recorded answers", "they mean access", "POST"),
            ],
        ),
    ),
];

fn fixture(name: &str) -> PathBuf {
    build::root().join("tests/fixtures").join(name)
}

fn run(library: &Path, arguments: &[&str]) -> Run {
    let sandbox = Sandbox::new();
    let library = library.to_string_lossy();
    sandbox.run(&[&["plugin", "test", &library], arguments].concat())
}

fn red(report: &Value) -> Vec<&Value> {
    let cases = report["cases"].as_array().expect("cases are a list");
    cases.iter().filter(|case| case["status"] == "failed").collect()
}

fn wrong_with(fault: &str) -> Value {
    let replay = fixture("wrong/conformance.toml");
    let options = format!("{{\"fault\": \"{fault}\"}}");
    let run =
        run(build::wrong(), &["--replay", &replay.to_string_lossy(), "--options", &options, "--format=json"]);
    let status = if fault == "none" { 0 } else { 1 };
    run.exits(status).json()
}

/// Green with what is recorded in a plugin's folder.
fn assert_green(library: &Path, folder: &Path) {
    let replay = folder.join("conformance.toml");
    let report = run(library, &["--replay", &replay.to_string_lossy(), "--format=json"]);
    let report = report.exits(0).json();
    let cases = report["cases"].as_array().expect("cases are a list");
    let access = cases.iter().find(|case| case["name"] == "they mean access").expect("the case");
    assert_eq!(access["status"], "passed", "{access}");
}

#[test]
fn first_party_plugins_and_the_example_are_green_with_what_they_recorded() {
    let root = build::root();
    let mut seen = 0;
    for entry in root.join("plugins").read_dir().expect("the folder of plugins") {
        let folder = entry.expect("an entry").path();
        let manifest = std::fs::read_to_string(folder.join("Cargo.toml")).expect("a manifest");
        // What makes no library is shared by those that do.
        if manifest.contains("cdylib") {
            let key = folder.file_name().expect("a name").to_string_lossy().into_owned();
            assert_green(build::workspace().plugin(&key), &folder);
            seen += 1;
        }
    }
    assert_eq!(seen, build::workspace().plugins.len());
    assert_green(build::git_provider(), &root.join("examples/git-provider"));
}

#[test]
fn each_fault_is_red_by_itself_and_says_why() {
    assert_eq!(red(&wrong_with("none")), Vec::<&Value>::new());
    for (fault, (count, cases)) in EVERY_FAULT {
        let report = wrong_with(fault);
        let red = red(&report);
        for (group, name, came) in *cases {
            let case = red.iter().find(|case| case["group"] == *group && case["name"] == *name);
            let case = case.unwrap_or_else(|| panic!("{fault}: {group}, {name} is not red: {red:#?}"));
            assert_has(case["came"].as_str().expect("text"), &[came]);
            assert!(
                ["expected", "to_do"].iter().all(|key| case[*key].as_str().is_some_and(|it| !it.is_empty()))
            );
        }
        assert_eq!(red.len(), *count, "{fault}: {red:#?}");
    }
}

#[test]
fn a_plugin_that_misbehaves_or_is_hostile_is_red_and_the_run_ends() {
    for library in [build::misbehaving(), build::hostile()] {
        let report = run(library, &["--format=json"]).exits(1).json();
        assert!(report["summary"]["failed"].as_u64() > Some(10), "{report:#}");
    }
}

#[test]
fn the_report_is_for_people_and_for_machines() {
    let replay = fixture("wrong/conformance.toml");
    let replay = replay.to_string_lossy();
    let options = ["--replay", &replay, "--options", r#"{"fault": "404-is-an-outage"}"#];
    let table = run(build::wrong(), &options).exits(1);
    assert_has(
        &table.stdout,
        &[
            "Wrong 1.0.0, a plugin for `wrong`: in a worker process",
            "without any network",
            "\nanswers\n  ok       401\n",
            "  failed   404\n           expected  not_found or disabled\n           came      provider_error: the forge has lost it\n",
            "           to do     answer Reason::NOT_FOUND to 404",
            "235 cases: 234 passed, 1 failed, 0 skipped, in ",
        ],
    );
    assert_harmless(&table.stdout);
    let junit = run(build::wrong(), &[&options[..], &["--format=junit"]].concat()).exits(1);
    let junit = quick_junit::Report::deserialize_from_str(&junit.stdout).expect("JUnit XML");
    assert_eq!((junit.tests, junit.failures), (235, 1));
    let answers = junit.test_suites.iter().find(|suite| suite.name.as_str() == "answers");
    assert_eq!(answers.expect("the suite").failures, 1);
}

#[test]
fn without_recorded_answers_the_cases_that_need_them_are_skipped_with_a_sentence() {
    let url = "https://wrong.example/acme/shop";
    let report = run(build::wrong(), &["--url", url, "--format=json"]).exits(0).json();
    let cases = report["cases"].as_array().expect("a list");
    let case = |name: &str| cases.iter().find(|case| case["name"] == name).expect("the case");
    assert_eq!(case(url)["status"], "passed");
    assert_has(case("they mean access")["why"].as_str().expect("text"), &["--replay"]);
    let report =
        run(build::wrong(), &["--url", "https://elsewhere.example/a/b", "--format=json"]).exits(1).json();
    assert_eq!(red(&report).len(), 1);
}

#[test]
fn what_cannot_be_tested_is_told_and_is_no_red_case() {
    let sandbox = Sandbox::new();
    let library = build::wrong().to_string_lossy().into_owned();
    let no_answers = sandbox
        .write("none.toml", "domain_name = \"https://x/\"\nrepository = { name = \"a\" }\nanswers = []");
    let odd = sandbox.write("odd.json", "{\"domain\": 1}");
    let (no_answers, odd) = (no_answers.to_string_lossy(), odd.to_string_lossy());
    for (arguments, told) in [
        (vec!["/nowhere.so"], "/nowhere.so"),
        (vec!["wrong"], "there is no file `wrong`: a library file goes here, not a key"),
        (vec![&*odd], "rebuild it, or name the library file"),
        (vec![&*library, "--replay", "/nowhere.toml"], "cannot read `/nowhere.toml`"),
        (vec![&*library, "--replay", &*odd], "holds no recorded answers: unknown field `domain`"),
        (vec![&*library, "--replay", &*no_answers], "it has no `[[answers]]`"),
        (vec![&*library, "--options", "[1]"], "it is JSON, but no object"),
        (vec![&*library, "--options", "{"], "it is no JSON"),
    ] {
        let run = sandbox.run(&[&["plugin", "test"], arguments.as_slice()].concat()).exits(2);
        assert_has(&run.stderr, &[told]);
        assert_eq!(run.stdout, "");
    }
    for (slip, told) in [
        (("https://wrong", "wrong"), "`domain_name` is `wrong.example/`"),
        (("https://wrong", "http://wrong"), "add `allow_insecure_http = true`"),
        (
            ("[repository]", "identity_kind = \"PAT\"\n[repository]"),
            "`identity_kind` is `PAT`: write one of pat,",
        ),
        (("body = ", "method = \"FETCH\"\nbody = "), "`method` of answer 1 is `FETCH`"),
        (("body = ", "status = 2000\nbody = "), "`status` of answer 1 is 2000"),
    ] {
        let text = std::fs::read_to_string(fixture("wrong/conformance.toml")).expect("the file");
        let replay = sandbox.write("slip.toml", text.replacen(slip.0, slip.1, 1));
        let run = sandbox.run(&["plugin", "test", &library, "--replay", &replay.to_string_lossy()]).exits(2);
        assert_has(&run.stderr, &[told]);
    }
    let text = std::fs::read_to_string(fixture("wrong/conformance.toml")).expect("the file");
    let elsewhere = sandbox.write("elsewhere.toml", text.replace("/api/repos/acme/shop", "/other"));
    let run = sandbox.run(&["plugin", "test", &library, "--replay", &elsewhere.to_string_lossy()]).exits(1);
    assert_has(
        &run.stdout,
        &["record an answer to GET https://wrong.example/api/repos/acme/shop", "see the first"],
    );
    let misfit = sandbox.run(&["plugin", "test", &library, "--options", r#"{"falt": 1}"#]).exits(1);
    assert_has(&misfit.stdout, &["options that fit the plugin's own schema", "'falt' was unexpected"]);
}
