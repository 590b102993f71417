//! What an identity is made of, as configured.

use std::time::SystemTime;

use reqwest::header::{HeaderName, HeaderValue};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use url::Url;

use super::Credential;
use super::signer::{KeyError, Signer};
use crate::services::egress::{credential_header, plain_url};

/// The material of an identity, every secret in it resolved. Secrets do not show in its `Debug`.
#[derive(Clone, Debug)]
pub enum Material {
    /// A personal access token, sent as the plugin asks.
    Pat {
        /// The token.
        token: SecretString,
    },
    /// A bearer token, sent as the plugin asks.
    Bearer {
        /// The token.
        token: SecretString,
    },
    /// A user name and a password, always sent as such.
    Basic {
        /// The user name.
        username: String,
        /// The password.
        password: SecretString,
    },
    /// A header of its own.
    Header {
        /// The header's name.
        header: String,
        /// Its value.
        value: SecretString,
    },
    /// OAuth 2 with a refresh token that may rotate.
    OAuth2 {
        /// The token end point.
        token_url: String,
        /// The client.
        client_id: String,
        /// The client's secret, if it has one.
        client_secret: Option<SecretString>,
        /// The scope to ask for, if any.
        scope: Option<String>,
        /// A token that is known already.
        access_token: Option<SecretString>,
        /// Until when; unknown means until the forge refuses it.
        expires_at: Option<SystemTime>,
        /// Without it the access token cannot be renewed.
        refresh_token: Option<SecretString>,
        /// Where its user was sent after signing in, for end points that want to hear it again.
        redirect_uri: Option<String>,
    },
    /// Client credentials of an Entra application.
    Entra {
        /// The token end point.
        token_url: String,
        /// The client.
        client_id: String,
        /// The client's secret.
        client_secret: SecretString,
        /// The scope to ask for.
        scope: String,
    },
    /// One installation of an application that signs for itself.
    Application {
        /// The end point that gives tokens of the installation.
        token_url: String,
        /// The application.
        app_id: String,
        /// Its RSA key, in PEM form.
        private_key: SecretString,
    },
}

/// Why an identity cannot be used as configured.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// The token end point is no plain HTTPS URL.
    #[error("`identities.{name}.{key}` must be an https URL without user name, query and fragment")]
    TokenUrl {
        /// The identity.
        name: String,
        /// The key in the configuration.
        key: &'static str,
    },
    /// A secret is empty, or has characters that no header can carry.
    #[error(
        "`identities.{name}.{key}` cannot be sent: it is empty or has a line break or another control character"
    )]
    Secret {
        /// The identity.
        name: String,
        /// The key in the configuration.
        key: &'static str,
    },
    /// The header is one that cannot carry a credential.
    #[error("`identities.{name}.header` is no header that can carry a credential")]
    Header {
        /// The identity.
        name: String,
    },
    /// There is no signing with this key.
    #[error("`identities.{name}.private_key` {problem}")]
    PrivateKey {
        /// The identity.
        name: String,
        /// What is wrong with it, and what to do.
        problem: KeyError,
    },
}

impl IdentityError {
    /// The key in the configuration that is at fault.
    pub fn key(&self) -> &'static str {
        match self {
            Self::TokenUrl { key, .. } | Self::Secret { key, .. } => key,
            Self::Header { .. } => "header",
            Self::PrivateKey { .. } => "private_key",
        }
    }
}

/// How a secret goes into a request.
#[derive(PartialEq, Eq)]
pub(super) enum Form {
    /// As the plugin asks.
    Token,
    Basic {
        username: String,
    },
    Header {
        header: HeaderName,
    },
}

/// How new tokens are asked for.
pub(super) enum Grant {
    RefreshToken,
    ClientCredentials,
    Application(Box<Signer>),
}

impl Grant {
    /// Whether a renewal ends what the next one needs, so that it has to be stored.
    pub(super) fn rotates(&self) -> bool {
        matches!(self, Self::RefreshToken)
    }
}

/// Who gives new tokens, and what it wants for them.
pub(super) struct Issuer {
    pub(super) grant: Grant,
    pub(super) token_url: Url,
    pub(super) client_id: String,
    pub(super) client_secret: Option<SecretString>,
    pub(super) scope: Option<String>,
    pub(super) access_token: Option<SecretString>,
    pub(super) expires_at: Option<SystemTime>,
    pub(super) refresh_token: Option<SecretString>,
    pub(super) redirect_uri: Option<String>,
    /// Tells one configuration of the identity from another without holding it.
    pub(super) fingerprint: String,
}

/// A material taken apart.
pub(super) struct Parts {
    pub(super) form: Form,
    /// The secret of a kind that never changes.
    pub(super) fixed: Option<SecretString>,
    pub(super) issuer: Option<Issuer>,
}

