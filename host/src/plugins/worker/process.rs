//! Starting a worker process, and how it ended.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::sync::LazyLock;
use std::sync::mpsc;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::net::UnixStream;
use tokio::process::{Child, Command};
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::protocol::COMMAND;
use super::sandbox::CrashReport;
use super::status::RestartCause;

/// How long a worker may take to end by itself.
const GRACE: Duration = Duration::from_secs(1);
/// The exit status of a worker that cannot talk to its host any more.
pub(super) const DISCONNECTED: u8 = 120;

/// A worker process.
pub(super) struct Process {
    child: Child,
}

/// A process to be started, and where to put it.
struct Order {
    command: Command,
    runtime: Handle,
    started: oneshot::Sender<io::Result<Child>>,
}

/// A worker dies with the thread that started it, so one thread starts them all and lives as long as the process.
static STARTER: LazyLock<mpsc::Sender<Order>> = LazyLock::new(|| {
    let (sender, orders) = mpsc::channel::<Order>();
    let starter = std::thread::Builder::new().name("worker-starter".to_owned());
    // Without a thread every start fails, as its order is dropped.
    let _ = starter.spawn(move || {
        for mut order in orders {
            let _entered = order.runtime.enter();
            let _ = order.started.send(order.command.spawn());
        }
    });
    sender
});

impl Process {
    /// Starts `program` as the worker of the plugin `key`, with `library` open in it, and gives the socket to it.
    pub(super) async fn start(program: &Path, key: &str, library: File) -> io::Result<(Self, UnixStream)> {
        let (ours, theirs) = std::os::unix::net::UnixStream::pair()?;
        ours.set_nonblocking(true)?;
        let mut command = Command::new(program);
        command.arg(COMMAND).arg(key).env_clear().current_dir("/").kill_on_drop(true);
        // Read by the allocator before anything else runs, and taken away before the library is opened: without it a
        // gibibyte that could be written to would be set aside at once.
        command.env("MIMALLOC_ARENA_EAGER_COMMIT", "0");
        // Ctrl-C is for the host, which says when its workers end.
        command.process_group(0);
        command.stdin(OwnedFd::from(theirs)).stdout(library).stderr(Stdio::null());
        let (started, child) = oneshot::channel();
        let order = Order { command, runtime: Handle::current(), started };
        let lost = || io::Error::other("the thread that starts workers has ended");
        STARTER.send(order).map_err(|_| lost())?;
        let child = child.await.map_err(|_| lost())??;
        Ok((Self { child }, UnixStream::from_std(ours)?))
    }

    /// Asks a process that hangs to say where. It ends itself after that, if it can.
    pub(super) fn ask_for_last_words(&self) {
        let id = self.child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        // It was not waited for yet, so the number is still its own. One that has gone has nothing to say.
        let _ = id.map(|id| kill_process(id, Signal::ALARM));
    }

    /// Whether a signal has stopped it. Only Linux tells.
    pub(super) fn is_stopped(&self) -> bool {
        let stat = self.child.id().map(|id| std::fs::read_to_string(format!("/proc/{id}/stat")));
        // The name may hold anything, the state follows it.
        stat.and_then(Result::ok)
            .is_some_and(|stat| stat.rsplit_once(')').is_some_and(|(_, rest)| rest.starts_with(" T")))
    }

    /// Waits a moment for the process to end by itself, and then ends it; whether it had to be.
    pub(super) async fn end(&mut self) -> (io::Result<ExitStatus>, bool) {
        match timeout(GRACE, self.child.wait()).await {
            Ok(status) => (status, false),
            Err(_) => (self.kill().await, true),
        }
    }

    /// Ends the process at once.
    pub(super) async fn kill(&mut self) -> io::Result<ExitStatus> {
        self.child.start_kill()?;
        self.child.wait().await
    }
}

/// Why a worker is gone.
#[derive(Clone, Debug)]
pub(super) struct Ending {
    /// Whose doing it was.
    pub(super) by: EndedBy,
    /// The same in a word.
    pub(super) word: RestartCause,
    /// A clause on the worker: "it crashed …".
    pub(super) cause: String,
    /// The call during which it happened, as far as it is known.
    pub(super) call: Option<u64>,
}

/// Whose doing an ending was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EndedBy {
    /// The plugin's own.
    Plugin,
    /// Another process', or the operator's.
    Outside,
    /// The host closed it, having no more use for it.
    Host,
}

impl Ending {
    pub(super) fn by_plugin(word: RestartCause, cause: impl Into<String>) -> Self {
        Self { by: EndedBy::Plugin, word, cause: cause.into(), call: None }
    }

    /// What an exit status and the worker's last words say together.
    pub(super) fn of(status: io::Result<ExitStatus>, report: Option<&CrashReport>) -> Self {
        if let Some(report) = report {
            // Whatever the report says of others: it comes from where plugin code runs.
            let call = Some(report.call()).filter(|call| *call != 0);
            return Self { call, ..Self::by_plugin(RestartCause::Crashed, report.to_string()) };
        }
        match status {
            // Signals that come from the plugin's own code are caught and end in an exit status.
            Ok(status) => match (status.signal(), status.code()) {
                (Some(signal), _) => match name_of_foreign(signal) {
                    Some(name) => {
                        let cause = format!("it was killed from outside by signal {signal} ({name})");
                        Self { by: EndedBy::Outside, word: RestartCause::Killed, cause, call: None }
                    }
                    None => Self::by_plugin(RestartCause::Crashed, format!("it ended by signal {signal}")),
                },
                (None, Some(code)) if code == i32::from(DISCONNECTED) => Self::by_plugin(
                    RestartCause::Violation,
                    "its connection to the host was cut: plugin code closed it, or wrote to it",
                ),
                (None, code) => {
                    let code = code.unwrap_or_default();
                    Self::by_plugin(RestartCause::Exited, format!("it exited by itself with status {code}"))
                }
            },
            Err(error) => {
                Self::by_plugin(RestartCause::Exited, format!("its process cannot be waited for: {error}"))
            }
        }
    }
}

/// The name of a signal that plugin code in a sandbox cannot bring upon itself.
fn name_of_foreign(signal: i32) -> Option<&'static str> {
    Some(match Signal::from_named_raw(signal)? {
        Signal::KILL => "SIGKILL",
        Signal::TERM => "SIGTERM",
        Signal::INT => "SIGINT",
        Signal::HUP => "SIGHUP",
        _ => return None,
    })
}
