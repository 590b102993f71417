//! The tasks: one that takes in what becomes of incidents, and one for each target that tells it.
//!
//! The journal says what becomes of incidents. At the start, with other settings, and while the journal cannot be
//! written, they are compared with what is open. That an incident ended is told once that is on disk, so after a kill it
//! is over still.

mod sender;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::sync::watch;
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::message::Handling;
use super::outbox::{Entry, Outbox};
use super::plan::Labels;
use super::report::{Condition, TargetReport};
use super::settings::Settings;
use crate::journal::Incident;
use crate::metrics::Metrics;
use crate::state::{AlertKey, Event, EventFilter, EventKind, Health, State, StateError, StoredEvent};
use crate::verdict::Moment;

/// Events that are read at once.
const EVENTS_AT_ONCE: usize = 500;
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

/// What people do about incidents, by their ids.
pub trait People: Send + Sync {
    /// Whether people are done with it, so that nobody has to be reminded of it.
    fn is_handled(&self, incident: &str) -> bool;

    /// Who has it, and where.
    fn handling(&self, incident: &str) -> Handling;

    /// Changes whenever people may be done with another one.
    fn changes(&self) -> watch::Receiver<()>;
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
    people: Arc<dyn People>,
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

/// What is compared with the incidents that are open.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Survey {
    None,
    /// What began, and of what ended that which is on disk.
    OfWhatBegins,
    Whole,
}

