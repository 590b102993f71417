//! Refusals of the token endpoints, in both spellings.

use serde_json::json;

use super::answers::Answer;

/// A refusal of a token endpoint. The `Classic` ones belong to the older endpoint, the rest to the Microsoft
/// identity platform.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenError {
    /// The refresh token ran out.
    RefreshExpired,
    /// The refresh token was not used for too long.
    RefreshInactive,
    /// The password changed, all tokens are revoked.
    Revoked,
    /// A second factor is wanted now.
    SecondFactor,
    /// A second factor must be set up first.
    SecondFactorSetup,
    /// The day of a single-page application's token is over.
    SinglePageOver,
    /// A conditional access policy.
    ConditionalAccess,
    /// A conditional access policy, under the other name.
    InteractionRequired,
    /// The client's secret is wrong.
    WrongSecret,
    /// The client's secret ran out.
    SecretExpired,
    /// The client sent no secret.
    SecretMissing,
    /// The client is unknown in the tenant.
    UnknownApplication,
    /// Try again later.
    TemporarilyUnavailable,
    /// The scope is not one.
    InvalidScope,
    /// The grant type is not one.
    UnsupportedGrantType,
    /// The body is no form.
    NotAForm,
    /// `invalid_grant` in PascalCase.
    ClassicInvalidGrant,
    /// `invalid_grant` in lower case.
    ClassicInvalidGrantLower,
    /// The application's secret is wrong.
    ClassicWrongSecret,
    /// `invalid_request` with the one text that means a dead identity.
    ClassicAccessTokenInvalid,
    /// `invalid_request` of any other kind.
    ClassicInvalidRequest,
}

impl TokenError {
    /// Every refusal, for tables of tests.
    pub const ALL: [Self; 21] = [
        Self::RefreshExpired,
        Self::RefreshInactive,
        Self::Revoked,
        Self::SecondFactor,
        Self::SecondFactorSetup,
        Self::SinglePageOver,
        Self::ConditionalAccess,
        Self::InteractionRequired,
        Self::WrongSecret,
        Self::SecretExpired,
        Self::SecretMissing,
        Self::UnknownApplication,
        Self::TemporarilyUnavailable,
        Self::InvalidScope,
        Self::UnsupportedGrantType,
        Self::NotAForm,
        Self::ClassicInvalidGrant,
        Self::ClassicInvalidGrantLower,
        Self::ClassicWrongSecret,
        Self::ClassicAccessTokenInvalid,
        Self::ClassicInvalidRequest,
    ];

    /// The refusal as it is sent.
    pub fn answer(self) -> Answer {
        match self {
            Self::RefreshExpired => entra(400, "invalid_grant", 70008),
            Self::RefreshInactive => entra(400, "invalid_grant", 700_082),
            Self::Revoked => entra(400, "invalid_grant", 50173),
            Self::SecondFactor => entra(400, "invalid_grant", 50076),
            Self::SecondFactorSetup => entra(400, "invalid_grant", 50079),
            Self::SinglePageOver => entra(400, "invalid_grant", 700_084),
            Self::ConditionalAccess => entra(400, "invalid_grant", 53003),
            Self::InteractionRequired => entra(400, "interaction_required", 53003),
            Self::WrongSecret => entra(401, "invalid_client", 7_000_215),
            Self::SecretExpired => entra(401, "invalid_client", 7_000_222),
            Self::SecretMissing => entra(401, "invalid_client", 7_000_218),
            Self::UnknownApplication => entra(400, "unauthorized_client", 700_016),
            Self::TemporarilyUnavailable => entra(503, "temporarily_unavailable", 90033),
            Self::InvalidScope => entra(400, "invalid_scope", 70011),
            Self::UnsupportedGrantType => entra(400, "unsupported_grant_type", 70003),
            Self::NotAForm => entra(400, "invalid_request", 900_144),
            Self::ClassicInvalidGrant => Answer::json(
                400,
                &json!({"Error": "invalid_grant", "ErrorDescription": "the token is spent"}),
            ),
            Self::ClassicInvalidGrantLower => Answer::json(
                400,
                &json!({"error": "invalid_grant", "error_description": "the token is spent"}),
            ),
            Self::ClassicWrongSecret => {
                Answer::json(401, &json!({"Error": "invalid_client", "ErrorDescription": "not that secret"}))
            }
            Self::ClassicAccessTokenInvalid => Answer::json(
                400,
                &json!({"error": "invalid_request", "error_description": "The access token is not valid"}),
            ),
            Self::ClassicInvalidRequest => {
                Answer::json(400, &json!({"Error": "invalid_request", "ErrorDescription": "not like this"}))
            }
        }
    }
}

fn entra(status: u16, error: &str, code: u32) -> Answer {
    let trace = "0e5d1b7a-66a1-4c44-9d5c-3c1f5f0a7e22";
    Answer::json(
        status,
        &json!({
            "error": error,
            "error_description": format!("AADSTS{code}: no. Trace ID: {trace}"),
            "error_codes": [code],
            "timestamp": "2025-06-01 09:30:00Z",
            "trace_id": trace,
            "correlation_id": trace,
            "error_uri": format!("https://login.microsoftonline.com/error?code={code}"),
        }),
    )
}