impl Material {
    pub(super) fn into_parts(self, name: &str) -> Result<Parts, IdentityError> {
        let fixed = |form, key, secret: SecretString| {
            sendable(name, key, &secret)?;
            Ok(Parts { form, fixed: Some(secret), issuer: None })
        };
        match self {
            Self::Pat { token } | Self::Bearer { token } => fixed(Form::Token, "token", token),
            Self::Basic { username, password } => fixed(Form::Basic { username }, "password", password),
            Self::Header { header, value } => {
                let header = credential_header(&header)
                    .map_err(|_| IdentityError::Header { name: name.to_owned() })?;
                fixed(Form::Header { header }, "token", value)
            }
            Self::OAuth2 {
                token_url,
                client_id,
                client_secret,
                scope,
                access_token,
                expires_at,
                refresh_token,
                redirect_uri,
            } => {
                if let Some(token) = &access_token {
                    sendable(name, "access_token", token)?;
                }
                let issuer = Issuer {
                    client_secret,
                    scope,
                    access_token,
                    expires_at,
                    refresh_token,
                    redirect_uri,
                    ..Issuer::new(name, Grant::RefreshToken, &token_url, client_id)?
                };
                Ok(Parts::renewed(issuer))
            }
            Self::Entra { token_url, client_id, client_secret, scope } => {
                let issuer = Issuer {
                    client_secret: Some(client_secret),
                    scope: Some(scope),
                    ..Issuer::new(name, Grant::ClientCredentials, &token_url, client_id)?
                };
                Ok(Parts::renewed(issuer))
            }
            Self::Application { token_url, app_id, private_key } => {
                let signer = Signer::new(&private_key)
                    .map_err(|problem| IdentityError::PrivateKey { name: name.to_owned(), problem })?;
                let issuer = Issuer {
                    client_secret: Some(private_key),
                    ..Issuer::new(name, Grant::Application(Box::new(signer)), &token_url, app_id)?
                };
                Ok(Parts::renewed(issuer))
            }
        }
    }
}

impl Parts {
    fn renewed(mut issuer: Issuer) -> Self {
        issuer.fingerprint = issuer.digest();
        Self { form: Form::Token, fixed: None, issuer: Some(issuer) }
    }
}

impl Issuer {
    fn new(name: &str, grant: Grant, token_url: &str, client_id: String) -> Result<Self, IdentityError> {
        Ok(Self {
            token_url: token_end_point(name, &grant, token_url)?,
            grant,
            client_id,
            client_secret: None,
            scope: None,
            access_token: None,
            expires_at: None,
            refresh_token: None,
            redirect_uri: None,
            fingerprint: String::new(),
        })
    }

    /// A digest over everything that is configured.
    fn digest(&self) -> String {
        fn open(secret: &Option<SecretString>) -> Option<&str> {
            secret.as_ref().map(ExposeSecret::expose_secret)
        }
        let grant = match self.grant {
            Grant::RefreshToken => "oauth2",
            Grant::ClientCredentials => "entra",
            Grant::Application(_) => "application",
        };
        let expires_at = self.expires_at.map(|at| format!("{at:?}"));
        let fields = [
            Some(grant),
            Some(self.token_url.as_str()),
            Some(&self.client_id),
            open(&self.client_secret),
            self.scope.as_deref(),
            open(&self.access_token),
            expires_at.as_deref(),
            open(&self.refresh_token),
        ];
        // What came later only counts where it is set: tokens that were stored before are still those of their identity.
        let later = self.redirect_uri.as_deref().map(Some);
        let mut digest = Sha256::new();
        for field in fields.into_iter().chain(later) {
            // Lengths first, so that no two materials run into the same bytes; a missing field has none.
            let length = field.map_or(u64::MAX, |text| text.len() as u64);
            digest.update(length.to_be_bytes());
            digest.update(field.unwrap_or_default());
        }
        crate::text::hex(&digest.finalize())
    }

    pub(super) fn can_renew(&self) -> bool {
        !self.grant.rotates() || self.refresh_token.is_some()
    }

    /// The access token of the configuration, whether it has ended or not.
    pub(super) fn configured(&self) -> Option<Credential> {
        let token = self.access_token.clone()?;
        let credential = match self.expires_at {
            Some(at) => Credential::ending(token, at),
            None => Credential::lasting(token, None),
        };
        Some(credential.with_refresh_token(self.refresh_token.clone()))
    }
}

fn token_end_point(name: &str, grant: &Grant, text: &str) -> Result<Url, IdentityError> {
    let key = if matches!(grant, Grant::Application(_)) { "api_url" } else { "token_url" };
    plain_url(text)
        .filter(|url| url.scheme() == "https")
        .ok_or_else(|| IdentityError::TokenUrl { name: name.to_owned(), key })
}

fn sendable(name: &str, key: &'static str, secret: &SecretString) -> Result<(), IdentityError> {
    let secret = secret.expose_secret();
    if is_sendable(secret) {
        return Ok(());
    }
    Err(IdentityError::Secret { name: name.to_owned(), key })
}

pub(super) fn is_sendable(secret: &str) -> bool {
    !secret.is_empty() && HeaderValue::from_str(secret).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fingerprint(redirect_uri: Option<&str>) -> String {
        let material = Material::OAuth2 {
            token_url: "https://issuer.example/token".to_owned(),
            client_id: "client".to_owned(),
            client_secret: Some("a".into()),
            scope: None,
            access_token: None,
            expires_at: None,
            refresh_token: Some("b".into()),
            redirect_uri: redirect_uri.map(str::to_owned),
        };
        material.into_parts("bot").unwrap().issuer.unwrap().fingerprint
    }

    /// A rotated refresh token is found by it: if it changed, the identity would be lost with the next version.
    #[test]
    fn a_configuration_keeps_its_fingerprint() {
        let known = "4be95dd6c053342a76de76ba0b56c24cd8de1bfd73a7d46530a10118556189f8";
        assert_eq!(fingerprint(None), known);
        assert_ne!(fingerprint(Some("https://ci.example/back")), known);
    }
}
