//! Takes secrets out of answers before anybody reads them.
//!
//! A secret is found as it is, percent-encoded, escaped for JSON and for HTML as common encoders do it, and in
//! base64 wherever in a longer text it was encoded with it (as `user:secret` is). The matcher is built once for each generation of a credential.
//! Deliberately absent: defence against a forge that transforms the secret on purpose.

use std::borrow::Cow;

use aho_corasick::{AhoCorasick, MatchKind};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// What stands in a secret's place.
const MASK: &str = "***";
/// A shorter secret is no secret, and masking it would break every answer.
const SHORTEST_SECRET: usize = 4;
/// The shortest piece of base64 that is taken for a secret's.
const SHORTEST_PIECE: usize = 6;

const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A matcher for a few secrets in all their forms.
pub(super) struct Scrubber {
    matcher: Option<AhoCorasick>,
}

impl Scrubber {
    pub(super) fn new<'a>(secrets: impl IntoIterator<Item = &'a str>) -> Self {
        let mut forms: Vec<String> =
            secrets.into_iter().filter(|secret| secret.len() >= SHORTEST_SECRET).flat_map(forms).collect();
        forms.sort_unstable();
        forms.dedup();
        let matcher = (!forms.is_empty()).then(|| {
            // Too many patterns for an automaton is the only way to fail, and these are a few dozen.
            AhoCorasick::builder()
                .match_kind(MatchKind::LeftmostLongest)
                .build(&forms)
                .expect("a few dozen short patterns make an automaton")
        });
        Self { matcher }
    }

    /// The bytes without secrets, `None` when there is none in them.
    pub(super) fn scrub(&self, bytes: &[u8]) -> Option<Vec<u8>> {
        let matcher = self.matcher.as_ref()?;
        matcher.find(bytes)?;
        Some(matcher.replace_all_bytes(bytes, &vec![MASK; matcher.patterns_len()]))
    }

    pub(super) fn scrub_text<'a>(&self, text: Cow<'a, str>) -> Cow<'a, str> {
        match &self.matcher {
            Some(matcher) if matcher.is_match(&*text) => {
                Cow::Owned(matcher.replace_all(&text, &vec![MASK; matcher.patterns_len()]))
            }
            _ => text,
        }
    }
}

fn forms(secret: &str) -> Vec<String> {
    let percent = utf8_percent_encode(secret, UNRESERVED).to_string();
    let quoted = serde_json::Value::from(secret).to_string();
    let json = quoted[1..quoted.len() - 1].to_owned();
    let mut forms = vec![
        secret.to_owned(),
        percent.replace("%20", "+"),
        in_lower_case(&percent),
        percent,
        json.replace('/', "\\/"),
        in_ascii(&json),
        in_ascii(&json.replace('/', "\\/")),
        json,
    ];
    forms.extend(JSON_ESCAPES.iter().flat_map(|escapes| in_escapes(secret, escapes)));
    forms.extend(QUOTES.iter().map(|(double, single)| in_html(secret, double, single)));
    for engine in [&STANDARD, &URL_SAFE] {
        for text in [secret.to_owned(), format!(":{secret}")] {
            let padded = engine.encode(text);
            forms.push(padded.trim_end_matches('=').to_owned());
            forms.push(padded);
        }
        forms.extend((0..3).filter_map(|offset| inner_piece(engine, secret, offset)));
    }
    forms
}

/// What encoders that keep JSON safe inside HTML write as `\u` escapes beside what JSON itself demands.
const JSON_ESCAPES: &[&str] = &["<>&", "<>&'", "<>&'+`\""];
/// The quotation marks in HTML, double and single.
const QUOTES: &[(&str, &str)] =
    &[("&quot;", "&#39;"), ("&#34;", "&#39;"), ("&quot;", "&#x27;"), ("&quot;", "&apos;"), ("&quot;", "'")];

/// Text in JSON with `escapes` and without, what is not ASCII as it is and escaped, in both kinds of digits.
fn in_escapes(secret: &str, escapes: &str) -> [String; 3] {
    let mut json = String::new();
    for char in secret.chars() {
        match char {
            _ if escapes.contains(char) => json.push_str(&format!("\\u{:04x}", u32::from(char))),
            '"' | '\\' => json.extend(['\\', char]),
            _ => json.push(char),
        }
    }
    let ascii = in_ascii(&json);
    [in_capitals(&ascii), json, ascii]
}

/// What is not ASCII as `\u` escapes.
fn in_ascii(json: &str) -> String {
    let mut ascii = String::new();
    for char in json.chars() {
        match char.is_ascii() {
            true => ascii.push(char),
            false => char.encode_utf16(&mut [0; 2]).iter().for_each(|unit| {
                ascii.push_str(&format!("\\u{unit:04x}"));
            }),
        }
    }
    ascii
}

