//! What may be said of a token: the word that it begins with, where that names the kind of token.
//!
//! Forges give tokens such a word, like `glpat-`, so that people and scanners know them. No list of them is kept here, so
//! form has to tell: small letters and a separator, and behind that what looks made by chance and is long enough to be
//! a secret by itself. Whatever is said, at least [`SHORTEST_SECRET`] characters are not. A token without a word that
//! happens to begin like one shows those few letters, and is none the easier to guess for it.

/// Letters of a word.
const WORD: std::ops::RangeInclusive<usize> = 3..=11;
/// Words that follow another and still say what a token is.
const SECOND_WORDS: [&str; 4] = ["pat", "token", "key", "app"];
/// Characters that have to be left.
const SHORTEST_SECRET: usize = 16;

/// The word or two that a token begins with, the separator included.
pub(super) fn prefix(token: &str) -> Option<&str> {
    let mut end = word(token)?;
    let rest = &token[end..];
    if let Some(more) = word(rest)
        && SECOND_WORDS.contains(&&rest[..more - 1])
    {
        end += more;
    }
    let (prefix, secret) = token.split_at(end);
    is_secret(secret).then_some(prefix)
}

/// Where the word at the beginning ends, its separator included.
fn word(text: &str) -> Option<usize> {
    let letters = text.bytes().take_while(u8::is_ascii_lowercase).count();
    let is_separated = matches!(text.as_bytes().get(letters), Some(b'_' | b'-'));
    (WORD.contains(&letters) && is_separated).then_some(letters + 1)
}

/// Sentences and names have no digits among their letters; what is made by chance has.
fn is_secret(text: &str) -> bool {
    text.len() >= SHORTEST_SECRET
        && text.bytes().all(|byte| byte.is_ascii_graphic())
        && text.bytes().any(|byte| byte.is_ascii_digit())
        && text.bytes().any(|byte| byte.is_ascii_alphabetic())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn words_of_forges_are_recognised_and_nothing_else_is() {
        for (token, expected) in [
            ("ghp_16C7e42F292c6912E7710c838347Ae178B4a", Some("ghp_")),
            ("github_pat_11ABCDEFG0aBcDeFgHiJkL_mNoPqRsTuVwXyZ0123456789", Some("github_pat_")),
            ("glpat-x1y2z3-_abcdefghijkl", Some("glpat-")),
            ("glpat-abc-y2z3_abcdefghijkl", Some("glpat-")),
            ("gloas-0123456789abcdef0123", Some("gloas-")),
            ("ghp_short1", None),
            ("eyJ0eXAiOiJKV1QiLCJhbGciOiJSUzI1NiJ9.eyJhIjoxfQ.c2lnbmF0dXJl", None),
            ("x7kq2m5n8p3r6t9w1z4c7v0b2n5m8q3r6t9w1z4c7v0b2n5m8q3r", None),
            ("3f2504e0-4f89-11d3-9a0c-0305e82c3301", None),
            ("correct-horse-battery-staple", None),
            ("deploy-bot-of-the-web-team", None),
            ("GHP_16C7e42F292c6912E7710c838347Ae178B4a", None),
            ("abcdefghijkl_0123456789abcdef", None),
            ("ab_0123456789abcdef", None),
            ("ghp_é123456789abcdef", None),
            ("ghp_", None),
            ("_", None),
            ("", None),
        ] {
            assert_eq!(prefix(token), expected, "{token}");
        }
    }

    proptest! {
        #[test]
        fn what_is_said_is_a_word_and_what_is_left_is_a_secret(token in "[a-z]{0,12}[-_]?[ -~é]{0,60}") {
            let Some(prefix) = prefix(&token) else { return Ok(()) };
            let secret = token.strip_prefix(prefix).unwrap();
            prop_assert!(secret.len() >= SHORTEST_SECRET, "{token}");
            prop_assert!(prefix.ends_with(['-', '_']) && prefix.len() <= 18, "{prefix}");
            let mut words = prefix[..prefix.len() - 1].split(['-', '_']);
            let first = words.next().unwrap();
            prop_assert!(WORD.contains(&first.len()) && first.bytes().all(|byte| byte.is_ascii_lowercase()));
            prop_assert!(words.next().is_none_or(|word| SECOND_WORDS.contains(&word)) && words.next().is_none());
        }

        #[test]
        fn behind_a_word_no_character_of_a_secret_is_said(
            word in "[a-z]{3,11}[-_]",
            is_two in any::<bool>(),
            secret in "[A-Za-z0-9_-]{16,80}",
        ) {
            let word = if is_two { word + "pat_" } else { word };
            let said = prefix(&word);
            prop_assert_eq!(said, None, "a word alone is no token");
            let token = format!("{word}{secret}");
            prop_assert!(prefix(&token).is_none_or(|said| said == word || is_second_word(&secret)), "{token}");
        }

        /// Tokens without a word, in the alphabets that have no separators.
        #[test]
        fn of_what_is_all_secret_nothing_is_said(secret in "[A-Za-z0-9+/=.~]{0,90}") {
            prop_assert_eq!(prefix(&secret), None);
        }
    }

    /// By chance a secret can begin with a word that everybody knows.
    fn is_second_word(secret: &str) -> bool {
        SECOND_WORDS
            .iter()
            .any(|word| secret.strip_prefix(word).is_some_and(|rest| rest.starts_with(['-', '_'])))
    }
}
