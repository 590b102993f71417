//! The task that takes in what becomes of incidents.
//!
//! What is open is compared with what is followed: when something was written into the state, when somebody did something
//! here, and with other settings. What is followed and open no more is over; when that was, the state says.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use super::handle::{Handle, Shared};
use super::settings::Settings;
use crate::journal::Incident;
use crate::state::{Health, StateError};
use crate::verdict::Moment;

/// How often incidents are looked at, at most.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Until something that failed is tried again.
const AGAIN: Duration = Duration::from_secs(5);
/// For how long an incident is not open, nor over in the state, until it is over all the same.
const ABSENT: Duration = Duration::from_secs(60);
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

impl Shared {
    /// Takes in what becomes of incidents until it is told to stop.
    async fn follow(self: Arc<Self>, mut health: watch::Receiver<Health>, stop: CancellationToken) {
        let (mut settings, mut news) = (self.settings.subscribe(), self.news.subscribe());
        let (mut reopened, mut absent) = (health.borrow().reopened, Absent::new());
        loop {
            let (current, looked_at) = (Arc::clone(&settings.borrow_and_update()), Instant::now());
            let now = health.borrow_and_update().reopened;
            if now != reopened {
                self.book().begin_again();
                reopened = now;
            }
            let (looked, is_news) = self.look_apart(current, std::mem::take(&mut absent)).await;
            let is_saved = self.save().await;
            if is_news {
                self.news.send_replace(());
            }
            news.mark_unchanged();
            let is_due = looked.as_ref().is_none_or(|absent| !absent.is_empty()) || !is_saved;
            absent = looked.unwrap_or_default();
            let changed = async {
                let changed = health.changed().await;
                sleep_until(looked_at + LOOK_EVERY).await;
                changed
            };
            tokio::select! {
                () = stop.cancelled() => return,
                _ = settings.changed() => {}
                _ = news.changed() => {}
                changed = changed => if changed.is_err() { return },
                () = sleep(AGAIN), if is_due => {}
            }
        }
    }

    /// The same as [`Shared::look`] where it may block; what is absent, unless that failed, and whether there is news.
    async fn look_apart(self: &Arc<Self>, settings: Arc<Settings>, absent: Absent) -> (Option<Absent>, bool) {
        if !settings.has_rules() && self.book().is_empty() {
            return (Some(Absent::new()), false);
        }
        let shared = Arc::clone(self);
        match spawn_blocking(move || shared.look(&settings, absent)).await {
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
            let followed = book.iter().filter(|record| !record.is_over()).map(|record| &record.incident);
            followed.filter(|incident| !ids.contains(incident.id.as_str())).cloned().collect()
        };
        let now = Instant::now();
        absent.retain(|id, _| followed.iter().any(|incident| incident.id == *id));
        let mut is_news = false;
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
}
