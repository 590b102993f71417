//! The mail itself: plain text, in threads, and recognisable as a machine's.
//!
//! Foreign text is part of the subject and of lines of ours, never a line or a header of its own.

use std::fmt::Write;
use std::time::SystemTime;

use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, SinglePart};

use super::super::quote::plain;
use super::super::words::{LONGEST_DETAIL, about, event, handling, summary};
use crate::alerts::{Happening, Message, Told};

/// How many incidents are described.
const MOST_DESCRIBED: usize = 50;
/// How many threads one mail belongs to.
const MOST_THREADS: usize = 20;
/// Characters of a subject.
const LONGEST_SUBJECT: usize = 180;

/// Writes a mail about what became of some incidents.
pub(super) fn write(message: &Message, from: &Mailbox, to: &[Mailbox]) -> Result<lettre::Message, String> {
    let domain = from.email.domain();
    let threads = threads(message, domain);
    let mut builder = lettre::Message::builder()
        .from(from.clone())
        .date(SystemTime::from(message.at.0))
        .message_id(Some(format!("<{}@{domain}>", message.delivery)))
        .references(threads.join(" "))
        .subject(subject(message))
        .raw_header(HeaderValue::new(
            HeaderName::new_from_ascii_str("Auto-Submitted"),
            "auto-generated".to_owned(),
        ));
    if let (Happening::Reminded | Happening::Resolved, Some(first)) = (message.event, threads.first()) {
        builder = builder.in_reply_to(first.clone());
    }
    for mailbox in to {
        builder = builder.to(mailbox.clone());
    }
    builder
        .singlepart(SinglePart::plain(body(message)))
        .map_err(|error| format!("no mail can be made: {error}"))
}

/// A mail that was never sent for each incident, which all mails about it refer to: so they form a thread, whichever of
/// them arrive.
fn threads(message: &Message, domain: &str) -> Vec<String> {
    let mut ids: Vec<_> = message.incidents.iter().map(|told| &told.id).collect();
    ids.sort_unstable();
    ids.into_iter().take(MOST_THREADS).map(|id| format!("<incident-{id}@{domain}>")).collect()
}

fn subject(message: &Message) -> String {
    let subject = format!("[forgewatch] {}: {}", event(message), about(message, plain));
    // Together they would begin text in another encoding.
    let mut subject = subject.replace("=?", "= ?");
    if let Some((end, _)) = subject.char_indices().nth(LONGEST_SUBJECT - 1) {
        subject.truncate(end);
        subject.push('…');
    }
    subject
}

fn body(message: &Message) -> String {
    let mut text = format!("{}: {}\n", event(message), about(message, plain));
    for (number, told) in message.incidents.iter().take(MOST_DESCRIBED).enumerate() {
        text.push('\n');
        // Writing to a text does not fail.
        let _ = describe(&mut text, number + 1, told, message.event);
    }
    if let Some(rest @ 1..) = message.incidents.len().checked_sub(MOST_DESCRIBED) {
        let _ = write!(text, "\nand {rest} more\n");
    }
    if let Some(url) = &message.url {
        let _ = write!(text, "\nall of it: {url}\n");
    }
    if message.test {
        text.push_str("\nThis is a test: nothing has happened.\n");
    }
    let _ = write!(text, "\n-- \nForgewatch, message {}\n", message.delivery);
    text
}

fn describe(text: &mut String, number: usize, told: &Told, event: Happening) -> std::fmt::Result {
    writeln!(text, "{number}. {}", summary(told, plain))?;
    match told.resolved_at {
        Some(resolved_at) => writeln!(text, "   from {} to {resolved_at}", told.first_seen)?,
        None => writeln!(text, "   since {}, seen at last {}", told.first_seen, told.last_seen)?,
    }
    writeln!(text, "   seen: {}", plain(&told.detail, LONGEST_DETAIL))?;
    if let Some(handling) = handling(told, plain) {
        writeln!(text, "   {handling}")?;
    }
    if event != Happening::Resolved {
        writeln!(text, "   to do: {}", told.way_out)?;
    }
    told.url.iter().try_for_each(|url| writeln!(text, "   {url}"))
}

#[cfg(test)]
mod tests {
    use super::super::super::sample::{assigned, samples, test_message, usual};
    use super::*;

    #[test]
    fn who_has_it_is_a_line() {
        let body = body(&assigned());
        assert!(body.contains("\n   assigned to ada, issue 31\n") && !body.contains("tracker"), "{body}");
    }

    fn written(message: &Message) -> String {
        let from: Mailbox = "Forgewatch <watch@example.org>".parse().unwrap();
        let to = ["ops@example.org".parse().unwrap(), "Bö <b@example.org>".parse().unwrap()];
        String::from_utf8(write(message, &from, &to).unwrap().formatted()).unwrap()
    }

    #[test]
    fn a_mail_is_ascii_in_short_lines_with_our_headers_alone() {
        let expected = [
            "From",
            "Date",
            "Message-ID",
            "References",
            "Subject",
            "Auto-Submitted",
            "In-Reply-To",
            "To",
            "MIME-Version",
            "Content-Type",
            "Content-Transfer-Encoding",
        ];
        for sample in samples(&usual()) {
            let mail = written(&sample);
            assert!(
                mail.is_ascii() && mail.split("\r\n").all(|line| line.len() <= 200 && !line.contains('\n'))
            );
            let (head, _) = mail.split_once("\r\n\r\n").unwrap();
            for line in head.split("\r\n").filter(|line| !line.starts_with(' ')) {
                assert!(expected.contains(&line.split_once(": ").unwrap().0), "{line}");
            }
        }
    }

    #[test]
    fn a_subject_is_bounded_and_one_line_of_plain_text() {
        let mut message = test_message(Happening::Opened, None, &usual());
        for name in ["a\r\nBcc: x@example.org\r\n\r\n.", "=?utf-8?b?SGVsbG8=?=", &"x ".repeat(5000), "@here"]
        {
            name.clone_into(&mut message.incidents[0].integration);
            let subject = subject(&message);
            assert!(subject.starts_with("[forgewatch] Test, as if opened: critical"), "{subject}");
            assert!(!subject.contains(['\r', '\n']) && !subject.contains("=?"), "{subject}");
            assert!(subject.chars().count() <= LONGEST_SUBJECT, "{subject}");
        }
    }

    #[test]
    fn all_that_becomes_of_an_incident_is_one_thread() {
        let mails = Happening::ALL.map(|event| written(&test_message(event, None, &usual())));
        let thread = "References: <incident-0000000000000000-0@example.org>\r\n";
        assert!(mails.iter().all(|mail| mail.contains(thread)), "{mails:?}");
        assert_eq!(mails.map(|mail| mail.contains("\r\nIn-Reply-To: <incident-")), [false, true, true]);
    }

    #[test]
    fn fifty_incidents_are_described_and_the_others_counted() {
        let mut message = test_message(Happening::Opened, None, &usual());
        message.incidents = vec![message.incidents[0].clone(); 10_000];
        let body = body(&message);
        assert_eq!(body.matches("   seen: ").count(), MOST_DESCRIBED);
        assert!(body.contains("\nand 9950 more\n"), "{body}");
    }
}
