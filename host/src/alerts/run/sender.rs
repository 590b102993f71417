//! Telling one target: one message at a time, with growing rests while it takes none.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::super::message::{Happening, Message, Told};
use super::super::outbox::{Delivery, Failed, Next};
use super::super::settings::Settings;
use super::super::target::{Refusal, Target};
use super::Shared;
use crate::backoff::doubled;
use crate::journal::event;
use crate::text::{printable, rough};
use crate::verdict::Moment;

/// The rests of a target after failures: the first, and the longest.
const FIRST_REST: Duration = Duration::from_secs(1);
const LONGEST_REST: Duration = Duration::from_secs(5 * 60);
/// Those of a message that was refused for itself.
const FIRST_REFUSED_REST: Duration = Duration::from_secs(30);
const LONGEST_REFUSED_REST: Duration = Duration::from_secs(60 * 60);
/// What a target hears of again, in the place of a delivery's id.
const REFRESH: &str = "refresh";
/// Characters of a target's name.
const LONGEST_NAME: usize = 200;
/// What is due is looked at again after this at the latest, since the wall clock may be set.
const LOOK_AGAIN: Duration = Duration::from_secs(60);

/// How telling a target goes.
#[derive(Default)]
struct Course {
    /// How often it took nothing since it took something.
    failures: u32,
    /// Until when it gets nothing.
    rests_until: Option<Instant>,
    /// Messages that it did not take, by their ids.
    failed: HashMap<String, Trouble>,
    /// When it is to hear again of what is open.
    refresh_at: Option<Instant>,
}

/// A message that was not taken.
struct Trouble {
    times: u32,
    since: Instant,
    rests_until: Instant,
}

impl Shared {
    /// Tells a target what it is owed, until it is told to stop and has told what it is at.
    pub(super) async fn serve(self: Arc<Self>, name: String, stop: CancellationToken) {
        let (mut settings, mut news) = (self.settings.subscribe(), self.news.subscribe());
        let mut handled = self.people.changes();
        let mut course = Course::default();
        let mut current = Arc::clone(&settings.borrow_and_update());
        while !stop.is_cancelled() {
            let newest = Arc::clone(&settings.borrow_and_update());
            // Whatever has woken it: what stood in its way may be put right.
            if !Arc::ptr_eq(&newest, &current) {
                (course, current) = (Course::default(), newest);
            }
            let wake_at = match current.targets.get(&name) {
                Some(target) => self.step(&name, target, &current, &mut course).await,
                None => Instant::now() + LOOK_AGAIN,
            };
            tokio::select! {
                () = stop.cancelled() => return,
                _ = settings.changed() => {}
                _ = news.changed() => {}
                Ok(()) = handled.changed() => {}
                () = sleep_until(wake_at) => {}
            }
        }
    }

    /// Tells the next thing, if there is one; when to come back.
    async fn step(
        self: &Arc<Self>,
        name: &str,
        target: &Target,
        settings: &Settings,
        course: &mut Course,
    ) -> Instant {
        let (started, now) = (Instant::now(), Moment::now());
        if let Some(until) = course.rests_until.filter(|until| *until > started) {
            return until;
        }
        let next = {
            let mut book = self.book();
            book.outbox.quiet_handled(name, |incident| self.people.is_handled(incident));
            course.failed.retain(|id, _| id == REFRESH || book.outbox.has(name, id));
            let failed = course.failed.iter().map(|(id, trouble)| (id.clone(), trouble.failed(started)));
            book.outbox.next(name, target.most_incidents(), &failed.collect(), &settings.plan, now)
        };
        match next {
            Next::Send(delivery) => {
                // Under its id from now on, whatever happens to this process.
                self.save().await;
                let message = self.message(&delivery, settings);
                let outcome = target.send(&message).await;
                self.conclude(target, settings, &delivery, outcome, course).await;
                Instant::now()
            }
            Next::Wait(until) => {
                let refreshed = self.refresh(name, target, settings, course).await;
                let until = until.map_or(LOOK_AGAIN, |until| until.since(now)).min(LOOK_AGAIN);
                refreshed.map_or(started + until, |at| at.min(started + until))
            }
        }
    }

