//! Keeping one plugin's worker alive, and replacing it when its file has new bytes.
//!
//! A call that was under way when its worker ended runs once more on the next one. When the plugin's own code may
//! have ended it in that call, it runs alone then, so that what is its fault costs no other call its answer. One that has
//! sent a request which does more than read is not repeated: nobody knows whether that was done.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Once};
use std::time::{Duration, Instant, SystemTime};

use forgewatch_plugin_api::abi::HostObject;
use forgewatch_plugin_api::{Failure, Reason};
use tokio::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard, oneshot, watch};
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::{sleep, timeout};
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use super::connection::{Connection, Ended, Hangup};
use super::history::{History, Next, QUARANTINE, Reached};
use super::process::{EndedBy, Ending, Process};
use super::protocol::{Hello, ToWorker};
use super::sandbox::Coverage;
use super::status::{Phase, RestartCause, Status};
use super::wire::Wire;
use crate::plugins::load::SealedLibrary;
use crate::plugins::lock::Lock;
use crate::plugins::watch::{Change, Watch};
use crate::services::call;

/// How workers are run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkerSettings {
    /// The program that has the worker's command: this one.
    pub program: PathBuf,
    /// Whether a worker must have all of the sandbox.
    pub require_sandbox: bool,
    /// How long a worker may give no sign of life while it has something to do, or to start.
    pub stall: Duration,
}

/// One plugin's worker, whichever process it is at the moment. Ends with its last handle.
pub(in crate::plugins) struct Supervisor {
    shared: Arc<Shared>,
    stop: CancellationToken,
    _stop: DropGuard,
}

struct Shared {
    key: String,
    settings: WorkerSettings,
    /// Takes the plugin's log.
    host: Arc<HostObject>,
    /// Says which other builds may replace it.
    lock: Option<Arc<Lock>>,
    status: watch::Sender<Status>,
    turns: RwLock<()>,
    /// The keeper, and whoever looks after a worker.
    tasks: TaskTracker,
}

impl Supervisor {
    /// Starts the first worker, on `library`; `watch` looks at its file, and `lock` says which other builds may replace
    /// it. Needs a runtime.
    pub(in crate::plugins) fn start(
        library: SealedLibrary,
        watch: Watch,
        lock: Option<Arc<Lock>>,
        settings: WorkerSettings,
        host: HostObject,
    ) -> Self {
        let status = Status {
            phase: Phase::Starting,
            since: SystemTime::now(),
            not_replaced: None,
            restarts: BTreeMap::new(),
        };
        let shared = Arc::new(Shared {
            key: library.file.manifest.key.clone(),
            settings,
            host: Arc::new(host),
            lock,
            status: watch::Sender::new(status),
            turns: RwLock::new(()),
            tasks: TaskTracker::new(),
        });
        let stop = CancellationToken::new();
        let keeping = Keeper {
            shared: Arc::clone(&shared),
            stop: stop.clone(),
            library: Arc::new(library),
            history: History::default(),
            watch,
        };
        let stopped = stop.clone();
        shared.tasks.spawn(async move { stopped.run_until_cancelled(keeping.keep()).await });
        Self { shared, stop: stop.clone(), _stop: stop.drop_guard() }
    }

    /// Ends the worker and waits for it. Calls that are made later fail.
    pub(in crate::plugins) async fn close(&self) {
        self.stop.cancel();
        self.shared.tasks.close();
        self.shared.tasks.wait().await;
        let cause = "the host has closed it".to_owned();
        self.shared.set(Phase::Refused { cause });
    }

    /// How the plugin is now.
    pub(in crate::plugins) fn status(&self) -> Status {
        self.shared.status.borrow().clone()
    }

    /// Waits until the plugin is ready, or nothing can be expected of it for now.
    ///
    /// # Errors
    ///
    /// What calls would answer.
    pub(in crate::plugins) async fn ready(&self) -> Result<Status, Failure> {
        self.shared.connection().await.map(|_| self.status())
    }

    /// The tries of one call.
    pub(super) fn tries(&self) -> Tries<'_> {
        Tries { shared: &self.shared, turn: None, crashes: 0, is_suspect: false }
    }
}

/// The tries of one call: a second one if the worker ends under the first.
pub(super) struct Tries<'a> {
    shared: &'a Shared,
    turn: Option<Turn<'a>>,
    crashes: u32,
    is_suspect: bool,
}

