//! Who may use the API: bearer tokens with scopes, known by their digests alone.
//!
//! A reload may replace tokens and names at any time; a request sees one set or the other. Off loopback there is never
//! a moment without tokens unless the configuration says so, and no reload takes the last one away without that.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Instant;

use axum::http::{HeaderMap, StatusCode, header};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use subtle::{ConditionallySelectable, ConstantTimeEq};

use super::error::Error;
pub(crate) use crate::config::ApiScope as Scope;
use crate::config::{ApiAuth, Config, HostPort, Loaded, Problem};
use crate::prepare::{Trouble, read_secret};
use crate::services::log_limit::Allowance;
use crate::text::printable;

/// Characters of a token that nobody guesses.
const SHORTEST_TOKEN: usize = 16;

/// Tokens, and the names that the API is reached by.
pub struct Access {
    auth: ApiAuth,
    hosts: Vec<HostPort>,
    tokens: Vec<Token>,
    /// How many configurations the gate had before this one.
    generation: u64,
}

struct Token {
    digest: [u8; 32],
    scope: Scope,
    /// The generation since which it has always been there.
    since: u64,
}

/// Anybody who reaches the address could use the API.
#[derive(Debug, thiserror::Error)]
pub enum Unprotected {
    /// That is anybody at all.
    #[error(
        "other machines can reach `api.listen` ({listen}) and there are no API tokens: add one as \
         `[api.tokens.NAME]`, or set `api.auth = \"none\"` if something in front of it decides who may use it"
    )]
    Reachable {
        /// The address.
        listen: SocketAddr,
    },
    /// There were tokens, and what says so may be missing by mistake: a file that is half written.
    #[error(
        "all API tokens are gone: set `api.auth = \"none\"` if nobody shall be asked for one any more, or restart"
    )]
    Bereft,
}

impl Access {
    /// As the configuration has it; `None` after telling of each token that cannot be read, or guessed where others
    /// can try.
    pub async fn of(loaded: &Loaded, problems: &mut Vec<Problem>) -> Option<Self> {
        let config = &loaded.config;
        let api = &config.api;
        let mut tokens = Vec::new();
        for (name, configured) in &api.tokens {
            match read_secret(&configured.token).await.and_then(|secret| hard_to_guess(secret, name, config))
            {
                Ok(secret) => tokens.push(Token {
                    digest: digest(secret.expose_secret()),
                    scope: configured.scopes.iter().copied().max().unwrap_or(Scope::Read),
                    since: 0,
                }),
                Err((message, help)) => {
                    problems.push(loaded.problem(&["api", "tokens", name, "token"], message, help));
                }
            }
        }
        let are_all = tokens.len() == api.tokens.len();
        let public = config.public_url.as_ref().and_then(|url| HostPort::of(url.get()));
        let hosts = api.hosts.iter().cloned().chain(public).collect();
        are_all.then_some(Self { auth: api.auth, hosts, tokens, generation: 0 })
    }

    fn is_open(&self) -> bool {
        self.auth == ApiAuth::None || self.tokens.is_empty()
    }

    /// The same, of a gate that had `former`: a token that was there then has been all the time.
    fn after(mut self, former: &Self) -> Self {
        self.generation = former.generation + 1;
        for token in &mut self.tokens {
            let known = former.find(&token.digest).map(|(_, since)| since);
            token.since = known.unwrap_or(self.generation);
        }
        self
    }

    /// What a token allows, and since when it has been there. Takes the same time whichever token it is or is not.
    fn find(&self, presented: &[u8; 32]) -> Option<(Scope, u64)> {
        let (mut found, mut since) = (0_u8, 0_u64);
        for token in &self.tokens {
            let is_it = token.digest.ct_eq(presented);
            let better = u8::max(found, token.scope as u8);
            found.conditional_assign(&better, is_it);
            since.conditional_assign(&token.since, is_it);
        }
        match found {
            0 => None,
            1 => Some((Scope::Read, since)),
            _ => Some((Scope::Operate, since)),
        }
    }
}

/// The token, if it is long enough for where it is used.
fn hard_to_guess(token: SecretString, name: &str, config: &Config) -> Result<SecretString, Trouble> {
    if token.expose_secret().chars().count() >= SHORTEST_TOKEN {
        return Ok(token);
    }
    let message = format!("the token is shorter than {SHORTEST_TOKEN} characters");
    let help = "make one that nobody guesses, like `openssl rand -hex 32` does";
    let is_reachable = !config.api.listen.is_on_loopback() || config.public_url.is_some();
    if is_reachable && config.api.auth == ApiAuth::Tokens {
        return Err((message, Some(help.to_owned())));
    }
    tracing::warn!("`api.tokens.{}`: {message}: {help}", printable(name, 200));
    Ok(token)
}

fn digest(token: &str) -> [u8; 32] {
    Sha256::digest(token).into()
}

/// A right token that was shown, by its digest. One that is taken away and comes back is another.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Known {
    digest: [u8; 32],
    since: u64,
}

/// Tokens and names that leave the API protected.
pub struct Admissible(Access);

/// Lets requests in or not.
pub struct Gate {
    listen: SocketAddr,
    access: RwLock<Arc<Access>>,
    refusals: Mutex<Allowance>,
}

