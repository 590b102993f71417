//! Running a command while looking at its processes, as `/proc` shows them.

use std::collections::BTreeSet;
use std::fs;
use std::io::Read;
use std::process::{Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use forgewatch_tests::sandbox::Run;
use rustix::process::{Pid, Signal, kill_process};

/// How often the processes are looked at.
const EVERY: Duration = Duration::from_millis(20);
/// How long processes may take to be gone after their host is.
const GRACE: Duration = Duration::from_secs(5);

/// A command that has ended.
pub(crate) struct Watched {
    pub(crate) run: Run,
    /// The most memory that the command itself had, in MiB.
    pub(crate) memory_mib: u64,
    /// How many children it was seen with.
    pub(crate) seen: usize,
}

impl Watched {
    /// Runs a command to its end, calling `meanwhile` again and again.
    ///
    /// # Panics
    ///
    /// If that takes longer than `limit`; the command is killed then.
    #[track_caller]
    pub(crate) fn run(mut command: Command, limit: Duration, mut meanwhile: impl FnMut()) -> Self {
        let mut child =
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it can be started");
        let pid = child.id();
        let stdout = read(child.stdout.take().expect("it is piped"));
        let stderr = read(child.stderr.take().expect("it is piped"));
        let (sender, ended) = mpsc::channel();
        thread::spawn(move || sender.send(child.wait()));
        let deadline = Instant::now() + limit;
        let (mut memory_mib, mut children) = (0, BTreeSet::new());
        let status = loop {
            match ended.recv_timeout(EVERY) {
                Ok(status) => break status.expect("the binary can be waited for"),
                Err(RecvTimeoutError::Disconnected) => panic!("nobody waits for the binary"),
                Err(RecvTimeoutError::Timeout) => {}
            }
            memory_mib = memory_mib.max(peak_mib(pid).unwrap_or_default());
            children.extend(children_of(pid));
            meanwhile();
            if Instant::now() > deadline {
                send(pid, Signal::KILL);
                panic!("the binary still runs after {limit:?}");
            }
        };
        let text = |stream: JoinHandle<Vec<u8>>| {
            String::from_utf8(stream.join().expect("a reader")).expect("output is text")
        };
        let run = Run { status: status.code(), stdout: text(stdout), stderr: text(stderr) };
        Self { run, memory_mib, seen: children.len() }
    }

    /// Fails when a worker of one of these plugins outlives its host.
    #[track_caller]
    pub(crate) fn assert_nothing_left(&self, keys: &[String]) {
        let start = Instant::now();
        loop {
            let left = workers(keys);
            if left.is_empty() {
                return;
            }
            assert!(start.elapsed() < GRACE, "processes are left: {left:?}");
            thread::yield_now();
        }
    }
}

fn read(mut stream: impl Read + Send + 'static) -> JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).expect("it can be read");
        bytes
    })
}

pub(crate) fn send(pid: u32, signal: Signal) {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    let _ = pid.map(|pid| kill_process(pid, signal));
}

fn peak_mib(pid: u32) -> Option<u64> {
    Some(status_field(pid, "VmHWM:")?.trim_end_matches("kB").trim().parse::<u64>().ok()? / 1024)
}

fn status_field(pid: u32, field: &str) -> Option<String> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    status.lines().find_map(|line| Some(line.strip_prefix(field)?.trim().to_owned()))
}

fn processes() -> impl Iterator<Item = u32> {
    let entries = fs::read_dir("/proc").expect("there is /proc").flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

fn children_of(pid: u32) -> impl Iterator<Item = u32> {
    let parent = pid.to_string();
    processes().filter(move |pid| status_field(*pid, "PPid:").as_ref() == Some(&parent))
}

/// Processes that run as workers of these plugins.
pub(super) fn workers(keys: &[String]) -> Vec<u32> {
    let is_worker = |pid: &u32| {
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let mut words = line.split(|byte| *byte == 0);
        words.any(|word| word == b"plugin-worker")
            && words.next().is_some_and(|word| keys.iter().any(|key| key.as_bytes() == word))
    };
    processes().filter(is_worker).collect()
}
