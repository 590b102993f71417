//! One host under a long hail of kills: every check must end with a verdict, and the host must stay as it is.
//!
//! One sweep lasts as long as the soak does, so that what leaks adds up: its repositories are as many as can be checked
//! in that time, and at its end the forge answers at once.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::Value;

use crate::fake::{Answer, Fake, Match, World, contoso};
use crate::process::eventually;
use crate::running::Running;
use crate::sandbox::{Run, Sandbox};

/// How many checks run at once.
const CONCURRENCY: u64 = 8;
/// How long the forge takes for an answer: short enough for a second try before the next kill.
const ANSWER: Duration = Duration::from_millis(400);
/// How often the worker is killed.
const KILL_EVERY: Duration = Duration::from_secs(1);
const KEY: &str = "vsts";
/// Stands for the reason of a line that is no result.
const NO_VERDICT: &str = "no verdict";

/// What a soak showed.
pub struct Report {
    /// How long workers were killed.
    pub duration: Duration,
    /// How many repositories were to be checked.
    pub repositories: usize,
    /// How many verdicts there were, by reason.
    pub reasons: BTreeMap<String, usize>,
    /// What the first check says that did not end with access.
    pub example: Option<String>,
    /// How many workers were killed.
    pub kills: usize,
    /// How often the host said that it starts its worker again.
    pub restarts: usize,
    /// Lines on standard error other than those.
    pub other_lines: Vec<String>,
    /// The host's memory in KiB, once before each kill.
    pub resident_kib: Vec<u64>,
    /// The host's descriptors, once before each kill.
    pub descriptors: Vec<u64>,
    /// Whether children of the host that had ended were left to wait.
    pub zombies: bool,
    /// Worker processes that were there after the host had ended.
    pub left: usize,
}

/// Kills the worker of a sweep every second for as long as `duration`, lets the sweep end, and says what was seen.
///
/// # Panics
/// If the host cannot be started, or never has a worker.
pub fn soak(duration: Duration) -> Report {
    let repositories = (duration.as_secs() + 1) * 1000 * CONCURRENCY / (ANSWER.as_millis() as u64);
    let fake = Fake::start_blocking(World::contoso());
    fake.record(false);
    fake.fault(Match::any(), Answer::from_world().after(ANSWER));
    let sandbox = sandbox(&fake, repositories);
    let host = Running::start(sandbox.command(&["check", "--format=ndjson"]));
    let mut report = Report::new(duration, repositories as usize);
    report.hail(&host, duration);
    // One that was killed this very moment may not have been waited for yet.
    let reaped = || host.process().children().iter().all(|child| !child.is_zombie()).then_some(());
    report.zombies = eventually(reaped).is_none();
    let workers = host.process().workers(KEY);
    fake.clear_faults();
    let run = host.end();
    report.left = workers.iter().filter(|worker| worker.is_alive()).count();
    report.read(&run);
    report
}

fn sandbox(fake: &Fake, repositories: u64) -> Sandbox {
    let mut sandbox = Sandbox::with_fake(fake);
    sandbox.set_variable("PAT", contoso::PAT);
    // Single checks are the harder way.
    sandbox.ask_one_by_one();
    let mut config = format!(
        "http.concurrency = {CONCURRENCY}\n[identities.reader]\nkind = \"pat\"\ntoken = {{ env = \"PAT\" }}\n\
         [integrations.contoso]\nprovider = \"{KEY}\"\ndomain_name = \"https://dev.azure.com/contoso/\"\n\
         identity = \"reader\"\n[repositories]\n"
    );
    for number in 0..repositories {
        let _ = writeln!(
            config,
            "r{number} = {{ integration = \"contoso\", project = \"Web Shop\", name = \"storefront\" }}"
        );
    }
    sandbox.write("forgewatch.toml", config);
    sandbox
}

