//! What is known of every repository and every integration at this moment.
//!
//! One lock guards all of it. The conductor alone writes, for microseconds at a time; everybody else reads. Nothing
//! here waits or does I/O.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::journal::{Incident, Incidents};
use crate::prepare::{Watched, World};
use crate::sweep::CheckResult;
use crate::verdict::{Confirmed, Moment, Pending, Reason, Standing, Verdict};

/// Everything that is known.
pub struct Ledger {
    /// What is watched.
    pub world: Arc<World>,
    /// What is known of each repository, in the order of `world.repositories`.
    pub entries: Vec<Entry>,
    /// What is known of each integration, by name.
    pub integrations: BTreeMap<String, Standby>,
    /// Open incidents.
    pub incidents: Incidents,
    /// What is known of repositories that are not watched now: half a configuration must not cost what was found out.
    put_away: HashMap<String, Entry>,
}

/// What is known of a repository.
#[derive(Clone, Debug, Default)]
pub struct Entry {
    /// Tells which repository of which integration this was found out about; a configuration may give a name to
    /// something else.
    pub subject: u64,
    /// What is believed.
    pub standing: Standing,
    /// What the last check saw.
    pub seen: Option<Seen>,
    /// Fingerprint of the open incident that it belongs to.
    pub incident: Option<Box<str>>,
    /// Whether it was told that no answer has been clear for long.
    pub stale: bool,
    /// Whether a denial was seen since its incident was ended by others.
    pub doubted: bool,
    /// When the next check is due, by the wall clock as it is now; none while one runs.
    pub next_check: Option<Moment>,
}

/// An entry as the state keeps it, in JSON. It is written with every check and read by the hundred thousand: what serde
/// flattens goes through a buffer of loose values each time.
#[derive(Serialize, Deserialize)]
struct Saved<S, I> {
    subject: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    confirmed: Option<Confirmed>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pending: Option<Pending>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unclear_since: Option<Moment>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seen: Option<S>,
    #[serde(skip_serializing_if = "Option::is_none")]
    incident: Option<I>,
    #[serde(default, skip_serializing_if = "is_false")]
    stale: bool,
}

/// What one check saw.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Seen {
    /// Why it ended as it did.
    pub reason: Reason,
    /// One sentence; safe to print.
    #[serde(default, skip_serializing_if = "str::is_empty")]
    pub detail: Box<str>,
    /// Status of the last answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http_status: Option<u16>,
    /// Seconds after which the forge wants to be asked again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_s: Option<u64>,
    /// When it began.
    pub at: Moment,
    /// How long it took, in microseconds.
    pub took_us: u32,
}

/// How an integration does.
#[derive(Clone, Debug, Default)]
pub struct Standby {
    /// Checks that run.
    pub running: usize,
    /// Checks that are due and wait for their turn.
    pub waiting: usize,
    /// Until when no regular check is made, since the forge wants or needs a rest.
    pub held_until: Option<Moment>,
    /// Since when its forge has been in trouble, while it is.
    pub trouble_since: Option<Moment>,
    /// Whether many repositories turned at once and the cause is being looked for.
    pub investigating: bool,
}

/// What the state keeps could not be read: it was damaged, or written by a later version.
#[derive(Debug, thiserror::Error)]
#[error("the saved standing of repository `{repository}` cannot be read: {source}")]
pub struct UnreadableStanding {
    repository: String,
    source: serde_json::Error,
}

impl Ledger {
    /// A ledger over `world` with what is `known` of each of its repositories, by name. What is known of others is put
    /// away for the day when they are watched again.
    pub fn new(world: Arc<World>, mut known: HashMap<String, Entry>, incidents: Incidents) -> Self {
        let entries = world.repositories.iter().map(|watched| {
            let subject = subject(watched);
            known
                .remove(&watched.target.name)
                .filter(|entry| subject.is_none_or(|subject| entry.subject == subject))
                .unwrap_or_else(|| Entry { subject: subject.unwrap_or_default(), ..Entry::default() })
        });
        let entries = entries.collect();
        let integrations = world.integrations.keys().map(|name| (name.clone(), Standby::default())).collect();
        let mut ledger = Self { world, entries, integrations, incidents, put_away: known };
        ledger.count_affected();
        ledger
    }

    /// Goes on with another world: what is known stays known.
    pub(super) fn follow(&mut self, world: Arc<World>) {
        let names = self.world.repositories.iter().map(|it| it.target.name.clone());
        let known = names.zip(std::mem::take(&mut self.entries)).chain(std::mem::take(&mut self.put_away));
        let incidents = Incidents::restore(self.incidents.open().cloned());
        let standby = std::mem::take(&mut self.integrations);
        *self = Self::new(world, known.collect(), incidents);
        for (name, standby) in standby {
            if let Some(here) = self.integrations.get_mut(&name) {
                *here = standby;
            }
        }
    }

