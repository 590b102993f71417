//! Hides user names and passwords in addresses before these are shown.

use std::borrow::Cow;

/// Replaces user name and password of a URL, well-formed or not, by `***`.
///
/// When in doubt (a password with a raw `/` in it) it masks too much rather than too little.
pub fn mask_user_info(text: &str) -> Cow<'_, str> {
    let start = text.find(':').map_or(0, |colon| {
        let rest = &text[colon + 1..];
        let slashes = rest.len() - rest.trim_start_matches(['/', '\\']).len();
        if slashes == 0 { 0 } else { colon + 1 + slashes }
    });
    let authority = &text[start..];
    let end = authority.find(['/', '\\', '?', '#']).unwrap_or(authority.len());
    let odd_port = authority[..end].rsplit_once(':').is_some_and(|(host, port)| {
        !host.starts_with('[') && port.bytes().any(|byte| !byte.is_ascii_digit())
    });
    let searched = if odd_port { authority } else { &authority[..end] };
    match searched.rfind('@') {
        Some(at) => Cow::Owned(format!("{}***{}", &text[..start], &authority[at..])),
        None => Cow::Borrowed(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks() {
        for (text, want) in [
            ("http://u:p@proxy:3128", "http://***@proxy:3128"),
            ("https://host/", "https://host/"),
            ("https://host/@scope/x", "https://host/@scope/x"),
            ("https://host:8443/@scope", "https://host:8443/@scope"),
            ("https://tok@host/a@b", "https://***@host/a@b"),
            ("https://u:pa/ss@host/", "https://***@host/"),
            ("u:p@host/x", "***@host/x"),
            ("https:\\\\u:p@host", "https:\\\\***@host"),
            ("https://[::1]/@x", "https://[::1]/@x"),
            ("", ""),
        ] {
            assert_eq!(mask_user_info(text), want, "{text}");
        }
    }
}
