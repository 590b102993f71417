//! End points that give an application the token of one installation: a signed word about itself goes there as a bearer
//! token, and `{"token", "expires_at"}` comes back with 201.
//!
//! Nobody's clock is trusted more than needed: a lifetime is reckoned by the clock of the end point where it shows one,
//! and when the two clocks are apart and the word is refused, that is said.

use std::borrow::Cow;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use forgewatch_plugin_api::{BodyState, Reason};
use reqwest::Method;
use reqwest::header::{ACCEPT, AUTHORIZATION, DATE, HeaderMap, HeaderValue};
use secrecy::ExposeSecret;
use serde::Deserialize;
use serde_json::Value;

use super::{LARGEST_ANSWER_BYTES, LONGEST_LIFETIME, Question, Refusal, Tokens};
use crate::services::budget::retry_after_s;
use crate::services::egress::Outgoing;
use crate::services::http::Answer;
use crate::services::identity::issuer::{Issuer, is_sendable};
use crate::services::identity::signer::Signer;

/// So far apart clocks may be before it is worth a word.
const LARGEST_DRIFT: Duration = Duration::from_secs(60);
/// Longest pause that is taken from a limit's own clock, as from `Retry-After`.
const LONGEST_PAUSE_S: u64 = 900;

/// None if the key does not sign.
pub(super) fn question(issuer: &Issuer, signer: &Signer) -> Option<Question> {
    let word = signer.token(&issuer.client_id, SystemTime::now())?;
    let mut bearer = HeaderValue::try_from(format!("Bearer {}", word.expose_secret())).ok()?;
    bearer.set_sensitive(true);
    let outgoing = Outgoing {
        method: Method::POST,
        url: issuer.token_url.clone(),
        headers: HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static("application/json"))]),
        body: Bytes::new(),
        timeout: None,
        max_body_bytes: Some(LARGEST_ANSWER_BYTES),
    };
    Some(Question { outgoing, credential: Some((AUTHORIZATION, bearer)), secrets: vec![word], read })
}

/// Whatever fields an answer has; each may be of any kind.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Said {
    token: Value,
    expires_at: Value,
    message: Value,
}

fn read(answer: &Answer) -> Result<Tokens, Refusal> {
    let said: Said = serde_json::from_slice(&answer.body).unwrap_or_default();
    if !matches!(answer.status, 200 | 201) {
        return Err(refusal(answer, &said));
    }
    tokens(answer, &said).map_err(|problem| Refusal {
        reason: Reason::PROVIDER_ERROR,
        problem: Cow::Owned(format!("HTTP {} {problem}", answer.status)),
        advice: None,
        retry_after_s: None,
    })
}

fn tokens(answer: &Answer, said: &Said) -> Result<Tokens, &'static str> {
    if answer.body_state != BodyState::COMPLETE {
        return Err("with a body that is cut off or too large");
    }
    let token = said.token.as_str().ok_or("without a token")?;
    if !is_sendable(token) {
        return Err("with a token that cannot be sent");
    }
    let lifetime = said
        .expires_at
        .as_str()
        .and_then(|text| humantime::parse_rfc3339(text).ok())
        .and_then(|end| end.duration_since(its_clock(answer).unwrap_or_else(SystemTime::now)).ok())
        .filter(|lifetime| !lifetime.is_zero())
        .ok_or("without a usable `expires_at`")?;
    Ok(Tokens { access_token: token.into(), refresh_token: None, lifetime: lifetime.min(LONGEST_LIFETIME) })
}

fn refusal(answer: &Answer, said: &Said) -> Refusal {
    let message = said.message.as_str();
    let has = |word: &str| message.is_some_and(|message| message.to_ascii_lowercase().contains(word));
    let (reason, advice) = match answer.status {
        429 => (Reason::RATE_LIMITED, None),
        403 if is_spent(answer) || has("rate limit") => (Reason::RATE_LIMITED, None),
        401 => (Reason::IDENTITY_INVALID, Some(advice_on_401(answer))),
        403 if has("suspended") => (
            Reason::IDENTITY_INVALID,
            Some(
                "an owner of the account that installed the application can lift that, in its settings of installed applications"
                    .to_owned(),
            ),
        ),
        404 if message.is_some() => (
            Reason::IDENTITY_INVALID,
            Some(
                "the installation was removed, or is none of this application's: install it again, or correct `installation_id` or `app_id`"
                    .to_owned(),
            ),
        ),
        404 => (
            Reason::PROVIDER_ERROR,
            Some("that is not how the API itself answers: look at `api_url`, and at proxies in between".to_owned()),
        ),
        _ => (Reason::PROVIDER_ERROR, None),
    };
    let mut problem = format!("HTTP {}", answer.status);
    if let Some(message) = message {
        problem.push_str(&format!(": {message}"));
    }
    let is_limited = reason == Reason::RATE_LIMITED;
    let retry_after_s = retry_after_s(&answer.headers, SystemTime::now())
        .or_else(|| if is_limited { until_reset(answer) } else { None });
    Refusal { reason, problem: Cow::Owned(problem), advice, retry_after_s }
}

/// Whether it is a limit that stands behind a refusal which could be of another kind.
fn is_spent(answer: &Answer) -> bool {
    retry_after_s(&answer.headers, SystemTime::now()).is_some()
        || number(answer, "x-ratelimit-remaining") == Some(0)
}

/// Seconds until a limit begins anew.
fn until_reset(answer: &Answer) -> Option<u64> {
    let reset = Duration::from_secs(number(answer, "x-ratelimit-reset")?);
    let now = its_clock(answer).unwrap_or_else(SystemTime::now);
    let wait = reset.saturating_sub(now.duration_since(SystemTime::UNIX_EPOCH).ok()?);
    Some(wait.as_secs().clamp(1, LONGEST_PAUSE_S))
}

fn advice_on_401(answer: &Answer) -> String {
    let Some(theirs) = its_clock(answer) else { return WRONG_KEY.to_owned() };
    let (apart, word) = match theirs.duration_since(SystemTime::now()) {
        Ok(apart) => (apart, "behind"),
        Err(error) => (error.duration(), "ahead of"),
    };
    if apart <= LARGEST_DRIFT {
        return WRONG_KEY.to_owned();
    }
    let apart = humantime::format_duration(Duration::from_secs(apart.as_secs()));
    format!(
        "the clock here is {apart} {word} that of the end point, and what is signed is good for minutes: set it"
    )
}

const WRONG_KEY: &str = "the application is not known there, or the key is none of its own any more: correct `app_id` or `private_key`";

/// What time it is for the end point.
fn its_clock(answer: &Answer) -> Option<SystemTime> {
    httpdate::parse_http_date(answer.headers.get(DATE)?.to_str().ok()?).ok()
}

fn number(answer: &Answer, name: &str) -> Option<u64> {
    answer.headers.get(name)?.to_str().ok()?.trim().parse().ok()
}
