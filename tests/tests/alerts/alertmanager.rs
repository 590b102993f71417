//! A real Alertmanager.

use std::time::{Duration, SystemTime};

use forgewatch::alerts::{Happening, Target};
use forgewatch_tests::process::wait_for;
use forgewatch_tests::receivers::{Alertmanager, Answer, Receiver};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{AUTHORIZATION, message, refused, target, told, unavailable};

async fn at(url: &str, dir: &TempDir) -> Target {
    let settings = format!(
        "kind = \"alertmanager\"\nurl = {url:?}\nallow_insecure_http = true\nauthorization = {{ file = \"authorization\" }}"
    );
    target(dir.path(), "", &settings).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alert_appears_once_is_kept_alive_and_ends_with_its_incident() {
    let (hook, dir) = (Receiver::start(), TempDir::new().unwrap());
    let alertmanager = Alertmanager::telling(&hook.url("/"));
    let target = at(&alertmanager.url(), &dir).await;
    assert_eq!(target.refresh_every(), Some(Duration::from_secs(60)));
    let mut incident = told(1, Happening::Opened);
    target.send(&message(Happening::Opened, vec![incident.clone()])).await.unwrap();
    let first = alertmanager.wait_for(1).remove(0);
    // What counts may change; the alert is the same.
    (incident.affected, incident.most_affected) = (7, 9);
    target.send(&message(Happening::Opened, vec![incident])).await.unwrap();
    target.send(&message(Happening::Reminded, vec![told(1, Happening::Reminded)])).await.unwrap();
    let last = alertmanager.wait_for(1).remove(0);
    assert_eq!(first["fingerprint"], last["fingerprint"]);

    let expected = json!({
        "alertname": "ForgewatchIncident", "fingerprint": "0000000000000001", "integration": "acme",
        "reason": "not_found", "cause": "repository", "severity": "critical", "repository": "acme/app-1",
        "on_call": "payments"
    });
    assert_eq!(last["labels"], expected);
    assert_eq!(last["annotations"]["summary"], "critical, not_found at acme, repository acme/app-1");
    assert_eq!(last["annotations"]["description"], "the forge answered 404");
    assert_eq!(last["generatorURL"], "https://watch.example.org/incidents/1");
    let moment = |alert: &Value, key: &str| humantime::parse_rfc3339(alert[key].as_str().unwrap()).unwrap();
    assert_eq!(moment(&first, "startsAt"), moment(&last, "startsAt"));
    let left = moment(&last, "endsAt").duration_since(SystemTime::now()).unwrap();
    assert!(left <= Duration::from_secs(3600) && left > Duration::from_secs(3000), "{left:?}");

    let told_of = |status: &str| hook.requests().iter().filter(|it| it.json()["status"] == status).count();
    wait_for("a notification", || (told_of("firing") == 1).then_some(()));
    target.send(&message(Happening::Resolved, vec![told(1, Happening::Resolved)])).await.unwrap();
    alertmanager.wait_for(0);
    wait_for("the all-clear", || (told_of("resolved") == 1).then_some(()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silence_holds_for_what_comes_back() {
    let (alertmanager, dir) = (Alertmanager::start(), TempDir::new().unwrap());
    let target = at(&format!("{}/", alertmanager.url()), &dir).await;
    let incidents = |event| vec![told(1, event), told(2, event)];
    target.send(&message(Happening::Opened, incidents(Happening::Opened))).await.unwrap();
    let now = SystemTime::now();
    let silence = json!({
        "matchers": [{ "name": "repository", "value": "acme/app-1", "isRegex": false, "isEqual": true }],
        "startsAt": humantime::format_rfc3339(now).to_string(),
        "endsAt": humantime::format_rfc3339(now + Duration::from_secs(600)).to_string(),
        "createdBy": "a test", "comment": "it is being moved"
    });
    alertmanager.ask("POST", "/api/v2/silences", &silence.to_string());
    let states = || {
        let mut states: Vec<_> = alertmanager
            .alerts("/api/v2/alerts")
            .iter()
            .map(|alert| {
                let text = |value: &Value| value.as_str().unwrap().to_owned();
                (text(&alert["labels"]["repository"]), text(&alert["status"]["state"]))
            })
            .collect();
        states.sort();
        states
    };
    let expected = [("acme/app-1", "suppressed"), ("acme/app-2", "active")];
    let expected = expected.map(|(name, state)| (name.to_owned(), state.to_owned()));
    wait_for("a silence", || (states() == expected).then_some(()));
    target.send(&message(Happening::Resolved, incidents(Happening::Resolved))).await.unwrap();
    alertmanager.wait_for(0);
    // The same again is another incident, under another id.
    let mut again = incidents(Happening::Opened);
    again.iter_mut().for_each(|told| told.id.push_str("-again"));
    target.send(&message(Happening::Opened, again)).await.unwrap();
    wait_for("the same silence", || (states() == expected).then_some(()));
}

#[tokio::test(flavor = "multi_thread")]
async fn very_many_go_in_one_request_below_a_path() {
    let (alertmanager, dir) = (Alertmanager::below("/ops/am"), TempDir::new().unwrap());
    let target = at(&format!("{}/ops/am", alertmanager.url()), &dir).await;
    let many: Vec<_> = (0..target.most_incidents()).map(|number| told(number, Happening::Opened)).collect();
    assert_eq!(many.len(), 500);
    target.send(&message(Happening::Opened, many)).await.unwrap();
    assert_eq!(alertmanager.alerts("/ops/am/api/v2/alerts").len(), 500);
}

#[tokio::test]
async fn one_that_is_wrong_is_told_as_any_other() {
    let (hook, dir) = (Receiver::start(), TempDir::new().unwrap());
    let target = at(&hook.url("/prefix"), &dir).await;
    let sent = message(Happening::Opened, vec![told(1, Happening::Opened)]);
    hook.answer_next([Answer::Status(400), Answer::Status(502), Answer::Status(404)]);
    assert!(refused(target.send(&sent).await).starts_with("it answers 400: "));
    assert!(unavailable(target.send(&sent).await).0.starts_with("it answers 502: "));
    assert!(unavailable(target.send(&sent).await).0.contains("look at its address"));
    let request = &hook.requests()[0];
    assert_eq!(request.line, "POST /prefix/api/v2/alerts HTTP/1.1");
    assert_eq!(request.header("authorization"), Some(AUTHORIZATION));
}
