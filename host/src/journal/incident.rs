//! Incidents: one for each cause, however many repositories it costs.
//!
//! An incident is opened by a confirmed loss or by an answer that stays unclear, is joined by every repository that
//! fails for the same cause, and is resolved when its cause is gone. Who belongs to which incident is known by the
//! repositories themselves; the book counts them.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use url::Url;

use crate::text::hex;
use crate::verdict::{Moment, Reason};

/// What an incident is about, as far as that can be told from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// The integration's credential is dead.
    Identity,
    /// The forge cannot be reached, or makes no sense.
    Forge,
    /// The plugin fails.
    Plugin,
    /// Many of the integration's repositories at once, and not for its credential.
    Integration,
    /// This repository alone.
    Repository,
}

impl Cause {
    /// What a reason alone says about its cause.
    pub fn of(reason: Reason) -> Self {
        match reason {
            Reason::Unauthorized | Reason::IdentityInvalid => Self::Identity,
            Reason::Granted | Reason::Forbidden | Reason::NotFound | Reason::Disabled => Self::Repository,
            Reason::PluginFailed => Self::Plugin,
            Reason::RateLimited
            | Reason::Unreachable
            | Reason::ProviderError
            | Reason::InvalidResponse
            | Reason::BaseUrlUnresolved
            | Reason::TimedOut => Self::Forge,
        }
    }

    /// The word for people and machines.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::Forge => "forge",
            Self::Plugin => "plugin",
            Self::Integration => "integration",
            Self::Repository => "repository",
        }
    }

    /// What to do about it.
    pub fn way_out(self) -> &'static str {
        match self {
            Self::Identity => "renew the credential of its identity, then reload",
            Self::Forge => {
                "look whether the forge is up and reachable from here; nothing counts as lost meanwhile"
            }
            Self::Plugin => "see `forgewatch plugin list`, and report it to the plugin's author",
            Self::Integration => {
                "look at what changed for the whole integration: permissions, organisation, network"
            }
            Self::Repository => {
                "look whether it was moved, deleted or locked, and what the identity may do there"
            }
        }
    }
}

/// What makes two failures one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fingerprint {
    /// The integration.
    pub integration: String,
    /// Why its checks fail.
    pub reason: Reason,
    /// What is behind it.
    pub cause: Cause,
    /// The repository, when it is that repository's own trouble.
    pub repository: Option<String>,
}

impl Fingerprint {
    /// Of a failure of `repository`; the name counts only where the cause is its own.
    pub fn new(integration: &str, reason: Reason, cause: Cause, repository: &str) -> Self {
        let repository = (cause == Cause::Repository).then(|| repository.to_owned());
        Self { integration: integration.to_owned(), reason, cause, repository }
    }

    /// As short text that is the same in every process and version.
    pub fn digest(&self) -> String {
        let mut hash = Sha256::new();
        let parts = [&self.integration, self.reason.as_str(), self.cause.as_str()];
        for part in parts.into_iter().chain(self.repository.as_deref()) {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
        hex(&hash.finalize()[..8])
    }
}

/// One cause, and what it costs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Incident {
    /// Unique for ever.
    pub id: String,
    /// The digest of what makes its failures one.
    pub fingerprint: String,
    /// The integration that it happens to.
    pub integration: String,
    /// The repository, when it is that one's alone.
    pub repository: Option<String>,
    /// Why its checks fail.
    pub reason: Reason,
    /// What is behind it.
    pub cause: Cause,
    /// What was seen at last, and what to do.
    pub detail: String,
    /// When it was opened.
    pub first_seen: Moment,
    /// When a check failed for it at last.
    pub last_seen: Moment,
    /// When it was over.
    pub resolved_at: Option<Moment>,
    /// Checks that failed for it.
    pub count: u64,
    /// Repositories that it holds now.
    pub affected: u32,
    /// The most that it has held at once.
    pub most_affected: u32,
}

/// The open incidents.
#[derive(Debug, Default)]
pub struct Incidents {
    open: BTreeMap<String, Incident>,
}

/// What came of a failure for its incident.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Joined {
    /// It opened one.
    Opened,
    /// There was one already.
    Updated,
}

impl Incidents {
    /// Those that were open when they were stored; who is affected is counted anew, by [`Incidents::hold`].
    pub fn restore(stored: impl IntoIterator<Item = Incident>) -> Self {
        let open = stored.into_iter().filter(|incident| incident.resolved_at.is_none());
        let open = open.map(|incident| (incident.fingerprint.clone(), Incident { affected: 0, ..incident }));
        Self { open: open.collect() }
    }

    /// Those that are open, by fingerprint.
    pub fn open(&self) -> impl Iterator<Item = &Incident> {
        self.open.values()
    }

    /// An open incident.
    pub fn get(&self, fingerprint: &str) -> Option<&Incident> {
        self.open.get(fingerprint)
    }

    /// Counts a repository that belongs to an open incident; whether there is such an incident.
    pub fn hold(&mut self, fingerprint: &str) -> bool {
        let Some(incident) = self.open.get_mut(fingerprint) else { return false };
        incident.affected += 1;
        incident.most_affected = incident.most_affected.max(incident.affected);
        true
    }

