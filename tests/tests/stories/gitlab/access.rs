//! What is granted to whom: roles, visibility, kinds of tokens, and projects that are not where they were.

use std::fs;

use forgewatch_tests::build;
use forgewatch_tests::fake::gitlab::{self, Project};
use forgewatch_tests::fake::{Fake, Kind, World};

use super::{CLOUD, check, config, identity, integration, integrations, repository, sandbox};
use crate::support::{Config, Results, real_requests};

/// Path, reason, status, and a part of the detail.
type Fate = (&'static str, &'static str, u64, &'static str);

/// For a bot that is Developer in the group `contoso`.
const FATES: &[Fate] = &[
    ("contoso/web/storefront", "granted", 200, ""),
    ("Contoso/WEB/storefront", "granted", 200, ""),
    ("contoso/web/shop/deep/kitchen", "granted", 200, ""),
    ("contoso/legacy", "granted", 200, "is archived"),
    ("contoso/public", "granted", 200, ""),
    ("contoso/wiki-only", "disabled", 200, "enable it"),
    ("contoso/missing", "not_found", 404, "no member of it any more"),
    ("contoso/web", "not_found", 404, "no member of it any more"),
    ("fabrikam/invited", "granted", 200, ""),
    ("fabrikam/shared", "granted", 200, "shared with"),
    ("fabrikam/shared-public", "granted", 200, "shared with"),
    ("fabrikam/secret", "not_found", 404, "no member of it any more"),
    ("fabrikam/public", "forbidden", 200, "can be read by anyone, but nothing is granted to the identity"),
    ("fabrikam/internal", "forbidden", 200, "by anyone who is signed in, but nothing is granted"),
    ("fabrikam/guests/public", "forbidden", 200, "only a role below Reporter (10)"),
    ("fabrikam/guests/guarded", "forbidden", 403, "Reporter or higher"),
    ("contoso/../fabrikam/public", "not_found", 0, "nothing was asked"),
];

#[track_caller]
fn assert_fate(results: &Results, name: &str, reason: &str, status: u64, told: &str) {
    let result = results.get(name);
    assert_eq!(result["reason"], reason, "{result}");
    assert_eq!(result["http_status"].as_u64().unwrap_or(0), status, "{result}");
    let detail = results.detail(name);
    assert!(detail.contains(told) && (told.is_empty() == detail.is_empty()), "{name}: {detail}");
}

/// All fates on both servers.
fn fates(mut config: Config) -> Config {
    for (path, ..) in FATES {
        for on in ["cloud", "own"] {
            config = repository(config, &format!("{on} {path}"), on, path);
        }
    }
    config
}

#[test]
fn what_is_granted_counts_and_not_what_anybody_sees() {
    let fake = Fake::start_blocking(World::contoso_gitlab());
    let alone = check(&sandbox(&fates(config()), &fake));
    let mut requests = vec![fake.take_requests()];
    let together = check(&sandbox(&fates(integrations(Config::default())), &fake));
    requests.push(fake.take_requests());
    for (path, reason, status, told) in FATES {
        for on in ["cloud", "own"] {
            let name = format!("{on} {path}");
            assert_fate(&alone, &name, reason, *status, told);
            // A list, and a second look at what it does not show.
            let said = |results: &Results| (results.reason(&name), results.detail(&name));
            assert_eq!(said(&together), said(&alone), "{name}");
        }
    }
    let of = |at: usize, part: &str| {
        let asked = requests[at].iter().filter(|request| request.path.contains(part));
        let mut paths: Vec<&str> = asked.map(|request| request.path.as_str()).collect();
        paths.sort_unstable();
        paths
    };
    let path = "/api/v4/projects/contoso%2Fweb%2Fshop%2Fdeep%2Fkitchen";
    assert_eq!(of(0, "kitchen"), [path, &format!("/gitlab{path}")]);
    assert!(of(1, "kitchen").is_empty());
    assert!(requests[1].len() < requests[0].len());
}

#[test]
fn the_configuration_in_the_readme_works() {
    let readme = fs::read_to_string(build::root().join("README.md")).expect("a README");
    let section = readme.split("## GitLab").nth(1).expect("a section");
    let toml =
        section.split("```toml").nth(1).and_then(|rest| rest.split("```").next()).expect("a configuration");
    let fake = Fake::start_blocking(World::contoso_gitlab());
    let mut sandbox = sandbox(&Config::default().toml(toml), &fake);
    sandbox.set_variable("GITLAB_TOKEN", gitlab::TOKEN);
    let results = check(&sandbox);
    assert_fate(&results, "storefront", "granted", 200, "");
    assert_fate(&results, "kitchen", "granted", 200, "");
}

#[test]
fn each_token_is_told_by_what_it_opens() {
    let fake = Fake::start_blocking(World::contoso_gitlab());
    let mut config = Config::default();
    let table = [
        ("bot", "granted", 200, ""),
        ("admin", "granted", 200, "as by an administrator"),
        ("ended", "unauthorized", 401, "Token is expired"),
        ("revoked", "unauthorized", 401, "Token was revoked"),
        ("wrong", "unauthorized", 401, "renew it"),
        ("git", "forbidden", 403, "lacks the scope"),
    ];
    for (name, ..) in table {
        config = identity(config, name, &name.to_uppercase());
        config = integration(config, name, CLOUD, name);
        config = repository(config, name, name, "contoso/web/storefront");
    }
    let none = "[integrations.none]\nprovider = \"gitlab\"\ndomain_name = \"https://gitlab.com/\"";
    config = repository(config.toml(none), "none", "none", "contoso/web/storefront");
    let results = check(&sandbox(&config, &fake));
    for (name, reason, status, told) in table {
        assert_fate(&results, name, reason, status, told);
    }
    assert_fate(&results, "none", "identity_invalid", 0, "has no identity");
    let sent = real_requests(&fake);
    assert!(sent.iter().all(|request| request.header("private-token").is_some()));
    assert!(sent.iter().all(|request| request.header("authorization").is_none()));
}

#[test]
fn a_base_url_that_is_none_is_told_with_one_that_is() {
    let fake = Fake::start_blocking(World::contoso_gitlab());
    let mut config = identity(Config::default(), "bot", "BOT");
    let bad =
        ["gitlab.com", "http://gitlab.com/", "https://gitlab.com/contoso/", "http://git.example.org/gitlab/"];
    let good = ["https://gitlab.com", "https://gitlab.com/api/v4", "https://git.example.org/gitlab/api/v4/"];
    for domain_name in bad.iter().chain(&good) {
        let key = domain_name.replace(|c: char| !c.is_ascii_alphanumeric(), "-");
        config = integration(config, &key, domain_name, "bot");
        config = repository(config, domain_name, &key, "contoso/web/storefront");
    }
    let results = check(&sandbox(&config, &fake));
    for domain_name in bad {
        assert_fate(
            &results,
            domain_name,
            "base_url_unresolved",
            0,
            "to https://gitlab.com/, or to https://server/",
        );
    }
    for domain_name in good {
        assert_fate(&results, domain_name, "granted", 200, "");
    }
    assert_eq!(real_requests(&fake).len(), good.len());
}

#[test]
fn a_project_that_moved_is_found_again() {
    let fake = Fake::start_blocking(World::contoso_gitlab());
    let id = format!("external_id = \"{}\"", gitlab::STOREFRONT);
    let config = repository(
        repository(config(), "cloud", "cloud", "contoso/storefront"),
        "own",
        "own",
        "contoso/storefront",
    );
    let config = repository(config, "by id", "own", "contoso/storefront").toml(&id);
    let sandbox = sandbox(&config, &fake);
    let new_path = "is `contoso/web/storefront` now: update `project` and `name`";
    let results = check(&sandbox);
    for name in ["cloud", "own", "by id"] {
        assert_fate(&results, name, "granted", 200, new_path);
    }
    // The redirect, and where it leads; an id needs none.
    assert_eq!(fake.counters().of(Kind::Repository), 2 + 2 + 1);

    // Where the server has forgotten the former path, an id alone helps.
    fake.world(|world| world.gitlabs[1].forgets_moves = true);
    let results = check(&sandbox);
    assert_fate(&results, "own", "not_found", 404, "renamed or moved");
    assert_fate(&results, "by id", "granted", 200, new_path);

    // What it moved to is judged like any other.
    fake.world(|world| {
        let project = world.gitlabs[0].project_mut(gitlab::STOREFRONT);
        *project = Project::new("fabrikam/storefront")
            .visibility(gitlab::Visibility::Public)
            .moved_from("contoso/storefront");
    });
    let results = check(&sandbox);
    assert_fate(&results, "cloud", "forbidden", 200, "now `fabrikam/storefront`, can be read by anyone");
}

#[test]
fn behind_a_proxy_that_decodes_slashes_an_id_is_the_way() {
    let fake = Fake::start_blocking(World::contoso_gitlab());
    fake.world(|world| world.gitlabs[1].decodes_slashes = true);
    let id = format!("external_id = \"{}\"", gitlab::STOREFRONT);
    let config = repository(config(), "by path", "own", "contoso/web/storefront");
    let config = repository(config, "by id", "own", "contoso/web/storefront").toml(&id);
    let results = check(&sandbox(&config, &fake));
    assert_fate(
        &results,
        "by path",
        "not_found",
        404,
        "where a proxy decodes `%2F` in paths, set `external_id`",
    );
    assert_fate(&results, "by id", "granted", 200, "");
}
