//! The daemon: checks every repository for ever, believes what lasts, and keeps what happened.
//!
//! - One task, the conductor, decides everything: which check starts, what its result means, what is written. So a
//!   repository never has two checks at once, and no two results are judged at the same time.
//! - Checks run on tasks of their own; disks, files and clients never hold the conductor up.
//! - What waits goes by the monotonic clock. The wall clock is asked for what outlasts a process.

mod alerts;
mod allowance;
mod breaker;
mod checks;
mod client;
mod conductor;
mod discovery;
#[cfg(test)]
pub(crate) mod fake;
mod gate;
mod groups;
mod handle;
mod identities;
mod inquiry;
mod judge;
mod ledger;
mod notify;
mod probes;
mod queue;
mod reload;
mod report;
mod settings;
mod snapshot;
mod timing;
mod tracker;

use std::collections::HashMap;
use std::sync::{Arc, RwLock};
use std::time::Duration;

use futures_util::future::BoxFuture;
use serde_json::json;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use discovery::Finding;
pub use handle::{Asked, Handle, Reloads, Stopping};
pub use identities::expires_at;
pub use ledger::{Entry, HeldFor, Ledger, Seen, Standby};
pub use notify::{Notifier, Watchdog};
pub use report::{
    ConfigReport, DiscoveryReport, IdentityReport, IncidentReport, IntegrationReport, Notice, PeopleReport,
    PluginReport, Report, RepositoriesReport, StateReport, Weight,
};
pub use snapshot::Tally;

use crate::config::{Loaded, Problems, Request};
use crate::discovery::Catalogue;
use crate::journal::{Incident, Incidents, Journal, event};
use crate::metrics::Metrics;
use crate::prepare::World;
use crate::state::{State, StateError, Writer};
use crate::verdict::Moment;
use conductor::Conductor;
use discovery::Finder;
use handle::Shared;
use reload::{Fixed, Reloader};
use settings::Settings;

/// Orders that wait for the conductor; more wait where they are given.
const MOST_ORDERS: usize = 64;

/// Everything that a daemon starts with.
pub struct Beginning {
    /// How to read the configuration again.
    pub request: Request,
    /// The configuration.
    pub loaded: Loaded,
    /// What it leads to, with what was found.
    pub world: World,
    /// What was found.
    pub catalogue: Catalogue,
    /// The state, for plugins and for reading.
    pub state: Arc<State>,
    /// The state, for what is found out.
    pub writer: Writer,
    /// What is counted.
    pub metrics: Metrics,
    /// What follows the configuration beside the checks.
    pub follower: Arc<dyn Follower>,
}

/// Something that follows the configuration.
pub trait Follower: Send + Sync {
    /// Makes ready to follow a configuration, and changes nothing before that is taken over.
    ///
    /// # Errors
    ///
    /// Everything of it that is wrong; then it is not taken over at all.
    fn prepare<'a>(&'a self, loaded: &'a Loaded) -> BoxFuture<'a, Result<TakeOver, Problems>>;
}

/// Follows the configuration, now that it is in use.
pub type TakeOver = Box<dyn FnOnce() + Send>;

/// A running daemon.
pub struct Daemon {
    handle: Handle,
    stop: CancellationToken,
    broken: CancellationToken,
    tasks: TaskTracker,
    writer: Arc<Writer>,
    /// Whether a configuration is being read.
    pub reloading: watch::Receiver<bool>,
}

