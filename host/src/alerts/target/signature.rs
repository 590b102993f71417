//! Signatures as Standard Webhooks has them: whoever knows the secret knows that a message is ours, whole and new.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;

/// What such a secret begins with.
pub(super) const PREFIX: &str = "whsec_";

/// How to make a secret; part of every message about a wrong one.
pub(super) const HELP: &str = "make one with `printf 'whsec_%s\\n' \"$(head -c 32 /dev/urandom | base64)\"`, and give it to the receiver too";

/// What messages are signed with.
pub(super) struct SigningKey(hmac::Key);

impl SigningKey {
    /// The key that a secret stands for, or what is wrong with the secret.
    pub(super) fn parse(secret: &str) -> Result<Self, &'static str> {
        let secret = secret.trim().strip_prefix(PREFIX);
        let encoded = secret.ok_or("the secret does not begin with `whsec_`")?;
        let bytes =
            STANDARD.decode(encoded).map_err(|_| "what follows `whsec_` in the secret is no base64")?;
        match bytes.len() {
            24..=64 => Ok(Self(hmac::Key::new(hmac::HMAC_SHA256, &bytes))),
            _ => Err("the secret does not hold 24 to 64 bytes"),
        }
    }

    /// The header `webhook-signature` of a message.
    pub(super) fn sign(&self, id: &str, timestamp: i64, body: &[u8]) -> String {
        let mut context = hmac::Context::with_key(&self.0);
        context.update(format!("{id}.{timestamp}.").as_bytes());
        context.update(body);
        format!("v1,{}", STANDARD.encode(context.sign()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_example_comes_out() {
        let key = SigningKey::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").ok().unwrap();
        let signed = key.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, br#"{"test": 2432232314}"#);
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn a_secret_is_24_to_64_bytes_in_base64() {
        for (bytes, good) in [(0, false), (23, false), (24, true), (64, true), (65, false)] {
            let secret = format!("whsec_{}", STANDARD.encode(vec![7; bytes]));
            assert_eq!(SigningKey::parse(&secret).is_ok(), good, "{bytes}");
        }
        for bad in ["", "hunter2", "whsec_", "whsec_!!!!", "WHSEC_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"] {
            assert!(SigningKey::parse(bad).is_err(), "{bad}");
        }
    }
}