impl Report {
    fn new(duration: Duration, repositories: usize) -> Self {
        Self {
            duration,
            repositories,
            reasons: BTreeMap::new(),
            example: None,
            kills: 0,
            restarts: 0,
            other_lines: Vec::new(),
            resident_kib: Vec::new(),
            descriptors: Vec::new(),
            zombies: false,
            left: 0,
        }
    }

    /// Kills whatever worker there is, at a fixed pace: how far it has come by then is up to chance.
    fn hail(&mut self, host: &Running, duration: Duration) {
        let process = host.process();
        let first = eventually(|| (!host.output().is_empty()).then_some(()));
        assert!(first.is_some(), "no check ever ended:\n{}", host.errors());
        let start = Instant::now();
        for strike in 1.. {
            let at = start + KILL_EVERY * strike;
            thread::sleep(at.saturating_duration_since(Instant::now()));
            if start.elapsed() > duration || !process.is_alive() {
                break;
            }
            self.resident_kib.push(process.resident_kib());
            self.descriptors.push(process.descriptors() as u64);
            let killed = process.workers(KEY).into_iter().filter(|worker| worker.signal(Signal::KILL));
            self.kills += killed.count();
        }
    }

    fn read(&mut self, run: &Run) {
        for line in run.stdout.lines() {
            let result: Value = serde_json::from_str(line).unwrap_or_default();
            let reason = result["reason"].as_str().unwrap_or(NO_VERDICT);
            *self.reasons.entry(reason.to_owned()).or_default() += 1;
            if reason != "granted" && self.example.is_none() {
                self.example = Some(line.to_owned());
            }
        }
        let (restarts, others): (Vec<_>, Vec<_>) =
            run.stderr.lines().partition(|line| line.contains("is started again"));
        self.restarts = restarts.len();
        self.other_lines = others.into_iter().map(str::to_owned).collect();
    }

    /// How many checks ended with this reason.
    pub fn of(&self, reason: &str) -> usize {
        self.reasons.get(reason).copied().unwrap_or(0)
    }

    /// How many checks there are no verdicts of.
    pub fn missing(&self) -> usize {
        self.repositories - self.reasons.values().sum::<usize>().min(self.repositories) + self.of(NO_VERDICT)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { duration, repositories, kills, restarts, zombies, left, .. } = self;
        writeln!(f, "soak of {}s: {CONCURRENCY} checks at once, each about {ANSWER:?}", duration.as_secs())?;
        writeln!(f, "checks: {repositories}, of them without a verdict: {}", self.missing())?;
        for (reason, count) in &self.reasons {
            writeln!(f, "  {reason}: {count}")?;
        }
        if let Some(line) = &self.example {
            writeln!(f, "  for example: {line}")?;
        }
        writeln!(f, "workers killed: {kills}, restarts that the host told: {restarts}")?;
        writeln!(f, "host's memory in KiB: {}", spread(&self.resident_kib))?;
        writeln!(f, "host's descriptors: {}", spread(&self.descriptors))?;
        writeln!(f, "zombies: {}, worker processes left: {left}", if *zombies { "some" } else { "none" })?;
        for line in self.other_lines.iter().take(10) {
            writeln!(f, "the host also said: {line}")?;
        }
        Ok(())
    }
}

/// Smallest, median, largest and last, and how the last quarter differs from the second.
fn spread(values: &[u64]) -> String {
    let quarter = values.len() / 4;
    let growth = median(&values[quarter * 3..]) as i64 - median(&values[quarter..quarter * 2]) as i64;
    let (min, max) = (values.iter().min().copied(), values.iter().max().copied());
    format!(
        "min {}, median {}, max {}, last {}; from the second quarter to the last {growth:+}",
        min.unwrap_or(0),
        median(values),
        max.unwrap_or(0),
        values.last().copied().unwrap_or(0)
    )
}

fn median(values: &[u64]) -> u64 {
    let mut sorted = values.to_vec();
    sorted.sort_unstable();
    sorted.get(sorted.len() / 2).copied().unwrap_or(0)
}
