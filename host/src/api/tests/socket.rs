//! Limits that only a real connection meets.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::fixture::{Fixture, no_pages, sources};
use crate::api::access::Access;
use crate::api::{BindError, Server};
use crate::config::ApiAuth;

/// More than sockets hold by themselves.
const LARGE_METRICS: usize = 64 * 1024 * 1024;

struct Served {
    api: Fixture,
    address: SocketAddr,
    serving: JoinHandle<()>,
}

impl Served {
    async fn start() -> Self {
        let api = Fixture::new();
        let access = Access::with(ApiAuth::Tokens, &[], &[]);
        let server = Server::bind("127.0.0.1:0".parse().unwrap(), access).await.unwrap();
        let address = server.address();
        let serving = tokio::spawn(server.serve(
            sources(&api.daemon, api.ready.subscribe()),
            |_| no_pages(),
            api.stop.clone(),
        ));
        Self { api, address, serving }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// What comes back for these bytes until the connection ends.
    async fn talk(&self, bytes: &[u8]) -> String {
        let mut stream = self.connect().await;
        // A server that has heard enough hangs up.
        let _ = stream.write_all(bytes).await;
        rest(&mut stream).await
    }

    fn get(&self, path: &str) -> String {
        format!("GET {path} HTTP/1.1\r\nhost: {}\r\n", self.address)
    }
}

async fn rest(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let read = async {
        // A reset ends it as well.
        while stream.read_buf(&mut bytes).await.is_ok_and(|read| read > 0) {}
    };
    timeout(Duration::from_secs(60), read).await.expect("the connection should have ended");
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Reads until the text is there.
async fn until(stream: &mut TcpStream, text: &str) {
    let mut seen = Vec::new();
    let read = async {
        while !String::from_utf8_lossy(&seen).contains(text) {
            assert_ne!(stream.read_buf(&mut seen).await.unwrap(), 0, "it ended");
        }
    };
    timeout(Duration::from_secs(60), read).await.expect("it should have come");
}

#[tokio::test]
async fn it_answers_on_the_port_that_was_free() {
    let served = Served::start().await;
    let answer = served.talk(format!("{}connection: close\r\n\r\n", served.get("/livez")).as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("\r\n\r\nok\n"), "{answer}");
    let access = Access::with(ApiAuth::Tokens, &[], &[]);
    let taken = Server::bind(served.address, access).await.err().unwrap();
    assert!(matches!(taken, BindError::Listen { .. }) && taken.to_string().contains("api.listen"), "{taken}");
}

#[tokio::test]
async fn heads_and_bodies_have_their_sizes() {
    let served = Served::start().await;
    let long = format!("{}x: {}\r\n\r\n", served.get("/livez"), "y".repeat(32 * 1024));
    let answer = served.talk(long.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");

    let head = format!("POST /api/v1/check HTTP/1.1\r\nhost: {}\r\n", served.address);
    let body = "x".repeat(200 * 1024);
    let whole = format!("content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    let answer = served.talk((head.clone() + &whole).as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    let chunk = format!("{:x}\r\n{body}\r\n", body.len());
    let chunked =
        format!("content-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n{chunk}0\r\n\r\n");
    let answer = served.talk((head + &chunked).as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
}

#[tokio::test]
async fn who_dawdles_is_hung_up_on() {
    let served = Served::start().await;
    let (mut slow_head, mut idle, mut slow_body, mut silent) =
        (served.connect().await, served.connect().await, served.connect().await, served.connect().await);
    slow_head.write_all(b"GET /livez HTTP/1.1\r\nhost: ").await.unwrap();
    idle.write_all(format!("{}\r\n", served.get("/livez")).as_bytes()).await.unwrap();
    until(&mut idle, "ok\n").await;
    let head = format!("POST /api/v1/check HTTP/1.1\r\nhost: {}\r\n", served.address);
    let head = head + "content-type: application/json\r\ncontent-length: 100\r\n\r\n{";
    slow_body.write_all(head.as_bytes()).await.unwrap();
    // Time passes by itself only while everything waits.
    tokio::time::pause();
    let (slow_head, idle, slow_body, silent) =
        tokio::join!(rest(&mut slow_head), rest(&mut idle), rest(&mut slow_body), rest(&mut silent));
    assert!(!slow_head.contains("200 OK"), "{slow_head}");
    assert_eq!((idle.as_str(), silent.as_str()), ("", ""));
    assert!(slow_body.starts_with("HTTP/1.1 408 "), "{slow_body}");
}

#[tokio::test]
async fn who_takes_nothing_of_an_answer_is_hung_up_on() {
    let served = Served::start().await;
    let mut stream = served.connect().await;
    stream.write_all(format!("{}\r\n", served.get("/metrics")).as_bytes()).await.unwrap();
    until(&mut stream, "HTTP/1.1 200 OK").await;
    tokio::time::pause();
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert!(rest(&mut stream).await.len() < LARGE_METRICS / 2);
}

#[tokio::test]
async fn further_connections_take_the_places_of_those_that_say_nothing() {
    let served = Served::start().await;
    let mut stream = served.connect().await;
    let request = format!("{}accept: text/event-stream\r\n\r\n", served.get("/api/v1/events"));
    stream.write_all(request.as_bytes()).await.unwrap();
    until(&mut stream, ":\n\n").await;
    let mut slow_body = served.connect().await;
    let head = format!("POST /api/v1/check HTTP/1.1\r\nhost: {}\r\n", served.address);
    let head = head + "content-type: application/json\r\ncontent-length: 100\r\n\r\n{";
    slow_body.write_all(head.as_bytes()).await.unwrap();
    let mut held = Vec::new();
    for _ in 0..crate::api::serve::MOST_CONNECTIONS - 2 {
        held.push(served.connect().await);
    }
    for place in 0..3 {
        let answer =
            served.talk(format!("{}connection: close\r\n\r\n", served.get("/livez")).as_bytes()).await;
        assert!(answer.ends_with("ok\n"), "{place}: {answer}");
    }
    assert_eq!(rest(&mut slow_body).await, "");
    let last = held.last_mut().unwrap();
    last.write_all(format!("{}\r\n", served.get("/livez")).as_bytes()).await.unwrap();
    until(last, "ok\n").await;
    served.api.stop.cancel();
    let end = rest(&mut stream).await;
    assert!(end.contains("0\r\n\r\n"), "the stream should be there to the end: {end:?}");
}

#[tokio::test]
async fn who_sends_a_body_slowly_takes_nobodys_turn() {
    let served = Served::start().await;
    let body = r#"{"repositories": ["alpha"]}"#;
    let head = format!("POST /api/v1/check HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n", served.address);
    let head = format!("{head}content-type: application/json\r\ncontent-length: {}\r\n\r\n", body.len());
    let mut slow = Vec::new();
    for _ in 0..crate::api::MOST_REQUESTS {
        let mut stream = served.connect().await;
        stream.write_all(head.as_bytes()).await.unwrap();
        slow.push(stream);
    }
    let request = format!("{}connection: close\r\n\r\n", served.get("/api/v1/repositories"));
    let answer = served.talk(request.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    // They still have time.
    slow[0].write_all(body.as_bytes()).await.unwrap();
    let answer = rest(&mut slow[0]).await;
    assert!(answer.starts_with("HTTP/1.1 202 "), "{answer}");
}

#[tokio::test]
async fn a_stop_ends_streams_and_idle_connections_at_once_and_answers_what_was_asked() {
    let served = Served::start().await;
    let mut stream = served.connect().await;
    let request = format!("{}accept: text/event-stream\r\n\r\n", served.get("/api/v1/events"));
    stream.write_all(request.as_bytes()).await.unwrap();
    until(&mut stream, ":\n\n").await;
    let mut idle = served.connect().await;
    idle.write_all(format!("{}\r\n", served.get("/livez")).as_bytes()).await.unwrap();
    until(&mut idle, "ok\n").await;
    served.api.stop.cancel();
    let end = rest(&mut stream).await;
    assert!(end.contains("0\r\n\r\n"), "the stream should have its proper end: {end:?}");
    assert_eq!(rest(&mut idle).await, "");
    timeout(Duration::from_secs(60), served.serving).await.unwrap().unwrap();
    assert!(TcpStream::connect(served.address).await.is_err());
}
