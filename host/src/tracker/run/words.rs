//! What issues say: plain text, which their plugins escape for where it is shown.

use forgewatch_plugin_api::NewIssue;
use url::Url;

use super::super::record::Record;
use super::super::settings::{Rule, Settings};
use crate::journal::Incident;
use crate::text::{printable, rough};
use crate::verdict::Moment;

/// Characters of a title.
const LONGEST_TITLE: usize = 200;
/// Characters of a name.
const LONGEST_NAME: usize = 150;
/// Characters of what was seen.
const LONGEST_DETAIL: usize = 2_000;

/// The issue that an incident is to have.
pub(super) fn new_issue(record: &Record, rule: &Rule, settings: &Settings, email: Option<&str>) -> NewIssue {
    let incident = &record.incident;
    let description = format!(
        "{}\n\nForgewatch keeps this issue: it follows who has it and whether it is done, and closes it when access is \
         back.\n{}",
        about(incident, settings.page.as_ref()),
        // What the issue is found by.
        format_args!("Fingerprint {}, incident {}", incident.fingerprint, incident.id),
    );
    let issue = NewIssue::new(&rule.project, &rule.kind, title(incident)).with_description(description);
    let issue = rule.labels.iter().fold(issue, NewIssue::with_label);
    match email {
        Some(email) => issue.with_assignee_email(email),
        None => issue,
    }
}

/// What is said in an issue that was there before.
pub(super) fn greeting(record: &Record, settings: &Settings) -> String {
    let incident = &record.incident;
    let about = about(incident, settings.page.as_ref());
    format!("Forgewatch follows this for the incident {}. {}: {about}", incident.id, title(incident))
}

/// What is said when the incident is over, while so many others of the issue are not.
pub(super) fn end(record: &Record, others: usize) -> String {
    let incident = &record.incident;
    let lasted = incident.resolved_at.unwrap_or(Moment::now()).since(incident.first_seen);
    let over = format!(
        "Access is back: the incident {} is over after {}. {}.",
        incident.id,
        rough(lasted),
        title(incident)
    );
    match others {
        0 => over,
        1 => format!("{over} Another incident of this issue goes on, so it stays open."),
        others => format!("{over} {others} other incidents of this issue go on, so it stays open."),
    }
}

fn title(incident: &Incident) -> String {
    let title = match &incident.repository {
        Some(repository) => format!("No access to {}", printable(repository, LONGEST_NAME)),
        None => format!("No access through {}", printable(&incident.integration, LONGEST_NAME)),
    };
    printable(&format!("{title}: {}", incident.reason.as_str()), LONGEST_TITLE).into_owned()
}

fn about(incident: &Incident, page: Option<&Url>) -> String {
    let mut lines = Vec::new();
    if !incident.detail.is_empty() {
        lines.push(format!("Seen: {}", printable(&incident.detail, LONGEST_DETAIL)));
    }
    lines.push(format!("Since: {}", incident.first_seen));
    lines.push(format!("Integration: {}", printable(&incident.integration, LONGEST_NAME)));
    lines.push(format!("Repositories without access: {}", incident.affected.max(1)));
    lines.push(format!("What to do: {}", incident.cause.way_out()));
    if let Some(url) = page.and_then(|page| incident.page(page)) {
        lines.push(format!("More: {url}"));
    }
    lines.join("\n")
}
