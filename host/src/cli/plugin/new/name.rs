//! Which names a plugin's crate may have, and what its files say in their place.

use crate::text::printable;

/// So much fits into the lines of the files as they are formatted.
const LONGEST: usize = 50;

/// What Rust keeps for itself: no name of a crate.
const KEYWORDS: &[&str] = &[
    "abstract", "as", "async", "await", "become", "box", "break", "const", "continue", "crate", "do", "dyn",
    "else", "enum", "extern", "false", "final", "fn", "for", "gen", "if", "impl", "in", "let", "loop",
    "macro", "match", "mod", "move", "mut", "override", "priv", "pub", "ref", "return", "self", "static",
    "struct", "super", "trait", "true", "try", "type", "typeof", "union", "unsafe", "unsized", "use",
    "virtual", "where", "while", "yield",
];
/// Crates that come with Rust, folders that cargo makes, and what the crate depends on.
const RESERVED: &[&str] = &[
    "alloc",
    "build",
    "core",
    "deps",
    "examples",
    "forgewatch",
    "forgewatch_plugin_api",
    "incremental",
    "proc_macro",
    "serde_json",
    "std",
    "test",
    "tests",
];
/// Names that some systems keep for devices.
const DEVICES: &[&str] = &["aux", "com1", "com2", "con", "lpt1", "lpt2", "nul", "prn"];

/// Why `name` can be no crate's and no provider's, and one that can.
pub(super) fn judge(name: &str) -> Result<(), String> {
    let shown = printable(name, 60);
    let Some(why) = fault(name) else { return Ok(()) };
    let way_out = match name.rsplit_once(['/', '\\']) {
        Some((dir, last)) if fault(last).is_none() => format!("write `{last} --dir {}`", printable(dir, 200)),
        _ => format!("try `{}`", suggestion(name)),
    };
    Err(format!("`{shown}` can be no plugin's name: {why}; {way_out}"))
}

fn fault(name: &str) -> Option<String> {
    let underscored = name.replace('-', "_");
    let is = |list: &[&str]| list.contains(&underscored.as_str());
    if name.is_empty() {
        return Some("it is empty".to_owned());
    }
    if name.contains(['/', '\\']) || name.starts_with('.') {
        return Some("it is a path, and the name alone goes here".to_owned());
    }
    if name.contains(char::is_uppercase) {
        return Some("a provider's key has small letters".to_owned());
    }
    if let Some(odd) = name.chars().find(|char| !matches!(char, 'a'..='z' | '0'..='9' | '-' | '_')) {
        return Some(format!(
            "`{}` is neither a letter from a to z nor a digit, `-` or `_`",
            printable(&odd.to_string(), 10)
        ));
    }
    if !name.starts_with(|first: char| first.is_ascii_lowercase()) {
        return Some("it begins with something else than a letter".to_owned());
    }
    if !name.ends_with(|last: char| last.is_ascii_alphanumeric()) || underscored.contains("__") {
        return Some("each `-` and `_` stands between two letters or digits".to_owned());
    }
    if name.len() > LONGEST {
        return Some(format!("it is longer than {LONGEST} characters"));
    }
    if is(KEYWORDS) {
        return Some("it is a word of Rust's".to_owned());
    }
    (is(RESERVED) || is(DEVICES))
        .then(|| "it is taken by Rust, by cargo or by what the crate depends on".to_owned())
}

/// A name that is one, and near.
fn suggestion(name: &str) -> String {
    let last = name.trim_end_matches(['/', '\\']).rsplit(['/', '\\']).next().unwrap_or_default();
    let dashed: String = last
        .chars()
        .map(|char| if char.is_ascii_alphanumeric() { char.to_ascii_lowercase() } else { '-' })
        .collect();
    let parts: Vec<_> = dashed.split('-').filter(|part| !part.is_empty()).collect();
    let mut near = parts.join("-");
    near.truncate(LONGEST - "forge--forge".len());
    let near = near.trim_end_matches('-');
    let near = if near.starts_with(|first: char| first.is_ascii_digit()) {
        format!("forge-{near}")
    } else {
        near.to_owned()
    };
    match fault(&near) {
        None => near,
        Some(_) if near.is_empty() => "my-forge".to_owned(),
        Some(_) => format!("{near}-forge"),
    }
}

