//! GitHub through the real binary and the real plugin library, against a fake one on this machine.

use std::collections::BTreeMap;
use std::time::Duration;

use forgewatch_tests::fake::github::{Github, Permission, Repository, Token, Visibility, contoso};
use forgewatch_tests::fake::{Answer, Fake, Kind, Match, World};
use forgewatch_tests::haystack::{self, Haystack};
use forgewatch_tests::sandbox::{Run, Sandbox};

mod listing;
mod routes;
mod rows;

use rows::Expected;

use crate::support::{Config, Results, line, real_requests};

const API: &str = "https://api.github.com/";
/// Everything that must be found nowhere: tokens, and the key in a link that a sign-on asks for.
const SECRETS: [&str; 5] =
    [contoso::CLASSIC, contoso::FINE_GRAINED, contoso::WITHOUT_SIGN_ON, contoso::REVOKED, "fakerequest0"];

/// The identities `classic`, `fine`, `unsigned` and `revoked`; repositories are asked for one by one.
fn config() -> Config {
    [
        ("classic", contoso::CLASSIC),
        ("fine", contoso::FINE_GRAINED),
        ("unsigned", contoso::WITHOUT_SIGN_ON),
        ("revoked", contoso::REVOKED),
    ]
    .into_iter()
    .fold(Config::default().toml("[providers.github]\nbatch = false"), |config, (name, token)| {
        let command = format!("command = [\"/bin/echo\", \"{token}\"]");
        config.toml(&format!("[identities.{name}]\nkind = \"pat\"\ntoken = {{ {command} }}"))
    })
}

fn integration(config: Config, name: &str, domain_name: &str, identity: &str) -> Config {
    config.toml(&format!(
        "[integrations.{name}]\nprovider = \"github\"\ndomain_name = \"{domain_name}\"\nidentity = \"{identity}\""
    ))
}

fn repository(config: Config, name: &str, integration: &str, owner: &str, on_forge: &str) -> Config {
    config.toml(&format!(
        "[repositories.{name:?}]\nintegration = \"{integration}\"\nproject = \"{owner}\"\nname = \"{on_forge}\""
    ))
}

fn sandbox(config: &Config, fake: &Fake) -> Sandbox {
    let sandbox = Sandbox::with_fake(fake);
    config.write(&sandbox);
    sandbox
}

fn start(github: Github) -> Fake {
    Fake::start_blocking(World::default().github(github))
}

fn check(sandbox: &Sandbox, status: i32) -> Results {
    let run = sandbox.run(&["--log-level", "trace", "check", "--format", "json"]).exits(status);
    assert_kept(sandbox, &run);
    Results::of(&run)
}

#[track_caller]
fn assert_kept(sandbox: &Sandbox, run: &Run) {
    for secret in SECRETS {
        let haystack = Haystack::new(secret);
        haystack.assert_absent_from(run.stdout.as_bytes(), "standard output");
        haystack.assert_absent_from(run.stderr.as_bytes(), "standard error");
        for file in haystack::files(&sandbox.path("."), &["base.toml", "forgewatch.toml", "plugins"]) {
            let content = std::fs::read(&file).expect("a file can be read");
            haystack.assert_absent_from(&content, &file.display().to_string());
        }
    }
}

/// The row's name as a segment that no other row's path contains.
fn slug(name: &str) -> String {
    format!("{}.row", name.to_lowercase().replace(' ', "-"))
}

