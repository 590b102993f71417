//! The report for people: what is broken first, each with what to do.

use std::fmt::Write;
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use unicode_width::UnicodeWidthStr;

use crate::daemon::{IncidentReport, IntegrationReport, Notice, Report, Weight};
use crate::text::{printable, rough};
use crate::verdict::Stamp;

/// Characters of anything that another process has written.
const LONGEST: usize = 500;

/// The whole report.
pub(super) fn render(report: &Report, url: &str) -> String {
    let mut page = Page::default();
    let up = rough(Duration::from_secs(report.uptime_s));
    let version = shown(&report.version);
    page.line(format_args!("forgewatch {version} at {url}, up {up}"));
    report.notices_of_daemon().iter().for_each(|notice| page.tell(notice));
    incidents(&mut page, report);
    report.notices_of_forges().iter().for_each(|notice| page.tell(notice));
    integrations(&mut page, &report.integrations);
    page.line(format_args!("\n{}", closing_line(report)));
    page.text
}

fn incidents(page: &mut Page, report: &Report) {
    for incident in &report.incidents {
        let IncidentReport { affected, reason, cause, .. } = incident;
        let repositories = if *affected == 1 { "repository" } else { "repositories" };
        let which = match &incident.repository {
            Some(repository) => format!("`{}`", shown(repository)),
            None => format!("{affected} {repositories}"),
        };
        page.problem(format_args!(
            "{which} of `{}`: {} (cause: {}) for {}",
            shown(&incident.integration),
            reason.as_str(),
            cause.as_str(),
            rough(incident.first_seen.age())
        ));
        page.detail(Some(&incident.detail));
        page.detail(incident.people.in_short().as_deref());
        page.way_out(cause.way_out());
    }
    let more = report.incidents_open.saturating_sub(report.incidents.len());
    if more > 0 {
        page.notice(format_args!(
            "{more} more incidents are open; `--format json` has no more of them, the API does"
        ));
    }
}

fn integrations(page: &mut Page, integrations: &[IntegrationReport]) {
    if integrations.is_empty() {
        return;
    }
    let names: Vec<_> = integrations.iter().map(|integration| shown(&integration.name)).collect();
    let width = names.iter().map(|name| name.width()).chain(["INTEGRATION".len()]).max().unwrap_or(0);
    let heads = ["GRANTED", "DENIED", "INDETERMINATE", "UNKNOWN"];
    let head = heads.iter().fold(format!("\n{:width$}", "INTEGRATION"), |line, head| line + "  " + head);
    page.line(head);
    for (integration, name) in integrations.iter().zip(&names) {
        let IntegrationReport { granted, denied, indeterminate, unknown, .. } = integration;
        let mut line = format!("{name}{}", " ".repeat(width - name.width()));
        for (head, count) in heads.iter().zip([granted, denied, indeterminate, unknown]) {
            // Writing to a text does not fail.
            let _ = write!(line, "  {count:>0$}", head.len());
        }
        page.line(line);
    }
}

fn closing_line(report: &Report) -> String {
    let all = report.repositories;
    let counted = format!(
        "{} repositories: {} granted, {} denied, {} indeterminate, {} not checked yet, {} without a clear answer for long",
        all.total, all.granted, all.denied, all.indeterminate, all.unknown, all.stale
    );
    let old: Vec<_> = report.in_trouble().map(|(it, since)| as_of(it, since)).collect();
    let said = report.in_short();
    [format!("{counted}: {said}")].into_iter().chain(old).collect::<Vec<_>>().join("; ")
}

fn as_of(integration: &IntegrationReport, since: Stamp) -> String {
    format!("the verdicts of `{}` are as of {}", shown(&integration.name), second(since))
}

#[derive(Default)]
struct Page {
    text: String,
}

impl Page {
    fn tell(&mut self, notice: &Notice) {
        match notice.weight {
            Weight::Problem => self.problem(&notice.what),
            Weight::Notice => self.notice(&notice.what),
        }
        notice.details.iter().for_each(|line| self.detail(Some(line)));
        if let Some(way_out) = &notice.way_out {
            self.way_out(way_out);
        }
    }

    fn line(&mut self, line: impl std::fmt::Display) {
        // Writing to a text does not fail.
        let _ = writeln!(self.text, "{line}");
    }

    fn problem(&mut self, what: impl std::fmt::Display) {
        self.marked(AnsiColor::Red, "✗", what);
    }

    fn notice(&mut self, what: impl std::fmt::Display) {
        self.marked(AnsiColor::Yellow, "!", what);
    }

    fn marked(&mut self, colour: AnsiColor, mark: &str, what: impl std::fmt::Display) {
        let style = Style::new().fg_color(Some(colour.into())).bold();
        self.line(format_args!("\n{style}{mark}{style:#} {what}"));
    }

    fn detail(&mut self, detail: Option<&str>) {
        for line in detail.unwrap_or_default().lines() {
            self.line(format_args!("  {}", shown(line)));
        }
    }

    fn way_out(&mut self, what: impl std::fmt::Display) {
        self.line(format_args!("  -> {what}"));
    }
}

fn shown(text: &str) -> String {
    printable(text, LONGEST).into_owned()
}

fn second(stamp: Stamp) -> String {
    humantime::format_rfc3339_seconds(stamp.0.into()).to_string()
}
