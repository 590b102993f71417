//! The daemon over very many repositories, for long: how fast it starts, what it costs, how even it is, and whether
//! anything is lost or told twice while its forge, its configuration and its process are taken from under it.
//!
//! Figures are reported and never judged, since they are this machine's; what is lost, repeated or not told is wrong
//! on every machine. The forge runs in this process, so the two share the processor.

mod metrics;
mod phases;
mod pulse;
mod state;
mod subject;

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use subject::Subject;

/// What to do.
pub struct Options {
    /// Repositories to watch at first.
    pub repositories: usize,
    /// How long the steady state is watched.
    pub duration: Duration,
    /// How often each repository is checked, as the configuration has it.
    pub interval: String,
    /// What comes after the start, in this order.
    pub phases: Vec<Phase>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            repositories: 100_000,
            duration: Duration::from_secs(600),
            interval: "5m".to_owned(),
            phases: Phase::ALL.map(|(_, phase)| phase).to_vec(),
        }
    }
}

/// A part of the whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// The first start, which is made in any case.
    Start,
    /// Nothing happens but checks.
    Steady,
    /// The identity is revoked, and restored.
    Revoke,
    /// The configuration is wrong, then longer, then a little different.
    Reload,
    /// The daemon is killed again and again, while repositories come and go.
    Kill,
    /// The daemon is told to stop.
    Stop,
}

impl Phase {
    const ALL: [(&'static str, Self); 6] = [
        ("start", Self::Start),
        ("steady", Self::Steady),
        ("revoke", Self::Revoke),
        ("reload", Self::Reload),
        ("kill", Self::Kill),
        ("stop", Self::Stop),
    ];
}

impl FromStr for Phase {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|(known, _)| *known == name);
        found.map(|(_, phase)| phase).ok_or_else(|| {
            let names = Self::ALL.map(|(name, _)| name).join(",");
            format!("there is no phase `{name}`: use some of {names}")
        })
    }
}

/// What it showed, a line each.
#[derive(Default)]
pub struct Report {
    lines: Vec<String>,
    /// What must not be on any machine.
    pub wrong: Vec<String>,
}

impl Report {
    fn tell(&mut self, phase: &str, line: impl fmt::Display) {
        // What is known is shown at once too: the whole takes long, and may be interrupted.
        eprintln!("{phase:<7} {line}");
        self.lines.push(format!("{phase:<7} {line}"));
    }

    /// Keeps in mind that something is wrong, unless it is as it should be.
    fn expect(&mut self, is_right: bool, wrong: impl FnOnce() -> String) {
        if !is_right {
            self.wrong.push(wrong());
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.lines.iter().try_for_each(|line| writeln!(f, "{line}"))?;
        self.wrong.iter().try_for_each(|wrong| writeln!(f, "wrong   {wrong}"))
    }
}

/// Goes through the phases.
///
/// # Panics
/// If the daemon cannot be started, or something never comes that everything else needs.
pub fn endurance(options: &Options) -> Report {
    let mut report = Report::default();
    let mut subject = Subject::new(options);
    phases::start(&mut subject, &mut report);
    for phase in &options.phases {
        match phase {
            Phase::Start => {}
            Phase::Steady => phases::steady(&subject, options.duration, &mut report),
            Phase::Revoke => phases::revoke(&mut subject, &mut report),
            Phase::Reload => phases::reload(&mut subject, &mut report),
            Phase::Kill => phases::kill(&mut subject, &mut report),
            Phase::Stop => {
                phases::stop(subject, &mut report);
                return report;
            }
        }
    }
    report
}
