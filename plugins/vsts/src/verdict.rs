//! What an HTTP answer of Azure DevOps says, status first.
//!
//! An outage or a limit is never a denial. Message texts are localised, so only codes and type names are looked for.

use forgewatch_plugin_api::{BodyState, Failure, Reason, Response};
use forgewatch_plugin_support::RawUrl;
use serde::Deserialize;

use crate::answer;

/// An answer that is no success, and what an operator should know of it.
#[derive(Debug)]
pub(crate) struct Fault {
    pub(crate) reason: Reason,
    /// What was seen and what to do, to follow the name of what was asked for.
    pub(crate) seen: String,
    /// A 404 that a missing, an unreadable and a disabled repository have in common.
    pub(crate) may_be_disabled: bool,
}

/// What an answer is about, where that makes a difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Area {
    /// Repositories and projects.
    Code,
    WorkItems,
    /// Subscriptions to events.
    Hooks,
}

/// The fault of an answer about code, `None` for a whole body with status 200 that is no sign-in page.
pub(crate) fn fault(response: &Response) -> Option<Fault> {
    fault_in(Area::Code, response)
}

/// The fault of an answer, `None` for a whole body with status 200 that is no sign-in page.
pub(crate) fn fault_in(area: Area, response: &Response) -> Option<Fault> {
    let status = response.status();
    let (reason, why) = match status {
        200 if is_sign_in_page(response) => (Reason::UNAUTHORIZED, SIGN_IN),
        200 if response.body_state() == BodyState::COMPLETE => return None,
        200 if response.body_state() == BodyState::TOO_LARGE => (
            Reason::INVALID_RESPONSE,
            "is larger than the limit on answers; check what answers at the base URL",
        ),
        200 => (Reason::INVALID_RESPONSE, "was cut off; it is asked for again later"),
        203 => (Reason::UNAUTHORIZED, SIGN_IN),
        300..=399 if is_sign_in_redirect(response) => (Reason::UNAUTHORIZED, SIGN_IN),
        300..=399 => (
            Reason::INVALID_RESPONSE,
            "leads elsewhere, which is not followed; check the integration's domain_name and any proxy",
        ),
        400..=499 => client_fault(area, response),
        503 if LIMIT_HEADERS.iter().any(|name| response.header(name).is_some()) => {
            (Reason::RATE_LIMITED, LIMITED)
        }
        500..=599 => (Reason::PROVIDER_ERROR, "is a fault of the service; it is asked again later"),
        _ => (Reason::INVALID_RESPONSE, "carries nothing of use; check what answers at the base URL"),
    };
    let activity = match response.header("ActivityId") {
        Some(id) if reason == Reason::PROVIDER_ERROR && id.len() <= 64 => format!(" (activity {id})"),
        _ => String::new(),
    };
    Some(Fault {
        reason,
        seen: format!("the answer with HTTP status {status}{activity} {why}"),
        may_be_disabled: status == 404
            && mentions_any(response, &["TF401019", "GitRepositoryNotFoundException"]),
    })
}

/// Fails with the fault of an answer to a question about `about`, if it has one.
pub(crate) fn succeeded(area: Area, response: &Response, about: &str) -> Result<(), Failure> {
    match fault_in(area, response) {
        Some(fault) => {
            let detail = format!("{about}: {}", fault.seen);
            Err(Failure::new(fault.reason, detail).with_http_status(response.status()))
        }
        None => Ok(()),
    }
}

/// The object in an answer to a question about `about`; where it is none, that is said of it.
pub(crate) fn object<'a, T: Deserialize<'a>>(
    area: Area,
    response: &'a Response,
    about: &str,
    none: &str,
) -> Result<T, Failure> {
    succeeded(area, response, about)?;
    answer::object(response).ok_or_else(|| nonsense(response, about, none))
}

