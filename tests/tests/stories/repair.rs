//! Malformed base URLs: looked up once, saved, used at once; and everything that can stand in the way of that.

mod failures;

use std::time::Duration;

use forgewatch_tests::fake::{Answer, Fake, Kind, Match, World, contoso};
use forgewatch_tests::sandbox::Sandbox;

use crate::support::{ALLOWED, BASE_URL, Config, Results, real_requests, saved_base_urls, state};

const MALFORMED: &str = "contoso.visualstudio.com";
const LOOKUP_HOST: &str = "app.vssps.visualstudio.com";

fn config(domain_name: &str) -> Config {
    Config::with_reader().toml(ALLOWED).integration("contoso", domain_name, "reader").repository(
        "storefront",
        "contoso",
        "storefront",
    )
}

fn lookups(fake: &Fake) -> u64 {
    fake.counters().of(Kind::ResourceAreas)
}

fn lookup() -> Match {
    Match::any().host(LOOKUP_HOST)
}

#[test]
fn a_base_url_is_looked_up_once_saved_and_used_at_once() {
    let fake = Fake::start_blocking(World::contoso());
    let sandbox = config(MALFORMED).sandbox(&fake);
    let first = Results::check(&sandbox);
    assert_eq!(first.reason("storefront"), "granted");
    assert_eq!(first.base_url("storefront"), BASE_URL);
    assert_eq!(saved_base_urls(&sandbox), [BASE_URL]);
    let asked = real_requests(&fake);
    assert_eq!(asked[0].host, LOOKUP_HOST);
    assert!(asked[0].query.contains(contoso::ACCOUNT_ID), "{}", asked[0].query);
    assert_eq!((asked[1].host.as_str(), asked.len()), ("dev.azure.com", 2));

    let second = Results::check(&sandbox);
    assert_eq!(second.reason("storefront"), "granted");
    assert_eq!(second.base_url("storefront"), BASE_URL);
    assert_eq!(lookups(&fake), 1, "what is saved needs no look-up");

    // An operator's fix takes effect, and so does going back.
    config("https://contoso.visualstudio.com/").write(&sandbox);
    let fixed = Results::check(&sandbox);
    assert_eq!(fixed.base_url("storefront"), "https://contoso.visualstudio.com/");
    assert_eq!(lookups(&fake), 1);
    config("visualstudio.com/contoso").write(&sandbox);
    assert_eq!(Results::check(&sandbox).base_url("storefront"), BASE_URL);
    assert_eq!(lookups(&fake), 2, "another malformed value is looked up anew");
    assert_eq!(saved_base_urls(&sandbox), [BASE_URL]);
}

#[test]
fn a_final_slash_alone_needs_no_lookup() {
    let fake = Fake::start_blocking(World::contoso());
    let sandbox = config("https://dev.azure.com/contoso").sandbox(&fake);
    assert_eq!(Results::check(&sandbox).reason("storefront"), "granted");
    assert_eq!(lookups(&fake), 0);
    assert!(saved_base_urls(&sandbox).is_empty());
}

#[test]
fn every_kind_of_malformed_value_is_repaired() {
    let fake = Fake::start_blocking(World::contoso());
    let values = [
        "contoso",
        "",
        "None",
        "https:///",
        "https://dev.azure.com/",
        "http://contoso.visualstudio.com/",
        "xhttps://contoso.visualstudio.com/",
        " https://contoso.visualstudio.com/",
        "https://contoso.visualstudio.com/\n",
        "https://dev.azure.com/contoso/../other/",
        "https://dev.azure.com/contoso/?x=/",
        "https://dev.azure.com/contoso/#/",
    ];
    let mut config = Config::with_reader().toml(ALLOWED);
    for (at, value) in values.iter().enumerate() {
        let name = format!("i{at}");
        // Plain HTTP is for servers of one's own, whatever is allowed.
        config = config.integration(&name, value, "reader").toml("allow_insecure_http = true").repository(
            &name,
            &name,
            "storefront",
        );
    }
    let results = Results::check(&config.sandbox(&fake));
    for (name, result) in results.all() {
        assert_eq!(result["reason"], "granted", "{name}: {result}");
        assert_eq!(result["base_url"], BASE_URL, "{name}");
    }
    assert_eq!(lookups(&fake), values.len() as u64);
    assert!(real_requests(&fake).iter().all(|request| request.tls));
}

