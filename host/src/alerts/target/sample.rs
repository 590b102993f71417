//! Messages about nothing real: to try templates on, and to see whether a target can be reached.

use std::ops::Deref;
use std::time::Duration;

use ring::rand::{SecureRandom, SystemRandom};
use url::Url;

use super::super::message::{Handling, Happening, Message, Told, ToldIssue};
use crate::config::Severity;
use crate::journal::Cause;
use crate::text::hex;
use crate::verdict::{Moment, Reason, Stamp};

/// The worst that a forge could say.
const HOSTILE: &str =
    "\"'`\\ {{ x }} {% y %} \r\n\t\0\u{2028}</script><!channel> @here ${z} %s \u{1f480}é\u{202e}";

/// A message that shows whether its target can be reached.
pub(crate) fn test_message(event: Happening, page: Option<&Url>, group_by: &[String]) -> Message {
    let mut random = [0; 8];
    // An id that is not unique is no trouble: a test is sent once, and nobody waits for another with it.
    let _ = SystemRandom::new().fill(&mut random);
    let at = Moment::now();
    let told = Told {
        detail: "this is a test: nothing has happened".to_owned(),
        way_out: "nothing: whoever reads this can be told of incidents",
        ..told(event, at)
    };
    Message {
        delivery: format!("test-{}", hex(&random)),
        test: true,
        url: page.cloned(),
        ..message(event, at, vec![told], group_by)
    }
}

/// A message to try a template on.
pub(super) struct Sample {
    /// What is special about it.
    pub(super) label: String,
    message: Message,
}

impl Deref for Sample {
    type Target = Message;

    fn deref(&self) -> &Message {
        &self.message
    }
}

/// Messages, grouped by these labels, of every shape: one incident and many, with and without what may be missing, friendly and hostile.
pub(super) fn samples(group_by: &[String]) -> Vec<Sample> {
    let page = Url::parse("https://forgewatch.example.org/").ok();
    let mut samples = Vec::new();
    for event in Happening::ALL {
        for (url, count, hostile) in [(&page, 1, false), (&None, 3, false), (&page, 2, true)] {
            let at = Moment::now();
            let incidents = (0..count).map(|number| {
                let mut told = told(event, at);
                told.id = format!("{}-{number}", told.id);
                told.url.clone_from(url);
                if number % 2 == 1 {
                    told.repository = Some("example/app".to_owned());
                    told.labels.insert("repository".to_owned(), "example/app".to_owned());
                    told.handling.issue = Some(issue("31", None));
                }
                if hostile {
                    HOSTILE.clone_into(&mut told.detail);
                    told.repository = told.repository.map(|_| HOSTILE.to_owned());
                    told.labels.insert("team".to_owned(), HOSTILE.to_owned());
                    told.handling = Handling {
                        assignee: Some(HOSTILE.to_owned()),
                        issue: Some(issue(HOSTILE, Some(HOSTILE))),
                    };
                }
                told
            });
            let message = Message { url: url.clone(), ..message(event, at, incidents.collect(), group_by) };
            let incidents = if count == 1 { "an incident" } else { "several incidents" };
            let text = if hostile { " with hostile text" } else { "" };
            let label = format!("{incidents}{text} and the event `{}`", event.as_str());
            samples.push(Sample { label, message });
        }
    }
    samples
}

fn message(event: Happening, at: Moment, incidents: Vec<Told>, group_by: &[String]) -> Message {
    let labels = incidents.first().map(|told| told.labels.clone()).unwrap_or_default();
    let group = group_by.iter().map(|key| (key.clone(), labels.get(key).cloned().unwrap_or_default()));
    Message {
        schema: Message::SCHEMA,
        delivery: "sample".to_owned(),
        event,
        at: at.into(),
        test: false,
        group: group.collect(),
        url: None,
        incidents,
    }
}

fn told(event: Happening, at: Moment) -> Told {
    let (reason, cause, severity) = (Reason::Unauthorized, Cause::Identity, Severity::Critical);
    let first_seen = at.shifted(-Duration::from_secs(300).as_millis().try_into().unwrap_or(0));
    let labels = [
        ("integration", "example"),
        ("provider", "example"),
        ("reason", reason.as_str()),
        ("cause", cause.as_str()),
        ("severity", severity.as_str()),
    ];
    Told {
        id: "0000000000000000-0".to_owned(),
        fingerprint: "0000000000000000".to_owned(),
        integration: "example".to_owned(),
        repository: None,
        reason,
        cause,
        severity,
        detail: "the forge answered 401".to_owned(),
        way_out: cause.way_out(),
        labels: labels.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
        first_seen: first_seen.into(),
        last_seen: at.into(),
        resolved_at: (event == Happening::Resolved).then_some(Stamp(at)),
        affected: if event == Happening::Resolved { 0 } else { 2 },
        most_affected: 2,
        url: None,
        handling: Handling::default(),
    }
}

fn issue(key: &str, url: Option<&str>) -> ToldIssue {
    ToldIssue { integration: "example".to_owned(), key: key.to_owned(), url: url.map(str::to_owned) }
}

/// A reminder of an incident that somebody has, with an issue.
#[cfg(test)]
pub(super) fn assigned() -> Message {
    let mut message = test_message(Happening::Reminded, None, &usual());
    let issue = issue("31", Some("https://tracker.example/31"));
    message.incidents[0].handling = Handling { assignee: Some("ada".to_owned()), issue: Some(issue) };
    message
}

/// As messages are grouped where nothing else is said.
#[cfg(test)]
pub(super) fn usual() -> Vec<String> {
    crate::config::Alerts::default().group_by
}
