//! Processes as the kernel shows them: a host's workers, and what a process holds. Only on Linux.

use std::fs;
use std::process::Child;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Resource, Rlimit, Signal, kill_process, kill_process_group, prlimit};

/// How long anything that is waited for may take.
const LIMIT: Duration = Duration::from_secs(20);

/// A process, seen from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Process(Pid);

impl Process {
    /// This process.
    pub fn own() -> Self {
        Self(rustix::process::getpid())
    }

    /// A child of this process.
    pub fn of(child: &Child) -> Self {
        Self(Pid::from_child(child))
    }

    /// Sends a signal; whether the process was still there.
    pub fn signal(self, signal: Signal) -> bool {
        kill_process(self.0, signal).is_ok()
    }

    /// Sends a signal to the process group that it leads, as a terminal does.
    ///
    /// # Panics
    /// If it leads none.
    pub fn signal_group(self, signal: Signal) {
        kill_process_group(self.0, signal).expect("it leads a group");
    }

    /// Whether it has not ended yet. One that waits to be reaped has.
    pub fn is_alive(self) -> bool {
        !matches!(self.stat().first().map(String::as_str), None | Some("Z" | "X"))
    }

    /// Whether it has ended and nobody has asked how.
    pub fn is_zombie(self) -> bool {
        self.stat().first().is_some_and(|state| state == "Z")
    }

    /// Its children, those that wait to be reaped too.
    pub fn children(self) -> Vec<Self> {
        let own = self.0.as_raw_nonzero().to_string();
        all().filter(|process| process.stat().get(1) == Some(&own)).collect()
    }

    /// Those that a signal to the group that it leads reaches, itself among them.
    pub fn group(self) -> Vec<Self> {
        all().filter(|process| process.is_in_group_of(self)).collect()
    }

    /// Its workers for the plugin `key` that have not ended, in the order of their start.
    pub fn workers(self, key: &str) -> Vec<Self> {
        let mut workers: Vec<_> = self.children().into_iter().filter(|child| child.is_worker(key)).collect();
        workers.sort_by_key(|worker| (worker.started(), worker.0.as_raw_nonzero()));
        workers
    }

    /// Has every write fail that would make a file longer than this, from now on; `None` allows all again.
    ///
    /// # Panics
    /// If it is gone.
    pub fn limit_files(self, bytes: Option<u64>) {
        let limit = Rlimit { current: bytes, maximum: None };
        prlimit(Some(self.0), Resource::Fsize, limit).expect("it is there, and its own limit is higher");
    }

    /// How many descriptors it has open.
    pub fn descriptors(self) -> usize {
        fs::read_dir(self.file("fd")).map_or(0, Iterator::count)
    }

    /// How much memory it has in use, in KiB.
    pub fn resident_kib(self) -> u64 {
        let status = fs::read_to_string(self.file("status")).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.strip_suffix("kB"));
        line.and_then(|number| number.trim().parse().ok()).unwrap_or(0)
    }

    /// How long it has run its own code, in the kernel's ticks.
    pub fn processor_ticks(self) -> u64 {
        self.stat().get(11).and_then(|ticks| ticks.parse().ok()).unwrap_or(0)
    }

    /// How long it has kept a processor busy, the kernel's work for it included.
    pub fn processor_time(self) -> Duration {
        // The kernel shows all programs a hundred ticks a second, however many it has.
        let ticks = self.stat().get(11..=12).map(|ticks| ticks.iter().flat_map(|it| it.parse::<u64>()).sum());
        Duration::from_millis(ticks.unwrap_or(0) * 10)
    }

    /// Whether a signal to the group that `leader` leads reaches it.
    pub fn is_in_group_of(self, leader: Self) -> bool {
        self.stat().get(2) == Some(&leader.0.as_raw_nonzero().to_string())
    }

    fn file(self, name: &str) -> String {
        format!("/proc/{}/{name}", self.0.as_raw_nonzero())
    }

    fn is_worker(self, key: &str) -> bool {
        let line = fs::read_to_string(self.file("cmdline")).unwrap_or_default();
        line.split('\0').skip(1).take(2).eq(["plugin-worker", key])
    }

    /// The fields behind its name: state, parent, and so on. Empty when it is gone.
    fn stat(self) -> Vec<String> {
        let stat = fs::read_to_string(self.file("stat")).unwrap_or_default();
        let fields = stat.rsplit_once(") ").map_or("", |(_, fields)| fields);
        fields.split_whitespace().map(str::to_owned).collect()
    }

    fn started(self) -> u64 {
        self.stat().get(19).and_then(|ticks| ticks.parse().ok()).unwrap_or(0)
    }
}

fn all() -> impl Iterator<Item = Process> {
    let entries = fs::read_dir("/proc").expect("the process table").flatten();
    let ids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    ids.filter_map(|id| Pid::from_raw(id).map(Process))
}

/// Waits until there is `what`, looking again and again.
///
/// # Panics
/// If it takes longer than 20 seconds.
#[track_caller]
pub fn wait_for<T>(what: &str, look: impl FnMut() -> Option<T>) -> T {
    eventually(look).unwrap_or_else(|| panic!("there was never {what}"))
}

/// What `look` finds, looking again and again for 20 seconds.
pub(crate) fn eventually<T>(look: impl FnMut() -> Option<T>) -> Option<T> {
    within(LIMIT, look)
}

/// What `look` finds within this time, looking again and again.
pub(crate) fn within<T>(limit: Duration, mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let start = Instant::now();
    while start.elapsed() < limit {
        if let Some(found) = look() {
            return Some(found);
        }
        thread::sleep(Duration::from_millis(2));
    }
    None
}
