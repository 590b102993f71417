//! The daemon's HTTP side before other people's tools: schemathesis asks whether every answer is what the API's own
//! document says, promtool whether Prometheus takes the metrics and the rules of the examples.
//!
//! Everything happens on loopback, and what the tools leave behind lies in `target/contract`.

mod subject;
mod tools;

use std::error::Error;
use std::fmt;
use std::fs;

use crate::build;
use crate::haystack::Haystack;
use subject::{OPERATE, READ, Subject};
use tools::Schemathesis;

/// What one of the tools said.
pub struct Finding {
    what: String,
    summary: String,
    /// Whether it had nothing against it.
    pub passed: bool,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = if self.passed { "passed" } else { "FAILED" };
        writeln!(f, "{verdict}: {}", self.what)?;
        self.summary.lines().try_for_each(|line| writeln!(f, "    {line}"))
    }
}

/// Has everything judged, with at most so many generated requests for each operation in each run of schemathesis.
/// Tells each finding as it comes.
///
/// # Errors
/// A tool is missing and cannot be installed, or cannot be run.
///
/// # Panics
/// If a daemon cannot be started, or its repositories never come to what they should.
pub fn contract(examples: u32, tell: impl Fn(&Finding)) -> Result<Vec<Finding>, Box<dyn Error>> {
    let folder = build::root().join("target/contract");
    fs::create_dir_all(&folder)?;
    let schemathesis = Schemathesis::find(&folder, examples)?;
    let mut findings = Vec::new();
    let mut keep = |finding: Finding| {
        tell(&finding);
        findings.push(finding);
    };
    let guarded = Subject::start(true);
    let document = guarded.save_document(&folder)?;
    for (who, token) in
        [("with a token to operate", Some(OPERATE)), ("to read", Some(READ)), ("without a token", None)]
    {
        keep(schemathesis.run(who, &document, &guarded.url(), token)?);
    }
    judge_metrics(&guarded, &mut keep)?;
    keep(judge_log(guarded));
    let open = Subject::start(false);
    let document = open.save_document(&folder)?;
    keep(schemathesis.run("where no token is asked for", &document, &open.url(), None)?);
    keep(judge_log(open));
    Ok(findings)
}

fn judge_metrics(subject: &Subject, keep: &mut impl FnMut(Finding)) -> Result<(), Box<dyn Error>> {
    let folder = build::root().join("examples/prometheus");
    if !tools::is_installed("promtool") {
        eprintln!("promtool is not installed (Debian: prometheus): nothing is said about metrics and rules");
        return Ok(());
    }
    let promtool = |arguments: &[&str], input: &str| tools::promtool(&folder, arguments, input);
    keep(promtool(&["check", "metrics"], &subject.metrics()?)?);
    keep(promtool(&["check", "rules", "alerts.yml"], "")?);
    keep(promtool(&["test", "rules", "alerts.test.yml"], "")?);
    Ok(())
}

/// Stops the daemon, whose log must tell of no fault of its own and hold no token.
fn judge_log(subject: Subject) -> Finding {
    let log = subject.stop();
    for secret in [OPERATE, READ] {
        Haystack::new(secret).assert_absent_from(log.as_bytes(), "the log");
    }
    let faults = ["panicked", "a request of the API failed"];
    let told: Vec<_> = log.lines().filter(|line| faults.iter().any(|fault| line.contains(fault))).collect();
    let what = format!("the log, of {} lines", log.lines().count());
    Finding { what, passed: told.is_empty(), summary: told.join("\n") }
}
