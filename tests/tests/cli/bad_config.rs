//! Wrong configurations: everything is told at once, with its place and the way out, and nothing is done.

use std::fs;

use forgewatch_tests::fake::{Fake, World};
use forgewatch_tests::sandbox::{Run, Sandbox};

use crate::support::{
    CONTOSO, assert_harmless, assert_has, assert_nothing_sent, contoso_sandbox, misbehaving, redacted,
};

/// Wrong in every way that shows before anything but files is looked at.
const VERY_WRONG: &str = include_str!("very_wrong.toml");
/// Well-formed, and wrong about everything around it.
const CANNOT_RUN: &str = include_str!("cannot_run.toml");

fn refused(run: Run) -> String {
    let run = run.exits(2);
    assert_eq!(run.stdout, "", "{run:#?}");
    assert!(!run.stderr.contains("hunter2"), "a password is shown: {}", run.stderr);
    assert_harmless(&run.stderr);
    run.stderr
}

#[test]
fn a_very_wrong_file_is_told_at_once() {
    let fake = Fake::start_blocking(World::contoso());
    let mut sandbox = Sandbox::with_fake(&fake);
    sandbox.write("forgewatch.toml", VERY_WRONG);
    sandbox.set_variable("FORGEWATCH_HTTP__TIMOUT", "1s");
    sandbox.set_variable("FORGEWATCH_DEFAULTS__SUCCESS_THRESHOLD", "many");
    sandbox.set_variable("FORGEWATCH_IDENTITIES__A__KIND", "pat");
    let more = ["--set", "novalue", "--set", "http.timeot=3s", "--set", "profiles.p.http.timeout=1s"];
    let told = refused(sandbox.run(&[&["check", "--profile", "prod"], &more[..]].concat()));
    insta::assert_snapshot!("very_wrong", redacted(&sandbox, &told));
    assert_nothing_sent(&fake);

    // Every command that needs the configuration says the same.
    for command in
        [&["route", "https://x/"][..], &["plugin", "list"], &["config", "check"], &["config", "show"]]
    {
        let again = refused(sandbox.run(&[command, &["--profile", "prod"], &more[..]].concat()));
        assert_eq!(again, told, "{command:?}");
    }
}

#[test]
fn whatever_stands_in_the_way_is_told_at_once() {
    let (fake, sandbox) = misbehaving(World::contoso());
    for (name, content) in [("ca-file.pem", "garbage"), ("empty", " \n"), ("lines", "one\ntwo\n")] {
        sandbox.write(name, content);
    }
    fs::create_dir(sandbox.path("folder")).expect("a folder");
    sandbox.write("latin", b"caf\xe9");
    sandbox.write("forgewatch.toml", CANNOT_RUN);
    let told = refused(sandbox.run(&[
        "check",
        "--log-level=error",
        "--set",
        "plugins.dirs=['plugins', 'no-such-folder']",
    ]));
    // The plugin's own panic comes with the time.
    let told: Vec<_> = told.lines().filter(|line| !line.contains(" ERROR plugin: ")).collect();
    insta::assert_snapshot!("cannot_run", redacted(&sandbox, &told.join("\n")));

    let selectors = [
        "x[\u{202e}\u{1b}[31m",
        "nothing-*",
        "unsett",
        "https://user:hunter2@hg.example/x/y",
        "https://user:hunter2@dev.azure.com/nobody/p/_git/r",
    ];
    let told = refused(sandbox.run(&[&["check"], &selectors[..]].concat()));
    assert_has(
        &told,
        &[
            "`x[\\u{202e}\\u{1b}[31m` is no pattern: unclosed character class",
            "`nothing-*` matches no configured repository",
            "`unsett` matches no configured repository\n  fix: did you mean `unset`?",
            "`https://hg.example/x/y`: no plugin claims this host",
            "`https://dev.azure.com/nobody/p/_git/r`: no integration has the base URL `https://dev.azure.com/nobody/`",
        ],
    );
    assert_nothing_sent(&fake);
}

#[test]
fn what_a_daemon_would_not_start_with_is_told_without_one() {
    let mut sandbox = Sandbox::new();
    let open = "[api]\nlisten = \"0.0.0.0:0\"\n";
    sandbox.write("forgewatch.toml", open);
    for command in [&["config", "check"][..], &["run"]] {
        let told = refused(sandbox.run(command));
        assert_has(&told, &["error: api.listen: other machines", "forgewatch.toml:2", "[api.tokens.NAME]"]);
    }
    sandbox.write("forgewatch.toml", format!("{open}[api.tokens.ci]\ntoken = {{ env = \"CI\" }}\n"));
    sandbox.run(&["config", "check"]).exits(0);
    let told = refused(sandbox.run(&["run", "--dry-run"]));
    assert_has(&told, &["api.tokens.ci.token: environment variable `CI` is not set", "forgewatch.toml:4"]);
    sandbox.set_variable("CI", "a-token-that-is-long-enough");
    let run = sandbox.run(&["run", "--dry-run"]).exits(0);
    assert_has(&run.stdout, &["nothing stands in the way of watching 0 repositories"]);
}

