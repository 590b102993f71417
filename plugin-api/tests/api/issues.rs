//! The encodings of issues and their events: what one side writes, the other reads, and what it does not know does no
//! harm.

use std::time::{Duration, SystemTime};

use forgewatch_plugin_api::extensions::issue_tracking::{self, Call, LARGEST_BYTES};
use forgewatch_plugin_api::extensions::{issue_events, issue_events::Call as EventCall};
use forgewatch_plugin_api::prelude::*;

fn json(value: &impl serde::Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("it is plain data")
}

#[test]
fn calls_come_out_as_they_went_in() {
    let change = IssueChange::none()
        .with_assignee(AssigneeTarget::Email("ada@a.example".to_owned()))
        .with_state(StateTarget::Done)
        .with_comment("a\nb")
        .with_expected_revision(7);
    let new = NewIssue::new("p", "Bug", "t")
        .with_description("d")
        .with_label("l")
        .with_assignee_email("ada@a.example");
    for call in [
        Call::SearchIssues(IssueQuery::new("a \"b\"", 50).with_project("p")),
        Call::GetIssue(IssueRef::new("31").with_project("p")),
        Call::CreateIssue(new),
        Call::UpdateIssue { issue: IssueRef::new("31"), change },
        Call::IssueStates { project: "p".to_owned(), kind: "Bug".to_owned() },
        Call::ListProjects(ListRequest::after("2")),
    ] {
        assert_eq!(issue_tracking::decode_call(&issue_tracking::encode_call(&call)), Ok(call));
    }
    let delivery = WebhookDelivery::new(&b"\n{\xff\n}"[..]).with_header("X-Kind", "a\nb");
    assert_eq!(delivery.header("x-kind"), Some("a\nb"));
    for call in [
        EventCall::Subscribe(NewSubscription::new("https://a.example/", "s").with_project("p")),
        EventCall::GetSubscription { id: "1".to_owned() },
        EventCall::Unsubscribe { id: "1".to_owned() },
        EventCall::WebhookProof,
        EventCall::ParseWebhook(delivery),
        EventCall::ParseWebhook(WebhookDelivery::default()),
    ] {
        assert_eq!(issue_events::decode_call(&issue_events::encode_call(&call)), Ok(call));
    }
}

#[test]
fn answers_come_out_as_they_went_in() {
    let ada = Person::new("Ada").with_email("ada@a.example").with_id("6");
    let issue = Issue::new("31", "t", "Bug", "New")
        .with_project("p")
        .with_assignee(ada.clone())
        .with_url("https://a.example/31")
        .with_revision(2);
    assert_eq!(issue_tracking::decode_issue(&json(&issue)), Ok(issue));
    let found = |key: &str| FoundIssue::new(key, "t").with_project("p").with_state("New").with_url("u");
    let found = FoundIssues::new(vec![found("1"), found("2"), found("3")]).with_incomplete("indexing");
    let query = |limit| IssueQuery::new("x", limit);
    assert_eq!(issue_tracking::decode_found(&json(&found), &query(3)), Ok(found.clone()));
    let cut = issue_tracking::decode_found(&json(&found), &query(2)).unwrap();
    assert_eq!((cut.issues().len(), cut.incomplete()), (2, Some("indexing")));
    assert_eq!([query(0), query(7), query(5000)].map(|query| query.limit()), [1, 7, 1000]);
    let page = ProjectPage::new(vec![TrackerProject::new("1", "p")]).with_next("2");
    assert_eq!(issue_tracking::decode_projects(&json(&page)), Ok(page));

    let made = Subscription::new("1", SubscriptionStatus::OnProbation).with_detail("why");
    assert_eq!(issue_events::decode_subscription(&json(&made)), Ok(made));
    let proof = WebhookProof::secret_in_header("x-secret");
    assert_eq!(issue_events::decode_proof(&json(&proof)), Ok(proof.clone()));
    let proof = proof.with_headers(["x-event"]);
    assert_eq!(
        issue_events::decode_proof(&json(&proof)).as_ref().map(WebhookProof::headers),
        Ok(proof.headers())
    );
    let at = SystemTime::UNIX_EPOCH + Duration::from_millis(1_800_000_000_500);
    let event = WebhookEvent::new("a", WebhookEventKind::IssueUpdated)
        .with_delivery("d")
        .with_issue("31")
        .with_project("p")
        .with_revision(2)
        .with_changed_at(at)
        .with_assignee(AssigneeChange::Set(ada))
        .with_state(StateChange::new(None, Some("New".to_owned())));
    assert_eq!(event.changed_at(), Some(at));
    assert_eq!(issue_events::decode_event(&json(&event)), Ok(event));
    let other = WebhookEvent::new("a", WebhookEventKind::Other("pushed".to_owned()));
    assert_eq!(issue_events::decode_event(&json(&other)), Ok(other));
}

