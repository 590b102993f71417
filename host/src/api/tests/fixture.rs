//! An API in this process, and what it answers.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::BodyExt;
use serde_json::Value;
use tempfile::TempDir;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use crate::alerts::TargetReport;
use crate::api::access::{Access, Gate};
use crate::api::stored::Stored;
use crate::api::view::{Event as ShownEvent, Pages, View};
use crate::api::{Shared, Sources, router};
use crate::config::{self, ApiAuth};
use crate::daemon::fake::{self, Fake};
use crate::daemon::{Entry, Ledger, Seen};
use crate::journal::{Cause, Fingerprint, Incident};
use crate::state::{Event, EventKind, IncidentRow, Save, State, StoredEvent, Writer};
use crate::tracker;
use crate::verdict::{Confirmed, Moment, Reason};

pub(crate) const LISTEN: &str = "127.0.0.1:9477";

/// An API and the daemon behind it.
pub(crate) struct Fixture {
    pub(crate) daemon: Fake,
    pub(crate) journal: Journal,
    pub(crate) ready: watch::Sender<bool>,
    pub(crate) stop: CancellationToken,
    /// How the targets of alerts do.
    pub(crate) alerts: Arc<Mutex<Vec<TargetReport>>>,
    tracker_settings: watch::Sender<Arc<tracker::Settings>>,
    pub(in crate::api) shared: Arc<Shared>,
    router: Router,
}

/// An answer that is there as a whole.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

impl Fixture {
    /// Listening on loopback, without tokens.
    pub(crate) fn new() -> Self {
        Self::listening(LISTEN, Access::with(ApiAuth::Tokens, &[], &[]))
    }

    pub(crate) fn listening(listen: &str, access: Access) -> Self {
        Self::with_world(listen, access, fake::world(REPOSITORIES))
    }

    pub(crate) fn with_world(listen: &str, access: Access, world: crate::prepare::World) -> Self {
        Self::with_pages(listen, access, world, |_| no_pages())
    }

    pub(crate) fn with_pages(
        listen: &str,
        access: Access,
        world: crate::prepare::World,
        pages: impl FnOnce(View) -> Pages,
    ) -> Self {
        let daemon = Fake::start(fake::ledger(world));
        let gate = Arc::new(Gate::new(listen.parse().unwrap(), access).unwrap());
        let (ready, seen_ready) = watch::channel(true);
        let stop = CancellationToken::new();
        let alerts = Arc::new(Mutex::new(Vec::<TargetReport>::new()));
        let told = Arc::clone(&alerts);
        let alerts_of = Box::new(move || told.lock().unwrap().clone());
        let sources = Sources { alerts: alerts_of, ..sources(&daemon, seen_ready) };
        let mut shared = Shared::new(gate, sources, stop.clone());
        let journal = Journal::new();
        shared.stored = Stored(Arc::clone(&journal.state));
        let tracker_settings = watch::Sender::new(settings_of_trackers(""));
        let state = Arc::clone(&journal.state);
        let source = Arc::new(daemon.handle.clone());
        shared.tracker = tracker::Handle::restored(tracker_settings.clone(), source, state).unwrap();
        let shared = Arc::new(shared);
        let pages = pages(View(Arc::clone(&shared)));
        let router = router(Arc::clone(&shared), pages);
        Self { daemon, journal, ready, stop, alerts, tracker_settings, shared, router }
    }

    pub(crate) fn gate(&self) -> &Gate {
        &self.shared.gate
    }

    /// The answer as it begins.
    pub(crate) async fn send(&self, request: Request<Body>) -> Response<Body> {
        self.router.clone().oneshot(request).await.unwrap()
    }

    pub(crate) async fn answer(&self, request: Request<Body>) -> Answer {
        let (parts, body) = self.send(request).await.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
        Answer { status: parts.status, headers: parts.headers, body }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.answer(request("GET", path).body(Body::empty()).unwrap()).await
    }

    pub(crate) async fn post(&self, path: &str, body: &str) -> Answer {
        let request = request("POST", path).header("content-type", "application/json");
        self.answer(request.body(Body::from(body.to_owned())).unwrap()).await
    }

