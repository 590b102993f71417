//! The tasks: one that takes in what becomes of incidents, and one for each target that tells it.
//!
//! The journal says what became of incidents, and only what is on disk is told. What was taken in of it is saved
//! together with what is owed for it, so after a kill nothing is owed twice.

mod sender;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::sync::watch;
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::outbox::{Entry, Outbox};
use super::plan::Labels;
use super::report::{Condition, TargetReport};
use super::settings::Settings;
use crate::journal::Incident;
use crate::metrics::Metrics;
use crate::state::{AlertKey, Event, EventFilter, EventKind, Health, State, StateError};
use crate::verdict::Moment;

/// Events that are read at once.
const EVENTS_AT_ONCE: usize = 500;
/// Events after which it is saved where reading has got to, though nothing came of them.
const EVENTS_UNSAVED: i64 = 10_000;
/// Until a state that could not be read or written is tried again.
const STATE_AGAIN: Duration = Duration::from_secs(5);
/// How long messages under way have at the end.
const GRACE: Duration = Duration::from_secs(5);

/// Where alerts learn of what they tell.
pub trait Source: Send + Sync {
    /// All incidents that are open now.
    fn open(&self) -> Vec<Incident>;

    /// The open incident with a fingerprint, as it is now.
    fn current(&self, fingerprint: &str) -> Option<Incident>;

    /// The labels of a repository, if it is watched.
    fn labels(&self, repository: &str) -> Option<Arc<Labels>>;

    /// Has something written into the journal.
    fn note(&self, event: Event) -> BoxFuture<'_, ()>;
}

/// Alerts that run.
pub struct Alerts {
    shared: Arc<Shared>,
    tasks: JoinSet<()>,
    stop: CancellationToken,
}

/// Alerts as others use them. Cheap to clone.
#[derive(Clone)]
pub struct Handle {
    shared: Arc<Shared>,
}

struct Shared {
    source: Arc<dyn Source>,
    state: Arc<State>,
    health: watch::Receiver<Health>,
    metrics: Metrics,
    settings: watch::Sender<Arc<Settings>>,
    book: Mutex<Book>,
    conditions: Mutex<BTreeMap<String, Condition>>,
    /// Something new is owed.
    news: watch::Sender<()>,
    /// One write at a time, so that an older one never follows a newer.
    saving: tokio::sync::Mutex<()>,
}

/// What is owed, and the event up to which the journal was taken in for that.
#[derive(Default)]
struct Book {
    outbox: Outbox,
    seen: Option<i64>,
    saved: Option<i64>,
    /// Whether it was told that the state is of no use at the moment.
    in_trouble: bool,
}

impl Alerts {
    /// Starts to tell, as `settings` say at each time. Needs a runtime; reads what is owed, so it blocks for a moment.
    ///
    /// # Errors
    ///
    /// The state cannot be read.
    pub fn start(
        settings: watch::Sender<Arc<Settings>>,
        source: Arc<dyn Source>,
        state: Arc<State>,
        health: watch::Receiver<Health>,
        metrics: Metrics,
    ) -> Result<Self, StateError> {
        let (seen, rows) = state.alerts()?;
        let entries = rows.into_iter().filter_map(|(key, text)| match serde_json::from_str::<Entry>(&text) {
            Ok(entry) => Some((key, entry)),
            Err(error) => {
                tracing::warn!("what is owed to `{}` of `{}` cannot be read: {error}", key.0, key.1);
                None
            }
        });
        let book = Book { outbox: Outbox::restored(entries), seen, saved: seen, in_trouble: false };
        let shared = Arc::new(Shared {
            source,
            state,
            health,
            metrics,
            settings,
            book: Mutex::new(book),
            conditions: Mutex::default(),
            news: watch::Sender::new(()),
            saving: tokio::sync::Mutex::default(),
        });
        let (stop, mut tasks) = (CancellationToken::new(), JoinSet::new());
        tasks.spawn(Arc::clone(&shared).follow(stop.clone()));
        Ok(Self { shared, tasks, stop })
    }

