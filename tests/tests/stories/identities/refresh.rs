//! When a token is refreshed, how often, and what is known of it afterwards.

use std::process::Stdio;
use std::time::Duration;

use forgewatch_tests::fake::{Answer, Fake, Kind, Match, TokenError, World, contoso};
use forgewatch_tests::sandbox::{Run, Sandbox};

use super::{
    NEWEST_REFRESH_TOKEN, client, expired_client, repository_requests, sandbox, token_requests, using,
};
use crate::support::{BASE_URL, Config, Results, column, state};

/// Makes what is saved look old and ended.
fn age(sandbox: &Sandbox) {
    let changed = state(sandbox).execute("UPDATE identities SET expires_at = 1000, saved_at = 0", []);
    assert_eq!(changed.ok(), Some(1));
}

#[test]
fn an_ended_token_is_refreshed_and_the_rotated_one_is_found_by_the_next_run() {
    let fake = Fake::start_blocking(World::contoso());
    let sandbox = sandbox(&using(Config::default(), "app", &expired_client("app")), &fake);
    let mut used = contoso::REFRESH_TOKEN.to_owned();
    for round in 1..=3 {
        assert_eq!(Results::check(&sandbox).reason("app"), "granted");
        assert_eq!(Results::check(&sandbox).reason("app"), "granted", "without another refresh");
        let asked = token_requests(&fake);
        assert_eq!(asked.len(), round);
        let form = String::from_utf8_lossy(&asked[round - 1].body).into_owned();
        assert!(form.contains("grant_type=refresh_token") && form.contains(&used), "{form}");
        let stored = column(&sandbox, NEWEST_REFRESH_TOKEN).remove(0);
        assert_ne!(stored, used);
        used = stored;
        age(&sandbox);
    }
    let sent = fake.requests_to(|request| request.contains(contoso::EXPIRED_BEARER));
    assert!(sent.is_empty(), "the token that had ended was sent");

    // Another refresh token in the configuration is an operator's fix: what is saved came from the old one.
    let mut sandbox = sandbox;
    sandbox.set_variable("REFRESH", "not-known-to-anybody");
    assert_eq!(Results::check(&sandbox).reason("app"), "identity_invalid");
    let last = token_requests(&fake).pop().expect("a request");
    assert!(last.contains("not-known-to-anybody"));
}

#[test]
fn a_rotated_token_is_stored_before_the_new_access_token_is_used() {
    let fake = Fake::start_blocking(World::contoso());
    fake.fault(Match::any().path_contains("/storefront"), Answer::hang());
    let sandbox = sandbox(&using(Config::default(), "app", &expired_client("app")), &fake);
    let mut child = sandbox
        .command(&["check"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the binary can be started");
    fake.wait_for(|request| request.path.ends_with("/storefront"));
    // As hard as a power failure, as far as the process is concerned.
    child.kill().expect("it can be killed");
    child.wait().expect("it ends");
    let stored = column(&sandbox, NEWEST_REFRESH_TOKEN);
    assert!(stored[0].starts_with("fakerefresh0000001"), "{stored:?}");
    fake.clear_faults();
    assert_eq!(Results::check(&sandbox).reason("app"), "granted");
}

#[test]
fn a_refused_token_is_refreshed_once() {
    let fake = Fake::start_blocking(World::contoso());
    let more = "access_token = { env = \"BEARER\" }\nrefresh_token = { env = \"REFRESH\" }";
    let sandbox = sandbox(&using(Config::default(), "app", &client("app", more)), &fake);
    let refusal = Match::any().path_contains("/storefront");
    fake.fault(refusal.clone().once(), Answer::e1());
    let results = Results::check(&sandbox);
    assert_eq!(results.reason("app"), "granted", "{}", results.detail("app"));
    assert_eq!((token_requests(&fake).len(), repository_requests(&fake).len()), (1, 2));

    // A second refusal is believed.
    age(&sandbox);
    state(&sandbox).execute("UPDATE identities SET expires_at = 9999999999999", []).expect("a write");
    fake.take_requests();
    fake.fault(refusal, Answer::e2());
    let results = Results::check(&sandbox);
    assert_eq!(results.reason("app"), "unauthorized");
    assert_eq!((token_requests(&fake).len(), repository_requests(&fake).len()), (1, 2));

    // When the refresh fails, its reason wins.
    age(&sandbox);
    state(&sandbox).execute("UPDATE identities SET expires_at = 9999999999999", []).expect("a write");
    fake.fault(Match::token_endpoint(), TokenError::Revoked.answer());
    assert_eq!(Results::check(&sandbox).reason("app"), "identity_invalid");
}

#[test]
fn two_processes_refresh_one_identity_once() {
    let fake = Fake::start_blocking(World::contoso());
    fake.fault(Match::token_endpoint(), Answer::from_world().after(Duration::from_millis(300)));
    let sandbox = sandbox(&using(Config::default(), "app", &expired_client("app")), &fake);
    let start = || {
        let mut command = sandbox.command(&["check", "--format", "json"]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary can be started")
    };
    for child in [start(), start(), start()] {
        let output = child.wait_with_output().expect("it ends");
        assert_eq!(Results::of(&Run::from(output).exits(0)).reason("app"), "granted");
    }
    assert_eq!(fake.counters().of(Kind::Token), 1);
}

#[test]
fn many_repositories_refresh_one_identity_once() {
    let fake = Fake::start_blocking(World::contoso());
    let mut config =
        using(Config::default(), "app", &expired_client("app")).integration("second", BASE_URL, "app");
    for at in 0..20 {
        config = config.repository(&format!("a{at}"), "app", "storefront").repository(
            &format!("b{at}"),
            "second",
            "storefront",
        );
    }
    sandbox(&config, &fake).run(&["check"]).exits(0);
    assert_eq!(fake.counters().of(Kind::Token), 1);
}
