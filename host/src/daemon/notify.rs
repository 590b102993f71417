//! Telling the service manager how the daemon does: systemd's notification protocol, over a datagram socket.
//!
//! Where no manager asks for it, nothing happens. A message that cannot be delivered costs a line in the log's detail:
//! the daemon goes on, and the manager has its own time-outs.

use std::ffi::OsStr;
use std::fmt::Write;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::text::printable;

/// Characters of a status line.
const LONGEST_STATUS: usize = 200;

/// The way to the service manager, if there is one.
#[derive(Debug, Default)]
pub struct Notifier {
    manager: Option<(UnixDatagram, SocketAddr)>,
}

impl Notifier {
    /// To the manager that started this process.
    pub fn of_process() -> Self {
        Self::to(std::env::var_os("NOTIFY_SOCKET").as_deref())
    }

    /// To the manager at an address, a path or, after an `@`, a name.
    pub fn to(address: Option<&OsStr>) -> Self {
        let Some(address) = address.filter(|address| !address.is_empty()) else { return Self::default() };
        let connected = socket_address(address).and_then(|manager| {
            let socket = UnixDatagram::unbound()?;
            socket.set_nonblocking(true)?;
            Ok((socket, manager))
        });
        match connected {
            Ok(manager) => Self { manager: Some(manager) },
            Err(error) => {
                tracing::warn!(
                    "the service manager is not told anything: `NOTIFY_SOCKET` cannot be used: {error}"
                );
                Self::default()
            }
        }
    }

    /// The daemon serves, for the first time or after a reload.
    pub fn ready(&self, status: &str) {
        self.send(&format!("READY=1\n{}", status_line(status)));
    }

    /// A reload has begun; [`Notifier::ready`] follows, whatever comes of it.
    pub fn reloading(&self) {
        let now = Duration::try_from(clock_gettime(ClockId::Monotonic)).unwrap_or_default();
        self.send(&format!("RELOADING=1\nMONOTONIC_USEC={}\n", now.as_micros()));
    }

    /// The daemon has begun to stop.
    pub fn stopping(&self) {
        self.send("STOPPING=1\n");
    }

    fn pet(&self) {
        self.send("WATCHDOG=1\n");
    }

    fn send(&self, message: &str) {
        let Some((socket, manager)) = &self.manager else { return };
        if let Err(error) = socket.send_to_addr(message.as_bytes(), manager) {
            tracing::debug!("the service manager was not told: {error}");
        }
    }
}

fn status_line(status: &str) -> String {
    let mut line = String::new();
    // Writing to a text does not fail.
    let _ = writeln!(line, "STATUS={}", printable(status, LONGEST_STATUS));
    line
}

fn socket_address(address: &OsStr) -> io::Result<SocketAddr> {
    match address.as_bytes() {
        #[cfg(target_os = "linux")]
        [b'@', name @ ..] => <SocketAddr as std::os::linux::net::SocketAddrExt>::from_abstract_name(name),
        [b'/', ..] => SocketAddr::from_pathname(address),
        _ => Err(io::Error::new(io::ErrorKind::Unsupported, "it is neither a path nor the name of a socket")),
    }
}

/// Shows the service manager again and again that the daemon lives, for as long as it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Watchdog {
    limit: Duration,
}

impl Watchdog {
    /// As the manager wants it of this process, if it does.
    pub fn of_process() -> Option<Self> {
        let variable = |name| std::env::var(name).ok();
        Self::wanted(
            variable("WATCHDOG_USEC")?.as_str(),
            variable("WATCHDOG_PID").as_deref(),
            std::process::id(),
        )
    }

    /// The manager may mean another process than the one that has `id`.
    fn wanted(limit_us: &str, whom: Option<&str>, id: u32) -> Option<Self> {
        let limit = Duration::from_micros(limit_us.parse().ok().filter(|limit| *limit > 0)?);
        whom.is_none_or(|whom| whom.parse() == Ok(id)).then_some(Self { limit })
    }

