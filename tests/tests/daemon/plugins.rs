//! Plugins that crash, beside one that does not.

use std::fs;

use forgewatch_tests::build;
use forgewatch_tests::daemon::Daemon;
use forgewatch_tests::fake::{Answer, Match};
use forgewatch_tests::watchlist::Watchlist;

use crate::support::{large, until_granted, wait_for_checks};

const LIBRARY: &str = "plugins/libforgewatch_hostile.so";
const FORGE: &str = "forge.example";

#[test]
fn a_plugin_that_crashes_costs_only_its_own_repositories_until_a_good_one_takes_its_place() {
    let fake = large(1, 2);
    fake.fault(Match::any().host(FORGE), Answer::status(200));
    let domain = format!("provider = \"hostile\"\ndomain_name = \"https://{FORGE}/\"");
    let list = Watchlist::large(1, 2)
        .table("integrations.crashing", &domain)
        .repository("victim-0", "crashing", "any", "fine", "")
        .repository("victim-1", "crashing", "any", "fine", "");
    let sandbox = list.sandbox(&fake);
    sandbox.write(LIBRARY, build::hostile_with(&[("constructor", "segfault")]));
    let daemon = Daemon::start(&sandbox);
    until_granted(&daemon, 2);
    for victim in ["victim-0", "victim-1"] {
        let standing = daemon.until("an answer", |records| {
            let standing = records.standing(victim);
            standing["unclear_since"].is_i64().then_some(standing)
        });
        assert_eq!(standing["seen"]["reason"], "plugin_failed");
        assert!(standing["confirmed"].is_null());
    }
    wait_for_checks(&fake, 4);
    let good = sandbox.write("good", fs::read(build::hostile()).expect("the library is there"));
    fs::rename(good, sandbox.path(LIBRARY)).expect("on the same file system");
    until_granted(&daemon, 4);
    let records = daemon.records().clone();
    daemon.stop();
    assert!(records.all_transitions().values().all(|turns| *turns == [">granted"]));
    assert!(records.incidents().is_empty());
}

#[test]
fn a_url_that_no_plugin_could_take_apart_is_routed_once_one_can() {
    const HOST: &str = "hostile.example";
    let fake = large(1, 1);
    fake.fault(Match::any().host(HOST), Answer::status(200));
    let integration = format!("provider = \"hostile\"\ndomain_name = \"https://{HOST}/\"");
    let list = Watchlist::large(1, 1)
        .table("integrations.crashing", &integration)
        .table("repositories.by-url", &format!("url = \"https://{HOST}/fine\"\nintegration = \"crashing\""));
    let sandbox = list.sandbox(&fake);
    sandbox.write(LIBRARY, build::hostile_with(&[("constructor", "segfault")]));
    let daemon = Daemon::start(&sandbox);
    daemon.until("an answer", |records| {
        (records.standing("by-url")["seen"]["reason"] == "plugin_failed").then_some(())
    });
    let good = sandbox.write("good", fs::read(build::hostile()).expect("the library is there"));
    fs::rename(good, sandbox.path(LIBRARY)).expect("on the same file system");
    until_granted(&daemon, 2);
    daemon.stop();
}

#[test]
fn calls_that_panic_or_crash_leave_the_other_calls_of_the_same_plugin_alone() {
    let fake = large(1, 1);
    fake.fault(Match::any().host(FORGE), Answer::status(200));
    let domain = |key: &str| format!("provider = {key:?}\ndomain_name = \"https://{FORGE}/\"");
    let list = Watchlist::large(1, 1)
        .table("integrations.misbehaving", &domain("misbehaving"))
        .repository("panics", "misbehaving", "any", "panic-future", "")
        .repository("is-fine", "misbehaving", "any", "fine", "");
    let sandbox = list.sandbox(&fake);
    sandbox.install(build::misbehaving());
    let daemon = Daemon::start(&sandbox);
    until_granted(&daemon, 2);
    daemon.until("an answer", |records| {
        (records.standing("panics")["seen"]["reason"] == "plugin_failed").then_some(())
    });
    wait_for_checks(&fake, 2);
    assert_eq!(daemon.records().count_of("granted"), 2);
    daemon.stop();
}
