//! The report for people: what is broken first, each with what to do.

use std::fmt::Write;
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use unicode_width::UnicodeWidthStr;

use crate::alerts::TargetReport;
use crate::daemon::{
    DiscoveryReport, HeldFor, IdentityReport, IncidentReport, IntegrationReport, PluginReport, Report,
};
use crate::text::printable;
use crate::verdict::{Moment, Stamp};

/// Characters of anything that another process has written.
const LONGEST: usize = 500;

/// Identities that end within so long are named.
const SOON: Duration = Duration::from_secs(14 * 24 * 60 * 60);

/// The whole report.
pub(super) fn render(report: &Report, url: &str) -> String {
    let mut page = Page::default();
    let up = rough(Duration::from_secs(report.uptime_s));
    let version = shown(&report.version);
    page.line(format_args!("forgewatch {version} at {url}, up {up}"));
    daemon(&mut page, report);
    incidents(&mut page, report);
    forges(&mut page, report);
    report.ending(SOON).for_each(|identity| ends(&mut page, identity));
    discoveries(&mut page, report);
    integrations(&mut page, &report.integrations);
    page.line(format_args!("\n{}", closing_line(report)));
    page.text
}

fn daemon(page: &mut Page, report: &Report) {
    let (state, config) = (&report.state, &report.config);
    if !report.ready {
        page.problem("the daemon takes no orders: it is stopping");
        page.way_out("wait, then start it again with `forgewatch run` unless something else does");
    }
    if !state.persisting {
        let since = state.since.map(|since| format!(" for {}", rough(since.age()))).unwrap_or_default();
        page.problem(format_args!("nothing has been saved{since}"));
        page.detail(state.problem.as_deref());
        let waiting = state.waiting;
        page.way_out(format_args!(
            "see to that before the daemon ends: {waiting} rows wait, and are lost with it"
        ));
    }
    if !config.successful {
        let (tried, used) = (rough(config.at.age()), rough(config.loaded_at.age()));
        page.problem(format_args!("the reload {tried} ago failed; what was read {used} ago is in use"));
        config.problems.iter().for_each(|problem| page.detail(Some(problem)));
        page.way_out("correct it, try `forgewatch run --dry-run`, then reload");
    }
    plugins(page, &report.plugins);
    alerts(page, &report.alerts);
    if config.successful && !config.needs_restart.is_empty() {
        let keys: Vec<_> = config.needs_restart.iter().map(|key| shown(key)).collect();
        page.notice(format_args!("changed, and used only after a restart: {}", keys.join(", ")));
    }
}

fn plugins(page: &mut Page, plugins: &[PluginReport]) {
    for PluginReport { key, state, cause } in plugins {
        match (state.as_str(), cause) {
            ("ready", None) => {}
            ("ready", Some(cause)) => {
                page.notice(format_args!("the plugin `{}` works, but not as it is on disk", shown(key)));
                page.detail(Some(cause));
                page.way_out("put a build in its place that can be used, and see `forgewatch plugin list`");
            }
            (_, cause) => {
                page.problem(format_args!("the plugin `{}` is {}", shown(key), shown(state)));
                page.detail(cause.as_deref());
                page.way_out("see `forgewatch plugin list`; its repositories have no verdict meanwhile");
            }
        }
    }
}

fn alerts(page: &mut Page, targets: &[TargetReport]) {
    for TargetReport { name, kind, pending, failing_since, problem, .. } in targets {
        let Some(since) = failing_since else { continue };
        let (name, kind) = (shown(name), shown(kind));
        page.problem(format_args!(
            "the target of alerts `{name}` ({kind}) has taken nothing for {}; {pending} wait",
            rough(since.age())
        ));
        page.detail(problem.as_deref());
        page.way_out(format_args!(
            "put it right, then see `forgewatch alerts test {name}`; nothing is lost meanwhile"
        ));
    }
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
        page.way_out(cause.way_out());
    }
    let more = report.incidents_open.saturating_sub(report.incidents.len());
    if more > 0 {
        page.notice(format_args!(
            "{more} more incidents are open; `--format json` has no more of them, the API does"
        ));
    }
}

fn forges(page: &mut Page, report: &Report) {
    for integration in &report.integrations {
        let name = shown(&integration.name);
        if let Some(since) = integration.trouble_since {
            page.notice(format_args!("the forge of `{name}` has been in trouble for {}", rough(since.age())));
        }
        if let Some(until) = integration.held_until {
            let why = match integration.held_for {
                Some(HeldFor::RateBudget) => {
                    ": what its forge lets the identity ask is used up, but for a share that is \
                                              kept for `forgewatch check` and the like"
                }
                Some(HeldFor::RateLimit) => ": its forge limits requests",
                Some(HeldFor::Trouble) | None => "",
            };
            page.notice(format_args!("checks of `{name}` pause until {}{why}", second(until)));
        }
    }
}

fn ends(page: &mut Page, identity: &IdentityReport) {
    let (name, end) = (shown(&identity.name), identity.expires_at);
    page.notice(match end.0.since(Moment::now()) {
        Duration::ZERO => format!("the identity `{name}` ended {} ago", rough(end.age())),
        left => format!("the identity `{name}` ends in {}, at {}", rough(left), second(end)),
    });
    page.way_out("make a new credential, put it in the place of the old one, then reload");
}

fn discoveries(page: &mut Page, report: &Report) {
    for DiscoveryReport { name, repositories, listed_at, problem, incomplete, .. } in &report.discoveries {
        let name = shown(name);
        let last = match listed_at {
            Some(at) => format!("everything was listed {} ago", rough(at.age())),
            None => "nothing was listed yet".to_owned(),
        };
        if problem.is_some() {
            page.problem(format_args!("discovery `{name}` cannot list; {last}"));
            page.detail(problem.as_deref());
            page.way_out(format_args!(
                "the {repositories} repositories that it has found are watched; new ones are not seen"
            ));
        } else if incomplete.is_some() {
            page.notice(format_args!("discovery `{name}` may miss something; {last}"));
            page.detail(incomplete.as_deref());
        } else if *repositories == 0 && listed_at.is_some() {
            page.notice(format_args!("discovery `{name}` has found nothing; {last}"));
            page.way_out("see whether its `include` is right, and whether its identity is granted anything");
        }
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
    let is_missing = all.denied > 0 || report.incidents_open > 0;
    let said = match (report.is_degraded(), is_missing) {
        (true, _) => "the daemon is not well",
        (false, true) => "access is missing",
        (false, false) if !old.is_empty() => "a forge is in trouble",
        (false, false) if report.has_trouble() => "a discovery cannot list",
        (false, false) if all.granted == all.total => "all is well",
        (false, false) => "nothing is known to be wrong",
    };
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

/// The two largest units.
fn rough(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let unit = if seconds < 3600 {
        1
    } else if seconds < 86_400 {
        60
    } else {
        3600
    };
    humantime::format_duration(Duration::from_secs(seconds / unit * unit)).to_string()
}

fn second(stamp: Stamp) -> String {
    humantime::format_rfc3339_seconds(stamp.0.into()).to_string()
}
