//! Deliveries of which nothing is proven. What is, is in the stories.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::SystemTime;

use axum::Router;
use axum::body::Body;
use axum::http::Response;
use bytes::Bytes;
use futures_util::stream;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use super::fixture::{Fixture, LISTEN, no_pages, request, sources};
use crate::api::access::{Access, Gate};
use crate::api::{Shared, Sources, router};
use crate::config::{self, ApiAuth};
use crate::daemon::fake::{self, Fake};
use crate::state::{State, SubscriptionRow};
use crate::tracker;

const SECRET: &str = "a-secret-of-a-subscription";

/// An API with a state, in which an integration has a subscription. The plugin of `acme` cannot be called.
struct Api {
    router: Router,
    /// Answers while it is there.
    _daemon: Fake,
    folder: TempDir,
}

impl Api {
    fn subscribed(integration: &str) -> Self {
        let folder = TempDir::new().unwrap();
        let state = Arc::new(State::open(&folder.path().join("state.db")).unwrap());
        state.add_subscription(&subscription(integration)).unwrap();
        let daemon = Fake::start(fake::ledger(fake::world([])));
        let settings = watch::Sender::new(Arc::new(tracker::Settings::of(&config::of_text(""))));
        let handle = Arc::new(daemon.handle.clone());
        let tracker = tracker::Handle::restored(settings, handle, state).unwrap();
        let gate = Gate::new(LISTEN.parse().unwrap(), Access::with(ApiAuth::Tokens, &[], &[])).unwrap();
        let sources = Sources { tracker, ..sources(&daemon, watch::channel(true).1) };
        let shared = Shared::new(Arc::new(gate), sources, CancellationToken::new());
        Self { router: router(Arc::new(shared), no_pages()), _daemon: daemon, folder }
    }

    /// Posts a body; the answer as a whole, and whether the body was looked at.
    async fn post(&self, path: &str, secret: Option<&str>) -> (Response<Bytes>, bool) {
        let is_read = Arc::new(AtomicBool::new(false));
        let reader = Arc::clone(&is_read);
        let body = stream::once(async move {
            reader.store(true, Ordering::Relaxed);
            Ok::<_, Infallible>(Bytes::from_static(b"{}"))
        });
        let request = request("POST", path);
        let request = secret.into_iter().fold(request, |it, secret| it.header("shared-secret", secret));
        let request = request.body(Body::from_stream(body)).unwrap();
        let (parts, body) = self.router.clone().oneshot(request).await.unwrap().into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        (Response::from_parts(parts, bytes), is_read.load(Ordering::Relaxed))
    }
}

fn subscription(integration: &str) -> SubscriptionRow {
    SubscriptionRow {
        number: 0,
        integration: integration.to_owned(),
        project: None,
        url: "https://watch.example.org/api/v1/webhooks/vsts".to_owned(),
        secret: SECRET.into(),
        id: None,
        made_at: SystemTime::now(),
    }
}

#[tokio::test]
async fn what_is_not_proven_is_not_read_and_has_one_answer() {
    let api = Api::subscribed("an integration that is not configured");
    let (first, is_read) = api.post("/api/v1/webhooks/vsts", None).await;
    assert_eq!((first.status().as_u16(), is_read), (401, false));
    let body: Value = serde_json::from_slice(first.body()).unwrap();
    assert_eq!(body["error"]["code"], "unauthorized");
    for (path, secret) in [
        ("/api/v1/webhooks/vsts", Some(SECRET)),
        ("/api/v1/webhooks/nobody", Some(SECRET)),
        ("/api/v1/webhooks/%FF", None),
        ("/api/v1/webhooks/vsts?x=1", None),
    ] {
        let (answer, is_read) = api.post(path, secret).await;
        assert_eq!((answer.status(), answer.headers()), (first.status(), first.headers()), "{path}");
        assert_eq!((answer.body(), is_read), (first.body(), false), "{path}");
    }
}

#[tokio::test]
async fn a_provider_whose_plugin_says_nothing_is_asked_later() {
    let api = Api::subscribed("acme");
    let (answer, is_read) = api.post("/api/v1/webhooks/vsts", Some(SECRET)).await;
    let says_when = answer.headers().contains_key("retry-after");
    assert_eq!((answer.status().as_u16(), is_read, says_when), (503, false, true));
    assert_eq!(api.post("/api/v1/webhooks/nobody", Some(SECRET)).await.0.status(), 401);
}

#[tokio::test]
async fn deliveries_wait_for_a_state_that_cannot_be_read() {
    let api = Api::subscribed("acme");
    let state = rusqlite::Connection::open(api.folder.path().join("state.db")).unwrap();
    state.execute("DROP TABLE subscriptions", []).unwrap();
    let (answer, is_read) = api.post("/api/v1/webhooks/nobody", Some(SECRET)).await;
    assert_eq!((answer.status().as_u16(), is_read), (503, false));
}

#[tokio::test]
async fn the_document_says_what_is_sent_and_what_comes_back() {
    let api = Fixture::new();
    let document = api.get("/api/v1/openapi.json").await.body;
    let route = &document["paths"]["/api/v1/webhooks/{name}"]["post"];
    let statuses: Vec<_> = route["responses"].as_object().unwrap().keys().cloned().collect();
    assert_eq!(statuses, ["200", "400", "401", "403", "408", "413", "421", "503"]);
    assert_eq!(route["security"], json!([]));
    assert_eq!(route["requestBody"]["content"], json!({ "*/*": { "schema": {} } }));
    assert_eq!(route["parameters"][0]["name"], "name");
}
