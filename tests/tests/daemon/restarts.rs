//! What a daemon finds of what the last one knew, however that one ended.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use forgewatch_tests::daemon::Daemon;
use forgewatch_tests::fake::Fake;
use forgewatch_tests::process::wait_for;
use forgewatch_tests::records::Records;
use forgewatch_tests::watchlist::Watchlist;
use rustix::process::Signal;

use crate::support::{asked_for, checks, delete, large, restore, until_granted, wait_for_checks};

/// Longer than any test.
const NEVER: &str = r#""1000h""#;

#[test]
fn after_a_restart_everything_goes_on_where_it_stood() {
    let fake = large(1, 4);
    delete(&fake, 0, 1);
    let list = Watchlist::large(1, 4).set("defaults.interval", NEVER);
    let sandbox = list.sandbox(&fake);
    let daemon = Daemon::start(&sandbox);
    until_granted(&daemon, 3);
    let incident = daemon.until("an incident", |records| records.open_incidents().pop());
    let records = daemon.records().clone();
    daemon.stop();
    let (standings, transitions) = (records.standings(), records.all_transitions());
    fake.take_requests();

    // One is overdue by now, as its interval is a shorter one. The others were checked lately.
    list.clone()
        .repository("p0-r0", "large", "project-0", "repository-0", "interval = \"10ms\"")
        .write(&sandbox);
    let daemon = Daemon::start(&sandbox);
    wait_for("checks of the overdue one", || (asked_for(&fake, 0, 0).len() >= 20).then_some(()));
    daemon.stop();
    assert_eq!(checks(&fake).len(), asked_for(&fake, 0, 0).len());
    let mut now = records.standings();
    assert_eq!(now["p0-r0"]["confirmed"], standings["p0-r0"]["confirmed"]);
    now.insert("p0-r0".to_owned(), standings["p0-r0"].clone());
    assert_eq!(now, standings);
    assert_eq!(records.all_transitions(), transitions);
    assert_eq!(records.open_incidents()[0]["id"], incident["id"]);

    restore(&fake, 0, 1);
    list.repository("p0-r1", "large", "project-0", "repository-1", "interval = \"10ms\"").write(&sandbox);
    let daemon = Daemon::start(&sandbox);
    until_granted(&daemon, 4);
    daemon.stop();
    assert_eq!(records.transitions("p0-r1"), [">not_found", "not_found>granted"]);
    let incidents = records.incidents();
    assert_eq!((incidents.len(), &incidents[0]["id"]), (1, &incident["id"]));
    assert!(incidents[0]["resolved_at"].is_i64());
}

/// The repositories in the order of their next checks.
fn order(daemon: &Daemon) -> Vec<String> {
    let page = daemon.get("/api/v1/repositories").json();
    let mut due: Vec<_> = page["items"].as_array().expect("items").iter().collect();
    due.sort_by_key(|item| item["next_check"].as_str().expect("a moment"));
    due.iter().map(|item| item["name"].as_str().expect("a name").to_owned()).collect()
}

#[test]
fn phases_are_the_same_after_a_restart_and_a_reload() {
    let fake = large(1, 8);
    let list = Watchlist::large(1, 8).set("defaults.interval", NEVER);
    let sandbox = list.sandbox(&fake);
    let daemon = Daemon::start(&sandbox);
    until_granted(&daemon, 8);
    let before = order(&daemon);
    daemon.stop();
    let daemon = Daemon::start(&sandbox);
    assert_eq!(order(&daemon), before);
    list.set("schedule.confirm_after", r#""1s""#).write(&sandbox);
    daemon.reload();
    assert_eq!(order(&daemon), before);
    daemon.stop();
    assert_eq!(checks(&fake).len(), 8);
}

#[test]
fn denials_of_before_a_restart_count() {
    let fake = large(1, 1);
    delete(&fake, 0, 0);
    let list = Watchlist::large(1, 1).set("defaults.interval", NEVER);
    let sandbox = list.clone().set("schedule.confirm_after", NEVER).sandbox(&fake);
    let daemon = Daemon::start(&sandbox);
    daemon.until("a denial that waits", |records| records.standing("p0-r0")["pending"]["count"].as_u64());
    daemon.stop();
    list.write(&sandbox);
    let daemon = Daemon::start(&sandbox);
    daemon.until_confirmed(1, "not_found");
    daemon.stop();
    assert_eq!(asked_for(&fake, 0, 0).len(), 2);
}

const FLAPPING: usize = 20;
const KILLS: usize = 20;

/// Takes repositories away and gives them back, one for every few checks, until it is told to stop. Then all are
/// there.
fn flap(fake: &Fake, stop: &AtomicBool) {
    let mut gone = [false; FLAPPING];
    for turn in 0.. {
        let before = fake.counters().requests();
        while fake.counters().requests() < before + 5 && !stop.load(Ordering::Relaxed) {
            thread::yield_now();
        }
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let repository = turn * 7 % FLAPPING;
        gone[repository] = !gone[repository];
        if gone[repository] { delete(fake, 0, repository) } else { restore(fake, 0, repository) }
    }
    (0..FLAPPING).for_each(|repository| restore(fake, 0, repository));
}

#[test]
fn daemons_that_are_killed_under_load_leave_a_state_that_tells_a_whole_story() {
    let fake = large(1, FLAPPING);
    let list = Watchlist::large(1, FLAPPING)
        .set("defaults.interval", r#""100ms""#)
        .set("schedule.confirm_after", r#""50ms""#);
    let sandbox = list.sandbox(&fake);
    let records = Records::of(&sandbox);
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| flap(&fake, &stop));
        for kill in 0..KILLS {
            let daemon = Daemon::start(&sandbox);
            // Each time at another moment of a commit that is made twice a second.
            wait_for_checks(&fake, 15 + kill * 5);
            let children = daemon.process().children();
            daemon.signal(Signal::KILL);
            assert_eq!(daemon.end(&children).status, None);
            records.assert_intact();
        }
        stop.store(true, Ordering::Relaxed);
    });
    let daemon = Daemon::start(&sandbox);
    until_granted(&daemon, FLAPPING);
    daemon.until("an end of all incidents", |records| records.open_incidents().is_empty().then_some(()));
    daemon.stop();
    records.assert_intact();
    let transitions = records.all_transitions();
    assert_eq!(transitions.len(), FLAPPING);
    assert!(transitions.values().any(|turns| turns.len() > 2), "nothing ever happened: {transitions:#?}");
    assert_continuous(&transitions, &records.confirmed());
}

/// Each turn must begin where the one before it ended, and the last where the standing is.
fn assert_continuous(transitions: &BTreeMap<String, Vec<String>>, confirmed: &BTreeMap<String, String>) {
    for (repository, turns) in transitions {
        let mut believed = "";
        for turn in turns {
            let (from, to) = turn.split_once('>').expect("two sides");
            assert_eq!(from, believed, "{repository}: {turns:?}");
            assert_ne!(from, to, "{repository}: {turns:?}");
            believed = to;
        }
        assert_eq!(believed, confirmed[repository], "{repository}: {turns:?}");
    }
}
