//! Secrets that forges send with what they deliver, so that it can be believed.
//!
//! The host makes one and keeps it; a plugin that subscribes writes what stands for it. On its way out, in a body to the
//! origin of the integration's base URL and nowhere else, the secret takes that place, and the answer comes back without
//! it. So no plugin is given it, and none can have it sent to another host.
//!
//! Deliberately absent: defence against a plugin that has its own forge keep the secret where it can read it in a later
//! call. It proves deliveries of that forge and nothing else.

use std::fmt;
use std::sync::LazyLock;

use aho_corasick::AhoCorasick;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use forgewatch_plugin_api::Failure;
use ring::rand::{SecureRandom, SystemRandom};
use secrecy::{ExposeSecret, SecretString};
use subtle::ConstantTimeEq;

use super::egress::Outgoing;
use super::http::shown;
use super::refused;
use super::scrub::Scrubber;

/// A shorter one could be guessed.
const SHORTEST: usize = 20;
const LONGEST: usize = 200;

static PLACEHOLDER: LazyLock<AhoCorasick> = LazyLock::new(|| {
    // One short pattern is no reason to fail.
    AhoCorasick::new([HookSecret::PLACEHOLDER]).expect("one short pattern makes an automaton")
});

/// One secret.
pub struct HookSecret {
    value: SecretString,
    scrubber: Scrubber,
}

/// A text that can be no secret. Nothing of it is shown.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("the secret of a subscription must be {SHORTEST} to {LONGEST} of a-z, A-Z, 0-9, `-` and `_`")]
pub struct NoHookSecret;

impl HookSecret {
    /// What stands for a secret where a plugin writes it.
    pub const PLACEHOLDER: &str = "forgewatch-secret-of-the-subscription";

    /// A new one.
    ///
    /// # Errors
    ///
    /// The system has no random numbers.
    pub fn generate() -> Result<Self, ring::error::Unspecified> {
        let mut bytes = [0; 32];
        SystemRandom::new().fill(&mut bytes)?;
        Ok(Self::of(URL_SAFE_NO_PAD.encode(bytes).into()))
    }

    /// One that was made before.
    ///
    /// # Errors
    ///
    /// It is too short, or would need escapes where it is written.
    pub fn new(value: SecretString) -> Result<Self, NoHookSecret> {
        let text = value.expose_secret();
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        match (SHORTEST..=LONGEST).contains(&text.len())
            && text.bytes().all(is_plain)
            && text != Self::PLACEHOLDER
        {
            true => Ok(Self::of(value)),
            false => Err(NoHookSecret),
        }
    }

    fn of(value: SecretString) -> Self {
        Self { scrubber: Scrubber::new([value.expose_secret()]), value }
    }

    /// The secret itself, for whoever keeps it.
    pub fn value(&self) -> &SecretString {
        &self.value
    }

    /// Whether it is what somebody has sent. How long that takes says nothing but its length.
    pub fn is(&self, sent: &[u8]) -> bool {
        self.value.expose_secret().as_bytes().ct_eq(sent).into()
    }

    /// Whether what stands for a secret is in a body.
    pub(crate) fn stands_in(body: &[u8]) -> bool {
        PLACEHOLDER.is_match(body)
    }

    /// Puts it where it belongs in a request.
    ///
    /// # Errors
    ///
    /// The request goes elsewhere than to the integration's own forge.
    pub(super) fn fill(&self, outgoing: &mut Outgoing, is_base: bool) -> Result<(), Failure> {
        if !Self::stands_in(&outgoing.body) {
            return Ok(());
        }
        if !is_base {
            return Err(refused(format!(
                "`{}` was not requested, since it would be told the secret of a subscription, which goes nowhere but to \
                 the integration's own base URL: report this to the plugin's author",
                shown(&outgoing.url)
            )));
        }
        let filled = PLACEHOLDER.replace_all_bytes(&outgoing.body, &[self.value.expose_secret()]);
        outgoing.body = Bytes::from(filled);
        Ok(())
    }

    pub(super) fn scrubber(&self) -> &Scrubber {
        &self.scrubber
    }
}

impl fmt::Debug for HookSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HookSecret")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_long_and_plain() {
        for (text, is_one) in [
            ("abcdefghijklmnopqrst", true),
            ("ABC-def_0123456789-xyz", true),
            ("abcdefghijklmnopqrs", false),
            ("abcdefghijklmnopqrst\"", false),
            ("abcdefghijklmnopqrst ", false),
            (HookSecret::PLACEHOLDER, false),
            ("", false),
        ] {
            assert_eq!(HookSecret::new(text.into()).is_ok(), is_one, "{text}");
        }
        assert!(HookSecret::new("a".repeat(LONGEST + 1).into()).is_err());
        let (one, other) = (HookSecret::generate().unwrap(), HookSecret::generate().unwrap());
        let value = one.value().expose_secret();
        assert!(HookSecret::new(value.into()).is_ok());
        assert!(one.is(value.as_bytes()) && !other.is(value.as_bytes()));
        assert!(!one.is(b"") && !one.is(&value.as_bytes()[1..]));
        assert!(!format!("{one:?}").contains(value));
    }
}
