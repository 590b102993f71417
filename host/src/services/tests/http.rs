use std::sync::{Mutex, mpsc};
use std::time::{Duration, SystemTime};

use forgewatch_plugin_api::{BodyState, Method, Reason, Request};
use tokio::task::spawn_blocking;

use super::server::{Nobody, Reply, Server, answer};
use super::*;
use crate::services::call::{CallRecord, Seen};
use crate::services::http::BuildError;

type Script = fn() -> Reply;

/// Answers with each of `replies` in turn.
async fn scripted<const N: usize>(replies: [Script; N]) -> Server {
    Server::start(move |_, number| replies[number.min(N - 1)]()).await
}

#[tokio::test]
async fn only_what_may_help_and_cannot_harm_is_repeated() {
    let ok: Script = || answer(200, &[], "ok");
    let busy: Script = || answer(503, &[], "");
    let wait: Script = || answer(503, &["retry-after: 7"], "");
    let bad_gateway: Script = || answer(502, &[], "");
    let error: Script = || answer(500, &[], "");
    let reset: Script = || Reply::Reset;
    let cases: [(Method, [Script; 4], Option<u16>, usize); 8] = [
        (Method::GET, [busy, bad_gateway, ok, ok], Some(200), 3),
        (Method::HEAD, [reset, busy, ok, ok], Some(200), 3),
        (Method::GET, [busy, busy, busy, ok], Some(503), 3),
        (Method::GET, [reset, reset, reset, ok], None, 3),
        (Method::GET, [wait, ok, ok, ok], Some(503), 1),
        (Method::GET, [error, ok, ok, ok], Some(500), 1),
        (Method::POST, [busy, ok, ok, ok], Some(503), 1),
        (Method::POST, [reset, ok, ok, ok], None, 1),
    ];
    let mut fixture = Fixture::new();
    fixture.allow_write = true;
    for (number, (method, replies, status, requests)) in cases.into_iter().enumerate() {
        let server = scripted(replies).await;
        let integration = fixture.integration(&server.url(""), None);
        let record = CallRecord::default();
        let answer = integration.http(&Request::new(method, server.url("x")), Some(&record)).await;
        match status {
            Some(status) => assert_eq!(answer.unwrap().status(), status, "{number}"),
            None => {
                let failure = answer.unwrap_err();
                assert_eq!(failure.reason(), Reason::UNREACHABLE);
                assert!(failure.detail().contains("connection reset"), "{failure}");
            }
        }
        assert_eq!(server.requests().len(), requests, "{number}");
        assert_eq!(record.seen().requests as usize, requests, "{number}");
    }
}

#[tokio::test]
async fn what_is_named_is_asked_without_the_proxy() {
    let server = Server::start(|_, _| answer(200, &[], "ok")).await;
    let nobody = Nobody::start();
    for (without, is_asked) in [("10.0.0.0/8", false), ("127.0.0.0/8", true), ("127.0.0.1", true)] {
        let mut fixture = Fixture::new();
        fixture.http.proxy = Some(nobody.url(""));
        fixture.http.no_proxy = vec!["corp.example".to_owned(), without.to_owned()];
        let integration = fixture.integration(&server.url(""), None);
        let answer = integration.http(&Request::new(Method::GET, server.url("x")), None).await;
        assert_eq!(answer.is_ok(), is_asked, "{without}");
        let told =
            answer.err().map(|failure| failure.detail().contains("unless `http.no_proxy` has its host"));
        assert_ne!(told, Some(false));
    }
}

#[tokio::test]
async fn a_failure_names_its_cause_and_no_secret() {
    let mut fixture = Fixture::new();
    let nobody = Nobody::start();
    let failure = fixture
        .integration(&nobody.url(""), None)
        .http(&Request::get(nobody.url("closed?token=hidden")), None)
        .await
        .unwrap_err();
    assert!(failure.detail().ends_with("/closed: connection refused"), "{failure}");

    // Too long a label to be asked anybody about.
    let base = format!("http://{}.example/", "a".repeat(64));
    let integration = fixture.integration(&base, None);
    let failure = integration.http(&Request::get(base.as_str()), None).await.unwrap_err();
    assert!(failure.detail().contains(": name resolution failed: "), "{failure}");

    let garbage = Server::start(|_, _| Reply::Bytes(b"SSH-2.0-x\r\n\r\n".to_vec())).await;
    let integration = fixture.integration(&garbage.url(""), None);
    let failure = integration.http(&Request::get(garbage.url("")), None).await.unwrap_err();
    assert!(failure.detail().ends_with("what came back is not HTTP"), "{failure}");

    fixture.http.proxy = Some(nobody.url("").replace("http://", "http://me:pass-word@"));
    assert!(!format!("{:?}", fixture.http).contains("pass-word"));
    let integration = fixture.integration("https://forge.example/", None);
    let failure = integration.http(&Request::get("https://forge.example/"), None).await.unwrap_err();
    let detail = failure.detail();
    assert!(detail.contains("through the proxy") && !detail.contains("pass-word"), "{detail}");
    assert!(
        detail.ends_with("the proxy cannot be reached, check `http.proxy`: connection refused"),
        "{detail}"
    );
}

