//! Asking an end point for tokens, and what comes of it.
//!
//! There are two kinds: token end points of OAuth ([`form`]), and those that give an application the token of one of
//! its installations ([`application`]). An identity is called invalid only for what its issuer says about it; everything
//! else is trouble of the issuer or on the way there. No text of the end point is passed on with a secret in it.

mod application;
mod form;

use std::borrow::Cow;
use std::time::Duration;

use forgewatch_plugin_api::{Failure, Reason};
use reqwest::header::{HeaderName, HeaderValue};
use secrecy::{ExposeSecret, SecretString};

use super::issuer::{Grant, Issuer};
use crate::services::egress::Outgoing;
use crate::services::http::{Answer, HttpClient, Noted, shown};
use crate::services::scrub::Scrubber;
use crate::text::printable;

const LARGEST_ANSWER_BYTES: u64 = 256 * 1024;
const LONGEST_LIFETIME: Duration = Duration::from_secs(366 * 24 * 3600);

/// What an issuer gave.
pub(super) struct Tokens {
    pub(super) access_token: SecretString,
    pub(super) refresh_token: Option<SecretString>,
    pub(super) lifetime: Duration,
}

/// What is sent, and how its answer is read.
struct Question {
    outgoing: Outgoing,
    credential: Option<(HeaderName, HeaderValue)>,
    /// What may come back in the answer, and is not for anybody to read.
    secrets: Vec<SecretString>,
    read: fn(&Answer) -> Result<Tokens, Refusal>,
}

/// What an end point answered in place of tokens.
struct Refusal {
    reason: Reason,
    /// In its own words, after `answered`.
    problem: Cow<'static, str>,
    /// What to do about it, if that can be said.
    advice: Option<String>,
    retry_after_s: Option<u64>,
}

/// Asks for new tokens, once.
pub(super) async fn ask(
    client: &HttpClient,
    identity: &str,
    issuer: &Issuer,
    refresh_token: Option<&SecretString>,
) -> Result<Tokens, Failure> {
    let about = format!("identity `{identity}` was not refreshed");
    let question = match &issuer.grant {
        Grant::Application(signer) => application::question(issuer, signer)
            .ok_or_else(|| Failure::new(Reason::PROVIDER_ERROR, format!("{about}: its key does not sign")))?,
        Grant::RefreshToken => form::question("refresh_token", issuer, refresh_token),
        Grant::ClientCredentials => form::question("client_credentials", issuer, None),
    };
    let answer = client
        .send(&question.outgoing, question.credential.as_ref(), Noted::default())
        .await
        .map_err(|failure| Failure::new(failure.reason(), format!("{about}: {}", failure.detail())))?;
    (question.read)(&answer).map_err(|refusal| {
        let scrubber = Scrubber::new(question.secrets.iter().map(ExposeSecret::expose_secret));
        let problem = scrubber.scrub_text(refusal.problem);
        let end_point = shown(&question.outgoing.url);
        let mut detail = format!("{about}: {end_point} answered {}", printable(&problem, 400));
        if let Some(advice) = refusal.advice {
            detail.push_str(&format!("; {advice}"));
        }
        let failure = Failure::new(refusal.reason, detail);
        match refusal.retry_after_s {
            Some(seconds) => failure.with_retry_after_s(seconds),
            None => failure,
        }
    })
}
