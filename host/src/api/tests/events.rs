use std::time::Duration;

use axum::body::{Body, BodyDataStream};
use axum::http::Response;
use futures_util::StreamExt;
use serde_json::{Value, json};
use tokio::time::{Instant, timeout};

use super::fixture::{Fixture, request};
use crate::state::EventKind::{Error, Generic, Transaction};

#[tokio::test]
async fn pages_go_both_ways() {
    let api = Fixture::new();
    for n in 1..=5 {
        api.journal.append(if n % 2 == 0 { Generic } else { Error }, if n < 4 { "alpha" } else { "beta" });
    }
    let cases: &[(&str, &[i64], Option<i64>)] = &[
        ("", &[5, 4, 3, 2, 1], None),
        ("limit=2", &[5, 4], Some(4)),
        ("limit=2&before=4", &[3, 2], Some(2)),
        ("limit=2&before=2", &[1], None),
        ("limit=2&after=0", &[1, 2], Some(2)),
        ("limit=2&after=3", &[4, 5], None),
        ("after=5", &[], None),
        ("kind=generic", &[4, 2], None),
        ("kind=transaction", &[], None),
        ("repository=beta", &[5, 4], None),
        ("repository=alpha&kind=error", &[3, 1], None),
        ("integration=acme&limit=1", &[5], Some(5)),
        ("integration=other", &[], None),
    ];
    for (query, expected, next) in cases {
        let page = api.get(&format!("/api/v1/events?{query}")).await.body;
        let items = page["items"].as_array().unwrap().iter();
        let seqs: Vec<_> = items.map(|item| item["seq"].as_i64().unwrap()).collect();
        assert_eq!((seqs.as_slice(), &page["next"]), (*expected, &json!(next)), "{query}");
    }
}

/// A stream of events as its client sees it.
struct Watched {
    frames: BodyDataStream,
}

impl Watched {
    async fn open(api: &Fixture, query: &str, last: Option<&str>) -> Self {
        let response = Self::try_open(api, query, last).await;
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        let mut watched = Self { frames: response.into_body().into_data_stream() };
        assert_eq!(watched.frame().await.as_deref(), Some(":\n\n"));
        watched
    }

    async fn try_open(api: &Fixture, query: &str, last: Option<&str>) -> Response<Body> {
        let request =
            request("GET", &format!("/api/v1/events?{query}")).header("accept", "text/event-stream");
        let request = last.into_iter().fold(request, |request, last| request.header("last-event-id", last));
        api.send(request.body(Body::empty()).unwrap()).await
    }

    async fn frame(&mut self) -> Option<String> {
        let frame =
            timeout(Duration::from_secs(60), self.frames.next()).await.expect("no frame for a minute");
        frame.map(|frame| String::from_utf8(frame.unwrap().to_vec()).unwrap())
    }

    /// The next event: its id, its name, its data.
    async fn event(&mut self) -> (Option<i64>, String, Value) {
        let frame = self.frame().await.unwrap();
        let field = |name: &str| {
            let prefix = format!("{name}: ");
            frame.lines().find_map(|line| line.strip_prefix(&prefix)).map(str::to_owned)
        };
        let id = field("id").map(|id| id.parse().unwrap());
        (id, field("event").unwrap(), serde_json::from_str(&field("data").unwrap()).unwrap())
    }

    async fn id(&mut self) -> i64 {
        self.event().await.0.unwrap()
    }
}

/// Appends an event and says that it is on disk.
fn happen(api: &Fixture, kind: crate::state::EventKind, repository: &str) {
    let seq = api.journal.append(kind, repository);
    api.daemon.health.send_modify(|health| health.last_seq = seq);
}

