//! Connections: one listener that takes plain HTTP, TLS and proxy requests apart by their first bytes.
//!
//! Every connection is a task of the tracker and ends with the token. A tunnel is a connection inside a
//! connection and is served by the same code, one layer further in.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Instant;

use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::body::{Body as _, Incoming};
use hyper::header::HOST;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use rustls::server::Acceptor;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::LazyConfigAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::answers::Answer;
use super::body::{Broken, FakeBody};
use super::faults::Faults;
use super::github;
use super::index::Snapshot;
use super::limits::Limits;
use super::recording::{Counters, Kind, Recorded, Recorder};
use super::routes::{Ask, Route, Target, locate, serves};
use super::service;
use super::socket::{ResetSwitch, Socket};
use super::tls::Authority;
use super::tokens::Tokens;
use super::tracker;

/// First byte of a TLS record that holds a handshake message.
const TLS_HANDSHAKE: u8 = 0x16;

pub(crate) struct State {
    pub(crate) snapshot: RwLock<Arc<Snapshot>>,
    pub(crate) tokens: Tokens,
    pub(crate) github: github::Sessions,
    pub(crate) trackers: tracker::Trackers,
    pub(crate) postman: tracker::Postman,
    pub(crate) faults: Faults,
    pub(crate) limits: Limits,
    pub(crate) recorder: Recorder,
    pub(crate) counters: Counters,
    pub(crate) authority: Authority,
    pub(crate) stop: CancellationToken,
    pub(crate) tasks: TaskTracker,
    pub(crate) serves_unknown_hosts: AtomicBool,
}

impl State {
    pub(crate) fn snapshot(&self) -> Arc<Snapshot> {
        self.snapshot.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// What is known of a connection before its first request.
#[derive(Clone)]
struct Link {
    reset: ResetSwitch,
    tls: bool,
    /// The host that a tunnel was opened to.
    tunnel: Option<Arc<str>>,
}

/// Takes connections until the fake is stopped.
pub(crate) async fn accept(state: Arc<State>, listener: TcpListener) {
    while let Some(accepted) = state.stop.run_until_cancelled(listener.accept()).await {
        let Ok((stream, _)) = accepted else {
            // Out of descriptors, most likely: let the connections that hold them come to an end.
            tokio::task::yield_now().await;
            continue;
        };
        state.counters.connection();
        let owned = state.clone();
        state.tasks.spawn(async move {
            owned.stop.run_until_cancelled(connection(owned.clone(), stream)).await;
        });
    }
}

async fn connection(state: Arc<State>, stream: TcpStream) {
    // Answers are small and one after another; waiting to fill a segment would cost 40 ms each.
    let _ = stream.set_nodelay(true);
    let reset = ResetSwitch::default();
    let socket = Socket::new(stream, reset.clone());
    match socket.first_byte().await {
        Ok(Some(TLS_HANDSHAKE)) => serve_tls(state, socket, reset, None).await,
        Ok(Some(_)) => {
            let link = Link { reset, tls: false, tunnel: None };
            serve_http(state, socket, link).await;
        }
        Ok(None) | Err(_) => {}
    }
}

async fn serve_tls<I>(state: Arc<State>, io: I, reset: ResetSwitch, tunnel: Option<Arc<str>>)
where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let Ok(start) = LazyConfigAcceptor::new(Acceptor::default(), io).await else {
        return;
    };
    let named = start.client_hello().server_name().map(str::to_ascii_lowercase);
    let host = tunnel.as_deref().or(named.as_deref()).unwrap_or("localhost");
    // A name that no certificate can carry is no host; the client sees the connection close.
    let Ok(config) = state.authority.config(host) else {
        return;
    };
    // A client that turns the certificate down is what some tests are about.
    let Ok(stream) = start.into_stream(config).await else {
        return;
    };
    state.counters.handshake();
    let link = Link { reset, tls: true, tunnel };
    serve_http(state, stream, link).await;
}

async fn serve_http<I>(state: Arc<State>, io: I, link: Link)
where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(move |request| handle(state.clone(), link.clone(), request));
    // Ends in an error whenever an answer was broken off on purpose.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(io), service).with_upgrades().await;
}

