//! What people do about an incident, for who sees it among others.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::shown;
use crate::text::rough;
use crate::tracker::Record;
use crate::verdict::Stamp;

/// What people do about an incident. All text in it is safe to print.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PeopleReport {
    /// Who has it, by the name in the configuration.
    pub assignee: Option<String>,
    /// What its issue is known by.
    pub issue: Option<String>,
    /// Where that is shown.
    pub issue_url: Option<String>,
    /// Since when the tracker does not know that any more.
    pub issue_gone_since: Option<Stamp>,
    /// The name of the tracker that is to have an issue for it, while there is none yet.
    #[serde(default)]
    pub awaits_issue_in: Option<String>,
    /// When people were done with it, as its issue has it.
    pub handled_at: Option<Stamp>,
}

impl PeopleReport {
    /// All of it in a line; none while nobody does anything about it. A report may come from another process, so its text
    /// is made harmless again.
    pub fn in_short(&self) -> Option<String> {
        let Self { assignee, issue, issue_url, issue_gone_since, awaits_issue_in, handled_at } = self;
        let handled = handled_at.map(|at| format!("handled by people {} ago", rough(at.age())));
        let holder = assignee.as_deref().map(|name| format!("`{}` has it", shown(name)));
        let issue = issue.as_deref().map(shown).map(|issue| match (issue_gone_since, issue_url) {
            (Some(since), _) => format!("its issue {issue} has been gone for {}", rough(since.age())),
            (None, Some(url)) => format!("its issue is {issue}: {}", shown(url)),
            (None, None) => format!("its issue is {issue}"),
        });
        let awaited = awaits_issue_in
            .as_deref()
            .map(|name| format!("the tracker `{}` has no issue for it yet", shown(name)));
        let all: Vec<_> = handled.into_iter().chain(holder).chain(issue).chain(awaited).collect();
        (!all.is_empty()).then(|| all.join("; "))
    }
}

impl From<&Record> for PeopleReport {
    fn from(record: &Record) -> Self {
        let issue = record.issue.as_ref();
        Self {
            assignee: record.assignee.as_deref().map(shown),
            issue: issue.map(|issue| shown(&issue.key)),
            issue_url: issue.and_then(|issue| issue.url.as_deref()).map(shown),
            issue_gone_since: issue.and_then(|issue| issue.gone_since).map(Stamp),
            awaits_issue_in: record.awaits_issue_in().map(shown),
            handled_at: record.handled_at.map(Stamp),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::verdict::Moment;

    #[test]
    fn what_people_do_is_a_line_and_nothing_is_none() {
        let issue = |key: &str| Some(key.to_owned());
        let all = PeopleReport {
            assignee: Some("a\u{1b}da".to_owned()),
            issue: issue("31"),
            issue_url: Some("https://dev.azure.com/acme/_workitems/edit/31".to_owned()),
            ..PeopleReport::default()
        };
        assert_eq!(
            all.in_short().unwrap(),
            r"`a\u{1b}da` has it; its issue is 31: https://dev.azure.com/acme/_workitems/edit/31"
        );
        let now = Moment::now();
        let gone = PeopleReport { issue_gone_since: Some(Stamp(now)), handled_at: Some(Stamp(now)), ..all };
        let said = gone.in_short().unwrap();
        assert!(said.starts_with("handled by people "), "{said}");
        assert!(said.contains("; its issue 31 has been gone for ") && !said.contains("https"), "{said}");
        assert_eq!(PeopleReport::default().in_short(), None);
        let awaited = PeopleReport { awaits_issue_in: Some("ops".to_owned()), ..PeopleReport::default() };
        assert_eq!(awaited.in_short().unwrap(), "the tracker `ops` has no issue for it yet");
        let later = PeopleReport {
            handled_at: Some(Stamp(now.after(Duration::from_secs(60)))),
            ..PeopleReport::default()
        };
        assert!(later.in_short().is_some(), "a clock that was set back is no trouble");
    }
}
