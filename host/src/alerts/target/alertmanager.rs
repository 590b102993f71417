//! Prometheus' Alertmanager, by version 2 of its API. It remembers what it is told only until `endsAt`.
//!
//! What is open is told again and again, and ends by itself an hour after the last time: so no alert outlives a daemon
//! that is gone. An alert is its labels, so these are the same from its beginning to its end, and nothing that counts is
//! among them. They come from the cause and not from the incident: a silence holds when the same comes back.
//!
//! What Alertmanager passes on to chats and mail is not quoted there, so mark-up and mentions are taken out here.

use std::collections::BTreeMap;
use std::time::Duration;

use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use serde::Serialize;
use url::Url;

use super::answer::judged;
use super::quote::bare;
use super::reader::Reader;
use super::secrets::Secrets;
use super::words::{LONGEST_DETAIL, LONGEST_NAME, event, summary};
use super::{Message, Refusal};
use crate::alerts::{Handling, Happening, Told};
use crate::config::AlertmanagerTarget;
use crate::services::http::{Messenger, Post};
use crate::verdict::Stamp;

/// How often it hears of what is open.
pub(super) const REFRESH: Duration = Duration::from_secs(60);
/// How long an alert lives of which nothing more is heard.
const LIFETIME: Duration = Duration::from_secs(60 * 60);
/// How long a test does.
const LIFETIME_OF_TEST: Duration = Duration::from_secs(5 * 60);
/// Characters of a label's name and of its value.
const LONGEST_LABEL: usize = 200;

/// An Alertmanager.
pub(super) struct Alertmanager {
    url: Url,
    authorization: Option<HeaderValue>,
    secrets: Secrets,
}

/// An alert in its API.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Alert {
    labels: BTreeMap<String, String>,
    annotations: BTreeMap<&'static str, String>,
    starts_at: Stamp,
    ends_at: Stamp,
    #[serde(rename = "generatorURL", skip_serializing_if = "Option::is_none")]
    generator_url: Option<Url>,
}

impl Alertmanager {
    pub(super) async fn prepare(target: &AlertmanagerTarget, reader: &mut Reader<'_>) -> Option<Self> {
        let mut url = target.url.expose().clone();
        let mut secrets = Secrets::default();
        // Before the words of the API are in it, which answers may have.
        secrets.address(&url);
        let is_base = !url.path().contains("/api/v2");
        if !is_base {
            reader.wrong(
                "url",
                "the address has the API's path in it",
                "leave `/api/v2` and what follows out",
            );
        }
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(["api", "v2", "alerts"]);
        }
        let url = reader.url(url, target.allow_insecure_http);
        let authorization = reader.authorization(target.authorization.as_ref(), &mut secrets).await;
        Some(Self { url: url.filter(|_| is_base)?, authorization: authorization?, secrets })
    }

    pub(super) async fn send(&self, message: &Message, messenger: &Messenger) -> Result<(), Refusal> {
        let alerts: Vec<_> = message.incidents.iter().map(|told| Alert::of(told, message)).collect();
        let body =
            serde_json::to_vec(&alerts).map_err(|error| Refusal::Refused { detail: error.to_string() })?;
        let mut headers =
            HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("application/json"))]);
        headers.extend(self.authorization.iter().map(|value| (AUTHORIZATION, value.clone())));
        let secrets = self.secrets.pieces();
        judged(messenger.post(Post { url: &self.url, headers, body, secrets }).await)
    }
}

impl Alert {
    fn of(told: &Told, message: &Message) -> Self {
        // A clock that was set back must not make an alert end before it began, which is refused.
        let starts_at = told.first_seen.min(message.at);
        let lifetime = if message.test { LIFETIME_OF_TEST } else { LIFETIME };
        let ends_at = match message.event {
            Happening::Resolved => told.resolved_at.unwrap_or(message.at).max(starts_at),
            Happening::Opened | Happening::Reminded => message.at.0.after(lifetime).into(),
        };
        let mut annotations = BTreeMap::from([
            ("summary", summary(told, bare)),
            ("description", bare(&told.detail, LONGEST_DETAIL)),
            ("way_out", told.way_out.to_owned()),
            ("affected", told.affected.to_string()),
            ("most_affected", told.most_affected.to_string()),
            ("incident", told.id.clone()),
        ]);
        let Handling { assignee, issue } = &told.handling;
        annotations.extend(assignee.iter().map(|name| ("assignee", bare(name, LONGEST_NAME))));
        annotations.extend(issue.iter().map(|issue| ("issue", bare(&issue.key, LONGEST_NAME))));
        if message.test {
            annotations.insert("summary", format!("{}: {}", event(message), summary(told, bare)));
        }
        let generator_url = told.url.clone().or_else(|| message.url.clone());
        Self { labels: labels(told, message.test), annotations, starts_at, ends_at, generator_url }
    }
}

