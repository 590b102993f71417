//! The tokens that applications sign for themselves.

use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::rsa::KeyPair;
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use serde_json::Value;

use super::world::App;

/// Clocks may differ by so much.
const DRIFT: u64 = 60;
/// The longest life of such a token.
const LONGEST_LIFE: u64 = 600;

/// The public half of a key in PEM, as applications download it (`RSA PRIVATE KEY`).
///
/// # Panics
/// If it is none.
pub fn public_key(pem: &str) -> Vec<u8> {
    let body: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
    let der = STANDARD.decode(body).expect("a key is base64");
    KeyPair::from_der(&der).expect("a key of RSA").public().as_ref().to_vec()
}

/// The application that signed a token, or why it is refused.
pub(super) fn signer<'a>(apps: &'a [App], token: &str) -> Result<&'a App, &'static str> {
    const BROKEN: &str = "This is not a JSON web token that can be read";
    let (signed, signature) = token.rsplit_once('.').ok_or(BROKEN)?;
    let (header, claims) = signed.split_once('.').ok_or(BROKEN)?;
    let (header, claims) = (json(header).ok_or(BROKEN)?, json(claims).ok_or(BROKEN)?);
    let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| BROKEN)?;
    if header["alg"] != "RS256" {
        return Err("The JSON web token must be signed with RS256");
    }
    let issuer = match &claims["iss"] {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let app = apps
        .iter()
        .find(|app| app.client_id == issuer || app.id.to_string() == issuer)
        .ok_or("No application goes by the `iss` of the JSON web token")?;
    UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, &app.public_key)
        .verify(signed.as_bytes(), &signature)
        .map_err(|_| "The JSON web token is not signed with the application's key")?;
    let now = now_unix_s();
    let (issued, expires) = (claims["iat"].as_u64(), claims["exp"].as_u64());
    let issued =
        issued.filter(|at| *at <= now + DRIFT).ok_or("The `iat` of the JSON web token is not past")?;
    expires
        .filter(|at| *at > now && *at <= now + LONGEST_LIFE && *at <= issued + LONGEST_LIFE + DRIFT)
        .map(|_| app)
        .ok_or("The `exp` of the JSON web token is past or too far off")
}

fn json(part: &str) -> Option<Value> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok()
}

pub(super) fn now_unix_s() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.as_ref().map_or(0, Duration::as_secs)
}
