//! Verdicts and reasons: the words of an answer and the rules between them. No I/O.
//!
//! An outage is never a loss: only `denied` says that access is gone.

mod damping;
mod moment;
mod stamp;

use forgewatch_plugin_api as api;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use damping::{Confirmed, Pending, Standing, Thresholds, Turn};
pub use moment::Moment;
pub use stamp::Stamp;

use crate::text::printable_bytes;

/// Bytes of the longest detail: more than an operator reads, and little enough to be kept for each repository.
const MAX_DETAIL: usize = 1000;

/// Whether the integration has access.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It has.
    Granted,
    /// It has not.
    Denied,
    /// Nobody could say.
    Indeterminate,
}

impl Verdict {
    /// The word for people and machines.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Granted => "granted",
            Self::Denied => "denied",
            Self::Indeterminate => "indeterminate",
        }
    }
}

/// Why the verdict is what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[expect(
    missing_docs,
    reason = "the words are explained where plugins use them, in forgewatch_plugin_api::Reason"
)]
pub enum Reason {
    Granted,
    Unauthorized,
    Forbidden,
    NotFound,
    Disabled,
    IdentityInvalid,
    RateLimited,
    Unreachable,
    ProviderError,
    InvalidResponse,
    BaseUrlUnresolved,
    TimedOut,
    PluginFailed,
}

impl Reason {
    /// The verdict that follows from it.
    pub fn verdict(self) -> Verdict {
        match self {
            Self::Granted => Verdict::Granted,
            Self::Unauthorized
            | Self::Forbidden
            | Self::NotFound
            | Self::Disabled
            | Self::IdentityInvalid => Verdict::Denied,
            Self::RateLimited
            | Self::Unreachable
            | Self::ProviderError
            | Self::InvalidResponse
            | Self::BaseUrlUnresolved
            | Self::TimedOut
            | Self::PluginFailed => Verdict::Indeterminate,
        }
    }

    /// The word for people and machines.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Granted => "granted",
            Self::Unauthorized => "unauthorized",
            Self::Forbidden => "forbidden",
            Self::NotFound => "not_found",
            Self::Disabled => "disabled",
            Self::IdentityInvalid => "identity_invalid",
            Self::RateLimited => "rate_limited",
            Self::Unreachable => "unreachable",
            Self::ProviderError => "provider_error",
            Self::InvalidResponse => "invalid_response",
            Self::BaseUrlUnresolved => "base_url_unresolved",
            Self::TimedOut => "timed_out",
            Self::PluginFailed => "plugin_failed",
        }
    }

    /// The reason behind a plugin's code, `None` for one of a later version.
    pub(crate) fn from_api(reason: api::Reason) -> Option<Self> {
        Some(match reason {
            api::Reason::UNAUTHORIZED => Self::Unauthorized,
            api::Reason::FORBIDDEN => Self::Forbidden,
            api::Reason::NOT_FOUND => Self::NotFound,
            api::Reason::DISABLED => Self::Disabled,
            api::Reason::IDENTITY_INVALID => Self::IdentityInvalid,
            api::Reason::RATE_LIMITED => Self::RateLimited,
            api::Reason::UNREACHABLE => Self::Unreachable,
            api::Reason::PROVIDER_ERROR => Self::ProviderError,
            api::Reason::INVALID_RESPONSE => Self::InvalidResponse,
            api::Reason::BASE_URL_UNRESOLVED => Self::BaseUrlUnresolved,
            api::Reason::TIMED_OUT => Self::TimedOut,
            api::Reason::PLUGIN_FAILED => Self::PluginFailed,
            _ => return None,
        })
    }
}

/// How a check ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Why.
    pub reason: Reason,
    /// One sentence on what was seen and what to do; empty when there is nothing to say. Safe to print.
    pub detail: String,
    /// The HTTP status that decided, if the plugin named one.
    pub http_status: Option<u16>,
    /// Seconds after which to try again, if the failure named them.
    pub retry_after_s: Option<u64>,
    /// Whether the forge was not asked, to stay within what it allows: of the repository nothing was found out.
    pub held_back: bool,
}

impl Outcome {
    /// An outcome of the host's own making.
    pub fn new(reason: Reason, detail: impl AsRef<str>) -> Self {
        let detail = printable_bytes(detail.as_ref(), MAX_DETAIL).into_owned();
        Self { reason, detail, http_status: None, retry_after_s: None, held_back: false }
    }
}

impl From<Result<api::Access, api::Failure>> for Outcome {
    fn from(answer: Result<api::Access, api::Failure>) -> Self {
        match answer {
            Ok(access) => Self::new(Reason::Granted, access.detail()),
            Err(failure) => failure.into(),
        }
    }
}

impl From<api::Failure> for Outcome {
    fn from(failure: api::Failure) -> Self {
        let outcome = match Reason::from_api(failure.reason()) {
            Some(reason) => Self::new(reason, failure.detail()),
            None => {
                let code = failure.reason().code();
                let detail =
                    format!("{} (the plugin's reason {code} is unknown to this host)", failure.detail());
                Self::new(Reason::ProviderError, detail)
            }
        };
        Self { http_status: failure.http_status(), retry_after_s: failure.retry_after_s(), ..outcome }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_answer_about_access_denies() {
        let denied = ["unauthorized", "forbidden", "not_found", "disabled", "identity_invalid"];
        for code in 1..=12 {
            let outcome = Outcome::from(api::Failure::new(api::Reason::from_code(code), ""));
            let expected = if denied.contains(&outcome.reason.as_str()) {
                Verdict::Denied
            } else {
                Verdict::Indeterminate
            };
            assert_eq!(outcome.reason.verdict(), expected, "{}", outcome.reason.as_str());
            assert_eq!(serde_json::to_value(outcome.reason).unwrap(), outcome.reason.as_str());
        }
    }

    #[test]
    fn a_detail_stays_small_whatever_a_plugin_says() {
        for detail in ["x", "ä", "\u{1b}", "\u{e0041}"] {
            let outcome = Outcome::new(Reason::Unreachable, detail.repeat(10_000));
            assert!(outcome.detail.len() <= MAX_DETAIL && outcome.detail.ends_with('…'), "{detail:?}");
        }
    }

    #[test]
    fn an_unknown_reason_is_never_access() {
        for code in [0, 13, u32::MAX] {
            let outcome = Outcome::from(api::Failure::new(api::Reason::from_code(code), "odd"));
            assert_eq!(outcome.reason, Reason::ProviderError);
            assert!(outcome.detail.contains(&code.to_string()), "{}", outcome.detail);
        }
    }
}
