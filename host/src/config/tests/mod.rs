//! Loading as a whole, from files, variables and flags to settings or problems.

use std::{collections::BTreeMap, fs};

use proptest::prelude::*;
use serde_json::json;
use tempfile::TempDir;

use super::*;

mod apart;
mod doubts;
mod problems;

/// A system of its own: a folder, variables and flags.
struct World {
    root: TempDir,
    request: Request,
}

impl World {
    fn new() -> Self {
        let root = TempDir::new().unwrap();
        let environment = Environment {
            variables: vec![("HOME".into(), root.path().join("home").into())],
            system_dir: root.path().join("etc"),
            working_dir: root.path().to_owned(),
        };
        let request = Request { config: Vec::new(), profile: None, set: Vec::new(), environment };
        Self { root, request }
    }

    fn file(self, path: &str, text: &str) -> Self {
        let path = self.root.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        self
    }

    /// One file, named on the command line.
    fn of(text: &str) -> Self {
        Self::new().config("c.toml").file("c.toml", text)
    }

    fn config(mut self, path: &str) -> Self {
        self.request.config.push(path.into());
        self
    }

    fn var(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.request.environment.variables.push((name.into(), value.into()));
        self
    }

    fn set(mut self, text: &str) -> Self {
        self.request.set.push(text.into());
        self
    }

    fn profile(mut self, name: &str) -> Self {
        self.request.profile = Some(name.into());
        self
    }

    fn loaded(&self) -> Loaded {
        load(&self.request).into_valid().unwrap_or_else(|problems| panic!("{problems}"))
    }

    /// Problems as `key | where | message`, sorted, paths relative to the root.
    fn problems(&self) -> Vec<String> {
        let problems =
            load(&self.request).into_valid().map(|_| ()).expect_err("this configuration is wrong").0;
        let root = format!("{}/", self.root.path().display());
        let source = |problem: &Problem| problem.source.as_ref().map(ToString::to_string).unwrap_or_default();
        let line = |it: &Problem| format!("{} | {} | {}", it.key, source(it).replace(&root, ""), it.message);
        let mut lines: Vec<_> = problems.iter().map(line).collect();
        lines.sort();
        lines
    }

    fn winner(&self, key: &str) -> String {
        let explained = self.loaded().explain(key).unwrap();
        let source = explained[0].values.last().map(|(source, _)| source.to_string()).unwrap_or_default();
        source.replace(&format!("{}/", self.root.path().display()), "")
    }
}

#[test]
fn every_layer_wins_over_those_before_it() {
    let with = |n: u32| format!("[http]\nconcurrency = {n}\n");
    let mut world = World::new();
    let mut seen = vec![world.winner("http.concurrency")];
    type Step = fn(World) -> World;
    let steps: [Step; 5] = [
        |world| world.file("etc/conf.d/20.yaml", "http:\n  concurrency: 3\n"),
        |world| world.file("etc/conf.d/30.json", "{\"http\": {\"concurrency\": 4}}"),
        |world| world.profile("p").file("etc/conf.d/10.toml", "[profiles.p.http]\nconcurrency = 6\n"),
        |world| world.var("FORGEWATCH_HTTP__CONCURRENCY", "7"),
        |world| world.set("http.concurrency=8").set("http.concurrency = 9"),
    ];
    world = world.file("etc/forgewatch.toml", &with(2));
    seen.push(world.winner("http.concurrency"));
    for step in steps {
        world = step(world);
        seen.push(world.winner("http.concurrency"));
    }
    let expected = [
        "built-in default",
        "etc/forgewatch.toml:2",
        "etc/conf.d/20.yaml:2",
        "etc/conf.d/30.json:1",
        "etc/conf.d/10.toml:2",
        "environment variable FORGEWATCH_HTTP__CONCURRENCY",
        "--set http.concurrency",
    ];
    assert_eq!(seen, expected);
    let loaded = world.file("home/.config/forgewatch/forgewatch.toml", &with(5)).loaded();
    assert_eq!(loaded.config.http.concurrency, 9);
    assert_eq!(loaded.explain("http.concurrency").unwrap()[0].values.len(), 9);
}

