//! What others do with it: look, link, unlink, assign.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use forgewatch_plugin_api::IssueRef;
use futures_util::future::BoxFuture;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::spawn_blocking;

use super::book::Book;
use super::desk::{Desk, Refusal};
use super::inbound::Inbound;
use super::news::{News, Origin, Side, Word};
use super::record::{Link, Owed, Record};
use super::report::Condition;
use super::settings::Settings;
use super::states::States;
use super::subscriptions::Subscriptions;
use crate::alerts::{self, Labels};
use crate::journal::{Incident, event};
use crate::state::{State, StateError};
use crate::sweep::Integration;
use crate::text::printable;
use crate::verdict::Moment;

/// Longer than any key of an issue.
const LONGEST_KEY: usize = 200;

/// Where trackers are, and where it is learned what happens to incidents.
pub trait Source: alerts::Source {
    /// The tracker of an integration, by its name; none where there is no such integration. Making the client may take
    /// a while. Cancel-safe.
    fn desk<'a>(&'a self, integration: &'a str) -> BoxFuture<'a, Option<Desk>>;

    /// The integrations of a provider as they are configured now, by its key.
    fn integrations(&self, provider: &str) -> Vec<Arc<Integration>>;
}

/// What is followed, as others use it. Cheap to clone.
#[derive(Clone)]
pub struct Handle {
    pub(super) shared: Arc<Shared>,
}

pub(super) struct Shared {
    pub(super) source: Arc<dyn Source>,
    pub(super) state: Arc<State>,
    pub(super) settings: watch::Sender<Arc<Settings>>,
    book: Mutex<Book>,
    pub(super) states: States,
    pub(super) subscriptions: Subscriptions,
    conditions: Mutex<BTreeMap<String, Condition>>,
    pub(super) inbound: Inbound,
    /// There is something to do.
    pub(super) news: watch::Sender<()>,
    /// One write at a time, so that an older one never follows a newer.
    saving: tokio::sync::Mutex<()>,
}

/// Why an incident cannot be linked or assigned so.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// The incident is over.
    #[error("the incident is over, so nobody has to do anything for it")]
    Over,
    /// There is no such integration.
    #[error("there is no integration `{0}`")]
    NoIntegration(String),
    /// The incident has another issue.
    #[error("the incident has issue {0} already: unlink that first")]
    Linked(String),
    /// The incident has no issue.
    #[error("the incident has no issue")]
    NotLinked,
    /// There is no such person.
    #[error("there is no `{0}` among the people: add `[people.NAME]` with their addresses")]
    NoPerson(String),
    /// The person is not of the incident's team.
    #[error("`{person}` is not of the incident's team `{team}`: see `people.{person}.teams`")]
    NotOfTeam {
        /// The person.
        person: String,
        /// The incident's team.
        team: String,
    },
    /// The tracker does not have it, or does not answer.
    #[error("{0}")]
    Refused(Refusal),
}

