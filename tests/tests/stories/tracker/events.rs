//! What the tracker tells: subscriptions, their secret, and deliveries in every order.

use std::sync::Arc;

use forgewatch::services::HookSecret;
use forgewatch_plugin_api::{
    AssigneeChange, Reason, StateChange, SubscriptionStatus, WebhookDelivery, WebhookEvent, WebhookEventKind,
};
use forgewatch_tests::fake::{Answer, Match, People, World, contoso};
use forgewatch_tests::process::wait_for;
use forgewatch_tests::receivers::{self, Received, Receiver};
use serde_json::json;

use super::{ALLOWED, Desk, assert_fails, in_both_rooms};

const SECRET: &str = "a-secret-that-nobody-but-us-may-see";

fn secret() -> Arc<HookSecret> {
    Arc::new(HookSecret::new(SECRET.into()).expect("it is one"))
}

async fn subscribe(desk: &Desk, receiver: &Receiver, project: Option<&str>) -> String {
    let url = receiver.url("/hooks/contoso");
    let made = desk.client.subscribe(desk.host(), &url, project, secret()).await.expect("it subscribes");
    assert_eq!((made.status(), made.detail()), (SubscriptionStatus::Enabled, ""));
    made.id().to_owned()
}

/// What has come, once there are so many.
fn received(receiver: &Receiver, count: usize) -> Vec<Received> {
    tokio::task::block_in_place(|| receiver.wait_for(count))
}

/// Waits until the fake knows how so many attempts ended.
fn attempts(desk: &Desk, count: usize) {
    let ended = || {
        let deliveries = desk.fake.tracker("contoso", |tracker| tracker.deliveries.clone());
        (deliveries.iter().map(|delivery| delivery.answers.len()).sum::<usize>() >= count).then_some(())
    };
    tokio::task::block_in_place(|| wait_for("the attempts", ended));
}

