//! The one shape of every refusal and failure: a status, a code for programs, a sentence for people.

use axum::body::Body;
use axum::http::{HeaderValue, Response, StatusCode, header};
use schemars::JsonSchema;
use serde::Serialize;

use super::answer::json;
use crate::text::printable;

/// Longer than any message of ours; what a client sent may be part of it.
const LONGEST_MESSAGE: usize = 1000;
/// Seconds after which what cannot be done now may be tried again, unless somebody knows better.
const USUAL_WAIT_S: u64 = 5;

/// Why there is no other answer.
#[derive(Clone, Debug)]
pub(crate) struct Error {
    pub(crate) status: StatusCode,
    body: ErrorBody,
    challenge: Option<&'static str>,
    /// Seconds after which the same request may do, where that is known.
    retry_after_s: Option<u64>,
}

/// An answer that is no success.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[schemars(rename = "Error", deny_unknown_fields)]
pub(super) struct ErrorBody {
    /// What went wrong.
    error: Trouble,
}

#[derive(Clone, Debug, Serialize, JsonSchema)]
#[schemars(inline, deny_unknown_fields)]
struct Trouble {
    /// One word for programs.
    code: &'static str,
    /// One sentence for people.
    message: String,
    /// What it is about, where that is more than one thing.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(default)]
    details: Vec<String>,
}

impl Error {
    pub(crate) fn new(status: StatusCode, code: &'static str, message: impl AsRef<str>) -> Self {
        let message = printable(message.as_ref(), LONGEST_MESSAGE).into_owned();
        let error = Trouble { code, message, details: Vec::new() };
        Self { status, body: ErrorBody { error }, challenge: None, retry_after_s: None }
    }

    pub(crate) fn bad_request(message: impl AsRef<str>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad_request", message)
    }

    pub(crate) fn forbidden(message: impl AsRef<str>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", message)
    }

    pub(crate) fn not_found(message: impl AsRef<str>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", message)
    }

    /// Nothing is wrong with the request; the same one may do later.
    pub(crate) fn unavailable(message: impl AsRef<str>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", message)
    }

    /// Our own fault. Its cause is for the log.
    pub(crate) fn internal(cause: &dyn std::fmt::Display) -> Self {
        let cause = cause.to_string();
        tracing::error!("a request of the API failed: {}", printable(&cause, LONGEST_MESSAGE));
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "the request failed; the log says why")
    }

    pub(super) fn with_details(mut self, details: impl IntoIterator<Item = String>) -> Self {
        self.body.error.details = details.into_iter().collect();
        self
    }

    /// With what a client is to do to be let in.
    pub(super) fn with_challenge(self, challenge: &'static str) -> Self {
        Self { challenge: Some(challenge), ..self }
    }

    pub(super) fn with_retry_after(self, seconds: Option<u64>) -> Self {
        Self { retry_after_s: seconds, ..self }
    }

    /// One sentence for people.
    pub(crate) fn message(&self) -> &str {
        &self.body.error.message
    }

    /// What it is about, where that is more than one thing.
    pub(crate) fn details(&self) -> &[String] {
        &self.body.error.details
    }

    /// As an answer, for programs. It carries itself along for whoever shows it to people.
    pub(crate) fn into_response(self) -> Response<Body> {
        let mut response = json(self.status, &self.body);
        response.extensions_mut().insert(self.clone());
        if let Some(challenge) = self.challenge {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            let seconds = self.retry_after_s.unwrap_or(USUAL_WAIT_S);
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}
