//! The tasks: one that takes in what becomes of incidents, and one for each tracker that does what is to be done there.
//!
//! A tracker that is down, slow or answers nonsense costs nobody else anything.
//!
//! What is open is compared with what is followed: when something was written into the state, when somebody did something
//! here, and with other settings. What is followed and open no more is over; when that was, the state says.

mod make;
mod next;
mod read;
mod tell;
#[cfg(test)]
mod tests;
mod words;
mod worker;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use super::handle::{Handle, Shared};
use super::record::Record;
use super::settings::Settings;
use crate::journal::Incident;
use crate::state::{Health, StateError};
use crate::verdict::Moment;

pub(super) use next::Step;

/// How often incidents are looked at, at most.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Until something that failed is tried again.
const AGAIN: Duration = Duration::from_secs(5);
/// For how long an incident is not open, nor over in the state, until it is over all the same.
const ABSENT: Duration = Duration::from_secs(60);
/// How often it is looked for what can be forgotten.
const PRUNE_EVERY: Duration = Duration::from_secs(60 * 60);
/// For how long a tracker that is down is still to be told of an incident that nobody else remembers.
const LONGEST_OWED: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// How long what is under way has at the end.
const GRACE: Duration = Duration::from_secs(5);

/// What follows incidents in trackers, while it runs.
pub struct Tracker {
    tasks: JoinSet<()>,
    stop: CancellationToken,
}

impl Tracker {
    /// Begins to follow, as the settings of `handle` say at each time. Needs a runtime.
    pub fn start(handle: Handle, health: watch::Receiver<Health>) -> Self {
        let (stop, mut tasks) = (CancellationToken::new(), JoinSet::new());
        tasks.spawn(Arc::clone(&handle.shared).mind_subscriptions(stop.clone()));
        tasks.spawn(handle.shared.follow(health, stop.clone()));
        Self { tasks, stop }
    }

    /// Stops: nothing is begun any more, and what is under way has five seconds. What is owed then is done after the next
    /// start.
    pub async fn stop(mut self) {
        self.stop.cancel();
        let ended = async { while self.tasks.join_next().await.is_some() {} };
        if timeout(GRACE, ended).await.is_err() {
            tracing::warn!(
                "a request to a tracker was cut off; what became of it is looked up after the start"
            );
        }
    }
}

/// Since when incidents that are followed are neither open nor over.
type Absent = BTreeMap<String, Instant>;

/// The workers, and the tasks that they are, by integration.
#[derive(Default)]
struct Workers {
    tasks: JoinSet<()>,
    served: BTreeMap<String, tokio::task::Id>,
}

impl Shared {
    /// Takes in what becomes of incidents until it is told to stop.
    async fn follow(self: Arc<Self>, mut health: watch::Receiver<Health>, stop: CancellationToken) {
        let (mut settings, mut news) = (self.settings.subscribe(), self.news.subscribe());
        let (mut reopened, mut absent) = (health.borrow().reopened, Absent::new());
        let (mut workers, mut prune_at) = (Workers::default(), Instant::now());
        loop {
            let (current, looked_at) = (Arc::clone(&settings.borrow_and_update()), Instant::now());
            // What comes while it is looked may not have been seen.
            news.mark_unchanged();
            let now = health.borrow_and_update().reopened;
            if now != reopened {
                self.book().begin_again();
                reopened = now;
            }
            let is_pruned = looked_at >= prune_at;
            if is_pruned {
                prune_at = looked_at + PRUNE_EVERY;
            }
            let look = (std::mem::take(&mut absent), is_pruned);
            let (looked, is_news) = self.look_apart(Arc::clone(&current), look).await;
            let is_saved = self.save().await;
            self.employ(&current, &mut workers, &stop);
            if is_news {
                self.news.send_replace(());
            }
            let is_due = looked.as_ref().is_none_or(|absent| !absent.is_empty()) || !is_saved;
            absent = looked.unwrap_or_default();
            let changed = async {
                let is_running = tokio::select! {
                    changed = health.changed() => changed.is_ok(),
                    _ = news.changed() => true,
                };
                sleep_until(looked_at + LOOK_EVERY).await;
                is_running
            };
            tokio::select! {
                () = stop.cancelled() => break,
                _ = settings.changed() => {}
                is_running = changed => if !is_running { break },
                () = sleep(AGAIN), if is_due => {}
                () = sleep_until(prune_at) => {}
                Some(Err(panic)) = workers.tasks.join_next() => {
                    tracing::error!("a tracker failed, which is a fault of forgewatch, and goes on: {panic}");
                    sleep(AGAIN).await;
                    workers.served.retain(|_, id| *id != panic.id());
                }
            }
        }
        // Each ends by itself, after what it is doing.
        while workers.tasks.join_next().await.is_some() {}
    }

