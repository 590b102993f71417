//! `forgewatch run`: the daemon, from its start to its end.

use std::process::ExitCode;
use std::sync::Arc;

use anstyle::AnsiColor;
use clap::Args;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::{GlobalArgs, USAGE, refuse, runtime, tell};
use crate::config::Loaded;
use crate::daemon::{Beginning, Daemon};
use crate::logging::Logging;
use crate::metrics::Metrics;
use crate::prepare::World;
use crate::state::{State, StateError, Writer};

/// Check all repositories again and again, and serve what is known over HTTP.
///
/// SIGHUP reads the configuration again, as does a change of its files; SIGTERM and SIGINT stop. Exit status: 0
/// stopped as told, 2 wrong usage or configuration, or the state or the address cannot be used.
#[derive(Args, Debug)]
pub(super) struct Arguments {}

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
        let status = runtime.block_on(serve(global, loaded, logging)).err().unwrap_or(ExitCode::SUCCESS);
        // A plugin that blocks its thread must not hold the process.
        runtime.shutdown_background();
        status
    }
}

async fn serve(global: &GlobalArgs, loaded: Loaded, logging: Logging) -> Result<(), ExitCode> {
    let mut signals = Signals::new().map_err(failed)?;
    let writer = Writer::start(&loaded.config.state.path).map_err(|error| unusable(&loaded, &error))?;
    let state = Arc::new(State::open(&loaded.config.state.path).map_err(|error| unusable(&loaded, &error))?);
    let world =
        World::prepare(&loaded, Arc::clone(&state), None).await.map_err(|problems| refuse(&problems))?;
    let metrics = Metrics::new(world.services.traffic().clone());
    let repositories = world.repositories.len();
    let beginning = Beginning {
        request: global.request(),
        world,
        state,
        writer,
        metrics,
        adopted: Box::new(move |loaded| logging.set_level(loaded.config.logging.level)),
        loaded,
    };
    let daemon = Daemon::start(beginning).map_err(failed)?;
    tracing::info!("ready: {repositories} repositories are watched");
    while signals.next().await == Told::Reload {
        let handle = daemon.handle().clone();
        tokio::spawn(async move { handle.reload().await });
    }
    tracing::info!("stopping");
    let stopping = tokio::spawn(daemon.stop());
    tokio::select! {
        _ = stopping => Ok(()),
        () = signals.stop() => {
            tracing::warn!("told to stop again: what is running is dropped");
            std::process::exit(1)
        }
    }
}

fn failed(error: impl std::fmt::Display) -> ExitCode {
    tell(AnsiColor::Red, "error", error);
    ExitCode::from(USAGE)
}

fn unusable(loaded: &Loaded, error: &StateError) -> ExitCode {
    failed(loaded.problem(&["state", "path"], error.to_string(), None))
}

#[derive(PartialEq)]
enum Told {
    Reload,
    Stop,
}

/// What the process is told by signals.
struct Signals {
    hangup: Signal,
    terminate: Signal,
    interrupt: Signal,
    /// A limit on the size of files is an error of the write that meets it, and not the end of the daemon.
    _file_size: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self {
            hangup: signal(SignalKind::hangup())?,
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            _file_size: signal(SignalKind::from_raw(libc::SIGXFSZ))?,
        })
    }

    async fn next(&mut self) -> Told {
        tokio::select! {
            _ = self.hangup.recv() => Told::Reload,
            _ = self.terminate.recv() => Told::Stop,
            _ = self.interrupt.recv() => Told::Stop,
        }
    }

    async fn stop(&mut self) {
        while self.next().await != Told::Stop {}
    }
}