#[test]
fn files_that_cannot_be_read_are_told_at_once() {
    let sandbox = Sandbox::new();
    for (name, content) in [
        ("broken.toml", &b"a = [1\n"[..]),
        ("broken.yaml", b"a: [1\nb: }\n"),
        ("broken.json", b"{\"http\": {\"timeout\": \"1s\",}}"),
        ("twice.toml", b"silo_mode = \"region\"\nsilo_mode = \"region\"\n"),
        ("twice.yaml", b"http:\n  timeout: 1s\n  timeout: 2s\n"),
        ("latin.toml", b"\xff\xfe"),
        ("list.json", b"[1, 2]"),
        ("other.ini", b"x = 1\n"),
    ] {
        sandbox.write(name, content);
    }
    let mut arguments = vec!["config", "check"];
    for name in [
        "broken.toml",
        "broken.yaml",
        "broken.json",
        "twice.toml",
        "twice.yaml",
        "latin.toml",
        "list.json",
        "other.ini",
        "missing.toml",
        "missing/",
        "broken.toml/x",
    ] {
        arguments.extend(["--config", name]);
    }
    let told = refused(sandbox.run(&arguments));
    insta::assert_snapshot!("unreadable_files", redacted(&sandbox, &told));
}

#[test]
fn each_wrong_value_is_told_with_its_line() {
    let sandbox = Sandbox::new();
    let identity = |kind: &str, rest: &str| format!("[identities.a]\nkind = \"{kind}\"\n{rest}");
    let discovery = |lines: &str| {
        format!(
            "[discovery.a]\nintegration = \"b\"\n{lines}\n[integrations.b]\nprovider = \"vsts\"\ndomain_name = \"d\""
        )
    };
    // The whole file, the key at fault, its line, and a part of the message.
    let cases = [
        (
            "check_timeout = \"10s\"".to_owned(),
            "check_timeout",
            1,
            "must be longer than http.timeout, which is 10s",
        ),
        ("[http]\ntimeout = \"2m\"".into(), "check_timeout", 0, "must be longer than http.timeout"),
        ("[http]\nconcurrency = 1025".into(), "http.concurrency", 2, "at most 1024"),
        ("[http]\nconcurrency = 1.5".into(), "http.concurrency", 2, "must be a whole number, not a fraction"),
        ("[http]\nca_file = \"\"".into(), "http.ca_file", 2, "must not be empty"),
        ("[http]\nproxy = \"proxy:3128\"".into(), "http.proxy", 2, "http"),
        ("state = \"x\"".into(), "state", 1, "must be a table"),
        ("[state]\npath = \"\"".into(), "state.path", 2, "must not be empty"),
        ("[plugins]\nisolation = 1".into(), "plugins.isolation", 2, "must be one of: process, in_process"),
        ("identities = []".into(), "identities", 1, "must be a table"),
        (identity("pat", "token = { vault = \"x\" }"), "identities.a.token.vault", 3, "unknown setting"),
        (
            identity("pat", "token = {}"),
            "identities.a.token",
            3,
            "exactly one of `env`, `file` and `command`",
        ),
        (identity("pat", "token = { command = [] }"), "identities.a.token.command", 3, "must not be empty"),
        (
            identity("pat", "token = { command = \"pass ado\" }"),
            "identities.a.token.command",
            3,
            "must be a list",
        ),
        (identity("pat", "token = { env = 1 }"), "identities.a.token.env", 3, "must be text"),
        (
            identity("header", "header = \"a b\"\ntoken = { env = \"A\" }"),
            "identities.a.header",
            3,
            "must match",
        ),
        (
            identity("basic", "password = { env = \"A\" }"),
            "identities.a.username",
            1,
            "required setting is missing",
        ),
        (
            identity("entra", "tenant = \"\"\nclient_id = \"x\"\nclient_secret = { env = \"A\" }"),
            "identities.a.tenant",
            3,
            "must not be empty",
        ),
        (
            identity("oauth2", "token_url = \"https://x/\""),
            "identities.a.client_id",
            1,
            "required setting is missing",
        ),
        ("[repositories.a]\nname = \"x\"".into(), "repositories.a", 1, "`integration` missing"),
        (
            "[repositories.a]\nurl = \"https://x/\"\nproject = \"x\"".into(),
            "repositories.a.project",
            3,
            "exclude each other",
        ),
        (
            "[discovery.a]\ninclude = [\"*\"]\nintegration = \"b\"".into(),
            "discovery.a.integration",
            3,
            "is not among the integrations",
        ),
        (discovery("include = []"), "discovery.a.include", 3, "must not be empty"),
        (discovery("include = [\"\"]"), "discovery.a.include.0", 3, "must not be empty"),
        (discovery("include = [\"a\", \"b[\"]"), "discovery.a.include.1", 3, "is no pattern: `[` has no `]`"),
        (discovery("include = [\"*\"]\nexclude = [\"{\"]"), "discovery.a.exclude.0", 4, "is no pattern"),
        (
            discovery("include = [\"*\"]\nlist_every = \"0s\""),
            "discovery.a.list_every",
            4,
            "longer than zero",
        ),
        ("people = 1".into(), "people", 1, "must be a table"),
        ("[people.a]\nemails = []".into(), "people.a.emails", 2, "must not be empty"),
        ("[people.a]\nemails = [\"a\"]".into(), "people.a.emails.0", 2, "is no e-mail address"),
        (
            "[trackers.a]\nproject = \"x\"\nintegration = \"b\"".into(),
            "trackers.a.integration",
            3,
            "is not among the integrations",
        ),
        ("profiles = 1".into(), "profiles", 1, "must be a table"),
    ];
    for (content, key, line, message) in cases {
        sandbox.write("forgewatch.toml", &content);
        let told = refused(sandbox.run(&["config", "check"]));
        let place = match line {
            0 => "built-in default".to_owned(),
            line => format!("{}:{line}\n", sandbox.path("forgewatch.toml").display()),
        };
        assert_has(&told, &[&format!("error: {key}: "), message, &place]);
        assert_eq!(told.matches("error: ").count(), 1, "{told}");
    }
}

