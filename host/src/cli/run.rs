//! `forgewatch run`: the daemon, from its start to its end.

mod signals;

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anstyle::AnsiColor;
use clap::Args;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::{GlobalArgs, USAGE, print, refuse, runtime, tell, what_there_is};
use crate::alerts::{self, Alerts};
use crate::api::{Access, Gate, Server, Sources};
use crate::config::{Loaded, Problem, Problems};
use crate::daemon::{Beginning, Daemon, Follower, Handle, Notifier, TakeOver, Watchdog};
use crate::discovery::Catalogue;
use crate::logging::Logging;
use crate::metrics::Metrics;
use crate::prepare::World;
use crate::state::{State, StateError, Writer};
use crate::text::printable;
use crate::tracker::{self, Tracker};
use signals::{Signals, Told};

/// How long the HTTP side may still take once everything else has ended.
const LAST_ANSWERS: Duration = Duration::from_secs(3);

/// Check all repositories again and again, and serve what is known over HTTP.
///
/// SIGHUP reads the configuration again, as does any change of its files; SIGTERM and SIGINT stop it, twice at once.
/// Exit status: 0 stopped as told, 1 stopped at once or without everything saved, 2 wrong usage or configuration, or a state or an address that
/// cannot be used.
#[derive(Args, Debug)]
pub(super) struct Arguments {
    /// Stop before listening and checking: open plugins, route URLs and read secrets, and say what is wrong.
    #[arg(long)]
    dry_run: bool,
}

impl Arguments {
    pub(super) fn run(self, global: &GlobalArgs) -> ExitCode {
        let loaded = match global.load() {
            Ok(loaded) => loaded,
            Err(status) => return status,
        };
        let logging = global.start_logging(Some(&loaded.config.logging));
        let runtime = match runtime() {
            Ok(runtime) => runtime,
            Err(status) => return status,
        };
        let status = match self.dry_run {
            true => runtime.block_on(rehearse(loaded)),
            false => runtime.block_on(serve(global, loaded, logging)),
        };
        let status = status.unwrap_or_else(|status| status);
        // A plugin that blocks its thread must not hold the process.
        runtime.shutdown_background();
        status
    }
}

/// Does what a start does, up to what a daemon that runs already would notice.
async fn rehearse(mut loaded: Loaded) -> Result<ExitCode, ExitCode> {
    let path = &loaded.config.state.path;
    let state = Arc::new(State::open_read_only(path).map_err(|error| unusable(&loaded, &error))?);
    let mut problems = Vec::new();
    Access::of(&loaded, &mut problems).await;
    alerts::Settings::prepare(&loaded, &mut problems).await;
    loaded.problems.extend(problems);
    let catalogue = Catalogue::stored(&state).map_err(|error| unusable(&loaded, &error))?;
    let world = World::prepare(&loaded, state, None).await.map_err(|problems| refuse(&problems))?;
    let world = world.with_found(&catalogue);
    world.services.finish().await;
    world.retire(None).await;
    let there_is = what_there_is(world.repositories.len(), world.discoveries.len());
    Ok(print(&format!("nothing stands in the way of watching {there_is}")))
}

