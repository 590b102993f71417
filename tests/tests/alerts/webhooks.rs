//! Webhooks and chats: what is sent, and what the answers mean.

use std::time::Duration;

use forgewatch::alerts::Happening;
use forgewatch_tests::build;
use forgewatch_tests::receivers::Certified;
use forgewatch_tests::receivers::{Answer, Receiver, is_well_signed};
use tempfile::TempDir;

use crate::support::{
    AUTHORIZATION, HOOK, SIGNING, addressed, message, refused, sandbox, target, told, unavailable,
};

const SHORT: &str = "http.timeout = \"3s\"\n";

#[tokio::test]
async fn a_webhook_has_all_there_is_and_a_signature_that_others_accept() {
    let (hook, dir) = (Receiver::start(), TempDir::new().unwrap());
    let settings = addressed(dir.path(), &hook.url(&format!("/hooks/{HOOK}?a=b#c")))
        + "kind = \"webhook\"\nsecret = { file = \"signing\" }\nauthorization = { file = \"authorization\" }\n";
    let target = target(dir.path(), "", &settings).await;
    let sent = message(Happening::Reminded, (0..100).map(|n| told(n, Happening::Reminded)).collect());
    target.send(&sent).await.unwrap();
    target.send(&sent).await.unwrap();
    let requests = hook.requests();
    let request = &requests[0];
    assert_eq!(request.line, format!("POST /hooks/{HOOK}?a=b HTTP/1.1"));
    assert_eq!(request.json(), serde_json::to_value(&sent).unwrap());
    assert_eq!(request.json()["incidents"].as_array().unwrap().len(), target.most_incidents());
    assert_eq!(request.header("content-type"), Some("application/json"));
    assert_eq!(request.header("authorization"), Some(AUTHORIZATION));
    assert!(request.header("user-agent").unwrap().starts_with("forgewatch/"));
    assert!(requests.iter().all(|request| request.header("webhook-id") == Some("msg_0123456789abcdef")));
    assert!(is_well_signed(request, SIGNING));
    let mut forged = request.clone();
    forged.body = forged.body.replace("app-1", "app-2");
    assert!(!is_well_signed(&forged, SIGNING));
    assert!(!is_well_signed(request, "whsec_c29tZWJvZHkgZWxzZSdzIHNlY3JldCBpbiBoZXJl"));
}

#[tokio::test]
async fn a_template_makes_the_body_that_is_signed() {
    let (hook, dir) = (Receiver::start(), TempDir::new().unwrap());
    let settings = addressed(dir.path(), &hook.url("/"))
        + r#"
kind = "webhook"
secret = { file = "signing" }
template = '''
{"content": {{ event ~ ": " ~ incidents[0].detail }}, "count": {{ incidents | length }}}
'''
"#;
    let target = target(dir.path(), "", &settings).await;
    target.send(&message(Happening::Opened, vec![told(1, Happening::Opened)])).await.unwrap();
    let request = &hook.requests()[0];
    assert_eq!(
        request.json(),
        serde_json::json!({ "content": "opened: the forge answered 404", "count": 1 })
    );
    assert!(is_well_signed(request, SIGNING));
}

#[tokio::test]
async fn a_name_in_the_address_signs_in() {
    let (hook, dir) = (Receiver::start(), TempDir::new().unwrap());
    let url = hook.url("/").replace("http://", "http://me:planted0@");
    let target = target(dir.path(), "", &(addressed(dir.path(), &url) + "kind = \"slack\"\n")).await;
    target.send(&message(Happening::Opened, vec![told(1, Happening::Opened)])).await.unwrap();
    assert_eq!(hook.requests()[0].header("authorization"), Some("Basic bWU6cGxhbnRlZDA="));
}

#[tokio::test]
async fn what_may_be_taken_later_is_told_apart_from_what_never_will_be() {
    let (hook, dir) = (Receiver::start(), TempDir::new().unwrap());
    let settings = addressed(dir.path(), &hook.url("/")) + "kind = \"slack\"\n";
    let target = target(dir.path(), SHORT, &settings).await;
    let sent = message(Happening::Opened, vec![told(1, Happening::Opened)]);

    for status in [200, 201, 204, 299] {
        hook.answer_next([Answer::Status(status)]);
        target.send(&sent).await.unwrap();
    }
    hook.answer_next([Answer::Unfinished(200)]);
    target.send(&sent).await.unwrap();
    for status in [301, 307, 400, 413, 422] {
        hook.answer_next([Answer::Status(status)]);
        assert!(refused(target.send(&sent).await).starts_with(&format!("it answers {status}: ")));
    }
    for answer in [
        Answer::Status(401),
        Answer::Status(408),
        Answer::Status(410),
        Answer::Status(599),
        Answer::Unfinished(503),
        Answer::Silence,
        Answer::Reset,
        Answer::Bytes(b"\0\x01\x02\xff garbage \r\n\r\n".to_vec()),
        Answer::Bytes(b"HTTP/1.1 2".to_vec()),
    ] {
        hook.answer_next([answer.clone()]);
        assert_eq!(unavailable(target.send(&sent).await).1, None, "{answer:?}");
    }
}