/// The table and the line between the backticks of a piece of advice.
fn advice(detail: &str) -> (String, String) {
    let between: Vec<&str> = detail.split('`').collect();
    let at =
        between.iter().position(|part| part.starts_with("allow_hosts")).unwrap_or_else(|| panic!("{detail}"));
    (between[at + 2].to_owned(), between[at].to_owned())
}

#[test]
fn refused_hosts_come_with_advice_that_works() {
    let fake = Fake::start_blocking(World::contoso());
    let config = Config::with_reader().integration("contoso", MALFORMED, "reader").repository(
        "storefront",
        "contoso",
        "storefront",
    );
    let sandbox = config.sandbox(&fake);
    let mut asked = vec![real_requests(&fake).len()];
    // First the look-up's host is refused, then that of its answer: each time the advice is taken as it stands.
    for _ in 0..2 {
        let results = Results::check(&sandbox);
        assert_eq!(results.reason("storefront"), "base_url_unresolved");
        let (table, line) = advice(&results.detail("storefront"));
        config.clone().toml(&format!("{table}\n{line}")).write(&sandbox);
        asked.push(real_requests(&fake).len());
    }
    assert_eq!(asked, [0, 0, 1]);
    assert_eq!(Results::check(&sandbox).reason("storefront"), "granted");
}

#[test]
fn a_saved_base_url_that_somebody_else_wrote_is_not_used() {
    let fake = Fake::start_blocking(World::contoso().host("evil.example"));
    let sandbox = config(MALFORMED).sandbox(&fake);
    Results::check(&sandbox);
    for foreign in
        ["https://evil.example/contoso/", "https://127.0.0.1/contoso/", "http://dev.azure.com/contoso/", ""]
    {
        let state = state(&sandbox);
        state.execute("UPDATE metadata SET value = ?1", [foreign]).expect("a write");
        drop(state);
        let before = lookups(&fake);
        let run = sandbox.run(&["check", "--format", "json"]).exits(0);
        let results = Results::of(&run);
        assert_eq!(results.reason("storefront"), "granted", "{foreign}");
        assert_eq!(results.base_url("storefront"), BASE_URL, "{foreign}");
        assert_eq!(lookups(&fake), before + 1, "{foreign}");
        assert!(run.stderr.contains("saved base URL"), "{}", run.stderr);
        assert_eq!(saved_base_urls(&sandbox), [BASE_URL]);
    }
    let strayed =
        fake.requests_to(|request| request.host == "evil.example" || !request.tls && request.method == "GET");
    assert!(strayed.is_empty(), "{strayed:#?}");
}

#[test]
fn a_region_asks_nobody() {
    let fake = Fake::start_blocking(World::contoso());
    // The identity's variable is not even set: a region reads no secrets.
    let sandbox = Config::default()
        .toml("silo_mode = \"region\"")
        .toml(ALLOWED)
        .toml("[identities.absent]\nkind = \"pat\"\ntoken = { env = \"NOT_SET_ANYWHERE\" }")
        .integration("malformed", MALFORMED, "absent")
        .integration("good", BASE_URL, "absent")
        .repository("malformed", "malformed", "storefront")
        .repository("good", "good", "storefront")
        .sandbox(&fake);
    let results = Results::of(&sandbox.run(&["check", "--format", "json"]).exits(1));
    for name in ["malformed", "good"] {
        assert_eq!(results.reason(name), "identity_invalid", "{name}");
        assert!(results.detail(name).contains("region"), "{}", results.detail(name));
    }
    assert_eq!(results.base_url("malformed"), MALFORMED);
    assert!(saved_base_urls(&sandbox).is_empty());
    assert!(fake.requests().is_empty(), "{:#?}", fake.requests());
}