async fn serve(global: &GlobalArgs, mut loaded: Loaded, logging: Logging) -> Result<ExitCode, ExitCode> {
    let mut signals = Signals::new().map_err(failed)?;
    let notifier = Arc::new(Notifier::of_process());
    let path = loaded.config.state.path.clone();
    let writer = Writer::start(&path).map_err(|error| unusable(&loaded, &error))?;
    let state = Arc::new(State::open(&path).map_err(|error| unusable(&loaded, &error))?);
    let stored = Arc::new(State::open_read_only(&path).map_err(|error| unusable(&loaded, &error))?);
    let mut problems = Vec::new();
    let server = match Access::of(&loaded, &mut problems).await {
        Some(access) => Some(Server::bind(loaded.config.api.listen.get(), access).await),
        None => None,
    };
    let telling = alerts::Settings::prepare(&loaded, &mut problems).await;
    // Told together with whatever else is wrong.
    loaded.problems.extend(problems);
    let prepared = tokio::select! {
        prepared = World::prepare(&loaded, Arc::clone(&state), None) => prepared,
        // A command that prints a secret may take long.
        () = signals.stop() => return Ok(ExitCode::SUCCESS),
    };
    let catalogue = Catalogue::stored(&state).map_err(|error| unusable(&loaded, &error))?;
    let world = prepared.map_err(|problems| refuse(&problems))?.with_found(&catalogue);
    let (Some(server), Some(telling)) = (server.transpose().map_err(|error| failed(chain(&error)))?, telling)
    else {
        return Err(ExitCode::from(USAGE));
    };
    let metrics = Metrics::new(world.services.traffic().clone());
    let repositories = world.repositories.len();
    let grace = loaded.config.schedule.stop_grace.get();
    let files: Vec<_> = loaded.files().map(|file| file.display().to_string()).collect();
    tracing::info!(
        "forgewatch {}, configured by {}, keeps its state in `{}`",
        env!("CARGO_PKG_VERSION"),
        if files.is_empty() {
            "no file".to_owned()
        } else {
            printable(&files.join(", "), 1_000).into_owned()
        },
        path.display()
    );
    let each = Arc::new(AtomicBool::new(loaded.config.api.repository_metrics));
    let telling = watch::Sender::new(Arc::new(telling));
    let tracking = watch::Sender::new(Arc::new(tracker::Settings::of(&loaded)));
    let is_https = Arc::new(AtomicBool::new(is_public_over_tls(&loaded)));
    let follower = Following {
        logging,
        gate: server.gate(),
        each: Arc::clone(&each),
        telling: telling.clone(),
        tracking: tracking.clone(),
        is_https: Arc::clone(&is_https),
    };
    let request = global.request();
    let counted = metrics.clone();
    let beginning = Beginning {
        request,
        loaded,
        world,
        catalogue,
        state: Arc::clone(&state),
        writer,
        metrics,
        follower: Arc::new(follower),
    };
    let daemon = Daemon::start(beginning).map_err(failed)?;
    let handle = daemon.handle().clone();
    let source = Arc::new(handle.clone());
    let tracker =
        tracker::Handle::restored(tracking, Arc::clone(&source) as _, Arc::clone(&state)).map_err(failed)?;
    let handled = Arc::new(tracker.clone());
    let alerts =
        Alerts::start(telling, source, handled, state, handle.health(), counted.clone()).map_err(failed)?;
    let tracking = Tracker::start(tracker.clone(), handle.health());

    let (ready, is_ready) = watch::channel(true);
    let sources = sources(&handle, stored, is_ready, &alerts, tracker, counted, each);
    let address = server.address();
    let closing = CancellationToken::new();
    let pages = move |view| crate::web::pages(view, is_https);
    let serving = tokio::spawn(server.serve(sources, pages, closing.clone()));
    tracing::info!("ready: {repositories} repositories are watched, http://{address} answers");
    notifier.ready(&format!("{repositories} repositories are watched"));
    let _watchdog =
        Watchdog::of_process().map(|watchdog| AbortOnDropHandle::new(pet(watchdog, &notifier, &handle)));
    let _reloads = AbortOnDropHandle::new(tell_reloads(&daemon, &notifier));

    serve_until_stop(&mut signals, &daemon, &handle).await?;
    tracing::info!("stopping: checks that run have {} to end", humantime::format_duration(grace));
    ready.send_replace(false);
    notifier.stopping();
    let stopping = async {
        let is_saved = daemon.stop().await;
        tokio::join!(alerts.stop(), tracking.stop());
        closing.cancel();
        // Clients that do not hang up are hung up on.
        let _ = tokio::time::timeout(LAST_ANSWERS, serving).await;
        is_saved
    };
    tokio::select! {
        is_saved = stopping => {
            if !is_saved {
                return Err(ExitCode::FAILURE);
            }
            tracing::info!("stopped, and everything is saved");
            Ok(ExitCode::SUCCESS)
        }
        () = signals.stop() => {
            tracing::warn!("told to stop again: what still runs is dropped");
            Err(ExitCode::FAILURE)
        }
    }
}

/// Where the HTTP side gets what it shows.
fn sources(
    handle: &Handle,
    stored: Arc<State>,
    ready: watch::Receiver<bool>,
    alerts: &Alerts,
    tracker: tracker::Handle,
    metrics: Metrics,
    each: Arc<AtomicBool>,
) -> Sources {
    let (shown, told, told_of) = (handle.clone(), alerts.handle(), alerts.handle());
    let tracked = tracker.clone();
    Sources {
        handle: handle.clone(),
        stored,
        ready,
        metrics: Box::new(move || {
            let mut snapshot = shown.snapshot(each.load(Ordering::Relaxed));
            snapshot.alerts = told.report().iter().map(Into::into).collect();
            snapshot.trackers = tracked.report().iter().map(Into::into).collect();
            snapshot.subscriptions = tracked.subscriptions_by_issues();
            metrics.render(snapshot)
        }),
        alerts: Box::new(move || told_of.report()),
        tracker,
    }
}

