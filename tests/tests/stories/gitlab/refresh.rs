//! OAuth: a refresh ends both tokens that were there before it, so there is one at a time, and what it gave is kept.

use std::process::Stdio;
use std::time::Duration;

use forgewatch_tests::fake::{Answer, Fake, Kind, Match, World, gitlab};
use forgewatch_tests::sandbox::Run;

use super::{CLOUD, check, integration, repository, sandbox};
use crate::support::{Config, Results, column};

/// One identity, two integrations, many repositories.
fn config(expires_at: &str) -> Config {
    let identity = format!(
        "[identities.app]\nkind = \"oauth2\"\ntoken_url = \"{CLOUD}oauth/token\"\nclient_id = \"{}\"\n\
         client_secret = {{ env = \"CLIENT_SECRET\" }}\naccess_token = {{ env = \"ACCESS\" }}\n\
         refresh_token = {{ env = \"REFRESH\" }}\n{expires_at}",
        gitlab::CLIENT_ID
    );
    let config = integration(Config::default().toml(&identity), "one", CLOUD, "app");
    let config = integration(config, "two", CLOUD, "app");
    (0..10).fold(config, |config, at| {
        let config = repository(config, &format!("a{at}"), "one", "contoso/web/storefront");
        repository(config, &format!("b{at}"), "two", "contoso/legacy")
    })
}

const ENDED: &str = "expires_at = \"2020-01-05T10:00:00Z\"";

#[track_caller]
fn assert_granted(results: &Results) {
    assert_eq!(results.all().filter(|(_, result)| result["reason"] == "granted").count(), 20);
}

#[test]
fn many_checks_refresh_once_and_the_next_run_goes_on_with_what_was_kept() {
    let fake = Fake::start_blocking(World::contoso_gitlab());
    let sandbox = sandbox(&config(ENDED), &fake);
    assert_granted(&check(&sandbox));
    assert_granted(&check(&sandbox));
    assert_eq!(fake.counters().of(Kind::Token), 1);
    let kept = column(&sandbox, "SELECT refresh_token FROM identities");
    assert_eq!(kept, [format!("fakegitlabrefresh0001{}", gitlab::CLIENT_ID)]);
    let bearer = format!("Bearer fakegitlabaccess0001{}", gitlab::CLIENT_ID);
    let asked = fake.requests_to(|request| request.path.starts_with("/api/v4/"));
    assert!(
        !asked.is_empty() && asked.iter().all(|request| request.header("authorization") == Some(&bearer))
    );
}

#[test]
fn a_token_that_was_refused_is_refreshed_once_for_all() {
    let fake = Fake::start_blocking(World::contoso_gitlab());
    // The end is not known, and has come.
    fake.world(|world| world.gitlabs[0].apps[0].access_token = None);
    let sandbox = sandbox(&config(""), &fake);
    assert_granted(&check(&sandbox));
    assert_eq!(fake.counters().of(Kind::Token), 1);
}

#[test]
fn processes_that_run_at_once_do_not_lose_the_identity() {
    let fake = Fake::start_blocking(World::contoso_gitlab());
    fake.fault(Match::token_endpoint(), Answer::from_world().after(Duration::from_millis(300)));
    let sandbox = sandbox(&config(ENDED), &fake);
    let start = || {
        let mut command = sandbox.command(&["check", "--format", "json"]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary can be started")
    };
    for child in [start(), start(), start()] {
        let output = child.wait_with_output().expect("it ends");
        assert_granted(&Results::of(&Run::from(output).exits(0)));
    }
    assert_eq!(fake.counters().of(Kind::Token), 1);
}

#[test]
fn a_refresh_token_that_somebody_else_used_is_the_end_of_the_identity() {
    let fake = Fake::start_blocking(World::contoso_gitlab());
    let sandbox = sandbox(&config(ENDED), &fake);
    fake.world(|world| world.gitlabs[0].apps[0].refresh_token = "used-up".to_owned());
    let results = check(&sandbox);
    assert!(results.all().all(|(_, result)| result["reason"] == "identity_invalid"), "{}", results.lines());
    assert!(results.detail("a0").contains("invalid_grant"), "{}", results.detail("a0"));
}
