//! The worker of one tracker: one step at a time, with growing rests while it does nothing of what it is asked for.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::super::desk::{Desk, Refusal, RefusalKind};
use super::super::handle::Shared;
use super::super::record::Record;
use super::super::settings::Settings;
use super::next::Step;
use crate::backoff::doubled;
use crate::services::call;
use crate::text::{printable, rough};
use crate::verdict::{Moment, Outcome, Reason};

/// The rests of a tracker after failures: the first, and the longest.
const FIRST_REST: Duration = Duration::from_secs(1);
const LONGEST_REST: Duration = Duration::from_secs(5 * 60);
/// The longest that is waited since the tracker wants it.
const LONGEST_WANTED: Duration = Duration::from_secs(15 * 60);
/// The rest of something that was refused for itself.
const REFUSED_REST: Duration = Duration::from_secs(60 * 60);
/// What is due is looked at again after this at the latest, since the wall clock may be set.
const LOOK_AGAIN: Duration = Duration::from_secs(60);
/// Characters of an integration's name.
const LONGEST_NAME: usize = 200;

/// What a step is done with.
pub(super) struct Work<'a> {
    pub(super) desk: &'a Desk,
    pub(super) settings: &'a Settings,
    /// The incident's id.
    pub(super) incident: &'a str,
}

/// Why a step is not done.
pub(super) enum Trouble {
    /// The tracker does not do what it is asked for, and may not do anything else either.
    Tracker(Refusal),
    /// This cannot be done.
    This { problem: String, rest: Duration },
    /// There is nothing wrong, but it has to wait.
    Later(Duration),
}

impl Trouble {
    /// Something that is refused for itself.
    pub(super) fn of_this(problem: String) -> Self {
        Self::This { problem, rest: REFUSED_REST }
    }
}

/// How it goes with a tracker.
#[derive(Default)]
struct Course {
    /// How often nothing was done since something was.
    failures: u32,
    /// Until when it is left alone.
    rests_until: Option<Instant>,
    /// Until when steps wait, by incident.
    resting: HashMap<(String, Step), Instant>,
    /// When something was tried last for an incident, so that one never keeps the others waiting.
    tried: BTreeMap<String, Instant>,
}

impl Shared {
    /// Does what is to be done at the tracker of an integration, until it is told to stop and has done what it is at.
    pub(super) async fn serve(self: Arc<Self>, integration: String, stop: CancellationToken) {
        let (mut settings, mut news) = (self.settings.subscribe(), self.news.subscribe());
        let mut course = Course::default();
        let mut current = Arc::clone(&settings.borrow_and_update());
        while !stop.is_cancelled() {
            let newest = Arc::clone(&settings.borrow_and_update());
            // Whatever has woken it: what stood in its way may be put right.
            if !Arc::ptr_eq(&newest, &current) {
                (course, current) = (Course::default(), newest);
            }
            news.mark_unchanged();
            let wake_at = self.step(&integration, &current, &mut course).await;
            tokio::select! {
                () = stop.cancelled() => return,
                _ = settings.changed() => {}
                _ = news.changed() => {}
                () = sleep_until(wake_at) => {}
            }
        }
    }

    /// Does the next thing, if there is one; when to come back.
    async fn step(self: &Arc<Self>, integration: &str, settings: &Settings, course: &mut Course) -> Instant {
        let now = Instant::now();
        if let Some(until) = course.rests_until.filter(|until| *until > now) {
            return until;
        }
        let (incident, step) = match self.choose(integration, settings, course) {
            Ok(chosen) => chosen,
            Err(wait) => return now + wait.min(LOOK_AGAIN),
        };
        course.tried.insert(incident.clone(), now);
        let came = match self.source.desk(integration).await {
            Some(desk) => {
                let work = Work { desk: &desk, settings, incident: &incident };
                call::unattended(self.take_step(&work, step)).await
            }
            None => Err(Trouble::Tracker(stranger(integration))),
        };
        self.judge(integration, (&incident, step), came, course)
    }

    /// What to do next, or how long there is nothing.
    fn choose(
        &self,
        integration: &str,
        settings: &Settings,
        course: &mut Course,
    ) -> Result<(String, Step), Duration> {
        let (book, now) = (self.book(), Instant::now());
        course.tried.retain(|incident, _| book.get(incident).is_some());
        course.resting.retain(|_, until| *until > now);
        let (mut soonest, mut chosen) = (LOOK_AGAIN, None);
        let here = book.iter().filter(|(_, record)| record.tracker(settings) == Some(integration));
        for (id, record) in here {
            let Some((step, wait)) = record.next(Moment::now()) else { continue };
            let rest = course.resting.get(&(id.clone(), step)).map(|until| *until - now);
            let wait = wait.max(rest.unwrap_or_default());
            if !wait.is_zero() {
                soonest = soonest.min(wait);
                continue;
            }
            let rank = (step == Step::Read, course.tried.get(id), step, id);
            if chosen.is_none_or(|chosen| rank < chosen) {
                chosen = Some(rank);
            }
        }
        chosen.map(|(_, _, step, id)| (id.clone(), step)).ok_or(soonest)
    }