#[tokio::test(start_paused = true)]
async fn time_outs_cover_the_body_and_are_not_repeated() {
    let mut fixture = Fixture::new();
    fixture.http.timeout = Duration::from_millis(50);
    let (comes, came) = mpsc::channel();
    let came = Arc::new(Mutex::new(came));
    let hanging = |begun: &'static str| {
        let comes = comes.clone();
        Server::start(move |_, _| {
            comes.send(()).unwrap();
            Reply::Hang(begun.into())
        })
    };
    let silent = hanging("").await;
    let slow = hanging("HTTP/1.1 200 X\r\ncontent-length: 9\r\n\r\nabc").await;
    for (server, asked, expected) in [
        (&silent, None, "timed out after 0.05 s"),
        (&silent, Some(Duration::from_secs(99)), "timed out after 0.3 s"),
        (&slow, Some(Duration::from_millis(120)), "timed out after 0.12 s"),
    ] {
        let before = server.requests().len();
        let mut request = Request::get(server.url("x"));
        if let Some(timeout) = asked {
            request = request.with_timeout(timeout);
        }
        let integration = fixture.integration(&server.url(""), None);
        // The clock is not the wall's: while a thread waits, it stands still, so until the server has the request.
        let came = Arc::clone(&came);
        let coming = spawn_blocking(move || came.lock().unwrap().recv_timeout(Duration::from_secs(60)));
        let failure = integration.http(&request, None).await.unwrap_err();
        coming.await.unwrap().unwrap();
        assert_eq!(failure.reason(), Reason::UNREACHABLE);
        assert!(failure.detail().ends_with(expected), "{failure}");
        assert_eq!(server.requests().len(), before + 1);
    }
}

#[tokio::test]
async fn a_body_is_as_large_as_allowed_or_none() {
    // 5,000 times the letter a.
    const PACKED: &[u8] = &[
        31, 139, 8, 0, 0, 0, 0, 0, 2, 3, 237, 193, 49, 1, 0, 0, 0, 194, 160, 172, 235, 95, 194, 20, 126, 64,
        1, 0, 0, 0, 0, 111, 3, 118, 89, 244, 76, 136, 19, 0, 0,
    ];
    let server = Server::start(|request, _| match request.split(' ').nth(1).unwrap() {
        "/packed" => answer(200, &["content-encoding: gzip"], PACKED),
        "/broken" => answer(200, &["content-encoding: gzip"], &PACKED[..20]),
        "/cut" => Reply::Bytes(b"HTTP/1.1 200 X\r\ncontent-length: 100\r\n\r\nabc".to_vec()),
        _ => answer(200, &[], "0123456789"),
    })
    .await;
    let mut fixture = Fixture::new();
    fixture.http.max_response_bytes = 6000;
    let integration = fixture.integration(&server.url(""), None);
    let cases = [
        ("plain", None, BodyState::COMPLETE, 10),
        ("plain", Some(10), BodyState::COMPLETE, 10),
        ("plain", Some(9), BodyState::TOO_LARGE, 0),
        ("packed", None, BodyState::COMPLETE, 5000),
        ("packed", Some(99_999), BodyState::COMPLETE, 5000),
        ("packed", Some(4999), BodyState::TOO_LARGE, 0),
        ("cut", None, BodyState::CUT_OFF, 3),
    ];
    for (path, limit, state, length) in cases {
        let mut request = Request::get(server.url(path));
        if let Some(limit) = limit {
            request = request.with_max_body_bytes(limit);
        }
        let response = integration.http(&request, None).await.unwrap();
        assert_eq!((response.body_state(), response.body().len()), (state, length), "{path} {limit:?}");
    }
    let broken = integration.http(&Request::get(server.url("broken")), None).await.unwrap();
    assert_eq!(broken.body_state(), BodyState::CUT_OFF);
}

