//! Configurations that hold a secret where a reference to one belongs, or that cannot be read at all.

use forgewatch_tests::sandbox::Sandbox;

use forgewatch_tests::haystack::Haystack;

#[test]
fn wrong_configurations_are_not_quoted() {
    const LITERAL: &str = "planted0literal";
    let mut sandbox = Sandbox::new();
    let toml = [
        "identities.a = { kind = \"pat\", token = \"LITERAL\" }",
        "identities.a = { kind = \"pat\", token = { env = \"X\", value = \"LITERAL\" } }",
        "identities.a = { kind = \"pat\", token = { literal = \"LITERAL\" } }",
        "identities.a = { kind = \"pat\", token = [\"LITERAL\"] }",
        "identities.a = { kind = \"pat\", tokn = \"LITERAL\" }",
        "identities.a = { kind = \"LITERAL\" }",
        "identities.a = \"LITERAL\"",
        "identities.a = { kind = \"basic\", username = \"me\", password = \"LITERAL\" }",
        "identities.a = { kind = \"oauth2\", client_id = \"x\", token_url = \"https://me:LITERAL@login.example/\" }",
        "identities.a = { kind = \"oauth2\", client_id = \"x\", token_url = \"http://me:LITERAL@login.example/\" }",
        "identities.a = { kind = \"oauth2\", client_id = \"x\", client_secret = \"LITERAL\" }",
        "identities.a = { kind = \"oauth2\", client_id = \"x\", expires_at = \"LITERAL\" }",
        "http.proxy = \"socks5://me:LITERAL@proxy.example:1\"",
        "http.proxy = \"me:LITERAL@proxy.example\"",
        "http.proxy = [\"http://me:LITERAL@proxy.example\"]",
        "http.timeout = \"LITERAL\"",
        "password = \"LITERAL\"",
        "integrations.a = { provider = \"vsts\", domain_name = \"x\", token = \"LITERAL\" }",
        "providers.vsts.allow_hosts = [\"https://me:LITERAL@host/\"]",
        "providers.vsts.options.server_roots = [\"https://me:LITERAL@host/\", 5]",
        "providers.vsts.options.secret = \"LITERAL\"",
        "repositories.a = { url = \"https://me:LITERAL@evil.example/x\" }",
        "repositories.a = { url = \"https://me:LITERAL@dev.azure.com/contoso/%zz/_git/r\" }",
        "identities.a = { kind = \"pat\", token = \"LITERAL }",
        "identities.a.token = \"LITERAL\"\nidentities.a.token = \"LITERAL\"",
        "identities = \"LITERAL",
        "token LITERAL",
    ];
    let yaml = [
        "identities:\n  a:\n    kind: pat\n    token: LITERAL\n",
        "identities:\n  a: {kind: pat, token: \"LITERAL\n",
        "identities:\n  token: LITERAL\n bad: indent\n",
        "LITERAL",
    ];
    let set = [
        "identities.a={kind=\"pat\", token=\"LITERAL\"}",
        "identities.a.token=LITERAL",
        "http.proxy=me:LITERAL@proxy.example",
        "http.concurrency=LITERAL",
        "nothing=LITERAL",
    ];
    let with = |text: &str| text.replace("LITERAL", LITERAL);
    sandbox.set_variable("FORGEWATCH_HTTP__PROXY", &with("ftp://me:LITERAL@proxy.example"));
    let mut runs = Vec::new();
    let mut try_both = |sandbox: &Sandbox, extra: &[&str], what: &str| {
        for command in [&["config", "check"][..], &["check"]] {
            let run = sandbox.run(&[&["--log-level", "trace"], extra, command].concat());
            assert!(!(run.stdout.is_empty() && run.stderr.is_empty()), "{what}");
            assert_ne!(run.status, Some(0), "{what}: {run:?}");
            let text = format!("{}{}", run.stdout, run.stderr);
            assert!(!text.contains(LITERAL), "{what}: {text}");
            runs.push(run);
        }
    };
    for (file, text) in
        toml.map(|text| ("wrong.toml", text)).into_iter().chain(yaml.map(|text| ("wrong.yaml", text)))
    {
        sandbox.write(file, with(text));
        try_both(&sandbox, &["--config", file], text);
    }
    for text in set {
        try_both(&sandbox, &["--set", &with(text)], text);
    }
    let haystack = Haystack::new(LITERAL);
    for run in runs {
        haystack.assert_absent_from(format!("{run:?}").as_bytes(), "what was printed");
    }
}
