//! Sending what the host itself has to say, to addresses that the operator named.
//!
//! - Every message has a connection of its own, so none is lost to one that had gone stale; nothing is repeated.
//! - One time-out covers all of it. Of an answer no more is read than is worth quoting, and what could be a secret is
//!   taken out of that.
//! - The operator's proxy is used, but not for this machine, which it could not reach.
//!
//! Plugins have no way to it.

use std::time::{Duration, SystemTime};

use reqwest::Client;
use reqwest::header::HeaderMap;
use tokio::time::{Instant, timeout_at};
use url::Url;

use super::{BuildError, HttpSettings, builder, cause, tls};
use crate::services::budget;
use crate::services::scrub::Scrubber;
use crate::text::{is_on_this_machine, printable};

/// The longest time for which a receiver's wish to be left alone is heeded.
const LONGEST_WAIT: Duration = Duration::from_secs(60 * 60);
/// What is read of an answer, beside what a secret at its end takes.
const READ_BYTES: usize = 4096;
/// How many times as long as itself a secret may be written.
const LONGEST_FORM: usize = 6;
/// Characters that are quoted of it.
const QUOTED_CHARS: usize = 200;
/// What no proxy reaches.
const THIS_MACHINE: &str = "localhost,127.0.0.0/8,::1";

/// The client. One for all whom the host tells something.
pub(crate) struct Messenger {
    client: Client,
    timeout: Duration,
    authorities: Option<Vec<u8>>,
    /// What to add to a failure when requests go through a proxy.
    via: String,
}

/// What is sent.
pub(crate) struct Post<'a> {
    pub(crate) url: &'a Url,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
    /// What is never quoted from the answer.
    pub(crate) secrets: Vec<&'a str>,
}

/// What came back.
pub(crate) struct Reply {
    pub(crate) status: u16,
    /// When the receiver wants to be asked again, an hour at most.
    pub(crate) retry_after: Option<Duration>,
    /// The first line of the body, fit to be shown; nothing where the message was taken.
    pub(crate) said: String,
}

impl Messenger {
    /// Builds the client. Reads certificates, so it blocks for a moment.
    ///
    /// # Errors
    ///
    /// A `ca_file` or a proxy that cannot be used.
    pub(crate) fn new(settings: &HttpSettings) -> Result<Self, BuildError> {
        let authorities = settings.ca_file.as_deref().map(tls::read).transpose()?;
        let mut builder = builder(settings.ca_file.as_deref().zip(authorities.as_deref()))?;
        let mut via = String::new();
        if let Some((proxy, through)) = settings.proxy(Some(THIS_MACHINE))? {
            builder = builder.proxy(proxy);
            via = through;
        }
        let client = builder.pool_max_idle_per_host(0).build();
        let client = client.map_err(|source| BuildError::Client { source })?;
        Ok(Self { client, timeout: settings.timeout, authorities, via })
    }

    /// How long one message may take.
    pub(crate) fn timeout(&self) -> Duration {
        self.timeout
    }

    /// What `ca_file` holds.
    pub(crate) fn authorities(&self) -> Option<&[u8]> {
        self.authorities.as_deref()
    }

    /// Sends something; the error says why there was no answer, without the address.
    pub(crate) async fn post(&self, post: Post<'_>) -> Result<Reply, String> {
        let deadline = Instant::now() + self.timeout;
        let request = self.client.post(post.url.clone()).headers(post.headers).body(post.body);
        let failed = |cause: &str| {
            let via = if is_on_this_machine(post.url) { "" } else { &self.via };
            Err(format!("no answer{via}: {cause}"))
        };
        let mut response = match timeout_at(deadline, request.send()).await {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => return failed(&cause::of(&error).text),
            Err(_) => return failed(&format!("timed out after {} s", self.timeout.as_secs_f64())),
        };
        let status = response.status();
        let retry_after = budget::retry_after(response.headers(), SystemTime::now());
        let (mut body, mut unread) = (Vec::new(), longest(&post.secrets));
        let enough = READ_BYTES + unread;
        // Who has taken the message may say what it likes.
        while !status.is_success() && body.len() < enough {
            match timeout_at(deadline, response.chunk()).await {
                Ok(Ok(Some(chunk))) => body.extend_from_slice(&chunk[..chunk.len().min(enough)]),
                Ok(Ok(None)) => {
                    unread = 0;
                    break;
                }
                _ => break,
            }
        }
        Ok(Reply {
            status: status.as_u16(),
            retry_after: retry_after.map(|seconds| Duration::from_secs(seconds).min(LONGEST_WAIT)),
            said: quoted_but(unread, &body, &post.secrets),
        })
    }
}

/// How many bytes the longest of these may take in an answer.
fn longest(secrets: &[&str]) -> usize {
    secrets.iter().map(|secret| secret.len() * LONGEST_FORM).max().unwrap_or(0)
}

/// The first line that says something, fit to be shown and without these secrets.
pub(crate) fn quoted(body: &[u8], secrets: &[&str]) -> String {
    quoted_but(0, body, secrets)
}

/// The same of what is before so many bytes at the end, where a secret may be cut, and so not found.
fn quoted_but(end: usize, body: &[u8], secrets: &[&str]) -> String {
    let scrubber = Scrubber::new(secrets.iter().copied());
    let body = String::from_utf8_lossy(body);
    let body = scrubber.scrub_text(body);
    let whole = &body[..body.floor_char_boundary(body.len().saturating_sub(end))];
    let line = whole.lines().map(str::trim).find(|line| !line.is_empty());
    printable(line.unwrap_or_default(), QUOTED_CHARS).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_quoted_in_one_line_without_what_was_sent() {
        for (body, expected) in [
            ("", ""),
            ("\r\n \r\n no_team \r\nmore", "no_team"),
            ("unknown hunter2 for \x1b[31mhttps://x/hunter2", "unknown *** for \\u{1b}[31m***"),
        ] {
            assert_eq!(quoted(body.as_bytes(), &["hunter2", "https://x/hunter2"]), expected);
        }
        assert_eq!(quoted("x".repeat(5000).as_bytes(), &[]).chars().count(), QUOTED_CHARS);
    }

    #[test]
    fn a_secret_that_is_cut_off_is_not_quoted() {
        let secret = "planted".repeat(100);
        let secrets = [secret.as_str()];
        for whole in 0..8 {
            let body = format!("no {}{}", format!("{secret} ").repeat(whole), &secret[..600]);
            let said = quoted_but(longest(&secrets), body.as_bytes(), &secrets);
            assert!(!said.contains("planted"), "{said}");
        }
        let body = format!("no{}", " ".repeat(READ_BYTES + longest(&secrets)));
        assert_eq!(quoted_but(longest(&secrets), body.as_bytes(), &secrets), "no");
    }
}
