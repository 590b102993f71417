//! A fake Azure DevOps, [`github`] and [`gitlab`]: a real server on loopback with their end points, errors and worse.
//!
//! One port is spoken to in three ways:
//!
//! - plain HTTP, at [`Fake::http_base`];
//! - TLS, at [`Fake::https_base`], with a certificate of the authority that [`Fake::ca_pem`] gives;
//! - as an HTTP proxy, at [`Fake::proxy_url`]: `CONNECT dev.azure.com:443` leads to the fake, which plays that
//!   host over TLS with a certificate for its name. No packet leaves the machine.
//!
//! What it serves is a [`World`]; what it does wrong is a list of rules ([`Match`] and [`Answer`]); what it was
//! asked is on record. Real organisations, credentials and wordings occur nowhere.
//!
//! Absent: writing but to work items and their hooks, paging of repositories on Azure DevOps, HTTP/2, and any notion of
//! time there but that of a limit.

mod access;
mod answers;
mod body;
mod catalogue;
pub mod contoso;
mod faults;
pub mod github;
pub mod gitlab;
mod gzip;
mod index;
mod limits;
mod recording;
mod routes;
mod server;
mod service;
mod socket;
mod tls;
mod token_errors;
mod tokens;
mod tracker;
mod version;
mod views;
mod world;

#[cfg(test)]
mod tests;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use answers::Answer;
pub use catalogue::exception;
pub use faults::{Match, Times};
pub use limits::{RateLimit, Spelling};
pub use recording::{Counters, Kind, Recorded};
pub(crate) use tls::Authority;
pub use tls::Presented;
pub use token_errors::TokenError;
pub use tokens::{App, ExpiresIn, Flavour, Rotation};
pub use tracker::{Delivery, People, Revision, Subscription, Tracker, WorkItem, WorkItemKind};
pub use world::{
    Credential, Organisation, Project, Reach, Repository, Scheme, Standing, UnknownAccount, World,
};

use index::Snapshot;
use server::State;

/// A running fake. Stops when it is dropped.
pub struct Fake {
    state: Arc<State>,
    address: SocketAddr,
    /// Where the fake runs if it was not started on the caller's runtime.
    runtime: Option<Runtime>,
}

