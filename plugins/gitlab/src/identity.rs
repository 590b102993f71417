//! Who the identity is, when it ends, and what its scopes let it do.
//!
//! Old servers cannot be asked for a token's scopes, and a token of OAuth has no entry there: the server would refuse it,
//! and the host would renew it for nothing. Then only the name is known.

use std::time::SystemTime;

use forgewatch_plugin_api::{Failure, IdentityProbe, Requirements};
use forgewatch_plugin_support::Shown;
use serde::Deserialize;

use crate::client::{Client, not_understood};
use crate::project::read;

#[derive(Deserialize)]
struct User {
    username: String,
}

#[derive(Deserialize)]
struct Token {
    #[serde(default)]
    scopes: Vec<String>,
    /// A date; none for a token that does not end.
    expires_at: Option<String>,
}

pub(crate) async fn probe(client: &Client) -> Result<IdentityProbe, Failure> {
    let about = format!("the identity of {}", Shown(&client.integration));
    let response = client.get("user").await?;
    if let Some(fault) = client.fault(&response) {
        return Err(fault.failure_of_own(&about));
    }
    let user: User = read(&response, b'{').ok_or_else(|| not_understood(&about, "no user"))?;
    let Some(token) = token(client).await? else {
        return Ok(IdentityProbe::new(user.username));
    };
    let probe = token.scopes.iter().fold(IdentityProbe::new(user.username), IdentityProbe::with_scope);
    Ok(match token.expires_at.as_deref().and_then(midnight) {
        Some(at) => probe.with_expiry(at),
        None => probe,
    })
}

pub(crate) async fn requirements(client: &Client) -> Result<Requirements, Failure> {
    let token = token(client).await?;
    let has = |scope: &str| token.iter().flat_map(|token| &token.scopes).any(|known| known == scope);
    let all = has("api");
    Ok(match all || has("read_api") {
        // What it really may depends on its role in each project.
        true => Requirements::unknown()
            .with_read(true)
            .with_write(all || has("write_repository"))
            .with_webhooks(all),
        false => Requirements::unknown(),
    })
}

/// What the server says of the token itself, if it can.
async fn token(client: &Client) -> Result<Option<Token>, Failure> {
    if !client.has_access_token {
        return Ok(None);
    }
    let response = client.get("personal_access_tokens/self").await?;
    match client.fault(&response) {
        None => Ok(read(&response, b'{')),
        Some(fault) if matches!(fault.status, 400 | 403 | 404) => Ok(None),
        Some(fault) => Err(fault.failure(&format_args!("the token of {}", Shown(&client.integration)))),
    }
}

/// A token ends as its last date begins.
fn midnight(date: &str) -> Option<SystemTime> {
    humantime::parse_rfc3339(&format!("{date}T00:00:00Z")).ok()
}
