//! Identities: the credentials that the host alone holds, and how they stay fresh.
//!
//! - A secret leaves this module as a header of a request, and in no other way.
//! - Tokens that end are renewed a little early, one renewal at a time in this process and, through a lock
//!   beside the store, in all of them; what another process stored is used instead of asking again.
//! - A rotated refresh token is stored before its access token is used. Where that cannot be, no renewal is
//!   begun, since it would cost the operator the identity.
//! - What is the same under the next configuration keeps its tokens; what is not stores none any more.
//! - A renewal that failed is not tried again for a while, whatever asks for it.

mod credential;
mod endpoint;
mod issuer;
mod prefix;
mod renew;
mod signer;

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::SystemTime;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use forgewatch_plugin_api::{Failure, Reason, Scheme};
use reqwest::header::{AUTHORIZATION, HeaderName, HeaderValue};
use secrecy::{ExposeSecret, SecretString};

pub use issuer::{IdentityError, Material};
pub use signer::KeyError;

pub(super) use credential::Credential;
pub(super) use renew::Keeper;

use super::budget::Budgets;
use super::egress::credential_header;
use super::refused;
use issuer::{Form, Issuer};
use renew::Memory;

/// One configured identity, shared by all integrations that use it.
pub struct Identity {
    name: String,
    form: Form,
    /// Who gives new tokens, for the kinds that have such.
    issuer: Option<Arc<Issuer>>,
    current: RwLock<Option<Arc<Credential>>>,
    memory: Arc<tokio::sync::Mutex<Memory>>,
    /// Whether other material goes by its name now.
    is_replaced: AtomicBool,
    /// What forges let it ask.
    budgets: Budgets,
}

impl Identity {
    /// The identity `name` of the configuration.
    ///
    /// # Errors
    ///
    /// Material that cannot be sent, or a token end point without TLS.
    pub fn new(name: &str, material: Material) -> Result<Arc<Self>, IdentityError> {
        let parts = material.into_parts(name)?;
        let current = match (&parts.form, parts.fixed) {
            (_, None) => None,
            (Form::Basic { username }, Some(secret)) => {
                let pair = format!("{username}:{}", secret.expose_secret());
                Some(Credential::lasting(secret, Some(&STANDARD.encode(pair))))
            }
            (_, Some(secret)) => Some(Credential::lasting(secret, None)),
        };
        Ok(Arc::new(Self {
            name: name.to_owned(),
            form: parts.form,
            issuer: parts.issuer.map(Arc::new),
            current: RwLock::new(current.map(Arc::new)),
            memory: Arc::default(),
            is_replaced: AtomicBool::new(false),
            budgets: Budgets::default(),
        }))
    }

    /// Says that other material goes by its name from now on. Calls that are under way may still renew this one, but
    /// what they get is not stored: it would take the place of its successor's tokens.
    pub fn replaced(&self) {
        self.is_replaced.store(true, Ordering::Relaxed);
    }

    /// Its name in the configuration.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What forges let it ask, shared by all who use it.
    pub(super) fn budgets(&self) -> &Budgets {
        &self.budgets
    }

    /// When its token ends, as far as that is known: that of the one in use or, before any is, of the configured one.
    pub fn expires_at(&self) -> Option<SystemTime> {
        match self.current() {
            Some(current) => current.expires_at(),
            None => self.issuer.as_ref()?.expires_at,
        }
    }

    /// The word that its token begins with, where tokens have such and one is known already. People make up passwords by
    /// themselves, so nothing is said of those.
    pub(super) fn token_prefix(&self) -> Option<String> {
        let of = |secret: &SecretString| prefix::prefix(secret.expose_secret()).map(str::to_owned);
        match (&self.form, self.current(), &self.issuer) {
            (Form::Basic { .. }, ..) => None,
            (_, Some(current), _) => of(&current.secret),
            (_, None, issuer) => of(issuer.as_ref()?.access_token.as_ref()?),
        }
    }

