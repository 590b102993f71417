//! What a result means: for what is believed of its repository, for incidents, and for when to check again.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;

use super::breaker::About;
use super::conductor::Conductor;
use super::ledger::{Ledger, Seen};
use crate::journal::{Cause, Fingerprint, Joined, event};
use crate::prepare::World;
use crate::sweep::CheckResult;
use crate::verdict::{Moment, Outcome, Reason, Thresholds, Turn, Verdict};

/// The distance at which repositories are checked again of which there is news.
const NEWS: Duration = Duration::from_millis(20);
/// When a check that was not made is looked at again, at the soonest.
const PUT_OFF: Duration = Duration::from_secs(1);

impl Conductor {
    /// Takes in the result of a check of the repository at `index`, and plans the next.
    pub(super) fn judge(&mut self, ledger: &mut Ledger, index: usize, result: &CheckResult) {
        let (now, at) = (Instant::now(), Moment::from(result.checked_at));
        let world = Arc::clone(&ledger.world);
        let lane = self.queue.lane_of(index);
        self.metrics.checked(&result.provider, result.outcome.reason, result.duration);
        self.journal.save(event::check(result));
        // Of what was not asked the forge says nothing.
        if !result.outcome.held_back {
            self.pass_gate(ledger, lane, result, now);
        }
        let turn = self.observe(ledger, index, lane, result, now);
        if result.outcome.reason == Reason::Granted {
            self.ask_whether_it_is_over(ledger, index, lane, now);
        }
        if let Some(turn) = turn {
            self.tell_turn(&world, ledger, index, turn, at);
        }
        self.settle_incident(ledger, index, turn.is_some(), result, now);
        if result.outcome.reason != Reason::Granted {
            let cause = ledger
                .incident_of(&ledger.entries[index])
                .map_or_else(|| Cause::of(result.outcome.reason), |incident| incident.cause);
            let print =
                Fingerprint::new(&result.integration, result.outcome.reason, cause, &result.repository);
            self.journal.save(event::error(result, &print));
        }
        if let Some((about, finding)) = self.integrations[lane].breaker.answered(index, result.outcome.reason)
        {
            self.conclude(ledger, lane, &about, finding, now);
        }
        self.plan(ledger, index, now);
        self.keep(ledger, index);
    }

    fn pass_gate(&mut self, ledger: &mut Ledger, lane: usize, result: &CheckResult, now: Instant) {
        let gate = &mut self.queue.lanes[lane].gate;
        let turned = gate.ended(&result.outcome, now);
        let closed = gate.is_closed();
        let in_charge = &mut self.integrations[lane];
        if !closed {
            in_charge.trouble = None;
        } else if result.outcome.reason.verdict() == Verdict::Indeterminate {
            in_charge.trouble = Some((result.outcome.reason, result.outcome.detail.clone()));
        }
        if !turned {
            return;
        }
        let integration = &in_charge.client.integration.name;
        if let Some(standby) = ledger.integrations.get_mut(integration) {
            standby.trouble_since = closed.then(Moment::now);
        }
        if closed {
            tracing::warn!(
                integration,
                "checks of `{integration}` rest, since its forge is {}: {}",
                if result.outcome.reason == Reason::RateLimited { "limiting them" } else { "in trouble" },
                result.outcome.detail
            );
        } else {
            self.queue.rejoin(lane);
            tracing::info!(integration, "checks of `{integration}` go on");
        }
        let what = if closed { "checks_held" } else { "checks_resumed" };
        let more = json!({ "reason": result.outcome.reason, "detail": result.outcome.detail });
        self.journal.save(event::generic(what, Some(integration), None, Moment::now(), more));
    }