/// Calls share a worker, except for those that may have ended one.
enum Turn<'a> {
    Shared(#[expect(dead_code, reason = "held")] RwLockReadGuard<'a, ()>),
    Alone(#[expect(dead_code, reason = "held")] RwLockWriteGuard<'a, ()>),
}

impl Tries<'_> {
    /// A worker that is ready, for one try.
    ///
    /// # Errors
    ///
    /// Nothing can be expected of the plugin for now.
    pub(super) async fn next(&mut self) -> Result<Arc<Connection>, Failure> {
        // Who is no suspect keeps its turn, and so goes first on the next worker: a suspect that hangs again takes none
        // of its time.
        let turn = self.turn.take().filter(|turn| !(self.is_suspect && matches!(turn, Turn::Shared(_))));
        self.turn = Some(match turn {
            Some(turn) => turn,
            None if self.is_suspect => Turn::Alone(self.shared.turns.write().await),
            None => Turn::Shared(self.shared.turns.read().await),
        });
        self.shared.connection().await
    }

    /// Notes that the worker ended during a try.
    ///
    /// # Errors
    ///
    /// It was the last try.
    pub(super) fn failed(&mut self, ended: &Ended) -> Result<(), Failure> {
        if call::current().is_some_and(|record| record.has_written()) {
            return Err(plugin_failed(format!(
                "the worker of plugin `{}` ended while it changed something at the forge: {}; look there whether it was \
                 done, since it is not repeated",
                self.shared.key, ended.ending.cause
            )));
        }
        // What is another call's fault counts for nothing here; that it ends some time is the quarantine's business.
        let is_innocent = ended.ending.by == EndedBy::Plugin && !ended.is_suspect;
        if ended.ending.by == EndedBy::Host || is_innocent {
            return Ok(());
        }
        self.crashes += 1;
        self.is_suspect = ended.is_suspect;
        if self.crashes < 2 {
            return Ok(());
        }
        let (key, cause) = (&self.shared.key, &ended.ending.cause);
        Err(plugin_failed(match ended.ending.by {
            EndedBy::Plugin => format!(
                "the plugin `{key}` failed here twice, at last: {cause}; report this to its author, or replace it"
            ),
            _ => format!(
                "the process of plugin `{key}` was lost twice here, at last: {cause}; find out what ends it: the \
                 system does when memory is short"
            ),
        }))
    }
}

fn plugin_failed(detail: String) -> Failure {
    Failure::new(Reason::PLUGIN_FAILED, detail)
}

impl Shared {
    async fn connection(&self) -> Result<Arc<Connection>, Failure> {
        let mut status = self.status.subscribe();
        let settled = status.wait_for(|status| match &status.phase {
            Phase::Starting | Phase::Restarting { .. } => false,
            Phase::Ready(connection) => !connection.has_ended(),
            Phase::Quarantined { .. } | Phase::Refused { .. } => true,
        });
        let status = settled.await.map_err(|_| plugin_failed("the host ends".to_owned()))?;
        match &status.phase {
            Phase::Ready(connection) => Ok(Arc::clone(connection)),
            _ => Err(plugin_failed(status.cause().unwrap_or_default().to_owned())),
        }
    }

    fn note_restart(&self, cause: RestartCause) {
        self.status.send_modify(|status| *status.restarts.entry(cause).or_default() += 1);
    }

    fn set(&self, phase: Phase) {
        self.status.send_modify(|status| {
            status.phase = phase;
            status.since = SystemTime::now();
        });
    }
}

/// A worker process and the task that looks after it.
struct Worker {
    connection: Arc<Connection>,
    task: JoinHandle<Arc<Ending>>,
    /// Closes it.
    close: DropGuard,
}

/// Why there is no worker.
enum NoWorker {
    /// Trying again would not help.
    Refused(String),
    /// It ended, or could not begin.
    Ended(Arc<Ending>),
}

/// The task that keeps a plugin's worker.
struct Keeper {
    shared: Arc<Shared>,
    /// Ends every worker.
    stop: CancellationToken,
    library: Arc<SealedLibrary>,
    /// How the workers of this library ended.
    history: History,
    watch: Watch,
}

impl Keeper {
    async fn keep(mut self) {
        loop {
            self.shared.set(Phase::Starting);
            let (ending, reached) = match self.start(&self.library).await {
                Ok(worker) => self.serve(worker).await,
                Err(NoWorker::Refused(cause)) => {
                    let key = &self.shared.key;
                    let cause = format!("the plugin `{key}` does not start: {cause}");
                    tracing::error!(plugin = key, "{cause}");
                    self.shared.set(Phase::Refused { cause });
                    let library = self.other_library().await;
                    self.take_up(library);
                    continue;
                }
                Err(NoWorker::Ended(ending)) => (ending, Reached::Nothing),
            };
            if ending.by == EndedBy::Host {
                return;
            }
            self.shared.note_restart(ending.word);
            let next = self.history.note(&ending, reached, Instant::now());
            self.pause(&ending, next).await;
        }
    }

