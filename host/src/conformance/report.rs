//! Cases: running them within their limits, and what came of each.

use std::time::{Duration, Instant};

use serde::Serialize;

use super::rules::QUARANTINED;
use crate::plugins::PluginFile;
use crate::text::printable;

/// More than any case takes on a busy machine, a worker that has to be started again included.
const LONGEST_CASE: Duration = Duration::from_secs(10);
/// More than all of them take.
const LONGEST_RUN: Duration = Duration::from_secs(120);
/// Characters of a line of a report.
const LONGEST_TEXT: usize = 600;

/// What was wrong. Its text is safe to print.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// What the rule asks for.
    pub expected: String,
    /// What was seen.
    pub came: String,
    /// What an author does about it.
    pub to_do: String,
}

impl Fault {
    pub(super) fn new(expected: impl AsRef<str>, came: impl AsRef<str>, to_do: impl AsRef<str>) -> Self {
        let shown = |text: &str| printable(text, LONGEST_TEXT).into_owned();
        Self { expected: shown(expected.as_ref()), came: shown(came.as_ref()), to_do: shown(to_do.as_ref()) }
    }
}

/// How a case ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum Status {
    /// The rule holds.
    Passed,
    /// It does not.
    Failed(Fault),
    /// It was not tried.
    Skipped {
        /// Why not.
        why: String,
    },
}

/// One case.
#[derive(Clone, Debug, Serialize)]
pub struct Case {
    /// What it belongs to.
    pub group: &'static str,
    /// What it is called.
    pub name: String,
    /// How it ended.
    #[serde(flatten)]
    pub status: Status,
    /// How long it took.
    #[serde(skip)]
    pub duration: Duration,
}

/// A run that ended.
#[derive(Debug)]
pub struct Report {
    /// The library.
    pub file: PluginFile,
    /// What of the sandbox its worker had; none where it could not be started.
    pub sandbox: Option<String>,
    /// What came of each case, in order.
    pub cases: Vec<Case>,
    /// How long all of it took.
    pub duration: Duration,
}

impl Report {
    /// How many cases passed, failed and were skipped.
    pub fn counts(&self) -> (usize, usize, usize) {
        self.cases.iter().fold((0, 0, 0), |(passed, failed, skipped), case| match case.status {
            Status::Passed => (passed + 1, failed, skipped),
            Status::Failed(_) => (passed, failed + 1, skipped),
            Status::Skipped { .. } => (passed, failed, skipped + 1),
        })
    }
}

/// Why a case does not pass.
pub(super) enum Stop {
    Fault(Fault),
    Skip(String),
}

impl From<Fault> for Stop {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl Stop {
    pub(super) fn skip(why: impl Into<String>) -> Self {
        Self::Skip(why.into())
    }
}

/// A run that goes on.
pub(super) struct Run {
    started: Instant,
    cases: Vec<Case>,
    /// Whether the plugin is in quarantine: nothing can be said of it any more.
    is_over: bool,
}

impl Run {
    pub(super) fn new() -> Self {
        Self { started: Instant::now(), cases: Vec::new(), is_over: false }
    }

    /// Runs one case.
    pub(super) async fn case(
        &mut self,
        group: &'static str,
        name: impl Into<String>,
        case: impl Future<Output = Result<(), Stop>>,
    ) {
        self.value(group, name, case).await;
    }

    /// Runs one case and gives what it found.
    pub(super) async fn value<T>(
        &mut self,
        group: &'static str,
        name: impl Into<String>,
        case: impl Future<Output = Result<T, Stop>>,
    ) -> Option<T> {
        let begun = Instant::now();
        let left = LONGEST_RUN.saturating_sub(self.started.elapsed());
        let limit = LONGEST_CASE.min(left);
        let is_over = self.is_over;
        let case = async move {
            match is_over {
                true => Err(Stop::skip("the plugin no longer runs: see the last case that failed")),
                false => case.await,
            }
        };
        let ended = if left.is_zero() { None } else { tokio::time::timeout(limit, case).await.ok() };
        let (status, value) = match ended {
            Some(Ok(value)) => (Status::Passed, Some(value)),
            Some(Err(Stop::Fault(fault))) => {
                self.is_over = fault.came.contains(QUARANTINED);
                (Status::Failed(fault), None)
            }
            Some(Err(Stop::Skip(why))) => (Status::Skipped { why }, None),
            None => (Status::Failed(too_slow(left)), None),
        };
        let name = printable(&name.into(), LONGEST_TEXT).into_owned();
        self.cases.push(Case { group, name, status, duration: begun.elapsed() });
        value
    }

    pub(super) fn end(self, file: PluginFile, sandbox: Option<String>) -> Report {
        Report { file, sandbox, cases: self.cases, duration: self.started.elapsed() }
    }
}

fn too_slow(left: Duration) -> Fault {
    let expected = format!("an end within {} s", LONGEST_CASE.as_secs());
    if left.is_zero() {
        let came = format!("it was not tried: the cases before it took {} s", LONGEST_RUN.as_secs());
        return Fault::new(expected, came, "see the cases that did not end");
    }
    Fault::new(
        expected,
        "none: the plugin hangs",
        "await nothing but the host's services, and end a loop after a number of requests",
    )
}