impl Handle {
    /// What the state has, with nobody to work on it yet. Reads the state, so it blocks for a moment.
    ///
    /// # Errors
    ///
    /// The state cannot be read.
    pub fn restored(
        settings: watch::Sender<Arc<Settings>>,
        source: Arc<dyn Source>,
        state: Arc<State>,
    ) -> Result<Self, StateError> {
        let records = state.followed()?.into_iter().filter_map(|(incident, text)| {
            let record = serde_json::from_str::<Record>(&text);
            let record = record.inspect_err(|error| {
                tracing::warn!("what is followed of the incident `{incident}` cannot be read: {error}");
            });
            Some((incident, record.ok()?))
        });
        let book = Mutex::new(Book::restored(records));
        let (news, saving) = (watch::Sender::new(()), tokio::sync::Mutex::default());
        let shared = Shared {
            source,
            state,
            settings,
            book,
            states: States::default(),
            subscriptions: Subscriptions::default(),
            conditions: Mutex::default(),
            inbound: Inbound::default(),
            news,
            saving,
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// What is followed of an incident, by its id.
    pub fn get(&self, incident: &str) -> Option<Record> {
        self.shared.book().get(incident).cloned()
    }

    /// The names of those who can have an incident.
    pub fn people_for(&self, incident: &Incident) -> Vec<String> {
        let settings = self.shared.settings();
        let labels = self.shared.labels(incident, &settings);
        settings.people.of_team(&labels.unwrap_or_default()).map(ToOwned::to_owned).collect()
    }

    /// The tracker of an integration.
    pub async fn desk(&self, integration: &str) -> Option<Desk> {
        self.shared.source.desk(integration).await
    }

    /// Makes an issue that is there already an incident's own. The tracker is told so afterwards.
    ///
    /// # Errors
    ///
    /// The incident is over or has another issue, or the tracker does not show this one.
    pub async fn link(
        &self,
        incident: &Incident,
        integration: &str,
        issue: &IssueRef,
    ) -> Result<Record, LinkError> {
        let shared = &self.shared;
        may_link(&shared.book(), incident, integration, issue.key())?;
        let desk = shared.source.desk(integration).await;
        let desk =
            desk.ok_or_else(|| LinkError::NoIntegration(printable(integration, LONGEST_KEY).into_owned()))?;
        let found = desk.get(issue).await.map_err(LinkError::Refused)?;
        let settings = shared.settings();
        let labels = shared.labels(incident, &settings).unwrap_or_default();
        let record = {
            let mut book = shared.book();
            // Somebody may have been faster.
            may_link(&book, incident, integration, found.key())?;
            book.follow(incident, labels, |record| {
                (record.by_hand, record.making_since) = (true, None);
                if let Some(known) = &mut record.issue {
                    // What is known of it, and what it is told at this moment, stays; the rest is read.
                    (known.gone_since, known.is_stale) = (None, true);
                    return;
                }
                record.owed.greeting = true;
                record.owed.assignee |= record.assignee.is_some();
                record.take_holder(&found, &settings.people);
                record.issue = Some(Link::new(integration, &found));
            })
        };
        let linked = News::Linked { issue: Word(found.key()), by: Origin::Hand };
        shared.conclude(incident, linked).await;
        Ok(record)
    }

    /// Parts an incident from its issue, and has no other made for it. The issue stays as it is.
    ///
    /// # Errors
    ///
    /// It has none.
    pub async fn unlink(&self, incident: &Incident) -> Result<Record, LinkError> {
        let unlinked = {
            let mut book = self.shared.book();
            let unlinked = book.change(&incident.id, |record| {
                let link = record.issue.take()?;
                (record.by_hand, record.rule, record.owed) = (true, None, Owed::default());
                (record.handled_at, record.making_since) = (None, None);
                Some((link, record.clone()))
            });
            unlinked.flatten()
        };
        let (link, record) = unlinked.ok_or(LinkError::NotLinked)?;
        self.shared.conclude(incident, News::Unlinked { issue: Word(&link.key) }).await;
        Ok(record)
    }

    /// Gives an incident to somebody of its team, or to nobody. The tracker is told so afterwards.
    ///
    /// # Errors
    ///
    /// The incident is over, or there is no such person in its team.
    pub async fn assign(&self, incident: &Incident, person: Option<&str>) -> Result<Record, LinkError> {
        let (shared, settings) = (&self.shared, self.shared.settings());
        if incident.resolved_at.is_some() || shared.book().get(&incident.id).is_some_and(Record::is_over) {
            return Err(LinkError::Over);
        }
        let labels = shared.labels(incident, &settings).unwrap_or_default();
        if let Some(person) = person {
            let shown = || printable(person, LONGEST_KEY).into_owned();
            if !settings.people.has(person) {
                return Err(LinkError::NoPerson(shown()));
            }
            if !settings.people.of_team(&labels).any(|name| name == person) {
                let team = labels.get("team").cloned().unwrap_or_default();
                return Err(LinkError::NotOfTeam { person: shown(), team });
            }
        }
        let record = shared.book().follow(incident, labels, |record| {
            let is_other = record.assignee.as_deref() != person;
            record.assignee = person.map(ToOwned::to_owned);
            record.owed.assignee |= is_other && (record.issue.is_some() || record.making_since.is_some());
        });
        let assigned = News::Assigned { assignee: person.map(Word), by: Side::Hand };
        shared.conclude(incident, assigned).await;
        Ok(record)
    }
}

/// Whether an incident can have this issue.
fn may_link(book: &Book, incident: &Incident, integration: &str, key: &str) -> Result<(), LinkError> {
    let known = book.get(&incident.id);
    if incident.resolved_at.is_some() || known.is_some_and(Record::is_over) {
        return Err(LinkError::Over);
    }
    let other = known.and_then(|record| record.issue.as_ref()).filter(|link| !link.is_of(integration, key));
    other.map_or(Ok(()), |link| Err(LinkError::Linked(link.key.clone())))
}

#[cfg(test)]
impl Handle {
    /// Has an incident followed, as if that had come about.
    pub(crate) fn plant(&self, incident: &Incident, change: impl FnOnce(&mut Record)) {
        self.shared.book().follow(incident, Labels::new(), change);
    }
}

impl alerts::People for Handle {
    fn is_handled(&self, incident: &str) -> bool {
        self.shared.book().get(incident).is_some_and(|record| record.handled_at.is_some())
    }

    fn handling(&self, incident: &str) -> alerts::Handling {
        self.shared.book().get(incident).map(Record::handling).unwrap_or_default()
    }

    fn changes(&self) -> watch::Receiver<()> {
        self.shared.news.subscribe()
    }
}

impl Shared {
    pub(super) fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How the trackers do, by integration.
    pub(super) fn conditions(&self) -> MutexGuard<'_, BTreeMap<String, Condition>> {
        self.conditions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn settings(&self) -> Arc<Settings> {
        Arc::clone(&self.settings.borrow())
    }

    /// What an incident is matched by; none where nobody can say, since its repository is not watched any more.
    pub(super) fn labels(&self, incident: &Incident, settings: &Settings) -> Option<Labels> {
        let repository = match &incident.repository {
            Some(name) => Some(self.source.labels(name)?),
            None => None,
        };
        Some(settings.labels(incident, repository.as_deref()).0)
    }

    /// Saves what was done, and writes it into the log and the journal.
    pub(super) async fn conclude(self: &Arc<Self>, incident: &Incident, news: News<'_>) {
        if let Some(sentence) = news.sentence(&incident.id) {
            tracing::info!("{sentence}");
        }
        let mut more = json!({ "incident": incident.id });
        // Plain data: there is nothing that could fail.
        let kept = serde_json::to_value(news).unwrap_or_default();
        let what = kept["generic"].as_str().unwrap_or_default().to_owned();
        if let (Value::Object(more), Value::Object(kept)) = (&mut more, kept) {
            more.extend(kept);
        }
        self.save().await;
        self.news.send_replace(());
        let (integration, repository) = (Some(incident.integration.as_str()), incident.repository.as_deref());
        let mut note = event::generic(&what, integration, repository, Moment::now(), more);
        // Several incidents of one integration may come to the same at once.
        note.id = format!("{}-{}", note.id, incident.id);
        note.fingerprint = Some(incident.fingerprint.clone());
        self.source.note(note).await;
    }

    /// Saves what is different; whether nothing is left to save.
    pub(super) async fn save(self: &Arc<Self>) -> bool {
        let _turn = self.saving.lock().await;
        let (anew, changes) = {
            let mut book = self.book();
            (book.anew, book.changes())
        };
        if changes.is_empty() && !anew {
            return true;
        }
        let shared = Arc::clone(self);
        let saved = spawn_blocking(move || (shared.state.save_followed(anew, &changes), changes));
        let Ok((saved, changes)) = saved.await else { return false };
        let mut book = self.book();
        match saved {
            Ok(()) => {
                book.anew = book.anew && !anew;
                true
            }
            Err(error) => {
                book.mark(changes.into_iter().map(|(incident, _)| incident));
                tracing::debug!("what is followed is not saved yet: {error}");
                false
            }
        }
    }
}