#[test]
fn a_control_repairs_like_a_monolith() {
    let fake = Fake::start_blocking(World::contoso());
    let sandbox = config(MALFORMED).sandbox(&fake);
    let run = sandbox.run(&["check", "--format", "json", "--set", "silo_mode=\"control\""]).exits(0);
    assert_eq!(Results::of(&run).base_url("storefront"), BASE_URL);
}

#[test]
fn without_an_identity_nobody_is_asked() {
    let fake = Fake::start_blocking(World::contoso());
    let sandbox = Config::default()
        .toml(ALLOWED)
        .toml("[integrations.malformed]\nprovider = \"vsts\"\ndomain_name = \"contoso\"\nexternal_id = \"5\"")
        .toml(&format!("[integrations.good]\nprovider = \"vsts\"\ndomain_name = {BASE_URL:?}"))
        .repository("malformed", "malformed", "storefront")
        .repository("good", "good", "storefront")
        .sandbox(&fake);
    let results = Results::of(&sandbox.run(&["check", "--format", "json"]).exits(1));
    for name in ["malformed", "good"] {
        assert_eq!(results.reason(name), "identity_invalid", "{name}");
        assert!(results.detail(name).contains("identity of [integrations."), "{}", results.detail(name));
    }
    assert!(fake.requests().is_empty());
}

#[test]
fn plain_http_is_for_servers_of_ones_own_and_only_when_allowed() {
    let fake = Fake::start_blocking(World::contoso());
    let base_url = format!("{}tfs/Contoso/", fake.http_base());
    let plain = |allowed: bool| {
        Config::with_reader()
            .toml("[providers.vsts.options]")
            .toml(&format!("server_roots = [\"{}tfs/\"]", fake.http_base()))
            .integration("own", &base_url, "reader")
            .toml(&format!("allow_insecure_http = {allowed}"))
            .repository("storefront", "own", "storefront")
    };
    let sandbox = plain(false).sandbox(&fake);
    std::fs::remove_file(sandbox.path("base.toml")).expect("no proxy");
    let results = Results::check(&sandbox);
    assert_eq!(results.reason("storefront"), "base_url_unresolved");
    assert!(results.detail("storefront").contains("allow_insecure_http"), "{}", results.detail("storefront"));
    assert!(fake.requests().is_empty(), "it was never requested");

    plain(true).write(&sandbox);
    let results = Results::check(&sandbox);
    assert_eq!(results.reason("storefront"), "granted", "{}", results.detail("storefront"));
    assert_eq!(results.base_url("storefront"), base_url);
    assert!(saved_base_urls(&sandbox).is_empty());
}

#[test]
fn fifty_repositories_need_one_lookup() {
    let fake = Fake::start_blocking(World::large(1, 50));
    fake.fault(lookup(), Answer::from_world().after(Duration::from_millis(50)));
    let mut config = Config::with_reader()
        .toml(ALLOWED)
        .toml("[integrations.large]\nprovider = \"vsts\"\nidentity = \"reader\"\ndomain_name = \"large\"")
        .toml("external_id = \"1a46e000-5e1f-4b0a-9c3d-000000000001\"");
    for at in 0..50 {
        config = config.toml(&format!(
            "[repositories.r{at}]\nintegration = \"large\"\nproject = \"project-0\"\nname = \"repository-{at}\""
        ));
    }
    let sandbox: Sandbox = config.sandbox(&fake);
    let results = Results::of(&sandbox.run(&["check", "--format", "json"]).exits(0));
    assert_eq!(results.all().count(), 50);
    assert_eq!(lookups(&fake), 1);
    assert_eq!(fake.counters().of(Kind::Repository), 50);
}