    /// Says so at half of the time that the manager waits, each time after `is_alive` has answered yes within that
    /// half. Never ends.
    pub async fn pet<A: Future<Output = bool>>(self, notifier: &Notifier, is_alive: impl Fn() -> A) {
        let half = self.limit / 2;
        let mut ticks = interval(half);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            match timeout(half, is_alive()).await {
                Ok(true) => notifier.pet(),
                Ok(false) | Err(_) => {
                    tracing::error!(
                        "the daemon does not react; the service manager is not told that it lives, and restarts it \
                         after {}",
                        humantime::format_duration(self.limit)
                    );
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    struct Manager {
        socket: UnixDatagram,
        _folder: tempfile::TempDir,
    }

    impl Manager {
        fn start() -> (Self, Notifier) {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("notify");
            let socket = UnixDatagram::bind(&path).unwrap();
            socket.set_nonblocking(true).unwrap();
            (Self { socket, _folder: folder }, Notifier::to(Some(path.as_os_str())))
        }

        /// What was told since the last time.
        fn told(&self) -> Vec<String> {
            let mut told = Vec::new();
            let mut buffer = [0; 4096];
            while let Ok(length) = self.socket.recv(&mut buffer) {
                told.push(String::from_utf8(buffer[..length].to_vec()).unwrap());
            }
            told
        }
    }

    #[test]
    fn a_manager_hears_of_every_step() {
        let (manager, notifier) = Manager::start();
        notifier.ready("watching 3 repositories");
        notifier.reloading();
        notifier.ready("line one\nREADY=1");
        notifier.stopping();
        let told = manager.told();
        assert_eq!(told[0], "READY=1\nSTATUS=watching 3 repositories\n");
        let since: u128 = told[1]
            .strip_prefix("RELOADING=1\nMONOTONIC_USEC=")
            .and_then(|rest| rest.trim_end().parse().ok())
            .unwrap();
        let now = Duration::try_from(clock_gettime(ClockId::Monotonic)).unwrap();
        assert!(since > 0 && since <= now.as_micros());
        assert_eq!(told[2], "READY=1\nSTATUS=line one\\nREADY=1\n", "no status becomes an order");
        assert_eq!(told[3], "STOPPING=1\n");
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_manager_behind_a_name_hears_too() {
        use std::os::linux::net::SocketAddrExt;
        let name = format!("forgewatch-notify-{}", std::process::id());
        let socket = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
        socket.set_nonblocking(true).unwrap();
        Notifier::to(Some(&OsString::from(format!("@{name}")))).stopping();
        let mut buffer = [0; 64];
        let length = socket.recv(&mut buffer).unwrap();
        assert_eq!(&buffer[..length], b"STOPPING=1\n");
    }

    #[test]
    fn without_a_manager_nothing_happens() {
        for address in [None, Some(""), Some("relative"), Some("/nowhere/at/all")] {
            Notifier::to(address.map(OsStr::new)).ready("");
        }
        assert!(Notifier::to(Some(OsStr::new("vsock:2:1"))).manager.is_none());
    }

    #[test]
    fn the_watchdog_is_meant_for_one_process() {
        let limit = |us, whom| Watchdog::wanted(us, whom, 7).map(|watchdog| watchdog.limit);
        assert_eq!(limit("30000000", None), Some(Duration::from_secs(30)));
        assert_eq!(limit("30000000", Some("7")), Some(Duration::from_secs(30)));
        assert_eq!(limit("30000000", Some("8")), None);
        assert_eq!(limit("0", None), None);
        assert_eq!(limit("soon", None), None);
    }

    #[tokio::test(start_paused = true)]
    async fn the_watchdog_is_petted_only_while_the_daemon_lives() {
        let (manager, notifier) = Manager::start();
        let watchdog = Watchdog { limit: Duration::from_secs(10) };
        let (is_alive, hangs) = (AtomicBool::new(true), AtomicBool::new(false));
        let probe = async || {
            if hangs.load(Ordering::Relaxed) {
                std::future::pending::<()>().await;
            }
            is_alive.load(Ordering::Relaxed)
        };
        let mut petting = std::pin::pin!(watchdog.pet(&notifier, probe));
        let mut pets_within = async |seconds| {
            let _ = timeout(Duration::from_secs(seconds), &mut petting).await;
            manager.told().len()
        };
        assert_eq!(pets_within(21).await, 5, "at once, and every 5 seconds");
        is_alive.store(false, Ordering::Relaxed);
        assert_eq!(pets_within(20).await, 0);
        is_alive.store(true, Ordering::Relaxed);
        assert_eq!(pets_within(10).await, 2);
        hangs.store(true, Ordering::Relaxed);
        assert_eq!(pets_within(30).await, 0);
    }
}
