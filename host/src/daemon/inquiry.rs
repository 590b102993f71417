//! Asking canaries: whether many losses are one, and whether what they had in common is over.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;

use super::breaker::{About, CANARIES, Finding};
use super::conductor::Conductor;
use super::ledger::Ledger;
use crate::journal::{Cause, event};
use crate::verdict::{Moment, Reason, Verdict};

/// How long losses may belong together after a shared one, whatever the intervals are.
const LONGEST_TOGETHER: Duration = Duration::from_secs(60 * 60);

impl Conductor {
    /// Asks canaries whether the whole integration lost access; meanwhile nothing else of it is checked.
    pub(super) fn ask_about_loss(&mut self, ledger: &Ledger, index: usize, lane: usize, now: Instant) {
        let is_good = |it: usize| {
            let standing = &ledger.entries[it].standing;
            standing.verdict() == Some(Verdict::Granted) && standing.pending.is_none()
        };
        let mut canaries = self.spread(ledger, lane, 0, |it| it != index && is_good(it));
        if canaries.len() < CANARIES {
            canaries.extend(self.spread(ledger, lane, 0, |it| it != index && !is_good(it)));
            canaries.truncate(CANARIES);
        }
        if canaries.is_empty() {
            return;
        }
        let integration = self.integrations[lane].client.integration.name.clone();
        tracing::warn!(
            integration,
            "many repositories of `{integration}` lose access at once: looking for the cause"
        );
        let more = json!({ "canaries": canaries.iter().map(|it| &ledger.world.repositories[*it].target.name).collect::<Vec<_>>() });
        self.journal.save(event::generic("looking_for_cause", Some(&integration), None, Moment::now(), more));
        self.queue.lanes[lane].only_urgent = true;
        self.ask(lane, About::Loss, canaries, now);
    }

    /// One of many has access again: asks canaries among the others whether the cause is gone.
    pub(super) fn ask_whether_it_is_over(
        &mut self,
        ledger: &Ledger,
        index: usize,
        lane: usize,
        now: Instant,
    ) {
        let Some(incident) = ledger.incident_of(&ledger.entries[index]) else { return };
        let is_shared = incident.cause != Cause::Repository && incident.affected as usize > CANARIES;
        let print = incident.fingerprint.as_str();
        let about = About::Recovery(print.to_owned());
        if is_shared && self.integrations[lane].breaker.may_ask(&about, now) {
            let is_held = |it: usize| ledger.entries[it].incident.as_deref() == Some(print);
            let canaries = self.spread(ledger, lane, 0, |it| it != index && is_held(it));
            self.ask(lane, about, canaries, now);
        }
    }

    fn ask(&mut self, lane: usize, about: About, canaries: Vec<usize>, now: Instant) {
        // One that is being checked is checked once more.
        let canaries = canaries.into_iter().map(|canary| (canary, !self.queue.urge(canary, now))).collect();
        self.integrations[lane].breaker.ask(about, canaries);
    }

    /// Some of a lane's repositories, others in each round, from all over the order of names: neighbours often belong
    /// together.
    fn spread(&self, ledger: &Ledger, lane: usize, round: u32, wanted: impl Fn(usize) -> bool) -> Vec<usize> {
        let fitting = self.in_lane(ledger, lane, wanted);
        let count = fitting.len().min(CANARIES);
        let place = |nth| ((2 * nth + 1) * fitting.len() / (2 * count) + round as usize) % fitting.len();
        (0..count).map(|nth| fitting[place(nth)]).collect()
    }

    fn in_lane(&self, ledger: &Ledger, lane: usize, wanted: impl Fn(usize) -> bool) -> Vec<usize> {
        let all = 0..ledger.entries.len();
        all.filter(|index| self.queue.lane_of(*index) == lane && wanted(*index)).collect()
    }