#[tokio::test]
async fn redirects_and_odd_headers_come_back_as_they_are() {
    let server = Server::start(|_, _| {
        let Reply::Bytes(bytes) = answer(302, &["location: /elsewhere", "x-odd: ?"], "") else {
            unreachable!()
        };
        Reply::Bytes(bytes.into_iter().map(|byte| if byte == b'?' { 0xff } else { byte }).collect())
    })
    .await;
    let integration = Fixture::new().integration(&server.url(""), None);
    let request = Request::get(server.url("x?y=z")).with_header("x-mine", "1");
    let response = integration.http(&request, None).await.unwrap();
    assert_eq!((response.status(), response.header("Location")), (302, Some("/elsewhere")));
    assert_eq!(response.header("x-odd"), Some("\u{fffd}"));
    let [request] = &server.requests()[..] else { panic!("one request") };
    assert!(request.starts_with("GET /x?y=z HTTP/1.1\r\n"), "{request}");
    for header in ["x-mine: 1", "accept-encoding: gzip", "user-agent: forgewatch/0."] {
        assert!(request.contains(header), "{request}");
    }
    assert!(!request.contains("authorization"));
}

#[tokio::test]
async fn trust_is_the_systems_roots_and_the_ca_file() {
    let server = Server::start_tls(|_, _| answer(200, &[], "ok")).await;
    let fixture = Fixture::new();
    let integration = fixture.integration(&server.url(""), None);
    let failure = integration.http(&Request::get(server.url("")), None).await.unwrap_err();
    assert!(failure.detail().contains("signed by nobody trusted here"), "{failure}");
    assert!(server.requests().is_empty());

    let fixture = fixture.trusting(&server);
    let integration = fixture.integration(&server.url(""), None);
    assert_eq!(integration.http(&Request::get(server.url("")), None).await.unwrap().status(), 200);

    for text in ["", "no certificate", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
        let ca_file = fixture.folder.path().join("bad.pem");
        fs::write(&ca_file, text).unwrap();
        let settings = HttpSettings { ca_file: Some(ca_file), ..HttpSettings::default() };
        assert!(matches!(HttpClient::new(settings, None), Err(BuildError::CaFile { .. })), "{text}");
    }
}

#[tokio::test]
async fn a_call_is_noted() {
    let date = httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(3600));
    let server = Server::start(move |request, _| match request.split(' ').nth(1).unwrap() {
        "/date" => answer(429, &[&format!("retry-after: {date}")], ""),
        path => answer(200, &[&format!("retry-after: {}", &path[1..])], ""),
    })
    .await;
    for (path, status, retry_after_s) in [
        ("37", 200, Some(37)),
        ("0", 200, Some(1)),
        ("99999999999999999999", 200, Some(900)),
        ("date", 429, Some(900)),
        ("soon", 200, None),
    ] {
        // Another time the forge would not be asked before that.
        let integration = Fixture::new().integration(&server.url(""), None);
        let record = CallRecord::default();
        integration.http(&Request::get(server.url(path)), Some(&record)).await.unwrap();
        let Seen { waited, limited_until, .. } = record.seen();
        assert_eq!(limited_until.is_some(), status == 429);
        assert!(waited > Duration::ZERO);
        let expected = Seen {
            http_status: Some(status),
            retry_after_s,
            requests: 1,
            waited,
            limited_until,
            held_back: false,
        };
        assert_eq!(record.seen(), expected, "{path}");
    }
}

#[tokio::test]
async fn requests_are_counted_as_they_go_out() {
    let fixture = Fixture::new();
    let services = fixture.services();
    let traffic = services.traffic();
    let busy: Script = || answer(503, &[], "");
    let ok: Script = || answer(200, &[], "");
    let reset: Script = || Reply::Reset;
    let server = scripted([busy, ok, reset, reset, reset]).await;
    let integration = fixture.integration_of(&services, &server.url(""), None);
    assert!(integration.http(&Request::get(server.url("x")), None).await.is_ok());
    assert!(integration.http(&Request::get(server.url("x")), None).await.is_err());
    let expected = [("1xx", 0), ("2xx", 1), ("3xx", 0), ("4xx", 0), ("5xx", 1), ("error", 3)];
    assert_eq!(traffic.requests()["vsts"], expected);
}

#[tokio::test]
async fn a_request_that_nobody_waits_for_has_no_answer() {
    let mut fixture = Fixture::new();
    fixture.http.timeout = Duration::from_millis(50);
    let services = fixture.services();
    let traffic = services.traffic();
    let server = Server::start(|_, _| Reply::Hang(Vec::new())).await;
    let integration = fixture.integration_of(&services, &server.url(""), None);
    assert!(integration.http(&Request::get(server.url("x")), None).await.is_err());
    assert_eq!(traffic.requests()["vsts"][5], ("error", 1));
}
