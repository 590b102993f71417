//! `forgewatch config`, and where settings come from: layers in their order, profiles, variables, flags.

use std::fs;

use forgewatch_tests::build;
use forgewatch_tests::sandbox::Sandbox;
use serde_json::{Value, json};

use crate::support::{assert_has, redacted};

/// Which of these is there decides what holds: each says `defaults.failure_threshold` for itself.
fn layered() -> Sandbox {
    let mut sandbox = Sandbox::new();
    let xdg = sandbox.path("xdg");
    fs::create_dir_all(xdg.join("forgewatch")).expect("a folder");
    sandbox.set_variable("XDG_CONFIG_HOME", &xdg.to_string_lossy());
    sandbox.write(
        "xdg/forgewatch/forgewatch.toml",
        "[defaults]\nfailure_threshold = 3\nsuccess_threshold = 3\n\
         [profiles.night.defaults]\nfailure_threshold = 4\n[integrations.a]\nprovider = \"vsts\"\n\
         domain_name = \"https://user:hunter2@dev.azure.com/a/\"\n",
    );
    sandbox
}

fn shown(sandbox: &Sandbox, arguments: &[&str]) -> Value {
    sandbox.run(&[&["config", "show", "--format", "json"], arguments].concat()).exits(0).json()
}

#[test]
fn later_layers_win() {
    let mut sandbox = layered();
    let threshold = |sandbox: &Sandbox, arguments: &[&str]| {
        shown(sandbox, arguments)["defaults"]["failure_threshold"].clone()
    };
    assert_eq!(threshold(&sandbox, &[]), 3);
    assert_eq!(threshold(&sandbox, &["--profile", "night"]), 4);
    sandbox.set_variable("FORGEWATCH_DEFAULTS__FAILURE_THRESHOLD", "5");
    assert_eq!(threshold(&sandbox, &["--profile", "night"]), 5);
    assert_eq!(threshold(&sandbox, &["--set", "defaults.failure_threshold=6"]), 6);
    let twice = ["--set", "defaults.failure_threshold=6", "--set=defaults.failure_threshold=7"];
    assert_eq!(threshold(&sandbox, &twice), 7);
    // Named files stand in place of the user's, and the environment still wins over them.
    sandbox.write("named.toml", "[defaults]\nfailure_threshold = 9\n");
    let named = shown(&sandbox, &["--config", "named.toml"]);
    assert_eq!(named["defaults"]["failure_threshold"], 5);
    assert_eq!(named["defaults"]["success_threshold"], 1);
    assert_eq!(named.get("integrations"), None);

    let explained = sandbox.run(&[
        "config",
        "explain",
        "defaults.failure_threshold",
        "--profile=night",
        "--set",
        "defaults.failure_threshold=6",
    ]);
    // How wide the columns are depends on the temporary folder's name.
    let lines = redacted(&sandbox, &explained.exits(0).stdout);
    let lines = lines.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
    insta::assert_snapshot!("explain", lines.collect::<Vec<_>>().join("\n"));
    let table = sandbox.run(&["config", "explain", "integrations.a"]).exits(0).stdout;
    assert_has(
        &table,
        &["integrations.a.provider\n", "integrations.a.domain_name\n", "***@dev.azure.com/a/"],
    );
    assert!(!table.contains("hunter2"), "{table}");
    let table = sandbox.run(&["config", "show"]).exits(0).stdout;
    assert!(!table.contains("hunter2"), "{table}");
    let again: Value = toml::from_str::<Value>(&table).expect("TOML");
    assert_eq!(again, shown(&sandbox, &[]), "both formats say the same");
}

#[test]
fn a_folder_is_read_in_the_order_of_its_names() {
    let sandbox = Sandbox::new();
    fs::create_dir_all(sandbox.path("conf.d/deeper.toml")).expect("a folder");
    fs::remove_dir(sandbox.path("conf.d/deeper.toml")).expect("it is there");
    for (name, content) in [
        ("10-first.toml", "[http]\ntimeout = \"1s\"\nconcurrency = 1\nmax_response_bytes = 1\n"),
        ("20-second.yaml", "http:\n  timeout: 2s\n  concurrency: 2\n"),
        ("30-third.json", "{\"http\": {\"timeout\": \"3s\"}}"),
        ("40-ignored.yml", "http:\n  timeout: 4s\n"),
        (".50-hidden.toml", "[http]\ntimeout = \"5s\"\n"),
        ("60-backup.toml~", "[http]\ntimeout = \"6s\"\n"),
        ("README", "not TOML at all"),
    ] {
        sandbox.write(&format!("conf.d/{name}"), content);
    }
    sandbox.write("after.toml", "[http]\nmax_response_bytes = 9\n");
    let arguments = ["config", "show", "--format=json", "--config", "conf.d", "--config", "after.toml"];
    let run = sandbox.run(&arguments).exits(0);
    let http = &run.json()["http"];
    assert_eq!(
        (&http["timeout"], &http["concurrency"], &http["max_response_bytes"]),
        (&json!("3s"), &json!(2), &json!(9))
    );
    assert_has(&run.stderr, &["warning: not read", "40-ignored.yml", "rename it to end in `.yaml`"]);
    assert_eq!(run.stderr.matches("warning: ").count(), 1, "{}", run.stderr);
}