#[test]
fn named_files_stand_in_for_the_usual_ones() {
    let world =
        World::new().file("etc/forgewatch.toml", "colour = 1\n").file("d/b.toml", "check_timeout = '2m'\n");
    let world =
        world.file("d/a.yaml", "check_timeout: 1m\nhttp: { timeout: 5s }\n").file("d/x.yml", "").config("d");
    let loaded = world.loaded();
    assert_eq!(loaded.config.check_timeout.get().as_secs(), 120);
    assert_eq!(loaded.config.http.timeout.get().as_secs(), 5);
    assert_eq!(loaded.warnings.len(), 1, "{:?}", loaded.warnings);
    let problems = world.config("missing.toml").problems();
    assert!(problems[0].starts_with(" | missing.toml | this file cannot be read"), "{problems:?}");
}

#[test]
fn files_that_nobody_reads_are_told() {
    let world = World::new()
        .file("etc/forgewatch.yml", "colour: 1\n")
        .file("home/.config/forgewatch/forgewatch.yaml", "colour: 1\n")
        .file("home/.config/forgewatch/conf.d/a.toml", "colour = 1\n");
    let warnings: Vec<_> = world.loaded().warnings.iter().map(ToString::to_string).collect();
    assert_eq!(warnings.len(), 3, "{warnings:?}");
    for (warning, name) in warnings.iter().zip(["forgewatch.yml", "forgewatch.yaml", "conf.d"]) {
        assert!(warning.contains(&format!("/{name}\n")), "{warning}");
    }
    let named = world.file("c.toml", "").config("c.toml");
    assert!(named.loaded().warnings.is_empty());
}

#[test]
fn a_pattern_is_explained_by_its_description() {
    let schema = json!({ "properties": { "a": { "pattern": "^x", "description": "An x first." } } });
    let problems = World::of("").loaded().validate(&["o"], &json!({ "a": "y" }), &schema).unwrap();
    assert_eq!(problems[0].help.as_deref(), Some("what belongs here: an x first"));
}

#[test]
fn a_tab_in_yaml_is_called_a_tab() {
    let problems = World::new().file("a.yaml", "http:\n\ttimeout: 5s\n").config("a.yaml").problems();
    assert_eq!(
        problems,
        [" | a.yaml:2 | not valid YAML: a tab cannot indent, write spaces in its place".to_owned()]
    );
}

#[test]
fn the_documented_example_loads() {
    let loaded = World::of(
        r#"
        [plugins]
        dirs = ["plugins", "/usr/lib/x"]
        lock_file = "own.lock"
        isolation = "process"
        [providers.vsts]
        allow_hosts = ["app.example.com", "10.0.0.1:8443"]
        options = { server_roots = ["https://ado.example.org/tfs/"] }
        [http]
        ca_file = "corp.pem"
        proxy = "http://u:hunter2@proxy:3128"
        [identities.bot]
        kind = "pat"
        token = { file = "secrets/token" }
        [identities.app]
        kind = "oauth2"
        token_url = "https://login.example.com/token"
        client_id = "id"
        expires_at = 2026-01-05T10:00:00Z
        [identities.entra]
        kind = "entra"
        tenant = "t"
        client_id = "id"
        client_secret = { command = ["pass", "x"] }
        [identities.installation]
        kind = "github_app"
        app_id = "7"
        installation_id = "42"
        private_key = { file = "secrets/key.pem" }
        [identities.elsewhere]
        kind = "github_app"
        app_id = "Iv23li"
        installation_id = "42"
        private_key = { env = "KEY" }
        api_url = "https://github.example.org/api/v3"
        [integrations.acme]
        provider = "vsts"
        domain_name = "not a url"
        identity = "bot"
        interval = "5m"
        [repositories.api]
        integration = "acme"
        name = "api"
        labels = { team = "payments" }
        failure_threshold = 7
        [repositories.web]
        url = "https://u:hunter2@dev.azure.com/acme/Web/_git/web"
        integration = "acme"
        [discovery.acme]
        integration = "acme"
        include = ["Payments/*"]
        interval = "2h"
        "#,
    );
    let root = loaded.root.path().to_owned();
    let loaded = loaded.loaded();
    let config = &loaded.config;
    assert_eq!(config.plugins.dirs, [root.join("plugins"), "/usr/lib/x".into()]);
    assert_eq!(config.plugins.lock_file, Some(root.join("own.lock")));
    assert_eq!(config.http.ca_file, Some(root.join("corp.pem")));
    assert_eq!(config.state.path, root.join("home/.local/state/forgewatch/state.db"));
    assert_eq!(
        config.identities["bot"],
        Identity::Pat { token: SecretRef::File(root.join("secrets/token")) }
    );
    let Identity::Entra(entra) = &config.identities["entra"] else { panic!("{config:?}") };
    assert!(entra.scope.starts_with("499b84ac") && entra.token_url.is_none());
    for (name, url) in [
        ("installation", "https://api.github.com/app/installations/42/access_tokens"),
        ("elsewhere", "https://github.example.org/api/v3/app/installations/42/access_tokens"),
    ] {
        let Identity::GithubApp(app) = &config.identities[name] else { panic!("{config:?}") };
        assert_eq!(app.token_url(), url);
    }
    assert_eq!(config.providers["vsts"].allow_hosts[1].port, 8443);
    let acme = config.defaults.with(&config.integrations["acme"].overrides);
    let policy = acme.with(&config.repositories["api"].overrides);
    assert_eq!(
        (policy.interval.get().as_secs(), policy.failure_threshold, policy.success_threshold),
        (300, 7, 1)
    );
    let found = &config.discovery["acme"];
    let (listed, kept) = (found.list_every.get().as_secs(), found.forget_after.get().as_secs());
    assert_eq!((listed, kept), (3600, 7 * 86_400));
    let policy = acme.with(&found.overrides);
    assert_eq!((policy.interval.get().as_secs(), policy.failure_threshold), (7200, 2));
    assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
    let shown = format!("{config:?}{}{:?}", loaded.effective(), loaded.explain("repositories").unwrap());
    assert!(!shown.contains("hunter2"), "{shown}");
}

