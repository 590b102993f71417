//! Which checks are made when, and how many at once.

use std::time::Duration;

use forgewatch_tests::daemon::Daemon;
use forgewatch_tests::fake::{Answer, Match};
use forgewatch_tests::process::wait_for;
use forgewatch_tests::watchlist::Watchlist;
use tokio_util::sync::CancellationToken;

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
    const MEANWHILE: u32 = 35;
    let fake = large(1, 10);
    // The first five have no answer before all of them have come, and neither have those after so many more.
    let (first, last) = (CancellationToken::new(), CancellationToken::new());
    let (any, late) = (|| Match::any().path_contains("/repositories/"), || Answer::from_world().after(DELAY));
    fake.fault(any().times(5), late().held_until(first.clone()));
    fake.fault(any().times(MEANWHILE), late());
    fake.fault(any(), late().held_until(last.clone()));
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
    let come = |count: usize| (checks(&fake).len() >= count).then_some(());
    wait_for("five at once, with three of one integration or of the other", || come(5));
    assert_eq!(checks(&fake).len(), 5);
    first.cancel();
    let meanwhile = 5 + MEANWHILE as usize;
    wait_for("three at once of the integration that is checked often", || come(meanwhile + 3));
    assert_eq!(checks(&fake).len(), meanwhile + 3);
    last.cancel();
    daemon.stop();
    let all = moments(&fake, |_| String::new());
    assert!(most_at_once(&all[""], DELAY) <= 5);
    let hosts = moments(&fake, |request| request.host.clone());
    assert!(most_at_once(&hosts["dev.azure.com"], DELAY) <= 3);
    assert!(most_at_once(&hosts["large.visualstudio.com"], DELAY) <= 3);
    let repositories = moments(&fake, |request| format!("{}{}", request.host, request.path));
    assert_eq!(repositories.len(), 13);
    for (repository, moments) in repositories {
        let is_often = repository.starts_with("dev.azure.com");
        assert_eq!(moments.len() > 1, is_often, "{repository} was checked at {moments:?}");
        assert_eq!(most_at_once(&moments, DELAY), 1, "{repository}");
    }
}
