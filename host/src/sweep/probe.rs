//! Asking a forge about an identity: who it is, when it ends, what it may do.
//!
//! Nothing here is a verdict. What cannot be had is left out, and only the debug log says why. What comes from a forge
//! through a plugin is cut to size and made harmless.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use forgewatch_plugin_api::{Failure, IdentityProbe, Requirements};
use tokio::time::{Instant, timeout_at};
use tracing::Instrument;

use super::Integration;
use crate::plugins::Client;
use crate::services::call::{self, CallRecord};
use crate::text::printable;

/// Characters of a name.
const LONGEST_SUBJECT: usize = 200;
/// Scopes that are kept, and characters of each.
const MOST_SCOPES: usize = 50;
const LONGEST_SCOPE: usize = 100;

/// What a forge says of an identity, as far as it could be had.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Probed {
    /// Who it is.
    pub who: Option<Who>,
    /// What it may do, in our words.
    pub may: Option<Requirements>,
}

/// Who an identity is for a forge. All text in it is safe to print.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Who {
    /// For whom it speaks, as the forge calls that.
    pub subject: Option<String>,
    /// When it ends, as far as the forge says so.
    pub expires_at: Option<SystemTime>,
    /// What it may do, in the forge's words.
    pub scopes: Vec<String>,
}

/// What came of asking.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Probe {
    /// The forge has said something.
    Said(Probed),
    /// Nothing could be had this time.
    Silent,
    /// The plugin has no way to ask.
    Unsupported,
}

/// What one of the two questions came to.
enum Part<T> {
    Had(T),
    Failed,
    Unsupported,
}

impl Integration {
    /// Asks about its identity, within `limit`. Cancel-safe.
    pub async fn probe(&self, client: &Client, limit: Duration) -> Probe {
        let deadline = Instant::now() + limit;
        let host = || self.services.host_object();
        let who = self.part("who it is", deadline, client.probe_identity(host())).await;
        let may = self.part("what it may do", deadline, client.requirements(host())).await;
        match (who, may) {
            (Part::Unsupported, Part::Unsupported) => Probe::Unsupported,
            (who, may) => match (who.had(), may.had()) {
                (None, None) => Probe::Silent,
                (who, may) => Probe::Said(Probed { who: who.map(Who::from), may }),
            },
        }
    }

    async fn part<T>(
        &self,
        what: &str,
        deadline: Instant,
        call: impl Future<Output = Result<T, Failure>>,
    ) -> Part<T> {
        let integration = printable(&self.name, 500);
        let span = tracing::error_span!("probe", %integration);
        let call = call::scope(Arc::new(CallRecord::default()), call.instrument(span));
        match timeout_at(deadline, call).await {
            Ok(Ok(part)) => Part::Had(part),
            Ok(Err(failure)) if failure.is_unsupported() => Part::Unsupported,
            Ok(Err(failure)) => {
                let detail = printable(failure.detail(), 500);
                tracing::debug!(%integration, "nobody could say of its identity {what}: {detail}");
                Part::Failed
            }
            Err(_) => {
                tracing::debug!(%integration, "it took too long to say of its identity {what}");
                Part::Failed
            }
        }
    }
}

impl<T> Part<T> {
    fn had(self) -> Option<T> {
        match self {
            Self::Had(part) => Some(part),
            Self::Failed | Self::Unsupported => None,
        }
    }
}

impl Probed {
    /// With what was known before in place of what is missing.
    #[must_use]
    pub fn or(self, former: Option<&Self>) -> Self {
        let former = former.cloned().unwrap_or_default();
        Self { who: self.who.or(former.who), may: self.may.or(former.may) }
    }
}

impl From<IdentityProbe> for Who {
    fn from(probe: IdentityProbe) -> Self {
        let subject = printable(probe.subject(), LONGEST_SUBJECT).into_owned();
        let scopes = probe.scopes().iter().take(MOST_SCOPES);
        Self {
            subject: (!subject.is_empty()).then_some(subject),
            expires_at: probe.expires_at(),
            scopes: scopes.map(|scope| printable(scope, LONGEST_SCOPE).into_owned()).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_forge_says_is_made_harmless_and_short() {
        let end = SystemTime::UNIX_EPOCH + Duration::from_secs(4_000_000_000);
        let mut probe = IdentityProbe::new(format!("\u{1b}[31m{}", "x".repeat(5_000))).with_expiry(end);
        for number in 0..500 {
            probe = probe.with_scope(format!("scope:{number}\u{7}{}", "y".repeat(1_000)));
        }
        let who = Who::from(probe);
        let subject = who.subject.unwrap();
        assert!(subject.starts_with("\\u{1b}[31mxxx") && subject.ends_with("x…") && subject.len() < 220);
        assert_eq!((who.scopes.len(), who.expires_at), (MOST_SCOPES, Some(end)));
        assert!(who.scopes.iter().all(|it| it.contains("\\u{7}y") && it.ends_with('…') && it.len() < 120));
        assert_eq!(Who::from(IdentityProbe::default()), Who::default());
    }
}