impl Fake {
    /// Starts serving a world on a free port of loopback, on the caller's tokio runtime.
    ///
    /// # Panics
    /// If no port can be bound or no key can be made.
    pub async fn start(world: World) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("loopback has a free port");
        let address = listener.local_addr().expect("a bound socket has an address");
        let (postman, posts) = mpsc::unbounded_channel();
        let state = Arc::new(State {
            snapshot: RwLock::new(Arc::new(Snapshot::new(world))),
            tokens: tokens::Tokens::default(),
            github: github::Sessions::default(),
            trackers: tracker::Trackers::default(),
            postman,
            faults: faults::Faults::default(),
            limits: limits::Limits::default(),
            recorder: recording::Recorder::new(),
            counters: Counters::default(),
            authority: tls::Authority::new().expect("a certificate authority can be made"),
            stop: CancellationToken::new(),
            tasks: TaskTracker::new(),
            serves_unknown_hosts: AtomicBool::new(false),
        });
        state.tasks.spawn(server::accept(state.clone(), listener));
        state.tasks.spawn(tracker::deliver(state.clone(), posts));
        Self { state, address, runtime: None }
    }

    /// Starts serving a world on a runtime of its own, for callers that are not asynchronous.
    ///
    /// # Panics
    /// Like [`start`](Self::start), and if called from within a runtime.
    pub fn start_blocking(world: World) -> Self {
        let runtime = Runtime::new().expect("a runtime can be made");
        let mut fake = runtime.block_on(Self::start(world));
        fake.runtime = Some(runtime);
        fake
    }

    /// Stops serving and waits until every connection is closed.
    pub async fn stop(self) {
        self.state.stop.cancel();
        self.state.tasks.close();
        self.state.tasks.wait().await;
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// For a client's proxy setting.
    pub fn proxy_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Root of the plain side, with a final slash: `http://127.0.0.1:{port}/`.
    pub fn http_base(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// Root of the TLS side, with a final slash: `https://localhost:{port}/`.
    pub fn https_base(&self) -> String {
        format!("https://localhost:{}/", self.address.port())
    }

    /// The certificate of the fake's authority, as PEM.
    pub fn ca_pem(&self) -> &str {
        self.state.authority.pem()
    }

    /// Writes the certificate of the fake's authority to a file.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn write_ca(&self, path: impl AsRef<Path>) -> io::Result<()> {
        std::fs::write(path, self.ca_pem())
    }

    /// Changes the world. Requests that arrive meanwhile wait; the next answer shows the change.
    pub fn world<T>(&self, change: impl FnOnce(&mut World) -> T) -> T {
        let mut current = self.state.snapshot.write().unwrap_or_else(PoisonError::into_inner);
        let mut world = current.world.clone();
        let result = change(&mut world);
        *current = Arc::new(Snapshot::new(world));
        result
    }

    /// Reads or changes the tracker of an organisation, by its name.
    ///
    /// # Panics
    /// If there is no such organisation.
    #[track_caller]
    pub fn tracker<T>(&self, organisation: &str, work: impl FnOnce(&mut Tracker) -> T) -> T {
        self.state.trackers.with(&self.organisation(organisation).id, work)
    }

    /// Changes fields of a work item, as somebody in front of the service does: people are given by their mail, and none
    /// empties a field. Whoever has subscribed to that is told.
    ///
    /// # Panics
    /// If there is no such organisation or work item.
    #[track_caller]
    pub fn change_work_item(&self, organisation: &str, id: u64, fields: &[(&str, Option<&str>)]) {
        let values = self.tracker(organisation, |tracker| tracker::values(tracker, fields));
        tracker::change(&self.state, &self.organisation(organisation), id, values);
    }

    /// Sends a delivery (once more), after those that are on their way; by its number in [`Tracker::deliveries`].
    ///
    /// # Panics
    /// If there is no such organisation.
    #[track_caller]
    pub fn deliver(&self, organisation: &str, number: usize) {
        let organisation = self.organisation(organisation).id;
        // While the fake stops nobody waits for it.
        let _ = self.state.postman.send(tracker::Post { organisation, number });
    }

    #[track_caller]
    fn organisation(&self, name: &str) -> Organisation {
        let snapshot = self.state.snapshot();
        let found = snapshot.world.organisations.iter().find(|known| known.name == name);
        found.unwrap_or_else(|| panic!("no organisation `{name}` in this world")).clone()
    }

    /// Adds a rule behind those that are there; the first that matches a request wins.
    pub fn fault(&self, rule: Match, answer: Answer) {
        self.state.faults.add(rule, answer);
    }

    /// Removes all rules.
    pub fn clear_faults(&self) {
        self.state.faults.clear();
    }

    /// Sets the limit on what each credential may ask, or takes it away; all start anew with it.
    pub fn limit(&self, limit: Option<RateLimit>) {
        self.state.limits.set(limit);
    }

    /// Chooses the certificate that a host shows from now on. The direct TLS side is `localhost`.
    pub fn present(&self, host: &str, presented: Presented) {
        self.state.authority.present(host, presented);
    }

    /// Whether the proxy plays hosts that nobody mentioned, instead of answering 502. Off at first.
    pub fn serve_unknown_hosts(&self, on: bool) {
        self.state.serves_unknown_hosts.store(on, Ordering::Relaxed);
    }

    /// Makes every access token issued so far an expired one.
    pub fn expire_access_tokens(&self) {
        self.state.tokens.expire_access();
    }

    /// Ends every token of an installation of a GitHub application.
    pub fn expire_installation_tokens(&self) {
        self.state.github.expire();
    }

    /// Makes every refresh token known so far a spent one.
    pub fn revoke_refresh_tokens(&self) {
        self.state.tokens.revoke_refresh(&self.state.snapshot().world.apps);
    }

    /// Switches recording, which is on at first. What is on record stays.
    pub fn record(&self, on: bool) {
        self.state.recorder.switch(on);
    }

    /// Everything on record, oldest first.
    pub fn requests(&self) -> Vec<Recorded> {
        self.state.recorder.entries().clone()
    }

    /// What is on record and satisfies `wanted`, oldest first.
    pub fn requests_to(&self, wanted: impl Fn(&Recorded) -> bool) -> Vec<Recorded> {
        self.state.recorder.entries().iter().filter(|request| wanted(request)).cloned().collect()
    }

    /// Waits until a request on record satisfies `wanted`: whoever sent it has come that far. Blocks.
    ///
    /// # Panics
    /// If there is none for 20 seconds.
    #[track_caller]
    pub fn wait_for(&self, wanted: impl Fn(&Recorded) -> bool) {
        let start = Instant::now();
        while !self.state.recorder.entries().iter().any(&wanted) {
            assert!(start.elapsed() < Duration::from_secs(20), "the request never came");
            std::thread::yield_now();
        }
    }

    /// Everything on record, oldest first, which is then forgotten.
    pub fn take_requests(&self) -> Vec<Recorded> {
        std::mem::take(&mut *self.state.recorder.entries())
    }

    /// Totals since the start.
    pub fn counters(&self) -> &Counters {
        &self.state.counters
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.state.stop.cancel();
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
