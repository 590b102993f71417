//! Those who mean harm: what each got.

use std::io::Write;

use forgewatch_tests::ask::{connect, head, talk};

use super::*;

const MEBIBYTE: usize = 1 << 20;

/// What is tried, the answer, and what it has to be.
type Attack = (&'static str, u16, u16);

/// Sends these bytes after a head with these headers, and no more; the status of what comes back.
fn raw(scene: &Scene, path: &str, headers: &[&str], body: &[u8]) -> u16 {
    let address = scene.daemon.address();
    let mut bytes = head(address, "POST", path, headers).into_bytes();
    bytes.extend_from_slice(body);
    let answer = talk(address, &bytes).expect("it ends");
    let status = answer.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)?.parse().ok());
    status.unwrap_or_else(|| panic!("no answer: {answer:?}"))
}

fn without_the_secret(scene: &Scene, body: &str) -> Vec<Attack> {
    let status = |path: &str, headers: &[&str]| scene.post(path, headers, body).status;
    let right = format!("shared-secret: {SECRET}");
    let double = format!("shared-secret: {SECRET}, {SECRET}");
    let shorter = format!("shared-secret: {}", &SECRET[..SECRET.len() - 1]);
    let longer = format!("shared-secret: {SECRET}x");
    let upper = format!("shared-secret: {}", SECRET.to_uppercase());
    let quoted = format!("shared-secret: \"{SECRET}\"");
    let bearer = format!("authorization: Bearer {SECRET}");
    let other_header = format!("x-hub-signature: {SECRET}");
    let of_other = format!("shared-secret: {OTHER_SECRET}");
    let long = format!("shared-secret: {}", "x".repeat(12_000));
    let in_query = format!("{WEBHOOKS}?shared-secret={SECRET}");
    let placeholder = "shared-secret: forgewatch-secret-of-the-subscription";
    vec![
        ("no secret", status(WEBHOOKS, &[]), 401),
        ("an empty secret", status(WEBHOOKS, &["shared-secret:"]), 401),
        ("blanks as the secret", status(WEBHOOKS, &["shared-secret:    "]), 401),
        ("a wrong secret", status(WEBHOOKS, &["shared-secret: wrong"]), 401),
        ("a secret that is one short", status(WEBHOOKS, &[&shorter]), 401),
        ("a secret that is one long", status(WEBHOOKS, &[&longer]), 401),
        ("the secret in capitals", status(WEBHOOKS, &[&upper]), 401),
        ("the secret in quotes", status(WEBHOOKS, &[&quoted]), 401),
        ("a very long secret", status(WEBHOOKS, &[&long]), 401),
        ("what stands for a secret", status(WEBHOOKS, &[placeholder]), 401),
        ("the secret twice in a header", status(WEBHOOKS, &[&double]), 401),
        ("the header twice, both right", status(WEBHOOKS, &[&right, &right]), 401),
        ("the header twice, one right", status(WEBHOOKS, &[&right, "shared-secret: x"]), 401),
        ("the secret in another header", status(WEBHOOKS, &[&other_header]), 401),
        ("the secret as a token", status(WEBHOOKS, &[&bearer]), 401),
        ("the secret in the query", status(&in_query, &[]), 401),
        ("another account's secret with this one's account", status(WEBHOOKS, &[&of_other]), 401),
        ("a provider that there is not", status("/api/v1/webhooks/nobody", &[&right]), 401),
        ("a provider without a subscription", status("/api/v1/webhooks/github", &[&right]), 401),
        ("the provider in capitals", status("/api/v1/webhooks/VSTS", &[&right]), 401),
        ("an integration's name", status("/api/v1/webhooks/large", &[&right]), 401),
        ("a provider that is no text", status("/api/v1/webhooks/%FF", &[&right]), 401),
        ("a provider with a line break", status("/api/v1/webhooks/vsts%0d%0aX:1", &[&right]), 401),
        ("a path that climbs", status("/api/v1/webhooks/..%2fwebhooks%2fvsts", &[&right]), 401),
        ("no provider", status("/api/v1/webhooks/", &[&right]), 404),
        ("a wrong secret and a page's origin", status(WEBHOOKS, &["origin: https://evil.example"]), 403),
        ("a second host", status(WEBHOOKS, &[&right, "host: evil.example"]), 400),
        ("a header with a bare line break", raw(scene, WEBHOOKS, &["shared-secret: x\ny\0: z"], b""), 400),
    ]
}

