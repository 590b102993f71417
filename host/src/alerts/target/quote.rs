//! Foreign text for people: one bounded line in which nothing acts, wherever it is shown in the end.
//!
//! A character that programs act on is replaced by one that looks like it, since entities and backslashes mean
//! something else in each of them. Between those that only together mean something comes a space without width.

use crate::text::printable;

/// A space without width, which programs take for the end of a word.
const GAP: char = '\u{200b}';

/// One line without mentions and links, for mail and other plain text.
pub(super) fn plain(text: &str, max_chars: usize) -> String {
    let mut quoted = String::with_capacity(text.len());
    let mut before = ' ';
    for char in printable(text.trim(), max_chars).chars() {
        match (before, char) {
            // `someone@host` is no mention, and stays fit to be copied.
            ('@', _) if !char.is_whitespace() && !ends_in_address(&quoted) => quoted.push(GAP),
            (':', '/') | (']', '(') => quoted.push(GAP),
            ('.' | ':', _) if !char.is_whitespace() && begins_link(&quoted) => quoted.push(GAP),
            _ => {}
        }
        quoted.push(char);
        before = char;
    }
    quoted
}

/// The same without anything that chats and mark-up languages act on.
pub(super) fn bare(text: &str, max_chars: usize) -> String {
    let look_alike = |char| match char {
        '<' => '‹',
        '>' => '›',
        '&' => '＆',
        '`' => '\'',
        other => other,
    };
    plain(text, max_chars).chars().map(look_alike).collect()
}

/// The same as code, as chats have it.
pub(super) fn code(text: &str, max_chars: usize) -> String {
    match bare(text, max_chars) {
        // Two of them alone would begin another quotation.
        text if text.is_empty() => "–".to_owned(),
        text => format!("`{text}`"),
    }
}

/// Whether text that ends with an `@` has something before it that makes it an address.
fn ends_in_address(text: &str) -> bool {
    text.chars().rev().nth(1).is_some_and(char::is_alphanumeric)
}

/// Whether programs make a link of whatever follows this, though it has no `//`.
fn begins_link(text: &str) -> bool {
    ["www.", "mailto:"].iter().any(|link| {
        let start = text.len().checked_sub(link.len());
        start.and_then(|start| text.get(start..)).is_some_and(|end| end.eq_ignore_ascii_case(link))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_acts() {
        for (text, expected) in [
            ("plain ü text", "plain ü text"),
            ("<!channel> <https://e.example|x>", "‹!channel› ‹https:\u{200b}//e.example|x›"),
            ("@here @channel", "@\u{200b}here @\u{200b}channel"),
            ("git@host:team/app.git", "git@host:team/app.git"),
            ("(@all) x-@all a@@all", "(@\u{200b}all) x-@\u{200b}all a@@\u{200b}all"),
            ("[x](https://e.example)", "[x]\u{200b}(https:\u{200b}//e.example)"),
            ("a`b``` &lt;!here&gt;", "a'b''' ＆lt;!here＆gt;"),
            ("a\nb\r\n\x1b[31m", "a\\nb\\r\\n\\u{1b}[31m"),
            ("www.e.example WWW.e.example (www.", "www.\u{200b}e.example WWW.\u{200b}e.example (www."),
            ("MailTo:a@e.example", "MailTo:\u{200b}a@e.example"),
            ("w.example üwww: 1.5", "w.example üwww: 1.5"),
            ("  \n ", ""),
            ("@ home", "@ home"),
        ] {
            assert_eq!(bare(text, 100), expected, "{text}");
        }
        assert_eq!(code("``", 10), "`''`");
        assert_eq!(code(" ", 10), "–");
        assert_eq!(plain("a < b && `c`", 20), "a < b && `c`");
        assert!(bare(&"@a ".repeat(1000), 100).chars().count() <= 200);
    }
}
