//! What people are told, in words: the same in chats, in mail and on Alertmanager's page.
//!
//! Every piece that is not ours goes through the `quote` that the caller gives, which knows where it will be shown.

use super::super::message::{Happening, Message, Told};
use crate::config::Severity;

/// Characters of a name.
pub(super) const LONGEST_NAME: usize = 120;
/// Characters of what was seen.
pub(super) const LONGEST_DETAIL: usize = 300;
/// Labels that a headline names.
const MOST_LABELS: usize = 5;

/// How a piece of foreign text is shown, in so many characters.
pub(super) type Quote = fn(&str, usize) -> String;

/// What became of an incident.
pub(super) fn event(message: &Message) -> &'static str {
    match (message.test, message.event) {
        (false, Happening::Opened) => "Opened",
        (false, Happening::Reminded) => "Still open",
        (false, Happening::Resolved) => "Resolved",
        (true, Happening::Opened) => "Test, as if opened",
        (true, Happening::Reminded) => "Test, as if still open",
        (true, Happening::Resolved) => "Test, as if resolved",
    }
}

/// What a message is about, to follow [`event`].
pub(super) fn about(message: &Message, quote: Quote) -> String {
    if let [told] = message.incidents.as_slice() {
        return summary(told, quote);
    }
    let worst = message.incidents.iter().map(|told| told.severity).max().unwrap_or(Severity::Info);
    let labels: Vec<_> = message
        .group
        .iter()
        .filter(|(_, value)| !value.is_empty())
        .take(MOST_LABELS)
        .map(|(name, value)| format!("{} {}", quote(name, LONGEST_NAME), quote(value, LONGEST_NAME)))
        .collect();
    let of = if labels.is_empty() { String::new() } else { format!(" of {}", labels.join(", ")) };
    format!("{} incidents{of}, the worst is {}", message.incidents.len(), worst.as_str())
}

/// What an incident is, and what it costs.
pub(super) fn summary(told: &Told, quote: Quote) -> String {
    let (severity, reason) = (told.severity.as_str(), told.reason.as_str());
    let integration = quote(&told.integration, LONGEST_NAME);
    let whom = match (&told.repository, told.affected.max(1), told.resolved_at.is_some()) {
        (Some(repository), ..) => format!("repository {}", quote(repository, LONGEST_NAME)),
        (None, _, true) => format!("{} at most", repositories(told.most_affected)),
        (None, affected, false) => repositories(affected),
    };
    format!("{severity}, {reason} at {integration}, {whom}")
}

/// Who has it, and which issue is about it; none where nobody does anything about it
/// that is known here.
///
/// An issue's address is a forge's word, so it is not put before people where programs make links: the incident's page
/// has it.
pub(super) fn handling(told: &Told, quote: Quote) -> Option<String> {
    let assignee = told.handling.assignee.as_deref().map(|name| quote(name, LONGEST_NAME));
    let issue = told.handling.issue.as_ref().map(|issue| quote(&issue.key, LONGEST_NAME));
    match (assignee, issue) {
        (None, None) => None,
        (Some(assignee), None) => Some(format!("assigned to {assignee}")),
        (Some(assignee), Some(issue)) => Some(format!("assigned to {assignee}, issue {issue}")),
        (None, Some(issue)) => Some(format!("issue {issue}")),
    }
}

fn repositories(count: u32) -> String {
    format!("{count} {}", if count == 1 { "repository" } else { "repositories" })
}

#[cfg(test)]
mod tests {
    use super::super::super::message::{Handling, ToldIssue};
    use super::super::quote::code;
    use super::super::sample::{test_message, usual};
    use super::*;

    #[test]
    fn who_has_it_and_its_issue_are_one_line_without_the_address() {
        let mut told = test_message(Happening::Reminded, None, &usual()).incidents.remove(0);
        let issue = || ToldIssue {
            integration: "acme".to_owned(),
            key: "31`".to_owned(),
            url: Some("https://tracker.example/31".to_owned()),
        };
        for (assignee, issue, line) in [
            (None, None, None),
            (Some("ada"), None, Some("assigned to `ada`")),
            (Some("ada"), Some(issue()), Some("assigned to `ada`, issue `31'`")),
            (None, Some(issue()), Some("issue `31'`")),
        ] {
            told.handling = Handling { assignee: assignee.map(str::to_owned), issue };
            assert_eq!(handling(&told, code).as_deref(), line);
        }
    }
}