    /// The names of the items of a page, which has to be one.
    pub(crate) async fn names(&self, query: &str) -> Vec<String> {
        let answer = self.get(&format!("/api/v1/repositories?{query}")).await;
        assert_eq!(answer.status, 200, "{query}: {}", answer.body);
        names(&answer.body)
    }

    /// Has a repository confirmed for a reason, at a second.
    pub(crate) fn confirm(&self, name: &str, reason: Reason, second: u64) {
        self.daemon.change(|ledger| {
            let index = ledger.index(name).unwrap();
            let entry = &mut ledger.entries[index];
            entry.standing.confirmed = Some(Confirmed { reason, since: at(second) });
            see(entry, reason, second);
        });
    }

    /// Has a repository checked, with nothing confirmed.
    pub(crate) fn check(&self, name: &str, reason: Reason, second: u64) {
        self.daemon.change(|ledger| {
            let index = ledger.index(name).unwrap();
            see(&mut ledger.entries[index], reason, second);
        });
    }

    /// Has a configuration with these people.
    pub(crate) fn know(&self, people: &str) {
        self.tracker_settings.send_replace(settings_of_trackers(people));
    }

    /// The id of an open incident, by its fingerprint.
    pub(crate) fn incident_id(&self, fingerprint: &str) -> String {
        self.daemon.handle.read(|ledger| self::incident(ledger, fingerprint).id.clone())
    }

    /// Has an open incident followed, as if that had come about.
    pub(crate) fn follow(&self, fingerprint: &str, change: impl FnOnce(&mut tracker::Record)) {
        let incident = self.daemon.handle.read(|ledger| self::incident(ledger, fingerprint).clone());
        self.shared.tracker.plant(&incident, change);
    }

    /// Opens an incident for these repositories; its fingerprint.
    pub(crate) fn open_incident(&self, reason: Reason, names: &[&str], second: u64) -> String {
        let print = Fingerprint::new("acme", reason, Cause::of(reason), names[0]);
        self.daemon.change(|ledger| {
            ledger.incidents.failed(&print, "it is so", at(second));
            for name in names {
                ledger.incidents.hold(&print.digest());
                let index = ledger.index(name).unwrap();
                ledger.entries[index].incident = Some(print.digest().into());
            }
        });
        print.digest()
    }
}

fn incident<'a>(ledger: &'a Ledger, fingerprint: &str) -> &'a Incident {
    ledger.incidents.open().find(|incident| incident.fingerprint == fingerprint).unwrap()
}

fn settings_of_trackers(config: &str) -> Arc<tracker::Settings> {
    Arc::new(tracker::Settings::of(&config::of_text(config)))
}

/// An issue as it is kept, with these values.
pub(crate) fn link(more: Value) -> tracker::Link {
    let mut link = serde_json::json!({
        "integration": "acme", "key": "31", "read_at": at(5), "project": "Shop", "kind": "Bug",
        "title": "Voucher", "state": "New", "url": "https://dev.azure.com/acme/_workitems/edit/31",
    });
    link.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    serde_json::from_value(link).unwrap()
}

/// An API by itself.
pub(crate) fn no_pages() -> Pages {
    Pages { routes: Router::new(), around: Box::new(|router| router) }
}

pub(crate) fn sources(daemon: &Fake, ready: watch::Receiver<bool>) -> Sources {
    let state = Arc::new(State::open_read_only(std::path::Path::new("/nonexistent/state.db")).unwrap());
    let settings = watch::Sender::new(settings_of_trackers(""));
    let tracker = tracker::Handle::restored(settings, Arc::new(daemon.handle.clone()), state).unwrap();
    Sources {
        tracker,
        handle: daemon.handle.clone(),
        stored: Arc::new(State::open_read_only(std::path::Path::new("/nonexistent/state.db")).unwrap()),
        ready,
        metrics: Box::new(|| "forgewatch_build_info 1\n".to_owned()),
        alerts: Box::new(Vec::new),
    }
}

