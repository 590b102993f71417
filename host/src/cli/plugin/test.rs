//! `forgewatch plugin test`: a conformance run of a library file, for its author.

use std::fmt::Write;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::process::ExitCode;

use anstyle::{AnsiColor, Style};
use clap::{Args, ValueEnum};
use quick_junit::{NonSuccessKind, TestCase, TestCaseStatus, TestSuite};
use serde::Serialize;
use serde_json::{Map, Value};

use super::{on_runtime, print_json};
use crate::cli::{USAGE, print, print_styled, tell};
use crate::conformance::{self, Case, Fault, Replay, Report, Settings, Status};
use crate::plugins::{LoadError, Refusal, SealedLibrary};
use crate::prepare::Rooms;
use crate::text::{path_text, printable};

/// Run a library file before a forge that is played to it, and say where it does not do as plugins should.
///
/// It runs in a worker process as it would in a check, without any network and without your configuration. The cases
/// hold for every provider; what access looks like at yours is for a file of recorded answers to say, and the cases
/// that need it are skipped without one.
///
/// Exit status: 0 no case failed, 1 some did, 2 wrong usage, or no library to test.
#[derive(Args, Debug)]
pub(in crate::cli) struct Arguments {
    /// The library file.
    #[arg(value_name = "LIBRARY")]
    library: PathBuf,
    /// Recorded answers that mean access, as TOML or JSON: the `conformance.toml` of a plugin made by `plugin new`.
    #[arg(long, value_name = "FILE")]
    replay: Option<PathBuf>,
    /// A URL of a repository that the plugin has to know; may be repeated.
    #[arg(long, value_name = "URL")]
    url: Vec<String>,
    /// The provider's options, a JSON object.
    #[arg(long, value_name = "JSON", value_parser = object)]
    options: Option<Options>,
    /// How to print the report.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
}

#[derive(Clone, Debug)]
struct Options(Map<String, Value>);

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    /// For people.
    Table,
    /// One JSON document.
    Json,
    /// JUnit XML, for CI systems.
    Junit,
}

fn object(text: &str) -> Result<Options, String> {
    match serde_json::from_str(text) {
        Ok(Value::Object(object)) => Ok(Options(object)),
        Ok(_) => Err("it is JSON, but no object: write `{\"name\": …}`".to_owned()),
        Err(error) => Err(format!("it is no JSON: {error}")),
    }
}

impl Arguments {
    pub(super) fn run(self) -> Result<ExitCode, ExitCode> {
        let usage = |problem: &dyn std::fmt::Display| {
            tell(AnsiColor::Red, "error", problem);
            ExitCode::from(USAGE)
        };
        let replay = self.replay.as_deref().map(Replay::read).transpose().map_err(|error| usage(&error))?;
        let library = SealedLibrary::of(&self.library, None).map_err(|error| usage(&self.told(&error)))?;
        let settings = Settings { urls: self.url, options: self.options.map(|it| it.0), replay };
        let format = self.format;
        on_runtime(async move {
            let report = conformance::run(library, Rooms::worker(conformance::STALL), settings).await;
            let printed = show(&report, format);
            let (_, failed, _) = report.counts();
            if printed == ExitCode::SUCCESS && failed > 0 { ExitCode::from(1) } else { printed }
        })
    }

    /// What is wrong with the library, in words for whoever builds it.
    fn told(&self, error: &LoadError) -> String {
        let file = path_text(&self.library);
        match error {
            LoadError::Refused(Refusal::Damaged { problem, .. }) => {
                format!(
                    "`{file}` is no intact library file ({problem}): rebuild it, or name the library file"
                )
            }
            LoadError::Refused(Refusal::Unreadable { source, .. })
                if source.kind() == ErrorKind::NotFound && !file.contains(['/', '.']) =>
            {
                format!("there is no file `{file}`: a library file goes here, not a key")
            }
            _ => error.to_string(),
        }
    }
}

fn show(report: &Report, format: Format) -> ExitCode {
    match format {
        Format::Table => print_styled(&table(report)),
        Format::Json => print_json(&Document::of(report)),
        Format::Junit => match junit(report).to_string() {
            Ok(text) => print(&text),
            Err(error) => {
                tell(AnsiColor::Red, "error", error);
                ExitCode::from(USAGE)
            }
        },
    }
}

