//! Rows of what started it, by number: search (8), deliveries (9, 10) and states (12), as far as they live at this level.
//!
//! Who may ask and what becomes of groups are other rooms' rows: 8.1 to 8.3 and 8.7, 9.3 to 9.9, 10.4, 10.12 and 10.14,
//! 11, and 12.1 to 12.6.

use forgewatch_plugin_api::{
    AssigneeChange, Failure, FoundIssue, IssueQuery, Person, Reason, StateChange, WebhookDelivery,
    WebhookEvent, WebhookEventKind,
};
use forgewatch_tests::fake::{Answer, Match, World, contoso};
use serde_json::{Value, json};

use super::{ALLOWED, in_both_rooms};

fn updated(resource: Value) -> Value {
    json!({
        "eventType": "workitem.updated",
        "resource": resource,
        "resourceContainers": {"collection": {"id": "account"}, "project": {"id": "project"}},
    })
}

fn assigned(change: Value) -> Value {
    updated(json!({"workItemId": 31, "rev": 2, "fields": {"System.AssignedTo": change}}))
}

fn moved(change: Value) -> Value {
    updated(json!({"workItemId": 31, "rev": 2, "fields": {"System.State": change}}))
}

fn event() -> WebhookEvent {
    WebhookEvent::new("account", WebhookEventKind::IssueUpdated).with_project("project")
}

fn of_issue() -> WebhookEvent {
    event().with_issue("31").with_revision(2)
}

fn set(person: Person) -> WebhookEvent {
    of_issue().with_assignee(AssigneeChange::Set(person))
}

fn state(old: Option<&str>, new: Option<&str>) -> WebhookEvent {
    of_issue().with_state(StateChange::new(old.map(str::to_owned), new.map(str::to_owned)))
}

