//! The host while it runs: what it has printed so far, and its workers.

use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use rustix::process::Signal;

use crate::process::{Process, eventually, wait_for};
use crate::sandbox::Run;

/// A running host. Killed when it is dropped.
pub struct Running {
    child: Child,
    stdout: Stream,
    stderr: Stream,
}

/// What came out of one stream so far.
struct Stream {
    text: Arc<Mutex<String>>,
    reader: Option<JoinHandle<()>>,
}

impl Stream {
    fn new(source: impl Read + Send + 'static) -> Self {
        let text = Arc::new(Mutex::default());
        let written = Arc::clone(&text);
        let reader = thread::spawn(move || {
            let mut source = BufReader::new(source);
            let mut line = String::new();
            while source.read_line(&mut line).is_ok_and(|length| length > 0) {
                locked(&written).push_str(&line);
                line.clear();
            }
        });
        Self { text, reader: Some(reader) }
    }

    /// Everything, once the other side has closed.
    fn rest(&mut self) -> String {
        let reader = self.reader.take().map(JoinHandle::join);
        reader.unwrap_or(Ok(())).expect("the reader does not fail");
        std::mem::take(&mut *locked(&self.text))
    }
}

fn locked(text: &Mutex<String>) -> MutexGuard<'_, String> {
    text.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Running {
    /// Starts a command, in a process group of its own.
    ///
    /// # Panics
    /// If it cannot be started.
    pub fn start(command: Command) -> Self {
        Self::try_start(command).expect("the binary can be started")
    }

    /// The same with a command that may not be there.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn try_start(mut command: Command) -> io::Result<Self> {
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
        let mut child = command.spawn()?;
        let stdout = Stream::new(child.stdout.take().expect("it is piped"));
        let stderr = Stream::new(child.stderr.take().expect("it is piped"));
        Ok(Self { child, stdout, stderr })
    }

    /// The host's process.
    pub fn process(&self) -> Process {
        Process::of(&self.child)
    }

    /// The only worker for the plugin `key`, waiting until it is the only one.
    ///
    /// # Panics
    /// If there is none for 20 seconds, or there are always several.
    #[track_caller]
    pub fn worker(&self, key: &str) -> Process {
        wait_for("one worker", || match self.process().workers(key).as_slice() {
            [worker] => Some(*worker),
            _ => None,
        })
    }

    /// Standard error so far.
    pub fn errors(&self) -> String {
        locked(&self.stderr.text).clone()
    }

    /// Standard output so far.
    pub fn output(&self) -> String {
        locked(&self.stdout.text).clone()
    }

    /// Where standard error ends so far, in bytes.
    pub fn told(&self) -> usize {
        locked(&self.stderr.text).len()
    }

    /// The first line of standard error that begins there or later and has this text, if there is one by now.
    pub fn told_since(&self, part: &str, from: usize) -> Option<String> {
        let text = locked(&self.stderr.text);
        let since = text.get(from..).unwrap_or_default();
        let at = since.find(part)?;
        let start = since[..at].rfind('\n').map_or(0, |end| end + 1);
        since[start..].lines().next().map(ToOwned::to_owned)
    }

    /// Waits until standard error has this text for the `times`th time.
    ///
    /// # Panics
    /// If it has not for 20 seconds.
    #[track_caller]
    pub fn tells(&self, part: &str, times: usize) {
        let told = || (self.errors().matches(part).count() >= times).then_some(());
        assert!(eventually(told).is_some(), "{part:?} was not told {times} times in:\n{}", self.errors());
    }

    /// Waits until it ends by itself.
    ///
    /// # Panics
    /// If it cannot be waited for.
    pub fn end(mut self) -> Run {
        let status = self.child.wait().expect("it ends");
        Run { status: status.code(), stdout: self.stdout.rest(), stderr: self.stderr.rest() }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Of one that has been waited for nothing is left to end.
        if matches!(self.child.try_wait(), Ok(None)) {
            self.process().signal(Signal::KILL);
            let _ = self.child.wait();
        }
    }
}