    /// How many repositories are known that are not watched now.
    pub(super) fn unwatched(&self) -> usize {
        self.put_away.len()
    }

    /// Forgets what was put away and was not seen for longer than `limit`; its names.
    pub(super) fn forget_unwatched(&mut self, now: Moment, limit: Duration) -> Vec<String> {
        let is_old = |entry: &mut Entry| entry.seen.as_ref().is_none_or(|seen| now.since(seen.at) > limit);
        self.put_away.extract_if(|_, entry| is_old(entry)).map(|(name, _)| name).collect()
    }

    /// Every repository with what is known of it, in name order.
    pub fn iter(&self) -> impl Iterator<Item = (&Watched, &Entry)> {
        self.world.repositories.iter().zip(&self.entries)
    }

    /// Where a repository stands in the order of names.
    pub fn index(&self, name: &str) -> Option<usize> {
        self.world.repositories.binary_search_by(|watched| watched.target.name.as_str().cmp(name)).ok()
    }

    /// A repository by name.
    pub fn get(&self, name: &str) -> Option<(&Watched, &Entry)> {
        let index = self.index(name)?;
        Some((&self.world.repositories[index], &self.entries[index]))
    }

    /// The open incident that a repository belongs to.
    pub fn incident_of(&self, entry: &Entry) -> Option<&Incident> {
        self.incidents.get(entry.incident.as_deref()?)
    }

    /// After a restart the repositories say whom an incident holds.
    fn count_affected(&mut self) {
        for entry in &mut self.entries {
            if entry.incident.as_deref().is_some_and(|print| !self.incidents.hold(print)) {
                entry.incident = None;
            }
        }
    }
}

impl Entry {
    /// As the state keeps it.
    pub fn to_text(&self) -> String {
        let Standing { confirmed, pending, unclear_since } = self.standing;
        let (seen, incident) = (self.seen.as_ref(), self.incident.as_deref());
        let saved = Saved {
            subject: self.subject,
            confirmed,
            pending,
            unclear_since,
            seen,
            incident,
            stale: self.stale,
        };
        // Plain data with text keys: there is nothing that could fail.
        serde_json::to_string(&saved).unwrap_or_default()
    }

    /// From what the state keeps.
    ///
    /// # Errors
    ///
    /// It is none of this version's.
    pub fn from_text(repository: &str, text: &str) -> Result<Self, UnreadableStanding> {
        let saved: Saved<Seen, Box<str>> = serde_json::from_str(text)
            .map_err(|source| UnreadableStanding { repository: repository.to_owned(), source })?;
        let Saved { subject, confirmed, pending, unclear_since, seen, incident, stale } = saved;
        let standing = Standing { confirmed, pending, unclear_since };
        Ok(Self { subject, standing, seen, incident, stale, ..Self::default() })
    }

    /// Whether what was seen at last is to be confirmed soon.
    pub fn awaits_confirmation(&self) -> bool {
        self.standing.pending.is_some() || self.doubted
    }

    /// The reason to show: what was confirmed or, where no answer has been clear yet or for too long, why not.
    pub fn reason(&self) -> Option<Reason> {
        let seen = self.seen.as_ref().map(|seen| seen.reason);
        let unclear = seen.filter(|reason| reason.verdict() == Verdict::Indeterminate);
        let confirmed = self.standing.confirmed.map(|confirmed| confirmed.reason);
        if self.stale { unclear.or(confirmed) } else { confirmed.or(unclear) }
    }

    /// The verdict to show.
    pub fn verdict(&self) -> Option<Verdict> {
        self.reason().map(Reason::verdict)
    }
}

impl From<&CheckResult> for Seen {
    fn from(result: &CheckResult) -> Self {
        Self {
            reason: result.outcome.reason,
            detail: result.outcome.detail.as_str().into(),
            http_status: result.outcome.http_status,
            retry_after_s: result.outcome.retry_after_s,
            at: result.checked_at.into(),
            took_us: u32::try_from(result.duration.as_micros()).unwrap_or(u32::MAX),
        }
    }
}

/// What the name stands for: the same for as long as it leads to the same repository of the same integration. None
/// while its plugin cannot say where it leads, which is no reason to forget what was known before.
fn subject(watched: &Watched) -> Option<u64> {
    let repository = watched.target.repository.as_ref().ok()?;
    let mut hash = Sha256::new();
    let parts = [Some(watched.target.integration.name.as_str()), Some(repository.name())];
    for part in parts.into_iter().chain([repository.project(), repository.external_id()]) {
        hash.update((part.map_or(u64::MAX, |part| part.len() as u64)).to_le_bytes());
        hash.update(part.unwrap_or_default());
    }
    let digest = hash.finalize();
    Some(digest.iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte)))
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_false(value: &bool) -> bool {
    !value
}
