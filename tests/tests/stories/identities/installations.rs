//! Applications that sign for themselves: the fake's GitHub gives their tokens, and its Azure DevOps takes them, so that
//! nothing here depends on one provider.

use forgewatch_tests::fake::github::{Github, Installation, contoso as github};
use forgewatch_tests::fake::{Answer, Credential, Fake, Match, World};
use forgewatch_tests::haystack::{self, Haystack};
use forgewatch_tests::sandbox::{Run, Sandbox};

use super::{repository_requests, using};
use crate::support::{Config, Results, column, state};

const ENTERPRISE: &str = "api_url = \"https://github.example.org/api/v3/\"";
/// How every token of an installation begins.
const ISSUED: &str = "ghs_fakeinstallation0";
/// What is kept of them.
const STORED: &str = "SELECT access_token FROM identities";

fn nth_token(number: usize) -> String {
    format!("{ISSUED}{number:06}0rrrrrrrrrrrr")
}

fn app(name: &str, installation: u64, more: &str) -> String {
    format!(
        "[identities.{name}]\nkind = \"github_app\"\napp_id = \"{}\"\ninstallation_id = \"{installation}\"\n\
         private_key = {{ file = \"app.pem\" }}\n{more}",
        github::APP_ID
    )
}

/// The first few tokens are good for the repositories.
fn world() -> World {
    (1..=4).fold(World::contoso().github(Github::contoso()), |world, number| {
        let token = nth_token(number);
        world.credential(Credential::bearer(&format!("app {number}"), &token).member_of("contoso"))
    })
}

fn sandbox(config: &Config, fake: &Fake) -> Sandbox {
    let sandbox = config.sandbox(fake);
    sandbox.write("app.pem", github::APP_KEY);
    sandbox
}

fn calls(fake: &Fake) -> Vec<forgewatch_tests::fake::Recorded> {
    fake.requests_to(|request| request.path.ends_with("/access_tokens") && request.method == "POST")
}

/// Whatever was printed or left holds neither the key nor a token, the state's tokens and the key's own file aside.
#[track_caller]
fn assert_kept(sandbox: &Sandbox, runs: &[Run]) {
    let lines = github::APP_KEY.lines().filter(|line| !line.starts_with('-'));
    for secret in lines.chain([ISSUED]) {
        let haystack = Haystack::new(secret);
        for run in runs {
            haystack.assert_absent_from(run.stdout.as_bytes(), "standard output");
            haystack.assert_absent_from(run.stderr.as_bytes(), "standard error");
        }
        for file in haystack::files(&sandbox.path("."), &["app.pem", "plugins"]) {
            if secret != ISSUED || !file.starts_with(sandbox.path("./state")) {
                let content = std::fs::read(&file).expect("a file can be read");
                haystack.assert_absent_from(&content, &file.display().to_string());
            }
        }
    }
}

#[test]
fn an_installation_has_access_and_its_token_is_found_by_the_next_run() {
    let fake = Fake::start_blocking(world());
    let config = using(Config::default(), "app", &app("app", github::INSTALLATION, ""));
    let sandbox = sandbox(&config, &fake);
    let mut runs = Vec::new();
    for _ in 0..2 {
        runs.push(sandbox.run(&["--log-level", "trace", "check", "--format", "json"]).exits(0));
    }
    assert_eq!(calls(&fake).len(), 1, "the stored token was used");
    assert_eq!(calls(&fake)[0].host, "api.github.com");
    let sent = repository_requests(&fake);
    assert_eq!(sent.len(), 2);
    assert!(sent.iter().all(|it| it.header("authorization") == Some(&format!("Bearer {}", nth_token(1)))));
    assert_eq!(column(&sandbox, STORED), [nth_token(1)]);

    // Nearly ended, it is renewed first; refused, once.
    let aged = "UPDATE identities SET expires_at = expires_at - 3400000, saved_at = saved_at - 3400000";
    assert_eq!(state(&sandbox).execute(aged, []).ok(), Some(1));
    assert_eq!(Results::check(&sandbox).reason("app"), "granted");
    assert_eq!((calls(&fake).len(), column(&sandbox, STORED)), (2, vec![nth_token(2)]));
    let older = "UPDATE identities SET saved_at = saved_at - 600000";
    assert_eq!(state(&sandbox).execute(older, []).ok(), Some(1));
    fake.fault(Match::any().path_contains("/storefront").once(), Answer::e1());
    assert_eq!(Results::check(&sandbox).reason("app"), "granted");
    assert_eq!(calls(&fake).len(), 3);
    for command in [&["config", "show"][..], &["config", "explain", "identities"], &["check", "--dry-run"]] {
        runs.push(sandbox.run(&[&["--log-level", "trace"][..], command].concat()).exits(0));
    }
    assert_kept(&sandbox, &runs);
}