    /// The alerts as others use them.
    pub fn handle(&self) -> Handle {
        Handle { shared: Arc::clone(&self.shared) }
    }

    /// Stops: nothing is begun any more, and messages under way have five seconds. What is owed then is told after the
    /// next start.
    pub async fn stop(mut self) {
        self.stop.cancel();
        let ended = async { while self.tasks.join_next().await.is_some() {} };
        if timeout(GRACE, ended).await.is_err() {
            tracing::warn!(
                "a message to a target of alerts was cut off; it is sent once more after the start"
            );
        }
    }
}

impl Handle {
    /// How each target does, in name order.
    pub fn report(&self) -> Vec<TargetReport> {
        let settings = Arc::clone(&self.shared.settings.borrow());
        let conditions = self.shared.conditions().clone();
        let book = self.shared.book();
        let report = settings.targets.iter().map(|(name, target)| {
            let condition = conditions.get(name).cloned().unwrap_or_default();
            condition.report(name, target.kind(), book.outbox.pending(name))
        });
        report.collect()
    }
}

impl Shared {
    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn conditions(&self) -> MutexGuard<'_, BTreeMap<String, Condition>> {
        self.conditions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes in what becomes of incidents until it is told to stop.
    async fn follow(self: Arc<Self>, stop: CancellationToken) {
        let (mut settings, mut health) = (self.settings.subscribe(), self.health.clone());
        let (mut senders, mut served) = (JoinSet::new(), BTreeMap::new());
        let (mut reopened, mut is_other) = (health.borrow().reopened, true);
        loop {
            let current = Arc::clone(&settings.borrow_and_update());
            for name in current.targets.keys() {
                served.entry(name.clone()).or_insert_with(|| {
                    senders.spawn(Arc::clone(&self).serve(name.clone(), stop.clone())).id()
                });
            }
            let now = health.borrow_and_update().clone();
            if now.reopened != reopened {
                self.book().begin_again();
                (reopened, is_other) = (now.reopened, true);
            }
            // What cannot be written has to be told all the same.
            is_other |= !now.persisting;
            let is_read = self.take_in_apart(&current, is_other).await;
            is_other = !is_read || !now.persisting;
            let is_news = self.book().outbox.has_changes();
            let is_saved = self.save().await;
            if is_news {
                self.news.send_replace(());
            }
            tokio::select! {
                () = stop.cancelled() => break,
                _ = settings.changed() => is_other = true,
                changed = health.changed() => if changed.is_err() { break },
                () = sleep(STATE_AGAIN), if is_other || !is_saved => {}
                Some(Err(panic)) = senders.join_next() => {
                    tracing::error!("alerts failed, which is a fault of forgewatch, and go on: {panic}");
                    served.retain(|_, id| *id != panic.id());
                }
            }
        }
        // Each ends by itself, after what it is sending.
        while senders.join_next().await.is_some() {}
    }

    /// The same as [`Shared::take_in`] where it may block; whether it could be read.
    async fn take_in_apart(self: &Arc<Self>, settings: &Arc<Settings>, is_other: bool) -> bool {
        let (shared, settings) = (Arc::clone(self), Arc::clone(settings));
        match spawn_blocking(move || shared.take_in(&settings, is_other)).await {
            Ok(Ok(())) => true,
            Ok(Err(error)) => {
                self.tell_trouble("what became of incidents cannot be read, and is told later", &error);
                false
            }
            Err(panic) => {
                tracing::error!("alerts failed, which is a fault of forgewatch: {panic}");
                false
            }
        }
    }

