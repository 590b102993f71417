//! Both sides at once: what a tracker delivers of what was done here, and what it does to reminders.

use std::time::SystemTime;

use forgewatch::state::{State, SubscriptionRow};
use forgewatch_tests::fake::{Answer, Match, Subscription};
use forgewatch_tests::receivers::Receiver;
use tokio_util::sync::CancellationToken;

use super::*;

const SECRET: &str = "planted-secret-of-the-large-account";
const ACCOUNT: &str = "external_id = \"1a46e000-5e1f-4b0a-9c3d-000000000001\"";

/// A scene whose tracker delivers what becomes of its work items.
#[track_caller]
fn subscribed(list: &Watchlist, count: usize, hook: Option<&Receiver>) -> Scene {
    let fake = large(1, count);
    let list = list.clone().integration("large", "https://dev.azure.com/large/", ACCOUNT);
    let sandbox = list.sandbox(&fake);
    if let Some(hook) = hook {
        sandbox.write("hook.url", hook.url("/hook"));
    }
    let path = sandbox.path("state/forgewatch/state.db");
    std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
    let row = SubscriptionRow {
        number: 0,
        integration: "large".to_owned(),
        project: None,
        url: "http://127.0.0.1/api/v1/webhooks/vsts".to_owned(),
        secret: SECRET.into(),
        id: Some("1".to_owned()),
        made_at: SystemTime::now(),
    };
    State::open(&path).expect("a state").add_subscription(&row).expect("it is saved");
    let daemon = Daemon::start(&sandbox);
    let url = format!("http://{}/api/v1/webhooks/vsts", daemon.address());
    fake.tracker("large", |tracker| {
        tracker.subscriptions.push(Subscription {
            id: "c0470500-5e1f-4b0a-9c3d-0000d0000000".to_owned(),
            project: None,
            url,
            headers: vec![("shared-secret".to_owned(), SECRET.to_owned())],
            status: "enabled".to_owned(),
            failures: 0,
        });
    });
    until_granted(&daemon, count);
    Scene { fake, sandbox, daemon }
}

/// Waits until everything that was delivered was taken.
#[track_caller]
fn until_delivered(scene: &Scene, count: usize) {
    let answers = wait_for("all deliveries", || {
        scene.fake.tracker("large", |tracker| {
            let answers: Vec<_> =
                tracker.deliveries.iter().filter_map(|it| it.answers.last().copied()).collect();
            (answers.len() >= count).then_some(answers)
        })
    });
    assert_eq!(answers, vec![Some(200); count], "{}", scene.daemon.errors());
}

#[test]
fn what_one_side_does_is_never_sent_back_by_the_other() {
    let scene = subscribed(&tracked(1), 1, None);
    let incident = scene.lose(0);
    scene.until_told(&incident);
    assert_eq!(writes(&scene.fake).len(), 1);
    // There: somebody takes it, and is done with it, and is not.
    scene.fake.change_work_item("large", 31, &[("System.AssignedTo", Some(ADA))]);
    scene.until_followed(&incident, |record| record["assignee"] == "ada");
    scene.fake.change_work_item("large", 31, &[("System.State", Some("Resolved"))]);
    scene.until_followed(&incident, |record| !record["handled_at"].is_null());
    scene.fake.change_work_item("large", 31, &[("System.State", Some("Active"))]);
    let record = scene.until_followed(&incident, |record| record["handled_at"].is_null());
    assert_eq!(record["owed"], json!({"greeting": false, "assignee": false, "end": false}));
    until_delivered(&scene, 3);
    // Here: access is back.
    restore(&scene.fake, 0, 0);
    scene.until_item(31, is_closed);
    until_delivered(&scene, 4);
    scene.until_told(&incident);
    let other = scene.lose(0);
    scene.until_told(&other);
    assert_eq!(writes(&scene.fake).len(), 3, "made, closed, and made for the next one");
    assert_eq!(scene.item(31).rev, 5);
}

#[test]
fn whoever_takes_an_issue_while_it_is_given_to_somebody_keeps_it() {
    let scene = subscribed(&tracked(1), 1, None);
    let incident = scene.lose(0);
    scene.until_told(&incident);
    let released = CancellationToken::new();
    let patch = Match::any().method("PATCH".parse().expect("a method")).once();
    scene.fake.fault(patch, Answer::json(412, &json!({})).held_until(released.clone()));
    let scene = scene.edit(&incident, |record| {
        record["assignee"] = "ada".into();
        record["owed"]["assignee"] = true.into();
    });
    let url = format!("http://{}/api/v1/webhooks/vsts", scene.daemon.address());
    scene.fake.tracker("large", |tracker| tracker.subscriptions[0].url = url);
    scene.fake.wait_for(|request| request.method == "PATCH");
    scene.fake.change_work_item("large", 31, &[("System.AssignedTo", Some(BEN))]);
    scene.until_followed(&incident, |record| record["assignee"] == "ben");
    released.cancel();
    restore(&scene.fake, 0, 0);
    let item = scene.until_item(31, is_closed);
    assert!(item.field("System.AssignedTo").is_some_and(|who| who.contains(BEN)), "{item:?}");
    assert_eq!(writes(&scene.fake).len(), 3, "made, in vain, and closed");
}