    /// What goes out, with incidents as they are at this moment.
    fn message(&self, delivery: &Delivery, settings: &Settings) -> Message {
        let book = self.book();
        let entries = delivery.incidents.iter().filter_map(|id| book.outbox.get(&delivery.target, id));
        let entries: Vec<_> = entries.cloned().collect();
        drop(book);
        let group = settings.plan.group_by.iter().map(|key| {
            let value = entries.first().and_then(|entry| entry.labels.get(key)).cloned();
            (key.clone(), value.unwrap_or_default())
        });
        let group = group.collect();
        let told = entries.into_iter().map(|entry| {
            let current = match entry.is_resolved() {
                true => None,
                false => self.source.current(&entry.incident.fingerprint),
            };
            let incident = current.filter(|it| it.id == entry.incident.id).unwrap_or(entry.incident);
            let handling = self.people.handling(&incident.id);
            Told::new(&incident, entry.severity, entry.labels, settings.page.as_ref(), handling)
        });
        Message {
            schema: Message::SCHEMA,
            delivery: delivery.id.clone(),
            event: delivery.event,
            at: Moment::now().into(),
            test: false,
            group,
            url: settings.page.clone(),
            incidents: told.collect(),
        }
    }

    async fn conclude(
        self: &Arc<Self>,
        target: &Target,
        settings: &Settings,
        delivery: &Delivery,
        outcome: Result<(), Refusal>,
        course: &mut Course,
    ) {
        let (name, event) = (&delivery.target, delivery.event);
        match outcome {
            Ok(()) => {
                course.failures = 0;
                course.failed.remove(&delivery.id);
                self.metrics.alert_sent(name, event.as_str());
                self.is_well(name, course);
                // Whoever sees that nothing is owed any more sees all else of it.
                self.book().outbox.delivered(delivery, Moment::now());
                self.save().await;
                self.journal_sent(target, delivery).await;
            }
            Err(refusal) => {
                self.metrics.alert_failed(name);
                let is_many = delivery.incidents.len() > 1;
                let halved = is_many && matches!(refusal, Refusal::Refused { .. });
                if halved {
                    self.book().outbox.halve(delivery);
                }
                let (next, lasts) = course.failed(&delivery.id, &refusal, halved);
                self.is_unwell(name, &refusal, next);
                if lasts >= settings.plan.give_up_after {
                    self.give_up(delivery, lasts).await;
                }
            }
        }
    }

    async fn give_up(self: &Arc<Self>, delivery: &Delivery, lasts: Duration) {
        let count = self.book().outbox.give_up(delivery);
        if count == 0 {
            return;
        }
        self.save().await;
        let (name, lasts) = (&delivery.target, rough(lasts));
        tracing::error!(
            "`{name}` never heard of {count} incidents that are over: it took none of it for {lasts}"
        );
        let more = json!({ "target": name, "incidents": count, "incident": delivery.incidents.first() });
        self.source.note(event::generic("alerts_given_up", None, None, Moment::now(), more)).await;
    }

    async fn journal_sent(&self, target: &Target, delivery: &Delivery) {
        let Delivery { id, event, target: name, incidents } = delivery;
        let more = json!({
            "target": name, "kind": target.kind(), "delivery": id, "event": event, "incidents": incidents.len(),
            "incident": incidents.first(),
        });
        let at = Moment::now();
        let mut note = event::generic("alert_sent", None, None, at, more);
        note.id = format!("alert_sent-{id}");
        self.source.note(note).await;
    }

