//! What `check` prints, in each format. Results come sorted by repository name; text in them is safe to print.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::time::{Duration, SystemTime};

use anstyle::{AnsiColor, Style};
use clap::ValueEnum;
use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};
use serde::Serialize;
use unicode_width::UnicodeWidthStr;

use crate::sweep::{CheckResult, Summary};
use crate::verdict::{Reason, Verdict};

/// How to print results.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// For people.
    Table,
    /// One JSON document at the end.
    Json,
    /// One JSON object a line, as each check ends.
    Ndjson,
    /// JUnit XML, for CI systems.
    Junit,
}

/// A sweep that ended.
pub(super) struct Swept {
    pub(super) started_at: SystemTime,
    pub(super) duration: Duration,
    pub(super) results: Vec<CheckResult>,
}

/// The JSON shape of one result: a contract with users.
#[derive(Serialize)]
struct ResultLine<'a> {
    repository: &'a str,
    integration: &'a str,
    provider: &'a str,
    has_access: bool,
    verdict: Verdict,
    reason: Reason,
    detail: &'a str,
    base_url: &'a str,
    http_status: Option<u16>,
    retry_after_s: Option<u64>,
    duration_ms: f64,
    checked_at: String,
}

impl<'a> From<&'a CheckResult> for ResultLine<'a> {
    fn from(result: &'a CheckResult) -> Self {
        let reason = result.outcome.reason;
        Self {
            repository: &result.repository,
            integration: &result.integration,
            provider: &result.provider,
            has_access: reason == Reason::Granted,
            verdict: reason.verdict(),
            reason,
            detail: &result.outcome.detail,
            base_url: &result.base_url,
            http_status: result.outcome.http_status,
            retry_after_s: result.outcome.retry_after_s,
            duration_ms: milliseconds(result.duration),
            checked_at: timestamp(result.checked_at),
        }
    }
}

/// The JSON shape of a sweep: a contract with users.
#[derive(Serialize)]
struct Document<'a> {
    schema: u32,
    started_at: String,
    duration_ms: f64,
    summary: Summary,
    results: Vec<ResultLine<'a>>,
}

/// One result as a line of JSON.
pub(super) fn ndjson(result: &CheckResult) -> serde_json::Result<String> {
    serde_json::to_string(&ResultLine::from(result))
}

impl Swept {
    /// The whole sweep in `format`; nothing for [`Format::Ndjson`], whose lines are printed one by one.
    pub(super) fn render(&self, format: Format) -> Result<String, Box<dyn std::error::Error>> {
        Ok(match format {
            Format::Table => self.table(),
            Format::Json => serde_json::to_string_pretty(&self.document())?,
            Format::Ndjson => String::new(),
            Format::Junit => self.junit().to_string()?,
        })
    }

    fn document(&self) -> Document<'_> {
        Document {
            schema: 1,
            started_at: timestamp(self.started_at),
            duration_ms: milliseconds(self.duration),
            summary: Summary::of(&self.results),
            results: self.results.iter().map(ResultLine::from).collect(),
        }
    }

    fn table(&self) -> String {
        let width =
            |texts: &mut dyn Iterator<Item = &str>| texts.map(UnicodeWidthStr::width).max().unwrap_or(0);
        let names = width(&mut self.results.iter().map(|it| it.repository.as_str()).chain(["REPOSITORY"]));
        let owners = width(&mut self.results.iter().map(|it| it.integration.as_str()).chain(["INTEGRATION"]));
        let mut text = String::new();
        let mut line = |verdict: String, name: &str, owner: &str, reason: &str| {
            let (name, owner) = (padded(name, names), padded(owner, owners));
            let row = format!("{verdict}  {name}  {owner}  {reason}");
            text.push_str(row.trim_end());
            text.push('\n');
        };
        if !self.results.is_empty() {
            line(format!("{:13}", "VERDICT"), "REPOSITORY", "INTEGRATION", "REASON");
        }
        let mut told = HashMap::new();
        for result in &self.results {
            let reason = result.outcome.reason;
            let style = style(reason.verdict());
            let verdict = format!("{style}{:13}{style:#}", reason.verdict().as_str());
            let shown = if reason == Reason::Granted { "" } else { reason.as_str() };
            line(verdict, &result.repository, &result.integration, shown);
            let detail = &result.outcome.detail;
            let shown = match told.entry(detail.as_str()) {
                _ if detail.is_empty() => continue,
                Entry::Occupied(first) => format!("as for {}", first.get()),
                Entry::Vacant(first) => {
                    first.insert(&result.repository);
                    detail.clone()
                }
            };
            line(" ".repeat(13), &shown, "", "");
        }
        text + &self.closing_line()
    }

    fn closing_line(&self) -> String {
        let Summary { total, granted, denied, indeterminate } = Summary::of(&self.results);
        let repositories = if total == 1 { "repository" } else { "repositories" };
        let took =
            humantime::format_duration(Duration::from_millis((self.duration.as_millis() as u64).max(1)));
        format!(
            "{total} {repositories}: {granted} granted, {denied} denied, {indeterminate} indeterminate, in {took}"
        )
    }

    fn junit(&self) -> Report {
        let mut suite = TestSuite::new("repository access");
        for result in &self.results {
            let outcome = &result.outcome;
            let mut status = match outcome.reason.verdict() {
                Verdict::Granted => TestCaseStatus::success(),
                Verdict::Denied => TestCaseStatus::non_success(NonSuccessKind::Failure),
                Verdict::Indeterminate => TestCaseStatus::non_success(NonSuccessKind::Error),
            };
            if outcome.reason != Reason::Granted {
                status.set_type(outcome.reason.as_str()).set_message(outcome.detail.clone());
            }
            let mut case = TestCase::new(result.repository.clone(), status);
            case.set_classname(result.integration.clone()).set_time(result.duration);
            suite.add_test_case(case);
        }
        suite.set_time(self.duration);
        let mut report = Report::new("forgewatch check");
        report.set_time(self.duration).add_test_suite(suite);
        report
    }
}

fn padded(text: &str, width: usize) -> String {
    format!("{text}{}", " ".repeat(width.saturating_sub(text.width())))
}

fn style(verdict: Verdict) -> Style {
    let colour = match verdict {
        Verdict::Granted => AnsiColor::Green,
        Verdict::Denied => AnsiColor::Red,
        Verdict::Indeterminate => AnsiColor::Yellow,
    };
    Style::new().fg_color(Some(colour.into()))
}

fn milliseconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 10_000.0).round() / 10.0
}

fn timestamp(time: SystemTime) -> String {
    humantime::format_rfc3339_seconds(time).to_string()
}
