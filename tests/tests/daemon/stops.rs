//! The end of a daemon, with checks under way.

use forgewatch_tests::daemon::Daemon;
use forgewatch_tests::fake::{Answer, Match};
use forgewatch_tests::watchlist::Watchlist;
use rustix::process::Signal;

use crate::support::{hold_after, large, path};

fn a_check_under_way_ends_and_is_saved(signal: Signal) {
    let fake = large(1, 1);
    let held = hold_after(&fake, 0, 0, 0);
    let sandbox = Watchlist::large(1, 1).sandbox(&fake);
    let daemon = Daemon::start(&sandbox);
    fake.wait_for(|request| request.path == path(0, 0));
    let records = daemon.records().clone();
    let children = daemon.process().children();
    assert!(!children.is_empty());
    daemon.signal(signal);
    daemon.tells("1 checks are still running", 1);
    held.cancel();
    daemon.end(&children).exits(0);
    assert_eq!(records.transitions("p0-r0"), [">granted"]);
    assert_eq!(records.confirmed()["p0-r0"], "granted");
    assert_eq!(records.generic("stopped").len(), 1);
}

#[test]
fn a_check_under_way_ends_within_the_grace_when_it_is_terminated() {
    a_check_under_way_ends_and_is_saved(Signal::TERM);
}

#[test]
fn a_check_under_way_ends_within_the_grace_when_it_is_interrupted() {
    a_check_under_way_ends_and_is_saved(Signal::INT);
}

/// A daemon whose only check hangs.
fn hanging(grace: &str) -> (forgewatch_tests::fake::Fake, forgewatch_tests::sandbox::Sandbox, Daemon) {
    let fake = large(1, 1);
    fake.fault(Match::any(), Answer::hang());
    let list = Watchlist::large(1, 1).set("schedule.stop_grace", grace).set("http.timeout", r#""50s""#);
    let sandbox = list.sandbox(&fake);
    let daemon = Daemon::start(&sandbox);
    fake.wait_for(|request| request.path == path(0, 0));
    (fake, sandbox, daemon)
}

#[test]
fn a_check_that_hangs_is_dropped_after_the_grace() {
    let (_fake, _sandbox, daemon) = hanging(r#""300ms""#);
    let records = daemon.records().clone();
    let run = daemon.stop();
    assert!(run.stderr.contains("1 checks did not end within 300ms"), "{}", run.stderr);
    assert!(records.standing("p0-r0").is_null());
    assert_eq!(records.generic("stopped").len(), 1);
}

#[test]
fn being_told_twice_ends_it_at_once() {
    for signal in [Signal::TERM, Signal::INT] {
        let (_fake, _sandbox, daemon) = hanging(r#""1h""#);
        let children = daemon.process().children();
        daemon.signal(signal);
        daemon.tells("checks are still running", 1);
        daemon.signal(signal);
        let run = daemon.end(&children).exits(1);
        assert!(run.stderr.contains("told to stop again"), "{}", run.stderr);
    }
}
