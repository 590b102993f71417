//! Who the service takes the identity for.

use forgewatch_plugin_api::{Failure, IdentityProbe, Reason};

use crate::answer;
use crate::client::{Ask, Client};
use crate::verdict;

/// This route has previews alone.
const VERSION: &str = "7.1-preview.1";
/// Who nobody is.
const ANONYMOUS: &str = "aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa";

/// Asks who the identity is. The service says nothing of its end or its scopes.
pub(crate) async fn identity(client: &Client) -> Result<IdentityProbe, Failure> {
    let response = client.ask_in(VERSION, &Ask::get("_apis/connectionData")).await?;
    if let Some(fault) = verdict::fault(&response) {
        return Err(Failure::new(fault.reason, fault.seen).with_http_status(response.status()));
    }
    match answer::user(&response) {
        Some(user) if user.id.eq_ignore_ascii_case(ANONYMOUS) => Err(Failure::new(
            Reason::UNAUTHORIZED,
            "the service takes the identity for nobody: its token is not accepted, so renew it",
        )),
        Some(user) => Ok(IdentityProbe::new(user.provider_display_name)),
        None => Err(Failure::new(Reason::INVALID_RESPONSE, "the answer does not say who the identity is")),
    }
}
