//! Telling one target: one message at a time, with growing rests while it takes none.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::super::message::{Happening, Message, Told};
use super::super::outbox::{Delivery, Next};
use super::super::settings::Settings;
use super::super::target::{Refusal, Target};
use super::Shared;
use crate::journal::event;
use crate::verdict::Moment;

/// The rests after failures: the first, and the longest.
const FIRST_REST: Duration = Duration::from_secs(1);
const LONGEST_REST: Duration = Duration::from_secs(5 * 60);
/// Messages that were refused for themselves are tried again after this.
const FIRST_REFUSED_REST: Duration = Duration::from_secs(30);
const LONGEST_REFUSED_REST: Duration = Duration::from_secs(60 * 60);
/// What is due is looked at again after this at the latest, since the wall clock may be set.
const LOOK_AGAIN: Duration = Duration::from_secs(60);

/// How telling a target goes.
#[derive(Default)]
struct Course {
    failures: u32,
    /// Until when it gets nothing.
    rests_until: Option<Instant>,
    /// Deliveries that were refused for themselves: how often, and until when each rests.
    refused: HashMap<String, (u32, Moment)>,
    /// When it is to hear again of what is open.
    refresh_at: Option<Instant>,
}

impl Shared {
    /// Tells a target what it is owed, until it is told to stop and has told what it is at.
    pub(super) async fn serve(self: Arc<Self>, name: String, stop: CancellationToken) {
        let (mut settings, mut news) = (self.settings.subscribe(), self.news.subscribe());
        let mut course = Course::default();
        while !stop.is_cancelled() {
            let current = Arc::clone(&settings.borrow_and_update());
            let wake_at = match current.targets.get(&name) {
                Some(target) => self.step(&name, target, &current, &mut course).await,
                None => Instant::now() + LOOK_AGAIN,
            };
            tokio::select! {
                () = stop.cancelled() => return,
                // What stood in its way may be put right.
                _ = settings.changed() => course = Course::default(),
                _ = news.changed() => {}
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
        self.give_up(name, settings, now).await;
        let resting = course.refused.iter().map(|(id, (_, until))| (id.clone(), *until)).collect();
        let most = target.most_incidents();
        let next = self.book().outbox.next(name, most, &resting, &settings.plan, now);
        match next {
            Next::Send(delivery) => {
                // Under its id from now on, whatever happens to this process.
                self.save().await;
                let message = self.message(&delivery, settings);
                let outcome = target.send(&message).await;
                self.conclude(target, &delivery, outcome, course).await;
                Instant::now()
            }
            Next::Wait(until) => {
                let refreshed = self.refresh(name, target, settings, course).await;
                let until = until.map_or(LOOK_AGAIN, |until| until.since(now)).min(LOOK_AGAIN);
                refreshed.map_or(started + until, |at| at.min(started + until))
            }
        }
    }

    async fn give_up(self: &Arc<Self>, name: &str, settings: &Settings, now: Moment) {
        let count = self.book().outbox.give_up(name, &settings.plan, now);
        if count == 0 {
            return;
        }
        self.save().await;
        let after = humantime::format_duration(settings.plan.give_up_after);
        tracing::error!(
            "`{name}` never heard of {count} incidents that are over: it took nothing for {after}"
        );
        let more = json!({ "target": name, "incidents": count });
        self.source.note(event::generic("alerts_given_up", None, None, now, more)).await;
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
            Told::new(&incident, entry.severity, entry.labels, settings.page.as_ref())
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
        delivery: &Delivery,
        outcome: Result<(), Refusal>,
        course: &mut Course,
    ) {
        let (name, event) = (&delivery.target, delivery.event);
        match outcome {
            Ok(()) => {
                self.book().outbox.delivered(delivery, Moment::now());
                self.save().await;
                course.failures = 0;
                course.refused.remove(&delivery.id);
                self.metrics.alert_sent(name, event.as_str());
                self.is_well(name);
                self.journal_sent(target, delivery).await;
            }
            Err(refusal) => {
                self.metrics.alert_failed(name);
                let next = course.failed(&delivery.id, &refusal);
                self.is_unwell(name, &refusal, next);
            }
        }
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
        let open = self.book().outbox.told_open(name, &settings.plan, Moment::now());
        for incidents in open.chunks(target.most_incidents().max(1)) {
            let delivery = Delivery {
                id: "refresh".to_owned(),
                event: Happening::Opened,
                target: name.to_owned(),
                incidents: incidents.to_vec(),
            };
            if let Err(refusal) = target.send(&self.message(&delivery, settings)).await {
                self.metrics.alert_failed(name);
                let next = course.failed(&delivery.id, &refusal);
                self.is_unwell(name, &refusal, next);
                return Some(next);
            }
        }
        if !open.is_empty() {
            course.failures = 0;
            self.is_well(name);
        }
        let at = now + every;
        course.refresh_at = Some(at);
        Some(at)
    }

    fn is_well(&self, name: &str) {
        let mut conditions = self.conditions();
        let condition = conditions.entry(name.to_owned()).or_default();
        condition.delivered_at = Some(Moment::now());
        (condition.problem, condition.next_attempt_at) = (None, None);
        if let Some(since) = condition.failing_since.take() {
            let long = humantime::format_duration(Duration::from_secs(Moment::now().since(since).as_secs()));
            tracing::info!(target = name, "`{name}` hears of incidents again, after {long}");
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
    /// Takes a failure in; when there is another attempt.
    fn failed(&mut self, delivery: &str, refusal: &Refusal) -> Instant {
        match refusal {
            Refusal::Unavailable { retry_after, .. } => {
                let rest = growing(FIRST_REST, LONGEST_REST, self.failures);
                self.failures = self.failures.saturating_add(1);
                let until = Instant::now() + retry_after.map_or(rest, |wanted| wanted.max(rest));
                self.rests_until = Some(until);
                until
            }
            // Others may be taken.
            Refusal::Refused { .. } => {
                let failures = self.refused.get(delivery).map_or(0, |(failures, _)| *failures);
                let rest = growing(FIRST_REFUSED_REST, LONGEST_REFUSED_REST, failures);
                let until = Moment::now().after(rest);
                self.refused.insert(delivery.to_owned(), (failures.saturating_add(1), until));
                Instant::now() + rest
            }
        }
    }
}

fn growing(first: Duration, longest: Duration, failures: u32) -> Duration {
    first.saturating_mul(2_u32.saturating_pow(failures.min(16))).min(longest)
}
