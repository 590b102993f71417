//! What a server's answer says about access. An outage or a limit is never a denial.

use forgewatch_plugin_api::prelude::*;

use crate::address::Address;

const MEDIA_TYPE: &str = "application/x-git-upload-pack-advertisement";
/// How an advertisement begins: a packet with the service's name, and the end of a section.
const SERVICE: &[u8] = b"001e# service=git-upload-pack\n0000";
/// How it may begin too, from a server that speaks version 2 of the protocol as it was asked to.
const VERSION_2: &[u8] = b"000eversion 2\n";

/// The verdict on the repository `name`, from the answer to the request for its refs.
pub(crate) fn judge(name: &str, response: &Response) -> Result<Access, Failure> {
    access(response).map_err(|failure| {
        let detail = format!("`{name}`: {failure}");
        failure.with_detail(detail)
    })
}

fn access(response: &Response) -> Result<Access, Failure> {
    let fail = |reason, seen: &str| Err(Failure::new(reason, seen));
    let asks_to_wait = response.header("Retry-After").is_some();
    match response.status() {
        200 => advertisement(response),
        429 => fail(Reason::RATE_LIMITED, "the server asks to wait; check it less often"),
        403 | 503 if asks_to_wait => {
            fail(Reason::RATE_LIMITED, "the server asks to wait; it is asked again later")
        }
        401 => fail(
            Reason::UNAUTHORIZED,
            "the server does not accept the identity: its user, password or token is wrong, expired or revoked",
        ),
        403 => fail(Reason::FORBIDDEN, "the identity may not read it: give it permission to fetch from it"),
        404 | 410 => fail(
            Reason::NOT_FOUND,
            "the server shows no such repository to the identity: it was deleted, renamed or moved, or the identity \
             lost access to it",
        ),
        300..=399 => {
            let target = target(response.header("Location").unwrap_or_default());
            let seen = format!(
                "the server sends elsewhere, to {target}, which is not followed: correct its name, or the \
                 integration's `domain_name`"
            );
            fail(Reason::INVALID_RESPONSE, &seen)
        }
        500..=599 => fail(Reason::PROVIDER_ERROR, "the server failed; it is asked again later"),
        status => {
            let seen =
                format!("HTTP status {status} says nothing of access: check what answers at the base URL");
            fail(Reason::INVALID_RESPONSE, &seen)
        }
    }
}

/// Access, if this is Git's answer. A status of 200 alone is none: a sign-in page has it too.
fn advertisement(response: &Response) -> Result<Access, Failure> {
    let invalid = |seen: &str| Err(Failure::new(Reason::INVALID_RESPONSE, seen));
    let media_type = response.header("Content-Type").unwrap_or_default();
    let media_type = media_type.split(';').next().unwrap_or_default().trim();
    if media_type.eq_ignore_ascii_case("text/plain") {
        return invalid(
            "the server hands out files, as in Git's old \"dumb\" protocol: let it speak smart HTTP, for example with \
             `git http-backend`",
        );
    }
    if !media_type.eq_ignore_ascii_case(MEDIA_TYPE) {
        return invalid(&format!(
            "this is no answer of Git's but `{media_type}`, perhaps a sign-in page: check the base URL and what stands \
             before the server"
        ));
    }
    match response.body_state() {
        BodyState::COMPLETE => {}
        // Nothing is left of the body then, not even its beginning.
        BodyState::TOO_LARGE => {
            return invalid(
                "its refs are more than may be read: raise `http.max_response_bytes`, or let the server speak version \
                 2 of Git's protocol",
            );
        }
        _ => return invalid("the answer was cut off; it is asked for again later"),
    }
    match response.body().strip_prefix(SERVICE) {
        Some(refs) => refusal(refs).map_or(Ok(Access::granted()), Err),
        None if response.body().starts_with(VERSION_2) => Ok(Access::granted()),
        None => invalid("the answer does not begin as Git's do: check what stands before the server"),
    }
}

/// A server may still refuse in the first packet: four digits of length, `ERR`, and words of its own.
fn refusal(refs: &[u8]) -> Option<Failure> {
    let words = refs.get(4..)?.strip_prefix(b"ERR ")?;
    let line = words.split(|byte| *byte == b'\n').next()?;
    let seen = format!("the server refuses with `{}`", String::from_utf8_lossy(line));
    Some(Failure::new(Reason::PROVIDER_ERROR, seen))
}

/// Where a redirect leads, without the credentials that it may hold.
fn target(location: &str) -> String {
    let path = location.split(['?', '#']).next().unwrap_or_default();
    let shown = match Address::read(location) {
        Some(address) => address.to_string(),
        None if path.starts_with('/') && !path.starts_with("//") => path.to_owned(),
        None => return "an address that is no plain URL".to_owned(),
    };
    format!("`{}`", shown.trim_end_matches("/info/refs"))
}
