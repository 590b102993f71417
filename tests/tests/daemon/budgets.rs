//! Forges that say what they allow: it is not exceeded, everything is checked all the same, and who waits for an answer
//! has a share of it.

use std::time::{Duration, Instant};

use forgewatch_tests::daemon::Daemon;
use forgewatch_tests::fake::{Fake, Kind, RateLimit, Spelling};
use forgewatch_tests::process::wait_for;
use forgewatch_tests::watchlist::Watchlist;
use serde_json::{Value, json};

use crate::support::{asked_for, large, until_granted};

/// One repository in each project: of several in one, a request could tell of all.
const REPOSITORIES: usize = 40;
const LIMIT: u32 = 10;
const WINDOW_S: u64 = 2;
/// Longer than any test: each is checked once, unless somebody wants more.
const ONCE: &str = r#""1000h""#;

/// No more at once than the limit allows: of what is sent before any answer nobody knows how much may be.
fn list(repositories: usize) -> Watchlist {
    Watchlist::large(repositories, 1)
        .set("defaults.interval", ONCE)
        .set("schedule.integration_concurrency", &(LIMIT - 1).to_string())
}

/// Watches many more repositories than the forge allows requests in a window, until all of them were checked.
fn all_are_checked_within(limit: RateLimit, list: &Watchlist) {
    let fake = large(REPOSITORIES, 1);
    fake.limit(Some(limit));
    let sandbox = list.sandbox(&fake);
    let (daemon, start) = (Daemon::start(&sandbox), Instant::now());
    until_granted(&daemon, REPOSITORIES);
    let windows = u32::try_from(REPOSITORIES).expect("they are few").div_ceil(LIMIT);
    assert!(start.elapsed() >= Duration::from_secs(WINDOW_S) * (windows - 2), "{:?}", start.elapsed());
    let records = daemon.records().clone();
    daemon.stop();
    assert_eq!(fake.counters().limited(), 0, "requests were refused");
    assert_eq!(fake.counters().of(Kind::Repository), REPOSITORIES as u64);
    assert!(records.all_transitions().values().all(|turns| *turns == [">granted"]));
    assert!(records.generic("checks_held").is_empty() && records.incidents().is_empty());
}

#[test]
fn a_limit_far_below_what_is_watched_is_kept_to() {
    all_are_checked_within(RateLimit::new(Spelling::XRateLimit, LIMIT, WINDOW_S), &list(REPOSITORIES));
}

#[test]
fn a_forge_with_another_clock_is_understood() {
    for ahead in [3 * 3600, -3 * 3600] {
        let limit = RateLimit::new(Spelling::RateLimit, LIMIT, WINDOW_S).with_clock_ahead(ahead);
        all_are_checked_within(limit, &list(REPOSITORIES));
    }
}

#[test]
fn a_forge_that_speaks_only_when_it_is_nearly_too_much_is_heard() {
    // What is under way by then cannot be called back.
    let list = list(REPOSITORIES).set("schedule.integration_concurrency", "1");
    all_are_checked_within(RateLimit::new(Spelling::WhenNear, LIMIT, WINDOW_S), &list);
}

