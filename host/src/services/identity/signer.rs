//! The word of an application about itself: a token that it signs with its private key (JWT, RS256).
//!
//! A key is judged when it is read, by signing with it once: one that cannot sign is a fault of the configuration. No
//! text from here holds any part of a key.

use std::time::{Duration, SystemTime};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;

/// So far back a token says that it was made, since clocks differ.
const BACK: Duration = Duration::from_secs(60);
/// So long it is good; together with [`BACK`] the ten minutes that are the most.
const LIFETIME: Duration = Duration::from_secs(9 * 60);

/// What is wrong with a private key, and the way out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// There is no key in it that could be read.
    #[error(
        "is no private key in PEM form: give the whole file, from `-----BEGIN` to `-----END`, line breaks included"
    )]
    Unreadable,
    /// It is the half that anybody may have.
    #[error("is a public key, which cannot sign: give the private key that the forge made together with it")]
    Public,
    /// It is what vouches for a key.
    #[error(
        "is a certificate, which cannot sign: give the private key that the forge made for this application"
    )]
    Certificate,
    /// It takes a passphrase.
    #[error("is locked with a passphrase: give the key without one, kept where nobody else can read it")]
    Locked,
    /// It is a key of another kind.
    #[error(
        "is no RSA key: applications sign with RS256, so give the RSA key that the forge made for this one"
    )]
    NotRsa,
    /// It is too short or too long.
    #[error("is an RSA key of a size that is not used: have a new one made, of 2048 to 4096 bits")]
    Size,
    /// Its parts do not belong together.
    #[error("is a damaged RSA key: give the file as the forge made it, or have a new key made")]
    Damaged,
}

impl KeyError {
    /// What is wrong with a text that holds no whole private key.
    fn of_other(pem: &str) -> Self {
        match pem {
            _ if pem.contains("PRIVATE KEY") => Self::Unreadable,
            _ if pem.contains("PUBLIC KEY-----") => Self::Public,
            _ if pem.contains("BEGIN CERTIFICATE-----") => Self::Certificate,
            _ => Self::Unreadable,
        }
    }
}

/// Signs for one application.
pub(super) struct Signer {
    key: RsaKeyPair,
    random: SystemRandom,
}

impl Signer {
    pub(super) fn new(pem: &SecretString) -> Result<Self, KeyError> {
        let pem = pem.expose_secret();
        if pem.contains("ENCRYPTED") {
            return Err(KeyError::Locked);
        }
        let key = match PrivateKeyDer::from_pem_slice(pem.as_bytes()) {
            Ok(PrivateKeyDer::Pkcs1(key)) => RsaKeyPair::from_der(key.secret_pkcs1_der()),
            Ok(PrivateKeyDer::Pkcs8(key)) => RsaKeyPair::from_pkcs8(key.secret_pkcs8_der()),
            Ok(_) => return Err(KeyError::NotRsa),
            Err(_) => return Err(KeyError::of_other(pem)),
        };
        let key = key.map_err(|rejected| match rejected.to_string().as_str() {
            "WrongAlgorithm" => KeyError::NotRsa,
            "TooSmall" | "TooLarge" => KeyError::Size,
            _ => KeyError::Damaged,
        })?;
        let signer = Self { key, random: SystemRandom::new() };
        // Some of its parts are only compared when it signs.
        signer.signature(b"").ok_or(KeyError::Damaged)?;
        Ok(signer)
    }

    /// A token that says at `now` that `issuer` asks.
    pub(super) fn token(&self, issuer: &str, now: SystemTime) -> Option<SecretString> {
        let seconds =
            |at: SystemTime| at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
        let header = json!({ "alg": "RS256", "typ": "JWT" });
        let claims = json!({ "iat": seconds(now - BACK), "exp": seconds(now + LIFETIME), "iss": issuer });
        let encode = |part: serde_json::Value| URL_SAFE_NO_PAD.encode(part.to_string());
        let signed = format!("{}.{}", encode(header), encode(claims));
        let signature = self.signature(signed.as_bytes())?;
        Some(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)).into())
    }

    fn signature(&self, message: &[u8]) -> Option<Vec<u8>> {
        let mut signature = vec![0; self.key.public().modulus_len()];
        self.key.sign(&RSA_PKCS1_SHA256, &self.random, message, &mut signature).ok()?;
        Some(signature)
    }
}
