//! Rows of what started it, by number, from a proven change of an issue on: what becomes of the incidents. What plugins
//! make of deliveries, and what trackers answer, is not in it.

mod assignees;
mod states;

use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use forgewatch_plugin_api::{AssigneeChange, Issue, Person, StateChange, WebhookEvent, WebhookEventKind};
use futures_util::future::BoxFuture;
use tempfile::TempDir;
use tokio::sync::watch;

use super::{Change, MOST_CHANGES};
use crate::alerts::{self, Labels};
use crate::config;
use crate::journal::{Cause, Fingerprint, Incident, Incidents};
use crate::state::{Event, State};
use crate::sweep::Integration;
use crate::tracker::{Desk, Handle, Link, Record, Settings, Source};
use crate::verdict::{Moment, Reason};

const ACME: &str = "acme";
const KEY: &str = "31";
const PEOPLE: &str = r#"
    [people.zoe]
    emails = ["zoe@acme.example", "pair@acme.example"]
    teams = ["shop"]
    [people.ada]
    emails = ["ada@acme.example"]
    teams = ["shop", "tools"]
    [people.ben]
    emails = ["Ben@Acme.example", "pair@acme.example", "ben@old.example"]
    teams = ["shop"]
"#;

/// What is followed, with a daemon that knows no tracker.
struct Followed {
    handle: Handle,
    daemon: Arc<Daemon>,
    incidents: Mutex<Incidents>,
    _folder: TempDir,
}

#[derive(Default)]
struct Daemon(Mutex<Vec<Event>>);

impl alerts::Source for Daemon {
    fn open(&self) -> Vec<Incident> {
        Vec::new()
    }

    fn current(&self, _: &str) -> Option<Incident> {
        None
    }

    fn labels(&self, _: &str) -> Option<Arc<Labels>> {
        None
    }

    fn note(&self, event: Event) -> BoxFuture<'_, ()> {
        self.0.lock().unwrap().push(event);
        Box::pin(async {})
    }
}

impl Source for Daemon {
    fn desk<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Option<Desk>> {
        Box::pin(async { None })
    }

    fn integrations(&self, _: &str) -> Vec<Arc<Integration>> {
        Vec::new()
    }
}

impl Followed {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let state = Arc::new(State::open(&folder.path().join("state.db")).unwrap());
        Self::kept_in(state, folder)
    }

    fn kept_in(state: Arc<State>, folder: TempDir) -> Self {
        let settings = Settings::of(&config::of_text(PEOPLE));
        let daemon = Arc::new(Daemon::default());
        let settings = watch::Sender::new(Arc::new(settings));
        let handle = Handle::restored(settings, Arc::clone(&daemon) as _, state).unwrap();
        Self { handle, daemon, incidents: Mutex::default(), _folder: folder }
    }

    /// Another incident of a team that has the issue, at revision 1; its id.
    fn incident(&self, integration: &str, team: &str) -> String {
        let mut incidents = self.incidents.lock().unwrap();
        let repository = incidents.open().count().to_string();
        let print = Fingerprint::new(integration, Reason::NotFound, Cause::Repository, &repository);
        let incident = incidents.failed(&print, "gone", Moment::now()).1.clone();
        let labels = Labels::from([("team".to_owned(), team.to_owned())]);
        let issue = Issue::new(KEY, "lost", "Bug", "New").with_revision(1);
        let link = Link::new(integration, &issue);
        self.handle.shared.book().follow(&incident, labels, |record| record.issue = Some(link));
        incident.id
    }

    fn record(&self, incident: &str) -> Record {
        self.handle.get(incident).unwrap()
    }

    fn assignee(&self, incident: &str) -> Option<String> {
        self.record(incident).assignee
    }

    fn assign(&self, incident: &str, person: &str) {
        let person = Some(person.to_owned());
        self.handle.shared.book().change(incident, |record| record.assignee = person).unwrap();
    }

    async fn takes(&self, event: WebhookEvent) -> Vec<String> {
        self.take_of(event, &[ACME]).await
    }

    async fn take_of(&self, event: WebhookEvent, integrations: &[&str]) -> Vec<String> {
        let integrations = integrations.iter().map(|name| (*name).to_owned()).collect();
        self.handle.take_in(Change { event, integrations }).await
    }

    /// What was written into the journal since this was asked last.
    fn noted(&self) -> Vec<String> {
        let noted = std::mem::take(&mut *self.daemon.0.lock().unwrap());
        noted.iter().map(|event| event.payload["generic"].as_str().unwrap().to_owned()).collect()
    }
}

