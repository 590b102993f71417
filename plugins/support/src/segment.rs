//! One segment of a URL's path: decoded once coming in, encoded whole going out.
//!
//! What [`decode`] lets through and what [`is_valid`] accepts can be put back into a path without moving its
//! borders: it is not empty, no dot segment, and holds no separator or control character.

use std::borrow::Cow;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, PercentEncode, percent_decode_str, utf8_percent_encode};

const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Why a raw segment is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A broken escape, or bytes that are not UTF-8.
    Encoding,
    /// Decodes to what no name can be.
    Content,
}

/// Escapes everything but letters, digits and `-._~`.
pub fn encode(segment: &str) -> PercentEncode<'_> {
    utf8_percent_encode(segment, ESCAPED)
}

/// Takes percent escapes away, once.
pub fn decode(raw: &str) -> Result<Cow<'_, str>, Fault> {
    let mut escapes = raw.split('%').skip(1).map(str::as_bytes);
    let whole =
        |escape: &[u8]| matches!(escape, [a, b, ..] if a.is_ascii_hexdigit() && b.is_ascii_hexdigit());
    if !escapes.all(whole) {
        return Err(Fault::Encoding);
    }
    let decoded = percent_decode_str(raw).decode_utf8().map_err(|_| Fault::Encoding)?;
    if is_valid(&decoded) { Ok(decoded) } else { Err(Fault::Content) }
}

/// Whether a decoded text can be one segment.
pub fn is_valid(decoded: &str) -> bool {
    !matches!(decoded, "" | "." | "..")
        && !decoded.contains(|c: char| matches!(c, '/' | '\\') || c.is_control())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decodes_once_and_refuses_what_moves_borders() {
        for (raw, expected) in [
            ("Web%20Shop", Ok("Web Shop")),
            ("Web Shop", Ok("Web Shop")),
            ("a+b", Ok("a+b")),
            ("%252e%252e", Ok("%2e%2e")),
            ("%E2%9C%93", Ok("✓")),
            ("...", Ok("...")),
            ("100%", Err(Fault::Encoding)),
            ("%4", Err(Fault::Encoding)),
            ("%é", Err(Fault::Encoding)),
            ("%zz", Err(Fault::Encoding)),
            ("%C3%28", Err(Fault::Encoding)),
            ("%C0%AF", Err(Fault::Encoding)),
            ("%ED%A0%80", Err(Fault::Encoding)),
            ("", Err(Fault::Content)),
            ("%2E%2e", Err(Fault::Content)),
            (".%2e", Err(Fault::Content)),
            ("a%2fb", Err(Fault::Content)),
            ("a%5Cb", Err(Fault::Content)),
            ("a\\b", Err(Fault::Content)),
            ("a%00", Err(Fault::Content)),
            ("a\tb", Err(Fault::Content)),
            ("%C2%85", Err(Fault::Content)),
        ] {
            assert_eq!(decode(raw).as_deref().map_err(|fault| *fault), expected, "{raw}");
        }
    }

    #[test]
    fn encodes_all_but_the_unreserved() {
        assert_eq!(encode("a b+c#d?e%f&g/h(é)").to_string(), "a%20b%2Bc%23d%3Fe%25f%26g%2Fh%28%C3%A9%29");
    }
}
