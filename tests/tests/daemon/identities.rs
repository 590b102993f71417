//! What the daemon finds out about identities beside its checks.

use forgewatch_tests::daemon::Daemon;
use forgewatch_tests::fake::{Answer, Fake, Match, World};
use forgewatch_tests::process::wait_for;
use forgewatch_tests::watchlist::Watchlist;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::support::wait_for_checks;

const QUESTION: &str = "/_apis/connectionData";

fn list() -> Watchlist {
    Watchlist::new().integration("pat", "https://dev.azure.com/contoso/", "").repository(
        "shop",
        "pat",
        "Web Shop",
        "storefront",
        "",
    )
}

fn questions(fake: &Fake) -> usize {
    fake.requests_to(|request| request.path.ends_with(QUESTION)).len()
}

fn credential(daemon: &Daemon) -> Value {
    daemon.get("/api/v1/integrations/pat").json()["credential"].clone()
}

#[test]
fn a_forge_is_asked_who_an_identity_is_and_checks_go_on_meanwhile() {
    let fake = Fake::start_blocking(World::contoso());
    let released = CancellationToken::new();
    let user =
        json!({"id": "c0470500-5e1f-4b0a-9c3d-0000000d0001", "providerDisplayName": "deploy\u{1b}[2Jbot"});
    let answer = Answer::json(200, &json!({"authenticatedUser": user})).held_until(released.clone());
    fake.fault(Match::any().path_contains(QUESTION), answer);
    let sandbox = list().sandbox(&fake);
    let daemon = Daemon::start(&sandbox);
    fake.wait_for(|request| request.path.ends_with(QUESTION));
    wait_for_checks(&fake, 3);
    assert_eq!(daemon.records().count_of("granted"), 1);
    let unknown = credential(&daemon);
    assert_eq!((&unknown["name"], &unknown["kind"]), (&json!("reader"), &json!("pat")));
    assert_eq!((&unknown["subject"], &unknown["probed_at"]), (&Value::Null, &Value::Null));

    released.cancel();
    let known =
        wait_for("an answer", || Some(credential(&daemon)).filter(|known| known["subject"].is_string()));
    assert_eq!(known["subject"], "deploy\\u{1b}[2Jbot");
    assert!(known["probed_at"].is_string(), "{known}");
    assert_eq!((&known["expires_at"], &known["scopes"]), (&Value::Null, &json!([])));
    assert_eq!(known["may"], json!({"read": null, "write": null, "webhooks": null}));

    // The same identity of the same integration is known on; another one is not.
    daemon.reload();
    assert_eq!(credential(&daemon), known);
    wait_for_checks(&fake, 2);
    assert_eq!(questions(&fake), 1, "it was asked again within the hour");
    let unanswered = CancellationToken::new();
    fake.clear_faults();
    fake.fault(Match::any().path_contains(QUESTION), Answer::from_world().held_until(unanswered.clone()));
    list().table("identities.reader", "kind = \"bearer\"\ntoken = { env = \"PAT\" }").write(&sandbox);
    daemon.reload();
    let other = credential(&daemon);
    assert_eq!((&other["kind"], &other["subject"]), (&json!("bearer"), &Value::Null));
    unanswered.cancel();
    daemon.stop();
}

#[test]
fn a_forge_that_does_not_say_who_an_identity_is_costs_nothing() {
    let fake = Fake::start_blocking(World::contoso());
    fake.fault(Match::any().path_contains(QUESTION), Answer::e21(500));
    let sandbox = list().sandbox(&fake);
    let daemon = Daemon::start(&sandbox);
    fake.wait_for(|request| request.path.ends_with(QUESTION));
    wait_for_checks(&fake, 3);
    assert_eq!(credential(&daemon)["subject"], Value::Null);
    assert_eq!((questions(&fake), daemon.records().count_of("granted")), (1, 1));
    assert!(daemon.records().open_incidents().is_empty());
    let run = daemon.stop();
    assert!(!run.stderr.contains("WARN") && !run.stderr.contains("connectionData"), "{}", run.stderr);
}
