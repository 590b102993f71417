//! Reading the configuration again: everything is made and found good before anything changes.
//!
//! One attempt at a time, on threads that no check needs. One that fails changes nothing, and is told in the log, in
//! the journal and to whoever asks. Requests that come during an attempt are answered by one more after it, since
//! what they are about may have been read too early.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::spawn_blocking;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::discovery::Finder;
use super::handle::{Brought, Command, Reloads, Shared};
use super::settings::Settings;
use super::{Follower, TakeOver};
use crate::config::{self, Config, FilesWatch, Loaded, Problem, Request};
use crate::journal::event;
use crate::metrics::Metrics;
use crate::prepare::{Watched, World};
use crate::state::{Health, State};
use crate::text::printable_lines;
use crate::verdict::Moment;

/// When URLs are routed again that a plugin failed on, first and at last.
const FIRST_ROUTED_AGAIN: Duration = Duration::from_secs(5);
const LAST_ROUTED_AGAIN: Duration = Duration::from_secs(60 * 60);

/// How long reading may take. Each command that prints a secret has half of it.
const LONGEST_READING: Duration = Duration::from_secs(120);
/// Characters of one line of a problem.
const LONGEST_LINE: usize = 2_000;

/// Reads the configuration again whenever asked, or its files change.
pub(super) struct Reloader {
    pub(super) request: Request,
    pub(super) state: Arc<State>,
    pub(super) metrics: Metrics,
    pub(super) world: Arc<World>,
    /// What cannot be changed while the process lives.
    pub(super) fixed: Fixed,
    pub(super) files: FilesWatch,
    pub(super) status: watch::Sender<Reloads>,
    pub(super) commands: mpsc::Sender<Command>,
    pub(super) follower: Arc<dyn Follower>,
    /// Told before and after each attempt.
    pub(super) busy: watch::Sender<bool>,
    /// What finds repositories beside those that are configured.
    pub(super) finder: Finder,
    pub(super) shared: Arc<Shared>,
}

/// Settings that take a restart.
#[derive(Clone, PartialEq)]
pub(super) struct Fixed {
    state: std::path::PathBuf,
    listen: std::net::SocketAddr,
    log_format: config::LogFormat,
}

impl Fixed {
    pub(super) fn of(config: &Config) -> Self {
        Self {
            state: config.state.path.clone(),
            listen: config.api.listen.get(),
            log_format: config.logging.format,
        }
    }

    /// The keys of what is different.
    fn differing(&self, other: &Self) -> Vec<String> {
        let differing = [
            ("state.path", self.state != other.state),
            ("api.listen", self.listen != other.listen),
            ("logging.format", self.log_format != other.log_format),
        ];
        differing.into_iter().filter(|(_, differs)| *differs).map(|(key, _)| key.to_owned()).collect()
    }
}

impl Reloader {
    /// Serves until it is told to stop.
    pub(super) async fn run(
        mut self,
        mut requests: mpsc::Receiver<oneshot::Sender<Reloads>>,
        stop: CancellationToken,
    ) {
        let mut route_again = FIRST_ROUTED_AGAIN;
        let mut health = self.shared.health.clone();
        let mut reopened = health.borrow().reopened;
        loop {
            let mut waiting = Vec::new();
            tokio::select! {
                () = stop.cancelled() => return,
                brings = self.finder.next(&self.shared) => {
                    if let Some(brought) = self.finder.take(brings, &self.world, &self.shared) {
                        self.take_found(brought).await;
                    }
                    continue;
                }
                // What had been saved is gone.
                Ok(()) = opened_anew(&mut health, &mut reopened) => {
                    self.take_found(self.finder.all()).await;
                    continue;
                }
                () = unrouted(Arc::clone(&self.world), &mut route_again) => {
                    tracing::info!("repositories are routed again whose plugin failed on their URLs");
                }
                () = self.files.changed() => tracing::info!("a file of the configuration has changed"),
                request = requests.recv() => match request {
                    Some(answer) => waiting.push(answer),
                    None => return,
                },
            }
            while let Ok(answer) = requests.try_recv() {
                waiting.push(answer);
            }
            self.busy.send_replace(true);
            let Some(ended) = stop.run_until_cancelled(self.reload()).await else { return };
            self.busy.send_replace(false);
            for answer in waiting {
                drop(answer.send(ended.clone()));
            }
        }
    }

    async fn reload(&mut self) -> Reloads {
        let (began, at) = (Instant::now(), Moment::now());
        let before = self.status.borrow().clone();
        let mut reloads =
            Reloads { successful: false, at, took: Duration::ZERO, problems: Vec::new(), ..before };
        match self.prepare().await {
            Ok((loaded, world, take_over)) => {
                self.adopt(&loaded, world).await;
                take_over();
                reloads.successful = true;
                reloads.loaded_at = at;
                reloads.needs_restart = self.fixed.differing(&Fixed::of(&loaded.config));
                reloads.took = began.elapsed();
                let repositories = self.world.repositories.len();
                tracing::info!("the configuration was read again: {repositories} repositories are watched");
                for key in &reloads.needs_restart {
                    tracing::warn!("`{key}` has changed: that takes effect after a restart");
                }
            }
            Err(problems) => {
                reloads.took = began.elapsed();
                let told = problems.join("\n");
                tracing::error!("the new configuration is not used, the old one stays:\n{told}");
                reloads.problems = problems;
            }
        }
        self.metrics.reloaded(reloads.successful);
        let more = json!({
            "successful": reloads.successful,
            "problems": reloads.problems,
            "duration_ms": reloads.took.as_millis() as u64,
        });
        let note = event::generic("configuration_reloaded", None, None, at, more);
        drop(self.commands.send(Command::Note { event: note }).await);
        self.status.send_replace(reloads.clone());
        reloads
    }

