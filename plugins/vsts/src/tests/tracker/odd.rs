//! What is odd about answers, deliveries and what hosts ask for, and what it must not be taken for.

use super::*;

fn update(fake: &FakeHost, change: &IssueChange) -> Failure {
    block_on(Vsts.update_issue(&client(fake), &IssueRef::new("31"), change)).unwrap_err()
}

#[test]
fn an_issue_whose_states_are_missing_is_there_all_the_same() {
    let done = IssueChange::none().with_state(StateTarget::Done);
    let bare = json(200, r#"{"id":31,"rev":2,"fields":{"System.WorkItemType":"Bug","System.State":"New"}}"#);
    for (item, states) in [
        (item("New"), exception(404, "VS402323: none", "WorkItemTypeNotFoundException")),
        (item("New"), exception(404, "TF200016: none", "ProjectDoesNotExistWithNameException")),
        (item("New"), states(&[])),
        (bare, states(&[])),
    ] {
        let fake = FakeHost::new();
        fake.answer(Method::GET, &format!("{ITEM}{FIELDS}"), item);
        fake.answer(Method::GET, STATES, states);
        let failure = update(&fake, &done);
        assert_eq!(failure.reason(), Reason::PROVIDER_ERROR, "{failure}");
        assert!(failure.detail().starts_with("work item 31 in `acme`: "), "{failure}");
    }
}

#[test]
fn a_type_without_states_is_no_type_whose_issues_are_never_done() {
    let fake = FakeHost::new();
    fake.answer(Method::GET, STATES, states(&[]));
    let failure = block_on(Vsts.issue_states(&client(&fake), "Web Shop", "Bug")).unwrap_err();
    assert_eq!(failure.reason(), Reason::NOT_FOUND);
}

#[test]
fn what_is_not_the_services_word_refuses_no_value() {
    let new = "https://dev.azure.com/contoso/P/_apis/wit/workitems/$Bug?api-version=7.1";
    let comment = IssueChange::none().with_comment("c");
    let all = |answer: Response| {
        let fake = FakeHost::new();
        fake.answer(Method::PATCH, &format!("{ITEM}?api-version=7.1"), answer.clone());
        fake.answer(Method::POST, new, answer.clone());
        fake.answer(Method::POST, HOOKS, answer);
        let client = client(&fake);
        [
            update(&fake, &comment),
            block_on(Vsts.create_issue(&client, &NewIssue::new("P", "Bug", "x"))).unwrap_err(),
            block_on(Vsts.subscribe(&client, &NewSubscription::new("https://watch.example/h", "s")))
                .unwrap_err(),
        ]
    };
    for answer in [html(400, "<h1>Bad Request</h1>"), json(400, ""), json(400, "{\"message\":")] {
        for failure in all(answer) {
            assert!(!failure.is_rejected() && failure.reason() == Reason::PROVIDER_ERROR, "{failure}");
        }
    }
    for body in [r#"{"Message":"no, since"}"#, r#"{"count":1,"value":{"Message":"no, since"}}"#] {
        for failure in all(json(400, body)) {
            assert!(failure.is_rejected() && failure.detail().contains("`no, since`"), "{failure}");
        }
    }
}

#[test]
fn a_text_that_the_service_repeats_is_not_its_word() {
    for word in [
        "VssVersionOutOfRangeException",
        "VssInvalidPreviewVersionException",
        "TestPatchOperationFailedException",
    ] {
        let fake = FakeHost::new();
        let refusal = exception(400, &format!("TF401320: no comment like {word}"), "RuleValidationException");
        fake.answer(Method::PATCH, &format!("{ITEM}?api-version=7.1"), refusal);
        let failure = update(&fake, &IssueChange::none().with_comment(word));
        assert!(failure.is_rejected(), "{word}: {failure}");
        assert_eq!(fake.requests().len(), 1, "{word}");
    }
}

#[test]
fn an_odd_hit_spoils_no_search_and_a_text_may_be_refused() {
    let url = "https://ado.example.org/tfs/C/_apis/search/workitemsearchresults?api-version=7.1";
    let search = |answer: Response| {
        let fake = FakeHost::new();
        fake.answer(Method::POST, url, answer);
        let client = get_client(&fake, integration("https://ado.example.org/tfs/C/")).unwrap();
        block_on(Vsts.search_issues(&client, &IssueQuery::new("x", 9)))
    };
    for odd in [
        "7",
        "null",
        "{}",
        r#"{"fields":null}"#,
        r#"{"fields":{"system.id":"31a"}}"#,
        r#"{"fields":{"system.id":["8"]}}"#,
        r#"{"fields":{"system.id":"99999999999999999999"}}"#,
    ] {
        let body = format!(
            r#"{{"results":[{odd},{{"fields":{{"system.id":"031","system.title":7}},"project":{{"id":"p"}}}}]}}"#
        );
        let found = search(json(200, &body)).unwrap_or_else(|failure| panic!("{odd}: {failure}"));
        let keys: Vec<_> = found.issues().iter().map(forgewatch_plugin_api::FoundIssue::key).collect();
        assert_eq!((keys, found.incomplete().is_some()), (vec!["31"], true), "{odd}");
    }
    let failure = search(exception(400, "no such operator", "SearchException")).unwrap_err();
    assert!(failure.is_rejected() && failure.detail().contains("no such operator"), "{failure}");
}

#[test]
fn nobody_has_a_blank_address() {
    let fake = FakeHost::new();
    for blank in ["", " ", "\n"] {
        let change = IssueChange::none().with_assignee(AssigneeTarget::Email(blank.to_owned()));
        assert!(update(&fake, &change).is_rejected(), "{blank:?}");
        let new = NewIssue::new("P", "Bug", "x").with_assignee_email(blank);
        assert!(block_on(Vsts.create_issue(&client(&fake), &new)).unwrap_err().is_rejected(), "{blank:?}");
    }
    assert!(fake.requests().is_empty(), "it would take it from whoever has it");
}

#[test]
fn an_issue_in_a_delivery_is_a_work_items_number() {
    for (id, rev, expected) in [
        ("31", "2", (Some("31"), Some(2))),
        (r#""031""#, r#""2""#, (Some("31"), Some(2))),
        (r#""../32""#, "-1", (None, None)),
        ("31.5", "18446744073709551616", (None, None)),
        ("[[31]]", r#"{"a":2}"#, (None, None)),
        ("\"\"", "1e2", (None, None)),
    ] {
        let body = format!(
            r#"{{"eventType":"workitem.updated","resource":{{"workItemId":{id},"rev":{rev}}},
                "resourceContainers":{{"collection":{{"id":"a"}}}}}}"#
        );
        let event = Vsts.parse_webhook(&WebhookDelivery::new(body.clone())).unwrap();
        assert_eq!((event.issue(), event.revision()), expected, "{body}");
    }
    let event = |id: &str| {
        let body = serde_json::json!({
            "eventType": "git.push", "id": id, "resourceContainers": {"collection": {"id": "a"}},
        });
        Vsts.parse_webhook(&WebhookDelivery::new(body.to_string())).unwrap()
    };
    assert_eq!(event("27646e0e").delivery(), Some("27646e0e"));
}

#[test]
fn a_cursor_of_somebody_else_leads_nowhere() {
    let fake = FakeHost::new();
    let url =
        format!("https://dev.azure.com/contoso/_apis/projects?$top=100&$skip={}&api-version=7.1", usize::MAX);
    fake.answer(Method::GET, &url, json(200, r#"{"value":[{"id":"1","name":"p"}]}"#));
    let page = block_on(Vsts.list_projects(&client(&fake), &ListRequest::after(&usize::MAX.to_string())));
    assert_eq!(page.map(|page| page.next().map(str::to_owned)), Ok(None));
}
