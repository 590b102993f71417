//! Finding and reading issues.

use forgewatch_plugin_api::{
    FoundIssue, IssueQuery, IssueRef, ListRequest, Person, Reason, StateCategory, TrackerProject,
};
use forgewatch_tests::fake::{Answer, Credential, Match, World, contoso};

use super::{ALLOWED, assert_fails, in_both_rooms};

fn keys(found: &[FoundIssue]) -> Vec<&str> {
    found.iter().map(FoundIssue::key).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_looked_for_is_found_where_the_service_searches() {
    in_both_rooms(World::contoso, ALLOWED, async |desk| {
        desk.fake.tracker("contoso", |tracker| {
            tracker.add(contoso::WEB_SHOP_ID, "Bug", "The basket forgets the voucher");
            tracker.add(contoso::TOOLS_ID, "Task", "Vouchers for testers");
            tracker.add(contoso::TOOLS_ID, "Task", "Something else");
        });
        let query = IssueQuery::new("voucher", 50);
        let found = desk.client.search_issues(desk.host(), &query).await.unwrap();
        assert_eq!((keys(found.issues()), found.incomplete()), (vec!["31", "32"], None), "{}", desk.room);
        let first = &found.issues()[0];
        assert_eq!(first.title(), "The basket forgets the voucher");
        assert_eq!((first.project(), first.state()), (Some("Web Shop"), Some("New")));
        assert_eq!(first.url(), Some("https://dev.azure.com/contoso/Web%20Shop/_workitems/edit/31"));
        let search = "POST almsearch.dev.azure.com/contoso/_apis/search/workitemsearchresults";
        let area = "GET dev.azure.com/contoso/_apis/resourceAreas/ea48a0a1-269c-42d8-b8ad-ddc8fcdcf578";
        assert_eq!(desk.asked(), [area, search]);

        // Where to search is known from then on.
        let in_tools = query.clone().with_project("Tools");
        let found = desk.client.search_issues(desk.host(), &in_tools).await.unwrap();
        assert_eq!(keys(found.issues()), ["32"]);
        let one = IssueQuery::new("voucher", 1);
        assert_eq!(keys(desk.client.search_issues(desk.host(), &one).await.unwrap().issues()), ["31"]);
        assert_eq!(desk.asked().len(), 2);
        let nowhere = query.with_project("Nowhere");
        assert_fails(desk.client.search_issues(desk.host(), &nowhere).await, Reason::NOT_FOUND, &["project"]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_that_is_not_ready_is_not_nothing() {
    in_both_rooms(World::contoso, ALLOWED, async |desk| {
        for (code, why) in [(1, "still indexing"), (6, "still indexing"), (4711, "code 4711")] {
            desk.fake.tracker("contoso", |tracker| tracker.search_info_code = code);
            let found = desk.client.search_issues(desk.host(), &IssueQuery::new("x", 9)).await.unwrap();
            assert!(found.issues().is_empty());
            assert!(found.incomplete().is_some_and(|said| said.contains(why)), "{found:?}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_that_is_not_allowed_says_what_would_allow_it() {
    in_both_rooms(World::contoso, "", async |desk| {
        let refused = desk.client.search_issues(desk.host(), &IssueQuery::new("x", 9)).await;
        let line = "add `allow_write = true` under `[providers.vsts]`";
        assert!(assert_fails(refused, Reason::UNREACHABLE, &["POST requests", line]).is_refused());
    })
    .await;
    in_both_rooms(World::contoso, "allow_write = true\n", async |desk| {
        let refused = desk.client.search_issues(desk.host(), &IssueQuery::new("x", 9)).await;
        let line = "write `allow_hosts = [\"almsearch.dev.azure.com\"]` under `[providers.vsts]`";
        assert!(assert_fails(refused, Reason::UNREACHABLE, &[line]).is_refused());
        assert!(desk.asked().iter().all(|asked| !asked.starts_with("POST")));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_issue_is_what_the_work_item_is() {
    in_both_rooms(World::contoso, "", async |desk| {
        let id = desk.fake.tracker("contoso", |tracker| {
            tracker.add(contoso::WEB_SHOP_ID, "Bug", "The basket forgets the voucher")
        });
        desk.fake.change_work_item("contoso", id, &[("System.AssignedTo", Some("ada@contoso.example"))]);
        let issue = desk.client.get_issue(desk.host(), &IssueRef::new("31")).await.unwrap();
        assert_eq!((issue.key(), issue.kind(), issue.state()), ("31", "Bug", "New"));
        assert_eq!((issue.project(), issue.revision()), (Some("Web Shop"), Some(2)));
        assert_eq!(issue.url(), Some("https://dev.azure.com/contoso/Web%20Shop/_workitems/edit/31"));
        let person = issue.assignee().unwrap();
        assert_eq!((person.name(), person.email()), ("Ada Quill", Some("ada@contoso.example")));
        assert!(person.id().is_some());

        // Older servers are asked in their own version, and write people as text.
        desk.fake.world(|world| world.organisations[0].newest_version = (5, 1));
        assert_eq!(desk.client.get_issue(desk.host(), &IssueRef::new("31")).await.as_ref(), Ok(&issue));
        let fields = serde_json::json!({
            "System.WorkItemType": "Bug", "System.State": "New", "System.AssignedTo": "Ada <ada@contoso.example>",
        });
        let old = Answer::json(200, &serde_json::json!({"id": 31, "rev": 2, "fields": fields}));
        desk.fake.fault(Match::any().path_contains("/workitems/").once(), old);
        let issue = desk.client.get_issue(desk.host(), &IssueRef::new("31")).await.unwrap();
        assert_eq!(issue.assignee().and_then(Person::email), Some("ada@contoso.example"));
        assert_eq!((issue.title(), issue.project()), ("", None));

        let missing = desk.client.get_issue(desk.host(), &IssueRef::new("99")).await;
        assert_fails(missing, Reason::NOT_FOUND, &["work item 99", "was deleted"]);
        for odd in ["", "31/../32", "x", "31 ", "99999999999999999999999"] {
            let failure = desk.client.get_issue(desk.host(), &IssueRef::new(odd)).await;
            assert_fails(failure, Reason::NOT_FOUND, &["nothing was asked"]);
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn states_say_what_is_done_and_a_missing_type_is_missing() {
    in_both_rooms(World::contoso, "", async |desk| {
        let states = desk.client.issue_states(desk.host(), "Web Shop", "Bug").await.unwrap();
        let shown: Vec<_> = states.iter().map(|state| (state.name(), state.is_done())).collect();
        assert_eq!(shown, [("New", false), ("Active", false), ("Resolved", true), ("Closed", true)]);
        assert_eq!(*states[0].category(), StateCategory::Open);
        let missing = desk.client.issue_states(desk.host(), "Web Shop", "Issue").await;
        assert_fails(missing, Reason::NOT_FOUND, &["`Issue`", "no such type"]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn projects_come_in_pages() {
    let world = || {
        let mut world = World::large(150, 0);
        "contoso".clone_into(&mut world.organisations[0].name);
        world.credentials = vec![Credential::pat("reader", contoso::PAT).member_of("contoso")];
        world
    };
    in_both_rooms(world, "", async |desk| {
        let first = desk.client.list_projects(desk.host(), &ListRequest::first()).await.unwrap();
        let next = ListRequest::after(first.next().expect("there are more"));
        let second = desk.client.list_projects(desk.host(), &next).await.unwrap();
        assert_eq!((first.projects().len(), second.projects().len(), second.next()), (100, 50, None));
        let expected = TrackerProject::new("1a46e000-0000-4000-8000-000000000000", "project-0");
        assert_eq!(first.projects()[0], expected);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_without_the_scope_may_not_read() {
    let world = || {
        let mut world = World::contoso();
        world.credentials[0] = Credential::pat("reader", contoso::PAT)
            .member_of("contoso")
            .without_scope("vso.work")
            .without_scope("vso.work_write");
        world
    };
    in_both_rooms(world, ALLOWED, async |desk| {
        let hint = "Work items (read, and write to change any)";
        let get = desk.client.get_issue(desk.host(), &IssueRef::new("31")).await;
        assert_fails(get, Reason::FORBIDDEN, &[hint]);
        let search = desk.client.search_issues(desk.host(), &IssueQuery::new("x", 9)).await;
        assert_fails(search, Reason::FORBIDDEN, &[hint]);
        let states = desk.client.issue_states(desk.host(), "Web Shop", "Bug").await;
        assert_fails(states, Reason::FORBIDDEN, &[hint]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_is_none_of_the_answers() {
    in_both_rooms(World::contoso, ALLOWED, async |desk| {
        for (answer, reason) in [
            (Answer::e1(), Reason::UNAUTHORIZED),
            (Answer::e4(), Reason::UNAUTHORIZED),
            (Answer::e6(), Reason::FORBIDDEN),
            (Answer::e19(), Reason::RATE_LIMITED),
            (Answer::e21(500), Reason::PROVIDER_ERROR),
            (Answer::e22(), Reason::INVALID_RESPONSE),
            (Answer::claimed_json(200, "[]"), Reason::INVALID_RESPONSE),
            (Answer::claimed_json(200, "{}"), Reason::INVALID_RESPONSE),
            (Answer::json(200, &serde_json::json!({"id": 32, "fields": {}})), Reason::INVALID_RESPONSE),
        ] {
            desk.fake.clear_faults();
            desk.fake.fault(Match::any().path_contains("/wit/"), answer);
            let get = desk.client.get_issue(desk.host(), &IssueRef::new("31")).await;
            assert_fails(get, reason, &["work item 31 in `contoso`"]);
            let states = desk.client.issue_states(desk.host(), "Web Shop", "Bug").await;
            assert_fails(states, reason, &["the states of `Bug`"]);
        }
    })
    .await;
}
