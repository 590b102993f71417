//! What people do with incidents, as far as no tracker is asked.

use serde_json::{Value, json};

use super::fixture::{Fixture, at, link};
use crate::journal::Incident;
use crate::state::IncidentRow;
use crate::verdict::Reason;

const PEOPLE: &str = "[people.ada]\nemails = [\"ada@example.org\"]\nteams = [\"payments\"]\n\
                      [people.ben]\nemails = [\"ben@example.org\"]\nteams = [\"web\"]\n";

/// An API that knows people, with an open incident of the team `payments`; its fingerprint and the path of it.
fn staffed() -> (Fixture, String, String) {
    let api = Fixture::new();
    api.know(PEOPLE);
    let print = api.open_incident(Reason::NotFound, &["alpha"], 1_000);
    let path = format!("/api/v1/incidents/{}", api.incident_id(&print));
    (api, print, path)
}

fn error(body: &Value) -> (&str, &str) {
    let error = &body["error"];
    (error["code"].as_str().unwrap(), error["message"].as_str().unwrap())
}

#[tokio::test]
async fn an_incident_says_who_has_it_and_which_issue() {
    let (api, print, path) = staffed();
    let bare = api.get(&path).await.body;
    for key in ["assignee", "issue", "awaits_issue_in", "handled_at"] {
        assert_eq!(bare[key], Value::Null, "{key}");
    }
    api.follow(&print, |record| record.rule = Some("ops".to_owned()));
    assert_eq!(api.get(&path).await.body["awaits_issue_in"], "ops");
    api.follow(&print, |record| {
        record.assignee = Some("ada".to_owned());
        record.handled_at = Some(at(70));
        record.issue = Some(link(json!({ "gone_since": at(60), "key": "3\u{202e}1", "title": "<b>" })));
    });
    let one = api.get(&path).await.body;
    assert_eq!((&one["assignee"], &one["awaits_issue_in"]), (&json!("ada"), &Value::Null));
    assert_eq!(one["handled_at"], "1970-01-01T00:01:10.000Z");
    let expected = json!({
        "integration": "acme", "key": "3\\u{202e}1", "project": "Shop", "kind": "Bug", "title": "<b>", "state": "New",
        "url": "https://dev.azure.com/acme/_workitems/edit/31", "gone_since": "1970-01-01T00:01:00.000Z",
        "read_at": "1970-01-01T00:00:05.000Z",
    });
    assert_eq!(one["issue"], expected);
    assert_eq!(api.get("/api/v1/incidents").await.body["items"][0], one);
    let expected = json!({
        "assignee": "ada", "issue": "3\\u{202e}1", "issue_url": "https://dev.azure.com/acme/_workitems/edit/31",
        "issue_gone_since": "1970-01-01T00:01:00.000Z", "awaits_issue_in": null, "handled_at": "1970-01-01T00:01:10.000Z",
    });
    assert_eq!(api.get("/api/v1/status").await.body["incidents"][0]["people"], expected);
}

#[tokio::test]
async fn an_incident_is_given_to_somebody_of_its_team_and_to_nobody() {
    let (api, _, path) = staffed();
    let to = |person: Value| json!({ "person": person }).to_string();
    let given = api.post(&format!("{path}/assign"), &to("ada".into())).await;
    assert_eq!((given.status.as_u16(), &given.body["assignee"]), (200, &json!("ada")), "{}", given.body);
    assert_eq!(api.get(&path).await.body["assignee"], "ada");
    for (person, status, code, word) in [
        ("ben", 409, "not_of_team", "`payments`"),
        ("eve", 404, "unknown_person", "[people.NAME]"),
        ("Ada", 404, "unknown_person", "`Ada`"),
        ("\u{202e}ada", 404, "unknown_person", "\\u{202e}"),
    ] {
        let refused = api.post(&format!("{path}/assign"), &to(person.into())).await;
        let (told, message) = error(&refused.body);
        assert_eq!((refused.status.as_u16(), told), (status, code), "{message}");
        assert!(message.contains(word), "{message}");
    }
    assert_eq!(api.get(&path).await.body["assignee"], "ada", "what is refused changes nothing");
    let taken = api.post(&format!("{path}/assign"), &to(Value::Null)).await;
    assert_eq!((taken.status.as_u16(), &taken.body["assignee"]), (200, &Value::Null));
}

