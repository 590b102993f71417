//! What an HTTP answer of GitLab says, status first.
//!
//! An outage or a limit is never a denial. Statuses decide; of texts only the codes in `error` are looked for.

use std::borrow::Cow;
use std::fmt::Display;
use std::time::UNIX_EPOCH;

use forgewatch_plugin_api::{BodyState, Failure, Reason, Response};
use forgewatch_plugin_support::Shown;
use serde::Deserialize;
use serde_json::Value;

/// More than any fault takes to explain itself. As a tree a body could take tens of times its size.
const LONGEST_EXPLANATION: usize = 64 * 1024;

/// An answer that is no success, and what an operator should know of it.
#[derive(Debug)]
pub(crate) struct Fault {
    pub(crate) reason: Reason,
    pub(crate) status: u16,
    /// What was seen and what to do, to follow the name of what was asked for.
    pub(crate) seen: String,
    retry_after_s: Option<u64>,
}

impl Fault {
    pub(crate) fn failure(&self, about: &impl Display) -> Failure {
        let failure =
            Failure::new(self.reason, format!("{about}: {}", self.seen)).with_http_status(self.status);
        match self.retry_after_s {
            Some(seconds) => failure.with_retry_after_s(seconds),
            None => failure,
        }
    }

    /// The failure of what every GitLab has, like a list: where it is missing the address is wrong, and nothing is denied.
    pub(crate) fn failure_of_own(mut self, about: &impl Display) -> Failure {
        if self.reason == Reason::NOT_FOUND {
            self.reason = Reason::PROVIDER_ERROR;
            self.seen = format!(
                "the answer with HTTP status {} shows nothing there; check the integration's domain_name and any proxy",
                self.status
            );
        }
        self.failure(about)
    }
}

/// The fault of an answer, `None` for a whole body with status 200. `token_prefix` is how the credential begins.
pub(crate) fn fault(response: &Response, token_prefix: Option<&str>) -> Option<Fault> {
    let status = response.status();
    let (reason, why) = match status {
        200 if response.body_state() == BodyState::COMPLETE => return None,
        200 if response.body_state() == BodyState::TOO_LARGE => (
            Reason::INVALID_RESPONSE,
            "is larger than the limit on answers; check what answers at the base URL".into(),
        ),
        200 => (Reason::INVALID_RESPONSE, "was cut off; it is asked for again later".into()),
        300..=399 if is_sign_in(response) => (
            Reason::UNAUTHORIZED,
            "leads to a sign-in page: check the integration's domain_name, any single sign-on in front of the server, \
             and the credential"
                .into(),
        ),
        300..=399 => (
            Reason::INVALID_RESPONSE,
            "leads elsewhere, which is not followed; check the integration's domain_name and any proxy".into(),
        ),
        400..=499 => client_fault(response, token_prefix),
        500..=599 => (Reason::PROVIDER_ERROR, "is a fault of the service; it is asked again later".into()),
        _ => (Reason::INVALID_RESPONSE, "carries no project; check what answers at the base URL".into()),
    };
    Some(Fault {
        reason,
        status,
        seen: format!("the answer with HTTP status {status} {why}"),
        retry_after_s: if status == 429 { until_reset_s(response) } else { None },
    })
}

fn client_fault(response: &Response, token_prefix: Option<&str>) -> (Reason, Cow<'static, str>) {
    let said = Said::read(response);
    match response.status() {
        401 => (Reason::UNAUTHORIZED, said.refused_credential(token_prefix).into()),
        403 => (Reason::FORBIDDEN, said.refused_access().into()),
        404 if said.is_of_api() => (
            Reason::NOT_FOUND,
            "shows no such project: it was deleted, renamed or moved, or the identity is no member of it any more"
                .into(),
        ),
        404 => (
            Reason::NOT_FOUND,
            "is not the API's own: check the integration's domain_name; where a proxy decodes `%2F` in paths, set \
             `external_id` to the project's id, which has no slash"
                .into(),
        ),
        410 => (Reason::NOT_FOUND, "says that it is gone; remove it from the configuration".into()),
        429 => (
            Reason::RATE_LIMITED,
            "says that a rate limit is reached; it is asked again later, more rarely if you raise the interval"
                .into(),
        ),
        _ => (
            Reason::PROVIDER_ERROR,
            format!("refuses the request as such{}; check the base URL and any proxy", said.quoted()).into(),
        ),
    }
}

/// How a fault explains itself; each field may be of any kind, and none of them there.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Said {
    message: Value,
    error: Value,
    error_description: Value,
    scope: Value,
}

impl Said {
    fn read(response: &Response) -> Self {
        let body = response.body();
        let is_object = body.len() <= LONGEST_EXPLANATION && body.trim_ascii_start().starts_with(b"{");
        let said = is_object.then(|| serde_json::from_slice(body).ok());
        said.flatten().unwrap_or_default()
    }

    /// A path that the API does not know is answered with `error` alone.
    fn is_of_api(&self) -> bool {
        !self.message.is_null()
    }

    /// What it says, to follow a clause; empty where it says nothing.
    fn quoted(&self) -> String {
        let fields = [&self.message, &self.error_description, &self.error];
        match fields.into_iter().find(|field| !field.is_null()) {
            None => String::new(),
            Some(Value::String(text)) => format!(" (it says {})", Shown(text)),
            Some(other) => format!(" (it says {})", Shown(&other.to_string())),
        }
    }

    fn refused_credential(&self, token_prefix: Option<&str>) -> String {
        let hint = match token_prefix {
            Some(prefix) if prefix.starts_with("gh") || prefix.starts_with("github_") => {
                format!(
                    ": it begins with {}, as tokens of GitHub do; give the identity one of GitLab",
                    Shown(prefix)
                )
            }
            Some(prefix) if prefix.starts_with("gl") && prefix != "glpat-" => format!(
                ": it begins with {}, which opens no API; give the identity a personal, project or group access token",
                Shown(prefix)
            ),
            _ if self.error == "invalid_token" => format!(
                ": it has ended or was revoked{}; create or rotate the token and configure it",
                self.quoted()
            ),
            _ => ": it is wrong, expired or revoked; renew it".to_owned(),
        };
        format!("refuses the credential{hint}")
    }

    fn refused_access(&self) -> String {
        if self.error == "insufficient_scope" {
            let wanted = self.scope.as_str().unwrap_or("read_api");
            return format!(
                "says that the token lacks the scope: create one with read_api (any of {} would do)",
                Shown(wanted)
            );
        }
        format!(
            "says that the identity may not do this{}: give it the role Reporter or higher, and check the restrictions \
             of group and server by IP address",
            self.quoted()
        )
    }
}

/// Seconds until a limit is lifted where no `Retry-After` says so, by the server's own clock.
fn until_reset_s(response: &Response) -> Option<u64> {
    if response.header("Retry-After").is_some() {
        return None;
    }
    let reset: u64 = response.header("RateLimit-Reset")?.trim().parse().ok()?;
    let now = httpdate::parse_http_date(response.header("Date")?).ok()?;
    let now = now.duration_since(UNIX_EPOCH).ok()?.as_secs();
    Some(reset.saturating_sub(now).clamp(1, 900))
}

fn is_sign_in(response: &Response) -> bool {
    let location = response.header("Location").unwrap_or_default();
    let path = &location[..location.find(['?', '#']).unwrap_or(location.len())];
    path.trim_end_matches('/').ends_with("/users/sign_in")
}