    /// Tells a target that forgets what is still open; when to do so again.
    async fn refresh(
        self: &Arc<Self>,
        name: &str,
        target: &Target,
        settings: &Settings,
        course: &mut Course,
    ) -> Option<Instant> {
        let every = target.refresh_every()?;
        let now = Instant::now();
        // What it was told before the start it was told by another process, which may be long ago.
        if let Some(at) = course.refresh_at.filter(|at| *at > now) {
            return Some(at);
        }
        let open = self.book().outbox.told_open(name);
        let mut failed = None;
        for incidents in open.chunks(target.most_incidents().max(1)) {
            let delivery = Delivery {
                id: REFRESH.to_owned(),
                event: Happening::Opened,
                target: name.to_owned(),
                incidents: incidents.to_vec(),
            };
            if let Err(refusal) = target.send(&self.message(&delivery, settings)).await {
                self.metrics.alert_failed(name);
                failed = Some(refusal);
            }
        }
        let at = match failed {
            Some(refusal) => {
                let (next, _) = course.failed(REFRESH, &refusal, false);
                self.is_unwell(name, &refusal, next);
                next
            }
            None => {
                if course.failed.remove(REFRESH).is_some() || !open.is_empty() {
                    course.failures = 0;
                    self.is_well(name, course);
                }
                now + every
            }
        };
        course.refresh_at = Some(at);
        Some(at)
    }

    fn is_well(&self, name: &str, course: &Course) {
        let mut conditions = self.conditions();
        let condition = conditions.entry(name.to_owned()).or_default();
        condition.delivered_at = Some(Moment::now());
        if !course.failed.is_empty() {
            // There is something else that it does not take.
            return;
        }
        (condition.problem, condition.next_attempt_at) = (None, None);
        if let Some(since) = condition.failing_since.take() {
            let long = rough(Moment::now().since(since));
            let name = printable(name, LONGEST_NAME);
            tracing::info!("`{name}` hears of incidents again, after {long}");
        }
    }

    fn is_unwell(&self, name: &str, refusal: &Refusal, next: Instant) {
        let mut conditions = self.conditions();
        let condition = conditions.entry(name.to_owned()).or_default();
        let problem = refusal.to_string();
        if condition.problem.as_ref() != Some(&problem) {
            tracing::warn!(
                target = name,
                "`{name}` was not told of incidents, which is tried again: {problem}"
            );
        }
        condition.failing_since.get_or_insert_with(Moment::now);
        condition.problem = Some(problem);
        condition.next_attempt_at = Some(Moment::now().after(next.saturating_duration_since(Instant::now())));
    }
}

impl Course {
    /// Takes a failure in; when there is another attempt of it, and how long this message has failed.
    fn failed(&mut self, delivery: &str, refusal: &Refusal, halved: bool) -> (Instant, Duration) {
        let now = Instant::now();
        // Half of it may well be taken: of a thousand, nine halvings must not keep 999 waiting for minutes.
        let failures = if halved { 0 } else { self.failures };
        self.failures = self.failures.saturating_add(u32::from(!halved));
        let rest = doubled(FIRST_REST, failures, LONGEST_REST);
        let wanted = match refusal {
            Refusal::Unavailable { retry_after, .. } => *retry_after,
            Refusal::Refused { .. } => None,
        };
        let rests_until = now + wanted.map_or(rest, |wanted| wanted.max(rest));
        self.rests_until = Some(rests_until);
        let trouble =
            self.failed.entry(delivery.to_owned()).or_insert(Trouble { times: 0, since: now, rests_until });
        let is_refused = matches!(refusal, Refusal::Refused { .. }) && !halved;
        trouble.rests_until = match is_refused {
            true => now + doubled(FIRST_REFUSED_REST, trouble.times, LONGEST_REFUSED_REST),
            false => rests_until,
        };
        trouble.times = trouble.times.saturating_add(1);
        (rests_until.max(trouble.rests_until), now - trouble.since)
    }
}

impl Trouble {
    fn failed(&self, now: Instant) -> Failed {
        Failed { times: self.times, rest: self.rests_until.saturating_duration_since(now) }
    }
}