    /// Takes in what the journal has since the last time and, when `is_other`, what is open and what has ended meanwhile.
    fn take_in(&self, settings: &Settings, is_other: bool) -> Result<(), StateError> {
        if settings.targets.is_empty() {
            // Nobody hears of what happens now, not even later.
            self.book().seen = None;
            return Ok(());
        }
        let last = self.state.last_seq()?;
        let seen = self.book().seen;
        if seen.is_none_or(|seen| seen > last) {
            self.book().seen = Some(last);
        }
        if is_other {
            self.survey(settings)?;
        }
        loop {
            let seen = self.book().seen;
            let filter = EventFilter { kind: Some(EventKind::Error), ..EventFilter::default() };
            let events = self.state.events(&filter, None, seen, EVENTS_AT_ONCE)?;
            let is_last = events.len() < EVENTS_AT_ONCE;
            let mut turned = Vec::new();
            for event in &events {
                if matches!(event.payload["incident"].as_str(), Some("opened" | "resolved")) {
                    match serde_json::from_value::<Incident>(event.payload["of"].clone()) {
                        Ok(incident) => turned.push(incident),
                        Err(error) => tracing::warn!("the event `{}` cannot be read: {error}", event.id),
                    }
                }
            }
            let mut book = self.book();
            for incident in &turned {
                self.note(&mut book, settings, incident);
            }
            let end = events.last().map(|event| event.seq);
            book.seen = if is_last { end.max(Some(last)) } else { end };
            if is_last {
                return Ok(());
            }
        }
    }

    /// Takes in what is open, for whoever is to hear of it now, and what has ended unheard.
    fn survey(&self, settings: &Settings) -> Result<(), StateError> {
        let open = self.source.open();
        let ids: BTreeSet<&str> = open.iter().map(|incident| incident.id.as_str()).collect();
        let thought_open = self.book().outbox.open();
        let mut ended = Vec::new();
        for (id, incident) in thought_open.into_iter().filter(|(id, _)| !ids.contains(id.as_str())) {
            let kept = self.state.incident(&id)?.map(|row| serde_json::from_str::<Incident>(&row.incident));
            match kept {
                Some(Ok(kept)) if kept.resolved_at.is_some() => ended.push(kept),
                // Its end is about to be written, and comes with its event.
                Some(Ok(_)) => {}
                Some(Err(_)) | None => ended.push(Incident { resolved_at: Some(Moment::now()), ..incident }),
            }
        }
        let mut book = self.book();
        for incident in open.iter().chain(&ended) {
            self.note(&mut book, settings, incident);
        }
        book.outbox.forget_strangers(|name| settings.targets.contains_key(name));
        Ok(())
    }

    fn note(&self, book: &mut Book, settings: &Settings, incident: &Incident) {
        let repository = incident.repository.as_deref().and_then(|name| self.source.labels(name));
        let routed_by = settings.plan.labels(incident, repository.as_deref());
        book.outbox.note(incident, routed_by, &settings.plan, Moment::now());
    }

    /// Once for each time in which the state is of no use.
    fn tell_trouble(&self, what: &str, error: &StateError) {
        if !std::mem::replace(&mut self.book().in_trouble, true) {
            tracing::warn!("{what}: {error}");
        }
    }

    /// Saves what is different; whether nothing is left to save.
    async fn save(self: &Arc<Self>) -> bool {
        let _turn = self.saving.lock().await;
        let (seen, changes) = {
            let mut book = self.book();
            let changes = book.outbox.changes();
            if changes.is_empty() && !book.is_worth_saving() {
                return true;
            }
            (book.seen, changes)
        };
        let shared = Arc::clone(self);
        let saved = spawn_blocking(move || {
            let saved = shared.state.save_alerts(seen, &changes);
            (saved, changes)
        });
        let Ok((saved, changes)) = saved.await else { return false };
        let mut book = self.book();
        match saved {
            Ok(()) => {
                (book.saved, book.in_trouble) = (seen, false);
                true
            }
            Err(error) => {
                book.outbox.mark(changes.into_iter().map(|(key, _): (AlertKey, _)| key));
                drop(book);
                self.tell_trouble(
                    "what targets of alerts were told is not saved, and may be told again",
                    &error,
                );
                false
            }
        }
    }
}

impl Book {
    fn is_worth_saving(&self) -> bool {
        match (self.seen, self.saved) {
            (Some(seen), Some(saved)) => seen < saved || seen - saved >= EVENTS_UNSAVED,
            (seen, saved) => seen != saved,
        }
    }

    /// The store is another: it has none of this, and its events have other numbers.
    fn begin_again(&mut self) {
        (self.seen, self.saved) = (None, None);
        self.outbox.mark_all();
    }
}