    /// Waits before the next start.
    async fn pause(&mut self, ending: &Ending, next: Next) {
        let (key, cause) = (self.shared.key.clone(), &ending.cause);
        let wait = match next {
            Next::Restart(wait) => {
                let cause = format!("the worker of plugin `{key}` ended: {cause}");
                tracing::warn!(plugin = key, "{cause}; it is started again");
                self.shared.set(Phase::Restarting { cause });
                wait
            }
            Next::Quarantine { times } => {
                let minutes = QUARANTINE.as_secs() / 60;
                let often = if times > 1 { format!("{times} times in a row") } else { "again".to_owned() };
                let cause = format!(
                    "the plugin `{key}` is in quarantine for {minutes} minutes, since it failed {often}, at last: \
                     {cause}; replace its file, or restart forgewatch to try it sooner"
                );
                tracing::error!(plugin = key, "{cause}");
                self.shared.set(Phase::Quarantined { cause });
                QUARANTINE
            }
        };
        tokio::select! {
            () = sleep(wait) => {}
            library = self.other_library() => self.take_up(library),
        }
    }

    /// Goes on with other bytes, which have no past.
    fn take_up(&mut self, library: Arc<SealedLibrary>) {
        self.library = library;
        self.history = History::default();
        self.shared.status.send_modify(|status| status.not_replaced = None);
    }

    /// Serves until the worker ends by itself; replaces it meanwhile by workers on newer bytes.
    async fn serve(&mut self, mut worker: Worker) -> (Arc<Ending>, Reached) {
        self.shared.set(Phase::Ready(Arc::clone(&worker.connection)));
        loop {
            let library = tokio::select! {
                ending = ending_of(&mut worker.task) => {
                    let reached = if worker.connection.has_served() { Reached::Served } else { Reached::Ready };
                    return (ending, reached);
                }
                library = self.other_library() => library,
            };
            match self.start(&library).await {
                Ok(newer) => {
                    self.take_up(library);
                    let older = std::mem::replace(&mut worker, newer);
                    self.shared.set(Phase::Ready(Arc::clone(&worker.connection)));
                    self.shared.note_restart(RestartCause::Replaced);
                    let sha256 = &self.library.file.sha256;
                    tracing::info!(plugin = self.shared.key, sha256, "replaced by a newer build");
                    self.shared.tasks.spawn(async move {
                        older.connection.idle().await;
                        drop(older.close);
                    });
                }
                Err(NoWorker::Refused(cause)) => self.not_replaced(&cause),
                Err(NoWorker::Ended(ending)) => self.not_replaced(&ending.cause),
            }
        }
    }

    fn not_replaced(&self, cause: &str) {
        let key = &self.shared.key;
        let cause = match self.shared.status.borrow().phase {
            Phase::Quarantined { .. } | Phase::Refused { .. } => {
                format!("the new build of plugin `{key}` cannot be used either: {cause}")
            }
            _ => format!(
                "the new build of plugin `{key}` cannot be used: {cause}; the one from before goes on"
            ),
        };
        tracing::error!(plugin = key, "{cause}");
        self.shared.status.send_modify(|status| status.not_replaced = Some(cause));
    }

    /// Waits for a library with other bytes at the plugin's path. Cancel-safe.
    async fn other_library(&mut self) -> Arc<SealedLibrary> {
        loop {
            if self.watch.changed().await == Change::Gone {
                let cause = self.watch.absence();
                tracing::warn!(plugin = self.shared.key, "{cause}");
                self.shared.status.send_modify(|status| status.not_replaced = Some(cause));
                continue;
            }
            let (path, lock) = (self.watch.path().to_owned(), self.shared.lock.clone());
            let read = spawn_blocking(move || SealedLibrary::of(&path, lock.as_deref())).await;
            self.watch.taken();
            match read {
                Ok(Ok(library)) if library.file.manifest.key != self.shared.key => {
                    self.not_replaced(&format!("it is a plugin for `{}`", library.file.manifest.key));
                }
                Ok(Ok(library)) if library.file.sha256 == self.library.file.sha256 => {
                    self.shared.status.send_modify(|status| status.not_replaced = None);
                }
                Ok(Ok(library)) => return Arc::new(library),
                Ok(Err(error)) => self.not_replaced(&error.to_string()),
                Err(error) => self.not_replaced(&error.to_string()),
            }
        }
    }

