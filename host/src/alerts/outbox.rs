//! What is owed to whom: for each incident and each target that hears of it, what was told and what is to be told next.
//!
//! - An entry comes with an incident that is open and goes when its end was told.
//! - What is about to be sent is fixed before, under an id: another attempt, even of another process, has the same id
//!   and the same incidents.
//! - What may belong together waits for a moment and goes as one message.
//!
//! Sending and saving are absent: [`Outbox::changes`] are what is to be saved.

#[cfg(test)]
mod tests;

use std::cmp::{Ordering, Reverse};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::message::Happening;
use super::plan::{Labels, Plan};
use crate::config::Severity;
use crate::journal::Incident;
use crate::text::hex;
use crate::verdict::Moment;

/// The part of `remind_after` by which reminders may come early, to go with others.
const EARLY: u32 = 4;

/// A target and an incident, by name and by id.
pub(super) type Key = (String, String);

/// One incident for one target. The JSON form is what the state keeps.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Entry {
    /// The incident as it was when it turned last.
    pub(super) incident: Incident,
    /// What it was routed by when the target was to hear of it first; an Alertmanager knows it by these.
    pub(super) labels: Labels,
    pub(super) severity: Severity,
    /// Since when it is to be told that it began or ended.
    owed_since: Moment,
    /// When it was told last that it began or goes on.
    told_at: Option<Moment>,
    /// What is being sent.
    attempt: Option<Attempt>,
    /// Whether people are done with it, by what is known now.
    #[serde(skip)]
    is_handled: bool,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Attempt {
    delivery: String,
    event: Happening,
}

/// What goes as one message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Delivery {
    pub(super) id: String,
    pub(super) event: Happening,
    pub(super) target: String,
    /// The incidents' ids.
    pub(super) incidents: Vec<String>,
}

/// What to do for a target.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    Send(Delivery),
    /// Nothing before that moment, or before there is news.
    Wait(Option<Moment>),
}

/// How it went with a message so far.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Failed {
    pub(super) times: u32,
    /// How long it rests from now on.
    pub(super) rest: Duration,
}

/// Everything that is owed.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    /// By target, then by incident.
    entries: BTreeMap<String, BTreeMap<String, Entry>>,
    changed: BTreeSet<Key>,
}

impl Entry {
    pub(super) fn is_resolved(&self) -> bool {
        self.incident.resolved_at.is_some()
    }

    /// What is to be told next, and when: nothing while it is kept quiet. What seems to have happened later than now was
    /// noted before the clock was set back, and waits no longer.
    fn owed(&self, target: &str, plan: &Plan, now: Moment) -> Option<(Happening, Moment)> {
        let (event, since, wait) = match (self.told_at, self.is_resolved()) {
            (None, _) => (Happening::Opened, self.owed_since, plan.group_wait),
            (Some(_), true) => (Happening::Resolved, self.owed_since, plan.group_wait),
            (Some(told_at), false) => (Happening::Reminded, told_at, plan.remind_after),
        };
        let at = if since > now { now } else { since.after(wait) };
        let is_kept = match event {
            Happening::Resolved => false,
            Happening::Opened => plan.is_silent(&self.labels, now),
            // Whoever is not named any more hears of the end alone.
            Happening::Reminded => {
                let is_unrouted = at <= now && !self.is_routed(target, plan);
                self.is_handled || is_unrouted || plan.is_silent(&self.labels, now)
            }
        };
        (!is_kept).then_some((event, at))
    }

    fn is_routed(&self, target: &str, plan: &Plan) -> bool {
        plan.targets(&self.labels).contains(target)
    }

    /// Whether it was never told, nor tried to.
    fn is_unheard(&self) -> bool {
        self.told_at.is_none() && self.attempt.is_none()
    }

    /// What those share that are told together.
    fn group<'a>(&'a self, plan: &'a Plan) -> Vec<&'a str> {
        plan.group_by.iter().map(|key| self.labels.get(key).map_or("", String::as_str)).collect()
    }
}

impl Outbox {
    /// What the state has kept.
    pub(super) fn restored(entries: impl IntoIterator<Item = (Key, Entry)>) -> Self {
        let mut outbox = Self::default();
        for ((target, incident), entry) in entries {
            outbox.entries.entry(target).or_default().insert(incident, entry);
        }
        outbox
    }