fn see(entry: &mut Entry, reason: Reason, second: u64) {
    let detail = "as seen".into();
    let at = at(second);
    entry.seen =
        Some(Seen { reason, detail, http_status: Some(200), retry_after_s: None, at, took_us: 1500 });
}

type Labels = &'static [(&'static str, &'static str)];

const REPOSITORIES: [(&str, Labels); 5] = [
    ("alpha", &[("team", "payments"), ("tier", "1")]),
    ("beta", &[("team", "payments")]),
    ("Gamma/Übersicht web", &[("team", "web"), ("url", "a:b")]),
    ("delta", &[]),
    ("epsilon", &[]),
];

pub(crate) fn request(method: &str, path: &str) -> axum::http::request::Builder {
    Request::builder().method(method).uri(path).header("host", LISTEN)
}

pub(crate) fn names(page: &Value) -> Vec<String> {
    let items = page["items"].as_array().unwrap().iter();
    items.map(|item| item["name"].as_str().unwrap().to_owned()).collect()
}

pub(crate) fn at(second: u64) -> Moment {
    (std::time::UNIX_EPOCH + std::time::Duration::from_secs(second)).into()
}

/// An entry of the journal as the API shows it.
pub(crate) fn event(second: u64, payload: Value) -> ShownEvent {
    StoredEvent {
        seq: 1,
        id: "event".to_owned(),
        kind: EventKind::Generic,
        at: at(second).into(),
        integration: None,
        repository: None,
        fingerprint: None,
        payload,
    }
    .into()
}

/// A state with a journal, written behind the API's back.
pub(crate) struct Journal {
    folder: TempDir,
    state: Arc<State>,
}

impl Journal {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let state = Arc::new(State::open(&folder.path().join("state.db")).unwrap());
        Self { folder, state }
    }

    /// Appends an event; its number.
    pub(crate) fn append(&self, kind: EventKind, repository: &str) -> i64 {
        let seq = self.state.last_seq().unwrap() + 1;
        let event = Event {
            id: format!("event-{seq}"),
            kind,
            at: at(seq.unsigned_abs()).into(),
            integration: Some("acme".to_owned()),
            repository: Some(repository.to_owned()),
            fingerprint: None,
            payload: serde_json::json!({ "note": "line\nbreak" }),
        };
        self.state.append(&event).unwrap();
        seq
    }

    /// Appends what became of an incident of this cause.
    pub(crate) fn note(&self, fingerprint: &str, payload: Value) {
        let seq = self.state.last_seq().unwrap() + 1;
        let event = Event {
            id: format!("note-{seq}"),
            kind: EventKind::Generic,
            at: at(seq.unsigned_abs()).into(),
            integration: Some("acme".to_owned()),
            repository: None,
            fingerprint: Some(fingerprint.to_owned()),
            payload,
        };
        self.state.append(&event).unwrap();
    }

    /// Appends a transition.
    pub(crate) fn change(&self, repository: &str, second: u64, from: Option<&str>, to: &str) {
        let event = Event {
            id: format!("transition-{second}"),
            kind: EventKind::Generic,
            at: at(second).into(),
            integration: Some("acme".to_owned()),
            repository: Some(repository.to_owned()),
            fingerprint: None,
            payload: serde_json::json!({
                "generic": "transition", "from": { "reason": from }, "to": { "reason": to }, "detail": "it is so",
            }),
        };
        self.state.append(&event).unwrap();
    }

    pub(crate) async fn keep(&self, incidents: Vec<IncidentRow>) {
        let writer = Writer::start(&self.folder.path().join("state.db")).unwrap();
        writer.submit(Save { incidents, ..Save::default() });
        writer.flush().await.unwrap();
    }

    /// Deletes these events.
    pub(crate) fn forget(&self, seqs: std::ops::RangeInclusive<i64>) {
        let connection = rusqlite::Connection::open(self.folder.path().join("state.db")).unwrap();
        let query = "DELETE FROM events WHERE seq BETWEEN ?1 AND ?2";
        connection.execute(query, (seqs.start(), seqs.end())).unwrap();
    }
}