    async fn start(&self, library: &SealedLibrary) -> Result<Worker, NoWorker> {
        let Shared { key, settings, host, .. } = &*self.shared;
        let failed = |error: std::io::Error| {
            let program = settings.program.display();
            let cause = format!("no process can be started for it from `{program}`: {error}");
            NoWorker::Ended(Arc::new(Ending::by_plugin(RestartCause::Exited, cause)))
        };
        let copy = library.copy.file.try_clone().map_err(failed)?;
        let (process, socket) = Process::start(&settings.program, key, copy).await.map_err(failed)?;
        let (sender, started) = oneshot::channel();
        let connection = Arc::new(Connection::new(Arc::clone(host), sender));
        connection.push(&ToWorker::Hello(Hello {
            shown: library.file.path.to_string_lossy().into_owned(),
            copy: library.copy.path.as_ref().map(|path| path.to_string_lossy().into_owned()),
            require_sandbox: settings.require_sandbox,
            log_level: connection.log_level(),
        }));
        let close = self.stop.child_token();
        let looked_after =
            look_after(process, Arc::clone(&connection), Wire::new(socket), settings.stall, close.clone());
        let mut task = self.shared.tasks.spawn(looked_after);
        let close = close.drop_guard();
        tokio::select! {
            biased;
            Ok(started) = started => match started {
                Ok(()) => {
                    tell_gaps(&connection);
                    Ok(Worker { connection, task, close })
                }
                Err(cause) => Err(NoWorker::Refused(match library.beyond_sandbox() {
                    Some(problem) => format!("{cause}; {problem}"),
                    None => cause,
                })),
            },
            ending = ending_of(&mut task) => Err(NoWorker::Ended(ending)),
        }
    }
}

/// How the worker ended that a task looks after. While the runtime ends, nothing.
async fn ending_of(task: &mut JoinHandle<Arc<Ending>>) -> Arc<Ending> {
    match task.await {
        Ok(ending) => ending,
        Err(error) if error.is_cancelled() => std::future::pending().await,
        Err(error) => {
            let cause = format!("the host failed to look after it: {error}");
            Arc::new(Ending::by_plugin(RestartCause::Exited, cause))
        }
    }
}

/// Says once in the life of the process that plugins have less than the whole sandbox.
fn tell_gaps(connection: &Connection) {
    static TOLD: Once = Once::new();
    if let Some(coverage) = connection.coverage().filter(|coverage| !coverage.is_full()) {
        TOLD.call_once(|| {
            tracing::warn!(
                "plugins do not run in the whole sandbox here: {coverage}; `plugins.require_sandbox = true` refuses to \
                 run them so"
            );
        });
    }
}

/// Talks to a worker until it ends or is closed; says how it ended, to its calls as well.
async fn look_after(
    mut process: Process,
    connection: Arc<Connection>,
    mut wire: Wire,
    stall: Duration,
    close: CancellationToken,
) -> Arc<Ending> {
    let hangup = close.run_until_cancelled(connection.talk(&mut wire, stall)).await;
    let ending = match hangup {
        None => {
            drop(wire);
            let _ = process.end().await;
            let cause = "it is not needed any more";
            Ending { by: EndedBy::Host, ..Ending::by_plugin(RestartCause::Exited, cause) }
        }
        Some(Hangup::Crashed(report)) => Ending::of(process.end().await.0, Some(&report)),
        Some(Hangup::Closed) => match process.end().await {
            (status, false) => Ending::of(status, None),
            (_, true) => {
                Ending::by_plugin(RestartCause::Violation, "it closed its connection to the host and went on")
            }
        },
        Some(Hangup::Violation(violation)) => {
            let _ = process.kill().await;
            Ending::by_plugin(RestartCause::Violation, violation)
        }
        // The sandbox keeps plugin code from stopping its own process.
        Some(Hangup::Stuck(stall))
            if connection.coverage().is_some_and(Coverage::is_full) && process.is_stopped() =>
        {
            let _ = process.kill().await;
            let stall = humantime::format_duration(stall);
            let cause = format!("it was stopped from outside (SIGSTOP) and gave no sign of life for {stall}");
            Ending { by: EndedBy::Outside, ..Ending::by_plugin(RestartCause::Killed, cause) }
        }
        Some(stuck @ (Hangup::Stuck(limit) | Hangup::NotStarted(limit))) => {
            process.ask_for_last_words();
            let report = timeout(Duration::from_secs(1), wire.last_words()).await.ok().flatten();
            let _ = process.kill().await;
            let limit = humantime::format_duration(limit);
            let cause = match stuck {
                Hangup::NotStarted(_) => format!("opening its library took longer than {limit}"),
                _ => format!("it gave no sign of life for {limit}"),
            };
            let call = report.map(|report| report.call()).filter(|call| *call != 0);
            Ending { call, ..Ending::by_plugin(RestartCause::Stuck, cause) }
        }
    };
    let ending = Arc::new(ending);
    connection.end(&ending);
    ending
}