    /// Takes in an incident as it is now, for everybody who hears of it.
    pub(super) fn note(
        &mut self,
        incident: &Incident,
        (labels, severity): (Labels, Severity),
        plan: &Plan,
        now: Moment,
    ) {
        if incident.resolved_at.is_some() {
            let targets: Vec<_> = self.entries.keys().cloned().collect();
            for target in targets {
                self.end((target, incident.id.clone()), incident, plan, now);
            }
            return;
        }
        for target in plan.targets(&labels) {
            let entries = self.entries.entry(target.to_owned()).or_default();
            if entries.contains_key(&incident.id) {
                continue;
            }
            let entry = Entry {
                incident: incident.clone(),
                labels: labels.clone(),
                severity,
                owed_since: now,
                told_at: None,
                attempt: None,
                is_handled: false,
            };
            entries.insert(incident.id.clone(), entry);
            self.changed.insert((target.to_owned(), incident.id.clone()));
        }
    }

    /// Has the end of an incident told, once.
    fn end(&mut self, key: Key, incident: &Incident, plan: &Plan, now: Moment) {
        let Some(entry) = self.get_mut(&key).filter(|entry| !entry.is_resolved()) else { return };
        if entry.is_unheard() && plan.is_silent(&entry.labels, now) {
            self.remove(key);
            return;
        }
        entry.incident = incident.clone();
        entry.owed_since = now;
        // That it goes on is no news any more.
        entry.attempt.take_if(|attempt| attempt.event == Happening::Reminded);
        self.changed.insert(key);
    }

    /// Reminds a target of nothing that people are done with, for as long as they are.
    pub(super) fn quiet_handled(&mut self, target: &str, is_handled: impl Fn(&str) -> bool) {
        for (incident, entry) in self.entries.get_mut(target).into_iter().flatten() {
            entry.is_handled = is_handled(incident);
            let is_reminder = |attempt: &mut Attempt| attempt.event == Happening::Reminded;
            if entry.is_handled && entry.attempt.take_if(is_reminder).is_some() {
                self.changed.insert((target.to_owned(), incident.clone()));
            }
        }
    }

    /// The incidents that are not known to be over.
    pub(super) fn open(&self) -> BTreeMap<String, Incident> {
        let open = self.entries.values().flat_map(BTreeMap::values).filter(|entry| !entry.is_resolved());
        open.map(|entry| (entry.incident.id.clone(), entry.incident.clone())).collect()
    }

    /// What is to be done for a target. What is to be sent is fixed with that. What failed before comes after what did
    /// not, and not before its rest is over.
    pub(super) fn next(
        &mut self,
        target: &str,
        most_incidents: usize,
        failed: &HashMap<String, Failed>,
        plan: &Plan,
        now: Moment,
    ) -> Next {
        let mut soonest: Option<Moment> = None;
        let mut again: Option<(u32, &str)> = None;
        let mut due: Option<(Moment, Happening, Vec<&str>)> = None;
        for (_, entry) in self.of_target(target) {
            if let Some(Attempt { delivery, .. }) = &entry.attempt {
                let Failed { times, rest } = failed.get(delivery).copied().unwrap_or_default();
                if !rest.is_zero() {
                    soonest = earlier(soonest, now.after(rest));
                } else if again.is_none_or(|(least, _)| times < least) {
                    again = Some((times, delivery));
                }
                continue;
            }
            let Some((event, at)) = entry.owed(target, plan, now) else { continue };
            if at > now {
                soonest = earlier(soonest, at);
            } else if due.as_ref().is_none_or(|(first, ..)| at < *first) {
                due = Some((at, event, entry.group(plan)));
            }
        }
        match (again, due) {
            (Some((times, delivery)), due) if times == 0 || due.is_none() => {
                Next::Send(self.delivery(target, delivery))
            }
            (_, Some((_, event, group))) => {
                let group: Vec<_> = group.into_iter().map(str::to_owned).collect();
                Next::Send(self.fix(target, event, &group, most_incidents, plan, now))
            }
            _ => Next::Wait(soonest),
        }
    }