#[test]
fn while_the_budget_is_used_up_there_is_a_share_for_those_who_wait_and_nobody_calls_it_trouble() {
    let fake = large(20, 1);
    // Longer than this test; it may begin shortly before the end of one window.
    fake.limit(Some(RateLimit::new(Spelling::XRateLimit, LIMIT, 100_000)));
    let sandbox = list(20).sandbox(&fake);
    let daemon = Daemon::start(&sandbox);
    let integration = || daemon.get("/api/v1/integrations/large").json();
    wait_for("a rest", || (integration()["held_for"] == "rate_budget").then_some(()));
    // Of the nine that are for the daemon, it may have used one or two to ask who the identity is.
    let checks = || usize::try_from(fake.counters().of(Kind::Repository)).expect("they are few");
    let checked = checks();
    assert!((6..=9).contains(&checked), "{checked}");
    daemon.until_confirmed(checked, "granted");
    wait_for("all others to be due", || (integration()["waiting"] == json!(20 - checked)).then_some(()));
    let held = integration();
    assert_eq!(
        (&held["trouble_since"], &held["held_for"]),
        (&Value::Null, &json!("rate_budget")),
        "{held:#}"
    );
    assert_eq!((&held["rate_budget"]["limit"], &held["rate_budget"]["remaining"]), (&json!(10), &json!(1)));
    assert!(held["rate_budget"]["resets_at"].is_string() && held["held_until"].is_string(), "{held:#}");
    let metrics = daemon.get("/metrics").body;
    assert!(metrics.contains(r#"forgewatch_rate_budget_remaining{integration="large"} 1.0"#), "{metrics}");
    let status = sandbox.run(&["status", "--url", &format!("http://{}", daemon.address())]).exits(0);
    assert!(status.stdout.contains("what its forge lets the identity ask is used up"), "{}", status.stdout);

    // Of those that wait, two are wanted now; there is a request left for one.
    let waiting: Vec<usize> = (0..20).filter(|nth| asked_for(&fake, *nth, 0).is_empty()).collect();
    let names = [format!("p{}-r0", waiting[0]), format!("p{}-r0", waiting[1])];
    let last_check =
        |name: &str| daemon.get(&format!("/api/v1/repositories/{name}")).json()["last_check"].clone();
    for name in &names {
        assert_eq!(daemon.post("/api/v1/check", &json!({ "repositories": [name] }).to_string()).status, 202);
        wait_for("its check", || last_check(name)["reason"].is_string().then_some(()));
    }
    assert_eq!(last_check(&names[0])["reason"], "granted");
    let refused = last_check(&names[1]);
    assert_eq!(refused["reason"], "rate_limited", "{refused:#}");
    assert!(refused["detail"].as_str().is_some_and(|detail| detail.contains(" until 2")), "{refused:#}");
    let held = integration();
    assert_eq!(
        (&held["trouble_since"], &held["held_for"]),
        (&Value::Null, &json!("rate_budget")),
        "{held:#}"
    );
    let records = daemon.records().clone();
    daemon.stop();
    assert_eq!((fake.counters().limited(), checks()), (0, checked + 1));
    assert!(records.generic("checks_held").is_empty());
}

/// Results of `forgewatch check`, which asks for so many at once.
fn checked(fake: &Fake, at_once: u32) -> Vec<Value> {
    let sandbox = list(20).set("http.concurrency", &at_once.to_string()).sandbox(fake);
    let run = sandbox.run(&["check", "--format", "json"]).exits(3);
    let document = run.json();
    // The time-out of a request would show here, and so would any wait for the end of the limit.
    assert!(document["duration_ms"].as_f64().is_some_and(|duration| duration < 10_000.0), "{document:#}");
    let results = document["results"].as_array().expect("results").clone();
    assert_eq!(results.len(), 20);
    results
}

#[test]
fn a_check_that_may_not_ask_says_until_when_and_does_not_wait() {
    let fake = large(20, 1);
    fake.limit(Some(RateLimit::new(Spelling::RateLimit, LIMIT, 100_000)));
    let results = checked(&fake, LIMIT);
    let of = |results: &[Value], reason: &str| {
        results.iter().filter(|result| result["reason"] == reason).cloned().collect::<Vec<_>>()
    };
    assert_eq!((of(&results, "granted").len(), fake.counters().limited()), (10, 0));
    let limited = of(&results, "rate_limited");
    assert_eq!(limited.len(), 10);
    for result in &limited {
        let detail = result["detail"].as_str().expect("text");
        assert!(detail.contains("`dev.azure.com` allows identity `reader` 10 requests"), "{detail}");
        assert!(
            detail.contains("and none is left until 2") && detail.contains("Z: nothing was sent"),
            "{detail}"
        );
        assert!(result["retry_after_s"].as_u64().is_some_and(|seconds| seconds > 0), "{result:#}");
    }
    // Another process knows nothing of it until the forge refuses its first request.
    let results = checked(&fake, 1);
    let limited = of(&results, "rate_limited");
    assert_eq!((limited.len(), fake.counters().limited()), (20, 1));
    let told = limited.iter().filter(|result| {
        result["detail"].as_str().is_some_and(|detail| detail.contains("(the limit ends at 2"))
    });
    assert_eq!(told.count(), 1);
    assert!(limited.iter().all(|result| result["retry_after_s"].is_u64()), "{limited:#?}");
}