#[test]
fn variables_and_flags_are_read_by_the_schema() {
    let world = World::of("[integrations.a]\nprovider = 'p'\ndomain_name = 'd'\n")
        .var("FORGEWATCH_STATE__PATH", "0012")
        .var("FORGEWATCH_HTTP__CONCURRENCY", "0012")
        .var("FORGEWATCH_PLUGINS__DIRS", "plug ins")
        .var("FORGEWATCH_PORT", "tcp://10.0.0.1:80")
        .var("FORGEWATCH_TOKEN", "hunter2")
        .set("integrations.a.external_id=0123")
        .set("integrations.a.allow_insecure_http=true")
        .set("integrations.a.metadata.\"x.y\"=[1")
        .set("providers.p.allow_hosts=['a', \"b:1\"]")
        .set("providers.p.options={ n = 1, t = '1' }");
    let loaded = world.loaded();
    let (config, root) = (&loaded.config, world.root.path());
    assert_eq!((config.http.concurrency, &config.state.path), (12, &root.join("0012")));
    assert_eq!(config.plugins.dirs, [root.join("plug ins")]);
    let integration = &config.integrations["a"];
    assert_eq!(integration.external_id.as_deref(), Some("0123"));
    assert!(integration.allow_insecure_http);
    assert_eq!(integration.metadata["x.y"], "[1");
    assert_eq!(config.providers["p"].allow_hosts.len(), 2);
    assert_eq!(Value::from(config.providers["p"].options.clone()), json!({ "n": 1, "t": "1" }));
    assert_eq!(loaded.warnings.len(), 1, "{:?}", loaded.warnings);
    for (name, value) in [("FORGEWATCH_IDENTITIES__A__TOKEN", "hunter2"), ("FORGEWATCH_HTTP__TIMOUT", "1s")] {
        assert_eq!(World::of("").var(name, value).problems().len(), 1, "{name}");
    }
    for flag in ["nothing", "a b=1", "profiles.p.check_timeout=9m", "identities.a='hunter2'", "=1"] {
        assert_eq!(World::of("").set(flag).problems().len(), 1, "{flag}");
    }
}

#[cfg(unix)]
#[test]
fn a_variable_that_is_not_text_is_a_problem() {
    use std::os::unix::ffi::OsStringExt;
    let world = World::of("").var("FORGEWATCH_STATE__PATH", OsString::from_vec(vec![0xff]));
    assert_eq!(
        world.problems(),
        [" | environment variable FORGEWATCH_STATE__PATH | its value is not UTF-8 text"]
    );
}

#[test]
fn what_a_merge_dropped_is_not_explained() {
    let mut world = World::new();
    for (name, options) in [("1.toml", "a.b = 1"), ("2.toml", "a = 2"), ("3.toml", "a.b = 3")] {
        world = world.file(name, &format!("[providers.p.options]\n{options}\n")).config(name);
    }
    let explained = world.loaded().explain("providers.p.options.a.b").unwrap();
    assert_eq!(explained[0].values.len(), 1, "{explained:?}");
}

