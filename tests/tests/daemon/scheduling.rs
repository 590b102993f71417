//! Which checks are made when, and how many at once.

use std::time::Duration;

use forgewatch_tests::daemon::Daemon;
use forgewatch_tests::fake::{Answer, Match};
use forgewatch_tests::watchlist::Watchlist;

use crate::support::{checks, large, moments, most_at_once, wait_for_checks};

/// Parts of an interval in which requests are counted.
const PARTS: usize = 6;

#[test]
fn checks_are_spread_over_the_interval() {
    let fake = large(1, 300);
    let sandbox = Watchlist::large(1, 300).set("defaults.interval", r#""2s""#).sandbox(&fake);
    let daemon = Daemon::start(&sandbox);
    // The first checks catch up, and have a pace of their own.
    wait_for_checks(&fake, 300);
    fake.take_requests();
    wait_for_checks(&fake, 600);
    daemon.stop();
    let start = fake.requests()[0].at;
    let mut parts = [0_usize; PARTS];
    for request in checks(&fake) {
        let into = (request.at - start).as_millis() as usize % 2_000;
        parts[into * PARTS / 2_000] += 1;
    }
    // A sixth in each, with room for the scatter of 300 phases and for a machine that has other things to do.
    let all: usize = parts.iter().sum();
    assert!(parts.iter().all(|part| part * 20 > all && part * 20 < all * 7), "{parts:?}");
}

#[test]
fn no_more_checks_run_at_once_than_allowed_and_of_one_repository_never_two() {
    const DELAY: Duration = Duration::from_millis(400);
    let fake = large(1, 10);
    fake.fault(Match::any(), Answer::from_world().after(DELAY));
    let mut list = Watchlist::large(1, 10)
        .set("defaults.interval", r#""100ms""#)
        .set("schedule.concurrency", "5")
        .set("schedule.integration_concurrency", "3")
        // Checked once, before the others, so that at first both limits are felt and then only one.
        .integration("other", "https://large.visualstudio.com/", "interval = \"1000h\"");
    for r in 0..3 {
        list = list.repository(&format!("o-r{r}"), "other", "project-0", &format!("repository-{r}"), "");
    }
    let sandbox = list.sandbox(&fake);
    let daemon = Daemon::start(&sandbox);
    wait_for_checks(&fake, 40);
    daemon.stop();
    let all = moments(&fake, |_| String::new());
    assert_eq!(most_at_once(&all[""], DELAY), 5);
    let hosts = moments(&fake, |request| request.host.clone());
    assert_eq!(most_at_once(&hosts["dev.azure.com"], DELAY), 3);
    assert!(most_at_once(&hosts["large.visualstudio.com"], DELAY) <= 3);
    let repositories = moments(&fake, |request| format!("{}{}", request.host, request.path));
    assert_eq!(repositories.len(), 13);
    for (repository, moments) in repositories {
        let is_often = repository.starts_with("dev.azure.com");
        assert_eq!(moments.len() > 1, is_often, "{repository} was checked at {moments:?}");
        assert_eq!(most_at_once(&moments, DELAY), 1, "{repository}");
    }
}