    /// Whether it gets new tokens by itself.
    pub fn renews(&self) -> bool {
        self.issuer.as_ref().is_some_and(|issuer| issuer.can_renew())
    }

    /// A credential that may be used now.
    pub(super) async fn credential(self: &Arc<Self>, keeper: &Keeper) -> Result<Arc<Credential>, Failure> {
        let current = self.current();
        match (current, &self.issuer) {
            (Some(current), _) if current.is_fresh() => Ok(current),
            (_, Some(issuer)) if issuer.can_renew() => Box::pin(self.renew(keeper, issuer, None)).await,
            (current, issuer) => current
                .or_else(|| Some(self.adopt(issuer.as_ref()?.configured()?)))
                .filter(|current| current.is_alive())
                .ok_or_else(|| self.ended()),
        }
    }

    /// Another credential than the one that a forge refused, `None` when there is none to be had.
    pub(super) async fn after_rejection(
        self: &Arc<Self>,
        keeper: &Keeper,
        rejected: &Arc<Credential>,
    ) -> Result<Option<Arc<Credential>>, Failure> {
        let Some(issuer) = self.issuer.as_ref().filter(|issuer| issuer.can_renew()) else {
            return Ok(None);
        };
        let renewed = Box::pin(self.renew(keeper, issuer, Some(rejected))).await?;
        Ok((!Arc::ptr_eq(&renewed, rejected)).then_some(renewed))
    }

    /// The newest credential, used or not, fresh or not.
    pub(super) fn current(&self) -> Option<Arc<Credential>> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The header that carries a credential in the form that was asked for, or in the identity's own.
    pub(super) fn header(
        &self,
        credential: &Credential,
        scheme: Scheme<'_>,
    ) -> Result<(HeaderName, HeaderValue), Failure> {
        let secret = credential.secret.expose_secret();
        let basic = |user: &str| format!("Basic {}", STANDARD.encode(format!("{user}:{secret}")));
        let (name, value) = match (&self.form, scheme) {
            (Form::Basic { username }, _) => (AUTHORIZATION, basic(username)),
            (Form::Header { header }, _) => (header.clone(), secret.to_owned()),
            (Form::Token, Scheme::Bearer) => (AUTHORIZATION, format!("Bearer {secret}")),
            (Form::Token, Scheme::Basic { user }) => (AUTHORIZATION, basic(user)),
            (Form::Token, Scheme::Header { name }) => (credential_header(name)?, secret.to_owned()),
            (Form::Token, _) => {
                return Err(refused("the plugin asks for an authentication that this version does not know"));
            }
        };
        let mut value = HeaderValue::try_from(value)
            .map_err(|_| refused(format!("identity `{}` cannot be sent in a header", self.name)))?;
        value.set_sensitive(true);
        Ok((name, value))
    }

    fn adopt(&self, credential: Credential) -> Arc<Credential> {
        let credential = Arc::new(credential);
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&credential));
        credential
    }

    fn ended(&self) -> Failure {
        let detail = format!(
            "identity `{}` has no access token that is still valid, and no refresh token: give it new ones",
            self.name
        );
        Failure::new(Reason::IDENTITY_INVALID, detail)
    }
}

/// Whether both are made of the same material; tokens that were refreshed since do not count.
impl PartialEq for Identity {
    fn eq(&self, other: &Self) -> bool {
        let has_same_secrets = || match (&self.issuer, &other.issuer) {
            (Some(one), Some(other)) => one.fingerprint == other.fingerprint,
            (None, None) => match (self.current(), other.current()) {
                (Some(one), Some(other)) => one.has_secret(&other.secret),
                (one, other) => one.is_none() && other.is_none(),
            },
            _ => false,
        };
        self.name == other.name && self.form == other.form && has_same_secrets()
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").field("name", &self.name).finish_non_exhaustive()
    }
}
