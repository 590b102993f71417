//! What no answer is quoted with: the secrets that a target is sent, and every piece that it may say again by itself.
//!
//! Absent: which pieces are too short to be secret, and how else a piece may be written; the scrubber knows that.

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use percent_encoding::percent_decode_str;
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::signature;

/// The pieces of one target's secrets.
#[derive(Default)]
pub(super) struct Secrets(Vec<SecretString>);

impl Secrets {
    /// An address: all of it, what its path and its query consist of, and who it signs in.
    pub(super) fn address(&mut self, url: &Url) {
        self.keep(url.as_str());
        self.keep_decoded(url.path());
        for segment in url.path_segments().into_iter().flatten() {
            self.keep_decoded(segment);
        }
        let query = url.query().unwrap_or_default();
        self.keep(query);
        for pair in query.split('&') {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            for piece in [name, value] {
                self.keep_decoded(piece);
                // It stands for a space there.
                self.keep_decoded(&piece.replace('+', " "));
            }
        }
        let (username, password) = (url.username(), url.password().unwrap_or_default());
        self.keep_decoded(username);
        self.keep_decoded(password);
        if let (false, Some(username), Some(password)) =
            (username.is_empty() && password.is_empty(), decoded(username), decoded(password))
        {
            self.account(&username, &password);
        }
    }

    /// The value of a header `Authorization`.
    pub(super) fn authorization(&mut self, value: &str) {
        let value = value.trim();
        self.keep(value);
        let Some((scheme, rest)) = value.split_once(' ') else { return };
        let credentials = rest.trim();
        self.keep(credentials);
        for parameter in credentials.split([' ', ',', ';']) {
            let value = parameter.split_once('=').map_or(parameter, |(_, value)| value);
            self.keep(value.trim_matches('"'));
        }
        if scheme.eq_ignore_ascii_case("basic")
            && let Some(account) = base64(credentials)
        {
            let (username, password) = account.split_once(':').unwrap_or(("", &account));
            self.account(username, password);
        }
    }

    /// What messages are signed with.
    pub(super) fn signing(&mut self, secret: &str) {
        let secret = secret.trim();
        self.keep(secret);
        if let Some(encoded) = secret.strip_prefix(signature::PREFIX) {
            self.keep(encoded);
            self.keep(base64(encoded).unwrap_or_default());
        }
    }

    /// A name and a password, together as HTTP has them and as the mechanism PLAIN does.
    pub(super) fn account(&mut self, username: &str, password: &str) {
        self.keep(password);
        self.keep(format!("{username}:{password}"));
        self.keep(format!("\0{username}\0{password}"));
    }

    /// All pieces.
    pub(super) fn pieces(&self) -> Vec<&str> {
        self.0.iter().map(ExposeSecret::expose_secret).collect()
    }

    fn keep(&mut self, piece: impl Into<String>) {
        self.0.push(SecretString::from(piece.into()));
    }

    /// Keeps a piece as it stands in an address, and what it means there.
    fn keep_decoded(&mut self, piece: &str) {
        self.keep(piece);
        self.keep(decoded(piece).unwrap_or_default());
    }
}

fn decoded(piece: &str) -> Option<String> {
    percent_decode_str(piece).decode_utf8().ok().map(Into::into)
}

/// The text that is written as base64, if it is.
fn base64(encoded: &str) -> Option<String> {
    let bytes = STANDARD_NO_PAD.decode(encoded.trim_end_matches('=')).ok()?;
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(read: impl FnOnce(&mut Secrets), expected: &[&str]) {
        let mut secrets = Secrets::default();
        read(&mut secrets);
        let pieces = secrets.pieces();
        for piece in expected {
            assert!(pieces.contains(piece), "{piece:?} is not in {pieces:?}");
        }
    }

    #[test]
    fn an_address_is_all_that_it_consists_of() {
        let url = "https://me%40x:pass%2Fword@h.example/hook/T%2F1?key=a%20b+c&only%2Bkey&x=b64==";
        let expected = [
            url,
            "/hook/T%2F1",
            "T%2F1",
            "T/1",
            "a%20b+c",
            "a b c",
            "only%2Bkey",
            "only+key",
            "b64==",
            "me%40x",
            "me@x",
            "pass%2Fword",
            "pass/word",
            "me@x:pass/word",
        ];
        check(|secrets| secrets.address(&Url::parse(url).unwrap()), &expected);
        let token = Url::parse("https://token@h.example/").unwrap();
        check(|secrets| secrets.address(&token), &["token", "token:"]);
    }

    #[test]
    fn a_header_is_what_follows_its_scheme_too() {
        for (value, expected) in [
            ("token-alone", &["token-alone"][..]),
            ("Bearer  abc.def ", &["abc.def"]),
            ("Token token=\"abcdef\", nonce=x", &["abcdef"]),
            ("basic bWU6cGFzczp3b3Jk", &["bWU6cGFzczp3b3Jk", "me:pass:word", "pass:word"]),
            ("Basic bWU6cGFzc3dvcmQ=", &["me:password", "password"]),
        ] {
            check(|secrets| secrets.authorization(value), expected);
        }
    }

    #[test]
    fn a_signing_secret_and_an_account_have_several_forms() {
        let signing = ["whsec_cGxhbnRlZA==", "cGxhbnRlZA==", "planted"];
        check(|secrets| secrets.signing("whsec_cGxhbnRlZA=="), &signing);
        check(|secrets| secrets.account("me", "word"), &["word", "me:word", "\0me\0word"]);
    }
}
