//! What an answer says that shows no repository, status first.
//!
//! An outage or a limit is never a denial. Where the wording of a refusal is looked at, it is for its cause; a wording
//! that nobody knows leaves what the status says.

use std::time::SystemTime;

use forgewatch_plugin_api::{BodyState, Failure, Reason, Response};
use forgewatch_plugin_support::Shown;

use crate::answer::{self, Refusal};

/// What an operator should know of an answer that shows no repository.
#[derive(Debug)]
pub(crate) struct Fault {
    pub(crate) reason: Reason,
    /// What was seen and what to do, to follow the name of what was asked for.
    pub(crate) seen: String,
    status: u16,
    retry_after_s: Option<u64>,
}

impl Fault {
    /// The failure of whatever was asked for.
    pub(crate) fn about(self, asked: &str) -> Failure {
        let failure =
            Failure::new(self.reason, format!("{asked}: {}", self.seen)).with_http_status(self.status);
        match self.retry_after_s {
            Some(seconds) => failure.with_retry_after_s(seconds),
            None => failure,
        }
    }

    /// The failure of what every GitHub has, like a list: where it is missing the address is wrong, and nothing is denied.
    pub(crate) fn about_own(mut self, asked: &str) -> Failure {
        if matches!(self.reason, Reason::NOT_FOUND | Reason::DISABLED) {
            self.reason = Reason::PROVIDER_ERROR;
            self.seen = format!(
                "the answer with HTTP status {} shows nothing there; check the integration's domain_name and any proxy",
                self.status
            );
        }
        self.about(asked)
    }
}

type Cause = (Reason, String);

/// The fault of an answer. `token` is the beginning of the identity's token, where it is known; `now` the host's clock.
pub(crate) fn fault(response: &Response, token: Option<&str>, now: SystemTime) -> Fault {
    let status = response.status();
    let refusal = answer::refusal(response);
    let (reason, why) = match status {
        200 => no_success(response.body_state()),
        300..=399 => (
            Reason::INVALID_RESPONSE,
            "leads elsewhere, which is not followed; check the integration's domain_name and any proxy"
                .to_owned(),
        ),
        400..=499 => refused(response, &refusal.unwrap_or_default(), token),
        500..=599 => (
            Reason::PROVIDER_ERROR,
            format!("is a fault of the service{}; it is asked again later", request_id(response)),
        ),
        _ => (
            Reason::INVALID_RESPONSE,
            "carries no repository; check what answers at the integration's base URL".to_owned(),
        ),
    };
    Fault {
        reason,
        seen: format!("the answer with HTTP status {status} {why}"),
        status,
        retry_after_s: (reason == Reason::RATE_LIMITED).then(|| wait_s(response, now)),
    }
}

fn no_success(state: BodyState) -> Cause {
    let why = match state {
        BodyState::COMPLETE => "is not what was asked for; check what answers at the integration's base URL",
        BodyState::TOO_LARGE => "is larger than the limit on answers; check what answers at the base URL",
        _ => "was cut off; it is asked for again later",
    };
    (Reason::INVALID_RESPONSE, why.to_owned())
}

fn refused(response: &Response, refusal: &Refusal, token: Option<&str>) -> Cause {
    let message = refusal.message.to_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| message.contains(word));
    match response.status() {
        403 | 451 if refusal.block.is_some() => blocked(refusal),
        451 => blocked(refusal),
        429 => limited(),
        403 if is_limit(response) || says(&["rate limit", "abuse detection", "login attempts"]) => limited(),
        401 if says(&["json web token", "'exp'", "'iat'"]) => (
            Reason::IDENTITY_INVALID,
            "takes the credential for an application's own token and refuses it: use an identity of kind \
             `github_app`, with the right key and a clock that is right"
                .to_owned(),
        ),
        401 => (
            Reason::UNAUTHORIZED,
            format!("refuses the credential: {}", refused_credential(token)),
        ),
        403 if says(&["suspended"]) => (
            Reason::IDENTITY_INVALID,
            "says that the installation or account of the identity is suspended: have its owner lift that".to_owned(),
        ),
        403 | 404 if let Some(link) = sign_on(response) => (
            Reason::FORBIDDEN,
            format!(
                "says that the token is not authorised for the single sign-on of the organisation: authorise it, under \
                 `Configure SSO` of the owner's list of tokens{link}"
            ),
        ),
        403 if says(&["ip allow list", "ip address"]) => (
            Reason::FORBIDDEN,
            "says that the organisation's list of allowed addresses does not have this machine's: add it there"
                .to_owned(),
        ),
        403 => (Reason::FORBIDDEN, forbidden(response, refusal)),
        404 => (
            Reason::NOT_FOUND,
            format!("shows no such repository: it was deleted, or it is hidden from the identity{}", own(refusal)),
        ),
        410 => (Reason::NOT_FOUND, "says that it is gone; remove it from the configuration".to_owned()),
        _ => (
            Reason::PROVIDER_ERROR,
            format!("refuses the request as such{}; check the base URL and any proxy", request_id(response)),
        ),
    }
}

