//! What incidents bring into a tracker, and what comes back from it.

mod loops;
mod races;
mod troubles;

use forgewatch_tests::daemon::Daemon;
use forgewatch_tests::fake::{Fake, Recorded, WorkItem};
use forgewatch_tests::process::wait_for;
use forgewatch_tests::sandbox::Sandbox;
use forgewatch_tests::watchlist::Watchlist;
use serde_json::{Value, json};

use crate::support::{delete, large, restore, until_granted};

const PROJECT: &str = "1a46e000-0000-4000-8000-000000000000";
const ADA: &str = "ada@contoso.example";
const BEN: &str = "ben@contoso.example";

/// Repositories, and people who can have their incidents; without a tracker.
fn list(count: usize) -> Watchlist {
    Watchlist::large(1, count)
        .set("defaults.interval", r#""300ms""#)
        .set("public_url", r#""https://watch.example.org/""#)
        .table("providers.vsts", "allow_write = true\nallow_hosts = [\"almsearch.dev.azure.com\"]")
        .table("people.ada", &format!("emails = [{ADA:?}]"))
        .table("people.ben", &format!("emails = [\"ben@elsewhere.example\", {BEN:?}]"))
}

/// The same with one, in the first project.
fn tracked(count: usize) -> Watchlist {
    list(count).table("trackers.ops", OPS)
}

const OPS: &str = "integration = \"large\"\nproject = \"project-0\"";

/// A daemon before a fake.
struct Scene {
    fake: Fake,
    sandbox: Sandbox,
    daemon: Daemon,
}

impl Scene {
    /// All of so many repositories are granted.
    #[track_caller]
    fn start(list: &Watchlist, count: usize) -> Self {
        let fake = large(1, count);
        let sandbox = list.sandbox(&fake);
        let daemon = Daemon::start(&sandbox);
        until_granted(&daemon, count);
        Self { fake, sandbox, daemon }
    }

    /// Loses a repository; the incident.
    #[track_caller]
    fn lose(&self, repository: usize) -> Value {
        delete(&self.fake, 0, repository);
        let name = format!("p0-r{repository}");
        self.daemon.until("an incident", |records| {
            records.open_incidents().into_iter().find(|incident| incident["repository"] == *name)
        })
    }

    fn item(&self, number: u64) -> WorkItem {
        self.fake.tracker("large", |tracker| tracker.item(number).clone())
    }

    fn items(&self) -> usize {
        self.fake.tracker("large", |tracker| tracker.items.len())
    }

    /// Adds a work item that says this.
    fn add(&self, description: &str) -> u64 {
        self.fake.tracker("large", |tracker| {
            let number = tracker.add(PROJECT, "Bug", "known");
            let item = tracker.items.get_mut(&number).expect("it is there");
            item.fields.insert("System.Description".to_owned(), description.to_owned());
            number
        })
    }

    /// What is followed of an incident, once it is like this.
    #[track_caller]
    fn until_followed(&self, incident: &Value, is_so: impl Fn(&Value) -> bool) -> Value {
        let id = text(&incident["id"]);
        self.daemon.until("what is to be followed", |records| {
            let query = "SELECT record FROM followed WHERE incident = ?1";
            let row = records.open().query_row(query, [&id], |row| row.get::<_, String>(0));
            row.ok().map(|row| serde_json::from_str(&row).expect("JSON")).filter(|record| is_so(record))
        })
    }

    /// Waits until the issue of an incident is there and nothing is owed to it.
    #[track_caller]
    fn until_told(&self, incident: &Value) -> Value {
        self.until_followed(incident, |record| {
            let owed = &record["owed"];
            let is_told = ["greeting", "assignee", "end"].iter().all(|what| owed[*what] == false);
            !record["issue"].is_null() && record["issue"]["writing"].is_null() && is_told
        })
    }

    /// Waits until a work item is like this.
    #[track_caller]
    fn until_item(&self, number: u64, is_so: impl Fn(&WorkItem) -> bool) -> WorkItem {
        self.daemon.until("such a work item", |_| {
            let item = self.fake.tracker("large", |tracker| tracker.items.get(&number).cloned());
            item.filter(|item| is_so(item))
        })
    }

    /// Changes what is followed of an incident, as another start finds it.
    #[track_caller]
    fn edit(self, incident: &Value, change: impl FnOnce(&mut Value)) -> Self {
        let mut record = self.until_told(incident);
        change(&mut record);
        let path = self.daemon.records().path().clone();
        self.daemon.stop();
        let state = forgewatch::state::State::open(&path).expect("a state");
        let row = (text(&incident["id"]), Some(record.to_string()));
        state.save_followed(false, &[row]).expect("it is saved");
        drop(state);
        Self { daemon: Daemon::start(&self.sandbox), ..self }
    }
}

/// Requests that write to work items: made or changed.
fn writes(fake: &Fake) -> Vec<Recorded> {
    fake.requests_to(|request| {
        request.path.contains("/_apis/wit/") && (request.method == "POST" || request.method == "PATCH")
    })
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn is_closed(item: &WorkItem) -> bool {
    ["Resolved", "Closed"].contains(&item.state())
}

#[test]
fn an_incident_has_one_issue_that_is_closed_when_access_is_back() {
    let scene = Scene::start(&tracked(2), 2);
    let incident = scene.lose(0);
    let record = scene.until_told(&incident);
    assert_eq!((&record["issue"]["key"], &record["issue"]["state"]), (&json!("31"), &json!("New")));
    let item = scene.item(31);
    assert_eq!(item.field("System.Title"), Some("No access to p0-r0: not_found"));
    assert_eq!((item.kind.as_str(), item.field("System.Tags")), ("Bug", Some("forgewatch")));
    let description = item.field("System.Description").expect("a description");
    for part in [
        &text(&incident["id"]),
        &text(&incident["fingerprint"]),
        &format!("https://watch.example.org/incidents/{}", text(&incident["id"])),
        "What to do: look whether it was moved, deleted or locked",
        "Repositories without access: 1",
    ] {
        assert!(description.contains(part), "no {part:?} in {description}");
    }
    restore(&scene.fake, 0, 0);
    until_granted(&scene.daemon, 2);
    let item = scene.until_item(31, is_closed);
    let said = item.comments.last().expect("a comment");
    assert!(said.contains("Access is back") && said.contains(&text(&incident["id"])), "{said}");
    scene.until_told(&incident);
    for (what, by) in [("incident_linked", json!("made")), ("issue_closed", Value::Null)] {
        let event = scene.daemon.until(what, |records| records.generic(what).pop());
        assert_eq!((&event.payload["issue"], &event.payload["by"]), (&json!("31"), &by));
    }
    // Another start has nothing to add, and the next incident of the same cause has an issue of its own.
    scene.daemon.stop();
    let daemon = Daemon::start(&scene.sandbox);
    let scene = Scene { daemon, ..scene };
    let other = scene.lose(0);
    assert_eq!(scene.until_told(&other)["issue"]["key"], "32");
    assert_eq!((scene.items(), scene.item(31).rev), (2, 2));
    assert_eq!(writes(&scene.fake).len(), 3);
}

#[test]
fn an_open_issue_of_the_same_cause_is_found_and_told_once() {
    let scene = Scene::start(&list(1), 1);
    let incident = scene.lose(0);
    let print = text(&incident["fingerprint"]);
    let done = scene.add(&format!("this was {print}"));
    let open = scene.add(&format!("and this is {print}"));
    scene.fake.change_work_item("large", done, &[("System.State", Some("Closed"))]);
    scene.fake.change_work_item("large", open, &[("System.AssignedTo", Some(ADA))]);
    tracked(1).write(&scene.sandbox);
    scene.daemon.reload();
    let record = scene.until_told(&incident);
    assert_eq!((&record["issue"]["key"], &record["assignee"]), (&json!(open.to_string()), &json!("ada")));
    assert_eq!((scene.items(), scene.item(done).comments.len()), (2, 0));
    let item = scene.item(open);
    assert_eq!((item.comments.len(), item.state()), (1, "New"));
    assert!(item.comments[0].contains("Forgewatch follows this for the incident"), "{:?}", item.comments);
    assert!(item.field("System.AssignedTo").expect("it stays").contains(ADA));
    scene.daemon.stop();
    let daemon = Daemon::start(&scene.sandbox);
    let scene = Scene { daemon, ..scene };
    restore(&scene.fake, 0, 0);
    let item = scene.until_item(open, is_closed);
    assert_eq!(item.comments.len(), 2, "{:?}", item.comments);
    assert_eq!(writes(&scene.fake).len(), 2);
}

#[test]
fn an_issue_of_two_incidents_is_closed_with_the_last_of_them() {
    let scene = Scene::start(&list(2), 2);
    let (one, other) = (scene.lose(0), scene.lose(1));
    let number = scene.add(&format!("{} and {}", text(&one["fingerprint"]), text(&other["fingerprint"])));
    tracked(2).write(&scene.sandbox);
    scene.daemon.reload();
    scene.until_told(&one);
    scene.until_told(&other);
    assert_eq!((scene.items(), scene.item(number).comments.len()), (1, 2));
    restore(&scene.fake, 0, 0);
    let item = scene.until_item(number, |item| item.comments.len() == 3);
    assert!(item.comments[2].contains("Another incident of this issue goes on"), "{:?}", item.comments);
    assert_eq!(item.state(), "New");
    scene.until_told(&one);
    restore(&scene.fake, 0, 1);
    assert_eq!(scene.until_item(number, is_closed).comments.len(), 4);
}

#[test]
fn who_has_an_incident_has_its_issue_by_the_first_address_that_is_taken() {
    let scene = Scene::start(&tracked(1), 1);
    let incident = scene.lose(0);
    let scene = scene.edit(&incident, |record| {
        record["assignee"] = "ben".into();
        record["owed"]["assignee"] = true.into();
    });
    let has = |mail: &'static str| {
        move |item: &WorkItem| item.field("System.AssignedTo").is_some_and(|who| who.contains(mail))
    };
    scene.until_item(31, has(BEN));
    let record = scene.until_told(&incident);
    assert_eq!(record["assignee"], "ben");
    let scene = scene.edit(&incident, |record| {
        record["assignee"] = Value::Null;
        record["owed"]["assignee"] = true.into();
    });
    scene.until_item(31, |item| item.field("System.AssignedTo").is_none());
    // Whom nobody there knows has the incident all the same.
    tracked(1).table("people.eve", "emails = [\"eve@elsewhere.example\"]").write(&scene.sandbox);
    let scene = scene.edit(&incident, |record| {
        record["assignee"] = "eve".into();
        record["owed"]["assignee"] = true.into();
    });
    scene.daemon.tells("the issue is not given to whoever has the incident", 1);
    assert_eq!(scene.until_told(&incident)["assignee"], "eve");
    assert_eq!(scene.item(31).field("System.AssignedTo"), None);
}
