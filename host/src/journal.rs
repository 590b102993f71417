//! The journal: what happened, kept in the state.
//!
//! Everything goes in through [`Journal::save`], which brings it into one form and hands it on by kind. What belongs
//! together is collected and submitted as one group. A one-shot sweep leaves its transaction and nothing else:
//! histories and incidents are the daemon's.

pub mod event;
mod incident;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

pub use incident::{Cause, Fingerprint, Incident, Incidents, Joined};

use crate::state::{Event, EventKind, Save, State, Writer};
use crate::sweep::{CheckResult, Summary};
use crate::text::printable;
use crate::verdict::Moment;

/// An error that goes on is written down anew after this time, and not with every check.
const ERROR_AGAIN: Duration = Duration::from_secs(10 * 60);
/// Causes that are remembered for that. More at once are written down more often.
const MOST_CAUSES: usize = 10_000;
/// Characters of an id or a name; longer ones are cut.
const LONGEST_NAME: usize = 500;

/// The daemon's journal.
pub struct Journal {
    writer: Arc<Writer>,
    group: Save,
    /// When an error was written down last, by its id.
    told: HashMap<String, Moment>,
}

impl Journal {
    /// A journal that `writer` writes.
    pub fn new(writer: Arc<Writer>) -> Self {
        Self { writer, group: Save::default(), told: HashMap::new() }
    }

    /// Takes an event into the group.
    pub fn save(&mut self, event: Event) {
        let event = normalised(event);
        match event.kind {
            EventKind::Transaction => self.save_transaction(event),
            EventKind::Error => self.save_error(event),
            EventKind::Generic => self.save_generic(event),
        }
    }

    /// Takes what was found into the group, with its events.
    pub fn found(&mut self, save: Save) {
        self.group.discoveries.extend(save.discoveries);
        self.group.found.extend(save.found);
        save.events.into_iter().for_each(|event| self.save(event));
    }

    /// Takes what is known of a repository into the group; nothing, if it is to be forgotten.
    pub fn standing(&mut self, repository: &str, standing: Option<String>) {
        self.group.standings.push((repository.to_owned(), standing));
    }

    /// Takes an incident into the group as it is now, with an event if something became of it.
    pub fn incident(&mut self, what: Option<&str>, incident: &Incident, at: Moment) {
        self.group.incidents.push(incident.into());
        if let Some(what) = what {
            self.save(event::incident(what, incident, at));
        }
    }

    /// Has the group written, as a whole.
    pub fn submit(&mut self) {
        let group = std::mem::take(&mut self.group);
        if !group.is_empty() {
            self.writer.submit(group);
        }
    }

    /// The one that writes.
    pub fn writer(&self) -> &Writer {
        &self.writer
    }

    /// Transactions are many and each replaces the one before: nothing else depends on them.
    fn save_transaction(&mut self, event: Event) {
        self.group.events.push(event);
    }

    fn save_error(&mut self, event: Event) {
        // What becomes of an incident is always news.
        if event.payload.get("incident").is_none() {
            let now = Moment::from(event.at);
            if self
                .told
                .get(&event.id)
                .is_some_and(|told| told.day() == now.day() && now.since(*told) < ERROR_AGAIN)
            {
                return;
            }
            if self.told.len() >= MOST_CAUSES {
                self.told.clear();
            }
            self.told.insert(event.id.clone(), now);
        }
        self.group.events.push(event);
    }

    fn save_generic(&mut self, event: Event) {
        tracing::debug!(
            integration = event.integration,
            repository = event.repository,
            "{}",
            event.payload["generic"].as_str().unwrap_or_default()
        );
        self.group.events.push(event);
    }
}

/// The form in which everything is kept: names that can be printed, and a payload that is an object.
fn normalised(mut event: Event) -> Event {
    let shorten = |text: &mut String| {
        if let std::borrow::Cow::Owned(printed) = printable(text, LONGEST_NAME) {
            *text = printed;
        }
    };
    shorten(&mut event.id);
    event.integration.as_mut().map(shorten);
    event.repository.as_mut().map(shorten);
    if !event.payload.is_object() {
        event.payload = json!({ "value": event.payload });
    }
    if let Value::Object(payload) = &mut event.payload {
        payload.retain(|_, value| !value.is_null());
    }
    event
}

/// Writes a one-shot sweep's events into the state.
pub struct Recorder {
    state: Arc<State>,
}

impl Recorder {
    /// A recorder into `state`.
    pub fn new(state: Arc<State>) -> Self {
        Self { state }
    }

    /// Records the transaction of a sweep. A state that cannot be written costs a warning, not the results.
    pub fn record(&self, started_at: SystemTime, duration: Duration, results: &[CheckResult]) {
        let nanoseconds = started_at.duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
        let event = Event {
            id: format!("sweep-{nanoseconds:x}-{:x}", std::process::id()),
            kind: EventKind::Transaction,
            at: started_at,
            integration: None,
            repository: None,
            fingerprint: None,
            payload: json!({
                "transaction": "sweep",
                "duration_ms": duration.as_millis() as u64,
                "summary": Summary::of(results),
                "requests": results.iter().map(|result| u64::from(result.requests)).sum::<u64>(),
            }),
        };
        if let Err(error) = self.state.append(&normalised(event)) {
            tracing::warn!("the sweep is not recorded: {error}");
        }
    }
}
