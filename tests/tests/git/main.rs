//! `examples/git-provider` through the real binary, before a real Git server: nginx, fcgiwrap and `git http-backend`.
//!
//! Every story is told in both isolations, by a server of its own. Absent: what the plugin's own tests show without a
//! server.
#![cfg(target_os = "linux")]

mod server;

use std::fs;

use forgewatch_tests::build;
use forgewatch_tests::haystack::{self, Haystack};
use forgewatch_tests::sandbox::{Run, Sandbox};
use serde_json::Value;

use crate::server::{APP_TOKEN, GitServer, IN_REDIRECT, PASSWORD, TOKEN};

const ISOLATIONS: [&str; 2] = ["in_process", "process"];
const WRONG_PASSWORD: &str = "planted0wrong0password";

/// Identities, and an integration for each, on the same server.
const CONFIG: &str = r#"
[identities]
reader = { kind = "basic", username = "reader", password = { env = "READER" } }
stranger = { kind = "basic", username = "reader", password = { env = "STRANGER" } }
robot = { kind = "pat", token = { env = "ROBOT" } }
app = { kind = "bearer", token = { env = "APP" } }

[integrations]
reader = { provider = "git", domain_name = "BASE", identity = "reader" }
stranger = { provider = "git", domain_name = "BASE", identity = "stranger" }
robot = { provider = "git", domain_name = "BASE", identity = "robot" }
app = { provider = "git", domain_name = "BASE", identity = "app" }
"#;

/// A sandbox with the plugin and these repositories.
fn sandbox(server: &GitServer, isolation: &str, repositories: &str) -> Sandbox {
    let mut sandbox = Sandbox::new();
    sandbox.install(build::git_provider());
    for (name, value) in
        [("READER", PASSWORD), ("STRANGER", WRONG_PASSWORD), ("ROBOT", TOKEN), ("APP", APP_TOKEN)]
    {
        sandbox.set_variable(name, value);
    }
    let top = format!("plugins.isolation = {isolation:?}\nhttp.ca_file = {:?}\n", server.ca_file());
    let config = format!("{top}{CONFIG}\n[repositories]\n{repositories}");
    sandbox.write("forgewatch.toml", config.replace("BASE", &server.base_url()));
    sandbox
}

/// Checks all of them: for each its name, the reason, the HTTP status and the seconds to wait, in a line.
fn check(sandbox: &Sandbox) -> (String, Run) {
    let run = sandbox.run(&["--log-level", "trace", "check", "--format", "json"]);
    let document = run.json();
    let results = document["results"].as_array().expect("results are a list");
    let line = |result: &Value| {
        let text = |key: &str| result[key].as_str().unwrap_or_default().to_owned();
        let number = |key: &str| result[key].as_u64().map_or("-".to_owned(), |number| number.to_string());
        let (name, reason) = (text("repository"), text("reason"));
        format!("{name}: {reason} {} {}\n", number("http_status"), number("retry_after_s"))
    };
    (results.iter().map(line).collect(), run)
}

#[track_caller]
fn detail(run: &Run, repository: &str) -> String {
    let document = run.json();
    let results = document["results"].as_array().expect("results are a list");
    let found = results.iter().find(|result| result["repository"] == repository);
    found.and_then(|result| result["detail"].as_str()).expect("a detail").to_owned()
}

const EVERYTHING: &str = r#"
by-name = { integration = "reader", project = "team", name = "shop" }
by-url = { integration = "reader", url = "BASEteam/shop.git" }
closed = { integration = "reader", project = "team", name = "closed" }
dumb = { integration = "reader", project = "dumb", name = "shop" }
empty = { integration = "reader", project = "team", name = "empty" }
forbidden = { integration = "reader", project = "vault", name = "shop" }
missing = { integration = "reader", project = "team", name = "missing" }
moved = { integration = "reader", project = "moved", name = "shop" }
nested = { integration = "reader", url = "BASEteam/Web%20Shop/K%C3%BCche.git" }
old = { integration = "reader", project = "old", name = "shop" }
old-empty = { integration = "reader", project = "old", name = "empty" }
page = { integration = "reader", project = "page", name = "shop" }
server-fails = { integration = "reader", project = "broken", name = "shop" }
token = { integration = "robot", project = "team", name = "shop" }
token-bearer = { integration = "app", project = "app", name = "shop" }
wrong-form = { integration = "app", project = "team", name = "shop" }
wrong-password = { integration = "stranger", project = "team", name = "shop" }
"#;

const VERDICTS: &str = "\
by-name: granted 200 -
by-url: granted 200 -
closed: forbidden 403 -
dumb: invalid_response 200 -
empty: granted 200 -
forbidden: forbidden 403 -
missing: not_found 404 -
moved: invalid_response 301 -
nested: granted 200 -
old: granted 200 -
old-empty: granted 200 -
page: invalid_response 200 -
server-fails: provider_error 502 -
token: granted 200 -
token-bearer: granted 200 -
wrong-form: unauthorized 401 -
wrong-password: unauthorized 401 -
";

/// A server with all that [`EVERYTHING`] asks for.
fn server_with_everything() -> GitServer {
    let server = GitServer::start();
    for path in ["team/shop.git", "team/closed.git", "team/Web Shop/Küche.git", "old/shop.git"] {
        server.make(path);
    }
    for path in ["app/shop.git", "vault/shop.git", "dumb/shop.git"] {
        server.make(path);
    }
    server.make_empty("team/empty.git");
    server.make_empty("old/empty.git");
    // Git itself refuses to serve this one.
    server.git(&["-C", "team/closed.git", "config", "http.uploadpack", "false"]);
    server.git(&["-C", "dumb/shop.git", "update-server-info"]);
    server
}

