//! Foreign text on its way to a terminal, a log or a report: made harmless and short, without passwords.
//!
//! Whatever came from a plugin, a forge or a URL goes through here before anybody reads it.

use std::borrow::Cow;
use std::fmt::Write;
use std::path::Path;
use std::time::Duration;

use url::{Host, Url};

/// Escapes what a terminal would act on or a reader could not see, and cuts to `max_chars` characters (an
/// ellipsis included) of the original.
pub fn printable(text: &str, max_chars: usize) -> Cow<'_, str> {
    let long = text.len() > max_chars && text.chars().nth(max_chars).is_some();
    if !long && !text.chars().any(is_unprintable) {
        return Cow::Borrowed(text);
    }
    let kept = if long { max_chars.saturating_sub(1) } else { max_chars };
    let mut shown = String::with_capacity(text.len().min(4 * max_chars));
    text.chars().take(kept).for_each(|char| push_printable(&mut shown, char));
    if long {
        shown.push('…');
    }
    Cow::Owned(shown)
}

/// The same line by line, of several lines that are ours with names in them that are not.
pub fn printable_lines(text: &str, max_chars_of_line: usize) -> String {
    let lines: Vec<_> = text.split('\n').map(|line| printable(line, max_chars_of_line)).collect();
    lines.join("\n")
}

/// The same for what is kept in great numbers: what comes out has at most `max_bytes` bytes (an ellipsis included).
pub fn printable_bytes(text: &str, max_bytes: usize) -> Cow<'_, str> {
    const ELLIPSIS: char = '…';
    if text.len() <= max_bytes && !text.chars().any(is_unprintable) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len().min(max_bytes));
    let mut cut = 0;
    for char in text.chars() {
        if shown.len() + ELLIPSIS.len_utf8() <= max_bytes {
            cut = shown.len();
        }
        push_printable(&mut shown, char);
        if shown.len() > max_bytes {
            shown.truncate(cut);
            shown.push(ELLIPSIS);
            break;
        }
    }
    Cow::Owned(shown)
}

fn push_printable(shown: &mut String, char: char) {
    if is_unprintable(char) {
        shown.extend(char.escape_default());
    } else {
        shown.push(char);
    }
}

/// The lines of JSON with every character escaped that JSON lets through and a terminal would act on.
pub fn json_printable(lines: &str) -> Cow<'_, str> {
    let acts = |char: char| char != '\n' && is_unprintable(char);
    if !lines.contains(acts) {
        return Cow::Borrowed(lines);
    }
    let mut shown = String::with_capacity(lines.len() + 16);
    for char in lines.chars() {
        if acts(char) {
            let mut units = [0; 2];
            for unit in char.encode_utf16(&mut units) {
                // Writing to a text does not fail.
                let _ = write!(shown, "\\u{unit:04x}");
            }
        } else {
            shown.push(char);
        }
    }
    Cow::Owned(shown)
}

/// Two small digits for each byte.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A length of time in its two largest units, spelled out.
pub fn rough(duration: Duration) -> String {
    let parts = humantime::format_duration(Duration::from_secs(duration.as_secs())).to_string();
    let spelled = parts.split(' ').take(2).map(|part| {
        let digits = part.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = part.split_at(digits);
        let unit = match unit {
            "s" => "second",
            "m" => "minute",
            "h" => "hour",
            other => other.trim_end_matches('s'),
        };
        let plural = if number == "1" { "" } else { "s" };
        format!("{number} {unit}{plural}")
    });
    spelled.collect::<Vec<_>>().join(" ")
}

/// A path, made harmless; no system takes one that is longer than what is shown.
pub fn path_text(path: &Path) -> String {
    printable(&path.to_string_lossy(), 4096).into_owned()
}

/// Control characters (C0, DEL, C1), line and paragraph separators, what changes the direction of text, what has
/// no width, and what is no character, which XML does not take.
fn is_unprintable(char: char) -> bool {
    char.is_control()
        || matches!(char,
            '\u{ad}' | '\u{61c}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}'
            | '\u{fdd0}'..='\u{fdef}')
        || u32::from(char) & 0xfffe == 0xfffe
}

/// A URL without user name and password; also an scp-like `user@host:path`, and one that does not parse.
///
/// Where it is unclear what belongs to a password, rather too much is left out.
pub fn mask_url(text: &str) -> Cow<'_, str> {
    replace_user_info(text, "")
}

/// The same with `***` in place of user name and password, for those who wrote them.
pub fn mask_user_info(text: &str) -> Cow<'_, str> {
    replace_user_info(text, "***")
}

fn replace_user_info<'a>(text: &'a str, mask: &str) -> Cow<'a, str> {
    if !text.contains('@') {
        return Cow::Borrowed(text);
    }
    match Url::parse(text.trim()) {
        Ok(url) if url.has_host() && url.username().is_empty() && url.password().is_none() => {
            Cow::Borrowed(text)
        }
        // A second `@` may be part of a password.
        Ok(mut url) if url.has_host() && (url.password().is_none() || text.matches('@').count() == 1) => {
            match (url.set_username(mask), url.set_password(None)) {
                (Ok(()), Ok(())) => Cow::Owned(url.into()),
                _ => replace_in_text(text, mask),
            }
        }
        _ => replace_in_text(text, mask),
    }
}