#[test]
fn command_lines_that_say_nothing_are_refused() {
    let fake = Fake::start_blocking(World::contoso());
    let sandbox = contoso_sandbox(&fake);
    sandbox.write("forgewatch.toml", CONTOSO);
    for (arguments, message) in [
        (
            &["check"][..],
            "there are no repositories to check\n  fix: add a `[repositories.NAME]` or a `[discovery.NAME]` table",
        ),
        (&["check", ""], "matches no configured repository"),
        (&["check", "--format", "xml"], "[possible values: table, json, ndjson, junit]"),
        (&["check", "--sett", "a=b"], "'--set'"),
        (&["chekc"], "'check'"),
        (&[], "Usage:"),
        (&["plugin"], "Usage:"),
        (&["route"], "required"),
        (&["config", "explain", "http.timeot"], "did you mean `timeout`?"),
        (&["config", "explain", "a..b"], "unknown setting"),
        (&["plugin", "inspect", "vstss"], "there is no plugin for provider `vstss`: did you mean `vsts`?"),
        (&["completions", "tcsh"], "possible values"),
        (&["tracker"], "Usage:"),
        (&["tracker", "subscribe"], "INTEGRATION"),
        (&["tracker", "subscribe", "a", "b"], "'b'"),
        (&["tracker", "list", "--format", "xml"], "[possible values: table, json]"),
    ] {
        assert_has(&refused(sandbox.run(arguments)), &[message]);
    }
    assert_nothing_sent(&fake);
}

/// A faulty value must not hide what only shows later, nor make anything that depends on it look faulty as well.
#[test]
fn faulty_values_and_what_shows_later_are_told_together() {
    let fake = Fake::start_blocking(World::contoso());
    let sandbox = Sandbox::with_fake(&fake);
    sandbox.write(
        "forgewatch.toml",
        r#"
        http.timeout = "soon"
        [identities]
        unset = { kind = "pat", token = { env = "NOT_SET" } }
        faulty = { kind = "pat", tokne = { env = "NOT_SET" } }
        [integrations.good]
        provider = "vsts"
        domain_name = "https://dev.azure.com/contoso/"
        identity = "unset"
        [integrations.faulty]
        provider = "vsts"
        domain_name = "https://dev.azure.com/fabrikam/"
        identity = "faulty"
        external_id = 12
        [integrations.missing-plugin]
        provider = "nosuch"
        domain_name = "https://nosuch.example/"
        [repositories]
        insecure = { url = "http://dev.azure.com/contoso/_git/x" }
        of-faulty = { integration = "faulty", name = "x" }
        of-faulty-by-url = { url = "https://dev.azure.com/fabrikam/_git/x" }
        "#,
    );
    let told = refused(sandbox.run(&["check"]));
    assert_has(
        &told,
        &[
            "http.timeout",
            "identities.faulty",
            "integrations.faulty.external_id",
            "identities.unset.token: environment variable `NOT_SET` is not set",
            "integrations.missing-plugin.provider: there is no plugin for provider `nosuch`",
            "repositories.insecure.url",
        ],
    );
    assert!(!told.contains("of-faulty"), "{told}");
    assert!(!sandbox.path("state").exists(), "a state file was made, though nothing ran");
    assert_nothing_sent(&fake);
}