    /// Fixes what goes together with what is due: what would be due soon goes with it.
    fn fix(
        &mut self,
        target: &str,
        event: Happening,
        group: &[String],
        most_incidents: usize,
        plan: &Plan,
        now: Moment,
    ) -> Delivery {
        let soon = if event == Happening::Reminded { plan.remind_after / EARLY } else { plan.group_wait };
        let mut chosen: Vec<_> = self
            .of_target(target)
            .filter(|(_, entry)| {
                let owed = entry.owed(target, plan, now);
                let fits = owed.is_some_and(|(owed, at)| owed == event && at <= now.after(soon));
                entry.attempt.is_none() && fits && entry.group(plan) == group
            })
            .collect();
        chosen.sort_by(worst_first);
        let incidents: Vec<_> =
            chosen.into_iter().take(most_incidents).map(|(incident, _)| incident.clone()).collect();
        let id = delivery_id(target, event, &incidents, now);
        for incident in &incidents {
            let key = (target.to_owned(), incident.clone());
            if let Some(entry) = self.get_mut(&key) {
                entry.attempt = Some(Attempt { delivery: id.clone(), event });
            }
            self.changed.insert(key);
        }
        Delivery { id, event, target: target.to_owned(), incidents }
    }

    /// What was fixed under an id.
    fn delivery(&self, target: &str, id: &str) -> Delivery {
        let attempt =
            |entry: &Entry| entry.attempt.as_ref().filter(|attempt| attempt.delivery == id).cloned();
        let mut fixed: Vec<_> =
            self.of_target(target).filter(|(_, entry)| attempt(entry).is_some()).collect();
        fixed.sort_by(worst_first);
        let event = fixed.first().and_then(|(_, entry)| attempt(entry));
        let event = event.map_or(Happening::Opened, |attempt| attempt.event);
        let incidents = fixed.into_iter().map(|(incident, _)| incident.clone()).collect();
        Delivery { id: id.to_owned(), event, target: target.to_owned(), incidents }
    }

    /// Whether something is fixed under an id.
    pub(super) fn has(&self, target: &str, id: &str) -> bool {
        let is_it = |entry: &Entry| entry.attempt.as_ref().is_some_and(|attempt| attempt.delivery == id);
        self.of_target(target).any(|(_, entry)| is_it(entry))
    }

    pub(super) fn get(&self, target: &str, incident: &str) -> Option<&Entry> {
        self.entries.get(target)?.get(incident)
    }

    fn get_mut(&mut self, (target, incident): &Key) -> Option<&mut Entry> {
        self.entries.get_mut(target)?.get_mut(incident)
    }

    fn of_target(&self, target: &str) -> impl Iterator<Item = (&String, &Entry)> {
        self.entries.get(target).into_iter().flatten()
    }

    fn remove(&mut self, key: Key) {
        if let Some(entries) = self.entries.get_mut(&key.0) {
            entries.remove(&key.1);
        }
        self.changed.insert(key);
    }

    /// A message was taken.
    pub(super) fn delivered(&mut self, delivery: &Delivery, now: Moment) {
        for incident in &delivery.incidents {
            let key = (delivery.target.clone(), incident.clone());
            let Some(entry) = self.get_mut(&key) else { continue };
            if entry.attempt.take_if(|attempt| attempt.delivery == delivery.id).is_none() {
                continue;
            }
            if delivery.event == Happening::Resolved {
                self.remove(key);
            } else {
                entry.told_at = Some(now);
                self.changed.insert(key);
            }
        }
    }

    /// A message was refused: only the first half of it is tried again together.
    pub(super) fn halve(&mut self, delivery: &Delivery) {
        for incident in delivery.incidents.iter().skip(delivery.incidents.len().div_ceil(2)) {
            let key = (delivery.target.clone(), incident.clone());
            if let Some(entry) = self.get_mut(&key) {
                entry.attempt = None;
            }
            self.changed.insert(key);
        }
    }

    /// Gives up what of a message is over; how many.
    pub(super) fn give_up(&mut self, delivery: &Delivery) -> usize {
        let of_it = delivery.incidents.iter().map(|incident| (delivery.target.clone(), incident.clone()));
        let over: Vec<_> =
            of_it.filter(|key| self.get(&key.0, &key.1).is_some_and(Entry::is_resolved)).collect();
        let count = over.len();
        over.into_iter().for_each(|key| self.remove(key));
        count
    }