impl Gate {
    /// # Errors
    ///
    /// Anybody could come in.
    pub(crate) fn new(listen: SocketAddr, access: Access) -> Result<Self, Unprotected> {
        let access = Arc::new(protected(listen, access)?);
        let refusals = Mutex::new(Allowance::new(5, 2));
        Ok(Self { listen, access: RwLock::new(access), refusals })
    }

    /// The same, at the address that was really had.
    pub(super) fn at(self, listen: SocketAddr) -> Self {
        Self { listen, ..self }
    }

    /// Whether anybody may come in.
    pub(crate) fn is_open(&self) -> bool {
        self.access().is_open()
    }

    /// What another configuration says, if it may be taken over.
    ///
    /// # Errors
    ///
    /// Anybody could come in then, and nothing says that this is meant.
    pub fn admissible(&self, access: Access) -> Result<Admissible, Unprotected> {
        if access.auth == ApiAuth::Tokens && access.is_open() && !self.is_open() {
            return Err(Unprotected::Bereft);
        }
        protected(self.listen, access).map(Admissible)
    }

    /// Takes another configuration's tokens and names over.
    pub fn replace(&self, Admissible(access): Admissible) {
        let mut current = self.access.write().unwrap_or_else(PoisonError::into_inner);
        *current = Arc::new(access.after(&current));
    }

    /// Whether only this machine reaches the address.
    pub(super) fn is_on_loopback(&self) -> bool {
        self.listen.ip().to_canonical().is_loopback()
    }

    pub(super) fn listen(&self) -> SocketAddr {
        self.listen
    }

    /// Whether a name was configured that the API is reached by.
    pub(super) fn is_configured(&self, host: &str, fits: impl Fn(u16) -> bool) -> bool {
        self.access().hosts.iter().any(|known| known.host == host && fits(known.port))
    }

    /// # Errors
    ///
    /// The request's token does not allow this.
    pub(super) fn admit(&self, headers: &HeaderMap, peer: Option<IpAddr>, scope: Scope) -> Result<(), Error> {
        let access = self.access();
        if access.is_open() {
            return Ok(());
        }
        let Some(token) = bearer(headers) else {
            let message = "a token is needed: send `authorization: Bearer TOKEN`";
            return Err(unauthorized(message, "Bearer realm=\"forgewatch\""));
        };
        match access.find(&digest(token)) {
            Some((allowed, _)) if allowed >= scope => Ok(()),
            Some(_) => Err(Error::forbidden("the token's scopes do not allow this: it takes `operate`")),
            None => {
                self.tell_of_unknown_token(peer);
                let header = "Bearer realm=\"forgewatch\", error=\"invalid_token\"";
                Err(unauthorized("the token is not known here", header))
            }
        }
    }

    /// A token that is configured; it is told of one that is not.
    pub(crate) fn recognise(&self, token: &str, peer: Option<IpAddr>) -> Option<Known> {
        let digest = digest(token);
        let found = self.access().find(&digest);
        if found.is_none() {
            self.tell_of_unknown_token(peer);
        }
        found.map(|(_, since)| Known { digest, since })
    }

    /// What a token allows; nothing, if it has not been configured all the time.
    pub(crate) fn scope(&self, known: &Known) -> Option<Scope> {
        let found = self.access().find(&known.digest);
        found.filter(|(_, since)| *since == known.since).map(|(scope, _)| scope)
    }

    fn tell_of_unknown_token(&self, peer: Option<IpAddr>) {
        let mut refusals = self.refusals.lock().unwrap_or_else(PoisonError::into_inner);
        if refusals.take(Instant::now()) {
            let peer = peer.map_or_else(|| "an unknown address".to_owned(), |peer| peer.to_string());
            tracing::warn!("a request from {peer} had a token that the API does not know");
        }
    }

    fn access(&self) -> Arc<Access> {
        Arc::clone(&self.access.read().unwrap_or_else(PoisonError::into_inner))
    }
}

fn protected(listen: SocketAddr, access: Access) -> Result<Access, Unprotected> {
    if !listen.ip().to_canonical().is_loopback() && access.is_open() {
        if access.auth == ApiAuth::Tokens {
            return Err(Unprotected::Reachable { listen });
        }
        tracing::warn!(
            "the API on {listen} asks nobody for a token (`api.auth = \"none\"`): whoever reaches it may use all of it"
        );
    }
    Ok(access)
}

fn unauthorized(message: &str, challenge: &'static str) -> Error {
    Error::new(StatusCode::UNAUTHORIZED, "unauthorized", message).with_challenge(challenge)
}

/// The token of the one `Authorization` header.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let (value, None) = (values.next()?, values.next()) else { return None };
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

#[cfg(test)]
impl Access {
    pub(crate) fn with(auth: ApiAuth, hosts: &[&str], tokens: &[(&str, Scope)]) -> Self {
        let tokens =
            tokens.iter().map(|(token, scope)| Token { digest: digest(token), scope: *scope, since: 0 });
        let hosts = hosts.iter().map(|host| host.parse().unwrap()).collect();
        Self { auth, hosts, tokens: tokens.collect(), generation: 0 }
    }
}