/// Follows signals until one says that it is over.
async fn serve_until_stop(signals: &mut Signals, daemon: &Daemon, handle: &Handle) -> Result<(), ExitCode> {
    loop {
        tokio::select! {
            told = signals.next() => match told {
                Told::Reload => {
                    let handle = handle.clone();
                    tokio::spawn(async move { handle.reload().await });
                }
                Told::Stop => return Ok(()),
            },
            () = daemon.failed() => {
                return Err(failed("the daemon has ended by itself, which is a fault of forgewatch: see its log"));
            }
        }
    }
}

fn pet(watchdog: Watchdog, notifier: &Arc<Notifier>, handle: &Handle) -> tokio::task::JoinHandle<()> {
    let (notifier, handle) = (Arc::clone(notifier), handle.clone());
    let answers = move || {
        let handle = handle.clone();
        async move { handle.ping().await.is_ok() }
    };
    tokio::spawn(async move { watchdog.pet(&notifier, answers).await })
}

/// Tells the service manager of each attempt to read the configuration again.
fn tell_reloads(daemon: &Daemon, notifier: &Arc<Notifier>) -> tokio::task::JoinHandle<()> {
    let (mut reloading, notifier) = (daemon.reloading.clone(), Arc::clone(notifier));
    let handle = daemon.handle().clone();
    tokio::spawn(async move {
        while reloading.changed().await.is_ok() {
            if *reloading.borrow_and_update() {
                notifier.reloading();
                continue;
            }
            let repositories = handle.read(|ledger| ledger.entries.len());
            let problems = match handle.reloads().problems.len() {
                0 => String::new(),
                count => format!("; the new configuration is wrong ({count} problems), the old one stays"),
            };
            notifier.ready(&format!("{repositories} repositories are watched{problems}"));
        }
    })
}

/// What follows the configuration beside the checks.
struct Following {
    logging: Logging,
    gate: Arc<Gate>,
    each: Arc<AtomicBool>,
    telling: watch::Sender<Arc<alerts::Settings>>,
    tracking: watch::Sender<Arc<tracker::Settings>>,
    is_https: Arc<AtomicBool>,
}

impl Follower for Following {
    fn prepare<'a>(
        &'a self,
        loaded: &'a Loaded,
    ) -> futures_util::future::BoxFuture<'a, Result<TakeOver, Problems>> {
        Box::pin(async move {
            let mut problems = Vec::new();
            let access = Access::of(loaded, &mut problems).await;
            let settings = alerts::Settings::prepare(loaded, &mut problems).await;
            let (Some(access), Some(settings)) = (access, settings) else {
                return Err(Problems(problems));
            };
            let access = self.gate.admissible(access).map_err(|error| {
                let (key, message) = ("api".to_owned(), error.to_string());
                Problems(vec![Problem { key, source: loaded.source(&["api"]), message, help: None }])
            })?;
            let (gate, logging, each) =
                (Arc::clone(&self.gate), self.logging.clone(), Arc::clone(&self.each));
            let (telling, tracking) = (self.telling.clone(), self.tracking.clone());
            let tracked = Arc::new(tracker::Settings::of(loaded));
            let (is_https, is_public) = (Arc::clone(&self.is_https), is_public_over_tls(loaded));
            let (level, wanted) = (loaded.config.logging.level, loaded.config.api.repository_metrics);
            Ok(Box::new(move || {
                gate.replace(access);
                logging.set_level(level);
                each.store(wanted, Ordering::Relaxed);
                telling.send_replace(Arc::new(settings));
                tracking.send_replace(tracked);
                is_https.store(is_public, Ordering::Relaxed);
            }) as TakeOver)
        })
    }
}

/// Whether people reach the page over TLS, which something in front of the daemon ends.
fn is_public_over_tls(loaded: &Loaded) -> bool {
    loaded.config.public_url.as_ref().is_some_and(|url| url.get().scheme() == "https")
}

fn failed(error: impl std::fmt::Display) -> ExitCode {
    tell(AnsiColor::Red, "error", error);
    ExitCode::from(USAGE)
}

fn unusable(loaded: &Loaded, error: &StateError) -> ExitCode {
    failed(loaded.problem(&["state", "path"], error.to_string(), None))
}

/// An error with what is behind it.
fn chain(error: &dyn std::error::Error) -> String {
    error.source().map_or_else(|| error.to_string(), |source| format!("{error}: {}", chain(source)))
}
