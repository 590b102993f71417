//! One repository comes and goes, and forges have hiccups.

use forgewatch_tests::daemon::Daemon;
use forgewatch_tests::fake::{Answer, Match};
use forgewatch_tests::watchlist::Watchlist;

use crate::support::{asked_for, delete, hold_after, hold_next, large, path, restore, until_granted};

/// Longer than any test.
const NEVER: &str = r#""1000h""#;

#[test]
fn a_loss_is_believed_after_as_many_denials_as_configured_and_told_once_like_its_end() {
    let fake = large(1, 2);
    let sandbox = Watchlist::large(1, 2).sandbox(&fake);
    let daemon = Daemon::start(&sandbox);
    until_granted(&daemon, 2);
    // No check comes between what is done to the repository and to the second request after that.
    let before = hold_next(&fake, 0, 0);
    let confirming = hold_after(&fake, 1, 0, 0);
    delete(&fake, 0, 0);
    before.cancel();
    let pending = daemon.until("a denial that waits", |records| {
        let standing = records.standing("p0-r0");
        standing["pending"]["count"].is_u64().then_some(standing)
    });
    assert_eq!(
        (&pending["confirmed"]["reason"], &pending["pending"]["count"]),
        (&"granted".into(), &1.into())
    );
    assert!(daemon.records().incidents().is_empty());
    confirming.cancel();
    let lost = daemon.until("an incident", |records| records.incidents().pop());
    assert_eq!((&lost["cause"], &lost["reason"]), (&"repository".into(), &"not_found".into()));
    assert_eq!((&lost["repository"], &lost["affected"]), (&"p0-r0".into(), &1.into()));
    restore(&fake, 0, 0);
    daemon.until("an end of the incident", |records| records.open_incidents().is_empty().then_some(()));
    let records = daemon.records().clone();
    daemon.stop();
    assert_eq!(records.transitions("p0-r0"), [">granted", "granted>not_found", "not_found>granted"]);
    assert_eq!(records.transitions("p0-r1"), [">granted"]);
    assert_eq!(records.incidents().len(), 1);
    assert_eq!((records.of_incidents("opened").len(), records.of_incidents("resolved").len()), (1, 1));
}

#[test]
fn a_denial_is_checked_again_long_before_the_interval_is_over() {
    let fake = large(1, 2);
    delete(&fake, 0, 0);
    let list = Watchlist::large(1, 2).set("defaults.interval", NEVER).set("defaults.failure_threshold", "3");
    let sandbox = list.sandbox(&fake);
    let daemon = Daemon::start(&sandbox);
    daemon.until_confirmed(1, "not_found");
    daemon.stop();
    assert_eq!((asked_for(&fake, 0, 0).len(), asked_for(&fake, 0, 1).len()), (3, 1));
}

#[test]
fn a_hiccup_is_no_transition() {
    let fake = large(1, 3);
    let sandbox = Watchlist::large(1, 3).sandbox(&fake);
    let daemon = Daemon::start(&sandbox);
    until_granted(&daemon, 3);
    let next = |repository, times| Match::any().path_prefix(&path(0, repository)).times(times);
    fake.fault(next(0, 1), Answer::e9("repository-0"));
    fake.fault(next(1, 1), Answer::status(500));
    // A reset is tried again by the HTTP client, twice.
    fake.fault(next(2, 3), Answer::reset());
    for reason in ["not_found", "provider_error", "unreachable"] {
        daemon.until(reason, |records| {
            records.events().iter().any(|event| event.payload["reason"] == reason).then_some(())
        });
    }
    daemon.until("clear answers everywhere", |records| {
        let standings = records.standings();
        let is_clear = |standing: &serde_json::Value| {
            standing["seen"]["reason"] == "granted" && standing["pending"].is_null()
        };
        standings.values().all(is_clear).then_some(())
    });
    let records = daemon.records().clone();
    daemon.stop();
    assert!(records.all_transitions().values().all(|turns| *turns == [">granted"]), "{records:?}");
    assert!(records.incidents().is_empty());
}