#[tokio::test]
async fn an_issue_is_parted_from_its_incident_once() {
    let (api, print, path) = staffed();
    api.follow(&print, |record| record.issue = Some(link(json!({}))));
    let linked = r#"{"integration":"acme","issue":"32"}"#;
    let refused = api.post(&format!("{path}/link"), linked).await;
    assert_eq!((refused.status.as_u16(), error(&refused.body).0), (409, "linked"), "{}", refused.body);
    let parted = api.post(&format!("{path}/unlink"), "{}").await;
    assert_eq!((parted.status.as_u16(), &parted.body["issue"]), (200, &Value::Null), "{}", parted.body);
    let again = api.post(&format!("{path}/unlink"), "").await;
    assert_eq!((again.status.as_u16(), error(&again.body).0), (409, "not_linked"), "{}", again.body);
}

#[tokio::test]
async fn what_is_not_there_cannot_be_linked() {
    let (api, _, path) = staffed();
    let issue = |integration: &str| json!({ "integration": integration, "issue": "31" }).to_string();
    let nowhere = api.post(&format!("{path}/link"), &issue("nobody")).await;
    assert_eq!((nowhere.status.as_u16(), error(&nowhere.body).0), (404, "unknown_integration"));
    let failed = api.post(&format!("{path}/link"), &issue("acme")).await;
    assert_eq!((failed.status.as_u16(), error(&failed.body)), (502, ("plugin_failed", "there is none")));
    for (order, body) in
        [("link", issue("acme")), ("unlink", "{}".into()), ("assign", r#"{"person":null}"#.into())]
    {
        let answer = api.post(&format!("/api/v1/incidents/nothing%2Fhere/{order}"), &body).await;
        assert_eq!((answer.status.as_u16(), error(&answer.body).0), (404, "not_found"), "{order}");
    }
}

#[tokio::test]
async fn nobody_has_to_do_anything_for_what_is_over() {
    let (api, print, path) = staffed();
    let mut over: Incident = api
        .daemon
        .handle
        .read(|ledger| ledger.incidents.open().find(|it| it.fingerprint == print).unwrap().clone());
    over.resolved_at = Some(at(2_000));
    api.daemon.change(|ledger| ledger.incidents = crate::journal::Incidents::default());
    api.journal.keep(vec![IncidentRow::from(&over)]).await;
    for (order, body) in
        [("link", r#"{"integration":"acme","issue":"31"}"#), ("assign", r#"{"person":"ada"}"#)]
    {
        let answer = api.post(&format!("{path}/{order}"), body).await;
        assert_eq!(
            (answer.status.as_u16(), error(&answer.body).0),
            (409, "over"),
            "{order}: {}",
            answer.body
        );
    }
}

#[tokio::test]
async fn orders_that_make_no_sense_are_told() {
    let (api, _, path) = staffed();
    for (order, body) in [
        ("assign", "{}"),
        ("assign", r#"{"person":""}"#),
        ("assign", r#"{"person":7}"#),
        ("assign", r#"{"person":["ada"]}"#),
        ("assign", r#"{"person":"ada","by":"eve"}"#),
        ("assign", "null"),
        ("link", "{}"),
        ("link", r#"{"integration":"acme"}"#),
        ("link", r#"{"integration":"acme","issue":""}"#),
        ("link", r#"{"integration":"acme","issue":31}"#),
        ("link", r#"{"integration":"","issue":"31"}"#),
        ("link", r#"{"integration":"acme","issue":"31","project":""}"#),
    ] {
        let answer = api.post(&format!("{path}/{order}"), body).await;
        assert_eq!(answer.status, 400, "{order} {body}: {}", answer.body);
    }
    let long = json!({ "integration": "acme", "issue": "1".repeat(201) }).to_string();
    assert_eq!(api.post(&format!("{path}/link"), &long).await.status, 400);
    assert_eq!(api.get(&format!("{path}/assign")).await.status, 405);
}