#[test]
fn flags_work_before_and_after_the_command() {
    let sandbox = Sandbox::new();
    sandbox.write("a.toml", "[http]\ntimeout = \"1s\"\n[profiles.p.http]\nconcurrency = 3\n");
    sandbox.write("b.toml", "[http]\ntimeout = \"2s\"\n");
    for arguments in [
        "--config a.toml --config b.toml --profile p --set http.max_response_bytes=7 config show --format json",
        "config --config a.toml --config b.toml --profile p show --format json --set http.max_response_bytes=7",
        "config show --format json --config a.toml --config b.toml --set http.max_response_bytes=7 --profile p",
        "--config a.toml --profile q config --set http.max_response_bytes=6 --config b.toml show --profile p \
         --set http.max_response_bytes=7 --format json",
    ] {
        let arguments: Vec<_> = arguments.split_whitespace().collect();
        let http = sandbox.run(&arguments).exits(0).json()["http"].clone();
        assert_eq!(
            (&http["timeout"], &http["concurrency"], &http["max_response_bytes"]),
            (&json!("2s"), &json!(3), &json!(7)),
            "{arguments:?}"
        );
    }
}

#[test]
fn variables_and_flags_are_what_the_schema_says() {
    let mut sandbox = Sandbox::new();
    sandbox.set_variable("FORGEWATCH_HTTP__CONCURRENCY", "0012");
    sandbox.set_variable("FORGEWATCH_STATE__PATH", "0012");
    sandbox.set_variable("FORGEWATCH_SILO_MODE", "control");
    sandbox.set_variable("FORGEWATCH_SERVICE_HOST", "10.0.0.1");
    sandbox.set_variable("FORGEWATCH_SILOMODE", "region");
    let run = sandbox.run(&[
        "config",
        "show",
        "--format=json",
        "--set",
        "integrations.a.provider=vsts",
        "--set",
        "integrations.a.domain_name=0012",
        "--set",
        "integrations.a.external_id=0012",
        "--set",
        "integrations.a.metadata.build=\"0x10\"",
        "--set",
        "providers.vsts.allow_write=true",
        "--set",
        "providers.vsts.options.number=12",
        "--set",
        "integrations.\"with.dot = yes\".provider=vsts",
        "--set",
        "integrations.\"with.dot = yes\".domain_name=a=b",
    ]);
    let run = run.exits(0);
    let all = run.json();
    assert_eq!(all["http"]["concurrency"], 12);
    assert!(all["state"]["path"].as_str().is_some_and(|path| path.ends_with("/0012")), "{all:#}");
    assert_eq!(all["silo_mode"], "control");
    let a = &all["integrations"]["a"];
    assert_eq!((&a["domain_name"], &a["external_id"]), (&json!("0012"), &json!("0012")));
    assert_eq!(a["metadata"]["build"], "0x10");
    assert_eq!(all["integrations"]["with.dot = yes"]["domain_name"], "a=b");
    assert_eq!(all["providers"]["vsts"], json!({"allow_write": true, "options": {"number": 12}}));
    // A name that a container platform may have set is a warning, and one that looks like a setting an error.
    assert_eq!(run.stderr.matches("warning: ").count(), 2, "{}", run.stderr);
    assert_has(
        &run.stderr,
        &[
            "warning: this variable names no setting and is ignored\n  where: environment variable FORGEWATCH_SERVICE_HOST",
            "environment variable FORGEWATCH_SILOMODE\n  fix: did you mean `FORGEWATCH_SILO_MODE`?",
        ],
    );
    sandbox.set_variable("FORGEWATCH_HTTP__TIMEOUTS", "1s");
    assert_has(
        &sandbox.run(&["config", "show"]).exits(2).stderr,
        &["error: this variable names no setting", "did you mean `FORGEWATCH_HTTP__TIMEOUT`?"],
    );
}

#[test]
fn the_schema_fits_what_is_valid_and_nothing_else() {
    let sandbox = Sandbox::new();
    let document = sandbox.run(&["config", "schema"]).exits(0).json();
    jsonschema::meta::validate(&document).expect("a JSON Schema");
    let schema = jsonschema::validator_for(&document).expect("a usable schema");
    let quickstart = fs::read_to_string(build::root().join("examples/quickstart/forgewatch.toml"));
    let quickstart = quickstart.expect("the example is there");
    let mut settings: Value = toml::from_str(&quickstart).expect("TOML");
    assert!(schema.is_valid(&settings), "{:?}", schema.validate(&settings));
    // What `show` prints, defaults included, is valid as well.
    sandbox.write("forgewatch.toml", &quickstart);
    let run = sandbox.run(&["config", "check"]).exits(0);
    let valid = "configuration is valid: 2 identities, 2 integrations, 6 repositories; read from ";
    assert!(run.stdout.starts_with(valid), "{}", run.stdout);
    assert!(run.stdout.ends_with("/forgewatch.toml\n"), "{}", run.stdout);
    let whole = shown(&sandbox, &[]);
    assert!(schema.is_valid(&whole), "{:?}", schema.validate(&whole));
    settings["integrations"]["contoso"]["colour"] = "red".into();
    assert!(!schema.is_valid(&settings));
}