    /// Has a worker for each tracker that there is something to do at, or may be.
    fn employ(self: &Arc<Self>, settings: &Settings, workers: &mut Workers, stop: &CancellationToken) {
        let wanted: BTreeSet<String> = {
            let book = self.book();
            let linked = book.iter().filter_map(|(_, record)| record.tracker(settings));
            settings.rules().map(|rule| rule.integration.as_str()).chain(linked).map(str::to_owned).collect()
        };
        for integration in wanted {
            let tasks = &mut workers.tasks;
            workers.served.entry(integration).or_insert_with_key(|integration| {
                tasks.spawn(Arc::clone(self).serve(integration.clone(), stop.clone())).id()
            });
        }
    }

    /// The same as [`Shared::look`] where it may block; what is absent, unless that failed, and whether there is news.
    async fn look_apart(
        self: &Arc<Self>,
        settings: Arc<Settings>,
        (absent, is_pruned): (Absent, bool),
    ) -> (Option<Absent>, bool) {
        if !settings.has_rules() && self.book().is_empty() {
            return (Some(Absent::new()), false);
        }
        let shared = Arc::clone(self);
        let look = move || {
            let looked = shared.look(&settings, absent)?;
            if is_pruned {
                shared.prune()?;
            }
            Ok::<_, StateError>(looked)
        };
        match spawn_blocking(look).await {
            Ok(Ok((absent, is_news))) => (Some(absent), is_news),
            Ok(Err(error)) => {
                tracing::debug!("what became of incidents cannot be read, and is looked up again: {error}");
                (None, false)
            }
            Err(panic) => {
                tracing::error!("following incidents failed, which is a fault of forgewatch: {panic}");
                (None, false)
            }
        }
    }

    /// Compares what is open with what is followed.
    fn look(&self, settings: &Settings, mut absent: Absent) -> Result<(Absent, bool), StateError> {
        let open = self.source.open();
        let ids: BTreeSet<&str> = open.iter().map(|incident| incident.id.as_str()).collect();
        let followed: Vec<Incident> = {
            let book = self.book();
            let followed = book.iter().map(|(_, record)| record).filter(|record| !record.is_over());
            let followed = followed.map(|record| &record.incident);
            followed.filter(|incident| !ids.contains(incident.id.as_str())).cloned().collect()
        };
        let now = Instant::now();
        absent.retain(|id, _| followed.iter().any(|incident| incident.id == *id));
        let mut is_news = self.give_up_lost(settings);
        for incident in followed {
            let kept = self.state.incident(&incident.id)?;
            let kept = kept.and_then(|row| serde_json::from_str::<Incident>(&row.incident).ok());
            let since = *absent.entry(incident.id.clone()).or_insert(now);
            let over = match kept.filter(|kept| kept.resolved_at.is_some()) {
                Some(kept) => kept,
                None if now.duration_since(since) >= ABSENT => {
                    Incident { resolved_at: Some(Moment::now()), ..incident }
                }
                None => continue,
            };
            absent.remove(&over.id);
            is_news |= self.book().note(&over, None, settings);
        }
        for incident in &open {
            let labels = self.labels(incident, settings);
            is_news |= self.book().note(incident, labels, settings);
        }
        Ok((absent, is_news))
    }

    /// Gives up what may have been made for a tracker that is not configured any more; whether there was any.
    fn give_up_lost(&self, settings: &Settings) -> bool {
        let mut book = self.book();
        let is_lost = |record: &Record| {
            let rule = record.rule.as_deref().filter(|_| record.making_since.is_some());
            rule.is_some_and(|rule| settings.rule(rule).is_none())
        };
        let lost: Vec<String> =
            book.iter().filter(|(_, record)| is_lost(record)).map(|(id, _)| id.clone()).collect();
        for id in &lost {
            book.change(id, |record| {
                tracing::warn!(
                    "nobody knows whether an issue was made for the incident `{id}`, and its tracker is not configured any \
                     more: link it by hand if there is one"
                );
                (record.making_since, record.rule, record.owed.end) = (None, None, false);
            });
        }
        !lost.is_empty()
    }

    /// Forgets what is followed of incidents that are over and not in the state any more; what a tracker is still to be
    /// told of them, only after a long time.
    fn prune(&self) -> Result<(), StateError> {
        let now = Moment::now();
        let is_kept = |record: &Record| {
            let is_owed = record.next(now).is_some();
            record.incident.resolved_at.is_none_or(|over| is_owed && now.since(over) < LONGEST_OWED)
        };
        let over: Vec<String> = {
            let book = self.book();
            book.iter().filter(|(_, record)| !is_kept(record)).map(|(id, _)| id.clone()).collect()
        };
        for id in over {
            if self.state.incident(&id)?.is_none() {
                self.book().forget(&id);
            }
        }
        let book = self.book();
        for condition in self.conditions().values_mut() {
            condition.refused.retain(|(incident, _), _| book.get(incident).is_some());
        }
        Ok(())
    }
}
