//! Token end points of OAuth 2.0: a form goes there, and JSON comes back.
//!
//! An identity is called invalid for 401, `invalid_grant`, `invalid_client`, or `invalid_request` about an access token
//! that is not valid.

use std::borrow::Cow;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use forgewatch_plugin_api::{BodyState, Reason};
use reqwest::Method;
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderValue};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::Value;
use url::form_urlencoded;

use super::{LARGEST_ANSWER_BYTES, LONGEST_LIFETIME, Question, Refusal, Tokens};
use crate::services::budget::retry_after_s;
use crate::services::egress::Outgoing;
use crate::services::http::Answer;
use crate::services::identity::issuer::{Issuer, is_sendable};

pub(super) fn question(grant: &str, issuer: &Issuer, refresh_token: Option<&SecretString>) -> Question {
    let outgoing = Outgoing {
        method: Method::POST,
        url: issuer.token_url.clone(),
        headers: HeaderMap::from_iter([
            (CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded")),
            (ACCEPT, HeaderValue::from_static("application/json")),
        ]),
        body: form(grant, issuer, refresh_token),
        timeout: None,
        max_body_bytes: Some(LARGEST_ANSWER_BYTES),
    };
    let secrets = [refresh_token, issuer.client_secret.as_ref()].into_iter().flatten().cloned().collect();
    Question { outgoing, credential: None, secrets, read }
}

fn read(answer: &Answer) -> Result<Tokens, Refusal> {
    let said: Said = serde_json::from_slice(&answer.body).unwrap_or_default();
    tokens(answer, &said).map_err(|problem| Refusal {
        reason: reason(answer, &said),
        problem,
        advice: None,
        retry_after_s: retry_after_s(&answer.headers, SystemTime::now()),
    })
}

fn form(grant: &str, issuer: &Issuer, refresh_token: Option<&SecretString>) -> Bytes {
    let secret = issuer.client_secret.as_ref().map(ExposeSecret::expose_secret);
    let fields = [
        ("grant_type", Some(grant)),
        ("client_id", Some(issuer.client_id.as_str())),
        ("client_secret", secret),
        ("refresh_token", refresh_token.map(ExposeSecret::expose_secret)),
        ("scope", issuer.scope.as_deref()),
        ("redirect_uri", issuer.redirect_uri.as_deref()),
    ];
    let mut form = form_urlencoded::Serializer::new(String::new());
    for (name, value) in fields {
        if let Some(value) = value {
            form.append_pair(name, value);
        }
    }
    form.finish().into()
}

/// Whatever fields an answer has; each may be of any kind, since end points differ.
#[derive(Default, Deserialize)]
struct Said {
    #[serde(default)]
    access_token: Value,
    #[serde(default)]
    refresh_token: Value,
    #[serde(default)]
    expires_in: Value,
    #[serde(default, alias = "Error")]
    error: Value,
    #[serde(default, alias = "ErrorDescription")]
    error_description: Value,
}

/// The tokens in an answer, or what is wrong with it.
fn tokens(answer: &Answer, said: &Said) -> Result<Tokens, Cow<'static, str>> {
    if answer.status != 200 {
        return Err(Cow::Owned(http_error(answer.status, said)));
    }
    if answer.body_state != BodyState::COMPLETE {
        return Err("HTTP 200 with a body that is cut off or too large".into());
    }
    let Some(access_token) = said.access_token.as_str() else {
        return Err(match said.error {
            Value::Null => "HTTP 200 without an access token".into(),
            _ => Cow::Owned(http_error(200, said)),
        });
    };
    if !is_sendable(access_token) {
        return Err("HTTP 200 with an access token that cannot be sent".into());
    }
    let seconds = match &said.expires_in {
        Value::String(text) => text.trim().parse().ok(),
        value => value.as_f64(),
    };
    let lifetime = seconds
        .filter(|seconds| *seconds > 0.0)
        .and_then(|seconds| Duration::try_from_secs_f64(seconds.min(LONGEST_LIFETIME.as_secs_f64())).ok())
        .ok_or("HTTP 200 without a usable `expires_in`")?;
    Ok(Tokens {
        access_token: access_token.into(),
        refresh_token: said.refresh_token.as_str().filter(|token| !token.is_empty()).map(Into::into),
        lifetime,
    })
}

fn http_error(status: u16, said: &Said) -> String {
    let mut text = format!("HTTP {status}");
    if let Some(error) = said.error.as_str() {
        text.push_str(&format!(" ({error})"));
    }
    if let Some(description) = said.error_description.as_str() {
        text.push_str(&format!(": {description}"));
    }
    text
}

fn reason(answer: &Answer, said: &Said) -> Reason {
    let error = said.error.as_str().unwrap_or_default();
    let description = said.error_description.as_str().unwrap_or_default().to_ascii_lowercase();
    let is_token_not_valid = answer.status == 400
        && error == "invalid_request"
        && description.contains("access token is not valid");
    if matches!(error, "invalid_grant" | "invalid_client") || answer.status == 401 || is_token_not_valid {
        Reason::IDENTITY_INVALID
    } else if answer.status == 429 {
        Reason::RATE_LIMITED
    } else {
        Reason::PROVIDER_ERROR
    }
}
