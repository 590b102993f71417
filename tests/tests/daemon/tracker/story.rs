//! The whole way, told by the API's own answers: a repository is lost, its incident gets a work item, people and access
//! come and go on both sides, and in the end both are closed.

use forgewatch_tests::daemon::Daemon;
use forgewatch_tests::fake::{Fake, WorkItem};
use forgewatch_tests::process::wait_for;
use forgewatch_tests::watchlist::Watchlist;
use serde_json::Value;

use crate::support::{delete, large, restore, until_granted};

const ACCOUNT: &str = "1a46e000-5e1f-4b0a-9c3d-000000000001";
const ADA: &str = "ada@contoso.example";
const BEN: &str = "ben@contoso.example";
const FEW: &str = r#"id reason state assignee handled_at resolved_at issue"#;

/// One repository of the team `payments`, whose incidents get bugs in the first project.
fn list() -> Watchlist {
    Watchlist::large(1, 1)
        .integration("large", "https://dev.azure.com/large/", &format!("external_id = {ACCOUNT:?}"))
        .repository("p0-r0", "large", "project-0", "repository-0", "labels = { team = \"payments\" }")
        .set("defaults.interval", r#""300ms""#)
        .table("providers.vsts", "allow_write = true\nallow_hosts = [\"almsearch.dev.azure.com\"]")
        .table("people.ada", &format!("emails = [{ADA:?}]\nteams = [\"payments\"]"))
        .table("people.ben", &format!("emails = [{BEN:?}]\nteams = [\"payments\"]"))
        .table(
            "trackers.ops",
            "integration = \"large\"\nproject = \"project-0\"\nmatch = { team = \"payments\" }",
        )
}

/// Shows an answer of the API, as far as the story is about it.
fn show(step: &str, incident: &Value) {
    let few = FEW.split(' ').map(|key| (key, &incident[key])).filter(|(_, value)| !value.is_null());
    let few: Vec<String> = few
        .map(|(key, value)| match key {
            "issue" => format!(
                "issue={} {} `{}`",
                value["key"],
                value["state"],
                value["title"].as_str().unwrap_or_default()
            ),
            _ => format!("{key}={value}"),
        })
        .collect();
    println!("{step:<44} {}", few.join(" "));
}

/// The incident with this id, once the API says of it what `is_so` wants.
#[track_caller]
fn until(daemon: &Daemon, step: &str, id: &str, is_so: impl Fn(&Value) -> bool) -> Value {
    let incident = wait_for(step, || {
        let incident = daemon.get(&format!("/api/v1/incidents/{id}")).json();
        is_so(&incident).then_some(incident)
    });
    show(step, &incident);
    incident
}

/// The only incident, once there is one.
#[track_caller]
fn opened(daemon: &Daemon, other_than: &str) -> String {
    let incident = wait_for("an incident", || {
        let open = daemon.get("/api/v1/incidents").json();
        let open = open["items"].as_array()?.clone();
        open.into_iter().find(|incident| incident["id"] != other_than)
    });
    show("access is lost", &incident);
    incident["id"].as_str().expect("an id").to_owned()
}

fn item(fake: &Fake, number: u64) -> WorkItem {
    fake.tracker("large", |tracker| tracker.item(number).clone())
}

fn number_of(incident: &Value) -> u64 {
    incident["issue"]["key"].as_str().and_then(|key| key.parse().ok()).expect("the number of a work item")
}

#[test]
fn from_lost_access_to_a_closed_work_item_and_back_again() {
    let fake = large(1, 1);
    let sandbox = list().sandbox(&fake);
    let daemon = Daemon::start(&sandbox);
    until_granted(&daemon, 1);
    let url = format!("http://{}/api/v1/webhooks/vsts", daemon.address());
    sandbox.run(&["tracker", "subscribe", "large", "--url", &url]).exits(0);

    delete(&fake, 0, 0);
    let id = opened(&daemon, "");
    let made = until(&daemon, "a work item is made for it", &id, |it| !it["issue"].is_null());
    let number = number_of(&made);
    assert_eq!((made["issue"]["integration"].as_str(), made["assignee"].as_str()), (Some("large"), None));
    let search = daemon.get("/api/v1/integrations/large/search?field=externalIssue&query=p0-r0").json();
    println!("{:<44} {}", "a search finds it", search["items"]);
    assert_eq!(search["items"][0]["value"], number.to_string());

    fake.change_work_item("large", number, &[("System.AssignedTo", Some(ADA))]);
    until(&daemon, "Ada takes it in the tracker", &id, |it| it["assignee"] == "ada");
    let given = daemon.post(&format!("/api/v1/incidents/{id}/assign"), r#"{"person": "ben"}"#);
    assert_eq!(given.status, 200, "{}", given.body);
    show("it is given to Ben through the API", &given.json());
    wait_for("Ben in the tracker", || {
        item(&fake, number).field("System.AssignedTo").filter(|who| who.contains(BEN)).map(drop)
    });
    fake.change_work_item("large", number, &[("System.AssignedTo", None)]);
    until(&daemon, "nobody has it in the tracker", &id, |it| it["assignee"].is_null());
    fake.change_work_item("large", number, &[("System.AssignedTo", Some(BEN))]);
    until(&daemon, "Ben takes it back there", &id, |it| it["assignee"] == "ben");
    fake.change_work_item("large", number, &[("System.State", Some("Resolved"))]);
    let handled = until(&daemon, "he says that it is done", &id, |it| !it["handled_at"].is_null());
    assert_eq!(handled["state"], "open", "access is not back");
    fake.change_work_item("large", number, &[("System.State", Some("Active"))]);
    until(&daemon, "he sees that it is not", &id, |it| it["handled_at"].is_null());

    restore(&fake, 0, 0);
    until(&daemon, "access is back", &id, |it| it["state"] == "resolved");
    let closed = until(&daemon, "and its work item is closed", &id, |it| {
        matches!(it["issue"]["state"].as_str(), Some("Resolved" | "Closed" | "Done"))
    });
    assert_eq!((number_of(&closed), closed["assignee"].as_str()), (number, Some("ben")));
    assert_eq!(item(&fake, number).state(), closed["issue"]["state"].as_str().unwrap_or_default());

    // The next time it is another incident, and another work item, since that one is done.
    delete(&fake, 0, 0);
    let next = opened(&daemon, &id);
    let again = until(&daemon, "another work item is made", &next, |it| !it["issue"].is_null());
    assert_ne!(number_of(&again), number);
    daemon.stop();
    assert_eq!(fake.tracker("large", |tracker| tracker.items.len()), 2);
}
