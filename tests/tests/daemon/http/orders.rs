//! Floods of what the daemon can be asked to do.

use std::time::Duration;

use forgewatch_tests::ask::ask_with;
use forgewatch_tests::daemon::Daemon;
use forgewatch_tests::fake::{Answer, Match};
use forgewatch_tests::process::wait_for;
use serde_json::{Value, json};

use super::{assert_answers, at_once, quiet};
use crate::support::{checks, large, moments, most_at_once, until_granted};

#[test]
fn a_flood_of_reloads_is_answered_by_few_one_at_a_time() {
    const ASKED: usize = 400;
    let fake = large(1, 50);
    let sandbox = quiet(50).sandbox(&fake);
    let daemon = Daemon::start(&sandbox);
    until_granted(&daemon, 50);
    let address = daemon.address();
    let answers =
        at_once(ASKED, |_| ask_with(address, "POST", "/-/reload", &[], "").expect("an answer").status);
    assert_eq!(answers, [200; ASKED]);
    assert_answers(&daemon);
    let records = daemon.records().clone();
    daemon.stop();
    let reloads = records.generic("configuration_reloaded");
    assert!(reloads.len() < ASKED / 4, "{} reloads", reloads.len());
    for pair in reloads.windows(2) {
        let took = pair[0].payload["duration_ms"].as_i64().expect("a number");
        assert!(pair[0].at + took <= pair[1].at + 1, "two at once: {pair:#?}");
    }
}

#[test]
fn a_flood_of_orders_to_check_keeps_all_limits() {
    const REPOSITORIES: usize = 1_000;
    const ORDERS: usize = 30;
    const DELAY: Duration = Duration::from_millis(10);
    const MOST: usize = 8;
    let fake = large(1, REPOSITORIES);
    let list = quiet(REPOSITORIES).set("schedule.integration_concurrency", &MOST.to_string());
    fake.fault(Match::any(), Answer::from_world().after(DELAY));
    let sandbox = list.sandbox(&fake);
    let daemon = Daemon::start(&sandbox);
    let names: Vec<_> = (0..REPOSITORIES).map(|number| format!("p0-r{number}")).collect();
    let (address, order) = (daemon.address(), json!({ "repositories": names }).to_string());
    let answers = at_once(6, |_| {
        let ask = |_| ask_with(address, "POST", "/api/v1/check", &[], &order).expect("an answer");
        (0..ORDERS / 6).map(ask).collect::<Vec<_>>()
    });
    for answer in answers.into_iter().flatten() {
        assert_eq!(answer.status, 202, "{answer:?}");
        let asked: Value = serde_json::from_str(&answer.body).expect("JSON");
        let count = |key: &str| asked[key].as_array().map_or(0, Vec::len);
        assert_eq!((count("accepted") + count("running"), count("unknown")), (REPOSITORIES, 0));
        assert!(count("running") <= MOST, "{}", count("running"));
    }
    assert_answers(&daemon);
    // By then some have had their second turn.
    wait_for("as many checks", || (checks(&fake).len() > REPOSITORIES).then_some(()));
    daemon.stop();
    let most = most_at_once(&moments(&fake, |_| String::new())[""], DELAY);
    assert!(most <= MOST, "{most} at once");
    for (repository, moments) in moments(&fake, |request| request.path.clone()) {
        assert_eq!(most_at_once(&moments, DELAY), 1, "{repository}");
    }
}
