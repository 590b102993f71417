//! Issues and their events: what is sent, in every form of the service, and what is made of answers that are odd.

mod odd;

use forgewatch_plugin_api::{
    AssigneeTarget, IssueChange, IssueQuery, IssueRef, ListRequest, NewIssue, NewSubscription, Reason,
    Scheme, StateTarget, SubscriptionStatus, WebhookDelivery,
};
use proptest::prelude::*;

use super::*;

const ITEM: &str = "https://dev.azure.com/contoso/_apis/wit/workitems/31";
const FIELDS: &str = "?fields=System.TeamProject,System.WorkItemType,System.State,System.Title,System.AssignedTo&api-version=7.1";
const STATES: &str =
    "https://dev.azure.com/contoso/Web%20Shop/_apis/wit/workitemtypes/Bug/states?api-version=7.1";
const HOOKS: &str = "https://dev.azure.com/contoso/_apis/hooks/subscriptions?api-version=7.1";

fn client(fake: &FakeHost) -> Client {
    get_client(fake, integration(BASE)).unwrap()
}

fn item(state: &str) -> Response {
    json(
        200,
        &format!(
            r#"{{"id":31,"rev":2,"fields":{{"System.TeamProject":"Web Shop","System.WorkItemType":"Bug",
                "System.State":"{state}","System.Title":"x"}}}}"#
        ),
    )
}