impl Daemon {
    /// Starts to check. Needs a runtime; reads the whole state, so it blocks for a moment.
    ///
    /// # Errors
    ///
    /// The state cannot be read.
    pub fn start(beginning: Beginning) -> Result<Self, StateError> {
        let Beginning { request, loaded, world, catalogue, state, writer, metrics, follower } = beginning;
        let world = Arc::new(world);
        let ledger = restored(&state, Arc::clone(&world))?;
        let (writer, now) = (Arc::new(writer), Moment::now());
        let settings = Settings::of(&loaded.config);
        writer.set_retention(settings.retention);
        let (commands, orders) = mpsc::channel(MOST_ORDERS);
        let (reload, reload_requests) = mpsc::channel(MOST_ORDERS);
        let (status, reloads) = watch::channel(Reloads::first(now));
        let (busy, reloading) = watch::channel(false);
        let (found, findings) = watch::channel(Vec::new());
        let mut finder = Finder::new(catalogue, found);
        finder.follow(&world);
        let shared = Arc::new(Shared {
            ledger: RwLock::new(ledger),
            commands: commands.clone(),
            reload,
            health: writer.health(),
            reloads,
            findings,
        });
        let mut journal = Journal::new(Arc::clone(&writer));
        journal.found(finder.forget_unused(&world, settings.retention.events));
        let version = env!("CARGO_PKG_VERSION");
        journal.save(event::generic("started", None, None, now, json!({ "version": version })));
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        let conductor = Conductor::new(Arc::clone(&shared), settings, journal, metrics.clone(), orders);
        let broken = CancellationToken::new();
        let (ended, told) = (broken.clone().drop_guard(), stop.clone());
        tasks.spawn(async move {
            conductor.run(told.clone()).await;
            // Whoever gets here was told to; a panic does not.
            if told.is_cancelled() {
                ended.disarm();
            }
        });
        let fixed = Fixed::of(&loaded.config);
        let files = loaded.watch();
        let reloader = Reloader {
            request,
            state,
            metrics,
            world,
            fixed,
            files,
            status,
            commands,
            follower,
            busy,
            finder,
            shared: Arc::clone(&shared),
        };
        tasks.spawn(reloader.run(reload_requests, stop.clone()));
        tasks.close();
        Ok(Self { handle: Handle { shared }, stop, broken, tasks, writer, reloading })
    }

    /// The daemon as others use it.
    pub fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Stops: no check starts any more, those that run may end within `schedule.stop_grace`, what was found out is
    /// written, and plugins end. Everything together takes at most about ten seconds more than that grace. False if
    /// not everything could be saved.
    pub async fn stop(self) -> bool {
        self.stop.cancel();
        self.tasks.wait().await;
        let world = self.handle.read(|ledger| Arc::clone(&ledger.world));
        if tokio::time::timeout(REFRESH_GRACE, world.services.finish()).await.is_err() {
            tracing::warn!("a token refresh did not end within {REFRESH_GRACE:?}; its new token may be lost");
        }
        world.retire(None).await;
        let problem = match tokio::time::timeout(FLUSH_GRACE, self.writer.flush()).await {
            Ok(Ok(())) => return true,
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("a write did not end within {FLUSH_GRACE:?}"),
        };
        tracing::error!("not everything could be saved: {problem}");
        false
    }

    /// Returns when the daemon has ended without being told to, which is a fault of its own.
    pub async fn failed(&self) {
        self.broken.cancelled().await;
    }
}

/// How long the last write may take.
const FLUSH_GRACE: Duration = Duration::from_secs(5);
/// How long token refreshes under way may still take at the end; one cut short may cost a refresh token.
const REFRESH_GRACE: Duration = Duration::from_secs(5);

/// What was known when the last process ended.
fn restored(state: &State, world: Arc<World>) -> Result<Ledger, StateError> {
    let entries = state.standings(|name, text| {
        let entry = Entry::from_text(name, text);
        let entry = entry.inspect_err(|error| tracing::warn!("{error}; it begins anew")).ok()?;
        Some((name.to_owned(), entry))
    })?;
    let known: HashMap<String, Entry> = entries.into_iter().flatten().collect();
    let mut open = Vec::new();
    let mut cursor = None;
    loop {
        let page = state.incidents(true, cursor.as_ref(), INCIDENTS_AT_ONCE)?;
        cursor = page.last().map(crate::state::IncidentRow::cursor);
        let full = page.len() == INCIDENTS_AT_ONCE;
        for row in page {
            match serde_json::from_str::<Incident>(&row.incident) {
                Ok(incident) => open.push(incident),
                Err(error) => tracing::warn!("the saved incident `{}` cannot be read: {error}", row.id),
            }
        }
        if !full {
            break;
        }
    }
    Ok(Ledger::new(world, known, Incidents::restore(open)))
}

const INCIDENTS_AT_ONCE: usize = 1_000;