/// The digits of `\u` escapes as capitals.
fn in_capitals(json: &str) -> String {
    let mut parts = json.split("\\u");
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (digits, rest) = part.split_at_checked(4).unwrap_or((part, ""));
        text.push_str(&format!("\\u{}{rest}", digits.to_ascii_uppercase()));
    }
    text
}

fn in_html(secret: &str, double: &str, single: &str) -> String {
    let text = secret.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    text.replace('"', double).replace('\'', single)
}

/// Percent escapes with small letters, which are as good as those with capitals.
fn in_lower_case(percent: &str) -> String {
    let mut digits_left = 0;
    let lower = |char: char| {
        digits_left = if char == '%' { 2 } else { i32::max(digits_left - 1, -1) };
        if digits_left >= 0 { char.to_ascii_lowercase() } else { char }
    };
    percent.chars().map(lower).collect()
}

/// What is always the same in the base64 of a text that holds `secret` after 3 n + `offset` bytes: the
/// characters that share no bit with what is around it.
fn inner_piece(engine: &impl Engine, secret: &str, offset: usize) -> Option<String> {
    let encoded = engine.encode([&vec![0; offset], secret.as_bytes()].concat());
    let start = (offset * 8).div_ceil(6);
    let end = (offset + secret.len()) * 8 / 6;
    let piece = encoded.get(start..end)?;
    (piece.len() >= SHORTEST_PIECE).then(|| piece.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

    const SECRET: &str = "s3cret/with \"odd\" ~?>signs+é";

    fn check(text: &str) {
        let scrubber = Scrubber::new([SECRET]);
        let whole = format!("before {text} after");
        let scrubbed = scrubber.scrub(whole.as_bytes()).map(|bytes| String::from_utf8(bytes).unwrap());
        assert_eq!(scrubbed.as_deref(), Some("before *** after"), "{text}");
        assert_eq!(scrubber.scrub_text(Cow::Borrowed(&whole)), "before *** after");
    }

    #[test]
    fn a_secret_is_found_in_all_its_forms() {
        check(SECRET);
        check("s3cret%2Fwith%20%22odd%22%20~%3F%3Esigns%2B%C3%A9");
        check("s3cret%2fwith%20%22odd%22%20~%3f%3esigns%2b%c3%a9");
        check("s3cret%2Fwith+%22odd%22+~%3F%3Esigns%2B%C3%A9");
        check("s3cret/with \\\"odd\\\" ~?>signs+é");
        check("s3cret\\/with \\\"odd\\\" ~?>signs+é");
        for text in [SECRET.to_owned(), format!(":{SECRET}")] {
            check(&STANDARD.encode(&text));
            check(&STANDARD_NO_PAD.encode(&text));
            check(&URL_SAFE.encode(&text));
            check(&URL_SAFE_NO_PAD.encode(&text));
        }
    }

    #[test]
    fn a_secret_is_found_as_common_encoders_escape_it() {
        let secret = "it's <a>&\"b\"+ü/€";
        let cases = [
            // Python, PHP, Go, Rails, .NET, and HTML of several kinds.
            r#"it's <a>&\"b\"+\u00fc/\u20ac"#,
            r#"it's <a>&\"b\"+\u00fc\/\u20ac"#,
            r#"it's \u003ca\u003e\u0026\"b\"+ü/€"#,
            r#"it\u0027s \u003ca\u003e\u0026\"b\"+ü/€"#,
            r#"it\u0027s \u003Ca\u003E\u0026\u0022b\u0022\u002B\u00FC/\u20AC"#,
            "it&#39;s &lt;a&gt;&amp;&#34;b&#34;+ü/€",
            "it&#x27;s &lt;a&gt;&amp;&quot;b&quot;+ü/€",
            "it's &lt;a&gt;&amp;&quot;b&quot;+ü/€",
        ];
        let scrubber = Scrubber::new([secret]);
        for text in cases {
            assert_eq!(scrubber.scrub_text(Cow::Borrowed(text)), MASK, "{text}");
        }
    }

    #[test]
    fn a_secret_is_found_inside_longer_base64() {
        let scrubber = Scrubber::new([SECRET]);
        for user in ["", "a", "ab", "abc", "somebody"] {
            for rest in ["", "\n", "xyz"] {
                let encoded = STANDARD.encode(format!("{user}:{SECRET}{rest}"));
                let scrubbed = String::from_utf8(scrubber.scrub(encoded.as_bytes()).unwrap()).unwrap();
                assert!(scrubbed.contains(MASK) && scrubbed.len() < 24, "{scrubbed}");
            }
        }
    }

    #[test]
    fn ordinary_answers_are_left_alone() {
        assert_eq!(Scrubber::new([SECRET]).scrub(b"nothing in here"), None);
        assert_eq!(Scrubber::new(["", "abc"]).scrub(b"abc"), None);
        let two = Scrubber::new(["first-token", "second-token"]);
        assert_eq!(two.scrub(b"first-token second-token").unwrap(), b"*** ***");
    }
}