fn states(states: &[(&str, &str)]) -> Response {
    let states =
        states.iter().map(|(name, category)| format!(r#"{{"name":"{name}","category":"{category}"}}"#));
    json(200, &format!(r#"{{"value":[{}]}}"#, states.collect::<Vec<_>>().join(",")))
}

/// The body of the last request, as text.
fn sent(fake: &FakeHost) -> String {
    String::from_utf8(fake.requests().pop().unwrap().body().to_vec()).unwrap()
}

#[test]
fn a_change_is_a_document_of_changes() {
    let fake = FakeHost::new();
    fake.answer(Method::PATCH, &format!("{ITEM}?api-version=7.1"), item("Active"));
    let change = IssueChange::none()
        .with_expected_revision(2)
        .with_assignee(AssigneeTarget::Email("ada@contoso.example".to_owned()))
        .with_state(StateTarget::Name("Active".to_owned()))
        .with_comment("<1>");
    block_on(Vsts.update_issue(&client(&fake), &IssueRef::new("31"), &change)).unwrap();
    assert_eq!(
        sent(&fake),
        r#"[{"op":"test","path":"/rev","value":2},{"op":"replace","path":"/fields/System.AssignedTo","value":"ada@contoso.example"},{"op":"replace","path":"/fields/System.State","value":"Active"},{"op":"add","path":"/fields/System.History","value":"&lt;1&gt;"}]"#
    );
    let request = fake.requests().pop().unwrap();
    for (name, value) in [
        ("Content-Type", "application/json-patch+json"),
        ("Accept", "application/json;api-version=7.1"),
        ("X-HTTP-Method-Override", "PATCH"),
        ("X-TFS-FedAuthRedirect", "Suppress"),
    ] {
        assert_eq!(request.headers().get(name), Some(value));
    }
    assert_eq!(request.authentication().scheme(), Some(Scheme::Basic { user: "" }));

    let clear = IssueChange::none().with_assignee(AssigneeTarget::Clear);
    block_on(Vsts.update_issue(&client(&fake), &IssueRef::new("31"), &clear)).unwrap();
    assert_eq!(sent(&fake), r#"[{"op":"remove","path":"/fields/System.AssignedTo"}]"#);
}

#[test]
fn a_state_is_chosen_by_what_it_means() {
    let all = [("New", "Proposed"), ("Active", "InProgress"), ("Fixed", "Resolved"), ("Shut", "Completed")];
    for (now, known, target, expected) in [
        ("Active", &all[..], StateTarget::Done, Some("Shut")),
        ("Active", &all[..3], StateTarget::Done, Some("Fixed")),
        ("fixed", &all, StateTarget::Done, None),
        ("Shut", &all, StateTarget::Open, Some("New")),
        ("Shut", &all[1..], StateTarget::Open, Some("Active")),
        ("Active", &all, StateTarget::Open, None),
        ("Elsewhere", &all, StateTarget::Done, Some("Shut")),
    ] {
        let fake = FakeHost::new();
        fake.answer(Method::GET, &format!("{ITEM}{FIELDS}"), item(now));
        fake.answer(Method::GET, STATES, states(known));
        fake.answer(Method::PATCH, &format!("{ITEM}?api-version=7.1"), item("x"));
        let change = IssueChange::none().with_state(target.clone());
        block_on(Vsts.update_issue(&client(&fake), &IssueRef::new("31"), &change)).unwrap();
        match expected {
            Some(name) => assert!(sent(&fake).contains(&format!(r#""value":"{name}""#)), "{now} {target:?}"),
            None => assert!(fake.requests().iter().all(|request| request.method() == Method::GET)),
        }
    }
    let fake = FakeHost::new();
    fake.answer(Method::GET, &format!("{ITEM}{FIELDS}"), item("New"));
    fake.answer(Method::GET, STATES, states(&[("New", "Proposed"), ("Gone", "Removed")]));
    let done = IssueChange::none().with_state(StateTarget::Done);
    let failure = block_on(Vsts.update_issue(&client(&fake), &IssueRef::new("31"), &done)).unwrap_err();
    assert!(failure.is_rejected() && failure.detail().contains("name the state"), "{failure}");
    // States that cannot be had change nothing.
    let fake = FakeHost::new();
    fake.answer(Method::GET, &format!("{ITEM}{FIELDS}"), item("New"));
    fake.answer(Method::GET, STATES, json(500, "{}"));
    let failure = block_on(Vsts.update_issue(&client(&fake), &IssueRef::new("31"), &done)).unwrap_err();
    assert_eq!(failure.reason(), Reason::PROVIDER_ERROR);
}

#[test]
fn a_server_of_ones_own_is_searched_at_its_base_url_in_what_it_has() {
    let base = "https://ado.example.org/tfs/C/";
    let url =
        |version: &str| format!("{base}My%20P/_apis/search/workitemsearchresults?api-version={version}");
    let fake = FakeHost::new();
    fake.answer(Method::POST, &url("7.1"), exception(400, "too new", "VssVersionOutOfRangeException"));
    fake.answer(Method::POST, &url("6.0"), exception(400, "preview", "VssInvalidPreviewVersionException"));
    let hits = r#"{"results":[{"project":{"name":"My P"},"fields":{"system.id":"7","system.state":"New"}}]}"#;
    fake.answer(Method::POST, &url("6.0-preview"), json(200, hits));
    let client = get_client(&fake, integration(base)).unwrap();
    let query = IssueQuery::new("\"x\" & y", 9).with_project("My P");
    let found = block_on(Vsts.search_issues(&client, &query)).unwrap();
    assert_eq!(found.issues()[0].url(), Some("https://ado.example.org/tfs/C/My%20P/_workitems/edit/7"));
    assert_eq!(sent(&fake), r#"{"searchText":"\"x\" & y","$skip":0,"$top":9,"includeFacets":false}"#);
    assert_eq!(urls(&fake), [url("7.1"), url("6.0"), url("6.0-preview")]);
}

#[test]
fn where_to_search_is_asked_for_until_it_is_known() {
    let area = "https://contoso.visualstudio.com/_apis/resourceAreas/ea48a0a1-269c-42d8-b8ad-ddc8fcdcf578\
        ?api-version=5.0-preview.1";
    let at = |root: &str| format!("{root}_apis/search/workitemsearchresults?api-version=7.1");
    let usual = at("https://almsearch.dev.azure.com/contoso/");
    for (answer, expected) in [
        (
            json(200, r#"{"locationUrl":"https://contoso.almsearch.visualstudio.com"}"#),
            Ok(at("https://contoso.almsearch.visualstudio.com/")),
        ),
        (json(200, r#"{"locationUrl":"https://evil.example/contoso/"}"#), Ok(usual.clone())),
        (json(200, "null"), Ok(usual.clone())),
        (html(404, "gone"), Ok(usual.clone())),
        (exception(400, "no", "ArgumentException"), Ok(usual.clone())),
        (json(401, ""), Err(Reason::UNAUTHORIZED)),
        (json(429, "{}"), Err(Reason::RATE_LIMITED)),
        (json(503, ""), Err(Reason::PROVIDER_ERROR)),
    ] {
        let fake = fake([(area, answer)]);
        for url in [&usual, &at("https://contoso.almsearch.visualstudio.com/")] {
            fake.answer(Method::POST, url, json(200, "{}"));
        }
        let client = get_client(&fake, integration("https://contoso.visualstudio.com/")).unwrap();
        let search = || block_on(Vsts.search_issues(&client, &IssueQuery::new("x", 1)));
        let came = (search(), search());
        match expected {
            Ok(url) => {
                assert!(came.0.is_ok() && came.1.is_ok());
                assert_eq!(urls(&fake), [area, &url, &url]);
            }
            Err(reason) => {
                assert_eq!(came.0.unwrap_err().reason(), reason);
                assert_eq!(urls(&fake), [area, area], "it is asked for again");
            }
        }
    }
}

#[test]
fn a_subscription_carries_what_stands_for_the_secret() {
    let made = r#"{"id":"fd672255-8b6b-4769-9260-beea83d752ce","status":"enabled"}"#;
    let fake = FakeHost::new();
    fake.answer(Method::POST, HOOKS, json(200, made));
    let project = "https://dev.azure.com/contoso/_apis/projects/Web%20Shop?api-version=7.1";
    let id = "91aa5b0e-7b0f-4d2c-8a44-2f4f0a6a9d11";
    fake.answer(Method::GET, project, json(200, &format!(r#"{{"id":"{id}","name":"Web Shop"}}"#)));
    let client = client(&fake);
    let wanted = NewSubscription::new("https://watch.example/h", "stands-for-it");
    let subscription = block_on(Vsts.subscribe(&client, &wanted)).unwrap();
    assert_eq!(subscription.status(), SubscriptionStatus::Enabled);
    let body: serde_json::Value = serde_json::from_str(&sent(&fake)).unwrap();
    assert_eq!(body["consumerInputs"]["httpHeaders"], "shared-secret:stands-for-it");
    assert_eq!(body["publisherInputs"], serde_json::json!({}));
    for project in ["Web Shop", id] {
        block_on(Vsts.subscribe(&client, &wanted.clone().with_project(project))).unwrap();
        let body: serde_json::Value = serde_json::from_str(&sent(&fake)).unwrap();
        assert_eq!(body["publisherInputs"]["projectId"], id);
    }
    assert_eq!(fake.requests().len(), 4);
    for odd in ["{}", "[]", r#"{"id":""}"#, r#"{"id":"a/b","status":"enabled"}"#] {
        let fake = FakeHost::new();
        fake.answer(Method::POST, HOOKS, json(200, odd));
        let failure = block_on(Vsts.subscribe(&self::client(&fake), &wanted)).unwrap_err();
        assert_eq!(failure.reason(), Reason::INVALID_RESPONSE, "{odd}");
    }
}

#[test]
fn what_can_be_no_address_is_not_asked_for() {
    let fake = FakeHost::new();
    let client = client(&fake);
    for odd in ["", ".", "..", "a/b", "a\\b", "a\nb"] {
        let new = NewIssue::new(odd, "Bug", "x");
        let reasons = [
            block_on(Vsts.create_issue(&client, &new)).unwrap_err().reason(),
            block_on(Vsts.create_issue(&client, &NewIssue::new("P", odd, "x"))).unwrap_err().reason(),
            block_on(Vsts.get_issue(&client, &IssueRef::new(odd))).unwrap_err().reason(),
            block_on(Vsts.issue_states(&client, odd, "Bug")).unwrap_err().reason(),
            block_on(Vsts.issue_states(&client, "P", odd)).unwrap_err().reason(),
            block_on(Vsts.get_subscription(&client, odd)).unwrap_err().reason(),
            block_on(Vsts.unsubscribe(&client, odd)).unwrap_err().reason(),
        ];
        assert_eq!(reasons, [Reason::NOT_FOUND; 7], "{odd:?}");
    }
    assert!(fake.requests().is_empty());
    let failure = block_on(Vsts.list_projects(&client, &ListRequest::after("x"))).unwrap_err();
    assert_eq!(failure.reason(), Reason::PLUGIN_FAILED);
}

fn part() -> impl Strategy<Value = serde_json::Value> {
    let text = prop_oneof![
        Just("workitem.updated".to_owned()),
        Just("Ada <ada@contoso.example>".to_owned()),
        Just("2026-01-05T10:00:00.5Z".to_owned()),
        ".{0,30}",
    ];
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        text.prop_map(Into::into),
    ];
    const NAMES: [&str; 17] = [
        "eventType",
        "id",
        "createdDate",
        "resource",
        "resourceContainers",
        "collection",
        "project",
        "workItemId",
        "rev",
        "revisedDate",
        "fields",
        "System.State",
        "System.AssignedTo",
        "System.ChangedDate",
        "oldValue",
        "newValue",
        "displayName",
    ];
    leaf.prop_recursive(5, 40, 6, |inner| {
        let object = prop::collection::vec((0..NAMES.len(), inner.clone()), 0..6);
        prop_oneof![
            prop::collection::vec(inner, 0..3).prop_map(Into::into),
            object.prop_map(|fields| {
                let fields = fields.into_iter().map(|(name, value)| (NAMES[name].to_owned(), value));
                serde_json::Value::Object(fields.collect())
            }),
        ]
    })
}

proptest! {
    /// Whatever is in a delivery of a known kind and account is understood or passed over.
    #[test]
    fn a_delivery_may_hold_anything(resource in part(), project in part(), id in part(), date in part()) {
        let body = serde_json::json!({
            "eventType": "workitem.updated", "id": id, "createdDate": date, "resource": resource,
            "resourceContainers": {"collection": {"id": "a"}, "project": project},
        });
        let event = Vsts.parse_webhook(&WebhookDelivery::new(body.to_string())).unwrap();
        prop_assert_eq!(event.account(), "a");
    }

    /// And whatever else anybody sends is no panic.
    #[test]
    fn what_is_delivered_may_be_anything(body in part(), bytes in prop::collection::vec(any::<u8>(), 0..60)) {
        let _ = Vsts.parse_webhook(&WebhookDelivery::new(body.to_string()));
        let failure = Vsts.parse_webhook(&WebhookDelivery::new(bytes)).unwrap_err();
        prop_assert_eq!(failure.reason(), Reason::INVALID_RESPONSE);
    }
}