fn updated(revision: u64) -> WebhookEvent {
    WebhookEvent::new("account", WebhookEventKind::IssueUpdated).with_issue(KEY).with_revision(revision)
}

fn assigned(revision: u64, email: &str) -> WebhookEvent {
    updated(revision).with_assignee(AssigneeChange::Set(Person::new("Somebody").with_email(email)))
}

fn cleared(revision: u64) -> WebhookEvent {
    updated(revision).with_assignee(AssigneeChange::Cleared)
}

fn moved(revision: u64, old: Option<&str>, new: Option<&str>) -> WebhookEvent {
    updated(revision).with_state(StateChange::new(old.map(str::to_owned), new.map(str::to_owned)))
}

fn at(second: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(second)
}

#[tokio::test]
async fn row_10_1_without_an_issue_nothing_is_done() {
    let followed = Followed::new();
    let incident = followed.incident(ACME, "shop");
    for event in [assigned(2, "ada@acme.example").with_issue(""), {
        let person = Person::new("Ada").with_email("ada@acme.example");
        WebhookEvent::new("account", WebhookEventKind::IssueUpdated)
            .with_assignee(AssigneeChange::Set(person))
    }] {
        assert_eq!(followed.takes(event).await, [""; 0]);
    }
    assert_eq!((followed.assignee(&incident), followed.noted()), (None, vec![]));
}

#[tokio::test]
async fn row_10_2_without_a_project_it_goes_on() {
    let followed = Followed::new();
    let incident = followed.incident(ACME, "shop");
    let event = assigned(2, "ada@acme.example");
    assert_eq!(event.project(), None);
    assert_eq!(followed.takes(event).await, [incident.as_str()]);
}

#[tokio::test]
async fn row_10_3_without_fields_nothing_is_done() {
    let followed = Followed::new();
    let incident = followed.incident(ACME, "shop");
    assert_eq!(followed.takes(updated(2)).await, [""; 0]);
    // It does not count as a change of anything: one that is older than it is taken in.
    assert_eq!(followed.takes(assigned(2, "ada@acme.example")).await, [incident]);
}

#[tokio::test]
async fn row_10_4_whatever_becomes_of_the_one_the_other_is_taken_in() {
    let followed = Followed::new();
    let incident = followed.incident(ACME, "shop");
    // Nobody can say what the states mean.
    let event = moved(2, Some("New"), Some("Closed"));
    let person = Person::new("Ada").with_email("ada@acme.example");
    let taken = followed.takes(event.with_assignee(AssigneeChange::Set(person))).await;
    assert_eq!((taken, followed.assignee(&incident)), (vec![incident], Some("ada".to_owned())));
}

#[tokio::test]
async fn what_there_is_no_room_for_is_read_instead() {
    let followed = Followed::new();
    let incident = followed.incident(ACME, "shop");
    let rooms = Arc::clone(&followed.handle.shared.inbound.changes);
    let all = rooms.acquire_many_owned(u32::try_from(MOST_CHANGES).unwrap()).await.unwrap();
    assert_eq!(followed.takes(assigned(2, "ada@acme.example")).await, [""; 0]);
    assert!(followed.record(&incident).issue.unwrap().is_stale);
    assert_eq!(followed.assignee(&incident), None);
    drop(all);
    // It is news still.
    assert_eq!(followed.takes(assigned(2, "ada@acme.example")).await, [incident]);
}