    /// Everything that the configuration leads to now, or what is wrong with it. The files are watched as it names
    /// them, since a wrong configuration is put right in one of these.
    async fn prepare(&mut self) -> Result<(Loaded, World, TakeOver), Vec<String>> {
        let (request, state, former) =
            (self.request.clone(), Arc::clone(&self.state), Arc::clone(&self.world));
        let (runtime, follower) = (tokio::runtime::Handle::current(), Arc::clone(&self.follower));
        let reading = move || {
            let loaded = config::load(&request);
            let files = loaded.watch();
            let made = runtime.block_on(async {
                // What is wrong is told together, wherever it is.
                let world = World::prepare(&loaded, state, Some(&former)).await;
                match (world, follower.prepare(&loaded).await) {
                    (Ok(world), Ok(take_over)) => Ok((world, take_over)),
                    (world, following) => {
                        let of_world = world.err().map_or_else(Vec::new, |problems| problems.0);
                        let of_following = following.err().map_or_else(Vec::new, |problems| problems.0);
                        Err(of_world.into_iter().chain(of_following).collect::<Vec<_>>())
                    }
                }
            });
            (loaded, files, made)
        };
        let (loaded, files, made) = match within(LONGEST_READING, reading).await {
            Ok(read) => read,
            Err(problem) => {
                // What it was read for is no news any more: the next change is.
                self.files.taken();
                return Err(vec![problem]);
            }
        };
        self.files = files;
        for warning in &loaded.warnings {
            tracing::warn!("{}", told(warning));
        }
        let (world, take_over) = made.map_err(|problems| problems.iter().map(told).collect::<Vec<_>>())?;
        Ok((loaded, world, take_over))
    }

    /// Goes on with what was found. Without a conductor the process is about to end.
    async fn take_found(&mut self, brought: Brought) {
        if let Some(world) = &brought.world {
            self.world = Arc::clone(world);
        }
        let (answer, taken) = oneshot::channel();
        if self.commands.send(Command::Found { brought, answer }).await.is_ok() {
            let _ = taken.await;
        }
    }

    async fn adopt(&mut self, loaded: &Loaded, world: World) {
        self.world = Arc::new(world.with_found(self.finder.catalogue()));
        self.finder.follow(&self.world);
        let (answer, adopted) = oneshot::channel();
        let settings = Settings::of(&loaded.config);
        let command = Command::Adopt { world: Arc::clone(&self.world), settings, answer };
        // Without a conductor the process is about to end.
        if self.commands.send(command).await.is_ok() {
            let _ = adopted.await;
        }
    }
}

/// Returns when the state's file is another than when it was `reopened` so often. Cancelling it costs nothing.
async fn opened_anew(
    health: &mut watch::Receiver<Health>,
    reopened: &mut u64,
) -> Result<(), watch::error::RecvError> {
    let health = health.wait_for(|health| health.reopened != *reopened).await?;
    *reopened = health.reopened;
    Ok(())
}

fn told(problem: &Problem) -> String {
    printable_lines(&problem.to_string(), LONGEST_LINE)
}

/// What comes of work that blocks. Work that hangs keeps its thread, and nobody waits for it any more.
async fn within<T: Send + 'static>(
    limit: Duration,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, String> {
    match timeout(limit, spawn_blocking(work)).await {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(_)) => Err("reading it panicked, which is a fault of forgewatch".to_owned()),
        Err(_) => Err(format!("reading it took longer than {limit:?}: a secret's file or command hangs")),
    }
}

/// Returns when repositories may lead somewhere whose plugin failed on their URLs, less and less often; never while
/// there are none. Cancelling it costs nothing.
async fn unrouted(world: Arc<World>, wait: &mut Duration) {
    let failed = |watched: &Watched| {
        watched.target.repository.is_err() && watched.target.integration.provider.condition().is_up()
    };
    if world.repositories.iter().all(|watched| watched.target.repository.is_ok()) {
        *wait = FIRST_ROUTED_AGAIN;
        return std::future::pending().await;
    }
    loop {
        tokio::time::sleep(*wait).await;
        *wait = (*wait * 2).min(LAST_ROUTED_AGAIN);
        if world.repositories.iter().any(failed) {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn reading_that_hangs_is_given_up() {
        let (release, held) = std::sync::mpsc::channel::<()>();
        let given_up = within(Duration::from_millis(1), move || held.recv()).await;
        assert!(given_up.unwrap_err().contains("took longer than 1ms"));
        drop(release);
        assert_eq!(within(LONGEST_READING, || 1).await, Ok(1));
    }

    #[test]
    fn a_problem_keeps_its_lines_and_nothing_else_that_acts() {
        let help = Some("write one".to_owned());
        let problem = Problem { key: "a".to_owned(), source: None, message: "is \u{1b}[2J".to_owned(), help };
        assert_eq!(told(&problem), "a: is \\u{1b}[2J\n  fix: write one");
    }
}