/// The forms of a name that stand in the files.
pub(super) struct Names {
    key: String,
    underscored: String,
    host: String,
    title: String,
    variable: String,
}

impl Names {
    pub(super) fn of(name: &str) -> Self {
        let underscored = name.replace('-', "_");
        let words = underscored.split('_').map(|word| {
            let (first, rest) = word.split_at(1);
            first.to_ascii_uppercase() + rest
        });
        Self {
            key: name.to_owned(),
            host: underscored.replace('_', "-"),
            title: words.collect::<Vec<_>>().join(" "),
            variable: underscored.to_ascii_uppercase(),
            underscored,
        }
    }

    /// The text of a file with this name in place of `my-forge`.
    pub(super) fn put_into(&self, text: &str) -> String {
        // A mark first, so that no name is taken for a part of another.
        let forms = [
            ("my-forge.example", "\u{1}h", format!("{}.example", self.host)),
            (r"my-forge\.example", "\u{1}p", format!(r"{}\.example", self.host)),
            ("my-forge", "\u{1}k", self.key.clone()),
            ("my_forge", "\u{1}u", self.underscored.clone()),
            ("My Forge", "\u{1}t", self.title.clone()),
            ("MY_FORGE", "\u{1}v", self.variable.clone()),
        ];
        let marked = forms.iter().fold(text.to_owned(), |text, (old, mark, _)| text.replace(old, mark));
        forms.iter().fold(marked, |text, (_, mark, new)| text.replace(mark, new))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_are_none_are_refused_with_one_that_is() {
        #[rustfmt::skip]
        let table = [
            ("", "is empty", "try `my-forge`"),
            ("My-Forge", "small letters", "try `my-forge`"),
            ("my forge", "` ` is neither", "try `my-forge`"),
            ("my.forge", "`.` is neither", "try `my-forge`"),
            ("förge", "`ö` is neither", "try `f-rge`"),
            ("\u{1b}[2j", "neither", "try `forge-2j`"),
            ("4ge", "something else than a letter", "try `forge-4ge`"),
            ("-forge", "something else than a letter", "try `forge`"),
            ("_", "something else than a letter", "try `my-forge`"),
            ("forge-", "between two letters", "try `forge`"),
            ("my--forge", "between two letters", "try `my-forge`"),
            ("match", "word of Rust's", "try `match-forge`"),
            ("self", "word of Rust's", "try `self-forge`"),
            ("test", "taken by Rust", "try `test-forge`"),
            ("core", "taken by Rust", "try `core-forge`"),
            ("proc-macro", "taken by Rust", "try `proc-macro-forge`"),
            ("forgewatch-plugin-api", "depends on", "try `forgewatch-plugin-api-forge`"),
            ("con", "taken by", "try `con-forge`"),
            ("plugins/my-forge", "is a path", "write `my-forge --dir plugins`"),
            ("/tmp/My Forge/", "is a path", "try `my-forge`"),
            ("..", "is a path", "try `my-forge`"),
            (&"a".repeat(51), "longer than 50", "try `aaaa"),
        ];
        for (name, why, way_out) in table {
            let problem = judge(name).unwrap_err();
            assert!(problem.contains(why) && problem.contains(way_out), "{problem}");
            assert!(!problem.contains('\u{1b}'), "{problem:?}");
            let suggested = suggestion(name);
            assert_eq!(fault(&suggested), None, "{name} -> {suggested}");
        }
        for name in ["my-forge", "a", "forge2", "my_forge", "tester", &"a".repeat(50)] {
            assert_eq!(judge(name), Ok(()));
        }
    }

    #[test]
    fn every_form_of_a_name_is_put_in() {
        let text = r"my-forge my_forge My Forge MY_FORGE_TOKEN https://my-forge.example/ my-forge\.example";
        assert_eq!(
            Names::of("code_hub-2").put_into(text),
            r"code_hub-2 code_hub_2 Code Hub 2 CODE_HUB_2_TOKEN https://code-hub-2.example/ code-hub-2\.example"
        );
        assert_eq!(Names::of("my-forge").put_into(text), text);
        assert_eq!(Names::of("my-forge-2").put_into("my-forge my_forge"), "my-forge-2 my_forge_2");
    }
}
