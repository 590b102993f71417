//! Many repositories lost at once for one cause.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use forgewatch_tests::daemon::Daemon;
use forgewatch_tests::fake::{Answer, Fake, Match, Standing, World};
use forgewatch_tests::watchlist::Watchlist;
use serde_json::Value;

use crate::support::{checks, hide_project, hide_project_in, large, until_granted, wait_for_checks};

/// Denials that trip the breaker, canaries, what was under way, and room.
const FEW: usize = 30;
/// What may be under way where that is counted.
const MOST: &str = "10";

/// Confirming takes long for these intervals, so that nothing but one cause for all explains a quick incident.
fn list(projects: usize, repositories_per_project: usize, interval_ms: usize) -> Watchlist {
    Watchlist::large(projects, repositories_per_project)
        .set("defaults.interval", &format!("\"{interval_ms}ms\""))
        .set("schedule.confirm_after", &format!("\"{}ms\"", interval_ms * 3 / 4))
}

/// Requests from a moment on until the incident was opened.
fn requests_before(fake: &Fake, incident: &Value, since: Instant) -> usize {
    let opened = incident["first_seen"].as_i64().expect("a moment");
    // Read first, so that whatever lies between the two clocks adds no request.
    let instant = Instant::now();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is later").as_millis() as i64;
    let ago = std::time::Duration::from_millis(u64::try_from(now - opened).expect("it was earlier"));
    let opened = instant.checked_sub(ago).expect("the machine is older");
    checks(fake).iter().filter(|request| request.at > since && request.at < opened).count()
}

/// Takes access to all of `count` repositories away and gives it back: one incident comes of it.
fn all_lost_and_back(fake: &Fake, count: usize, turn: impl Fn(&mut World, bool), reason: &str, cause: &str) {
    let list = list(1, count, count * 10).set("schedule.integration_concurrency", MOST);
    let sandbox = list.sandbox(fake);
    let daemon = Daemon::start(&sandbox);
    until_granted(&daemon, count);
    // The good checks of before count for nothing.
    wait_for_checks(fake, count);
    let since = fake.world(|world| {
        turn(world, true);
        Instant::now()
    });
    let incident = daemon.until("an incident", |records| records.incidents().pop());
    let requests = requests_before(fake, &incident, since);
    assert!(requests <= FEW, "{requests} requests until one cause was seen");
    daemon.until_confirmed(count, reason);
    let print = incident["fingerprint"].as_str().expect("text");
    let standings = daemon.records().standings();
    assert!(standings.values().all(|standing| standing["incident"] == print), "{standings:#?}");
    let open = daemon.records().open_incidents();
    assert_eq!((open.len(), open[0]["affected"].as_u64()), (1, Some(count as u64)));
    fake.world(|world| turn(world, false));
    until_granted(&daemon, count);
    daemon.until("an end of it", |records| records.open_incidents().is_empty().then_some(()));
    let records = daemon.records().clone();
    daemon.stop();
    assert_eq!(records.incidents().len(), 1);
    assert_eq!((records.of_incidents("opened").len(), records.of_incidents("resolved").len()), (1, 1));
    for (repository, turns) in records.all_transitions() {
        let expected = [">granted".to_owned(), format!("granted>{reason}"), format!("{reason}>granted")];
        assert_eq!(turns, expected, "{repository}");
    }
    let incident = &records.incidents()[0];
    assert_eq!((&incident["cause"], &incident["most_affected"]), (&cause.into(), &count.into()));
    // What a restart finds, nobody belongs to.
    assert!(records.standings().values().all(|standing| standing["incident"].is_null()));
}

#[test]
fn a_revoked_identity_is_one_incident_for_200_repositories() {
    let fake = large(1, 200);
    let turn = |world: &mut World, lost| {
        world.credentials[0].standing = if lost { Standing::Expired } else { Standing::Valid };
    };
    all_lost_and_back(&fake, 200, turn, "unauthorized", "identity");
}

#[test]
fn a_forge_that_hides_everything_is_one_incident_of_the_integration() {
    let fake = large(1, 60);
    let turn = |world: &mut World, lost| hide_project_in(world, 0, lost);
    all_lost_and_back(&fake, 60, turn, "not_found", "integration");
}

#[test]
fn canaries_find_that_only_one_of_two_projects_is_gone() {
    let fake = large(2, 30);
    let sandbox = list(2, 30, 1_000).sandbox(&fake);
    let daemon = Daemon::start(&sandbox);
    until_granted(&daemon, 60);
    wait_for_checks(&fake, 60);
    hide_project(&fake, 0, true);
    daemon.until("questions to canaries", |records| records.generic("looking_for_cause").pop());
    daemon.until_confirmed(30, "not_found");
    let records = daemon.records().clone();
    daemon.stop();
    for (repository, reason) in records.confirmed() {
        let expected = if repository.starts_with("p0-") { "not_found" } else { "granted" };
        assert_eq!(reason, expected, "{repository}");
    }
    let kept = records.all_transitions().into_iter().filter(|(name, _)| name.starts_with("p1-"));
    assert!(kept.into_iter().all(|(_, turns)| turns == [">granted"]));
    let open = records.open_incidents();
    assert_eq!(open.len(), 1, "{open:#?}");
    assert_eq!((&open[0]["cause"], &open[0]["affected"]), (&"integration".into(), &30.into()));
}

#[test]
fn losses_are_believed_though_the_rest_of_the_forge_gives_no_answer() {
    let fake = large(2, 12);
    // So few that their answers are no trouble of the forge, and enough to be canaries.
    let watched = (4..12).fold(list(2, 12, 500), |list, nth| list.without(&format!("p1-r{nth}")));
    let sandbox = watched.sandbox(&fake);
    let daemon = Daemon::start(&sandbox);
    until_granted(&daemon, 16);
    fake.fault(Match::any().path_contains("/project-1/"), Answer::status(500));
    hide_project(&fake, 0, true);
    daemon.until_confirmed(12, "not_found");
    let records = daemon.records().clone();
    daemon.stop();
    assert!(
        records.all_transitions().iter().all(|(name, turns)| name.starts_with("p0-") || turns.len() == 1)
    );
}

#[test]
fn a_forge_that_flickers_makes_no_storm_of_incidents() {
    let fake = large(1, 60);
    let sandbox = list(1, 60, 600).sandbox(&fake);
    let daemon = Daemon::start(&sandbox);
    until_granted(&daemon, 60);
    hide_project(&fake, 0, true);
    daemon.until_confirmed(60, "not_found");
    hide_project(&fake, 0, false);
    daemon.until("an end of it", |records| records.of_incidents("resolved").pop());
    hide_project(&fake, 0, true);
    daemon.until("another incident", |records| {
        (records.incidents().len() > 1 && records.open_incidents().len() == 1).then_some(())
    });
    daemon.until_confirmed(60, "not_found");
    wait_for_checks(&fake, 120);
    let records = daemon.records().clone();
    daemon.stop();
    assert!(records.incidents().iter().all(|incident| incident["cause"] == "integration"));
    assert!(records.incidents().len() <= 3, "{:#?}", records.incidents());
}