    pub(super) fn conclude(
        &mut self,
        ledger: &mut Ledger,
        lane: usize,
        about: &About,
        finding: Finding,
        now: Instant,
    ) {
        let integration = self.integrations[lane].client.integration.name.clone();
        tracing::info!(integration, "canaries of `{integration}`: {finding}");
        match (about, finding) {
            (About::Loss, Finding::Unclear) if self.integrations[lane].breaker.may_ask_others() => {
                // The forge may be down: the gate says how often it is asked.
                let round = self.integrations[lane].breaker.round();
                let canaries = self.spread(ledger, lane, round, |_| true);
                return self.ask(lane, About::Loss, canaries, now);
            }
            (About::Loss, Finding::AllDenied(reason)) => self.confirm_whole(ledger, lane, reason),
            (About::Loss, Finding::SomeGranted | Finding::AllGranted | Finding::Unclear) => {
                let time = self.settings.confirm_after * 2 + ledger.world.check_timeout;
                self.integrations[lane].breaker.gather(now + time);
            }
            (About::Recovery(print), Finding::AllGranted) => self.end_whole(ledger, lane, print, now),
            (About::Recovery(_), _) => {}
        }
        let quiet = match about {
            About::Loss => self.settings.breaker.window.get(),
            About::Recovery(_) => self.settings.confirm_after,
        };
        self.integrations[lane].breaker.settle(about, now, quiet);
        if *about == About::Loss {
            self.queue.lanes[lane].only_urgent = false;
            self.plan_losing(ledger, lane, now);
        }
    }

    /// Believes at once what waits to be believed, for the cause that the canaries have found.
    fn confirm_whole(&mut self, ledger: &mut Ledger, lane: usize, reason: Reason) {
        let at = Moment::now();
        let cause = match Cause::of(reason) {
            Cause::Repository => Cause::Integration,
            cause => cause,
        };
        let world = Arc::clone(&ledger.world);
        let losing = self.in_lane(ledger, lane, |it| ledger.entries[it].standing.is_losing());
        for index in losing {
            let entry = &mut ledger.entries[index];
            let Some(pending) = entry.standing.pending else { continue };
            let turn = entry.standing.confirm(pending.reason, at);
            let detail = entry.seen.as_ref().map_or_else(String::new, |seen| seen.detail.to_string());
            self.tell_turn(&world, ledger, index, turn, at);
            self.leave(ledger, index, at);
            self.join(ledger, index, reason, cause, &detail, at);
            self.integrations[lane].whole = ledger.entries[index].incident.as_deref().map(ToOwned::to_owned);
            self.keep(ledger, index);
        }
    }

    /// Ends an incident whose cause is gone. Those that it held are checked again soon, at an even pace.
    fn end_whole(&mut self, ledger: &mut Ledger, lane: usize, print: &str, now: Instant) {
        let at = Moment::now();
        let Some(resolved) = ledger.incidents.resolve(print, at) else { return };
        self.tell_resolved(&resolved, at);
        let held = self.in_lane(ledger, lane, |it| ledger.entries[it].incident.as_deref() == Some(print));
        for index in &held {
            let entry = &mut ledger.entries[*index];
            entry.incident = None;
            // Whoever still has no clear answer waits anew for being told of.
            entry.stale = false;
            entry.standing.unclear_since = entry.standing.unclear_since.map(|_| at);
        }
        // Whoever is denied all the same is so for this cause: one incident, and not one for each.
        let longest = held.iter().map(|it| ledger.world.repositories[*it].rules.interval.get()).max();
        let until = now.checked_add(longest.unwrap_or_default().min(LONGEST_TOGETHER) * 2);
        self.integrations[lane].breaker.gather(until.unwrap_or(now));
        self.plan_news(ledger, &held, now);
        let quiet = self.settings.confirm_after;
        self.integrations[lane].breaker.settle(&About::Loss, now, quiet);
    }

    /// The confirming checks of all that lost access while the cause was looked for.
    fn plan_losing(&mut self, ledger: &mut Ledger, lane: usize, now: Instant) {
        let losing = self.in_lane(ledger, lane, |it| ledger.entries[it].standing.is_losing());
        self.plan_news(ledger, &losing, now);
    }
}
