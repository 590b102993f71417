//! What goes wrong below HTTP, and in bodies.

use std::io::ErrorKind;
use std::time::{Duration, Instant};

use hyper::Method;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::*;
use crate::fake::{Answer, Kind, Match};

/// How long silence is listened to.
const A_WHILE: Duration = Duration::from_millis(100);

/// What a bare connection reads before it ends, and how it ends.
async fn raw(fake: &Fake) -> (String, Result<(), ErrorKind>) {
    let mut stream = TcpStream::connect(fake.address()).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    let mut read = Vec::new();
    let ended = stream.read_to_end(&mut read).await.map(|_| ()).map_err(|error| error.kind());
    (String::from_utf8_lossy(&read).into_owned(), ended)
}

#[tokio::test]
async fn connections_end_as_told() {
    let fake = Fake::start(World::contoso()).await;
    for (case, answer, head, part, ended) in [
        ("close", Answer::close(), false, "", Ok(())),
        ("reset", Answer::reset(), false, "", Err(ErrorKind::ConnectionReset)),
        ("cut off", Answer::cut_off("{\"id\":", 900), true, "{\"id\":", Ok(())),
        ("broken chunks", Answer::broken_chunks("{\"id\":"), true, "{\"id\":", Ok(())),
        (
            "reset in body",
            Answer::reset_in_body("{\"id\":"),
            true,
            "{\"id\":",
            Err(ErrorKind::ConnectionReset),
        ),
    ] {
        fake.fault(Match::any().once(), answer);
        let (text, end) = raw(&fake).await;
        assert_eq!(text.starts_with("HTTP/1.1 200 OK\r\n"), head, "{case}: {text}");
        assert!(text.contains(part), "{case}: {text}");
        assert_eq!(end, ended, "{case}");
        assert!(!text.ends_with("0\r\n\r\n"), "{case}: {text}");
    }
}

#[tokio::test]
async fn broken_answers_are_errors_through_tls_and_tunnel_too() {
    let (fake, client) = contoso_by_proxy().await;
    for answer in [
        Answer::close(),
        Answer::reset(),
        Answer::cut_off("{", 10),
        Answer::broken_chunks("{"),
        Answer::reset_in_body("{"),
    ] {
        fake.fault(Match::any(), answer.clone());
        let outcome = match as_reader(client.get(storefront())).send().await {
            Ok(response) => response.bytes().await.map(|_| ()),
            Err(error) => Err(error),
        };
        assert!(outcome.is_err(), "{answer:?}");
        fake.clear_faults();
    }
    assert_eq!(send(as_reader(client.get(storefront()))).await.0, 200);
}

#[tokio::test]
async fn silence_lasts_until_the_client_gives_up() {
    let fake = Fake::start(World::contoso()).await;
    let client = direct(&fake);
    // A request that was given up may arrive all the same, so no rule is for one request alone.
    fake.fault(Match::any(), Answer::hang());
    assert!(timeout(A_WHILE, client.get(fake.http_base()).send()).await.is_err());
    fake.clear_faults();
    fake.fault(Match::any(), Answer::stalled_body("{"));
    let response = client.get(fake.http_base()).send().await.unwrap();
    assert!(timeout(A_WHILE, response.bytes()).await.is_err());
    fake.clear_faults();
    let asked = Instant::now();
    fake.fault(Match::any(), Answer::from_world().after(Duration::from_millis(30)));
    assert_eq!(send(client.get(fake.http_base())).await.0, 404);
    assert!(asked.elapsed() >= Duration::from_millis(30));
}

#[tokio::test]
async fn tunnels_can_be_refused() {
    let (fake, client) = contoso_by_proxy().await;
    for answer in [Answer::status(502), Answer::status(407), Answer::reset()] {
        fake.fault(Match::any().method(Method::CONNECT).once(), answer);
        assert!(as_reader(client.get(storefront())).send().await.is_err());
    }
    let late = Answer::from_world().after(Duration::from_millis(1));
    fake.fault(Match::any().method(Method::CONNECT).once(), late);
    assert_eq!(send(as_reader(client.get(storefront()))).await.0, 200);
    assert_eq!(fake.counters().of(Kind::Connect), 4);
}

#[tokio::test]
async fn bodies_can_be_anything() {
    let fake = Fake::start(World::contoso()).await;
    let client = direct(&fake);
    let fetch = async |answer: Answer| {
        fake.fault(Match::any().once(), answer);
        client.get(fake.http_base()).bearer_auth("a-secret").send().await.unwrap()
    };
    let big = fetch(Answer::oversized(3_000_000)).await;
    assert!(big.content_length().is_none());
    assert_eq!(big.bytes().await.unwrap().len(), 3_000_001);
    let bytes = fetch(Answer::not_utf8()).await.bytes().await.unwrap();
    assert!(std::str::from_utf8(&bytes).is_err());
    let bomb = builder(&fake).no_gzip().build().unwrap();
    fake.fault(Match::any().once(), Answer::gzip_bomb(20_000_000));
    let packed = bomb.get(fake.http_base()).send().await.unwrap();
    assert!(packed.content_length().unwrap() < 100_000);
    assert_eq!(fetch(Answer::gzip_bomb(20_000_000)).await.bytes().await.unwrap().len(), 20_000_000);
    for body in ["", "null", "[]", "42", "{}"] {
        assert_eq!(fetch(Answer::claimed_json(200, body)).await.text().await.unwrap(), body);
    }
    let page = fetch(Answer::e4()).await.text().await.unwrap();
    assert!(page.starts_with("\r\n") && page.contains("_signin"));
}

#[tokio::test]
async fn credentials_are_echoed_raw_and_decoded() {
    let (fake, client) = contoso_by_proxy().await;
    fake.fault(Match::any().once(), Answer::echo_authorization(500));
    let response = as_reader(client.get(storefront())).send().await.unwrap();
    assert_eq!(response.status(), 500);
    assert!(response.headers()["x-echo"].to_str().unwrap().starts_with("Basic "));
    assert!(response.headers()["x-echo-decoded"].to_str().unwrap().ends_with(contoso::PAT));
    assert!(response.text().await.unwrap().contains(contoso::PAT));
}

#[tokio::test]
async fn counting_goes_on_without_recording() {
    let (fake, client) = contoso_by_proxy().await;
    send(as_reader(client.get(storefront()))).await;
    assert_eq!(fake.take_requests().len(), 2);
    fake.record(false);
    send(as_reader(client.get(storefront()))).await;
    assert!(fake.requests().is_empty());
    assert_eq!(fake.counters().of(Kind::Repository), 2);
    fake.record(true);
    send(as_reader(client.get(storefront()))).await;
    let recorded = fake.requests_to(|request| request.path.ends_with("/storefront")).pop().unwrap();
    assert_eq!(recorded.query, "api-version=7.1");
    assert_eq!(recorded.header("x-tfs-fedauthredirect"), Some("Suppress"));
    assert_eq!((recorded.host.as_str(), recorded.tls), ("dev.azure.com", true));
    assert!(!recorded.contains(contoso::PAT), "only its base64 is sent");
}
