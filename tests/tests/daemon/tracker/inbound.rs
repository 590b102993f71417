//! What the tracker delivers, over real HTTP, and what becomes of incidents.

mod assignees;
mod attacks;
mod rows;
mod states;

use std::time::SystemTime;

use forgewatch::state::{State, SubscriptionRow};
use forgewatch_tests::ask::{Reply, send};
use forgewatch_tests::daemon::Daemon;
use forgewatch_tests::fake::{Delivery, Fake, Subscription, Tracker};
use forgewatch_tests::process::wait_for;
use forgewatch_tests::sandbox::Sandbox;
use forgewatch_tests::watchlist::Watchlist;
use serde_json::{Value, json};

use crate::support::{delete, large, until_granted};

const ACCOUNT: &str = "1a46e000-5e1f-4b0a-9c3d-000000000001";
const OTHER_ACCOUNT: &str = "c0470500-5e1f-4b0a-9c3d-00000000c001";
const PROJECT: &str = "1a46e000-0000-4000-8000-000000000000";
const SECRET: &str = "planted-secret-of-the-large-account";
const OTHER_SECRET: &str = "planted-secret-of-another-account-x";
const WEBHOOKS: &str = "/api/v1/webhooks/vsts";
const ADA: &str = "ada@contoso.example";
const BEN: &str = "ben@contoso.example";
const ASSIGNED_TO: &str = "System.AssignedTo";
const STATE: &str = "System.State";

/// A daemon with a subscription, and with an incident for each of some repositories. All of them have the work item 31.
struct Scene {
    fake: Fake,
    sandbox: Sandbox,
    daemon: Daemon,
    incidents: Vec<String>,
}

