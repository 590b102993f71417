//! What is known of every repository and every integration at this moment.
//!
//! One lock guards all of it. The conductor alone writes, for microseconds at a time; everybody else reads. Nothing
//! here waits or does I/O.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::client::ClientOf;
use crate::journal::{Incident, Incidents};
use crate::prepare::{Watched, World};
use crate::sweep::{CheckResult, Probed};
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
    /// The clients of the integrations, by their names, for whoever asks a forge beside the checks.
    pub(super) clients: BTreeMap<String, Arc<ClientOf>>,
    /// What is known of repositories that are not watched now: half a configuration must not cost what was found out.
    put_away: HashMap<String, Entry>,
    /// Found repositories that have another name since: what they were called, and where they stand now.
    renamed: Vec<(String, usize)>,
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
    /// Why, while none is made.
    pub held_for: Option<HeldFor>,
    /// Since when its forge has been in trouble, while it is.
    pub trouble_since: Option<Moment>,
    /// Whether many repositories turned at once and the cause is being looked for.
    pub investigating: bool,
    /// What the forge has said of its identity at last, and when.
    pub identity: Option<(Moment, Arc<Probed>)>,
}

/// Why no regular check is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum HeldFor {
    /// What the forge lets the identity ask is used up, but for what is kept for those who wait for an answer.
    RateBudget,
    /// The forge has refused a request for a limit.
    RateLimit,
    /// The forge is in trouble.
    Trouble,
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
        let mut unknown = Vec::new();
        let entries = world.repositories.iter().enumerate().map(|(index, watched)| {
            let (name, subject) = (&watched.target.name, subject(watched));
            let is_it = |entry: &Entry| subject.is_none_or(|subject| entry.subject == subject);
            if watched.discovery.is_some() && !known.get(name).is_some_and(is_it) {
                unknown.push(index);
                return Entry { subject: subject.unwrap_or_default(), ..Entry::default() };
            }
            let entry = known.remove(name).filter(is_it);
            entry.unwrap_or_else(|| Entry { subject: subject.unwrap_or_default(), ..Entry::default() })
        });
        let entries = entries.collect();
        let integrations = world.integrations.keys().map(|name| (name.clone(), Standby::default())).collect();
        let mut ledger = Self {
            world,
            entries,
            integrations,
            incidents,
            clients: BTreeMap::new(),
            put_away: known,
            renamed: Vec::new(),
        };
        ledger.follow_names(&unknown);
        ledger.count_affected();
        ledger
    }

    /// What was found is itself under any name.
    fn follow_names(&mut self, unknown: &[usize]) {
        if !unknown.is_empty() && !self.put_away.is_empty() {
            let names = self.put_away.iter().map(|(name, entry)| (entry.subject, name.clone()));
            let mut names: HashMap<u64, String> = names.collect();
            for index in unknown {
                let entry = &mut self.entries[*index];
                if let Some((name, known)) =
                    names.remove(&entry.subject).and_then(|name| self.put_away.remove_entry(&name))
                {
                    *entry = known;
                    self.renamed.push((name, *index));
                }
            }
        }
        // What bore the name before is not that.
        for index in unknown {
            self.put_away.remove(&self.world.repositories[*index].target.name);
        }
    }

    /// Found repositories that have another name since it was asked last: what they were called, and where they stand.
    pub(super) fn take_renamed(&mut self) -> Vec<(String, usize)> {
        std::mem::take(&mut self.renamed)
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
    let (integration, id) = (Some(watched.target.integration.name.as_str()), repository.external_id());
    let parts = if watched.discovery.is_some() && id.is_some() {
        // It is the same under any name.
        [integration, None, None, id]
    } else {
        [integration, Some(repository.name()), repository.project(), id]
    };
    for part in parts {
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

#[cfg(test)]
mod tests {
    use forgewatch_plugin_api as api;

    use super::*;
    use crate::config::Config;
    use crate::daemon::fake;
    use crate::discovery::Discovery;

    /// A world of found repositories, each with its id.
    fn found(repositories: &[(&str, Option<&str>)]) -> Arc<World> {
        let mut world = fake::world([("one", &[][..])]);
        let settings = serde_json::from_str(r#"{ "integration": "acme", "include": ["*"] }"#).unwrap();
        let discovery = Arc::new(Discovery::of(&Config::default(), "d", &settings).unwrap());
        let one = world.repositories.remove(0);
        for (name, id) in repositories {
            let repository = api::Repository::new(name).with_project("P");
            let mut watched = one.clone();
            watched.target.name = format!("d:P/{name}");
            watched.target.repository =
                Ok(id.map_or_else(|| repository.clone(), |id| repository.clone().with_external_id(id)));
            watched.discovery = Some(Arc::clone(&discovery));
            world.repositories.push(watched);
        }
        Arc::new(world)
    }

    /// What is known of each, told apart by when it was confirmed.
    fn known(ledger: &Ledger) -> Vec<(&str, Option<i64>)> {
        let since = |entry: &Entry| entry.standing.confirmed.map(|confirmed| confirmed.since.unix_ms());
        ledger.iter().map(|(watched, entry)| (watched.target.name.as_str(), since(entry))).collect()
    }

    /// A ledger of `before`, the first of which was confirmed at 1 ms, the second at 2 ms and so on, which goes on with
    /// `after`.
    fn followed(before: &[(&str, Option<&str>)], after: &[(&str, Option<&str>)]) -> Ledger {
        let mut ledger = Ledger::new(found(before), HashMap::new(), Incidents::default());
        for (entry, ms) in ledger.entries.iter_mut().zip(1..) {
            let since = (std::time::UNIX_EPOCH + Duration::from_millis(ms)).into();
            entry.standing.confirmed = Some(Confirmed { reason: Reason::Granted, since });
        }
        ledger.follow(found(after));
        ledger
    }

    #[test]
    fn what_was_found_is_known_under_any_name() {
        let mut ledger =
            followed(&[("a", Some("1")), ("b", Some("2"))], &[("b", Some("2")), ("c", Some("1"))]);
        assert_eq!(known(&ledger), [("d:P/b", Some(2)), ("d:P/c", Some(1))]);
        assert_eq!((ledger.take_renamed(), ledger.unwatched()), (vec![("d:P/a".to_owned(), 1)], 0));
        assert!(ledger.take_renamed().is_empty());
    }

    #[test]
    fn two_that_change_their_names_are_not_taken_for_each_other() {
        let ledger = followed(&[("a", Some("1")), ("b", Some("2"))], &[("a", Some("2")), ("b", Some("1"))]);
        assert_eq!(known(&ledger), [("d:P/a", Some(2)), ("d:P/b", Some(1))]);
    }

    #[test]
    fn another_one_of_the_same_name_begins_anew() {
        let mut ledger = followed(&[("a", Some("1"))], &[("a", Some("9"))]);
        assert_eq!((known(&ledger), ledger.unwatched()), (vec![("d:P/a", None)], 0));
        ledger.follow(found(&[("a", Some("9"))]));
        assert_eq!(known(&ledger), [("d:P/a", None)]);
    }

    #[test]
    fn one_that_left_is_known_when_it_is_back_and_one_without_an_id_goes_by_its_name() {
        let mut ledger = followed(&[("a", Some("1")), ("b", None)], &[]);
        assert_eq!(ledger.unwatched(), 2);
        ledger.follow(found(&[("b", None), ("c", None), ("x", Some("1"))]));
        assert_eq!(known(&ledger), [("d:P/b", Some(2)), ("d:P/c", None), ("d:P/x", Some(1))]);
    }
}
