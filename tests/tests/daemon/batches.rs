//! Repositories that are asked for together: few requests, and the same verdicts as one by one.

use forgewatch_tests::daemon::Daemon;
use forgewatch_tests::fake::{Answer, Fake, Kind, Match, Standing};
use forgewatch_tests::watchlist::Watchlist;

use crate::support::{asked_for, checks, delete, hide_project, large, restore, until_granted};

fn list(projects: usize, repositories_per_project: usize) -> Watchlist {
    Watchlist::large(projects, repositories_per_project).batches()
}

fn lists(fake: &Fake) -> u64 {
    fake.counters().of(Kind::RepositoryList)
}

/// Waits until so many more have come; on a busy machine they are rarer than their interval says.
#[track_caller]
fn wait_for_lists(daemon: &Daemon, fake: &Fake, count: u64) {
    let before = lists(fake);
    daemon.until("so many lists", |_| (lists(fake) >= before + count).then_some(()));
}

#[test]
fn a_project_is_one_request_in_each_interval() {
    let fake = large(3, 100);
    let sandbox = list(3, 100).sandbox(&fake);
    let daemon = Daemon::start(&sandbox);
    until_granted(&daemon, 300);
    // The first one of all finds out how the others can be asked for, and those of its project come in step with it.
    wait_for_lists(&daemon, &fake, 6);
    fake.take_requests();
    let before = lists(&fake);
    wait_for_lists(&daemon, &fake, 30);
    let (requests, asked) = (fake.take_requests().len() as u64, lists(&fake) - before);
    let run = daemon.stop();
    assert!(requests <= asked + 3, "{requests} requests, {asked} of them lists");
    assert!(!run.stderr.contains("WARN"), "{}", run.stderr);
}

#[test]
fn what_a_list_does_not_show_is_confirmed_by_itself() {
    let fake = large(2, 50);
    let sandbox = list(2, 50).sandbox(&fake);
    let daemon = Daemon::start(&sandbox);
    until_granted(&daemon, 100);
    // The first one of all may be on its own once more before it is in step with those of its project.
    wait_for_lists(&daemon, &fake, 6);
    fake.take_requests();
    delete(&fake, 1, 7);
    daemon.until_confirmed(1, "not_found");
    restore(&fake, 1, 7);
    until_granted(&daemon, 100);
    let records = daemon.records().clone();
    daemon.stop();
    assert_eq!(records.all_transitions()["p1-r7"], [">granted", "granted>not_found", "not_found>granted"]);
    let incidents = records.incidents();
    assert_eq!((incidents.len(), &incidents[0]["cause"]), (1, &"repository".into()));
    assert_eq!(checks(&fake).len(), asked_for(&fake, 1, 7).len());
}

#[test]
fn a_revoked_identity_is_one_incident_and_two_requests_a_project() {
    let fake = large(2, 100);
    let sandbox = list(2, 100).set("schedule.confirm_after", r#""500ms""#).sandbox(&fake);
    let daemon = Daemon::start(&sandbox);
    until_granted(&daemon, 200);
    fake.take_requests();
    fake.world(|world| world.credentials[0].standing = Standing::Expired);
    daemon.until_confirmed(200, "unauthorized");
    let (lost, confirmed) = (lists(&fake), fake.take_requests().len());
    fake.world(|world| world.credentials[0].standing = Standing::Valid);
    until_granted(&daemon, 200);
    daemon.until("an end of it", |records| records.open_incidents().is_empty().then_some(()));
    let records = daemon.records().clone();
    daemon.stop();
    assert!(confirmed <= 40, "{confirmed} requests, {lost} lists until all was seen");
    let incidents = records.incidents();
    assert_eq!(incidents.len(), 1, "{incidents:#?}");
    assert_eq!((&incidents[0]["cause"], &incidents[0]["most_affected"]), (&"identity".into(), &200.into()));
}

#[test]
fn a_hidden_project_is_one_incident_of_the_integration() {
    let fake = large(1, 60);
    let sandbox = list(1, 60).sandbox(&fake);
    let daemon = Daemon::start(&sandbox);
    until_granted(&daemon, 60);
    hide_project(&fake, 0, true);
    daemon.until_confirmed(60, "not_found");
    hide_project(&fake, 0, false);
    until_granted(&daemon, 60);
    daemon.until("an end of it", |records| records.open_incidents().is_empty().then_some(()));
    let incidents = daemon.records().incidents();
    daemon.stop();
    assert_eq!((incidents.len(), &incidents[0]["cause"]), (1, &"integration".into()), "{incidents:#?}");
}

#[test]
fn a_list_that_fails_costs_no_repository_its_verdict() {
    let fake = large(2, 10);
    fake.fault(Match::any().path_prefix("/large/project-0/_apis/git/repositories/"), Answer::from_world());
    fake.fault(Match::any().path_prefix("/large/project-1/_apis/git/repositories/"), Answer::from_world());
    // All that is left are the lists.
    fake.fault(Match::any(), Answer::status(500));
    let sandbox = list(2, 10).sandbox(&fake);
    let daemon = Daemon::start(&sandbox);
    until_granted(&daemon, 20);
    wait_for_lists(&daemon, &fake, 4);
    let records = daemon.records().clone();
    daemon.stop();
    assert!(records.all_transitions().values().all(|turns| turns == &[">granted"]));
    assert!(records.incidents().is_empty());
}