async fn read(desk: &Desk, request: &Received) -> WebhookEvent {
    let delivery = WebhookDelivery::new(request.body.as_bytes());
    desk.provider().parse_webhook(desk.host(), &delivery).await.expect("a delivery")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_is_delivered_with_the_secret_that_the_plugin_never_had() {
    in_both_rooms(World::contoso, ALLOWED, async |desk| {
        let receiver = Receiver::start();
        desk.fake.tracker("contoso", |tracker| tracker.add(contoso::WEB_SHOP_ID, "Bug", "x"));
        subscribe(desk, &receiver, None).await;
        let sent = desk.fake.requests_to(|request| request.path.ends_with("/hooks/subscriptions"));
        let body: serde_json::Value = serde_json::from_slice(&sent[0].body).unwrap();
        assert_eq!(body["consumerInputs"]["httpHeaders"], format!("shared-secret:{SECRET}"));
        assert!(!sent[0].contains(HookSecret::PLACEHOLDER));

        let change = [("System.State", Some("Active")), ("System.AssignedTo", Some("ada@contoso.example"))];
        for (form, number) in [(People::Text, 0), (People::Objects, 1)] {
            desk.fake.tracker("contoso", |tracker| tracker.people_in_deliveries = form);
            desk.fake.change_work_item("contoso", 31, &change);
            let request = received(&receiver, 2 * number + 1).pop().expect("one came");
            let proof = desk.provider().webhook_proof(desk.host()).await.unwrap();
            let shown = request.header(proof.header()).expect("it has the secret");
            assert!(secret().is(shown.as_bytes()));
            let event = read(desk, &request).await;
            assert_eq!(
                (event.account(), event.kind()),
                (contoso::ACCOUNT_ID, &WebhookEventKind::IssueUpdated)
            );
            assert_eq!((event.issue(), event.project()), (Some("31"), Some(contoso::WEB_SHOP_ID)));
            let AssigneeChange::Set(person) = event.assignee() else { panic!("{event:?}") };
            assert_eq!(person.email(), Some("ada@contoso.example"));
            assert_eq!(person.id().is_some(), form == People::Objects);
            let expected = StateChange::new(Some("New".to_owned()), Some("Active".to_owned()));
            assert_eq!(event.state(), Some(&expected));
            assert!(event.changed_at().is_some() && event.delivery().is_some());

            let back = [("System.State", Some("New")), ("System.AssignedTo", None)];
            desk.fake.change_work_item("contoso", 31, &back);
            let request = received(&receiver, 2 * number + 2).pop().expect("one came");
            assert_eq!(read(desk, &request).await.assignee(), &AssigneeChange::Cleared);
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn deliveries_in_any_order_tell_which_is_older() {
    in_both_rooms(World::contoso, ALLOWED, async |desk| {
        let receiver = Receiver::start();
        desk.fake.tracker("contoso", |tracker| {
            tracker.add(contoso::WEB_SHOP_ID, "Bug", "x");
            tracker.holds_deliveries = true;
        });
        subscribe(desk, &receiver, Some("Web Shop")).await;
        desk.fake.change_work_item("contoso", 31, &[("System.State", Some("Active"))]);
        desk.fake.change_work_item("contoso", 31, &[("System.State", Some("Resolved"))]);
        for number in [1, 0, 1] {
            desk.fake.deliver("contoso", number);
        }
        let mut events = Vec::new();
        for request in received(&receiver, 3) {
            events.push(read(desk, &request).await);
        }
        let revisions: Vec<_> = events.iter().map(WebhookEvent::revision).collect();
        assert_eq!(revisions, [Some(3), Some(2), Some(3)]);
        assert!(events[1].changed_at() < events[0].changed_at());
        assert_eq!(events[0], events[2], "what is delivered again is the same");
        assert_ne!(events[0].delivery(), events[1].delivery());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscription_is_for_its_project_and_ends_when_nobody_is_there() {
    in_both_rooms(World::contoso, ALLOWED, async |desk| {
        let receiver = Receiver::start();
        let (shop, tools) = desk.fake.tracker("contoso", |tracker| {
            let shop = tracker.add(contoso::WEB_SHOP_ID, "Bug", "x");
            (shop, tracker.add(contoso::TOOLS_ID, "Bug", "y"))
        });
        let id = subscribe(desk, &receiver, Some("Tools")).await;
        desk.fake.change_work_item("contoso", shop, &[("System.State", Some("Active"))]);
        receiver.answer_usually(Some(receivers::Answer::Status(500)));
        let how = async || desk.client.get_subscription(desk.host(), &id).await.unwrap();
        let expected = [
            (SubscriptionStatus::OnProbation, "deliveries fail"),
            (SubscriptionStatus::OnProbation, "deliveries fail"),
            (SubscriptionStatus::Disabled, "subscribe anew"),
        ];
        for (number, (status, detail)) in (1..).zip(expected) {
            let title = format!("title {number}");
            desk.fake.change_work_item("contoso", tools, &[("System.Title", Some(&title))]);
            attempts(desk, number);
            let now = how().await;
            assert_eq!(now.status(), status, "{now:?}");
            assert!(now.detail().contains(detail), "{now:?}");
        }
        assert!(receiver.requests().iter().all(|request| request.json()["resource"]["workItemId"] == tools));
        for (word, said) in
            [("disabledByUser", "somebody"), ("disabledByInactiveIdentity", "active"), ("?", "`?`")]
        {
            desk.fake.tracker("contoso", |tracker| word.clone_into(&mut tracker.subscriptions[0].status));
            let now = how().await;
            assert_eq!(now.status(), SubscriptionStatus::Disabled);
            assert!(now.detail().contains(said), "{now:?}");
        }
        desk.client.unsubscribe(desk.host(), &id).await.unwrap();
        let gone = desk.client.get_subscription(desk.host(), &id).await;
        assert_fails(gone, Reason::NOT_FOUND, &["no such subscription"]);
        let again = desk.client.unsubscribe(desk.host(), &id).await;
        assert_fails(again, Reason::NOT_FOUND, &["no such subscription"]);
        assert_fails(
            desk.client.unsubscribe(desk.host(), "..").await,
            Reason::NOT_FOUND,
            &["nothing was asked"],
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forge_that_says_the_secret_aloud_is_not_repeated() {
    in_both_rooms(World::contoso, ALLOWED, async |desk| {
        let refusal = json!({"message": format!("no header like shared-secret:{SECRET}")});
        desk.fake.fault(
            Match::any().path_contains("/hooks/"),
            Answer::json(400, &refusal).header("x-echo", SECRET),
        );
        let refused = desk.client.subscribe(desk.host(), "https://watch.example/hooks", None, secret()).await;
        let failure = assert_fails(refused, Reason::PROVIDER_ERROR, &["no header like", "***"]);
        assert!(failure.is_rejected() && !format!("{failure:?}").contains(SECRET));
        desk.fake.clear_faults();
        for (project, part) in [("Nowhere", "no such project"), ("..", "nothing was asked")] {
            let refused =
                desk.client.subscribe(desk.host(), "https://watch.example/", Some(project), secret());
            assert_fails(refused.await, Reason::NOT_FOUND, &[part]);
        }
        // Nobody keeps it.
        let state = std::fs::read(desk.sandbox.path("state.db")).expect("a state");
        assert!(!state.windows(SECRET.len()).any(|window| window == SECRET.as_bytes()));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_delivery_is_told_from_what_says_nothing() {
    in_both_rooms(World::contoso, "", async |desk| {
        let read = async |body: Vec<u8>| {
            desk.provider().parse_webhook(desk.host(), &WebhookDelivery::new(body)).await
        };
        let whole =
            json!({"eventType": "workitem.created", "resourceContainers": {"collection": {"id": "a"}}});
        let whole = whole.to_string();
        let event = read(whole.clone().into_bytes()).await.unwrap();
        assert_eq!(*event.kind(), WebhookEventKind::Other("workitem.created".to_owned()));
        assert_eq!((event.account(), event.issue()), ("a", None));
        for end in 0..whole.len() {
            assert_fails(
                read(whole.as_bytes()[..end].to_vec()).await,
                Reason::INVALID_RESPONSE,
                &["eventType"],
            );
        }
        for body in [&b"\xff\xfe"[..], b"[]", b"null", b"\n", "{}".repeat(1000).as_bytes()] {
            assert_fails(read(body.to_vec()).await, Reason::INVALID_RESPONSE, &["none of Azure DevOps"]);
        }
        let deep = format!("{{\"eventType\":{}", "[".repeat(100_000));
        assert_fails(read(deep.into_bytes()).await, Reason::INVALID_RESPONSE, &[]);
    })
    .await;
}