/// What the alert is, for as long as its incident goes on.
fn labels(told: &Told, test: bool) -> BTreeMap<String, String> {
    let mut labels = BTreeMap::new();
    for (name, value) in &told.labels {
        let value = bare(value, LONGEST_LABEL);
        // Of two that come out alike the first stays.
        labels.entry(label_name(name)).or_insert(value);
    }
    let name = if test { "ForgewatchTest" } else { "ForgewatchIncident" };
    labels.insert("alertname".to_owned(), name.to_owned());
    // Values are cut, and may be alike then.
    labels.insert("fingerprint".to_owned(), told.fingerprint.clone());
    // One that is empty is as good as none.
    labels.retain(|_, value| !value.is_empty());
    labels
}

/// A name that labels may have: letters, digits and underscores, and no digit first.
fn label_name(name: &str) -> String {
    let allowed = |char: char| if char.is_ascii_alphanumeric() { char } else { '_' };
    let first = name.chars().next().filter(|char| !char.is_ascii_digit()).is_none().then_some('_');
    first.into_iter().chain(name.chars().map(allowed)).take(LONGEST_LABEL).collect()
}

#[cfg(test)]
mod tests {
    use super::super::sample::{assigned, samples, test_message, usual};
    use super::*;

    #[test]
    fn who_has_it_is_said_and_changes_nothing_of_what_the_alert_is() {
        let mut message = assigned();
        let alert = Alert::of(&message.incidents[0], &message);
        assert_eq!((&*alert.annotations["assignee"], &*alert.annotations["issue"]), ("ada", "31"));
        message.incidents[0].handling = Handling::default();
        let before = Alert::of(&message.incidents[0], &message);
        assert!(!before.annotations.contains_key("assignee") && !before.annotations.contains_key("issue"));
        assert_eq!(before.labels, alert.labels);
    }

    #[test]
    fn names_of_labels_are_made_fit() {
        for (name, expected) in [
            ("team", "team"),
            ("a-b.c/d", "a_b_c_d"),
            ("1st", "_1st"),
            ("", "_"),
            ("ü", "_"),
            ("x y\n", "x_y_"),
        ] {
            assert_eq!(label_name(name), expected);
        }
        assert_eq!(label_name(&"x".repeat(500)).len(), LONGEST_LABEL);
    }

    #[test]
    fn an_alert_keeps_its_labels_whatever_becomes_of_it() {
        let of = |event| test_message(event, None, &usual()).incidents.remove(0);
        let mut opened = of(Happening::Opened);
        let resolved = of(Happening::Resolved);
        assert_ne!(opened.affected, resolved.affected);
        assert_eq!(labels(&opened, false), labels(&resolved, false));
        opened.labels.extend([
            ("alertname".to_owned(), "Mine".to_owned()),
            ("empty".to_owned(), " ".to_owned()),
            ("a-b".to_owned(), "first".to_owned()),
            ("a.b".to_owned(), "second".to_owned()),
        ]);
        let labels = labels(&opened, false);
        assert_eq!((labels["alertname"].as_str(), labels["a_b"].as_str()), ("ForgewatchIncident", "first"));
        assert!(!labels.contains_key("empty"), "{labels:?}");
    }

    #[test]
    fn no_alert_ends_before_it_began() {
        for event in Happening::ALL {
            let mut message = test_message(event, None, &usual());
            message.incidents[0].first_seen = message.at.0.after(Duration::from_secs(90)).into();
            let alert = Alert::of(&message.incidents[0], &message);
            assert!(alert.starts_at <= alert.ends_at, "{event:?}");
        }
    }

    #[test]
    fn nothing_in_it_is_mark_up() {
        for sample in samples(&usual()) {
            for told in &sample.incidents {
                let alert = Alert::of(told, &sample);
                for text in alert.labels.values().chain(alert.annotations.values()) {
                    assert!(!text.contains(['<', '>', '\n', '\0']) && !text.contains("@here"), "{text}");
                }
            }
        }
    }
}