    /// What is believed after this answer; the turn, if it confirms one.
    fn observe(
        &mut self,
        ledger: &mut Ledger,
        index: usize,
        lane: usize,
        result: &CheckResult,
        now: Instant,
    ) -> Option<Turn> {
        let (reason, at) = (result.outcome.reason, Moment::from(result.checked_at));
        let entry = &mut ledger.entries[index];
        entry.seen = Some(Seen::from(result));
        let breaker = &mut self.integrations[lane].breaker;
        let had_access =
            entry.standing.verdict() == Some(Verdict::Granted) && entry.standing.pending.is_none();
        let is_clear = reason.verdict() != Verdict::Indeterminate;
        if had_access
            && is_clear
            && breaker.observe(index, reason != Reason::Granted, now, &self.settings.breaker)
        {
            self.ask_about_loss(ledger, index, lane, now);
        }
        let in_charge = &mut self.integrations[lane];
        if reason == Reason::Granted {
            // It is not the whole integration any more.
            in_charge.whole = None;
        }
        let is_held = in_charge.breaker.asking() == Some(&About::Loss);
        let rules = &ledger.world.repositories[index].rules;
        // Nothing is confirmed while the cause is looked for.
        let failure = if is_held { u32::MAX } else { rules.failure_threshold };
        let thresholds = Thresholds { failure, success: rules.success_threshold };
        let entry = &mut ledger.entries[index];
        let turn = entry.standing.observe(reason, at, thresholds);
        // The canaries have confirmed it already.
        let whole = in_charge.whole.as_deref().and_then(|print| ledger.incidents.get(print));
        let is_known = !is_held && whole.is_some_and(|incident| incident.reason == reason);
        match turn {
            None if is_known && entry.standing.is_losing() => Some(entry.standing.confirm(reason, at)),
            turn => turn,
        }
    }

    pub(super) fn tell_turn(&mut self, world: &World, ledger: &Ledger, index: usize, turn: Turn, at: Moment) {
        let (target, entry) = (&world.repositories[index].target, &ledger.entries[index]);
        let detail = entry.seen.as_ref().map_or("", |seen| &seen.detail);
        self.metrics.turned(turn.from, turn.to);
        self.journal.save(event::transition(&target.integration.name, &target.name, turn, detail, at));
        // For people the incidents say it, once for each cause.
        tracing::debug!(repository = target.name, "{} is believed: {detail}", turn.to.as_str());
    }

    /// Has the repository join, stay in or leave an incident.
    fn settle_incident(
        &mut self,
        ledger: &mut Ledger,
        index: usize,
        turned: bool,
        result: &CheckResult,
        now: Instant,
    ) {
        let at = Moment::from(result.checked_at);
        let reason = result.outcome.reason;
        let entry = &mut ledger.entries[index];
        let is_denied = entry.standing.verdict() == Some(Verdict::Denied);
        if reason.verdict() != Verdict::Indeterminate {
            entry.stale = false;
            // An incident of unclear answers, or of a loss that is over.
            let is_of_unclear = ledger
                .incident_of(&ledger.entries[index])
                .is_some_and(|it| it.reason.verdict() != Verdict::Denied);
            if is_of_unclear || !is_denied || turned {
                self.leave(ledger, index, at);
            }
        }
        let entry = &mut ledger.entries[index];
        match (reason.verdict(), &entry.incident) {
            (Verdict::Denied, None) if is_denied && (turned || entry.doubted) => {
                let cause = self.cause(ledger, index, reason, now);
                self.join(ledger, index, reason, cause, &result.outcome.detail, at);
            }
            // Its incident was ended by canaries: perhaps the forge is not of one mind yet.
            (Verdict::Denied, None) if is_denied => entry.doubted = true,
            (Verdict::Granted, None) => entry.doubted = false,
            // An outage says nothing about a loss, nor the other way round.
            (verdict @ (Verdict::Denied | Verdict::Indeterminate), Some(print))
                if ledger.incidents.get(print).is_some_and(|it| it.reason.verdict() == verdict) =>
            {
                if let Some(incident) = ledger.incidents.again(print, &result.outcome.detail, at) {
                    self.journal.incident(None, incident, at);
                }
            }
            _ => {}
        }
    }