fn replace_in_text<'a>(text: &'a str, mask: &str) -> Cow<'a, str> {
    let start = text.find("://").map_or(0, |at| at + 3);
    let (scheme, rest) = text.split_at(start);
    let first_part = rest.split('/').next().unwrap_or_default();
    let before = first_part.split('@').next().unwrap_or_default();
    // A password may hold a slash; a host and a path with an `@` in it have no colon before the slash.
    let searched = if before.contains(':') || rest.starts_with("//") { rest } else { first_part };
    match searched.rfind('@') {
        Some(at) => {
            let kept = if mask.is_empty() { at + 1 } else { at };
            Cow::Owned(format!("{scheme}{mask}{}", &rest[kept..]))
        }
        None => Cow::Borrowed(text),
    }
}

/// Whether a URL leads to this machine, by its host alone.
pub fn is_on_this_machine(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time_are_spelled_out_in_two_units() {
        let cases = [
            (0, "0 seconds"),
            (1, "1 second"),
            (90, "1 minute 30 seconds"),
            (900, "15 minutes"),
            (7_200, "2 hours"),
            (97_200, "1 day 3 hours"),
            (3_600_000, "1 month 11 days"),
        ];
        for (seconds, expected) in cases {
            assert_eq!(rough(Duration::from_secs(seconds)), expected);
        }
    }

    #[test]
    fn unprintable_characters_are_escaped_and_long_text_is_cut() {
        let cases = [
            ("plain ü €", 20, "plain ü €"),
            ("a\x1b[31m\r\nb", 40, "a\\u{1b}[31m\\r\\nb"),
            ("\u{7f}\u{85}", 40, "\\u{7f}\\u{85}"),
            ("\u{202e}x\u{2066}\u{2028}", 40, "\\u{202e}x\\u{2066}\\u{2028}"),
            ("\u{fffe}a\u{10ffff}", 40, "\\u{fffe}a\\u{10ffff}"),
            ("a\u{200b}b\u{feff}\u{e0041}", 40, "a\\u{200b}b\\u{feff}\\u{e0041}"),
            ("abcdef", 6, "abcdef"),
            ("abcdefg", 6, "abcde…"),
            ("ääääää", 6, "ääääää"),
            ("äääääää", 6, "äääää…"),
        ];
        for (text, max, expected) in cases {
            assert_eq!(printable(text, max), expected, "{text:?}");
        }
        assert!(matches!(printable("plain", 5), Cow::Borrowed(_)));
    }

    #[test]
    fn what_is_kept_is_bounded_in_bytes_after_escaping() {
        let cases = [
            ("abcdef", 6, "abcdef"),
            ("abcdefg", 6, "abc…"),
            ("ääää", 7, "ää…"),
            ("a\x1bb", 8, "a\\u{1b}b"),
            ("a\x1bbc", 8, "a…"),
            ("\x1b\x1b", 9, "\\u{1b}…"),
        ];
        for (text, max, expected) in cases {
            assert_eq!(printable_bytes(text, max), expected, "{text:?}");
        }
        let hostile = "\u{e0041}".repeat(100_000);
        assert!((990..=1000).contains(&printable_bytes(&hostile, 1000).len()));
        assert!(matches!(printable_bytes("plain", 5), Cow::Borrowed(_)));
    }

    #[test]
    fn user_information_is_masked() {
        let cases = [
            ("https://example.org/a@b", "https://example.org/a@b"),
            ("https://me:pw@example.org/x?y#z", "https://example.org/x?y#z"),
            ("https://pw@example.org:8443/", "https://example.org:8443/"),
            ("https://me:p/w@example.org/x", "https://example.org/x"),
            ("https:/me:pw@example.org/x", "https://example.org/x"),
            ("//me:pw@example.org/x", "example.org/x"),
            ("git@example.org:team/app.git", "example.org:team/app.git"),
            ("me:pw@example.org:team/app.git", "example.org:team/app.git"),
            ("me:p/w@example.org:team/app.git", "example.org:team/app.git"),
            ("ssh://git@example.org/x", "ssh://example.org/x"),
            ("https://me:pw@exa mple/x", "https://exa mple/x"),
            ("example.org/@scope/app", "example.org/@scope/app"),
            ("me@example.org:@scope/app", "scope/app"),
            ("git@example.org:team/@x/app", "example.org:team/@x/app"),
            ("https://me:p@w/x@example.org/y", "https://example.org/y"),
            ("https://host:8443/@scope", "https://host:8443/@scope"),
            ("https://[::1]/@x", "https://[::1]/@x"),
            ("https:\\\\me:pw@example.org", "https://example.org/"),
            ("", ""),
        ];
        for (text, expected) in cases {
            assert_eq!(mask_url(text), expected, "{text:?}");
            let shown = mask_user_info(text);
            assert!(shown == text || shown.replace("***@", "") == mask_url(text), "{shown:?}");
            assert_eq!(shown == text, mask_url(text) == text, "{text:?}");
        }
        assert_eq!(mask_user_info("https://me:pw@example.org/x"), "https://***@example.org/x");
        assert_eq!(mask_user_info("//me:pw@example.org/x"), "***@example.org/x");
    }
}
