//! Trackers that are down, slow or forgetful, and a daemon that is killed at the worst moment.

use forgewatch_tests::fake::{Answer, Match};
use rustix::process::Signal;
use tokio_util::sync::CancellationToken;

use super::*;

/// What makes an issue.
fn making() -> Match {
    Match::any().method("POST".parse().expect("a method")).path_contains("/wit/workitems/")
}

#[test]
fn a_kill_between_the_answer_and_the_save_leaves_one_issue() {
    let scene = Scene::start(&tracked(1), 1);
    let never = CancellationToken::new();
    scene.fake.fault(making().once(), Answer::from_world().held_until(never.clone()));
    let incident = scene.lose(0);
    wait_for("an issue", || (scene.items() == 1).then_some(()));
    scene.until_followed(&incident, |record| !record["making_since"].is_null());
    let children = scene.daemon.process().children();
    scene.daemon.signal(Signal::KILL);
    assert_eq!(scene.daemon.end(&children).status, None);
    let scene = Scene { daemon: Daemon::start(&scene.sandbox), fake: scene.fake, sandbox: scene.sandbox };
    let record = scene.until_told(&incident);
    assert_eq!((&record["issue"]["key"], &record["making_since"]), (&json!("31"), &Value::Null));
    restore(&scene.fake, 0, 0);
    scene.until_item(31, is_closed);
    assert_eq!(scene.items(), 1);
    assert_eq!(writes(&scene.fake).len(), 2);
}