#[test]
fn nobody_is_reminded_of_what_people_are_done_with_until_it_is_opened_again() {
    let hook = Receiver::start();
    let list = tracked(2)
        .set("alerts.group_wait", r#""50ms""#)
        .set("alerts.remind_after", r#""1s""#)
        .set("alerts.group_by", r#"["repository"]"#)
        .set("alerts.default", r#"["hook"]"#)
        .table(
            "alerts.targets.hook",
            "kind = \"webhook\"\nallow_insecure_http = true\nurl = { file = \"hook.url\" }",
        );
    let scene = subscribed(&list, 2, Some(&hook));
    let told = |event: &str, repository: &str| -> Vec<Value> {
        let told = hook.requests().into_iter().map(|request| request.json());
        told.filter(|told| told["event"] == *event && told["incidents"][0]["repository"] == *repository)
            .map(|mut told| told["incidents"][0].take())
            .collect()
    };
    let reminders = |repository: &str| told("reminded", repository).len();
    let at_least = |repository: &str, count: usize| {
        wait_for("reminders", || (reminders(repository) >= count).then_some(()));
    };
    let (one, other) = (scene.lose(0), scene.lose(1));
    let number = scene.until_told(&one)["issue"]["key"].as_str().expect("a key").parse().expect("a number");
    scene.until_told(&other);
    at_least("p0-r0", 1);
    scene.fake.change_work_item("large", number, &[("System.State", Some("Resolved"))]);
    scene.until_followed(&one, |record| !record["handled_at"].is_null());
    // One that was under way may still arrive.
    let before = reminders("p0-r1");
    at_least("p0-r1", before + 1);
    let (quiet, before) = (reminders("p0-r0"), reminders("p0-r1"));
    at_least("p0-r1", before + 3);
    assert_eq!(reminders("p0-r0"), quiet);
    scene.fake.change_work_item("large", number, &[("System.State", Some("Active"))]);
    scene.fake.change_work_item("large", number, &[("System.AssignedTo", Some(ADA))]);
    scene.until_followed(&one, |record| record["assignee"] == "ada");
    at_least("p0-r0", quiet + 1);
    restore(&scene.fake, 0, 0);
    let over = wait_for("its end", || told("resolved", "p0-r0").pop());
    assert_eq!((&over["assignee"], &over["issue"]["key"]), (&json!("ada"), &json!(number.to_string())));
    assert_eq!(told("opened", "p0-r0")[0]["assignee"], Value::Null);
}

/// Has the issue of an incident read again.
fn is_due(record: &mut Value) {
    record["issue"]["read_at"] = 1.into();
}

#[test]
fn what_was_never_delivered_is_read() {
    let scene = Scene::start(&tracked(1), 1);
    let incident = scene.lose(0);
    scene.until_told(&incident);
    scene.fake.change_work_item("large", 31, &[("System.AssignedTo", Some(ADA))]);
    scene.fake.change_work_item("large", 31, &[("System.State", Some("Resolved"))]);
    let states = Match::any().path_contains("/states").once();
    scene.fake.fault(states, Answer::e21(502));
    let scene = scene.edit(&incident, is_due);
    // Whoever has it is known at once; what its state means could not be asked.
    let record = scene.until_followed(&incident, |record| !record["handled_at"].is_null());
    assert_eq!((&record["assignee"], &record["issue"]["state"]), (&json!("ada"), &json!("Resolved")));
    let scene = scene.edit(&incident, is_due);
    scene.until_followed(&incident, |record| record["issue"]["read_at"] != 1);
    // Between open states, and by somebody whom nobody knows here.
    scene.fake.change_work_item("large", 31, &[("System.State", Some("Active"))]);
    let scene = scene.edit(&incident, is_due);
    scene.until_followed(&incident, |record| record["handled_at"].is_null());
    scene.fake.change_work_item("large", 31, &[("System.State", Some("New"))]);
    scene.fake.change_work_item("large", 31, &[("System.AssignedTo", None)]);
    let scene = scene.edit(&incident, is_due);
    scene.until_followed(&incident, |record| record["assignee"].is_null());
    let journal = |what: &str| scene.daemon.records().generic(what).len();
    assert_eq!((journal("incident_handled"), journal("incident_reopened")), (1, 1));
    assert_eq!(writes(&scene.fake).len(), 1, "nothing of it went back");
}

#[test]
fn what_is_followed_outlives_its_state_file_and_goes_with_its_incident() {
    let scene = Scene::start(&tracked(1), 1);
    let incident = scene.lose(0);
    let record = scene.until_told(&incident);
    let path = scene.daemon.records().path().clone();
    std::fs::remove_file(&path).expect("it was there");
    wait_for("another file", || path.exists().then_some(()));
    let again = scene.until_told(&incident);
    assert_eq!(again["issue"]["key"], record["issue"]["key"]);
    // What is over and in no state any more is forgotten.
    let mut gone = again.clone();
    gone["incident"]["id"] = "gone-1".into();
    gone["incident"]["resolved_at"] = again["incident"]["first_seen"].clone();
    scene.daemon.stop();
    let state = State::open(&path).expect("a state");
    state.save_followed(false, &[("gone-1".to_owned(), Some(gone.to_string()))]).expect("it is saved");
    drop(state);
    let scene = Scene { daemon: Daemon::start(&scene.sandbox), fake: scene.fake, sandbox: scene.sandbox };
    let followed = || {
        let query = "SELECT count(*) FROM followed";
        scene.daemon.records().open().query_row(query, [], |row| row.get::<_, i64>(0)).expect("a number")
    };
    wait_for("that it is forgotten", || (followed() == 1).then_some(()));
    scene.until_told(&incident);
    assert_eq!((scene.items(), writes(&scene.fake).len()), (1, 1));
}