#[test]
fn every_answer_has_its_verdict() {
    let fake = Fake::start_blocking(World::default().github(Github::contoso()).host("elsewhere.example"));
    let mut config = config().toml("[http]\nmax_response_bytes = 200000\ntimeout = \"50s\"");
    config = integration(config, "contoso", API, "classic");
    let mut expected: BTreeMap<String, Expected> = BTreeMap::new();
    for (name, answer, row) in rows::answers() {
        fake.fault(Match::any().host("api.github.com").path_contains(&format!("/{}", slug(name))), answer);
        // Whoever is told of a limit asks no more for a while, which is nobody else's business.
        let own = match row {
            (_, Some(403 | 429), _) | (_, _, Some(_)) => {
                let own = format!("row-{}", expected.len());
                let token = format!("{{ command = [\"/bin/echo\", \"{}\"] }}", contoso::CLASSIC);
                config = config.toml(&format!("[identities.{own}]\nkind = \"pat\"\ntoken = {token}"));
                config = integration(config, &own, API, &own);
                own
            }
            _ => "contoso".to_owned(),
        };
        config = repository(config, name, &own, "contoso", &slug(name));
        expected.insert(name.to_owned(), row);
    }
    for (at, (name, answer)) in Answer::unusable_successes().into_iter().enumerate() {
        let id = 900_000 + at;
        fake.fault(Match::any().path_contains(&format!("/repositories/{id}")), answer);
        let name = format!("unusable {name}");
        config = repository(config, &name, "contoso", "contoso", "storefront")
            .toml(&format!("external_id = \"{id}\""));
        let status = if name == "unusable no content" { 204 } else { 200 };
        expected.insert(name, ("invalid_response", Some(status), None));
    }
    for (name, identity, owner, on_forge, row) in rows::WORLD {
        config = integration(config, &format!("own-{}", expected.len()), API, identity);
        config = repository(config, name, &format!("own-{}", expected.len()), owner, on_forge);
        expected.insert(name.to_owned(), row);
    }
    let sandbox = sandbox(&config, &fake);
    let results = check(&sandbox, 1);
    let wanted: String = expected
        .iter()
        .map(|(name, (reason, status, retry))| line(name, reason, *status, *retry) + "\n")
        .collect();
    let lines = results.lines();
    println!("{lines}");
    assert_eq!(lines, wanted);
    for (name, part) in rows::DETAILS {
        let detail = results.detail(name);
        assert!(detail.contains(part), "{name}: {detail}");
    }
    let strayed = fake.requests_to(|request| request.host != "api.github.com" && request.host != "127.0.0.1");
    assert!(strayed.is_empty(), "{strayed:#?}");
    assert!(real_requests(&fake).iter().all(|request| request.headers.contains_key("user-agent")));
}

#[test]
fn what_anyone_can_read_is_no_proof_of_access() {
    let mut github = Github::contoso();
    for n in 0..40 {
        let showcase = Repository::new(5000 + n, "fabrikam", &format!("showcase-{n}"));
        github = github.repository(showcase.visibility(Visibility::Public));
    }
    // Granted to read and no more: on its own it looks like any other public repository.
    let docs = Repository::new(6000, "fabrikam", "docs").visibility(Visibility::Public);
    let fake = start(github.repository(docs.grant("deploy-bot", Permission::Pull)));
    let mut config = integration(config(), "fabrikam", API, "classic");
    config = repository(config, "docs", "fabrikam", "fabrikam", "docs");
    for n in 0..40 {
        let name = format!("showcase-{n}");
        config = repository(config, &name, "fabrikam", "fabrikam", &name);
    }
    let sandbox = sandbox(&config, &fake);
    let results = check(&sandbox, 1);
    assert_eq!(results.reason("docs"), "granted", "{}", results.detail("docs"));
    for n in 0..40 {
        let name = format!("showcase-{n}");
        assert_eq!(results.reason(&name), "forbidden");
        assert!(results.detail(&name).contains("anyone can read it, but nothing is granted"), "{name}");
    }
    // However many checks wait for it, the list is read once.
    assert_eq!(fake.counters().of(Kind::RepositoryList), 1);
    // Asked for together they have the same verdicts.
    let together = ["check", "--format", "json", "--set", "providers.github.batch=true"];
    let together = Results::of(&sandbox.run(&together).exits(1));
    assert!(
        together.all().all(|(name, result)| result["reason"] == results.reason(name)),
        "{}",
        together.lines()
    );
    // Without a list nothing is said against anybody.
    fake.fault(Match::any().path_contains("/user/repos"), Answer::github(500, "broken"));
    let results = check(&sandbox, 3);
    assert!(results.all().all(|(_, result)| result["reason"] == "provider_error"), "{}", results.lines());
}

#[test]
fn a_repository_that_moved_is_found_by_its_old_name() {
    let fake = start(Github::contoso());
    let config = integration(config(), "contoso", API, "classic");
    let sandbox = sandbox(&repository(config, "shop", "contoso", "contoso", "storefront"), &fake);
    assert_eq!(check(&sandbox, 0).detail("shop"), "");
    fake.world(|world| world.github.repository_mut("storefront").rename("fabrikam", "shop"));
    let results = check(&sandbox, 0);
    assert_eq!(
        (results.reason("shop"), results.get("shop")["http_status"].as_u64()),
        ("granted".into(), Some(200))
    );
    let detail = results.detail("shop");
    assert!(detail.contains("is `shop` of `fabrikam` now: update `name` and `project`"), "{detail}");
    // Somebody else takes the old name.
    fake.world(|world| world.github.repositories.push(Repository::new(7000, "contoso", "storefront")));
    assert_eq!(check(&sandbox, 1).reason("shop"), "not_found");
}

