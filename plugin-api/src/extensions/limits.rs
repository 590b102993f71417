//! `limits`: what a forge lets one identity ask, and what one request can tell. Since 1.2.0, on a provider, which is
//! asked before there is any client or request.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::json;
use crate::types::{Failure, Integration};

/// The extension's name.
pub const NAME: &str = "limits";
/// The version described here.
pub const VERSION: u32 = 1;

/// What a forge lets one identity ask, as its documentation has it; a forge's answers correct it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Limits {
    requests: Option<u64>,
    window_s: u64,
    page_size: Option<u32>,
}

impl Limits {
    /// A forge without limits that anybody knows of.
    pub fn unknown() -> Self {
        Self::default()
    }

    /// Sets how many requests an identity has in a window of time, of which whole seconds count.
    #[must_use]
    pub fn with_requests(mut self, requests: u64, window: Duration) -> Self {
        self.requests = Some(requests);
        self.window_s = window.as_secs();
        self
    }

    /// Sets how many repositories one request of a listing shows, where listings come in pages of a fixed size.
    #[must_use]
    pub fn with_page_size(mut self, repositories: u32) -> Self {
        self.page_size = Some(repositories);
        self
    }

    /// How many requests in which time.
    pub fn requests(&self) -> Option<(u64, Duration)> {
        Some((self.requests?, Duration::from_secs(self.window_s)))
    }

    /// How many repositories one request of a listing shows; none where one request shows a whole project.
    pub fn page_size(&self) -> Option<u32> {
        self.page_size
    }
}

#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct About {
    integration: String,
    base_url: String,
    identity_kind: Option<String>,
    options: String,
}

/// An integration as the payload.
pub fn encode_request(integration: &Integration) -> Vec<u8> {
    json::encode(&About {
        integration: integration.key().to_owned(),
        base_url: integration.domain_name().to_owned(),
        identity_kind: integration.identity_kind().map(ToOwned::to_owned),
        options: integration.options().to_owned(),
    })
}

/// The integration in a payload: its name, base URL, kind of identity and options.
///
/// # Errors
///
/// [`Reason::PLUGIN_FAILED`](crate::Reason::PLUGIN_FAILED) for what is none.
pub fn decode_request(payload: &[u8]) -> Result<Integration, Failure> {
    let about: About = json::decode(NAME, "payload", payload)?;
    let integration = Integration::new(&about.integration, &about.base_url).with_options(&about.options);
    Ok(match &about.identity_kind {
        Some(kind) => integration.with_identity_kind(kind),
        None => integration,
    })
}

/// Limits as the answer.
pub fn encode(limits: &Limits) -> Vec<u8> {
    json::encode(limits)
}

/// The limits in an answer.
///
/// # Errors
///
/// [`Reason::PLUGIN_FAILED`](crate::Reason::PLUGIN_FAILED) for what are none.
pub fn decode(answer: &[u8]) -> Result<Limits, Failure> {
    json::decode(NAME, "answer", answer)
}