fn limited() -> Cause {
    let why = "says that the identity's limit of requests is reached; it is asked again later, more rarely if you \
               raise the interval";
    (Reason::RATE_LIMITED, why.to_owned())
}

fn blocked(refusal: &Refusal) -> Cause {
    let reason =
        refusal.block.as_ref().map(|block| block.reason.as_str()).filter(|reason| !reason.is_empty());
    let reason = reason.map(|reason| format!(" ({})", Shown(reason))).unwrap_or_default();
    let why = format!(
        "says that GitHub keeps the repository from everybody{reason}: settle that with GitHub, or remove it from the \
         configuration"
    );
    (Reason::DISABLED, why)
}

fn forbidden(response: &Response, refusal: &Refusal) -> String {
    let wanted = response.header("X-Accepted-GitHub-Permissions").filter(|wanted| !wanted.trim().is_empty());
    let wanted = wanted.map_or_else(|| "Metadata (read)".to_owned(), |wanted| Shown(wanted).to_string());
    match refusal.message.as_str() {
        "" => "refuses it, and not in GitHub's own words; check the integration's domain_name and any proxy"
            .to_owned(),
        message => format!(
            "says {}: give the token or the installation the permission {wanted} and this repository",
            Shown(message)
        ),
    }
}

/// Who did not answer in GitHub's own form may not be a GitHub.
fn own(refusal: &Refusal) -> &'static str {
    match refusal.message.as_str() {
        "" => "; it is not GitHub's own answer, so check the integration's domain_name as well",
        _ => "; check `project` and `name`, and what the token or the installation was given",
    }
}

/// Why a credential is refused: a token of another forge, or of a kind that opens nothing by itself, is of no use renewed.
fn refused_credential(token: Option<&str>) -> String {
    let token = token.unwrap_or_default();
    if token == "ghr_" {
        return "it begins with `ghr_`, as refresh tokens do, which open nothing by themselves; give the identity an \
                access token"
            .to_owned();
    }
    if token.is_empty() || token.starts_with("gh") || token.starts_with("github_") {
        return "it is wrong, expired or revoked; renew it".to_owned();
    }
    format!("it begins with {}, as tokens of another forge do; give the identity one of GitHub", Shown(token))
}

fn is_limit(response: &Response) -> bool {
    response.header("Retry-After").is_some() || is_used_up(response)
}

fn is_used_up(response: &Response) -> bool {
    number(response, "X-RateLimit-Remaining") == Some(0)
}

fn number(response: &Response, name: &str) -> Option<u64> {
    response.header(name)?.trim().parse().ok()
}

/// The seconds to wait. Both clocks are the forge's own, where it tells its time.
fn wait_s(response: &Response, now: SystemTime) -> u64 {
    let unix_s =
        |at: SystemTime| at.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let time = |text: &str| httpdate::parse_http_date(text.trim()).ok().map(unix_s);
    let now = response.header("Date").and_then(time).unwrap_or_else(|| unix_s(now));
    let asked = response.header("Retry-After").map(str::trim).and_then(|text| {
        let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        // More digits than fit are more than the cap, too.
        if is_number { Some(text.parse().unwrap_or(u64::MAX)) } else { Some(time(text)?.saturating_sub(now)) }
    });
    let reset = number(response, "X-RateLimit-Reset").filter(|_| is_used_up(response));
    asked.or_else(|| Some(reset?.saturating_sub(now))).unwrap_or(60).clamp(1, 3600)
}

/// Where a token is authorised for a sign-on, for an answer that asks for it. The address holds a key of its own, so
/// only its beginning is shown.
fn sign_on(response: &Response) -> Option<String> {
    let asked = response.header("X-GitHub-SSO")?.trim();
    let url = asked.strip_prefix("required")?.split_once("url=").map_or("", |(_, url)| url);
    let place = url.split(['?', '#']).next().unwrap_or_default();
    Some(if place.starts_with("https://") { format!(" ({})", Shown(place)) } else { String::new() })
}

fn request_id(response: &Response) -> String {
    match response.header("X-GitHub-Request-Id") {
        Some(id) if id.len() <= 64 => format!(" (request {})", Shown(id)),
        _ => String::new(),
    }
}
