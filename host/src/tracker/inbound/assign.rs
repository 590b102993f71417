//! Who has an issue, as it was delivered.

use std::sync::Arc;
use std::time::Instant;

use forgewatch_plugin_api::{AssigneeChange, Person, WebhookEvent};

use super::lock;
use crate::journal::Incident;
use crate::tracker::handle::Shared;
use crate::tracker::news::{News, Word};
use crate::tracker::record::Mark;
use crate::tracker::take::Taken;

impl Shared {
    /// Takes in what a delivery says of the assignee; the incidents that it had an effect on.
    pub(super) async fn handle_assign_to(
        self: &Arc<Self>,
        integration: &str,
        key: &str,
        event: &WebhookEvent,
    ) -> Vec<String> {
        let mark = Mark::of_event(event);
        match event.assignee() {
            AssigneeChange::Cleared => self.sync_group_assignee_inbound(integration, None, key, mark).await,
            AssigneeChange::Set(person) => {
                self.sync_group_assignee_inbound(integration, Some(person), key, mark).await
            }
            _ => Vec::new(),
        }
    }

    /// Has the incidents of an issue assigned to whom a tracker says, as far as they can have them, or to nobody. Those
    /// that are so since, or were already.
    pub(super) async fn sync_group_assignee_inbound(
        self: &Arc<Self>,
        integration: &str,
        to: Option<&Person>,
        key: &str,
        mark: Mark,
    ) -> Vec<String> {
        let settings = self.settings();
        let mut taken = Vec::new();
        {
            let mut book = self.book();
            for id in book.linked_to(integration, key) {
                let is_news = |mut known: Mark| known.advance(mark);
                let link = book.get(&id).and_then(|record| record.issue.as_ref());
                if !link.is_some_and(|link| is_news(link.assignee_mark)) {
                    continue;
                }
                taken.extend(book.change(&id, |record| {
                    let came = record.take_assignee(mark, to, &settings.people);
                    (record.incident.clone(), record.assignee.clone(), came)
                }));
            }
        }
        self.save().await;
        let mut affected = Vec::new();
        for (incident, assignee, came) in taken {
            match came {
                Taken::Ignored => {}
                Taken::Unknown => self.tell_of_stranger(&incident, key, to).await,
                Taken::Same => affected.push(incident.id),
                Taken::Changed => {
                    self.conclude(&incident, News::assigned_there(assignee.as_deref())).await;
                    affected.push(incident.id);
                }
            }
        }
        affected
    }

    /// Notes that somebody has an issue who cannot have the incident; not of each, where there are many.
    async fn tell_of_stranger(self: &Arc<Self>, incident: &Incident, key: &str, who: Option<&Person>) {
        if !lock(&self.inbound.strangers).take(Instant::now()) {
            return;
        }
        let email = who.and_then(Person::email);
        let word = email.or(who.map(Person::name)).unwrap_or_default();
        let why = match email {
            None => "the tracker tells no address",
            Some(email) if self.settings().people.knows(email) => "they are not of the incident's team",
            Some(_) => "nobody among the people has the address",
        };
        self.conclude(incident, News::Stranger { issue: Word(key), who: Word(word), why }).await;
    }
}