/// Repositories of `large`, each with its team, and who can have their incidents. The integration `also` is of the same
/// account, `other` of another one.
fn list(teams: &[&str]) -> Watchlist {
    let of_account = format!("external_id = {ACCOUNT:?}");
    let in_capitals = format!("external_id = {:?}", ACCOUNT.to_uppercase());
    let mut list = Watchlist::large(1, teams.len())
        .integration("large", "https://dev.azure.com/large/", &in_capitals)
        .integration("also", "https://large.visualstudio.com/", &of_account)
        .integration("other", "https://dev.azure.com/contoso/", &format!("external_id = {OTHER_ACCOUNT:?}"))
        .set("defaults.interval", r#""500ms""#)
        .table("people.ada", "emails = [\"Ada@Contoso.Example\"]\nteams = [\"shop\", \"tools\"]")
        .table("people.ben", &format!("emails = [\"ben@elsewhere.example\", {BEN:?}]\nteams = [\"shop\"]"));
    for (number, team) in teams.iter().enumerate() {
        let (name, on_forge) = (format!("p0-r{number}"), format!("repository-{number}"));
        list = list.repository(
            &name,
            "large",
            "project-0",
            &on_forge,
            &format!("labels = {{ team = {team:?} }}"),
        );
    }
    list
}

impl Scene {
    /// With an incident for a repository of each of these teams.
    #[track_caller]
    fn new(teams: &[&str]) -> Self {
        Self::with(teams, |_| "large".to_owned())
    }

    /// The same where the issue of each incident is reached through an integration.
    #[track_caller]
    fn with(teams: &[&str], integration: impl Fn(usize) -> String) -> Self {
        let fake = large(1, teams.len());
        fake.tracker("large", |tracker| tracker.add(PROJECT, "Bug", "lost"));
        let sandbox = list(teams).sandbox(&fake);
        let daemon = Daemon::start(&sandbox);
        until_granted(&daemon, teams.len());
        let mut incidents = Vec::new();
        for number in 0..teams.len() {
            delete(&fake, 0, number);
            let open = daemon.until("another incident", |records| {
                let open = records.open_incidents();
                (open.len() > number).then_some(open)
            });
            let repository = format!("p0-r{number}");
            let found = open.into_iter().find(|incident| incident["repository"] == *repository);
            incidents.push(found.expect("the repository's own"));
        }
        let state = daemon.records().path().clone();
        daemon.stop();
        let records = incidents.iter().enumerate().map(|(number, incident)| {
            (text(&incident["id"]), Some(followed(incident, teams[number], &integration(number)).to_string()))
        });
        let state = State::open(&state).expect("a state");
        state.save_followed(false, &records.collect::<Vec<_>>()).expect("it can be written");
        for (integration, secret) in [("large", SECRET), ("other", OTHER_SECRET)] {
            state.add_subscription(&subscription_of(integration, secret)).expect("it can be written");
        }
        drop(state);
        let daemon = Daemon::start(&sandbox);
        let url = format!("http://{}{WEBHOOKS}", daemon.address());
        fake.tracker("large", |tracker| subscribe(tracker, url));
        Self {
            fake,
            sandbox,
            daemon,
            incidents: incidents.iter().map(|incident| text(&incident["id"])).collect(),
        }
    }

    /// What is followed of an incident, as the state has it.
    fn record(&self, number: usize) -> Value {
        let query = "SELECT record FROM followed WHERE incident = ?1";
        let row = self
            .daemon
            .records()
            .open()
            .query_row(query, [&self.incidents[number]], |row| row.get::<_, String>(0));
        serde_json::from_str(&row.expect("it is followed")).expect("JSON")
    }

    fn assignee(&self, number: usize) -> Option<String> {
        self.record(number)["assignee"].as_str().map(str::to_owned)
    }

    fn is_handled(&self, number: usize) -> bool {
        !self.record(number)["handled_at"].is_null()
    }

    /// Changes fields of the work item at the tracker; the delivery that it makes.
    fn change(&self, fields: &[(&str, Option<&str>)]) -> Delivery {
        let number = self.fake.tracker("large", |tracker| tracker.deliveries.len());
        self.fake.change_work_item("large", 31, fields);
        self.fake.tracker("large", |tracker| tracker.deliveries[number].clone())
    }

    /// Changes fields of the work item, and waits until what is delivered of it has its answer, which is good.
    #[track_caller]
    fn delivers(&self, fields: &[(&str, Option<&str>)]) {
        let number = self.fake.tracker("large", |tracker| tracker.deliveries.len());
        self.change(fields);
        self.answered(number, 1);
    }

    /// Waits until an attempt to deliver has its answer, which is good.
    #[track_caller]
    fn answered(&self, delivery: usize, attempt: usize) {
        let answer = wait_for("an answer", || {
            self.fake
                .tracker("large", |tracker| tracker.deliveries[delivery].answers.get(attempt - 1).copied())
        });
        assert_eq!(answer, Some(200), "{}", self.daemon.errors());
    }

    /// Has a delivery sent once more, which has so many attempts then, and waits for its answer.
    #[track_caller]
    fn again(&self, delivery: usize, attempt: usize) {
        self.fake.deliver("large", delivery);
        self.answered(delivery, attempt);
    }

    /// Posts as somebody may.
    fn post(&self, path: &str, headers: &[&str], body: &str) -> Reply {
        send(self.daemon.address(), "POST", path, headers, body).expect("it answers")
    }

    /// Posts with the right secret; the answer's status and the incidents that it names.
    fn proven(&self, body: &str) -> (u16, Vec<String>) {
        let secret = format!("shared-secret: {SECRET}");
        let reply = self.post(WEBHOOKS, &[&secret, "content-type: application/json"], body);
        let incidents = reply.json()["incidents"].as_array().cloned().unwrap_or_default();
        (reply.status, incidents.iter().map(text).collect())
    }

    /// The events of the journal of a kind, once there are so many.
    #[track_caller]
    fn noted(&self, what: &str, count: usize) -> Vec<Value> {
        let events = self.daemon.until(what, |records| {
            let events = records.generic(what);
            (events.len() >= count).then_some(events)
        });
        events.into_iter().map(|event| event.payload).collect()
    }
}

fn followed(incident: &Value, team: &str, integration: &str) -> Value {
    json!({
        "incident": incident,
        "labels": { "team": team },
        "by_hand": true,
        "issue": {
            "integration": integration, "key": "31", "project": PROJECT, "kind": "Bug", "title": "lost",
            "state": "New", "read_at": incident["first_seen"],
            "assignee_mark": { "revision": 1 }, "state_mark": { "revision": 1 },
        },
    })
}

fn subscription_of(integration: &str, secret: &str) -> SubscriptionRow {
    SubscriptionRow {
        number: 0,
        integration: integration.to_owned(),
        project: None,
        url: "http://127.0.0.1/api/v1/webhooks/vsts".to_owned(),
        secret: secret.into(),
        id: Some("1".to_owned()),
        made_at: SystemTime::now(),
    }
}

fn subscribe(tracker: &mut Tracker, url: String) {
    tracker.subscriptions.push(Subscription {
        id: "c0470500-5e1f-4b0a-9c3d-0000d0000000".to_owned(),
        project: None,
        url,
        headers: vec![("shared-secret".to_owned(), SECRET.to_owned())],
        status: "enabled".to_owned(),
        failures: 0,
    });
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// What a delivery of the account says of the work item at a revision.
fn updated(revision: u64, fields: Value) -> Value {
    json!({
        "eventType": "workitem.updated",
        "resource": { "workItemId": 31, "rev": revision, "fields": fields },
        "resourceContainers": { "collection": { "id": ACCOUNT }, "project": { "id": PROJECT } },
    })
}
