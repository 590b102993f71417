//! The state, and whether the incident is handled.

use forgewatch_tests::ask::ask;
use forgewatch_tests::fake::{Answer, Match};
use tokio_util::sync::CancellationToken;

use super::*;

#[test]
fn row_10_4_row_10_12_row_12_1_row_12_2_done_is_handled_and_open_again_is_not() {
    let scene = Scene::new(&["shop"]);
    // Nobody knows who has it, which stops nothing.
    scene.fake.tracker("large", |tracker| {
        tracker.people.push(("Eve".to_owned(), "eve@contoso.example".to_owned()));
    });
    scene.delivers(&[(STATE, Some("Resolved")), (ASSIGNED_TO, Some("eve@contoso.example"))]);
    assert!(scene.is_handled(0));
    let since = scene.record(0)["handled_at"].clone();
    // From done to done, and back over the border.
    scene.delivers(&[(STATE, Some("Closed"))]);
    assert_eq!(
        (&scene.record(0)["handled_at"], scene.record(0)["issue"]["state"].as_str()),
        (&since, Some("Closed"))
    );
    scene.delivers(&[(STATE, Some("Active")), (ASSIGNED_TO, Some(ADA))]);
    assert_eq!((scene.is_handled(0), scene.assignee(0).as_deref()), (false, Some("ada")));
    scene.delivers(&[(STATE, Some("New"))]);
    assert!(!scene.is_handled(0));
    assert_eq!(scene.noted("incident_handled", 1).len(), 1);
    assert_eq!(scene.noted("incident_reopened", 1).len(), 1);
    // The incident itself goes on as long as access is lost.
    assert_eq!(scene.daemon.records().open_incidents().len(), 1);
    scene.daemon.stop();
}

#[test]
fn row_12_7_states_that_cannot_be_had_change_nothing_until_they_can() {
    let scene = Scene::new(&["shop"]);
    let cases =
        [Answer::e21(503), Answer::e19(), Answer::e8(), Answer::reset(), Answer::claimed_json(200, "{}")];
    for (number, answer) in cases.into_iter().enumerate() {
        scene.fake.clear_faults();
        scene.fake.fault(Match::any().path_contains("/_apis/wit/"), answer);
        scene.delivers(&[(STATE, Some(if number % 2 == 0 { "Closed" } else { "Active" }))]);
        assert!(!scene.is_handled(0), "{number}");
        assert_eq!(scene.record(0)["issue"]["state"], "New", "{number}");
    }
    scene.daemon.tells("is read later, since it is not known yet", 1);
    // What could not be taken in is news still.
    scene.fake.clear_faults();
    let last = scene.fake.tracker("large", |tracker| tracker.deliveries.len()) - 1;
    scene.again(last, 2);
    wait_for("it to be handled", || scene.is_handled(0).then_some(()));
    scene.daemon.stop();
}

#[test]
fn row_10_14_an_integration_that_cannot_ask_stops_no_other() {
    let scene = Scene::with(&["shop", "shop"], |number| ["also", "large"][number].to_owned());
    scene.fake.fault(Match::any().host("large.visualstudio.com").path_contains("/_apis/wit/"), Answer::e1());
    scene.delivers(&[(STATE, Some("Closed")), (ASSIGNED_TO, Some(ADA))]);
    assert_eq!([0, 1].map(|number| scene.is_handled(number)), [false, true]);
    assert_eq!([0, 1].map(|number| scene.assignee(number).as_deref() == Some("ada")), [true, true]);
    scene.daemon.stop();
}

#[test]
fn a_tracker_that_is_slow_is_not_waited_for_for_ever_and_its_answer_counts() {
    let scene = Scene::new(&["shop"]);
    let released = CancellationToken::new();
    let held = Answer::from_world().held_until(released.clone());
    scene.fake.fault(Match::any().path_contains("/states"), held);
    scene.delivers(&[(STATE, Some("Closed")), (ASSIGNED_TO, Some(ADA))]);
    assert_eq!((scene.is_handled(0), scene.assignee(0).as_deref()), (false, Some("ada")));
    assert_eq!(scene.daemon.get("/livez").status, 200);
    released.cancel();
    wait_for("it to be handled", || scene.is_handled(0).then_some(()));
    scene.daemon.stop();
}

#[test]
fn what_was_begun_goes_on_when_the_sender_hangs_up() {
    let scene = Scene::new(&["shop"]);
    scene.fake.tracker("large", |tracker| tracker.holds_deliveries = true);
    let released = CancellationToken::new();
    let held = Answer::from_world().held_until(released.clone());
    scene.fake.fault(Match::any().path_contains("/states"), held);
    let delivery = scene.change(&[(STATE, Some("Closed"))]);
    let secret = format!("shared-secret: {SECRET}");
    let address = scene.daemon.address();
    let length = format!("content-length: {}", delivery.body.len());
    let head = forgewatch_tests::ask::head(address, "POST", WEBHOOKS, &[&secret, &length]);
    let mut stream = forgewatch_tests::ask::connect(address).unwrap();
    std::io::Write::write_all(&mut stream, (head + &delivery.body).as_bytes()).unwrap();
    wait_for("the question", || {
        let asked = scene.fake.requests_to(|request| request.path.contains("/states"));
        (!asked.is_empty()).then_some(())
    });
    drop(stream);
    assert_eq!(ask(address, "GET", "/livez", "").unwrap().status, 200);
    released.cancel();
    wait_for("it to be handled", || scene.is_handled(0).then_some(()));
    scene.daemon.stop();
}
