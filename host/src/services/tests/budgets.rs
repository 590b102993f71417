//! What is not sent, to stay within what a forge allows.

use forgewatch_plugin_api::{Failure, Reason};
use tokio::time::Instant;

use super::server::{Reply, answer};
use super::*;
use crate::services::budget::{Left, Room};
use crate::services::call::{self, CallRecord};

/// A server whose first answer has these headers, and every other none.
async fn telling(first: &'static [&'static str]) -> Server {
    Server::start(move |_, number| answer(200, if number == 0 { first } else { &[] }, "")).await
}

async fn asked(integration: &Arc<IntegrationServices>, url: &str) -> Result<(), Failure> {
    let record = Arc::new(CallRecord::default());
    integration.http(&authenticated(url), Some(&record)).await.map(drop)
}

/// A call that nobody waits for, and what was noted of it.
async fn asked_by_nobody(
    integration: &Arc<IntegrationServices>,
    url: &str,
) -> (Result<(), Failure>, Arc<CallRecord>) {
    let record = Arc::new(CallRecord::default());
    let noted = Arc::clone(&record);
    let call = call::scope(Arc::clone(&record), async move {
        integration.http(&authenticated(url), Some(&noted)).await.map(drop)
    });
    (call::unattended(call).await, record)
}

#[tokio::test]
async fn a_limit_that_is_used_up_is_told_with_its_end_and_nothing_is_sent() {
    let server = telling(&[
        "date: Wed, 12 Feb 2025 09:20:00 GMT",
        "x-ratelimit-limit: 5000",
        "x-ratelimit-remaining: 0",
        "x-ratelimit-reset: 1739352600",
        "x-ratelimit-resource: core",
    ])
    .await;
    let integration = Fixture::new().integration(&server.url(""), pat());
    asked(&integration, &server.url("repos/a/b")).await.unwrap();
    let failure = asked(&integration, &server.url("repos/a/b")).await.unwrap_err();
    assert_eq!(failure.reason(), Reason::RATE_LIMITED);
    let wait = failure.retry_after_s().unwrap();
    assert!((590..=600).contains(&wait), "{wait}");
    let (before, rest) = failure.detail().split_once(" until ").unwrap();
    assert_eq!(
        before,
        "`127.0.0.1` allows identity `bot` 5000 requests in a window of time (`core`), and none is left"
    );
    let (time, after) = rest.split_once(": ").unwrap();
    assert_eq!(after, "nothing was sent");
    let until = humantime::parse_rfc3339(time).unwrap();
    let ahead = until.duration_since(std::time::SystemTime::now()).unwrap().as_secs();
    assert!((585..=600).contains(&ahead), "{ahead}");
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn what_is_kept_is_for_those_who_wait() {
    let server = telling(&["ratelimit-limit: 10", "ratelimit-remaining: 1", "ratelimit-reset: 30"]).await;
    let integration = Fixture::new().integration(&server.url(""), pat());
    asked(&integration, &server.url("x")).await.unwrap();
    let (refused, record) = asked_by_nobody(&integration, &server.url("x")).await;
    let refused = refused.unwrap_err();
    assert_eq!(refused.reason(), Reason::RATE_LIMITED);
    assert!(refused.detail().contains("is kept for what somebody waits for"), "{}", refused.detail());
    let seen = record.seen();
    assert!(seen.held_back && seen.requests == 0 && seen.retry_after_s == Some(30), "{seen:?}");
    asked(&integration, &server.url("x")).await.unwrap();
}

#[tokio::test]
async fn a_rest_that_an_answer_asks_for_holds_the_identity_everywhere_at_this_forge() {
    let server = telling(&["retry-after: 37"]).await;
    let (fixture, identity) = (Fixture::new(), pat());
    let services = fixture.services();
    let integration = fixture.integration_of(&services, &server.url(""), identity.clone());
    let second = fixture.integration_of(&services, &server.url("another/"), identity);
    let stranger = fixture.integration_of(&services, &server.url(""), pat());
    asked(&integration, &server.url("x")).await.unwrap();
    for integration in [&integration, &second] {
        let failure = asked(integration, &server.url("y/z")).await.unwrap_err();
        assert_eq!(failure.reason(), Reason::RATE_LIMITED);
        assert!(
            failure.detail().starts_with("`127.0.0.1` wants no further request of identity `bot` before ")
        );
        assert!(matches!(integration.budget().unwrap().room(Instant::now()), Room::Until(_)));
    }
    asked(&stranger, &server.url("x")).await.unwrap();
    // It has no credential, so it is another's business.
    integration.http(&Request::get(server.url("x")), None).await.unwrap();
}

#[tokio::test]
async fn at_first_one_request_goes_ahead_and_the_others_know_from_its_answer() {
    let server = Server::start(|_, number| {
        let left = format!("x-ratelimit-remaining: {}", 4_usize.saturating_sub(number));
        answer(200, &["x-ratelimit-limit: 5", &left, "x-ratelimit-reset: 60"], "")
    })
    .await;
    let integration = Fixture::new().integration(&server.url(""), pat());
    let url = server.url("x");
    let calls = (0..50).map(|_| asked(&integration, &url));
    let answered = futures_util::future::join_all(calls).await.iter().filter(|it| it.is_ok()).count();
    assert_eq!((answered, server.requests().len()), (5, 5));
}

#[tokio::test]
async fn nobody_waits_long_for_an_answer_that_does_not_come() {
    let server = Server::start(|_, number| match number {
        0 => Reply::Hang(Vec::new()),
        _ => answer(200, &[], ""),
    })
    .await;
    let integration = Fixture::new().integration(&server.url(""), pat());
    let (url, start) = (server.url("x"), Instant::now());
    let first = asked(&integration, &url);
    let others = async { futures_util::future::join_all((0..5).map(|_| asked(&integration, &url))).await };
    tokio::select! {
        biased;
        _ = first => panic!("it has no answer"),
        others = others => assert!(others.iter().all(Result::is_ok)),
    }
    assert!(start.elapsed() < std::time::Duration::from_secs(8));
}

#[tokio::test]
async fn what_is_left_is_shown_and_outlasts_a_reload() {
    let server =
        telling(&["x-ratelimit-limit: 60", "x-ratelimit-remaining: 41", "x-ratelimit-reset: 60"]).await;
    let fixture = Fixture::new();
    let services = fixture.services();
    let integration = fixture.integration_of(&services, &server.url(""), None);
    assert!(integration.budget().unwrap().left(Instant::now()).is_none());
    integration.http(&Request::get(server.url("x")), None).await.unwrap();
    let next = fixture.services().following(&services);
    let next = fixture.integration_of(&next, &server.url(""), None);
    let Left { limit, remaining, resets_at } = next.budget().unwrap().left(Instant::now()).unwrap();
    assert_eq!((limit, remaining), (Some(60), 41));
    assert!(resets_at.is_some());
    assert!(fixture.integration("no URL", None).budget().is_none());
}
