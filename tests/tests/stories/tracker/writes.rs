//! Making and changing issues.

use forgewatch_plugin_api::{AssigneeTarget, IssueChange, IssueRef, NewIssue, Person, Reason, StateTarget};
use forgewatch_tests::fake::{Answer, Credential, Match, World, contoso};
use serde_json::json;

use super::{ALLOWED, Desk, assert_fails, in_both_rooms};

fn patches(desk: &Desk) -> usize {
    desk.asked().iter().filter(|asked| asked.starts_with("PATCH")).count()
}

fn email(mail: &str) -> AssigneeTarget {
    AssigneeTarget::Email(mail.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_issue_is_made_as_it_was_meant() {
    in_both_rooms(World::contoso, ALLOWED, async |desk| {
        let new = NewIssue::new("Web Shop", "Bug", "storefront\nis <gone>")
            .with_description("seen at 10:00\n<script>alert('x')</script> & more")
            .with_label("forgewatch")
            .with_label("a;b")
            .with_assignee_email("ada@contoso.example");
        let issue = desk.client.create_issue(desk.host(), &new).await.unwrap();
        assert_eq!((issue.title(), issue.kind(), issue.state()), ("storefront is <gone>", "Bug", "New"));
        assert_eq!(issue.assignee().and_then(Person::email), Some("ada@contoso.example"));
        let key: u64 = issue.key().parse().unwrap();
        let item = desk.fake.tracker("contoso", |tracker| tracker.item(key).clone());
        let html = "seen at 10:00<br>&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt; &amp; more";
        assert_eq!(item.field("System.Description"), Some(html));
        assert_eq!(item.comments, [html], "the form of a bug shows its history alone");
        assert_eq!(item.field("System.Tags"), Some("forgewatch; a b"));
        assert_eq!(desk.asked(), ["POST dev.azure.com/contoso/Web%20Shop/_apis/wit/workitems/$Bug"]);

        let task = NewIssue::new(contoso::TOOLS_ID, "Task", "plain");
        let issue = desk.client.create_issue(desk.host(), &task).await.unwrap();
        assert_eq!((issue.project(), issue.assignee()), (Some("Tools"), None));
        let odd = NewIssue::new("Web Shop", "Story", "x");
        assert_fails(desk.client.create_issue(desk.host(), &odd).await, Reason::NOT_FOUND, &["no such type"]);
        let away = NewIssue::new("..", "Bug", "x");
        let refused = desk.client.create_issue(desk.host(), &away).await;
        assert_fails(refused, Reason::NOT_FOUND, &["nothing was asked"]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn all_changes_are_one_request() {
    in_both_rooms(World::contoso, ALLOWED, async |desk| {
        desk.fake.tracker("contoso", |tracker| tracker.add(contoso::WEB_SHOP_ID, "Bug", "x"));
        let issue = IssueRef::new("31");
        let change = IssueChange::none()
            .with_assignee(email("ben@contoso.example"))
            .with_state(StateTarget::Name("Active".to_owned()))
            .with_comment("lost <access>")
            .with_expected_revision(1);
        let changed = desk.client.update_issue(desk.host(), &issue, &change).await.unwrap();
        assert_eq!((changed.state(), changed.revision()), ("Active", Some(2)));
        assert_eq!(changed.assignee().and_then(Person::email), Some("ben@contoso.example"));
        let item = desk.fake.tracker("contoso", |tracker| tracker.item(31).clone());
        assert_eq!((item.comments, item.history.len()), (vec!["lost &lt;access&gt;".to_owned()], 1));
        assert_eq!(patches(desk), 1);

        // By what a state means: what is so already stays as it is.
        let done = IssueChange::none().with_state(StateTarget::Done).with_assignee(AssigneeTarget::Clear);
        let changed = desk.client.update_issue(desk.host(), &issue, &done).await.unwrap();
        assert_eq!((changed.state(), changed.assignee()), ("Closed", None));
        let done = IssueChange::none().with_state(StateTarget::Done);
        assert_eq!(desk.client.update_issue(desk.host(), &issue, &done).await.unwrap().state(), "Closed");
        let open = IssueChange::none().with_state(StateTarget::Open);
        assert_eq!(desk.client.update_issue(desk.host(), &issue, &open).await.unwrap().state(), "New");
        assert_eq!(patches(desk), 2, "nothing to change is no request");

        let missing = desk.client.update_issue(desk.host(), &IssueRef::new("99"), &change).await;
        assert_fails(missing, Reason::NOT_FOUND, &["work item 99"]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_else_has_changed_is_left_alone() {
    in_both_rooms(World::contoso, ALLOWED, async |desk| {
        desk.fake.tracker("contoso", |tracker| tracker.add(contoso::WEB_SHOP_ID, "Bug", "x"));
        desk.fake.change_work_item("contoso", 31, &[("System.State", Some("Active"))]);
        let issue = IssueRef::new("31");
        let late = IssueChange::none().with_comment("late").with_expected_revision(1);
        for status in [412, 409, 400] {
            desk.fake.tracker("contoso", |tracker| tracker.conflict_status = status);
            let refused = desk.client.update_issue(desk.host(), &issue, &late).await;
            let failure = assert_fails(refused, Reason::PROVIDER_ERROR, &["somebody else"]);
            assert!(failure.is_conflict() && !failure.is_rejected(), "{failure:?}");
        }
        let nothing = IssueChange::none().with_expected_revision(1);
        let refused = desk.client.update_issue(desk.host(), &issue, &nothing).await.unwrap_err();
        assert!(refused.is_conflict());
        assert!(desk.fake.tracker("contoso", |tracker| tracker.item(31).comments.is_empty()));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_tracker_takes_for_wrong_is_no_outage() {
    in_both_rooms(World::contoso, ALLOWED, async |desk| {
        desk.fake.tracker("contoso", |tracker| tracker.add(contoso::WEB_SHOP_ID, "Bug", "x"));
        let issue = IssueRef::new("31");
        let stranger = IssueChange::none().with_assignee(email("eve@elsewhere.example")).with_comment("c");
        let refused = desk.client.update_issue(desk.host(), &issue, &stranger).await;
        let parts = ["to nobody as `eve@elsewhere.example`", "a member of the project", "TF401320"];
        assert!(assert_fails(refused, Reason::PROVIDER_ERROR, &parts).is_rejected());
        let odd = IssueChange::none().with_state(StateTarget::Name("Finished".to_owned()));
        let refused = desk.client.update_issue(desk.host(), &issue, &odd).await;
        assert!(assert_fails(refused, Reason::PROVIDER_ERROR, &["refuses a value"]).is_rejected());
        let new = NewIssue::new("Web Shop", "Bug", "x").with_assignee_email("eve@elsewhere.example");
        let refused = desk.client.create_issue(desk.host(), &new).await;
        assert!(assert_fails(refused, Reason::PROVIDER_ERROR, &["to nobody as"]).is_rejected());
        let item = desk.fake.tracker("contoso", |tracker| tracker.item(31).clone());
        assert_eq!((item.rev, item.comments.len()), (1, 0));

        // What a forge says is on one line, whatever it is.
        let message = json!({"message": "one\ntwo\u{1b}[31m", "typeKey": "RuleValidationException"});
        desk.fake.fault(Match::any().path_contains("/wit/"), Answer::json(400, &message));
        let refused = desk.client.update_issue(desk.host(), &issue, &odd).await.unwrap_err();
        assert!(!refused.detail().contains(char::is_control), "{refused}");
        // Nor is every 400 a refusal.
        desk.fake.clear_faults();
        desk.fake.fault(Match::any().path_contains("/wit/"), Answer::e15());
        assert!(!desk.client.update_issue(desk.host(), &issue, &odd).await.unwrap_err().is_rejected());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn writing_has_to_be_allowed_on_both_sides() {
    in_both_rooms(World::contoso, "", async |desk| {
        let new = NewIssue::new("Web Shop", "Bug", "x");
        let line = "add `allow_write = true` under `[providers.vsts]`";
        let refused = desk.client.create_issue(desk.host(), &new).await;
        assert!(assert_fails(refused, Reason::UNREACHABLE, &["POST", line]).is_refused());
        let change = IssueChange::none().with_comment("c");
        let refused = desk.client.update_issue(desk.host(), &IssueRef::new("31"), &change).await;
        assert!(assert_fails(refused, Reason::UNREACHABLE, &["PATCH", line]).is_refused());
        assert_eq!(desk.asked(), [""; 0]);
    })
    .await;
    let reads_only = || {
        let mut world = World::contoso();
        let pat = Credential::pat("reader", contoso::PAT).member_of("contoso");
        world.credentials[0] = pat.without_scope("vso.work_write");
        world
    };
    in_both_rooms(reads_only, ALLOWED, async |desk| {
        desk.fake.tracker("contoso", |tracker| tracker.add(contoso::WEB_SHOP_ID, "Bug", "x"));
        assert!(desk.client.get_issue(desk.host(), &IssueRef::new("31")).await.is_ok());
        let new = NewIssue::new("Web Shop", "Bug", "x");
        let refused = desk.client.create_issue(desk.host(), &new).await;
        assert_fails(refused, Reason::FORBIDDEN, &["and write to change any"]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_is_sent_once() {
    in_both_rooms(World::contoso, ALLOWED, async |desk| {
        for answer in [Answer::e21(502), Answer::e20(), Answer::reset(), Answer::close()] {
            desk.fake.clear_faults();
            desk.fake.fault(Match::any().path_contains("/wit/"), answer);
            desk.asked();
            let new = NewIssue::new("Web Shop", "Bug", "x");
            let failure = desk.client.create_issue(desk.host(), &new).await.unwrap_err();
            assert!([Reason::PROVIDER_ERROR, Reason::UNREACHABLE].contains(&failure.reason()), "{failure}");
            assert_eq!(desk.asked().len(), 1);
        }
    })
    .await;
}