#[test]
fn whoever_gives_no_token_is_quoted_with_the_way_out() {
    let fake = Fake::start_blocking(world());
    fake.world(|world| world.github.installations.push(Installation::new(5, 99, "contoso")));
    let echo = Answer::echo_authorization(401);
    fake.fault(Match::any().path_contains("/installations/6/"), echo);
    let limited = Answer::json(403, &serde_json::json!({ "message": "API rate limit exceeded" }));
    fake.fault(Match::any().path_contains("/installations/7/"), limited.retry_after(33));
    fake.fault(Match::any().path_contains("/installations/8/"), Answer::html(502, "<p>no</p>"));
    let late = Answer::json(401, &serde_json::json!({ "message": "'Expiration time' is in the past" }));
    fake.fault(
        Match::any().path_contains("/installations/9/"),
        late.header("date", "Mon, 05 Jan 2099 10:00:00 GMT"),
    );
    let rows = [
        ("suspended", github::SUSPENDED, "", "identity_invalid", "suspended; an owner of the account"),
        ("foreign", 5, "", "identity_invalid", "HTTP 404: Not Found; the installation was removed"),
        ("missing", 404, "", "identity_invalid", "correct `installation_id`"),
        ("echo", 6, "", "identity_invalid", "correct `app_id` or `private_key`"),
        ("limited", 7, "", "rate_limited", "rate limit"),
        ("down", 8, "", "provider_error", "HTTP 502"),
        ("late", 9, "", "identity_invalid", "the clock here is"),
        ("enterprise", github::INSTALLATION, ENTERPRISE, "granted", ""),
        (
            "elsewhere",
            github::INSTALLATION,
            "api_url = \"https://dev.azure.com/\"",
            "provider_error",
            "`api_url`",
        ),
    ];
    let config = rows.iter().fold(Config::default(), |config, (name, installation, more, ..)| {
        using(config, name, &app(name, *installation, more))
    });
    let sandbox = sandbox(&config, &fake);
    let run = sandbox.run(&["--log-level", "trace", "check", "--format", "json"]).exits(1);
    let results = Results::of(&run);
    for (name, _, _, reason, said) in rows {
        assert_eq!(results.reason(name), reason, "{name}: {}", results.detail(name));
        assert!(results.detail(name).contains(said), "{name}: {}", results.detail(name));
    }
    assert_eq!(results.get("limited")["retry_after_s"], 33);
    let hosts: Vec<_> = calls(&fake).into_iter().map(|call| call.host).collect();
    assert_eq!(hosts.iter().filter(|host| *host == "github.example.org").count(), 1, "{hosts:?}");
    assert_kept(&sandbox, &[run]);
}

#[test]
fn a_key_is_judged_before_anything_runs() {
    let fake = Fake::start_blocking(world());
    let keys = [
        ("none", "{ file = \"none.pem\" }", "cannot read"),
        ("text", "{ env = \"TEXT\" }", "is no private key in PEM form"),
        ("half", "{ file = \"half.pem\" }", "is no private key in PEM form"),
        ("damaged", "{ file = \"damaged.pem\" }", "is a damaged RSA key"),
        ("public", "{ file = \"public.pem\" }", "is a public key, which cannot sign: give the private key"),
        (
            "vouched",
            "{ file = \"certificate.pem\" }",
            "is a certificate, which cannot sign: give the private key",
        ),
    ];
    let config = keys.iter().fold(Config::default(), |config, (name, key, _)| {
        let text = app(name, github::INSTALLATION, "").replace("{ file = \"app.pem\" }", key);
        using(config, name, &text)
    });
    let mut sandbox = sandbox(&config, &fake);
    sandbox.set_variable("TEXT", "planted0text");
    let lines: Vec<_> = github::APP_KEY.lines().collect();
    sandbox.write("half.pem", lines[..12].join("\n"));
    let mut damaged = lines.clone();
    damaged.swap(14, 15);
    sandbox.write("damaged.pem", damaged.join("\n"));
    sandbox.write("public.pem", github::APP_KEY.replace("RSA PRIVATE KEY", "PUBLIC KEY"));
    sandbox.write("certificate.pem", github::APP_KEY.replace("RSA PRIVATE KEY", "CERTIFICATE"));
    for command in [&["check"][..], &["check", "--dry-run"], &["run", "--dry-run"]] {
        let run = sandbox.run(command).exits(2);
        for (name, _, said) in keys {
            let key = format!("identities.{name}.private_key");
            assert!(run.stderr.contains(&key) && run.stderr.contains(said), "{name}: {}", run.stderr);
        }
        assert!(!run.stderr.contains("planted0") && !lines[1..26].iter().any(|it| run.stderr.contains(it)));
    }
    assert!(fake.requests().is_empty());
}

/// The very key, in the wrong hands: it signs, and nobody believes it.
#[test]
fn another_applications_key_is_told_as_such() {
    let fake = Fake::start_blocking(world());
    fake.world(|world| world.github.apps[0].public_key = Vec::new());
    let config = using(Config::default(), "app", &app("app", github::INSTALLATION, ""));
    let results = Results::check(&sandbox(&config, &fake));
    assert_eq!(results.reason("app"), "identity_invalid");
    assert!(results.detail("app").contains("is none of its own"), "{}", results.detail("app"));
    assert!(repository_requests(&fake).is_empty());
}
