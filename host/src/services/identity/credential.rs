//! One generation of a credential: a secret, how long it lasts, and how it is found in answers.

use std::time::{Duration, SystemTime};

use secrecy::{ExposeSecret, SecretString};

use crate::services::scrub::Scrubber;
use crate::state::SavedIdentity;

/// Tokens are renewed so long before their end, or a tenth of their life if that is shorter.
const LONGEST_MARGIN: Duration = Duration::from_secs(5 * 60);
/// A token as young as this is not renewed because a forge refused it: the cause is another.
const YOUNG: Duration = Duration::from_secs(60);

pub(in crate::services) struct Credential {
    pub(super) secret: SecretString,
    pub(super) refresh_token: Option<SecretString>,
    expires_at: Option<SystemTime>,
    renew_at: Option<SystemTime>,
    obtained_at: Option<SystemTime>,
    scrubber: Scrubber,
}

impl Credential {
    /// A secret that lasts as long as it lasts. `also` is what answers may still hold besides it.
    pub(super) fn lasting(secret: SecretString, also: Option<&str>) -> Self {
        Self {
            scrubber: Scrubber::new([secret.expose_secret()].into_iter().chain(also)),
            secret,
            refresh_token: None,
            expires_at: None,
            renew_at: None,
            obtained_at: None,
        }
    }

    /// A configured token with an end; how old it is is not known.
    pub(super) fn ending(secret: SecretString, expires_at: SystemTime) -> Self {
        Self {
            expires_at: Some(expires_at),
            renew_at: Some(renew_at(SystemTime::now(), expires_at)),
            ..Self::lasting(secret, None)
        }
    }

    /// Tokens that an issuer gave. Answers to requests with the `previous` generation may still be under way.
    pub(super) fn obtained(tokens: SavedIdentity, previous: Option<&Self>) -> Self {
        Self {
            refresh_token: tokens.refresh_token,
            expires_at: Some(tokens.expires_at),
            renew_at: Some(renew_at(tokens.saved_at, tokens.expires_at)),
            obtained_at: Some(tokens.saved_at),
            ..Self::lasting(tokens.access_token, previous.map(|previous| previous.secret.expose_secret()))
        }
    }

    #[must_use]
    pub(super) fn with_refresh_token(mut self, token: Option<SecretString>) -> Self {
        self.refresh_token = token;
        self
    }

    pub(super) fn expires_at(&self) -> Option<SystemTime> {
        self.expires_at
    }

    /// Whether there is no cause yet to renew it.
    pub(super) fn is_fresh(&self) -> bool {
        self.renew_at.is_none_or(|at| SystemTime::now() < at)
    }

    /// Whether it has not ended.
    pub(super) fn is_alive(&self) -> bool {
        self.expires_at.is_none_or(|at| SystemTime::now() < at)
    }

    pub(super) fn is_young(&self) -> bool {
        let age = self.obtained_at.and_then(|at| at.elapsed().ok());
        age.is_some_and(|age| age < YOUNG)
    }

    pub(super) fn has_secret(&self, other: &SecretString) -> bool {
        self.secret.expose_secret() == other.expose_secret()
    }

    pub(in crate::services) fn scrubber(&self) -> &Scrubber {
        &self.scrubber
    }
}

fn renew_at(obtained_at: SystemTime, expires_at: SystemTime) -> SystemTime {
    let lifetime = expires_at.duration_since(obtained_at).unwrap_or_default();
    expires_at - LONGEST_MARGIN.min(lifetime / 10)
}
