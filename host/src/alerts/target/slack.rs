//! Slack, and chats that take its incoming webhooks: Mattermost, Rocket.Chat.
//!
//! One message, however many incidents. What is not ours stands in code spans, where these agree upon nothing but that
//! nothing in them is mark-up. The headline is in words for those who do not see pictures.

use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use serde_json::json;
use url::Url;

use super::answer::judged;
use super::quote::code;
use super::reader::Reader;
use super::secrets::Secrets;
use super::words::{LONGEST_DETAIL, about, event, handling, summary};
use super::{Message, Refusal};
use crate::alerts::{Happening, Told};
use crate::config::SlackTarget;
use crate::services::http::{Messenger, Post};

/// How many incidents are named; more would be split or folded away.
const MOST_NAMED: usize = 10;

/// An incoming webhook of a chat.
pub(super) struct Slack {
    url: Url,
    secrets: Secrets,
}

impl Slack {
    pub(super) async fn prepare(target: &SlackTarget, reader: &mut Reader<'_>) -> Option<Self> {
        let url = reader.secret_url(&target.url, target.allow_insecure_http).await?;
        let mut secrets = Secrets::default();
        secrets.address(&url);
        Some(Self { url, secrets })
    }

    pub(super) async fn send(&self, message: &Message, messenger: &Messenger) -> Result<(), Refusal> {
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("application/json"))]);
        let body = json!({ "text": text(message) }).to_string().into_bytes();
        let secrets = self.secrets.pieces();
        judged(messenger.post(Post { url: &self.url, headers, body, secrets }).await)
    }
}

fn text(message: &Message) -> String {
    let picture = match message.event {
        Happening::Opened => ":rotating_light:",
        Happening::Reminded => ":hourglass_flowing_sand:",
        Happening::Resolved => ":white_check_mark:",
    };
    let mut lines = vec![format!("{picture} *{}:* {}", event(message), about(message, code))];
    match message.incidents.as_slice() {
        [told] => lines.extend(more(told, message.event)),
        several => {
            for told in several.iter().take(MOST_NAMED) {
                lines.push(format!("• {}", summary(told, code)));
                lines.extend(more(told, message.event).map(|line| format!("   {line}")));
            }
        }
    }
    if let Some(rest @ 1..) = message.incidents.len().checked_sub(MOST_NAMED) {
        lines.push(format!("and {rest} more"));
    }
    // The page of the only incident is named with it.
    let own = message.incidents.iter().any(|told| told.url.is_some()) && message.incidents.len() == 1;
    lines.extend(message.url.as_ref().filter(|_| !own).map(link));
    lines.join("\n")
}

/// What was seen, who has it, what to do, and where there is more.
fn more(told: &Told, event: Happening) -> impl Iterator<Item = String> {
    let is_open = event != Happening::Resolved;
    let seen = format!("seen at last: {}", code(&told.detail, LONGEST_DETAIL));
    let to_do = is_open.then(|| format!("to do: {}", told.way_out));
    [Some(seen), handling(told, code), to_do, told.url.as_ref().map(link)].into_iter().flatten()
}

/// An address of ours, as a word that chats make a link of.
fn link(url: &Url) -> String {
    url.as_str().replace('&', "&amp;").replace('|', "%7C")
}

#[cfg(test)]
mod tests {
    use super::super::sample::{assigned, samples, test_message, usual};
    use super::*;

    #[test]
    fn who_has_it_is_a_line() {
        let text = text(&assigned());
        assert!(text.contains("\nassigned to `ada`, issue `31`\n") && !text.contains("tracker"), "{text}");
    }

    #[test]
    fn nothing_foreign_is_outside_of_code_and_nothing_in_it_acts() {
        for sample in samples(&usual()) {
            let text = text(&sample);
            let outside: String = text.split('`').step_by(2).collect();
            assert_eq!(text.matches('`').count() % 2, 0, "{text}");
            for part in ["example,", "401", "script", "channel", "@", "<", "&"] {
                assert!(!outside.contains(part), "{part} in {text}");
            }
            assert!(!text.contains(['<', '>', '\0', '\u{202e}']) && !text.contains("@here"), "{text}");
        }
    }

    #[test]
    fn ten_incidents_are_named_and_the_others_counted() {
        let mut message = test_message(Happening::Opened, None, &usual());
        for (count, last) in [(1, None), (10, None), (11, Some("and 1 more")), (500, Some("and 490 more"))] {
            message.incidents = vec![message.incidents[0].clone(); count];
            let text = text(&message);
            assert_eq!(text.matches('•').count(), if count == 1 { 0 } else { count.min(10) });
            assert_eq!(text.lines().find(|line| line.starts_with("and ")), last);
        }
    }

    #[test]
    fn the_headline_says_in_words_what_happened() {
        for (event, words) in [
            (Happening::Opened, "opened"),
            (Happening::Reminded, "still open"),
            (Happening::Resolved, "resolved"),
        ] {
            let text = text(&test_message(event, None, &usual()));
            let headline = text.lines().next().unwrap();
            assert!(
                headline.contains(&format!("*Test, as if {words}:* critical, unauthorized at `example`")),
                "{text}"
            );
        }
    }
}