/// Free-form settings: a leaf or a table of leaves, under few names so that layers collide.
fn options() -> impl Strategy<Value = BTreeMap<String, Value>> {
    let leaf = prop_oneof![any::<bool>().prop_map(Value::from), (0..9i64).prop_map(Value::from)];
    let value = prop_oneof![
        leaf.clone(),
        proptest::collection::vec(leaf.clone(), 0..3).prop_map(Value::from),
        proptest::collection::btree_map("[ab.]", leaf, 1..3).prop_map(|table| json!(table)),
    ];
    proptest::collection::btree_map("[ab.]", value, 1..4)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]

    /// What `explain` says holds is what holds, whatever the layers do to each other.
    #[test]
    fn the_explained_winner_is_effective(layers in proptest::collection::vec(options(), 1..4), chosen: bool) {
        let mut world = World::new();
        for (index, options) in layers.iter().enumerate() {
            let name = format!("{index}.json");
            let settings = json!({ "providers": { "p": { "options": options } } });
            let text = if index == 0 && chosen { json!({ "profiles": { "p": settings } }) } else { settings };
            world = world.file(&name, &text.to_string()).config(&name);
        }
        if chosen {
            world = world.profile("p");
        }
        let loaded = world.loaded();
        let effective = loaded.effective();
        for explained in loaded.explain("providers.p").unwrap() {
            let path = toml_edit::Key::parse(&explained.key).unwrap();
            let holds = path.iter().try_fold(&effective, |value, key| value.get(key.get()));
            prop_assert_eq!(explained.values.last().map(|(_, value)| value), holds, "{}", explained.key);
        }
    }
}

/// Paths below the world's root that are watched once this world is loaded.
fn watched(world: &World) -> Vec<String> {
    let loaded = load(&world.request);
    let shown = |path: &PathBuf| path.strip_prefix(world.root.path()).unwrap().display().to_string();
    loaded.watch().paths().iter().map(shown).collect()
}

#[test]
fn whatever_loading_and_preparing_read_is_watched() {
    let usual = ["etc/forgewatch.toml", "etc/conf.d", "home/.config/forgewatch/forgewatch.toml"];
    assert_eq!(watched(&World::new()), usual);
    let world = World::new().file("etc/conf.d/10.toml", "").file("etc/conf.d/notes", "");
    assert_eq!(watched(&world), [usual[0], usual[1], "etc/conf.d/10.toml", usual[2]]);

    let text = r#"
        plugins.lock_file = "lock"
        http.ca_file = "ca.pem"
        [identities]
        unused = { kind = "pat", token = { file = "unused" } }
        named = { kind = "pat", token = { env = "NAMED" } }
        basic = { kind = "basic", username = "u", password = { file = "password" } }
        [identities.app]
        kind = "oauth2"
        token_url = "https://issuer.example/token"
        client_id = "app"
        client_secret = { file = "secret" }
        access_token = { file = "access" }
        refresh_token = { file = "refresh" }
        [identities.installation]
        kind = "github_app"
        app_id = "7"
        installation_id = "42"
        private_key = { file = "key.pem" }
        [integrations]
        a = { provider = "p", domain_name = "https://a.example/", identity = "app" }
        b = { provider = "p", domain_name = "https://b.example/", identity = "basic" }
        c = { provider = "p", domain_name = "https://c.example/", identity = "named" }
        d = { provider = "p", domain_name = "https://d.example/", identity = "basic" }
        e = { provider = "p", domain_name = "https://e.example/", identity = "installation" }
    "#;
    let mut files = vec!["c.toml", "access", "ca.pem", "key.pem", "lock", "password", "refresh", "secret"];
    let world = World::of(text);
    assert_eq!(watched(&world), files);
    // What is wrong elsewhere changes nothing about it: the next load may be right.
    assert_eq!(watched(&world.set("colour=red")), files);
    files.retain(|name| ["c.toml", "ca.pem", "lock"].contains(name));
    assert_eq!(watched(&World::of(text).set("silo_mode=region")), files);
    assert_eq!(watched(&World::new().config("missing.toml")), ["missing.toml"]);
}

#[tokio::test(start_paused = true)]
async fn a_file_that_changes_after_it_was_read_is_seen() {
    let world = World::of("check_timeout = \"20s\"");
    let loaded = world.loaded();
    let world = world.file("c.toml", "check_timeout = \"120s\"");
    let mut watch = loaded.watch();
    assert!(tokio::time::timeout(std::time::Duration::from_secs(5), watch.changed()).await.is_ok());
    let mut watch = world.loaded().watch();
    assert!(tokio::time::timeout(std::time::Duration::from_secs(5), watch.changed()).await.is_err());
}