#[test]
fn what_may_have_been_made_is_looked_for_and_not_made_again() {
    let list = tracked(1).set("http.timeout", r#""3s""#).set("check_timeout", r#""4s""#);
    // Also where nothing is looked for otherwise.
    let list = list.table("trackers.ops", &format!("{OPS}\nfind = false"));
    let scene = Scene::start(&list, 1);
    let never = CancellationToken::new();
    scene.fake.fault(making().once(), Answer::from_world().held_until(never.clone()));
    let incident = scene.lose(0);
    assert_eq!(scene.until_told(&incident)["issue"]["key"], "31");
    assert_eq!((scene.items(), writes(&scene.fake).len()), (1, 1));
}

#[test]
fn a_comment_that_may_have_been_made_is_not_made_again() {
    let scene = Scene::start(&list(1).set("http.timeout", r#""3s""#).set("check_timeout", r#""4s""#), 1);
    let incident = scene.lose(0);
    let number = scene.add(&text(&incident["fingerprint"]));
    let never = CancellationToken::new();
    let patches = || Match::any().method("PATCH".parse().expect("a method"));
    scene.fake.fault(patches().once(), Answer::from_world().held_until(never.clone()));
    tracked(1).set("http.timeout", r#""3s""#).set("check_timeout", r#""4s""#).write(&scene.sandbox);
    scene.daemon.reload();
    scene.until_told(&incident);
    assert_eq!((scene.item(number).comments.len(), writes(&scene.fake).len()), (1, 1));
    // And one that was not made is made.
    scene.fake.fault(patches().once(), Answer::e21(502));
    restore(&scene.fake, 0, 0);
    scene.until_item(number, is_closed);
    assert_eq!((scene.item(number).comments.len(), writes(&scene.fake).len()), (2, 3));
}

#[test]
fn a_tracker_that_is_down_or_limits_requests_loses_nothing() {
    for answer in [Answer::e21(502), Answer::e19().retry_after(1), Answer::reset()] {
        let scene = Scene::start(&tracked(2), 2);
        scene.fake.fault(Match::any().host("almsearch.dev.azure.com"), answer);
        let (one, other) = (scene.lose(0), scene.lose(1));
        scene.daemon.tells("the tracker of `large` does not do its part, which is tried again", 1);
        assert_eq!(scene.items(), 0);
        scene.fake.clear_faults();
        scene.until_told(&one);
        scene.until_told(&other);
        assert_eq!(scene.items(), 2);
        scene.daemon.tells("the tracker of `large` does its part again", 1);
    }
}

#[test]
fn a_tracker_that_does_not_answer_holds_up_no_other() {
    let of_account = "external_id = \"1a46e000-5e1f-4b0a-9c3d-000000000001\"";
    let rule = |integration: &str, matches: &str| {
        format!(
            "integration = {integration:?}\nproject = \"project-0\"\nfind = false\nmatch = {{ repository = {matches:?} }}"
        )
    };
    let list = list(2)
        .integration("also", "https://large.visualstudio.com/", of_account)
        .table("trackers.ops", &rule("large", "p0-r0"))
        .table("trackers.quick", &rule("also", "p0-r1"));
    let scene = Scene::start(&list, 2);
    scene.fake.fault(making().host("dev.azure.com").once(), Answer::hang());
    let slow = scene.lose(0);
    scene.fake.wait_for(|request| request.method == "POST" && request.path.contains("/wit/"));
    let quick = scene.lose(1);
    assert_eq!(scene.until_told(&quick)["issue"]["integration"], "also");
    assert!(scene.until_followed(&slow, |record| record["issue"].is_null())["making_since"].is_number());
}

#[test]
fn an_issue_that_is_deleted_meanwhile_keeps_its_link_and_is_asked_for_no_more() {
    let scene = Scene::start(&tracked(1), 1);
    let incident = scene.lose(0);
    scene.until_told(&incident);
    scene.fake.tracker("large", |tracker| tracker.items.clear());
    let scene = scene.edit(&incident, |record| {
        record["assignee"] = "ada".into();
        record["owed"]["assignee"] = true.into();
    });
    let record = scene.until_followed(&incident, |record| !record["issue"]["gone_since"].is_null());
    assert_eq!(record["issue"]["key"], "31");
    scene.daemon.tells("the issue 31 of `large` is gone", 1);
    let asked = writes(&scene.fake).len();
    restore(&scene.fake, 0, 0);
    scene.until_followed(&incident, |record| {
        !record["incident"]["resolved_at"].is_null() && record["owed"]["end"] == false
    });
    // Whether it is there is looked at once more, by the plugin before it writes.
    assert_eq!((writes(&scene.fake).len(), scene.items()), (asked, 0));
}

#[test]
fn an_issue_that_cannot_be_closed_is_told_so() {
    let scene = Scene::start(&tracked(1), 1);
    let incident = scene.lose(0);
    scene.until_told(&incident);
    let refusal = json!({"message": "TF401320: a reason is required", "typeKey": "RuleValidationException"});
    let patches = Match::any().method("PATCH".parse().expect("a method"));
    scene.fake.fault(patches.once(), Answer::json(400, &refusal));
    restore(&scene.fake, 0, 0);
    scene.daemon.tells("stays open, though the incident", 1);
    let item = scene.until_item(31, |item| item.comments.len() == 2);
    assert_eq!(item.state(), "New");
    scene.until_told(&incident);
    assert_eq!(writes(&scene.fake).len(), 3);
}

#[test]
fn what_is_refused_is_told_once_and_made_after_it_was_put_right() {
    let wrong = tracked(1).table("trackers.ops", &format!("{OPS}\nkind = \"Story\""));
    let scene = Scene::start(&wrong, 1);
    let incident = scene.lose(0);
    scene.daemon.tells("see `project`, `kind` and `labels` of `trackers.ops`", 1);
    tracked(1).write(&scene.sandbox);
    scene.daemon.reload();
    scene.until_told(&incident);
    assert_eq!((scene.items(), writes(&scene.fake).len()), (1, 2));
    assert_eq!(scene.daemon.errors().matches("of `trackers.ops`").count(), 1);
}

#[test]
fn a_project_that_is_not_there_is_told_once_and_costs_no_other_tracker() {
    let rule = |project: &str, matches: &str| {
        format!("integration = \"large\"\nproject = {project:?}\nmatch = {{ repository = {matches:?} }}")
    };
    let list = list(3)
        .table("trackers.odd", &rule("project-nine", "p0-r{0,1}"))
        .table("trackers.ops", &rule("project-0", "p0-r2"));
    let scene = Scene::start(&list, 3);
    let (one, other) = (scene.lose(0), scene.lose(1));
    scene.daemon.tells("see `project`, `kind` and `labels` of `trackers.odd`", 1);
    let good = scene.lose(2);
    assert_eq!(scene.until_told(&good)["issue"]["key"], "31");
    for odd in [&one, &other] {
        scene.until_followed(odd, |record| record["issue"].is_null());
    }
    assert_eq!(scene.daemon.errors().matches("of `trackers.odd`").count(), 1);
    scene
        .daemon
        .tells(&format!("the incident `{}` has the issue 31, which was made for it", text(&good["id"])), 1);
}

#[test]
fn what_others_change_at_the_same_time_is_no_trouble() {
    let scene = Scene::start(&tracked(1), 1);
    let incident = scene.lose(0);
    scene.until_told(&incident);
    scene.fake.change_work_item("large", 31, &[("System.Title", Some("mine"))]);
    restore(&scene.fake, 0, 0);
    let item = scene.until_item(31, is_closed);
    assert_eq!((item.rev, item.comments.len()), (3, 2));
}

#[test]
fn a_revision_that_there_is_not_keeps_nobody_from_telling() {
    let scene = Scene::start(&tracked(1), 1);
    let incident = scene.lose(0);
    // As somebody leaves it who has the secret of the subscription and means harm.
    let scene = scene.edit(&incident, |record| {
        for mark in ["assignee_mark", "state_mark"] {
            record["issue"][mark]["revision"] = json!(u64::MAX);
        }
    });
    let number = text(&scene.until_told(&incident)["issue"]["key"]).parse().expect("a number");
    restore(&scene.fake, 0, 0);
    scene.until_item(number, is_closed);
    let record = scene.until_told(&incident);
    assert_eq!(record["issue"]["state_mark"]["revision"], scene.item(number).rev, "{record}");
    scene.daemon.stop();
}
