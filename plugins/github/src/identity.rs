//! Who the identity is and what it may do, as far as answers say so.

use std::time::{Duration, SystemTime};

use forgewatch_plugin_api::{Failure, IdentityProbe, Reason, Requirements, Response};
use forgewatch_plugin_support::Shown;

use crate::answer;
use crate::client::Client;
use crate::listing::{self, Page};

/// Says who the identity is, and until when.
pub(crate) async fn probe(client: &Client) -> Result<IdentityProbe, Failure> {
    let response = match introduction(client).await? {
        Introduced::User(response) => response,
        Introduced::Installation(page) => return Ok(IdentityProbe::new(account(&page))),
    };
    let login =
        answer::login(&response).ok_or_else(|| client.fault(&response).about_own("the identity's user"))?;
    let mut probe = IdentityProbe::new(login);
    for scope in scopes(&response).unwrap_or_default() {
        probe = probe.with_scope(scope);
    }
    let expiry = response.header("GitHub-Authentication-Token-Expiration").and_then(expiry);
    // It was seen to give the time of the request for some tokens: one that has just been accepted has not ended.
    Ok(match expiry.filter(|at| *at > client.host.now() + Duration::from_secs(60)) {
        Some(at) => probe.with_expiry(at),
        None => probe,
    })
}

/// Says what the identity may do. Of a fine-grained token nothing is known: where the user may write, it need not.
pub(crate) async fn requirements(client: &Client) -> Result<Requirements, Failure> {
    let response = match introduction(client).await? {
        Introduced::User(response) => response,
        Introduced::Installation(page) => {
            let requirements = Requirements::unknown();
            let may = |right: fn(&answer::Found) -> bool| page.granted.iter().any(right);
            return Ok(match (may(answer::Found::may_pull), may(answer::Found::may_push)) {
                (_, true) => requirements.with_read(true).with_write(true),
                (true, false) => requirements.with_read(true),
                (false, false) => requirements,
            });
        }
    };
    let Some(scopes) = scopes(&response) else {
        return Ok(Requirements::unknown());
    };
    let has = |words: &[&str]| scopes.iter().any(|scope| words.contains(scope));
    let hooks = has(&["repo", "admin:repo_hook", "write:repo_hook"]);
    Ok(match (has(&["repo"]), has(&["public_repo"])) {
        (true, _) => Requirements::unknown().with_read(true).with_write(true).with_webhooks(true),
        // Enough for what is public, and for nothing else.
        (false, true) => Requirements::unknown(),
        (false, false) => Requirements::unknown().with_read(false).with_write(false).with_webhooks(hooks),
    })
}

enum Introduced {
    User(Response),
    Installation(Page),
}

/// Asks who it is. An installation is no user, so its list stands in.
async fn introduction(client: &Client) -> Result<Introduced, Failure> {
    if !client.is_installation() {
        let response = client.send(client.request(&format!("{}user", client.base.api))).await?;
        if response.status() == 200 {
            return Ok(Introduced::User(response));
        }
        let fault = client.fault(&response);
        if fault.reason != Reason::FORBIDDEN {
            return Err(fault.about_own("the identity's user"));
        }
    }
    listing::page(client, None).await.map(Introduced::Installation)
}

fn account(page: &Page) -> String {
    match page.granted.first() {
        Some(found) => format!("an installation on {}", Shown(found.owner())),
        None => "an installation without repositories".to_owned(),
    }
}

/// What a classic token was given; none where nothing is said of it.
fn scopes(response: &Response) -> Option<Vec<&str>> {
    let header = response.header("X-OAuth-Scopes")?;
    Some(header.split(',').map(str::trim).filter(|scope| !scope.is_empty()).collect())
}

/// A time like `2025-03-01 10:00:00 UTC`, or with `+0100` or `Z` at its end.
fn expiry(text: &str) -> Option<SystemTime> {
    let text = text.trim();
    let (time, zone) = text.split_at_checked(19)?;
    let at = humantime::parse_rfc3339_weak(time).ok()?;
    let zone = zone.trim();
    if matches!(zone, "" | "Z" | "UTC") {
        return Some(at);
    }
    let (is_ahead, digits) = match zone.strip_prefix('+') {
        Some(digits) => (true, digits),
        None => (false, zone.strip_prefix('-')?),
    };
    let digits: u32 = digits.replacen(':', "", 1).parse().ok().filter(|digits| *digits < 2400)?;
    let offset = Duration::from_secs(u64::from(digits / 100 * 3600 + digits % 100 * 60));
    if is_ahead { at.checked_sub(offset) } else { at.checked_add(offset) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_of_tokens() {
        let at = humantime::parse_rfc3339("2025-03-01T10:00:00Z").ok();
        for text in [
            "2025-03-01 10:00:00 UTC",
            "2025-03-01 10:00:00",
            "2025-03-01T10:00:00Z",
            " 2025-03-01 11:00:00 +0100 ",
            "2025-03-01T04:30:00-05:30",
        ] {
            assert_eq!(expiry(text), at, "{text}");
        }
        for text in [
            "",
            "soon",
            "2025-03-01",
            "2025-03-01 10:00:00 CET",
            "2025-03-01 10:00:00 +x",
            "2025-03-01 10:00:00 +999999999999",
            "2025-99-01 10:00:00 UTC",
            "éééééééééééééééééééé",
        ] {
            assert_eq!(expiry(text), None, "{text}");
        }
    }
}