async fn handle(
    state: Arc<State>,
    link: Link,
    request: Request<Incoming>,
) -> Result<Response<FakeBody>, Broken> {
    if request.method() == Method::CONNECT {
        return connect(state, link, request).await;
    }
    let (parts, body) = request.into_parts();
    let body = if body.is_end_stream() {
        Bytes::new()
    } else {
        body.collect().await.map_err(|_| Broken)?.to_bytes()
    };
    let authority = match parts.uri.authority() {
        Some(authority) => authority.as_str(),
        None => parts.headers.get(HOST).and_then(|value| value.to_str().ok()).unwrap_or_default(),
    };
    let host = link.tunnel.as_deref().map_or_else(|| host_of(authority), str::to_owned);
    let ask = Ask {
        method: &parts.method,
        host: &host,
        authority,
        tls: link.tls,
        path: parts.uri.path(),
        query: parts.uri.query().unwrap_or_default(),
        headers: &parts.headers,
        body: &body,
    };
    let answer = answer(&state, &ask);
    answer.wait().await;
    answer.send(&parts.headers, &link.reset).await
}

/// Counts, records and answers a request that is no `CONNECT`.
fn answer(state: &State, ask: &Ask<'_>) -> Answer {
    let snapshot = state.snapshot();
    let target = locate(&snapshot, ask);
    note(state, target.kind(), ask);
    let from_world = || match &target {
        Target::Github(request) => github::answer(&snapshot.world.github, &state.github, ask, request),
        Target::Within(place, Route::Tracker(route)) => tracker::answer(state, &snapshot, ask, place, route),
        _ => service::answer(&snapshot, &state.tokens, ask, &target),
    };
    let counted = state.limits.count(target.kind(), ask);
    let answer = match state.faults.take(ask.method, ask.host, ask.path) {
        _ if let Some(counted) = counted.as_ref().filter(|counted| counted.is_refused()) => {
            state.counters.limit();
            counted.refusal()
        }
        None => from_world(),
        Some(fault) => {
            state.counters.fault();
            fault.resolve(from_world)
        }
    };
    match counted {
        Some(counted) => counted.told_in(answer),
        None => answer,
    }
}

fn note(state: &State, kind: Kind, ask: &Ask<'_>) {
    state.counters.request(kind);
    if state.recorder.is_on() {
        state.recorder.entries().push(Recorded {
            method: ask.method.clone(),
            host: ask.host.to_owned(),
            path: ask.path.to_owned(),
            query: ask.query.to_owned(),
            headers: ask.headers.clone(),
            body: ask.body.clone(),
            tls: ask.tls,
            at: Instant::now(),
        });
    }
}

/// Opens a tunnel and plays the host at its other end.
async fn connect(
    state: Arc<State>,
    link: Link,
    request: Request<Incoming>,
) -> Result<Response<FakeBody>, Broken> {
    let authority = request.uri().authority().map(|authority| authority.as_str().to_owned());
    let authority = authority.unwrap_or_default();
    let host = host_of(&authority);
    let headers = request.headers().clone();
    let ask = Ask {
        method: &Method::CONNECT,
        host: &host,
        authority: &authority,
        tls: link.tls,
        path: "",
        query: "",
        headers: &headers,
        body: &Bytes::new(),
    };
    note(&state, Kind::Connect, &ask);
    if let Some(fault) = state.faults.take(&Method::CONNECT, &host, "") {
        state.counters.fault();
        fault.wait().await;
        if !fault.is_from_world() {
            return fault.send(&headers, &link.reset).await;
        }
    }
    let served = state.serves_unknown_hosts.load(Ordering::Relaxed)
        || serves(&state.snapshot(), &host)
        || state.faults.name_host(&host);
    if !served {
        return Answer::status(502).send(&headers, &link.reset).await;
    }
    let tasks = state.tasks.clone();
    tasks.spawn(tunnel(state, request, link.reset.clone(), host.into()));
    Answer::status(200).send(&headers, &link.reset).await
}

/// Boxed, since a tunnel is served by the code that opens tunnels.
fn tunnel(
    state: Arc<State>,
    request: Request<Incoming>,
    reset: ResetSwitch,
    host: Arc<str>,
) -> Pin<Box<dyn Future<Output = ()> + Send>> {
    Box::pin(async move {
        let stop = state.stop.clone();
        let served = async move {
            if let Ok(upgraded) = hyper::upgrade::on(request).await {
                serve_tls(state, TokioIo::new(upgraded), reset, Some(host)).await;
            }
        };
        stop.run_until_cancelled(served).await;
    })
}

/// The host of an authority: lower case, without port.
fn host_of(authority: &str) -> String {
    let end = match authority.rfind(':') {
        // The colons of an address in brackets are part of it.
        Some(colon) if !authority[colon..].contains(']') => colon,
        _ => authority.len(),
    };
    authority[..end].to_ascii_lowercase()
}
