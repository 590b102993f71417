//! Labels, and how long their values may be.

use std::borrow::Cow;

use prometheus_client::encoding::EncodeLabelSet;
use sha2::{Digest, Sha256};

use crate::text::{hex, printable};

/// The word for what is not known yet.
pub(super) const UNKNOWN: &str = "unknown";
/// Characters of a name; no sensible one has as many.
const LONGEST: usize = 120;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct Check {
    pub(super) provider: String,
    pub(super) verdict: &'static str,
    pub(super) reason: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct Provider {
    pub(super) provider: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct Transition {
    pub(super) from: &'static str,
    pub(super) to: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct Alert {
    pub(super) target: String,
    pub(super) event: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct Target {
    pub(super) target: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct Outcome {
    outcome: &'static str,
}

impl Outcome {
    pub(super) fn of(successful: bool) -> Self {
        Self { outcome: if successful { "success" } else { "failure" } }
    }
}

/// A name as a label's value. Two names that would look the same stay apart: Prometheus refuses everything where one
/// series comes twice.
pub(super) fn label(name: &str) -> Cow<'_, str> {
    match printable(name, LONGEST) {
        Cow::Borrowed(name) => Cow::Borrowed(name),
        Cow::Owned(shown) => Cow::Owned(format!("{shown}~{}", hex(&Sha256::digest(name)[..4]))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sensible_names_are_left_alone_and_others_are_short_harmless_and_apart() {
        assert_eq!(label("acme/über \"quoted\""), "acme/über \"quoted\"");
        let long = "n".repeat(10_000);
        let (one, other) = (label(&long).into_owned(), label(&long[1..]).into_owned());
        assert!(one.chars().count() < 140 && one != other, "{one} {other}");
        assert!(!label("a\u{1b}[31m\nb").contains(['\u{1b}', '\n']));
        assert_ne!(label("a\nb"), label("a\\nb"));
    }
}