#[test]
fn who_is_granted_access_may_fetch_and_who_is_denied_may_not() {
    let server = server_with_everything();
    for (path, password, may) in [
        ("team/shop.git", PASSWORD, true),
        ("team/Web Shop/Küche.git", PASSWORD, true),
        ("team/empty.git", PASSWORD, true),
        ("old/shop.git", PASSWORD, true),
        ("team/shop.git", WRONG_PASSWORD, false),
        ("team/closed.git", PASSWORD, false),
        ("team/missing.git", PASSWORD, false),
        ("vault/shop.git", PASSWORD, false),
    ] {
        assert_eq!(server.shows_git(path, password), may, "{path}");
    }
}

#[test]
fn a_real_server_grants_and_denies_and_no_password_gets_out() {
    let server = server_with_everything();
    for isolation in ISOLATIONS {
        let sandbox = sandbox(&server, isolation, EVERYTHING);
        let (lines, run) = check(&sandbox);
        assert_eq!(lines, VERDICTS, "{isolation}: {}", run.stdout);
        assert!(detail(&run, "dumb").contains("let it speak smart HTTP"));
        assert!(detail(&run, "page").contains("no answer of Git's but `text/html`"));
        let target = format!("to `{}team/shop.git`", server.base_url());
        assert!(detail(&run, "moved").contains(&target), "{}", detail(&run, "moved"));
        for secret in [PASSWORD, TOKEN, APP_TOKEN, WRONG_PASSWORD, IN_REDIRECT] {
            let secret = Haystack::new(secret);
            secret.assert_absent_from(run.stdout.as_bytes(), "standard output");
            secret.assert_absent_from(run.stderr.as_bytes(), "standard error");
            for file in haystack::files(&sandbox.path(""), &["plugins"]) {
                let content = fs::read(&file).expect("a file can be read");
                secret.assert_absent_from(&content, &file.to_string_lossy());
            }
        }
    }
}

#[test]
fn a_repository_that_is_renamed_is_not_found_until_its_name_is_corrected() {
    let server = GitServer::start();
    server.make("team/shop.git");
    let shop = "a = { integration = \"reader\", project = \"team\", name = \"shop\" }\n";
    let store = shop.replace("shop", "store");
    for isolation in ISOLATIONS {
        assert_eq!(check(&sandbox(&server, isolation, shop)).0, "a: granted 200 -\n");
        server.rename("team/shop.git", "team/store.git");
        let (lines, run) = check(&sandbox(&server, isolation, shop));
        assert_eq!(lines, "a: not_found 404 -\n");
        assert!(detail(&run, "a").starts_with("`shop`: the server shows no such repository"));
        assert_eq!(check(&sandbox(&server, isolation, &store)).0, "a: granted 200 -\n");
        server.rename("team/store.git", "team/shop.git");
    }
}

#[test]
fn a_server_that_limits_or_is_down_costs_nobody_access() {
    for isolation in ISOLATIONS {
        let mut server = GitServer::start();
        server.make("limited/shop.git");
        let shop = "a = { integration = \"reader\", project = \"limited\", name = \"shop\" }\n";
        let sandbox = sandbox(&server, isolation, shop);
        // One request a minute is let through.
        assert_eq!(check(&sandbox).0, "a: granted 200 -\n");
        let (lines, run) = check(&sandbox);
        assert_eq!(lines, "a: rate_limited 429 60\n");
        run.exits(3);
        server.stop();
        let (lines, run) = check(&sandbox);
        assert_eq!(lines, "a: unreachable - -\n");
        run.exits(3);
    }
}

#[test]
fn addresses_may_do_without_a_suffix() {
    let server = GitServer::start();
    server.make("team/shop");
    let shop = "a = { integration = \"reader\", url = \"BASEteam/shop\" }\n";
    for isolation in ISOLATIONS {
        assert_eq!(check(&sandbox(&server, isolation, shop)).0, "a: not_found 404 -\n");
        let without = format!("{shop}[providers.git.options]\nsuffix = \"\"\n");
        assert_eq!(check(&sandbox(&server, isolation, &without)).0, "a: granted 200 -\n");
    }
}

#[test]
fn the_plugin_loads_and_leaves_the_urls_of_others_to_them() {
    let sandbox = Sandbox::new();
    sandbox.install(build::git_provider());
    let integration = "{ provider = \"git\", domain_name = \"https://git.example.org/\" }";
    sandbox.write("forgewatch.toml", format!("integrations.own = {integration}\n"));
    let verified = sandbox.run(&["plugin", "verify", "git"]).exits(0);
    assert!(verified.stdout.contains("Git (smart HTTP)"), "{verified:#?}");
    let urls = [
        "https://git.example.org/team/shop.git",
        "https://dev.azure.com/contoso/_git/Tools",
        "https://git.example.org/contoso/_git/Tools",
        "ssh://git@git.example.org/team/shop.git",
        "http://git.example.org/team/shop.git",
    ];
    let routes = sandbox.run(&[&["route", "--format", "json"], &urls[..]].concat()).exits(1).json();
    let led = ["provider", "integration", "project", "name"].map(|key| routes[0][key].as_str());
    assert_eq!(led, [Some("git"), Some("own"), Some("team"), Some("shop")]);
    let providers_or_errors = (1..urls.len()).map(|at| {
        let route = &routes[at];
        route["provider"].as_str().or(route["error"].as_str()).unwrap_or_default()
    });
    let expected = ["vsts", "git", "unsupported_host", "insecure_scheme"];
    assert_eq!(providers_or_errors.collect::<Vec<_>>(), expected, "{routes:#}");
}