/// The failure of a successful answer that is not what was asked for.
pub(crate) fn nonsense(response: &Response, about: &str, none: &str) -> Failure {
    let status = response.status();
    let detail = format!(
        "{about}: the answer with HTTP status {status} is {none}; check what answers at the integration's base URL"
    );
    Failure::new(Reason::INVALID_RESPONSE, detail).with_http_status(status)
}

/// Whether there is no more than a preview of this route in the version that was asked for.
pub(crate) fn wants_preview(response: &Response) -> bool {
    response.status() == 400 && mentions_any(response, &["VssInvalidPreviewVersionException"])
}

/// Whether the server refuses what it was sent, so that sending it again is no use. An internal error may call itself
/// so, and a page is somebody else's word.
pub(crate) fn is_rejection(response: &Response) -> bool {
    let is_other = ["VssVersionOutOfRangeException", "VssInvalidPreviewVersionException", "TF400898"];
    response.status() == 400 && answer::is_object(response) && !mentions_any(response, &is_other)
}

/// Whether a work item is at another revision than the one that was tested for.
pub(crate) fn is_conflict(response: &Response) -> bool {
    const CODES: [&str; 3] = ["TestPatchOperationFailedException", "VS403351", "TF26071"];
    matches!(response.status(), 409 | 412) || (response.status() == 400 && mentions_any(response, &CODES))
}

/// Whether the server is too old for the version of the interface that was asked for.
pub(crate) fn wants_older_version(response: &Response) -> bool {
    response.status() == 400 && mentions_any(response, &["VssVersionOutOfRangeException"])
}

const SIGN_IN: &str = "leads to a sign-in page: the credential is malformed, expired or revoked; renew it, and give a \
    personal access token the identity kind `pat`";
const LIMITED: &str = "says that the identity's usage limit is reached; it is asked again later, more rarely if you \
    raise the interval";
const LIMIT_HEADERS: [&str; 6] = [
    "Retry-After",
    "X-RateLimit-Resource",
    "X-RateLimit-Delay",
    "X-RateLimit-Limit",
    "X-RateLimit-Remaining",
    "X-RateLimit-Reset",
];

/// By status, then by the first code of the table that the answer mentions; an empty list of codes always fits.
type ClientFaults = &'static [(u16, &'static [&'static str], Reason, &'static str)];

const WORK_ITEM_FAULTS: ClientFaults = &[
    (
        404,
        &["TF401232", "WorkItemUnauthorizedAccessException"],
        Reason::NOT_FOUND,
        "shows no such work item: it was deleted, or the identity may not read it; give it Work items (read)",
    ),
    (
        404,
        &["WorkItemTypeNotFoundException", "VS402323"],
        Reason::NOT_FOUND,
        "shows no such type of work items in the project",
    ),
    (
        403,
        &[],
        Reason::FORBIDDEN,
        "says that the identity may not do this; give it Work items (read, and write to change any), as scope and as \
         permission on the area",
    ),
];

const HOOK_FAULTS: ClientFaults = &[
    (
        404,
        &["SubscriptionNotFoundException"],
        Reason::NOT_FOUND,
        "shows no such subscription: it was removed, so subscribe anew",
    ),
    (
        403,
        &[],
        Reason::FORBIDDEN,
        "says that the identity may not do this; give it the scope Work items (read) and the right to view and edit \
         subscriptions of the project",
    ),
];

