//! What was asked of the fake: every request while recording is on, and counters that never stop.
//!
//! Recordings keep credentials as they came, so that a test can look for a secret where it must not be.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use bytes::Bytes;
use hyper::{HeaderMap, Method};

/// One request as it arrived.
#[derive(Clone, Debug)]
pub struct Recorded {
    /// The verb; `CONNECT` for the opening of a tunnel.
    pub method: Method,
    /// Host in lower case, without port: of the tunnel if there is one, else of the request.
    pub host: String,
    /// Path with its percent-encoding untouched; empty for `CONNECT`.
    pub path: String,
    /// Query without the question mark, untouched; empty if there is none.
    pub query: String,
    /// Headers, credentials included.
    pub headers: HeaderMap,
    /// The whole body.
    pub body: Bytes,
    /// Whether the request came over TLS.
    pub tls: bool,
    /// When its head and body had been read.
    pub at: Instant,
}

impl Recorded {
    /// The first value of a header, if it is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Whether `needle` occurs anywhere in the request: target, header values or body.
    pub fn contains(&self, needle: &str) -> bool {
        let within = |bytes: &[u8]| bytes.windows(needle.len()).any(|window| window == needle.as_bytes());
        needle.is_empty()
            || self.host.contains(needle)
            || self.path.contains(needle)
            || self.query.contains(needle)
            || self.headers.values().any(|value| within(value.as_bytes()))
            || within(&self.body)
    }
}

/// What a request was for, as far as counting goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// One repository, by name or id.
    Repository,
    /// The repositories of a project or an organisation.
    RepositoryList,
    /// Projects, one or many.
    Projects,
    /// Who the credential belongs to.
    ConnectionData,
    /// Look-up of base URLs.
    ResourceAreas,
    /// What a clone URL points to.
    RemoteInfo,
    /// Work items, one by one, and their states.
    WorkItems,
    /// The search for work items.
    Search,
    /// Subscriptions to events.
    Hooks,
    /// A token endpoint.
    Token,
    /// The opening of a tunnel.
    Connect,
    /// Nothing the fake knows.
    Other,
}

const KINDS: usize = Kind::Other as usize + 1;

/// Totals since the start, kept whether recording is on or off.
#[derive(Debug, Default)]
pub struct Counters {
    requests: AtomicU64,
    connections: AtomicU64,
    handshakes: AtomicU64,
    faulted: AtomicU64,
    limited: AtomicU64,
    kinds: [AtomicU64; KINDS],
}

impl Counters {
    /// Requests of all kinds, `CONNECT` included.
    pub fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    /// TCP connections taken.
    pub fn connections(&self) -> u64 {
        self.connections.load(Ordering::Relaxed)
    }

    /// TLS handshakes completed.
    pub fn handshakes(&self) -> u64 {
        self.handshakes.load(Ordering::Relaxed)
    }

    /// Requests that a fault rule answered or delayed.
    pub fn faulted(&self) -> u64 {
        self.faulted.load(Ordering::Relaxed)
    }

    /// Requests that were refused for a limit.
    pub fn limited(&self) -> u64 {
        self.limited.load(Ordering::Relaxed)
    }

    /// Requests of one kind, faulted ones included.
    pub fn of(&self, kind: Kind) -> u64 {
        self.kinds[kind as usize].load(Ordering::Relaxed)
    }

    pub(crate) fn request(&self, kind: Kind) {
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.kinds[kind as usize].fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn connection(&self) {
        self.connections.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn handshake(&self) {
        self.handshakes.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn limit(&self) {
        self.limited.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn fault(&self) {
        self.faulted.fetch_add(1, Ordering::Relaxed);
    }
}

pub(crate) struct Recorder {
    on: AtomicBool,
    entries: Mutex<Vec<Recorded>>,
}

impl Recorder {
    pub(crate) fn new() -> Self {
        Self { on: AtomicBool::new(true), entries: Mutex::default() }
    }

    pub(crate) fn is_on(&self) -> bool {
        self.on.load(Ordering::Relaxed)
    }

    pub(crate) fn switch(&self, on: bool) {
        self.on.store(on, Ordering::Relaxed);
    }

    pub(crate) fn entries(&self) -> MutexGuard<'_, Vec<Recorded>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
