//! What can be wrong with a configuration, and how it is told: what, where, and the way out.
//!
//! Everything wrong is collected and told at once. No message ever holds a value that could be a secret; keys
//! and file names are shown with control characters escaped.

use std::{fmt, path::PathBuf};

use crate::text::printable;

/// Characters of a path; no system takes a longer one.
const LONGEST_PATH: usize = 4096;

/// Where a setting comes from.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    /// A file, as it was named, and the line if it is known.
    File {
        /// The file.
        path: PathBuf,
        /// Line, counted from 1.
        line: Option<usize>,
    },
    /// An environment variable, by its name.
    Environment(String),
    /// A `--set`, by its key.
    Set(String),
    /// The command line's `--profile`.
    Profile,
    /// Nobody set it.
    Default,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, line } => {
                f.write_str(&printable(&path.to_string_lossy(), LONGEST_PATH))?;
                line.map_or(Ok(()), |line| write!(f, ":{line}"))
            }
            Self::Environment(name) => write!(f, "environment variable {}", name.escape_debug()),
            Self::Set(key) => write!(f, "--set {key}"),
            Self::Profile => f.write_str("--profile"),
            Self::Default => f.write_str("built-in default"),
        }
    }
}

/// One thing that is wrong, or worth a warning.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Problem {
    /// The setting, written as a TOML key; empty when a file as a whole is meant.
    pub key: String,
    /// What set it.
    pub source: Option<Source>,
    /// What is wrong: lower case, no full stop, reads on after the key and a colon.
    pub message: String,
    /// How to put it right.
    pub help: Option<String>,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        f.write_str(&self.message)?;
        if let Some(source) = &self.source {
            write!(f, "\n  where: {source}")?;
        }
        self.help.as_ref().map_or(Ok(()), |help| write!(f, "\n  fix: {help}"))
    }
}

/// Everything that is wrong with a configuration; never empty.
#[derive(Debug, PartialEq, Eq)]
pub struct Problems(pub Vec<Problem>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            let gap = if index == 0 { "" } else { "\n\n" };
            write!(f, "{gap}{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

/// Writes a path of keys as one TOML key, quoted where needed.
pub fn dotted<S: AsRef<str>>(path: &[S]) -> String {
    let keys: Vec<_> =
        path.iter().map(|key| toml_edit::Key::new(key.as_ref()).display_repr().into_owned()).collect();
    keys.join(".")
}

/// The candidate that `word` was probably meant to be; upper and lower case are alike.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let limit = (word.chars().count() / 3).max(1);
    let word = word.to_lowercase();
    candidates
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(&word, &candidate.to_lowercase()), candidate))
        .filter(|(distance, _)| *distance <= limit)
        .min()
        .map(|(_, candidate)| candidate)
}

/// `did you mean …`, when there is a near candidate.
pub(super) fn did_you_mean<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<String> {
    nearest(word, candidates).map(|candidate| format!("did you mean `{candidate}`?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_block_per_problem() {
        let problem = |key: &str, source, help: Option<&str>| Problem {
            key: key.into(),
            source,
            message: "not a duration".into(),
            help: help.map(Into::into),
        };
        let file = Source::File { path: "/etc/a\nb.toml".into(), line: Some(3) };
        let problems = Problems(vec![
            problem("http.timeout", Some(file), Some("write one")),
            problem("", Some(Source::Set("a.b".into())), None),
        ]);
        assert_eq!(
            problems.to_string(),
            "http.timeout: not a duration\n  where: /etc/a\\nb.toml:3\n  fix: write one\n\n\
             not a duration\n  where: --set a.b"
        );
    }

    #[test]
    fn keys_and_suggestions() {
        assert_eq!(dotted(&["a", "b.c", "d"]), "a.\"b.c\".d");
        assert_eq!(nearest("domain_nmae", ["provider", "domain_name"]), Some("domain_name"));
        assert_eq!(nearest("PAT", ["pat", "basic"]), Some("pat"));
        assert_eq!(nearest("colour", ["provider", "domain_name"]), None);
    }
}
