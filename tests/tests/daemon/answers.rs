//! What the HTTP side says of a daemon's work, and does.

use forgewatch_tests::daemon::Daemon;
use forgewatch_tests::watchlist::Watchlist;

use crate::support::{asked_for, delete, large, restore, until_granted};

#[test]
fn what_is_believed_can_be_asked_for_and_checks_can_be_ordered() {
    let fake = large(1, 3);
    delete(&fake, 0, 0);
    // Longer than any test: nothing is checked again that nobody orders.
    let sandbox = Watchlist::large(1, 3).set("defaults.interval", r#""1000h""#).sandbox(&fake);
    let daemon = Daemon::start(&sandbox);
    until_granted(&daemon, 2);
    let incident = daemon.until("an incident", |records| records.open_incidents().pop());
    assert_eq!((daemon.get("/livez").status, daemon.get("/readyz").status), (200, 200));
    let status = daemon.get("/api/v1/status").json();
    assert_eq!((&status["repositories"]["total"], &status["incidents_open"]), (&3.into(), &1.into()));
    assert_eq!(status["state"]["persisting"], true);
    let denied = daemon.get("/api/v1/repositories?verdict=denied").json();
    assert_eq!((&denied["total"], &denied["items"][0]["name"]), (&1.into(), &"p0-r0".into()));
    assert_eq!(denied["items"][0]["incident"]["id"], incident["id"]);

    restore(&fake, 0, 0);
    let ordered = daemon.post("/api/v1/check", r#"{"repositories": ["p0-r0", "unheard-of"]}"#);
    assert_eq!((ordered.status, &ordered.json()["accepted"]), (202, &serde_json::json!(["p0-r0"])));
    until_granted(&daemon, 3);
    daemon.until("an end of it", |records| records.open_incidents().is_empty().then_some(()));
    assert_eq!((asked_for(&fake, 0, 0).len(), asked_for(&fake, 0, 1).len()), (3, 1));
    assert_eq!(daemon.get("/api/v1/status").json()["repositories"]["granted"], 3);
    let metrics = daemon.get("/metrics").body;
    for series in [
        r#"forgewatch_transitions_total{from="unknown",to="denied"} 1"#,
        r#"forgewatch_transitions_total{from="denied",to="granted"} 1"#,
        r#"forgewatch_checks_total{provider="vsts",verdict="denied",reason="not_found"} 2"#,
    ] {
        assert!(metrics.contains(series), "no {series} in:\n{metrics}");
    }
    daemon.stop();
}