#[tokio::test]
async fn a_receiver_is_left_alone_for_as_long_as_it_says_and_an_hour_at_most() {
    let (hook, dir) = (Receiver::start(), TempDir::new().unwrap());
    let settings = addressed(dir.path(), &hook.url("/")) + "kind = \"slack\"\n";
    let target = target(dir.path(), "", &settings).await;
    let sent = message(Happening::Opened, vec![told(1, Happening::Opened)]);
    let date = ("Date", "Mon, 05 Jan 2026 10:00:00 GMT");
    for (status, headers, seconds) in [
        (429, vec![("Retry-After", "17")], Some(17)),
        (503, vec![("Retry-After", "99999999999999999999")], Some(3600)),
        (503, vec![date, ("Retry-After", "Mon, 05 Jan 2026 10:20:00 GMT")], Some(1200)),
        (429, vec![date, ("Retry-After", "Mon, 05 Jan 2026 09:00:00 GMT")], Some(0)),
        (429, vec![("Retry-After", "soon")], None),
        (429, vec![], None),
    ] {
        let named = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        hook.answer_next([Answer::With(status, named, String::new())]);
        let (_, wait) = unavailable(target.send(&sent).await);
        assert_eq!(wait, seconds.map(Duration::from_secs), "{headers:?}");
    }
}

#[tokio::test]
async fn the_proxy_is_asked_for_everybody_but_this_machine() {
    let (proxy, hook, dir) = (Receiver::start(), Receiver::start(), TempDir::new().unwrap());
    let top = format!("http.proxy = {:?}\n", proxy.url("/"));
    let sent = message(Happening::Opened, vec![told(1, Happening::Opened)]);
    for url in ["http://hooks.example.org/x", &hook.url("/here")] {
        let settings = addressed(dir.path(), url) + "kind = \"slack\"\n";
        target(dir.path(), &top, &settings).await.send(&sent).await.unwrap();
    }
    let lines = |receiver: &Receiver| receiver.requests().into_iter().map(|it| it.line).collect::<Vec<_>>();
    assert_eq!(lines(&proxy), ["POST http://hooks.example.org/x HTTP/1.1"]);
    assert_eq!(lines(&hook), ["POST /here HTTP/1.1"]);
}

#[test]
fn the_documented_targets_take_what_is_documented() {
    let readme = std::fs::read_to_string(build::root().join("README.md")).unwrap();
    let section = readme.split_once("\n**Targets.**").unwrap().1.split("\n## ").next().unwrap();
    let blocks = section.split("```toml\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    let targets: String = blocks.filter(|block| block.contains("[alerts.targets.")).collect();
    let certified = Certified::new();
    let hook = Receiver::start_tls(&certified);
    let mut sandbox = sandbox(&format!("http.ca_file = {:?}\n", certified.ca_file()), &targets);
    for name in ["OPS_WEBHOOK", "CHAT_WEBHOOK", "DISCORD_WEBHOOK", "TEAMS_WEBHOOK"] {
        sandbox.set_variable(name, &hook.url(&format!("/{HOOK}")));
    }
    sandbox.set_variable("OPS_WEBHOOK_SECRET", SIGNING);
    for name in ["ops", "chat", "discord", "teams"] {
        sandbox.run(&["alerts", "test", name]).exits(0);
    }
    let requests = hook.wait_for(4);
    assert!(is_well_signed(&requests[0], SIGNING));
    let documented = |object: &serde_json::Value| {
        let keys: Vec<_> = object.as_object().unwrap().keys().cloned().collect();
        keys.into_iter().find(|key| !section.contains(&format!("`{key}`")))
    };
    let body = requests[0].json();
    assert_eq!(documented(&body).or_else(|| documented(&body["incidents"][0])), None, "it is not documented");
    assert_eq!(requests[2].json()["content"], "Test, as if opened: 1 at example, unauthorized");
    let card = &requests[3].json()["attachments"][0]["content"]["body"];
    assert_eq!(card[1]["text"], "critical: unauthorized at example");
}
