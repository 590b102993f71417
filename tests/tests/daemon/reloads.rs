//! The configuration changes under a running daemon.

use forgewatch_tests::daemon::Daemon;
use forgewatch_tests::fake::{Credential, Standing, contoso};
use forgewatch_tests::process::wait_for;
use forgewatch_tests::watchlist::Watchlist;
use rustix::process::Signal;

use crate::support::{asked_for, checks, delete, hold_after, large, path, until_granted, wait_for_checks};

/// Longer than any test.
const NEVER: &str = r#""1000h""#;
const REFUSED: &str = "the new configuration is not used";
const READ: &str = "the configuration was read again";

#[test]
fn a_wrong_configuration_changes_nothing_is_told_whole_and_is_taken_up_once_it_is_right() {
    let fake = large(1, 2);
    let list = Watchlist::large(1, 2);
    let sandbox = list.clone().without("p0-r1").sandbox(&fake);
    let daemon = Daemon::start(&sandbox);
    until_granted(&daemon, 1);

    sandbox.write("forgewatch.toml", "this is = no [TOML");
    daemon.signal(Signal::HUP);
    daemon.tells(REFUSED, 1);
    wait_for_checks(&fake, 2);
    daemon.tells("forgewatch.toml:1", 1);

    let refused = daemon.errors().matches(REFUSED).count();
    list.clone()
        .set("shedule.concurrency", "4")
        .set("defaults.interval", r#""soon""#)
        .table("identities.reader", "kind = \"pat\"\ntoken = { file = \"missing.token\" }")
        .write(&sandbox);
    daemon.signal(Signal::HUP);
    daemon.tells(REFUSED, refused + 1);
    for part in [
        "shedule",
        "did you mean `schedule`",
        "defaults.interval",
        "missing.token",
        "identities.reader.token",
    ] {
        daemon.tells(part, 1);
    }
    let told = daemon.post("/-/reload", "");
    assert_eq!(told.status, 422, "{told:?}");
    assert_eq!(daemon.get("/api/v1/status").json()["config"]["successful"], false);
    wait_for_checks(&fake, 2);
    assert_eq!(asked_for(&fake, 0, 1).len(), 0);

    // The files are watched: nobody has to tell.
    list.write(&sandbox);
    until_granted(&daemon, 2);
    let records = daemon.records().clone();
    daemon.stop();
    let reloads = records.generic("configuration_reloaded");
    let successful = |event: &&forgewatch_tests::records::Event| event.payload["successful"] == true;
    assert_eq!(reloads.iter().filter(successful).count(), 1, "{reloads:#?}");
    let problems = reloads.iter().map(|event| event.payload["problems"].as_array().map_or(0, Vec::len));
    assert_eq!(problems.max(), Some(3), "{reloads:#?}");
}

#[test]
fn what_is_added_is_checked_what_is_removed_is_kept_for_its_return_and_a_check_under_way_counts() {
    let fake = large(1, 4);
    // One is denied, and the check that confirms it is under way while the configuration changes.
    delete(&fake, 0, 0);
    let held = hold_after(&fake, 1, 0, 0);
    let removed = hold_after(&fake, 0, 0, 1);
    let list = Watchlist::large(1, 4).set("defaults.interval", NEVER);
    let sandbox = list.clone().without("p0-r3").sandbox(&fake);
    let daemon = Daemon::start(&sandbox);
    wait_for("checks that are held", || {
        (asked_for(&fake, 0, 0).len() == 2 && asked_for(&fake, 0, 1).len() == 1).then_some(())
    });
    until_granted(&daemon, 1);
    let worker = daemon.worker("vsts");
    let list_with_all = list.clone().without("p0-r1");
    list.repository("p0-r0", "large", "project-0", "repository-0", "labels = { team = \"new\" }")
        .without("p0-r1")
        .without("p0-r2")
        .write(&sandbox);
    daemon.reload();
    daemon.until("a check of the new one", |records| records.confirmed().get("p0-r3").cloned());
    assert_eq!(daemon.get("/api/v1/repositories/p0-r2").status, 404);
    held.cancel();
    removed.cancel();
    daemon.until_confirmed(1, "not_found");
    assert_eq!((daemon.worker("vsts"), worker.is_alive()), (worker, true));
    list_with_all.write(&sandbox);
    daemon.reload();
    let back = daemon.get("/api/v1/repositories/p0-r2").json();
    assert_eq!(back["verdict"], "granted");
    let records = daemon.records().clone();
    daemon.stop();
    assert_eq!(records.transitions("p0-r2"), [">granted"]);
    assert_eq!(
        (asked_for(&fake, 0, 0).len(), records.transitions("p0-r0")),
        (2, vec![">not_found".to_owned()])
    );
    assert_eq!((asked_for(&fake, 0, 2).len(), records.open_incidents().len()), (1, 1));
}

#[test]
fn a_repository_that_leaves_and_comes_back_during_its_check_has_no_second_one() {
    let fake = large(1, 2);
    let held = hold_after(&fake, 0, 0, 0);
    let list = Watchlist::large(1, 2).set("defaults.interval", NEVER);
    let sandbox = list.sandbox(&fake);
    let daemon = Daemon::start(&sandbox);
    wait_for("the check that is held", || (asked_for(&fake, 0, 0).len() == 1).then_some(()));
    list.clone().without("p0-r0").write(&sandbox);
    daemon.reload();
    list.write(&sandbox);
    daemon.reload();
    let ordered = daemon.post("/api/v1/check", r#"{"repositories": ["p0-r0"]}"#).json();
    assert_eq!((&ordered["running"], asked_for(&fake, 0, 0).len()), (&serde_json::json!(["p0-r0"]), 1));
    held.cancel();
    until_granted(&daemon, 2);
    wait_for("the check that was ordered", || (asked_for(&fake, 0, 0).len() == 2).then_some(()));
    daemon.stop();
}

#[test]
fn an_incident_ends_when_its_repository_is_not_watched_any_more() {
    let fake = large(1, 2);
    delete(&fake, 0, 0);
    let list = Watchlist::large(1, 2);
    let sandbox = list.sandbox(&fake);
    let daemon = Daemon::start(&sandbox);
    daemon.until("an incident", |records| records.open_incidents().pop());
    list.without("p0-r0").write(&sandbox);
    daemon.reload();
    daemon.until("an end of it", |records| records.open_incidents().is_empty().then_some(()));
    assert_eq!(daemon.records().of_incidents("resolved").len(), 1);
    daemon.stop();
}

#[test]
fn a_token_file_that_changes_is_read_again_and_restarts_no_worker() {
    const NEW: &str = "fakepat0renewed0zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz";
    let fake = large(1, 2);
    fake.world(|world| world.credentials.push(Credential::pat("renewed", NEW).member_of("large")));
    let list =
        Watchlist::large(1, 2).table("identities.reader", "kind = \"pat\"\ntoken = { file = \"pat.token\" }");
    let sandbox = list.sandbox(&fake);
    sandbox.write("pat.token", contoso::PAT);
    let daemon = Daemon::start(&sandbox);
    until_granted(&daemon, 2);
    let worker = daemon.worker("vsts");
    fake.world(|world| world.credentials[0].standing = Standing::Expired);
    daemon.until_confirmed(2, "unauthorized");
    sandbox.write("pat.token", format!("{NEW}\n"));
    until_granted(&daemon, 2);
    daemon.tells(READ, 1);
    assert_eq!(daemon.worker("vsts"), worker);
    let records = daemon.records().clone();
    daemon.stop();
    assert_eq!((records.incidents().len(), records.open_incidents().len()), (1, 0));
}

#[test]
fn interval_and_thresholds_take_effect() {
    let fake = large(1, 1);
    delete(&fake, 0, 0);
    let slow = Watchlist::large(1, 1)
        .set("defaults.interval", NEVER)
        .set("schedule.confirm_after", NEVER)
        .set("defaults.failure_threshold", "5");
    let sandbox = slow.sandbox(&fake);
    let daemon = Daemon::start(&sandbox);
    daemon.until("a denial that waits", |records| records.standing("p0-r0")["pending"]["count"].as_u64());
    assert_eq!(checks(&fake).len(), 1);
    slow.clone().set("defaults.interval", r#""100ms""#).write(&sandbox);
    daemon.reload();
    daemon.until_confirmed(1, "not_found");
    let asked = asked_for(&fake, 0, 0).len();
    assert!(asked >= 5, "{asked} checks");
    slow.set("defaults.failure_threshold", "1").write(&sandbox);
    daemon.reload();
    let asked = asked_for(&fake, 0, 0).len();
    daemon.stop();
    assert!(fake.requests_to(|request| request.path == path(0, 0)).len() <= asked + 1);
}