    /// Drops what targets have not heard of and are not named for any more.
    pub(super) fn forget_unrouted(&mut self, plan: &Plan) {
        let unrouted = self.entries.iter().flat_map(|(target, entries)| {
            let unrouted =
                entries.iter().filter(|(_, entry)| entry.is_unheard() && !entry.is_routed(target, plan));
            unrouted.map(|(incident, _)| (target.clone(), incident.clone()))
        });
        let unrouted: Vec<_> = unrouted.collect();
        unrouted.into_iter().for_each(|key| self.remove(key));
    }

    /// Drops what is over and owed to somebody who is not configured; what is not over is kept for their return.
    pub(super) fn forget_strangers(&mut self, is_target: impl Fn(&str) -> bool) {
        let strangers = self.entries.iter().filter(|(target, _)| !is_target(target));
        let over = strangers.flat_map(|(target, entries)| {
            let over = entries.iter().filter(|(_, entry)| entry.is_resolved());
            over.map(|(incident, _)| (target.clone(), incident.clone()))
        });
        let over: Vec<_> = over.collect();
        over.into_iter().for_each(|key| self.remove(key));
    }

    /// What a target was told of and is not over.
    pub(super) fn told_open(&self, target: &str) -> Vec<String> {
        let told = self.of_target(target);
        let told = told.filter(|(_, entry)| entry.told_at.is_some() && !entry.is_resolved());
        told.map(|(incident, _)| incident.clone()).collect()
    }

    /// How many beginnings and ends a target has not taken yet, and how many beginnings are kept quiet.
    pub(super) fn pending(&self, target: &str, plan: &Plan, now: Moment) -> (usize, usize) {
        let is_pending = |entry: &&Entry| entry.told_at.is_none() || entry.is_resolved();
        let pending = self.of_target(target).map(|(_, entry)| entry).filter(is_pending);
        let (mut waiting, mut quiet) = (0, 0);
        for entry in pending {
            let is_quiet = entry.is_unheard() && plan.is_silent(&entry.labels, now);
            *if is_quiet { &mut quiet } else { &mut waiting } += 1;
        }
        (waiting, quiet)
    }

    /// What is different from what was saved, each with what is to be saved of it. It has to be saved, or marked again.
    pub(super) fn changes(&mut self) -> Vec<(Key, Option<String>)> {
        let changed = std::mem::take(&mut self.changed);
        // Plain data with text keys: there is nothing that could fail.
        let text = |entry: &Entry| serde_json::to_string(entry).unwrap_or_default();
        let changes = changed.into_iter().map(|key| {
            let text = self.get(&key.0, &key.1).map(text);
            (key, text)
        });
        changes.collect()
    }

    /// Has something saved again, since it was not.
    pub(super) fn mark(&mut self, keys: impl IntoIterator<Item = Key>) {
        self.changed.extend(keys);
    }

    /// Has everything saved again, since the store is another.
    pub(super) fn mark_all(&mut self) {
        for (target, entries) in &self.entries {
            self.changed.extend(entries.keys().map(|incident| (target.clone(), incident.clone())));
        }
    }
}

/// The worst first, then the oldest, then by name.
fn worst_first(one: &(&String, &Entry), other: &(&String, &Entry)) -> Ordering {
    let rank = |entry: &Entry| (Reverse(entry.severity), entry.incident.first_seen);
    let by_name = || one.1.incident.repository.cmp(&other.1.incident.repository);
    rank(one.1).cmp(&rank(other.1)).then_with(by_name).then_with(|| one.0.cmp(other.0))
}

fn earlier(one: Option<Moment>, other: Moment) -> Option<Moment> {
    Some(one.map_or(other, |one| one.min(other)))
}

/// The same for the same incidents at the same moment, and for nothing else.
fn delivery_id(target: &str, event: Happening, incidents: &[String], now: Moment) -> String {
    let mut hash = Sha256::new();
    let at = now.unix_ms().to_string();
    for part in [target, event.as_str(), &at].into_iter().chain(incidents.iter().map(String::as_str)) {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    format!("msg_{}", hex(&hash.finalize()[..16]))
}
