//! What is told about a wrong configuration, and what is never told.

use super::*;

#[test]
fn all_problems_at_once() {
    let world = World::of(
        "[http]\ntimeout = \"ten\"\ntimout = 1\n[identities.a]\nkind = \"pat\"\ntoken = \"hunter2\"\n",
    )
    .config("broken.toml")
    .file("broken.toml", "a = 1\nb = \"hunter2\n")
    .config("token.yaml")
    .file("token.yaml", "hunter2")
    .set("integrations.acme.identity=b")
    .var("FORGEWATCH_SATE__PATH", "hunter2")
    .profile("nope");
    let problems = world.problems();
    assert_eq!(
        problems,
        [
            " | --profile | unknown profile `nope`",
            " | broken.toml:2 | not valid TOML: invalid basic string, expected `\"`",
            " | environment variable FORGEWATCH_SATE__PATH | this variable names no setting",
            " | token.yaml | not a table of settings",
            "http.timeout | c.toml:2 | is not a duration",
            "http.timout | c.toml:3 | unknown setting",
            "identities.a.token | c.toml:6 | a secret is not written here itself but where it is kept",
            "integrations.acme.domain_name | --set integrations.acme.identity | required setting is missing",
            "integrations.acme.identity | --set integrations.acme.identity | `b` is not among the identities",
            "integrations.acme.provider | --set integrations.acme.identity | required setting is missing",
        ]
    );
}

#[test]
fn one_problem_each() {
    for (text, want) in [
        ("silo_mode = 'monolit'", "silo_mode | c.toml:1 | must be one of: monolith, control, region"),
        ("people = 1", "people | c.toml:1 | must be a table, not a number"),
        (
            "check_timeout = '10s'",
            "check_timeout | c.toml:1 | must be longer than http.timeout, which is 10s",
        ),
        ("check_timeout = '0s'", "check_timeout | c.toml:1 | must be longer than zero"),
        ("[http]\nconcurrency = 1025", "http.concurrency | c.toml:2 | must be at most 1024"),
        ("[http]\nproxy = 'ftp://hunter2@x'", "http.proxy | c.toml:2 | is not an http or https URL"),
        ("[state]\npath = ''", "state.path | c.toml:2 | must not be empty"),
        ("[plugins]\ndirs = 'x'", "plugins.dirs | c.toml:2 | must be a list, not text"),
        (
            "[providers.x]\nallow_hosts = [\n'a',\n'b/c']",
            "providers.x.allow_hosts.1 | c.toml:4 | is not a host or host:port",
        ),
        ("[identities.a]\ntoken.env = 'X'", "identities.a.kind | c.toml:1 | required setting is missing"),
        (
            "[api]\nhosts = []\nlisten = '0.0.0.0:9477'",
            "api.listen | c.toml:3 | other machines can reach this address, and there are no API tokens",
        ),
        ("identities.a = 'hunter2'", "identities.a | c.toml:1 | must be a table, not text"),
        (
            "[identities.a]\nkind = 'github_app'\napp_id = '7'\ninstallation_id = '7/../8'\nprivate_key.env = 'A'",
            "identities.a.installation_id | c.toml:4 | must match the pattern ^[0-9]+$",
        ),
        (
            "[identities.a]\nkind = 'pat'\ntoken = { env = 'A', file = 'b' }",
            "identities.a.token | c.toml:3 | must hold exactly one of `env`, `file` and `command` once all layers are merged",
        ),
        (
            "[identities.a]\nkind = 'oauth2'\nclient_id = 'x'\ntoken_url = 'http://x'",
            "identities.a.token_url | c.toml:4 | is not an https URL",
        ),
        (
            "[repositories.'a.b']\nurl = 'x'\nname = 'y'",
            "repositories.'a.b'.name | c.toml:3 | `name` and `url` exclude each other",
        ),
        ("[repositories.a]\nproject = 'x'", "repositories.a | c.toml:1 | `integration` and `name` missing"),
        (
            "[repositories.a]\nintegration = 'x'\nname = 'y'",
            "repositories.a.integration | c.toml:2 | `x` is not among the integrations",
        ),
        ("[profiles.p.http]\ntimout = 1", "profiles.p.http.timout | c.toml:2 | unknown setting"),
        (
            "[profiles.p.identities.a]\ntoken = 'hunter2'",
            "profiles.p.identities.a.token | c.toml:2 | a secret is not written here itself but where it is kept",
        ),
    ] {
        let want = want.replace("'a.b'", "\"a.b\"");
        assert_eq!(World::of(text).problems(), [want], "{text}");
    }
}