    /// What is behind a loss that is confirmed now.
    fn cause(&self, ledger: &Ledger, index: usize, reason: Reason, now: Instant) -> Cause {
        let in_charge = &self.integrations[self.queue.lane_of(index)];
        let whole = in_charge.whole.as_deref().and_then(|print| ledger.incidents.get(print));
        match (whole, Cause::of(reason)) {
            (Some(incident), _) if incident.reason == reason => incident.cause,
            (_, Cause::Repository) if in_charge.breaker.gathers(now) => Cause::Integration,
            (_, cause) => cause,
        }
    }

    pub(super) fn join(
        &mut self,
        ledger: &mut Ledger,
        index: usize,
        reason: Reason,
        cause: Cause,
        detail: &str,
        at: Moment,
    ) {
        let target = &ledger.world.repositories[index].target;
        let print = Fingerprint::new(&target.integration.name, reason, cause, &target.name);
        let (joined, incident) = ledger.incidents.failed(&print, detail, at);
        let digest = incident.fingerprint.clone();
        ledger.incidents.hold(&digest);
        let entry = &mut ledger.entries[index];
        entry.doubted = false;
        entry.incident = Some(digest.as_str().into());
        let Some(incident) = ledger.incidents.get(&digest) else { return };
        // Of one that grows it is told when it has doubled.
        let what = match joined {
            Joined::Opened => Some("opened"),
            Joined::Updated => incident.affected.is_power_of_two().then_some("updated"),
        };
        if joined == Joined::Opened {
            let whose = match &incident.repository {
                Some(repository) => format!("access to `{repository}` is lost"),
                None => format!("repositories of `{}` are affected", incident.integration),
            };
            tracing::warn!(
                incident = incident.id,
                "{whose} ({}, cause: {}): {}",
                incident.reason.as_str(),
                incident.cause.as_str(),
                incident.detail
            );
        }
        self.journal.incident(what, incident, at);
    }

    pub(super) fn leave(&mut self, ledger: &mut Ledger, index: usize, at: Moment) {
        let Some(print) = ledger.entries[index].incident.take() else { return };
        if let Some(resolved) = ledger.incidents.release(&print, at) {
            self.tell_resolved(&resolved, at);
        } else if let Some(incident) = ledger.incidents.get(&print) {
            self.journal.incident(None, incident, at);
        }
    }

    pub(super) fn tell_resolved(&mut self, incident: &crate::journal::Incident, at: Moment) {
        let whose = incident.repository.as_deref().unwrap_or(&incident.integration);
        let (reason, most) = (incident.reason.as_str(), incident.most_affected);
        tracing::info!(incident = incident.id, "`{whose}`: {reason} is over, which affected up to {most}");
        self.journal.incident(Some("resolved"), incident, at);
        for in_charge in &mut self.integrations {
            in_charge.whole.take_if(|print| *print == incident.fingerprint);
        }
    }

    /// The next checks of all of which there is news: at an even pace, and each within its own interval, so that a
    /// few that are checked often do not make the others come all at once.
    pub(super) fn plan_news(&mut self, ledger: &mut Ledger, all: &[usize], now: Instant) {
        let count = u32::try_from(all.len()).unwrap_or(u32::MAX);
        for (nth, index) in (0_u32..).zip(all) {
            let pace = ledger.world.repositories[*index].rules.interval.get() / count;
            self.plan_at(ledger, *index, now, pace.min(NEWS) * nth);
        }
    }

    /// Plans the next check: soon if something waits to be confirmed, else in its phase.
    fn plan(&mut self, ledger: &mut Ledger, index: usize, now: Instant) {
        let interval = ledger.world.repositories[index].rules.interval.get();
        let entry = &ledger.entries[index];
        let wait = if entry.awaits_confirmation() {
            self.settings.confirm_after.min(interval)
        } else {
            self.phase(index).next(Moment::now(), interval, interval / 2)
        };
        self.plan_at(ledger, index, now, wait);
    }

