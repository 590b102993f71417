//! The daemon as others use it: what is known, and what may be asked of it.

use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;
use tokio::sync::{mpsc, oneshot, watch};

use super::discovery::Finding;
use super::ledger::Ledger;
use super::settings::Settings;
use crate::prepare::World;
use crate::state::{Event, Health, Save};
use crate::verdict::Moment;

/// A running daemon. Cheap to clone.
#[derive(Clone)]
pub struct Handle {
    pub(super) shared: Arc<Shared>,
}

pub(super) struct Shared {
    pub(super) ledger: RwLock<Ledger>,
    pub(super) commands: mpsc::Sender<Command>,
    pub(super) reload: mpsc::Sender<oneshot::Sender<Reloads>>,
    pub(super) health: watch::Receiver<Health>,
    pub(super) reloads: watch::Receiver<Reloads>,
    pub(super) findings: watch::Receiver<Vec<Finding>>,
}

/// What the conductor can be asked for.
pub(super) enum Command {
    /// Check these now; the answer tells which will be checked.
    CheckNow { repositories: Vec<String>, answer: oneshot::Sender<Asked> },
    /// Go on with this.
    Adopt { world: Arc<World>, settings: Settings, answer: oneshot::Sender<()> },
    /// Write an event into the journal.
    Note { event: Event },
    /// Take in what a discovery brought.
    Found { brought: Brought, answer: oneshot::Sender<()> },
    /// Answer, to show that there is somebody.
    Ping { answer: oneshot::Sender<()> },
}

/// What came of a listing.
pub(super) struct Brought {
    /// What is to be watched from now on, if that is not the same as before.
    pub(super) world: Option<Arc<World>>,
    /// Repositories of which there is news, to be checked soon.
    pub(super) check: Vec<String>,
    /// What is to be written.
    pub(super) save: Save,
}

/// What came of asking for checks.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub struct Asked {
    /// Those that are checked as soon as there is room.
    pub accepted: Vec<String>,
    /// Those that are being checked at this moment; they are checked once more after that.
    pub running: Vec<String>,
    /// Those that are not watched.
    pub unknown: Vec<String>,
}

/// How the configuration was read.
#[derive(Clone, Debug)]
pub struct Reloads {
    /// Whether the last attempt was taken over; the start counts as one.
    pub successful: bool,
    /// When it was made.
    pub at: Moment,
    /// When the configuration that is in use was read.
    pub loaded_at: Moment,
    /// How long it took, until checks went on with it or it was given up.
    pub took: Duration,
    /// What was wrong. Safe to print.
    pub problems: Vec<String>,
    /// What could not be changed without a restart.
    pub needs_restart: Vec<String>,
}

impl Reloads {
    /// The start.
    pub fn first(at: Moment) -> Self {
        let (problems, needs_restart) = (Vec::new(), Vec::new());
        Self { successful: true, at, loaded_at: at, took: Duration::ZERO, problems, needs_restart }
    }
}

/// The daemon is stopping and takes no more orders.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the daemon is stopping")]
pub struct Stopping;

impl Handle {
    /// Looks at what is known. Checks cannot go on meanwhile: collect what is needed and return.
    pub fn read<T>(&self, look: impl FnOnce(&Ledger) -> T) -> T {
        look(&self.shared.read())
    }

    /// Has repositories checked as soon as there is room, before everything that is merely due.
    ///
    /// # Errors
    ///
    /// The daemon is stopping.
    pub async fn check_now(&self, repositories: Vec<String>) -> Result<Asked, Stopping> {
        self.ask(|answer| Command::CheckNow { repositories, answer }).await
    }

    /// Reads the configuration again, and waits for what comes of it. Cancelling does not stop it.
    ///
    /// # Errors
    ///
    /// The daemon is stopping.
    pub async fn reload(&self) -> Result<Reloads, Stopping> {
        let (answer, answered) = oneshot::channel();
        self.shared.reload.send(answer).await.map_err(|_| Stopping)?;
        answered.await.map_err(|_| Stopping)
    }

    /// Returns when the conductor has answered: it is alive, and has got through everything asked before.
    ///
    /// # Errors
    ///
    /// The daemon is stopping.
    pub async fn ping(&self) -> Result<(), Stopping> {
        self.ask(|answer| Command::Ping { answer }).await
    }

    /// How the last attempt to read the configuration ended.
    pub fn reloads(&self) -> Reloads {
        self.shared.reloads.borrow().clone()
    }

    /// How each discovery does, in name order.
    pub fn findings(&self) -> Vec<Finding> {
        self.shared.findings.borrow().clone()
    }

    /// How the state does; changes with every commit.
    pub fn health(&self) -> watch::Receiver<Health> {
        self.shared.health.clone()
    }

    async fn ask<T>(&self, command: impl FnOnce(oneshot::Sender<T>) -> Command) -> Result<T, Stopping> {
        let (answer, answered) = oneshot::channel();
        self.shared.commands.send(command(answer)).await.map_err(|_| Stopping)?;
        answered.await.map_err(|_| Stopping)
    }
}

impl Shared {
    /// A panic while the lock was held, which is a fault, must not make it worse.
    pub(super) fn read(&self) -> RwLockReadGuard<'_, Ledger> {
        self.ledger.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn write(&self) -> RwLockWriteGuard<'_, Ledger> {
        self.ledger.write().unwrap_or_else(PoisonError::into_inner)
    }
}
