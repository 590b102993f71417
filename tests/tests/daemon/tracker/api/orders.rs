//! Orders concerning incidents, right and wrong.

use forgewatch_tests::ask::send;
use forgewatch_tests::daemon::Daemon;
use forgewatch_tests::fake::{Answer, Match};
use serde_json::{Value, json};

use super::{OPERATE, READ, Scene, refusal};
use crate::support::restore;

#[test]
fn an_incident_is_given_linked_kept_over_a_restart_and_parted() {
    let mut scene = Scene::new(&["Voucher <b>is</b> lost"]);
    let before = scene.shown();
    assert_eq!(
        (&before["assignee"], &before["issue"], &before["handled_at"]),
        (&Value::Null, &Value::Null, &Value::Null)
    );

    let given = scene.order("assign", &json!({ "person": "ada" }));
    assert_eq!((given.status, &given.json()["assignee"]), (200, &json!("ada")));
    let linked = scene.order("link", &json!({ "integration": "large", "issue": "31" }));
    let shown = linked.json();
    assert_eq!(linked.status, 200, "{linked:?}");
    let issue = &shown["issue"];
    for (key, value) in [
        ("integration", "large"),
        ("key", "31"),
        ("project", "project-0"),
        ("kind", "Bug"),
        ("title", "Voucher <b>is</b> lost"),
        ("state", "New"),
        ("url", "https://dev.azure.com/large/project-0/_workitems/edit/31"),
    ] {
        assert_eq!(issue[key], value, "{key}: {issue}");
    }
    assert_eq!((&issue["gone_since"], &shown["assignee"]), (&Value::Null, &json!("ada")));
    assert!(issue["read_at"].is_string(), "{issue}");
    // What is so already is no error.
    assert_eq!(scene.order("link", &json!({ "integration": "large", "issue": "31" })).status, 200);

    scene.daemon.stop();
    scene.daemon = Daemon::start(&scene.sandbox);
    let kept = scene.shown();
    assert_eq!((&kept["assignee"], &kept["issue"]["key"]), (&json!("ada"), &json!("31")), "{kept}");
    let page = scene.ask("GET", "/api/v1/incidents", READ, "").json();
    assert_eq!(page["items"][0]["issue"]["key"], "31");

    let parted = scene.order("unlink", &json!({}));
    assert_eq!((parted.status, &parted.json()["issue"]), (200, &Value::Null));
    let freed = scene.order("assign", &json!({ "person": null }));
    assert_eq!((freed.status, &freed.json()["assignee"]), (200, &Value::Null));
    let records = scene.daemon.records().clone();
    scene.daemon.stop();
    for (what, times) in [("incident_linked", 2), ("incident_unlinked", 1), ("incident_assigned", 2)] {
        let events = records.generic(what);
        assert_eq!(events.len(), times, "{what}: {events:#?}");
        assert!(events.iter().all(|event| event.payload["incident"] == scene.incident), "{events:#?}");
    }
}

#[test]
fn orders_that_cannot_be_followed_are_refused_and_change_nothing() {
    let scene = Scene::new(&["one", "two"]);
    let link = |issue: &str| json!({ "integration": "large", "issue": issue });
    let to = |person: &str| json!({ "person": person });
    let table = [
        ("link", link("4711"), 404, "unknown_issue"),
        ("link", link("a/../b"), 404, "unknown_issue"),
        ("link", link("\u{202e}31"), 404, "unknown_issue"),
        ("link", json!({ "integration": "nobody", "issue": "31" }), 404, "unknown_integration"),
        ("link", json!({ "integration": "large", "issue": 31 }), 400, "bad_request"),
        ("link", json!({ "integration": "large" }), 400, "bad_request"),
        ("link", json!({ "integration": "large", "issue": "31", "state": "Done" }), 400, "bad_request"),
        ("link", json!([]), 400, "bad_request"),
        ("unlink", json!({}), 409, "not_linked"),
        ("assign", to("eve"), 404, "unknown_person"),
        ("assign", to("ada@contoso.example"), 404, "unknown_person"),
        ("assign", to("ben"), 409, "not_of_team"),
        ("assign", to(""), 400, "bad_request"),
        ("assign", json!({}), 400, "bad_request"),
        ("close", json!({}), 404, "not_found"),
    ];
    for (order, body, status, code) in &table {
        let reply = scene.order(order, body);
        let (came, word, message) = refusal(&reply);
        println!("{order:7} {body} -> {came} {word}: {message}");
        assert_eq!((came, word.as_str()), (*status, *code), "{order} {body}: {message}");
        assert!(!message.contains('\u{202e}'), "{message}");
    }
    let path = format!("{}/assign", scene.path());
    assert_eq!(scene.ask("POST", &path, READ, r#"{"person":"ada"}"#).status, 403);
    assert_eq!(scene.ask("POST", &path, "planted0wrong0token", r#"{"person":"ada"}"#).status, 401);
    assert_eq!(scene.ask("GET", &path, OPERATE, "").status, 405);
    assert_eq!(scene.order("assign", &to(&"x".repeat(70_000))).status, 413);
    let bearer = format!("authorization: Bearer {OPERATE}");
    let as_text = send(scene.daemon.address(), "POST", &path, &[&bearer, "content-type: text/plain"], "{}");
    assert_eq!(as_text.expect("it answers").status, 415);
    let elsewhere = scene.ask("POST", "/api/v1/incidents/nothing/assign", OPERATE, r#"{"person":"ada"}"#);
    assert_eq!(refusal(&elsewhere).1, "not_found");
    let shown = scene.shown();
    assert_eq!((&shown["assignee"], &shown["issue"]), (&Value::Null, &Value::Null), "{shown}");

    assert_eq!(scene.order("link", &link("31")).status, 200);
    assert_eq!(refusal(&scene.order("link", &link("32"))).1, "linked");
    assert_eq!(scene.shown()["issue"]["key"], "31");
    let log = scene.daemon.stop().stderr;
    assert!(!log.contains("a request of the API failed"), "{log}");
}

#[test]
fn a_tracker_in_trouble_links_nothing_and_what_is_over_stays_as_it_was() {
    let scene = Scene::new(&["one"]);
    let link = json!({ "integration": "large", "issue": "31" });
    for (answer, status, code) in [
        (Answer::e21(500), 502, "provider_error"),
        (Answer::e22(), 502, "invalid_response"),
        (Answer::reset(), 503, "unreachable"),
    ] {
        scene.fake.clear_faults();
        scene.fake.fault(Match::any().path_contains("/wit/workitems/"), answer);
        let (came, word, message) = refusal(&scene.order("link", &link));
        assert_eq!((came, word.as_str()), (status, code), "{message}");
    }
    scene.fake.clear_faults();
    assert_eq!(scene.shown()["issue"], Value::Null);
    restore(&scene.fake, 0, 0);
    scene.daemon.until("an end", |records| records.open_incidents().is_empty().then_some(()));
    for (order, body) in [("link", link), ("assign", json!({ "person": "ada" }))] {
        assert_eq!(refusal(&scene.order(order, &body)).1, "over");
    }
    assert_eq!(scene.shown()["state"], "resolved");
    scene.daemon.stop();
}