    /// Takes a failure in; the repository is counted by [`Incidents::hold`], once.
    pub fn failed(&mut self, fingerprint: &Fingerprint, detail: &str, at: Moment) -> (Joined, &mut Incident) {
        let digest = fingerprint.digest();
        let mut joined = Joined::Updated;
        let incident = self.open.entry(digest.clone()).or_insert_with(|| {
            joined = Joined::Opened;
            Incident {
                id: format!("{digest}-{:x}", at.unix_ms()),
                fingerprint: digest,
                integration: fingerprint.integration.clone(),
                repository: fingerprint.repository.clone(),
                reason: fingerprint.reason,
                cause: fingerprint.cause,
                detail: detail.to_owned(),
                first_seen: at,
                last_seen: at,
                resolved_at: None,
                count: 0,
                affected: 0,
                most_affected: 0,
            }
        });
        incident.count_failure(detail, at);
        (joined, incident)
    }

    /// Counts a failure of a repository that an open incident holds already.
    pub fn again(&mut self, fingerprint: &str, detail: &str, at: Moment) -> Option<&Incident> {
        let incident = self.open.get_mut(fingerprint)?;
        incident.count_failure(detail, at);
        Some(incident)
    }

    /// Lets a repository go; the incident, resolved, if that was the last one.
    pub fn release(&mut self, fingerprint: &str, at: Moment) -> Option<Incident> {
        let incident = self.open.get_mut(fingerprint)?;
        incident.affected = incident.affected.saturating_sub(1);
        if incident.affected == 0 { self.resolve(fingerprint, at) } else { None }
    }

    /// Ends an incident, whomever it still holds.
    pub fn resolve(&mut self, fingerprint: &str, at: Moment) -> Option<Incident> {
        let mut incident = self.open.remove(fingerprint)?;
        incident.resolved_at = Some(at.max(incident.last_seen));
        Some(incident)
    }
}

impl Incident {
    /// Its page, below that of the daemon.
    pub fn page(&self, page: &Url) -> Option<Url> {
        let mut url = page.clone();
        url.path_segments_mut().ok()?.pop_if_empty().extend(["incidents", &self.id]);
        Some(url)
    }

    fn count_failure(&mut self, detail: &str, at: Moment) {
        self.count += 1;
        self.last_seen = self.last_seen.max(at);
        if !detail.is_empty() && self.detail != detail {
            detail.clone_into(&mut self.detail);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Moment {
        (std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_millis(ms)).into()
    }

    fn print_of(reason: Reason, repository: &str) -> Fingerprint {
        Fingerprint::new("acme", reason, Cause::of(reason), repository)
    }

    #[test]
    fn a_dead_identity_is_one_incident_and_missing_repositories_are_each_their_own() {
        let digest = |reason, name| print_of(reason, name).digest();
        assert_eq!(digest(Reason::Unauthorized, "a"), digest(Reason::Unauthorized, "b"));
        assert_eq!(digest(Reason::Unreachable, "a"), digest(Reason::Unreachable, "b"));
        assert_ne!(digest(Reason::NotFound, "a"), digest(Reason::NotFound, "b"));
        assert_ne!(digest(Reason::Unauthorized, "a"), digest(Reason::IdentityInvalid, "a"));
    }

    #[test]
    fn it_opens_once_and_is_resolved_when_it_holds_nobody() {
        let mut incidents = Incidents::default();
        let print = print_of(Reason::Unauthorized, "a");
        for (n, expected) in [(1, Joined::Opened), (2, Joined::Updated), (3, Joined::Updated)] {
            let (joined, incident) = incidents.failed(&print, "dead", at(n));
            assert_eq!((joined, incident.count), (expected, n));
            let fingerprint = incident.fingerprint.clone();
            assert!(incidents.hold(&fingerprint));
        }
        let fingerprint = print.digest();
        assert!(incidents.release(&fingerprint, at(4)).is_none());
        assert!(incidents.release(&fingerprint, at(5)).is_none());
        let resolved = incidents.release(&fingerprint, at(6)).unwrap();
        assert_eq!((resolved.affected, resolved.most_affected, resolved.resolved_at), (0, 3, Some(at(6))));
        assert!(incidents.get(&fingerprint).is_none());
    }

    #[test]
    fn the_same_cause_later_is_another_incident() {
        let mut incidents = Incidents::default();
        let print = print_of(Reason::Unauthorized, "a");
        let first = incidents.failed(&print, "", at(1)).1.id.clone();
        incidents.resolve(&print.digest(), at(2));
        assert_ne!(incidents.failed(&print, "", at(3)).1.id, first);
    }

    #[test]
    fn what_was_open_is_open_after_a_restart_and_counts_its_repositories_anew() {
        let mut incidents = Incidents::default();
        let print = print_of(Reason::Unauthorized, "a");
        incidents.failed(&print, "", at(1));
        incidents.hold(&print.digest());
        let stored: Vec<_> = incidents.open().cloned().collect();
        let mut restored = Incidents::restore(stored);
        assert_eq!(restored.get(&print.digest()).unwrap().affected, 0);
        assert!(restored.hold(&print.digest()));
        assert!(!restored.hold("unknown"));
    }
}