#[test]
fn no_problem_quotes_a_secret() {
    let nested = "kind = 'header'\nheader = 'hunter2 x'\ntoken = ['hunter2']\nexpires_at = 'hunter2'";
    for text in [
        "[http]\nproxy = 'hunter2'".to_owned(),
        format!("[identities.a]\n{nested}"),
        format!("[profiles.p.identities.a]\n{nested}"),
        "identities = 'hunter2'".into(),
        "[identities.a]\nkind = 'basic'\nusername = 'u'\npassword = { env = ['hunter2'] }".into(),
        "[identities.a]\nkind = 'hunter2'".into(),
        "[identities.a]\nkind = 'pat'\ntoken = { env = 'hunter2aaaaaaaaaaaaaaaaaaaaaaa' }".into(),
        "[identities.a]\nkind = 'pat'\ntoken = { env = '$hunter2' }".into(),
        "[identities.a]\nkind = 'pat'\ntoken = { env = 'sk-hunter2' }".into(),
        "[identities.a]\nkind = 'pat'\ntoken = { env = '550e8400hunter2' }".into(),
        "[identities.a]\nkind = 'pat'\ntoken = \"hunter2\ntoken = 1".into(),
    ] {
        let problems = load(&World::of(&text).request).into_valid().expect_err(&text);
        assert!(!format!("{problems}{problems:?}").contains("hunter2"), "{problems}");
    }
}

#[test]
fn later_modules_can_locate_their_problems() {
    let loaded = World::of("[providers.p.options]\nroots = [\n1]\n").loaded();
    let path = ["providers", "p", "options"];
    let schema = json!({ "properties": { "roots": { "items": { "type": "string" } } }, "required": ["x"] });
    let options = Value::from(loaded.config.providers["p"].options.clone());
    let problems = loaded.validate(&path, &options, &schema).unwrap();
    let mut told: Vec<_> = problems.iter().map(ToString::to_string).collect();
    told.sort();
    assert!(
        told[0].starts_with("providers.p.options.roots.0: must be text, not a number\n  where: c.toml:3")
    );
    assert!(told[1].starts_with("providers.p.options.x: required setting is missing\n  where: c.toml:1"));
    assert!(loaded.validate(&path, &options, &json!({ "type": "tabel" })).is_err());
    let problem = loaded.problem(&["http", "timeout"], "too long", None);
    assert_eq!(problem.source, Some(Source::Default));
}

#[test]
fn explaining_an_unknown_key() {
    let loaded = World::of("[identities.bot]\nkind = 'pat'\ntoken.env = 'X'\n").loaded();
    for (key, near) in
        [("http.timout", Some("timeout")), ("identities.bt", Some("bot")), ("zzz", None), ("a b", None)]
    {
        let problem = loaded.explain(key).expect_err(key);
        assert_eq!(problem.help, near.map(|near| format!("did you mean `{near}`?")), "{key}");
    }
    assert!(loaded.explain("http.proxy").unwrap()[0].values.is_empty(), "known, and set by nobody");
}

#[test]
fn broken_files() {
    // The YAML parser tells where the table starts, not where its key is repeated.
    for (name, text, line) in [
        ("a.yaml", "http:\n  timeout: 1s\nhttp:\n  concurrency: 1\n", Some(1)),
        ("a.json", "{\n\"http\": {},\n\"http\": {}}", Some(3)),
        ("a.toml", "[http]\n[state]\n[http]\n", Some(3)),
        ("a.yaml", "a: b: c\n", Some(1)),
        ("a.json", "", Some(1)),
        ("a.json", "[1]", None),
    ] {
        let world = World::new().file(name, text).config(name);
        let problems = load(&world.request).into_valid().expect_err(text).0;
        let source = Some(Source::File { path: name.into(), line });
        assert_eq!((problems.len(), &problems[0].source), (1, &source), "{text}: {problems:?}");
    }
    World::new().file("a.yaml", "# nothing\n").config("a.yaml").loaded();
}