    async fn take_step(self: &Arc<Self>, work: &Work<'_>, step: Step) -> Result<(), Trouble> {
        match step {
            Step::Recover => self.recover(work).await,
            Step::Find => self.find_or_make(work).await,
            Step::Greet => self.greet(work).await,
            Step::Assign => self.hand_over(work).await,
            Step::End => self.end(work).await,
            Step::Read => self.read(work).await,
        }
    }

    /// Takes in how a step went; when to come back.
    fn judge(
        &self,
        integration: &str,
        (incident, step): (&str, Step),
        came: Result<(), Trouble>,
        course: &mut Course,
    ) -> Instant {
        let now = Instant::now();
        let mut conditions = self.conditions();
        let condition = conditions.entry(integration.to_owned()).or_default();
        let shown = printable(integration, LONGEST_NAME);
        if let Err(Trouble::Tracker(refusal)) = &came {
            let rest = rest(course.failures, refusal);
            course.failures = course.failures.saturating_add(1);
            course.rests_until = Some(now + rest);
            let problem = refusal.to_string();
            if condition.problem.as_ref() != Some(&problem) {
                tracing::warn!(
                    "the tracker of `{shown}` does not do its part, which is tried again: {problem}"
                );
            }
            condition.failing_since.get_or_insert_with(Moment::now);
            condition.problem = Some(problem);
            condition.next_attempt_at = Some(Moment::now().after(rest));
            return now + rest;
        }
        course.failures = 0;
        (condition.problem, condition.next_attempt_at) = (None, None);
        if let Some(since) = condition.failing_since.take() {
            let long = rough(Moment::now().since(since));
            tracing::info!("the tracker of `{shown}` does its part again, after {long}");
        }
        let key = (incident.to_owned(), step);
        match came {
            Err(Trouble::This { problem, rest }) => {
                // What is wrong with a configuration may be the same for very many.
                if condition.refused.values().all(|known| *known != problem) {
                    tracing::warn!(
                        "the tracker of `{shown}` is of no use to the incident `{incident}`, and perhaps to others: {problem}"
                    );
                }
                condition.refused.insert(key.clone(), problem);
                course.resting.insert(key, now + rest);
            }
            Err(Trouble::Later(rest)) => drop(course.resting.insert(key, now + rest)),
            _ => drop(condition.refused.remove(&key)),
        }
        now
    }

    /// What is followed of an incident.
    pub(super) fn get(&self, incident: &str) -> Option<Record> {
        self.book().get(incident).cloned()
    }

    /// Changes what is followed of the incident; what came of it, and whether it is saved.
    pub(super) async fn change_and_save<T>(
        self: &Arc<Self>,
        work: &Work<'_>,
        change: impl FnOnce(&mut Record) -> T,
    ) -> (Option<T>, bool) {
        let came = self.book().change(work.incident, change);
        (came, self.save().await)
    }
}

/// How long a tracker is left alone. What its plugin wants counts up to a bound, as what forges want does.
fn rest(failures: u32, refusal: &Refusal) -> Duration {
    let own = doubled(FIRST_REST, failures, LONGEST_REST);
    let wanted = refusal.outcome.retry_after_s.map_or(Duration::ZERO, Duration::from_secs);
    own.max(wanted.min(LONGEST_WANTED))
}

fn stranger(integration: &str) -> Refusal {
    let shown = printable(integration, LONGEST_NAME);
    let detail =
        format!("there is no integration `{shown}` any more: configure it again, or unlink its issues");
    Refusal::of(Outcome::new(Reason::Unreachable, detail), RefusalKind::Failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rests_grow_and_what_a_tracker_wants_has_a_bound() {
        let refusal = |retry_after_s| {
            let outcome = Outcome { retry_after_s, ..Outcome::new(Reason::RateLimited, "") };
            Refusal::of(outcome, RefusalKind::Failed)
        };
        for (failures, wanted, seconds) in
            [(0, None, 1), (3, None, 8), (99, None, 300), (0, Some(60), 60), (3, Some(u64::MAX), 900)]
        {
            assert_eq!(rest(failures, &refusal(wanted)), Duration::from_secs(seconds));
        }
    }
}
