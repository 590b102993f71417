//! What an open page is told.

use axum::body::Body;
use http_body_util::BodyExt;

use super::support::{OPERATOR, READER, TOKENS, browser, get, get_with, guarded, open, sign_in};
use crate::api::Access;
use crate::api::tests::fixture::Fixture;
use crate::config::ApiAuth;
use crate::web::live::MOST;
use crate::web::sessions::MOST_LIVE;

async fn stream(web: &Fixture, cookie: &str) -> Body {
    let request = browser("GET", "/live").header("cookie", cookie).body(Body::empty()).unwrap();
    let answer = web.send(request).await;
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["content-type"], "text/event-stream");
    assert_eq!(answer.headers()["cache-control"], "no-store");
    answer.into_body()
}

/// What comes next; nothing when the stream has ended.
async fn next(stream: &mut Body) -> Option<String> {
    let frame = stream.frame().await?.unwrap().into_data().unwrap();
    Some(String::from_utf8(frame.to_vec()).unwrap())
}

#[tokio::test(start_paused = true)]
async fn an_open_page_is_told_of_news_now_and_then() {
    let web = open(&["alpha"]);
    let mut stream = stream(&web, "").await;
    assert_eq!(next(&mut stream).await.unwrap(), "retry: 5000\n\n");
    let start = tokio::time::Instant::now();
    for _ in 0..3 {
        web.daemon.health.send_modify(|health| health.commits += 1);
        web.daemon.health.send_modify(|health| health.commits += 1);
        assert_eq!(next(&mut stream).await.unwrap(), "event: changed\ndata: 1\n\n");
    }
    assert!(start.elapsed() >= 2 * crate::web::live::CALM, "{:?}", start.elapsed());
    let quiet = tokio::time::Instant::now();
    assert_eq!(next(&mut stream).await.unwrap(), "event: changed\ndata: 1\n\n");
    assert!(quiet.elapsed() >= crate::web::live::LONGEST_SILENCE, "{:?}", quiet.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_stream_ends_with_its_session_and_with_the_daemon() {
    let web = guarded();
    assert_eq!(get(&web, "/live").await.status, 303);
    let mut of_reader = stream(&web, &sign_in(&web, READER).await).await;
    let mut of_operator = stream(&web, &sign_in(&web, OPERATOR).await).await;
    for stream in [&mut of_reader, &mut of_operator] {
        assert!(next(stream).await.is_some());
        assert!(next(stream).await.is_some());
    }
    let fewer = Access::with(ApiAuth::Tokens, &[], &TOKENS[1..]);
    web.gate().replace(web.gate().admissible(fewer).unwrap());
    assert_eq!(next(&mut of_reader).await, None);
    assert!(next(&mut of_operator).await.is_some());
    web.stop.cancel();
    assert_eq!(next(&mut of_operator).await, None);
}

#[tokio::test]
async fn pages_have_places_of_their_own_and_the_api_has_its_own() {
    let web = open(&["alpha"]);
    let mut streams = Vec::new();
    for _ in 0..MOST {
        streams.push(stream(&web, "").await);
    }
    let answer = get(&web, "/live").await;
    assert_eq!((answer.status.as_u16(), answer.headers["retry-after"].to_str().unwrap()), (503, "5"));
    let events = browser("GET", "/api/v1/events").header("accept", "text/event-stream");
    assert_eq!(web.send(events.body(Body::empty()).unwrap()).await.status(), 200);
    streams.pop();
    drop(stream(&web, "").await);
}

#[tokio::test]
async fn one_session_takes_no_places_from_others() {
    let web = guarded();
    let (reader, operator) = (sign_in(&web, READER).await, sign_in(&web, OPERATOR).await);
    let mut streams = Vec::new();
    for _ in 0..MOST_LIVE {
        streams.push(stream(&web, &reader).await);
    }
    let answer = get_with(&web, "/live", &reader).await;
    assert_eq!((answer.status.as_u16(), answer.headers["retry-after"].to_str().unwrap()), (503, "5"));
    drop(stream(&web, &operator).await);
    assert_eq!(get_with(&web, "/", &reader).await.status, 200);
    streams.pop();
    drop(stream(&web, &reader).await);
}