#[test]
fn a_limit_says_when_it_ends_and_is_no_denial() {
    let fake = start(Github::contoso().limited(2, Duration::from_secs(1200)));
    let mut config = integration(config(), "contoso", API, "classic");
    for name in ["storefront", "new-home", "attic", "wiki"] {
        config = repository(config, name, "contoso", "contoso", name);
    }
    let sandbox = sandbox(&config, &fake);
    check(&sandbox, 3);
    let results = check(&sandbox, 3);
    // Once it is said, nobody asks any more.
    assert!(results.all().any(|(_, result)| result["http_status"] == 403), "{}", results.lines());
    for (name, result) in results.all() {
        assert_eq!(result["reason"], "rate_limited", "{name}");
        let wait = result["retry_after_s"].as_u64().expect("a time");
        assert!((1100..=1200).contains(&wait), "{name}: {wait}");
    }
}

#[test]
fn base_urls_of_every_edition_lead_to_their_interface() {
    let fake = start(Github::contoso());
    let local = format!("{}api/v3/", fake.http_base());
    let mut config = config();
    for (name, domain_name) in [
        ("interface", API),
        ("owned", "https://api.github.com/contoso/"),
        ("company", "https://api.acme.ghe.com/"),
        ("server", "https://github.example.org/"),
        ("server-interface", "https://github.example.org/api/v3"),
        ("web", "https://github.com/"),
        ("malformed", "github.com"),
        ("insecure", "http://github.example.org/"),
    ] {
        config = integration(config, name, domain_name, "classic");
        config = repository(config, name, name, "contoso", "storefront");
    }
    config = integration(config, "local", &local, "classic").toml("allow_insecure_http = true");
    config = repository(config, "local", "local", "contoso", "storefront");
    let sandbox = sandbox(&config, &fake);
    let results = check(&sandbox, 3);
    for name in ["interface", "owned", "company", "server", "server-interface", "local"] {
        assert_eq!(results.reason(name), "granted", "{name}: {}", results.detail(name));
    }
    let web = results.detail("web");
    assert_eq!(results.reason("web"), "unreachable");
    for way_out in [
        "write `allow_hosts = [\"api.github.com\"]` under `[providers.github]`",
        "set domain_name of [integrations.web] to https://api.github.com/",
    ] {
        assert!(web.contains(way_out), "{web}");
    }
    for name in ["malformed", "insecure"] {
        assert_eq!(results.reason(name), "base_url_unresolved");
        assert!(results.detail(name).contains("to https://api.github.com/"), "{}", results.detail(name));
    }
    let allowed =
        ["check", "web", "--format", "json", "--set", "providers.github.allow_hosts=[\"api.github.com\"]"];
    assert_eq!(Results::of(&sandbox.run(&allowed).exits(0)).reason("web"), "granted");
}

#[test]
fn a_single_sign_on_names_the_way_and_cuts_lists_short() {
    let public = Repository::new(8000, "fabrikam", "site").visibility(Visibility::Public);
    let fake = start(Github::contoso().repository(public));
    let mut config = integration(config(), "fabrikam", API, "unsigned");
    for name in ["robots", "site"] {
        config = repository(config, name, "fabrikam", "fabrikam", name);
    }
    let results = check(&sandbox(&config, &fake), 1);
    assert_eq!(results.reason("robots"), "forbidden");
    assert!(results.detail("robots").contains("(`https://github.com/orgs/fabrikam/sso`)"));
    // The list may lack it because of the sign-on, so it says nothing against it.
    assert_eq!(results.reason("site"), "provider_error");
    assert!(results.detail("site").contains("single sign-on"), "{}", results.detail("site"));
}

#[test]
fn a_renewed_token_is_believed_at_once() {
    let fake = start(Github::contoso());
    let config = integration(config(), "contoso", API, "revoked");
    let sandbox = sandbox(&repository(config, "shop", "contoso", "contoso", "storefront"), &fake);
    assert_eq!(check(&sandbox, 1).reason("shop"), "unauthorized");
    fake.world(|world| {
        world.github.tokens.retain(|token| token.secret != contoso::REVOKED);
        world.github.tokens.push(Token::classic("deploy-bot", contoso::REVOKED, &["repo"]));
    });
    assert_eq!(check(&sandbox, 0).reason("shop"), "granted");
}