const CLIENT_FAULTS: ClientFaults = &[
    (
        400,
        &["VssVersionOutOfRangeException"],
        Reason::PROVIDER_ERROR,
        "says that the server is too old for every version of the interface that Forgewatch speaks; upgrade it",
    ),
    (
        401,
        &["TF400813"],
        Reason::UNAUTHORIZED,
        "says that the identity is no member of the organisation; add it there as a user, and allow third-party access \
         in the organisation's policies if it uses OAuth",
    ),
    (
        401,
        &["AccessCheckException"],
        Reason::UNAUTHORIZED,
        "says that the personal access token has expired; create a new one and configure it",
    ),
    (401, &[], Reason::UNAUTHORIZED, "refuses the credential: it is wrong, expired or revoked; renew it"),
    (403, &["TF400733"], Reason::RATE_LIMITED, LIMITED),
    (
        403,
        &["VS403463"],
        Reason::FORBIDDEN,
        "says that a conditional access policy of the tenant refuses the call; allow this machine's network there",
    ),
    (
        403,
        &[],
        Reason::FORBIDDEN,
        "says that the identity may not read this; give it Code (read), as scope and as permission, and check the \
         organisation's network policies",
    ),
    (
        404,
        &["TF401019", "GitRepositoryNotFoundException"],
        Reason::NOT_FOUND,
        "shows no such repository: it was deleted, renamed or moved, or the identity lost Code (read)",
    ),
    (
        404,
        &["TF200016", "VS800075"],
        Reason::NOT_FOUND,
        "shows no such project: it was deleted or renamed, or the identity is no member of it; check `project`",
    ),
    (
        404,
        &[],
        Reason::NOT_FOUND,
        "shows nothing there: the organisation or collection does not exist or the path is wrong; check the \
         integration's domain_name",
    ),
    (410, &[], Reason::NOT_FOUND, "says that it is gone; remove it from the configuration"),
    (429, &[], Reason::RATE_LIMITED, LIMITED),
];

fn client_fault(area: Area, response: &Response) -> (Reason, &'static str) {
    let remaining = response.header("X-RateLimit-Remaining");
    let is_used_up = remaining.and_then(|text| text.trim().parse::<f64>().ok()) == Some(0.0);
    if response.status() == 403 && is_used_up {
        return (Reason::RATE_LIMITED, LIMITED);
    }
    let own: ClientFaults = match area {
        Area::Code => &[],
        Area::WorkItems => WORK_ITEM_FAULTS,
        Area::Hooks => HOOK_FAULTS,
    };
    let of_status = || own.iter().chain(CLIENT_FAULTS).filter(|(status, ..)| *status == response.status());
    let by_code = of_status().find(|(_, codes, ..)| mentions_any(response, codes));
    by_code.or_else(|| of_status().find(|(_, codes, ..)| codes.is_empty())).map_or(
        (Reason::PROVIDER_ERROR, "refuses the request as such; check the base URL and any proxy"),
        |(_, _, reason, why)| (*reason, *why),
    )
}

fn mentions_any(response: &Response, codes: &[&str]) -> bool {
    let header = response.header("X-TFS-ServiceError").unwrap_or_default();
    let kind = answer::type_key(response);
    codes.iter().any(|code| match &kind {
        // Where the service tells the type, its name anywhere else is a text of somebody's that it repeats.
        Some(kind) if code.ends_with("Exception") => kind == code,
        _ => header.contains(code) || contains(response.body(), code),
    })
}

fn is_sign_in_page(response: &Response) -> bool {
    const TRACES: [&str; 4] = ["_signin", "sign in", "login.microsoftonline.com", "vssps.visualstudio.com"];
    let media_type = response.header("Content-Type").unwrap_or_default();
    if !contains(media_type.to_ascii_lowercase().as_bytes(), "html") {
        return false;
    }
    let body = response.body().to_ascii_lowercase();
    TRACES.iter().any(|trace| contains(&body, trace))
}

fn is_sign_in_redirect(response: &Response) -> bool {
    let location = response.header("Location").unwrap_or_default();
    let path = &location[..location.find(['?', '#']).unwrap_or(location.len())];
    let host = RawUrl::split(location).map(|url| url.host).unwrap_or_default();
    contains(path.to_ascii_lowercase().as_bytes(), "/_signin") || is_identity_host(&host)
}

fn is_identity_host(host: &str) -> bool {
    matches!(
        host,
        "login.microsoftonline.com" | "login.live.com" | "vssps.dev.azure.com" | "vssps.visualstudio.com"
    ) || host.ends_with(".vssps.visualstudio.com")
}

fn contains(haystack: &[u8], needle: &str) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle.as_bytes())
}