/// A row, what is delivered, and what it means; none for what is no delivery.
type Delivery = (&'static str, Value, Option<WebhookEvent>);

fn assignments() -> Vec<Delivery> {
    let ada = || Person::new("Ada Quill").with_email("ada@contoso.example");
    vec![
        ("10.5", assigned(json!(null)), Some(of_issue())),
        ("10.5", assigned(json!({})), Some(of_issue())),
        ("10.6", assigned(json!({"newValue": "Ada Quill <ada@contoso.example>"})), Some(set(ada()))),
        (
            "10.7",
            assigned(json!({"newValue": "ada@contoso.example"})),
            Some(set(Person::new("ada@contoso.example").with_email("ada@contoso.example"))),
        ),
        ("10.7", assigned(json!({"newValue": "Ada Quill"})), Some(set(Person::new("Ada Quill")))),
        ("10.7", assigned(json!({"newValue": 7})), Some(of_issue())),
        (
            "10.8",
            assigned(json!({"oldValue": "x", "newValue": null})),
            Some(of_issue().with_assignee(AssigneeChange::Cleared)),
        ),
        (
            "10.8",
            assigned(json!({"oldValue": "x", "newValue": ""})),
            Some(of_issue().with_assignee(AssigneeChange::Cleared)),
        ),
        (
            "10.9",
            assigned(
                json!({"newValue": {"displayName": "Ada Quill", "uniqueName": "ada@contoso.example", "id": "6a5f"}}),
            ),
            Some(set(ada().with_id("6a5f"))),
        ),
        (
            "10.10",
            assigned(json!({"oldValue": "Ada"})),
            Some(of_issue().with_assignee(AssigneeChange::Cleared)),
        ),
        (
            "10.10",
            assigned(json!({"oldValue": {"displayName": "Ada"}})),
            Some(of_issue().with_assignee(AssigneeChange::Cleared)),
        ),
    ]
}

fn deliveries() -> Vec<Delivery> {
    let without_project = json!({
        "eventType": "workitem.updated", "resource": {"workItemId": 31, "rev": 2},
        "resourceContainers": {"collection": {"id": "account"}},
    });
    let unprojected = WebhookEvent::new("account", WebhookEventKind::IssueUpdated);
    let other = json!({
        "eventType": "workitem.created", "resource": {"id": 31, "fields": {"System.State": "New"}},
        "resourceContainers": {"collection": {"id": "account"}},
    });
    let containers = json!({"collection": {"id": "account"}});
    vec![
        ("9.1", json!({"resourceContainers": containers}), None),
        ("9.1", json!({"eventType": "workitem.updated"}), None),
        ("9.1", json!({"eventType": "workitem.updated", "resourceContainers": {}}), None),
        (
            "9.1",
            json!({"eventType": "workitem.updated", "resourceContainers": {"collection": {"id": ""}}}),
            None,
        ),
        ("9.1", json!({"eventType": 7, "resourceContainers": containers}), None),
        (
            "9.2",
            other,
            Some(WebhookEvent::new("account", WebhookEventKind::Other("workitem.created".to_owned()))),
        ),
        ("10.1", updated(json!({"fields": {}})), Some(event())),
        ("10.1", updated(json!(null)), Some(event())),
        ("10.1", updated(json!([31])), Some(event())),
        ("10.2", without_project, Some(unprojected.with_issue("31").with_revision(2))),
        ("10.3", updated(json!({"workItemId": 31, "rev": 2})), Some(of_issue())),
        ("10.3", updated(json!({"workItemId": "31", "rev": "2", "fields": []})), Some(of_issue())),
        (
            "10.11",
            updated(json!({"workItemId": 31, "rev": 2, "fields": {"System.State": null}})),
            Some(of_issue()),
        ),
        ("10.12", moved(json!({"newValue": "New"})), Some(state(None, Some("New")))),
        (
            "10.12",
            moved(json!({"oldValue": "Active", "newValue": "Resolved"})),
            Some(state(Some("Active"), Some("Resolved"))),
        ),
        ("10.13", moved(json!({"oldValue": "Active"})), Some(state(Some("Active"), None))),
        ("10.13", moved(json!({"oldValue": "Active", "newValue": {}})), Some(state(Some("Active"), None))),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn deliveries_mean_what_their_rows_say() {
    in_both_rooms(World::contoso, "", async |desk| {
        for (row, body, expected) in deliveries().into_iter().chain(assignments()) {
            let delivery = WebhookDelivery::new(body.to_string()).with_header("x-vss-e2eid", "1");
            let came = desk.provider().parse_webhook(desk.host(), &delivery).await;
            println!(
                "{row:6} {:12} {}",
                desk.room,
                came.as_ref().map_or_else(Failure::detail, |_| "understood")
            );
            match expected {
                Some(expected) => assert_eq!(came, Ok(expected), "{row}: {body}"),
                None => assert_eq!(came.unwrap_err().reason(), Reason::INVALID_RESPONSE, "{row}: {body}"),
            }
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn times_that_are_none_are_passed_over() {
    in_both_rooms(World::contoso, "", async |desk| {
        let at = |text: &str| Some(humantime::parse_rfc3339(text).expect("a time"));
        let with = |dates: Value, created: &str| {
            let mut body = updated(json!({"workItemId": 31, "revisedDate": dates["revised"]}));
            body["resource"]["fields"] = json!({"System.ChangedDate": {"newValue": dates["changed"]}});
            body["createdDate"] = created.into();
            body.to_string()
        };
        let (revised, changed, created) =
            ("2026-02-12T09:10:00.5Z", "2026-02-12T09:10:01Z", "2026-02-12T09:10:02.1Z");
        for (body, expected) in [
            (with(json!({"revised": revised, "changed": changed}), created), at(revised)),
            (with(json!({"revised": "9999-01-01T00:00:00Z", "changed": changed}), created), at(changed)),
            (with(json!({"revised": "0001-01-01T00:00:00", "changed": 7}), created), at(created)),
            (with(json!({"revised": "soon"}), "é2026-02-12T09:10:02"), None),
        ] {
            let delivery = WebhookDelivery::new(body.clone());
            let event = desk.provider().parse_webhook(desk.host(), &delivery).await.unwrap();
            assert_eq!(event.changed_at(), expected, "{body}");
        }
    })
    .await;
}

/// Keys with titles, or why there are none.
type Found = Result<Vec<(&'static str, &'static str)>, Reason>;

/// A row, what the service answers to a search, and what is found.
fn searches() -> Vec<(&'static str, Answer, Found)> {
    let found = |results: Value| Answer::json(200, &json!({"count": 1, "results": results, "infoCode": 0}));
    let hit = |fields: Value| json!([{"project": {"id": "p", "name": "Web Shop"}, "fields": fields}]);
    vec![
        ("8.5", found(hit(json!({"system.id": "31", "system.title": "x"}))), Ok(vec![("31", "x")])),
        ("8.5", found(hit(json!({"system.id": 31, "system.title": "x"}))), Ok(vec![("31", "x")])),
        ("8.6", found(json!([])), Ok(vec![])),
        ("8.6", Answer::json(200, &json!({"count": 0})), Ok(vec![])),
        ("8.6", Answer::json(200, &json!({"results": null})), Ok(vec![])),
        ("8.8", Answer::e21(500), Err(Reason::PROVIDER_ERROR)),
        ("8.8", Answer::e19(), Err(Reason::RATE_LIMITED)),
        ("8.8", Answer::e1(), Err(Reason::UNAUTHORIZED)),
        ("8.8", Answer::e22(), Err(Reason::INVALID_RESPONSE)),
        ("8.8", Answer::cut_off("{\"results\":", 900), Err(Reason::INVALID_RESPONSE)),
        ("8.9", found(hit(json!({"system.id": "31"}))), Ok(vec![("31", "")])),
        ("8.9", found(hit(json!({"system.title": "without a number"}))), Ok(vec![])),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn row_8_5_row_8_6_row_8_8_row_8_9_searches_end_as_their_rows_say() {
    in_both_rooms(World::contoso, ALLOWED, async |desk| {
        // 8.4: the host is the service's own word, never the organisation's name, in whatever form it is reached.
        desk.fake.world(|world| "contoso".clone_into(&mut world.organisations[0].name));
        for (row, answer, expected) in searches() {
            desk.fake.clear_faults();
            desk.fake.fault(Match::any().host("almsearch.dev.azure.com").path_contains("/search/"), answer);
            let came = desk.client.search_issues(desk.host(), &IssueQuery::new("voucher", 1000)).await;
            let shown = |issue: &FoundIssue| (issue.key().to_owned(), issue.title().to_owned());
            let came = came.map(|found| found.issues().iter().map(shown).collect::<Vec<_>>());
            println!("{row:6} {:12} {came:?}", desk.room);
            match expected {
                Ok(expected) => {
                    let expected =
                        expected.into_iter().map(|(key, title)| (key.to_owned(), title.to_owned()));
                    assert_eq!(came, Ok(expected.collect()), "{row}");
                }
                Err(reason) => assert_eq!(came.unwrap_err().reason(), reason, "{row}"),
            }
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn row_8_4_a_search_host_of_somebody_else_is_not_asked() {
    in_both_rooms(World::contoso, ALLOWED, async |desk| {
        // 8.4
        for location in ["https://evil.example/contoso/", "http://almsearch.dev.azure.com/contoso/", ""] {
            desk.fake.clear_faults();
            let area = Answer::json(200, &json!({"id": "x", "name": "search", "locationUrl": location}));
            desk.fake.fault(Match::any().path_contains("resourceAreas"), area);
            let found = desk.client.search_issues(desk.host(), &IssueQuery::new("x", 9)).await.unwrap();
            assert!(found.issues().is_empty());
        }
        let hosts = desk.asked().into_iter().filter(|asked| asked.starts_with("POST"));
        assert!(
            hosts.clone().count() == 3
                && hosts.into_iter().all(|it| it.contains("almsearch.dev.azure.com/contoso/"))
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn row_12_7_states_that_cannot_be_had_are_no_states() {
    in_both_rooms(World::contoso, "", async |desk| {
        // 12.7, and D17: an empty set of what is done would reopen everything.
        for (answer, reason) in [
            (Answer::e21(503), Reason::PROVIDER_ERROR),
            (Answer::e19(), Reason::RATE_LIMITED),
            (Answer::e8(), Reason::FORBIDDEN),
            (Answer::status(204), Reason::INVALID_RESPONSE),
            (Answer::claimed_json(200, "{}"), Reason::INVALID_RESPONSE),
            (Answer::json(200, &json!({"value": [{"category": "Completed"}]})), Reason::INVALID_RESPONSE),
            (Answer::reset(), Reason::UNREACHABLE),
        ] {
            desk.fake.clear_faults();
            desk.fake.fault(Match::any().path_contains("/states"), answer);
            let states = desk.client.issue_states(desk.host(), "Web Shop", "Bug").await;
            assert_eq!(states.unwrap_err().reason(), reason);
        }
        // 12: a missing type is told apart, so that the next one can be asked for (D18); an unknown category is not done.
        desk.fake.clear_faults();
        let missing = desk.client.issue_states(desk.host(), contoso::WEB_SHOP_ID, "Issue").await;
        assert_eq!(missing.unwrap_err().reason(), Reason::NOT_FOUND);
        let odd = json!({"value": [
            {"name": "Parked", "category": "Somewhere"}, {"name": "Old", "category": "Closed"}, {"name": "Bare"},
        ]});
        desk.fake.fault(Match::any().path_contains("/states"), Answer::json(200, &odd));
        let states = desk.client.issue_states(desk.host(), "Web Shop", "Bug").await.unwrap();
        let done: Vec<_> = states.iter().map(|state| (state.name(), state.is_done())).collect();
        assert_eq!(done, [("Parked", false), ("Old", true), ("Bare", false)]);
    })
    .await;
}
