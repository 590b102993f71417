//! Rows 9.1 to 9.8: what is answered.

use super::*;

#[test]
fn row_9_1_row_9_2_row_9_7_what_is_proven_is_answered_by_what_it_is() {
    let scene = Scene::new(&["shop"]);
    let container = json!({ "collection": { "id": ACCOUNT } });
    let assigned = |mail: &str| json!({ "System.AssignedTo": { "newValue": format!("Somebody <{mail}>") } });
    let cases: Vec<(&str, String, u16)> = vec![
        ("9.1", "no JSON".to_owned(), 400),
        ("9.1", String::new(), 400),
        ("9.1", json!({ "resourceContainers": container }).to_string(), 400),
        ("9.1", json!({ "eventType": "workitem.updated" }).to_string(), 400),
        ("9.2", json!({ "eventType": "workitem.created", "resourceContainers": container }).to_string(), 200),
        ("9.7", updated(7, json!({})).to_string(), 200),
        ("9.7", updated(8, assigned("nobody@contoso.example")).to_string(), 200),
    ];
    for (row, body, status) in cases {
        assert_eq!(scene.proven(&body), (status, vec![]), "{row}: {body}");
    }
    let effect = updated(9, assigned(ADA)).to_string();
    assert_eq!(scene.proven(&effect), (200, scene.incidents.clone()));
    // 9.2: the secret comes first, whatever it is.
    let other = json!({ "eventType": "workitem.created", "resourceContainers": container }).to_string();
    assert_eq!(scene.post(WEBHOOKS, &["shared-secret: wrong"], &other).status, 401);
    assert_eq!(scene.post(WEBHOOKS, &["shared-secret: wrong"], "no JSON").status, 401);
    scene.daemon.stop();
}

#[test]
fn row_9_3_row_9_4_row_9_5_row_9_6_only_the_secret_of_the_account_opens_and_all_else_gets_one_answer() {
    let scene = Scene::new(&["shop"]);
    let body = updated(2, json!({ "System.AssignedTo": { "newValue": format!("Ada <{ADA}>") } })).to_string();
    let (right, other) = (format!("shared-secret: {SECRET}"), format!("shared-secret: {OTHER_SECRET}"));
    let foreign = body.replace(ACCOUNT, "1a46e000-5e1f-4b0a-9c3d-0000000000ff");
    let refused = [
        ("9.3 unknown account", scene.post(WEBHOOKS, &[&right], &foreign)),
        ("9.3 unknown provider", scene.post("/api/v1/webhooks/nobody", &[&right], &body)),
        (
            "9.5 wrong secret",
            scene.post(WEBHOOKS, &["shared-secret: planted-secret-of-the-large-accounT"], &body),
        ),
        ("9.5 secret of another account", scene.post(WEBHOOKS, &[&other], &body)),
        ("9.6 no secret", scene.post(WEBHOOKS, &[], &body)),
    ];
    let without_date = |reply: &Reply| {
        let lines = reply.head.lines().filter(|line| !line.to_ascii_lowercase().starts_with("date:"));
        lines.collect::<Vec<_>>().join("\n") + "\n\n" + &reply.body
    };
    for (what, reply) in &refused {
        assert_eq!(reply.status, 401, "{what}");
        assert_eq!(without_date(reply), without_date(&refused[0].1), "{what}");
    }
    assert_eq!(scene.assignee(0), None);
    assert_eq!(scene.proven(&body), (200, scene.incidents.clone()), "9.4");
    let log = scene.daemon.errors();
    assert!(log.contains("for the provider `nobody` is not taken in: "), "{log}");
    assert!(!log.contains("planted-secret"), "{log}");
    scene.daemon.stop();
}

#[test]
fn row_9_3_what_an_integration_was_subscribed_to_counts_while_it_is_configured() {
    let scene = Scene::new(&["shop"]);
    let body = updated(2, json!({})).to_string();
    assert_eq!(scene.proven(&body).0, 200);
    let other_account = format!("external_id = {OTHER_ACCOUNT:?}");
    list(&["shop"])
        .integration("large", "https://dev.azure.com/large/", &other_account)
        .write(&scene.sandbox);
    scene.daemon.reload();
    assert_eq!(scene.proven(&body).0, 401);
    list(&["shop"]).write(&scene.sandbox);
    scene.daemon.reload();
    assert_eq!(scene.proven(&body).0, 200);
    scene.daemon.stop();
}

#[test]
fn row_9_8_a_plugin_that_is_away_is_answered_with_later() {
    let scene = Scene::new(&["shop"]);
    let body = updated(2, json!({ "System.AssignedTo": { "newValue": format!("Ada <{ADA}>") } })).to_string();
    assert_eq!(scene.proven(&updated(1, json!({})).to_string()).0, 200);
    let worker = scene.daemon.worker("vsts");
    worker.signal(rustix::process::Signal::STOP);
    let secret = format!("shared-secret: {SECRET}");
    let reply = scene.post(WEBHOOKS, &[&secret], &body);
    assert_eq!((reply.status, reply.header("retry-after").is_some()), (503, true), "{reply:?}");
    // Who guesses does not notice.
    assert_eq!(scene.post(WEBHOOKS, &["shared-secret: wrong"], &body).status, 401);
    worker.signal(rustix::process::Signal::CONT);
    let taken = wait_for("the worker", || Some(scene.proven(&body)).filter(|(status, _)| *status == 200));
    assert_eq!(taken.1, scene.incidents);
    scene.daemon.stop();
}