    /// Plans a check anew that asked for more than its forge allows: nothing was sent, so nothing was found out.
    pub(super) fn put_off(&mut self, ledger: &mut Ledger, index: usize, outcome: &Outcome, now: Instant) {
        let lane = self.queue.lane_of(index);
        // Where the lane rests for it, the check waits there; what it ran into may be another limit.
        let wait = match self.queue.lanes[lane].allowance.permits(now) {
            true => outcome.retry_after_s.map_or(PUT_OFF, Duration::from_secs),
            false => PUT_OFF,
        };
        self.plan_at(ledger, index, now, wait);
    }

    fn plan_at(&mut self, ledger: &mut Ledger, index: usize, now: Instant, wait: Duration) {
        self.queue.plan(index, now + wait);
        ledger.entries[index].next_check = Some(Moment::now().after(wait));
    }

    /// Has what is known of a repository written.
    pub(super) fn keep(&mut self, ledger: &Ledger, index: usize) {
        let name = &ledger.world.repositories[index].target.name;
        self.journal.standing(name, Some(ledger.entries[index].to_text()));
    }

    /// Tells of repositories without a clear answer for long, each once.
    pub(super) fn tell_stale(&mut self) {
        let shared = Arc::clone(&self.shared);
        let mut ledger = shared.write();
        let now = Moment::now();
        let world = Arc::clone(&ledger.world);
        for (index, watched) in world.repositories.iter().enumerate() {
            let entry = &ledger.entries[index];
            // While checks rest nobody asks, and nothing is any clearer.
            let resting = ledger.integrations.get(&watched.target.integration.name);
            let resting = resting.and_then(|standby| standby.trouble_since).filter(|since| {
                entry.seen.as_ref().is_some_and(|seen| seen.at < *since)
                    && entry.next_check.is_some_and(|due| due <= now)
            });
            let limit = watched.rules.stale_after.get();
            let is_stale =
                entry.standing.is_stale(now, limit) || resting.is_some_and(|since| now.since(since) >= limit);
            if !is_stale || entry.stale {
                continue;
            }
            ledger.entries[index].stale = true;
            self.tell_stale_of(&mut ledger, index, resting.is_some(), now);
        }
        self.journal.submit();
    }

    fn tell_stale_of(&mut self, ledger: &mut Ledger, index: usize, resting: bool, now: Moment) {
        let world = Arc::clone(&ledger.world);
        let (target, entry) = (&world.repositories[index].target, &ledger.entries[index]);
        let seen = entry.seen.as_ref().filter(|seen| seen.reason.verdict() == Verdict::Indeterminate);
        let (reason, detail) = match (seen, &self.integrations[self.queue.lane_of(index)].trouble) {
            (Some(seen), _) => (seen.reason, seen.detail.to_string()),
            // What holds its checks is what would be seen of it.
            (None, Some((reason, detail))) if resting => (*reason, detail.clone()),
            (None, _) => return,
        };
        let more =
            json!({ "reason": reason, "since": entry.standing.unclear_since.map(|since| since.to_string()) });
        let name = &target.integration.name;
        self.journal.save(event::generic("stale", Some(name), Some(&target.name), now, more));
        if entry.incident.is_none() {
            self.join(ledger, index, reason, Cause::of(reason), &detail, now);
        }
        self.keep(ledger, index);
    }

    /// Ends incidents that hold nobody any more, since their repositories are not watched any longer.
    pub(super) fn close_abandoned_incidents(&mut self) {
        let shared = Arc::clone(&self.shared);
        let mut ledger = shared.write();
        let at = Moment::now();
        let abandoned: Vec<String> =
            ledger.incidents.open().filter(|it| it.affected == 0).map(|it| it.fingerprint.clone()).collect();
        for print in abandoned {
            if let Some(resolved) = ledger.incidents.resolve(&print, at) {
                self.tell_resolved(&resolved, at);
            }
        }
    }
}