fn with_the_secret(scene: &Scene, body: &str) -> Vec<Attack> {
    let right = format!("shared-secret: {SECRET}");
    let send = |body: &str| scene.post(WEBHOOKS, &[&right, "content-type: application/json"], body).status;
    let containers = format!("\"resourceContainers\":{{\"collection\":{{\"id\":{ACCOUNT:?}}}}}");
    let with = |rest: &str| format!("{{\"eventType\":\"workitem.updated\",{containers},{rest}}}");
    let fields =
        |fields: &str| with(&format!("\"resource\":{{\"workItemId\":31,\"rev\":2,\"fields\":{{{fields}}}}}"));
    let pad = |size: usize| with(&format!("\"x\":\"{}\"", "x".repeat(size - with("\"x\":\"\"").len())));
    let deep = |open: &str, close: &str| {
        with(&format!("\"resource\":{}{}", open.repeat(100_000), close.repeat(100_000)))
    };
    let gzip = ["content-encoding: gzip", right.as_str()];
    let large = format!("content-length: {}", MEBIBYTE * 100);
    vec![
        ("another account", send(&body.replace(ACCOUNT, OTHER_ACCOUNT)), 401),
        ("an account with blanks", send(&body.replace(ACCOUNT, &format!(" {ACCOUNT}"))), 401),
        ("an account that is a list", send(&with("\"x\":1").replace(&format!("{ACCOUNT:?}"), "[]")), 400),
        ("nothing", send(""), 400),
        ("no JSON", send("eventType=workitem.updated"), 400),
        ("JSON that ends early", send(&body[..body.len() / 2]), 400),
        ("bytes that are no text", raw(scene, WEBHOOKS, &[&right, "content-length: 4"], b"{\"\xff}"), 400),
        ("a body that is announced as packed", scene.post(WEBHOOKS, &gzip, "\u{1f}\u{8b}\u{8}").status, 400),
        ("lists in lists", send(&"[".repeat(MEBIBYTE)), 400),
        ("objects in objects", send(&"{\"a\":".repeat(MEBIBYTE / 5)), 400),
        ("depth where it is not looked at", send(&deep("[", "]")), 200),
        ("a million keys", send(&fields("\"k\":{},".repeat(100_000).trim_end_matches(','))), 200),
        ("no new value of the state", send(&fields("\"System.State\":{\"oldValue\":\"New\"}")), 200),
        ("a state that is a list", send(&fields("\"System.State\":{\"newValue\":[[]]}")), 200),
        (
            "a state that there is not",
            send(&fields("\"System.State\":{\"newValue\":\"\\u0000<script>\"}")),
            200,
        ),
        (
            "fields that are a number",
            send(&with("\"resource\":{\"workItemId\":31,\"rev\":2,\"fields\":7}")),
            200,
        ),
        ("a revision beyond all", send(&with("\"resource\":{\"workItemId\":31,\"rev\":1e999}")), 200),
        (
            "a number of many digits",
            send(&with(&format!("\"resource\":{{\"workItemId\":{}}}", "9".repeat(5_000)))),
            200,
        ),
        ("a negative work item", send(&with("\"resource\":{\"workItemId\":-31,\"rev\":2}")), 200),
        ("a work item that climbs", send(&with("\"resource\":{\"workItemId\":\"../31\",\"rev\":2}")), 200),
        ("somebody without an address", send(&fields("\"System.AssignedTo\":{\"newValue\":\"Ada <\"}")), 200),
        ("exactly a mebibyte", send(&pad(MEBIBYTE)), 200),
        ("a byte more than a mebibyte", send(&pad(MEBIBYTE + 1)), 413),
        ("a hundred mebibytes announced", raw(scene, WEBHOOKS, &[&right, &large], b"{"), 413),
        ("a query", scene.post(&format!("{WEBHOOKS}?x=1"), &[&right], body).status, 400),
        ("a body that comes slowly", slow(scene, &right), 408),
    ]
}

/// Sends the beginning of a body, and waits.
fn slow(scene: &Scene, secret: &str) -> u16 {
    raw(scene, WEBHOOKS, &[secret, "content-length: 1000"], b"{\"eventType\":")
}

#[test]
fn each_attack_gets_its_answer_and_nothing_else() {
    let scene = Scene::new(&["shop", "tools"]);
    let assigned = json!({ "System.AssignedTo": { "newValue": format!("Ada Quill <{ADA}>") } });
    // Later than whatever is tried.
    let body = updated(9, assigned).to_string();
    let mut attacks = without_the_secret(&scene, &body);
    assert_eq!(scene.record(0)["issue"]["assignee_mark"]["revision"], 1);
    attacks.extend(with_the_secret(&scene, &body));
    for (what, got, _) in &attacks {
        println!("{got}  {what}");
    }
    for (what, got, expected) in &attacks {
        assert_eq!(got, expected, "{what}: {}", scene.daemon.errors());
        assert!(*got < 500, "{what}");
    }
    for number in [0, 1] {
        let record = scene.record(number);
        assert_eq!((&record["issue"]["key"], &record["assignee"]), (&json!("31"), &Value::Null), "{record}");
        assert_eq!(
            (&record["issue"]["state"], &record["handled_at"]),
            (&json!("New"), &Value::Null),
            "{record}"
        );
    }
    // And the real thing is taken in, once.
    assert_eq!(scene.proven(&body).1.len(), 2);
    assert_eq!(scene.proven(&body), (200, vec![]), "a replay");
    assert_eq!(scene.daemon.get("/readyz").status, 200);
    let run = scene.daemon.stop();
    for secret in [SECRET, OTHER_SECRET, &SECRET.to_uppercase()] {
        assert!(!run.stderr.contains(secret), "{}", run.stderr);
    }
}

#[test]
fn whoever_guesses_costs_little_and_stops_nobody() {
    let scene = Scene::new(&["shop"]);
    let body = updated(2, json!({})).to_string();
    for guess in 0..500 {
        let secret = format!("shared-secret: guess-{guess}");
        assert_eq!(scene.post(WEBHOOKS, &[&secret], &body).status, 401);
    }
    // Neither does one who sends no body after a wrong secret: it is not waited for.
    let mut waiting = Vec::new();
    for _ in 0..100 {
        let mut stream = connect(scene.daemon.address()).expect("there is room");
        let head = head(scene.daemon.address(), "POST", WEBHOOKS, &["shared-secret: x", "content-length: 9"]);
        stream.write_all(head.as_bytes()).expect("it is taken");
        waiting.push(stream);
    }
    assert_eq!(scene.proven(&body).0, 200);
    let run = scene.daemon.stop();
    let told = run.stderr.matches("is not taken in").count();
    assert!((1..100).contains(&told), "{told} lines");
    assert!(!run.stderr.contains("guess-"), "{}", run.stderr);
}