#[test]
fn what_is_done_is_told_by_what_states_mean() {
    let body = br#"{"states": [
        {"name": "a", "category": "open"}, {"name": "b", "category": "in_progress"},
        {"name": "c", "category": "resolved"}, {"name": "d", "category": "completed"},
        {"name": "e", "category": "removed"}, {"name": "f", "category": "of a later version"}
    ]}"#;
    let states = issue_tracking::decode_states(body).unwrap();
    let done: Vec<_> = states.iter().filter(|state| state.is_done()).map(IssueState::name).collect();
    assert_eq!(done, ["c", "d"]);
    assert_eq!(*states[5].category(), StateCategory::Other("of a later version".to_owned()));
    assert_eq!(String::from(states[5].category().clone()), "of a later version");
}

#[test]
fn a_later_version_may_say_more_and_what_it_asks_is_not_offered() {
    let issue = issue_tracking::decode_issue(br#"{"key": "1", "votes": 7, "assignee": {"age": 3}}"#).unwrap();
    assert_eq!((issue.state(), issue.assignee()), ("", Some(&Person::default())));
    let call = issue_tracking::decode_call(br#"{"operation": "get_issue", "key": "1", "votes": true}"#);
    assert_eq!(call, Ok(Call::GetIssue(IssueRef::new("1"))));
    let made = issue_events::decode_subscription(br#"{"id": "1", "status": "resting"}"#).unwrap();
    assert_eq!(made.status(), SubscriptionStatus::Disabled);
    for later in [&br#"{"operation": "vote_for_issue", "key": "1"}"#[..], br#"{"operation": "rest"}"#] {
        assert!(issue_tracking::decode_call(later).is_err_and(|failure| failure.is_unsupported()));
        assert!(issue_events::decode_call(later).is_err_and(|failure| failure.is_unsupported()));
    }
    // What is not understood is never left out of a change.
    let change =
        br#"{"operation": "update_issue", "issue": {"key": "1"}, "change": {"assignee": {"team": "a"}}}"#;
    assert_eq!(issue_tracking::decode_call(change).unwrap_err().reason(), Reason::PLUGIN_FAILED);
}

#[test]
fn what_a_later_version_answers_is_never_taken_for_something_else() {
    let event = |rest: &str| {
        issue_events::decode_event(
            format!(r#"{{"account": "a", "kind": "issue_updated", {rest}}}"#).as_bytes(),
        )
    };
    for later in [r#"{"team": "a"}"#, r#""shared""#, "7", "null", r#"{"set": 7}"#] {
        let event = event(&format!(r#""issue": "1", "assignee": {later}"#)).unwrap();
        assert_eq!((event.issue(), event.assignee()), (Some("1"), &AssigneeChange::Unchanged), "{later}");
    }
    let later = issue_events::decode_proof(br#"{"kind": "hmac_sha256_in_header", "header": "x-signature"}"#);
    assert!(later.is_err_and(|failure| failure.is_unsupported()), "no signature is compared as a secret");
    assert_eq!(
        issue_events::decode_proof(br#"{"header": "x-secret"}"#),
        Ok(WebhookProof::secret_in_header("x-secret"))
    );
}

#[test]
fn a_word_of_the_trackers_own_is_none_of_ours() {
    for word in
        ["issue_updated", "resolved", "completed", "other:resolved", "other:", "", "jira:issue_updated"]
    {
        let event = WebhookEvent::new("a", WebhookEventKind::Other(word.to_owned()));
        assert_eq!(issue_events::decode_event(&json(&event)), Ok(event));
        let state = IssueState::new("s", StateCategory::Other(word.to_owned()));
        let body = format!(r#"{{"states": [{}]}}"#, String::from_utf8(json(&state)).unwrap());
        assert_eq!(issue_tracking::decode_states(body.as_bytes()), Ok(vec![state]), "{word}");
    }
}

#[test]
fn a_key_is_short_and_on_one_line() {
    let (long, longest) = ("7".repeat(201), "é".repeat(200));
    for (key, is_one) in
        [("7", true), ("a/b#7", true), (&*longest, true), ("", false), ("7\n8", false), (&*long, false)]
    {
        let issue = issue_tracking::decode_issue(&json(&Issue::new(key, "t", "Bug", "New")));
        let made =
            issue_events::decode_subscription(&json(&Subscription::new(key, SubscriptionStatus::Enabled)));
        assert_eq!((issue.is_ok(), made.is_ok()), (is_one, is_one), "{key:?}");
        let found = FoundIssues::new(vec![FoundIssue::new(key, "t"), FoundIssue::new("1", "t")]);
        let found = issue_tracking::decode_found(&json(&found), &IssueQuery::new("x", 9)).unwrap();
        assert_eq!(found.issues().len(), if is_one { 2 } else { 1 }, "{key:?}");
        let event = WebhookEvent::new("a", WebhookEventKind::IssueUpdated).with_issue(key).with_delivery(key);
        let event = issue_events::decode_event(&json(&event)).unwrap();
        let expected = is_one.then_some(key);
        assert_eq!((event.issue(), event.delivery()), (expected, expected), "{key:?}");
    }
}

#[test]
fn what_is_no_answer_or_too_large_a_one_is_a_failure_that_names_the_extension() {
    for broken in [&b""[..], b"[]", b"{\"title\": \"keyless\"}", b"\xff"] {
        let failure = issue_tracking::decode_issue(broken).unwrap_err();
        assert_eq!(failure.reason(), Reason::PLUGIN_FAILED);
        assert!(failure.detail().contains("`issue_tracking` cannot be read"), "{failure}");
        assert!(issue_events::decode_event(broken).unwrap_err().detail().contains("`issue_events`"));
    }
    let issue = Issue::new("1", "t".repeat(LARGEST_BYTES), "Bug", "New");
    let failure = issue_tracking::decode_issue(&json(&issue)).unwrap_err();
    assert!(failure.detail().contains("it may have 1048576"), "{failure}");
}

#[test]
fn of_what_was_found_as_much_is_given_as_fits() {
    let title = "長".repeat(600);
    let issues = (0..1000).map(|key| FoundIssue::new(key.to_string(), &*title).with_project("p")).collect();
    let query = IssueQuery::new("x", 1000);
    let found = issue_tracking::decode_found(&issue_tracking::encode_found(FoundIssues::new(issues)), &query);
    let found = found.unwrap();
    assert_eq!((found.issues().len(), found.issues()[0].key()), (500, "0"));
    assert!(found.incomplete().is_some_and(|why| why.contains("fits")), "{:?}", found.incomplete());
    let one = FoundIssues::new(vec![FoundIssue::new("1", "t".repeat(LARGEST_BYTES))]);
    let found = issue_tracking::decode_found(&issue_tracking::encode_found(one), &query).unwrap();
    assert!(found.issues().is_empty() && found.incomplete().is_some());
}

#[test]
fn failures_say_of_what_kind_they_are() {
    let (conflict, rejected) = (Failure::conflict("late"), Failure::rejected("nobody"));
    assert!(conflict.is_conflict() && !conflict.is_rejected() && !conflict.is_unsupported());
    assert!(rejected.is_rejected() && !rejected.is_conflict() && !rejected.is_refused());
    let plain = Failure::new(Reason::PROVIDER_ERROR, "down");
    assert!(!plain.is_conflict() && !plain.is_rejected());
}
