//! What verdicts, reasons and causes are called on pages, for people who meet them for the first time.
//!
//! The words of the API stay recognisable: they are what filters, logs and the documents say.

use crate::journal::Cause;
use crate::verdict::Reason;

/// Every reason, in the order in which a list of them is read.
pub(super) const REASONS: [Reason; 13] = [
    Reason::Granted,
    Reason::Unauthorized,
    Reason::Forbidden,
    Reason::NotFound,
    Reason::Disabled,
    Reason::IdentityInvalid,
    Reason::RateLimited,
    Reason::Unreachable,
    Reason::ProviderError,
    Reason::InvalidResponse,
    Reason::BaseUrlUnresolved,
    Reason::TimedOut,
    Reason::PluginFailed,
];

const CAUSES: [Cause; 5] =
    [Cause::Identity, Cause::Forge, Cause::Plugin, Cause::Integration, Cause::Repository];

/// What a verdict is called, and that there is none yet.
pub(super) fn verdict(word: &str) -> &'static str {
    match word {
        "granted" => "Granted",
        "denied" => "Denied",
        "indeterminate" => "Indeterminate",
        "stale" => "Stale",
        _ => "Not known yet",
    }
}

/// What it means.
pub(super) fn verdict_meaning(word: &str) -> &'static str {
    match word {
        "granted" => "the integration reaches it",
        "denied" => "the integration has no access",
        "indeterminate" => "nobody could say yet: an outage or a limit is no loss",
        "stale" => "no clear answer for long, whatever was believed before",
        _ => "no answer yet, or none that is confirmed",
    }
}

/// What a reason is called.
pub(super) fn reason(word: &str) -> &'static str {
    match find(word) {
        Some(Reason::Granted) => "access granted",
        Some(Reason::Unauthorized) => "credential refused",
        Some(Reason::Forbidden) => "not permitted",
        Some(Reason::NotFound) => "not found",
        Some(Reason::Disabled) => "switched off",
        Some(Reason::IdentityInvalid) => "no usable credential",
        Some(Reason::RateLimited) => "forge asks to wait",
        Some(Reason::Unreachable) => "forge not reached",
        Some(Reason::ProviderError) => "forge failed",
        Some(Reason::InvalidResponse) => "answer makes no sense",
        Some(Reason::BaseUrlUnresolved) => "address of the forge unclear",
        Some(Reason::TimedOut) => "took too long",
        Some(Reason::PluginFailed) => "plugin failed",
        None => "unknown",
    }
}

/// What it means.
pub(super) fn reason_meaning(word: &str) -> &'static str {
    match find(word) {
        Some(Reason::Granted) => "The forge shows the repository to the integration's identity.",
        Some(Reason::Unauthorized) => "The identity is not accepted, or not for this organisation.",
        Some(Reason::Forbidden) => "The identity is accepted, this access is not.",
        Some(Reason::NotFound) => "The forge shows no such repository to the identity.",
        Some(Reason::Disabled) => "The repository is there and switched off.",
        Some(Reason::IdentityInvalid) => {
            "There is no usable credential: none configured, expired, or refused by its own issuer."
        }
        Some(Reason::RateLimited) => "The forge limits requests and asks to wait.",
        Some(Reason::Unreachable) => "No answer came: name resolution, connection, TLS or a time-out.",
        Some(Reason::ProviderError) => "The forge answered that it failed.",
        Some(Reason::InvalidResponse) => "The forge's answer makes no sense.",
        Some(Reason::BaseUrlUnresolved) => "The base URL is malformed, and looking it up gave no usable one.",
        Some(Reason::TimedOut) => "The check as a whole took too long.",
        Some(Reason::PluginFailed) => "The plugin failed: a panic, a crash, a broken promise.",
        None => "",
    }
}

/// The verdict that follows from a reason.
pub(super) fn verdict_of(reason: &str) -> &'static str {
    find(reason).map_or("unknown", |reason| reason.verdict().as_str())
}

fn find(word: &str) -> Option<Reason> {
    REASONS.into_iter().find(|reason| reason.as_str() == word)
}

/// What is behind an incident.
pub(super) fn cause(word: &str) -> &'static str {
    match word {
        "identity" => "the integration's credential",
        "forge" => "the forge",
        "plugin" => "the plugin",
        "integration" => "the integration as a whole",
        _ => "the repository alone",
    }
}

/// What to do about it.
pub(super) fn way_out(word: &str) -> &'static str {
    CAUSES.into_iter().find(|cause| cause.as_str() == word).map_or("", Cause::way_out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_and_cause_has_words_of_its_own() {
        let names: std::collections::BTreeSet<_> = REASONS.map(|it| reason(it.as_str())).into();
        assert_eq!(names.len(), REASONS.len());
        assert!(!names.contains("unknown"));
        assert!(REASONS.iter().all(|it| !reason_meaning(it.as_str()).is_empty()));
        let causes: std::collections::BTreeSet<_> = CAUSES.map(|it| cause(it.as_str())).into();
        assert_eq!(causes.len(), CAUSES.len());
        assert!(CAUSES.iter().all(|it| !way_out(it.as_str()).is_empty()));
    }
}
