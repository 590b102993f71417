//! `forgewatch run` in a sandbox: started, watched through its state, its log and its API, told to reload and to stop.

use std::net::SocketAddr;
use std::ops::Deref;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::ask::{Reply, ask};
use crate::process::{Process, wait_for, within};
use crate::records::Records;
use crate::running::Running;
use crate::sandbox::{Run, Sandbox};

/// How long a daemon may take to come to what is waited for: a forge that was down is asked again after seconds.
const PATIENCE: Duration = Duration::from_secs(60);
/// From one look at the state to the next; the daemon writes it twice a second.
const PAUSE: Duration = Duration::from_millis(25);

/// A running daemon, whose log and processes are those of [`Running`]. Killed when it is dropped.
pub struct Daemon {
    running: Running,
    records: Records,
}

impl Deref for Daemon {
    type Target = Running;

    fn deref(&self) -> &Running {
        &self.running
    }
}

impl Daemon {
    /// Starts it and waits until it is ready.
    ///
    /// # Panics
    /// If it is not for 20 seconds.
    #[track_caller]
    pub fn start(sandbox: &Sandbox) -> Self {
        Self::start_within(Duration::from_secs(20), sandbox)
    }

    /// The same with so much time until it has to be ready, for very many repositories.
    ///
    /// # Panics
    /// If it is not by then.
    #[track_caller]
    pub fn start_within(limit: Duration, sandbox: &Sandbox) -> Self {
        let running = Running::start(sandbox.command(&["run", "--log-level=info"]));
        let ready = within(limit, || running.told_since("ready: ", 0));
        assert!(ready.is_some(), "it is not ready after {limit:?}:\n{}", running.errors());
        Self { running, records: Records::of(sandbox) }
    }

    /// What it has written down.
    pub fn records(&self) -> &Records {
        &self.records
    }

    /// Where it listens.
    ///
    /// # Panics
    /// If it has not said so.
    pub fn address(&self) -> SocketAddr {
        let log = self.errors();
        let told = log.split_once(" http://").and_then(|(_, rest)| rest.split_once(' '));
        told.and_then(|(address, _)| address.parse().ok()).unwrap_or_else(|| panic!("no address in:\n{log}"))
    }

    /// Reads a path of its HTTP side.
    ///
    /// # Panics
    /// If it does not answer.
    pub fn get(&self, path: &str) -> Reply {
        ask(self.address(), "GET", path, "").expect("it answers")
    }

    /// Sends JSON to a path of its HTTP side.
    ///
    /// # Panics
    /// If it does not answer.
    pub fn post(&self, path: &str, body: &str) -> Reply {
        ask(self.address(), "POST", path, body).expect("it answers")
    }

    /// Waits until `look` finds something in what it has written down.
    ///
    /// # Panics
    /// If it takes longer than a minute.
    #[track_caller]
    pub fn until<T>(&self, what: &str, look: impl Fn(&Records) -> Option<T>) -> T {
        let start = Instant::now();
        loop {
            if let Some(found) = look(&self.records) {
                return found;
            }
            let is_over = start.elapsed() > PATIENCE || !self.process().is_alive();
            assert!(!is_over, "there was never {what}:\n{}", self.errors());
            thread::sleep(PAUSE);
        }
    }

    /// Waits until so many repositories are confirmed for this reason.
    ///
    /// # Panics
    /// If it takes longer than a minute.
    #[track_caller]
    pub fn until_confirmed(&self, count: usize, reason: &str) {
        let what = format!("{count} repositories that are {reason}");
        self.until(&what, |records| (records.count_of(reason) == count).then_some(()));
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        self.process().signal(signal);
    }

    /// Has the configuration read again, and waits until it is in use.
    ///
    /// # Panics
    /// If it is not for 20 seconds.
    #[track_caller]
    pub fn reload(&self) {
        const TOLD: &str = "the configuration was read again";
        let before = self.errors().matches(TOLD).count();
        self.signal(Signal::HUP);
        self.tells(TOLD, before + 1);
    }

    /// Stops it, which has to end well and to leave no process behind.
    ///
    /// # Panics
    /// If it does not.
    #[track_caller]
    pub fn stop(self) -> Run {
        self.stop_by(Signal::TERM)
    }

    /// The same with another signal.
    ///
    /// # Panics
    /// If it does not.
    #[track_caller]
    pub fn stop_by(self, signal: Signal) -> Run {
        let children = self.process().children();
        self.signal(signal);
        self.end(&children).exits(0)
    }

    /// Waits for its end, and for that of the processes that it had.
    ///
    /// # Panics
    /// If one of them lives on for 20 seconds.
    #[track_caller]
    pub fn end(self, children: &[Process]) -> Run {
        let run = self.running.end();
        wait_for("an end of all its processes", || children.iter().all(|it| !it.is_alive()).then_some(()));
        run
    }
}
