//! Values inside details: quoted, short, on one line, without user information.

use std::fmt;

/// Longest shown value, in characters.
const LIMIT: usize = 120;

/// A value between backticks, cut short, its control characters escaped.
pub struct Shown<'a>(pub &'a str);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0.chars();
        f.write_str("`")?;
        for c in rest.by_ref().take(LIMIT) {
            if c.is_control() {
                write!(f, "{}", c.escape_default())?;
            } else {
                write!(f, "{c}")?;
            }
        }
        f.write_str(if rest.next().is_some() { "…`" } else { "`" })
    }
}

/// A URL, or what was meant as one, from its host on when user information stands before it.
///
/// A password may hold what ends an authority; where that is unclear, rather too much is left out.
pub fn without_user_info(url: &str) -> &str {
    let start = url.find("://").map_or(0, |at| at + 3);
    let rest = url[start..].trim_start_matches('/');
    let authority = &rest[..rest.find(['/', '?', '#', '\\']).unwrap_or(rest.len())];
    // A password may hold a slash; a port is made of digits.
    let is_port = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let is_odd = authority.rsplit_once(':').is_some_and(|(_, port)| !is_port(port));
    let searched = if is_odd { rest } else { authority };
    match searched.rfind('@') {
        Some(at) => &rest[at + 1..],
        None => url,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_short_and_on_one_line() {
        assert_eq!(Shown("a\nb\0").to_string(), "`a\\nb\\u{0}`");
        assert_eq!(Shown(&"é".repeat(LIMIT)).to_string().chars().count(), LIMIT + 2);
        assert!(Shown(&"é".repeat(LIMIT + 1)).to_string().ends_with("é…`"));
    }

    #[test]
    fn user_information_is_left_out() {
        for (url, expected) in [
            ("https://me:secret@dev.azure.com/contoso", "dev.azure.com/contoso"),
            ("https://a@secret@dev.azure.com", "dev.azure.com"),
            ("me:secret@dev.azure.com/contoso", "dev.azure.com/contoso"),
            ("https://me:sec/ret@dev.azure.com/contoso", "dev.azure.com/contoso"),
            ("https://me:sec?r#e@t@dev.azure.com/contoso", "dev.azure.com/contoso"),
            ("me:sec\\ret@dev.azure.com/contoso", "dev.azure.com/contoso"),
            ("https://ado.example:8443/a@b", "https://ado.example:8443/a@b"),
            ("https://me:se/cret@dev.azure.com/contoso", "dev.azure.com/contoso"),
            ("https:/me:secret@dev.azure.com/contoso", "dev.azure.com/contoso"),
            ("//me:secret@dev.azure.com/contoso", "dev.azure.com/contoso"),
            ("https://dev.azure.com:8443/a@b", "https://dev.azure.com:8443/a@b"),
            ("https://dev.azure.com/a@b", "https://dev.azure.com/a@b"),
            ("contoso", "contoso"),
        ] {
            assert_eq!(without_user_info(url), expected);
        }
    }
}