/// What is owed.
#[derive(Default)]
struct Book {
    outbox: Outbox,
    /// The event up to which the journal was taken in; none while nobody is to hear of it.
    seen: Option<i64>,
    /// The store is another one: what it has of this is wrong.
    anew: bool,
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
        people: Arc<dyn People>,
        state: Arc<State>,
        health: watch::Receiver<Health>,
        metrics: Metrics,
    ) -> Result<Self, StateError> {
        let entries = state.alerts()?.into_iter().filter_map(|(key, text)| {
            match serde_json::from_str::<Entry>(&text) {
                Ok(entry) => Some((key, entry)),
                Err(error) => {
                    tracing::warn!("what is owed to `{}` of `{}` cannot be read: {error}", key.0, key.1);
                    None
                }
            }
        });
        let book = Book { outbox: Outbox::restored(entries), ..Book::default() };
        let shared = Arc::new(Shared {
            source,
            people,
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
    /// How each target does, in name order. Looks at all that is owed, so it blocks for a moment.
    pub fn report(&self) -> Vec<TargetReport> {
        let settings = Arc::clone(&self.shared.settings.borrow());
        let conditions = self.shared.conditions().clone();
        let (book, now) = (self.shared.book(), Moment::now());
        let report = settings.targets.iter().map(|(name, target)| {
            let condition = conditions.get(name).cloned().unwrap_or_default();
            condition.report(name, target.kind(), book.outbox.pending(name, &settings.plan, now))
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
        let mut current = Arc::clone(&settings.borrow_and_update());
        loop {
            let newest = Arc::clone(&settings.borrow_and_update());
            if !Arc::ptr_eq(&newest, &current) {
                (is_other, current) = (true, newest);
            }
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
            let survey = match (is_other, now.persisting) {
                (_, false) => Survey::OfWhatBegins,
                (true, true) => Survey::Whole,
                (false, true) => Survey::None,
            };
            let is_news = self.take_in_apart(&current, survey).await;
            is_other = is_news.is_none() || !now.persisting;
            let is_saved = self.save().await;
            if is_news == Some(true) {
                self.news.send_replace(());
            }
            tokio::select! {
                () = stop.cancelled() => break,
                _ = settings.changed() => {}
                changed = health.changed() => if changed.is_err() { break },
                () = sleep(STATE_AGAIN), if is_other || !is_saved => {}
                Some(Err(panic)) = senders.join_next() => {
                    tracing::error!("alerts failed, which is a fault of forgewatch, and go on: {panic}");
                    sleep(STATE_AGAIN).await;
                    served.retain(|_, id| *id != panic.id());
                }
            }
        }
        // Each ends by itself, after what it is sending.
        while senders.join_next().await.is_some() {}
    }

    /// The same as [`Shared::take_in`] where it may block; none if that could not be done.
    async fn take_in_apart(self: &Arc<Self>, settings: &Arc<Settings>, survey: Survey) -> Option<bool> {
        let (shared, settings) = (Arc::clone(self), Arc::clone(settings));
        match spawn_blocking(move || shared.take_in(&settings, survey)).await {
            Ok(Ok(is_news)) => Some(is_news),
            Ok(Err(error)) => {
                self.tell_trouble("what became of incidents cannot be read, and is told later", &error);
                None
            }
            Err(panic) => {
                tracing::error!("alerts failed, which is a fault of forgewatch: {panic}");
                None
            }
        }
    }

    /// Takes in what the journal has since the last time, and what a survey finds; whether there is any news.
    fn take_in(&self, settings: &Settings, survey: Survey) -> Result<bool, StateError> {
        if settings.targets.is_empty() {
            // Nobody hears of what happens now, not even later.
            self.book().seen = None;
            return Ok(false);
        }
        let last = self.state.last_seq()?;
        let seen = self.book().seen.filter(|seen| *seen <= last).unwrap_or(last);
        self.book().seen = Some(seen);
        let mut is_news = survey != Survey::None;
        if survey != Survey::None {
            self.survey(settings, survey)?;
        }
        loop {
            let seen = self.book().seen;
            let filter = EventFilter { kind: Some(EventKind::Error), ..EventFilter::default() };
            let events = self.state.events(&filter, None, seen, EVENTS_AT_ONCE)?;
            let turned: Vec<_> = events.iter().filter_map(turned).collect();
            is_news |= !turned.is_empty();
            let mut book = self.book();
            for incident in &turned {
                self.note(&mut book, settings, incident);
            }
            let end = events.last().map(|event| event.seq);
            let is_last = events.len() < EVENTS_AT_ONCE;
            book.seen = if is_last { end.max(Some(last)) } else { end };
            if is_last {
                return Ok(is_news);
            }
        }
    }

    /// Takes in what is open, for whoever is to hear of it now, and what has ended unheard.
    fn survey(&self, settings: &Settings, survey: Survey) -> Result<(), StateError> {
        let open = self.source.open();
        let ids: BTreeSet<&str> = open.iter().map(|incident| incident.id.as_str()).collect();
        let thought_open = self.book().outbox.open();
        let mut ended = Vec::new();
        for (id, incident) in thought_open.into_iter().filter(|(id, _)| !ids.contains(id.as_str())) {
            let kept = self.state.incident(&id)?;
            let kept = kept.and_then(|row| serde_json::from_str::<Incident>(&row.incident).ok());
            match kept.filter(|kept| kept.resolved_at.is_some()) {
                Some(kept) => ended.push(kept),
                None if survey == Survey::Whole => {
                    ended.push(Incident { resolved_at: Some(Moment::now()), ..incident });
                }
                // Its end is told once that can be written.
                None => {}
            }
        }
        let mut book = self.book();
        for incident in open.iter().chain(&ended) {
            self.note(&mut book, settings, incident);
        }
        book.outbox.forget_unrouted(&settings.plan);
        book.outbox.forget_strangers(|name| settings.targets.contains_key(name));
        Ok(())
    }

    fn note(&self, book: &mut Book, settings: &Settings, incident: &Incident) {
        let repository = incident.repository.as_deref().and_then(|name| self.source.labels(name));
        if incident.repository.is_some() && repository.is_none() && incident.resolved_at.is_none() {
            // It is not watched any more, so nobody knows whose it is; its end comes next.
            return;
        }
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
        let (anew, changes) = {
            let mut book = self.book();
            (book.anew, book.outbox.changes())
        };
        if changes.is_empty() && !anew {
            return true;
        }
        let shared = Arc::clone(self);
        let saved = spawn_blocking(move || (shared.state.save_alerts(anew, &changes), changes));
        let Ok((saved, changes)) = saved.await else { return false };
        let mut book = self.book();
        match saved {
            Ok(()) => {
                (book.anew, book.in_trouble) = (book.anew && !anew, false);
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

/// What became of an incident, if an event is about that.
fn turned(event: &StoredEvent) -> Option<Incident> {
    matches!(event.payload["incident"].as_str(), Some("opened" | "resolved")).then_some(())?;
    let incident = serde_json::from_value(event.payload["of"].clone());
    incident.inspect_err(|error| tracing::warn!("the event `{}` cannot be read: {error}", event.id)).ok()
}

impl Book {
    /// The store is another: it has none of this or something else, and its events have other numbers.
    fn begin_again(&mut self) {
        (self.seen, self.anew) = (None, true);
        self.outbox.mark_all();
    }
}
