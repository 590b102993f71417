//! The daemon's HTTP side: probes, metrics, and the API with its document.
//!
//! - It shows what the ledger and the state say and hands on what is asked for; it decides and keeps nothing.
//! - Whatever clients send ends in an answer of one shape; their number, their time and what they hold are limited.
//! - Pages for people are made elsewhere, of what `view` gives, and served behind the same guard.
//! - Absent: TLS and HTTP/2, which are for a proxy in front of it, and permission for other origins.

mod access;
mod alerts;
mod answer;
mod commands;
mod desks;
mod error;
mod events;
mod guard;
mod incidents;
mod input;
mod integrations;
mod openapi;
mod page;
mod plugins;
mod probes;
mod repositories;
mod route;
mod search;
mod serve;
mod status;
mod stored;
#[cfg(test)]
pub(crate) mod tests;
mod tracking;
pub(crate) mod view;
mod webhooks;

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

use axum::Router;
use axum::middleware::from_fn;
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::spawn_blocking;
use tokio_util::sync::CancellationToken;

pub use access::{Access, Admissible, Gate, Unprotected};
pub(crate) use access::{Known, Scope};
pub(crate) use answer::response;

use crate::alerts::TargetReport;
use crate::daemon::{Handle, Ledger};
use crate::state::State;
use crate::tracker;
use error::Error;
use openapi::Documents;
use route::Routes;
use stored::Stored;
use view::{Pages, View};

/// Requests that are answered at once; further ones wait.
const MOST_REQUESTS: usize = 64;
/// Streams of events that are open at once.
const MOST_STREAMS: usize = 64;

/// Connections that the system holds until they are taken. What it has no room for is tried again after a second.
const MOST_NOT_TAKEN: u32 = 4096;

/// Where the API gets what it shows.
pub struct Sources {
    /// The daemon.
    pub handle: Handle,
    /// The state, for reading.
    pub stored: Arc<State>,
    /// Whether the daemon does its work.
    pub ready: watch::Receiver<bool>,
    /// The metrics as Prometheus reads them. May take a while.
    pub metrics: Box<dyn Fn() -> String + Send + Sync>,
    /// How the targets of alerts do.
    pub alerts: Box<dyn Fn() -> Vec<TargetReport> + Send + Sync>,
    /// What incidents have to do with people and trackers.
    pub tracker: tracker::Handle,
}

/// A socket that is listened on, and who may come in.
pub struct Server {
    listener: TcpListener,
    gate: Arc<Gate>,
}

/// Why the API cannot be there.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// The address cannot be had.
    #[error("cannot listen on {listen}: choose another `api.listen`, or end what listens there")]
    Listen {
        /// The address.
        listen: SocketAddr,
        /// Why not.
        source: io::Error,
    },
    /// Anybody could use it.
    #[error(transparent)]
    Unprotected(#[from] Unprotected),
}

/// The address that a client's connection comes from.
#[derive(Clone, Copy)]
pub(crate) struct Peer(pub(crate) SocketAddr);

/// What all requests share.
struct Shared {
    gate: Arc<Gate>,
    handle: Handle,
    stored: Stored,
    ready: watch::Receiver<bool>,
    metrics: Box<dyn Fn() -> String + Send + Sync>,
    alerts: Box<dyn Fn() -> Vec<TargetReport> + Send + Sync>,
    tracker: tracker::Handle,
    document: OnceLock<Documents>,
    requests: Arc<Semaphore>,
    streams: Arc<Semaphore>,
    of_trackers: desks::Turns,
    stop: CancellationToken,
}

impl Server {
    /// Listens, so that what stands in the way is told before anything runs. Connections wait until it serves.
    ///
    /// # Errors
    ///
    /// The address cannot be had, or anybody who reaches it could use the API.
    pub async fn bind(listen: SocketAddr, access: Access) -> Result<Self, BindError> {
        let gate = Gate::new(listen, access)?;
        let failed = |source| BindError::Listen { listen, source };
        let listener = listener(listen).map_err(failed)?;
        let gate = Arc::new(gate.at(listener.local_addr().map_err(failed)?));
        Ok(Self { listener, gate })
    }

    /// The address, with the port that was free where none was chosen.
    pub fn address(&self) -> SocketAddr {
        self.gate.listen()
    }

    /// Who may come in; a reload replaces that.
    pub fn gate(&self) -> Arc<Gate> {
        Arc::clone(&self.gate)
    }

    /// Answers until `stop`; then streams end at once, and requests under way have a few seconds. Cancelling it ends
    /// everything at once.
    pub(crate) async fn serve(
        self,
        sources: Sources,
        pages: impl FnOnce(View) -> Pages,
        stop: CancellationToken,
    ) {
        let shared = Arc::new(Shared::new(self.gate, sources, stop.clone()));
        let pages = pages(View(Arc::clone(&shared)));
        serve::serve(self.listener, router(shared, pages), stop).await;
    }
}

impl Shared {
    fn new(gate: Arc<Gate>, sources: Sources, stop: CancellationToken) -> Self {
        let Sources { handle, stored, ready, metrics, alerts, tracker } = sources;
        Self {
            gate,
            handle,
            stored: Stored(stored),
            ready,
            metrics,
            alerts,
            tracker,
            document: OnceLock::new(),
            requests: Arc::new(Semaphore::new(MOST_REQUESTS)),
            streams: Arc::new(Semaphore::new(MOST_STREAMS)),
            of_trackers: desks::Turns::default(),
            stop,
        }
    }

    /// Waits until there is room for one more request.
    async fn turn(&self) -> Option<OwnedSemaphorePermit> {
        // Nobody closes the semaphore.
        Arc::clone(&self.requests).acquire_owned().await.ok()
    }

    /// A place for one more stream of events.
    fn stream(&self) -> Result<OwnedSemaphorePermit, Error> {
        Arc::clone(&self.streams).try_acquire_owned().map_err(|_| {
            Error::unavailable(format!(
                "there are {MOST_STREAMS} streams of events already, which is all there may be"
            ))
        })
    }

    /// Looks at all of the ledger, on a thread that may be busy for a while.
    async fn look<T: Send + 'static>(
        self: &Arc<Self>,
        look: impl FnOnce(&Ledger) -> T + Send + 'static,
    ) -> Result<T, Error> {
        let handle = self.handle.clone();
        spawn_blocking(move || handle.read(look)).await.map_err(|error| Error::internal(&error))
    }
}

fn listener(listen: SocketAddr) -> io::Result<TcpListener> {
    let socket = if listen.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // The connections of a daemon that has just ended do not keep the next one out.
    socket.set_reuseaddr(true)?;
    socket.bind(listen)?;
    socket.listen(MOST_NOT_TAKEN)
}

/// All routes behind the guard.
fn router(shared: Arc<Shared>, pages: Pages) -> Router {
    let mut routes = Routes::new(Arc::clone(&shared));
    probes::add(&mut routes, shared.gate.is_on_loopback());
    status::add(&mut routes);
    repositories::add(&mut routes);
    integrations::add(&mut routes);
    search::add(&mut routes);
    plugins::add(&mut routes);
    incidents::add(&mut routes);
    alerts::add(&mut routes);
    tracking::add(&mut routes);
    events::add(&mut routes);
    commands::add(&mut routes);
    webhooks::add(&mut routes);
    let router = routes.finish().merge(pages.routes);
    let router = router.fallback(route::nowhere).method_not_allowed_fallback(route::wrong_method);
    let guard = from_fn(move |request, next| guard::guard(Arc::clone(&shared), request, next));
    (pages.around)(router.layer(guard))
}