/// The JSON shape of a report: a contract with users.
#[derive(Serialize)]
struct Document<'a> {
    schema: u32,
    plugin: Plugin<'a>,
    sandbox: Option<&'a str>,
    summary: Summary,
    duration_ms: u64,
    cases: &'a [Case],
}

#[derive(Serialize)]
struct Plugin<'a> {
    key: &'a str,
    name: &'a str,
    version: &'a str,
    path: String,
    sha256: &'a str,
}

#[derive(Serialize)]
struct Summary {
    total: usize,
    passed: usize,
    failed: usize,
    skipped: usize,
}

impl<'a> Document<'a> {
    fn of(report: &'a Report) -> Self {
        let manifest = &report.file.manifest;
        let (passed, failed, skipped) = report.counts();
        Self {
            schema: 1,
            plugin: Plugin {
                key: &manifest.key,
                name: &manifest.name,
                version: &manifest.version,
                path: path_text(&report.file.path),
                sha256: &report.file.sha256,
            },
            sandbox: report.sandbox.as_deref(),
            summary: Summary { total: report.cases.len(), passed, failed, skipped },
            duration_ms: u64::try_from(report.duration.as_millis()).unwrap_or(u64::MAX),
            cases: &report.cases,
        }
    }
}

fn table(report: &Report) -> String {
    let manifest = &report.file.manifest;
    let sandbox =
        report.sandbox.as_deref().map_or_else(String::new, |coverage| format!(", sandbox {coverage}"));
    let mut text = format!(
        "{} {}, a plugin for `{}`: in a worker process{sandbox}, before a played forge, without any network\n",
        printable(&manifest.name, 100),
        printable(&manifest.version, 50),
        manifest.key
    );
    let mut group = "";
    for case in &report.cases {
        if case.group != group {
            group = case.group;
            text.push_str(&format!("\n{group}\n"));
        }
        // Writing to a text does not fail.
        let _ = line(&mut text, case);
    }
    let (passed, failed, skipped) = report.counts();
    let took = humantime::format_duration(std::time::Duration::from_millis(
        u64::try_from(report.duration.as_millis()).unwrap_or(u64::MAX).max(1),
    ));
    let total = report.cases.len();
    text + &format!("\n{total} cases: {passed} passed, {failed} failed, {skipped} skipped, in {took}")
}

fn line(text: &mut String, case: &Case) -> std::fmt::Result {
    let (word, colour) = match &case.status {
        Status::Passed => ("ok", AnsiColor::Green),
        Status::Failed(_) => ("failed", AnsiColor::Red),
        Status::Skipped { .. } => ("skipped", AnsiColor::Yellow),
    };
    let style = Style::new().fg_color(Some(colour.into()));
    write!(text, "  {style}{word:7}{style:#}  {}", case.name)?;
    match &case.status {
        Status::Passed => writeln!(text),
        Status::Skipped { why } => writeln!(text, ": {}", printable(why, 300)),
        Status::Failed(Fault { expected, came, to_do }) => {
            writeln!(text)?;
            let indent = " ".repeat(11);
            writeln!(
                text,
                "{indent}expected  {expected}\n{indent}came      {came}\n{indent}to do     {to_do}"
            )
        }
    }
}

fn junit(report: &Report) -> quick_junit::Report {
    let mut suites: Vec<TestSuite> = Vec::new();
    for case in &report.cases {
        let mut status = match &case.status {
            Status::Passed => TestCaseStatus::success(),
            Status::Failed(_) => TestCaseStatus::non_success(NonSuccessKind::Failure),
            Status::Skipped { .. } => TestCaseStatus::skipped(),
        };
        match &case.status {
            Status::Passed => {}
            Status::Failed(Fault { expected, came, to_do }) => {
                status
                    .set_message(format!("expected {expected}; came {came}"))
                    .set_description(to_do.clone());
            }
            Status::Skipped { why } => {
                status.set_message(printable(why, 300).into_owned());
            }
        }
        let mut shown = TestCase::new(case.name.clone(), status);
        shown.set_classname(case.group).set_time(case.duration);
        if suites.last().is_none_or(|suite| suite.name.as_str() != case.group) {
            suites.push(TestSuite::new(case.group));
        }
        if let Some(suite) = suites.last_mut() {
            suite.add_test_case(shown);
        }
    }
    let mut junit = quick_junit::Report::new(format!("conformance of {}", report.file.manifest.key));
    junit.set_time(report.duration).add_test_suites(suites);
    junit
}