#[tokio::test]
async fn a_stream_begins_with_what_is_new_and_resumes_where_it_was() {
    let api = Fixture::new();
    happen(&api, Error, "alpha");
    happen(&api, Error, "alpha");
    let mut fresh = Watched::open(&api, "", None).await;
    happen(&api, Generic, "beta");
    let (id, name, data) = fresh.event().await;
    assert_eq!((id, name.as_str(), &data["repository"]), (Some(3), "generic", &json!("beta")));
    assert_eq!(data["payload"]["note"], "line\nbreak");

    let mut after = Watched::open(&api, "after=1", None).await;
    assert_eq!((after.id().await, after.id().await), (2, 3));
    let mut resumed = Watched::open(&api, "after=0", Some("2")).await;
    assert_eq!(resumed.id().await, 3, "`Last-Event-ID` comes first");
    happen(&api, Error, "alpha");
    assert_eq!((fresh.id().await, after.id().await, resumed.id().await), (4, 4, 4));
}

#[tokio::test]
async fn a_stream_has_what_its_filter_lets_through() {
    let api = Fixture::new();
    let mut watched = Watched::open(&api, "kind=error&repository=alpha", None).await;
    for (kind, repository) in [(Error, "beta"), (Generic, "alpha"), (Transaction, "alpha"), (Error, "alpha")]
    {
        happen(&api, kind, repository);
    }
    assert_eq!(watched.id().await, 4);
}

#[tokio::test]
async fn what_is_not_there_any_more_is_told_first() {
    let api = Fixture::new();
    for _ in 0..4 {
        happen(&api, Error, "alpha");
    }
    api.journal.forget(1..=2);
    for (last, gap, first) in
        [("0", true, 3), ("1", true, 3), ("2", false, 3), ("3", false, 4), ("9", true, 3)]
    {
        let mut watched = Watched::open(&api, "", Some(last)).await;
        if gap {
            let (id, name, data) = watched.event().await;
            let expected = json!({ "requested": last.parse::<i64>().unwrap(), "oldest": 3 });
            assert_eq!((id, name.as_str(), data), (None, "gap", expected), "after {last}");
        }
        assert_eq!(watched.id().await, first, "after {last}");
    }
    for wrong in ["soon", "-1", ""] {
        assert_eq!(Watched::try_open(&api, "", Some(wrong)).await.status(), 400, "{wrong}");
        let page = request("GET", "/api/v1/events").header("last-event-id", wrong);
        assert_eq!(api.answer(page.body(Body::empty()).unwrap()).await.status, 400, "{wrong}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_silent_stream_says_that_it_lives() {
    let api = Fixture::new();
    let mut watched = Watched::open(&api, "", None).await;
    let start = Instant::now();
    assert_eq!(watched.frame().await.as_deref(), Some(":\n\n"));
    assert_eq!(start.elapsed().as_secs(), 15);
    assert_eq!(watched.frame().await.as_deref(), Some(":\n\n"));
}

#[tokio::test]
async fn streams_end_when_the_daemon_stops() {
    let api = Fixture::new();
    let mut watched = Watched::open(&api, "", None).await;
    api.stop.cancel();
    assert_eq!(watched.frame().await, None);
}

#[tokio::test]
async fn there_are_no_more_streams_than_there_may_be() {
    let api = Fixture::new();
    let mut open = Vec::new();
    for _ in 0..crate::api::MOST_STREAMS {
        open.push(Watched::open(&api, "", None).await);
    }
    let refused = Watched::try_open(&api, "", None).await;
    assert_eq!(refused.status(), 503);
    assert!(refused.headers().contains_key("retry-after"));
    open.pop();
    Watched::open(&api, "", None).await;
}

#[tokio::test]
async fn a_stream_reads_no_more_than_its_client_takes() {
    let api = Fixture::new();
    for _ in 0..1000 {
        happen(&api, Error, "alpha");
    }
    let mut watched = Watched::open(&api, "after=0", None).await;
    // Nothing was read ahead: what is deleted by now never comes.
    api.journal.forget(1..=100);
    assert_eq!(watched.id().await, 101);
    // A page was read, and no more.
    api.journal.forget(102..=900);
    for seq in (102..=200).chain([901]) {
        assert_eq!(watched.id().await, seq);
    }
}
