//! The state of an issue, as it was delivered.

use std::sync::Arc;
use std::time::{Duration, Instant};

use forgewatch_plugin_api::WebhookEvent;
use tokio::time::timeout;

use super::{LONGEST_TOLD, lock};
use crate::text::printable;
use crate::tracker::handle::Shared;
use crate::tracker::news::News;
use crate::tracker::record::{Link, Mark};
use crate::tracker::take::Taken;
use crate::verdict::Moment;

/// How long it may take to learn what two states mean.
const LIMIT: Duration = Duration::from_secs(60);

/// A state before and since.
pub(super) struct Move<'e> {
    /// The state's name since.
    pub(super) state: &'e str,
    /// Whether it was a done one before, where there was one, and is since.
    pub(super) is_done: (Option<bool>, bool),
    /// When, by the tracker's word.
    pub(super) at: Option<Moment>,
}

impl Shared {
    /// Takes in what a delivery says of the state; the incidents that it had an effect on.
    ///
    /// # Errors
    ///
    /// The tracker does not say what the states mean. Nothing is changed then, and it counts as not taken in.
    pub(super) async fn handle_status_change(
        self: &Arc<Self>,
        integration: &str,
        key: &str,
        event: &WebhookEvent,
    ) -> Result<Vec<String>, String> {
        let Some(change) = event.state() else { return Ok(Vec::new()) };
        let mark = Mark::of_event(event);
        let Some(link) = self.behind(integration, key, mark) else { return Ok(Vec::new()) };
        let Some(state) = change.new_state() else {
            return Err("the tracker does not say which state it has now".to_owned());
        };
        let asked = async {
            let _turn = self.inbound.questions.acquire().await;
            let desk = self.source.desk(integration).await;
            let desk = desk.ok_or_else(|| "its integration is not configured any more".to_owned())?;
            let project = event.project().or(link.project.as_deref());
            let is_done = async |state: &str| {
                let said = self.states.is_done(&desk, project, &link.kind, state).await;
                said.map_err(|refusal| refusal.to_string())
            };
            let was_done = match change.old() {
                Some(old) => Some(is_done(old).await?),
                None => None,
            };
            Ok((was_done, is_done(state).await?))
        };
        let asked = timeout(LIMIT, asked).await;
        let is_done =
            asked.unwrap_or_else(|_| Err(format!("the tracker did not answer within {LIMIT:?}")))?;
        let at = event.changed_at().map(Moment::from);
        Ok(self.sync_status_inbound(integration, key, &Move { state, is_done, at }, mark).await)
    }

    /// Has the incidents of an issue handled or not, where its state has crossed the border between open and done; these.
    pub(super) async fn sync_status_inbound(
        self: &Arc<Self>,
        integration: &str,
        key: &str,
        moved: &Move<'_>,
        mark: Mark,
    ) -> Vec<String> {
        let now = Moment::now();
        let at = moved.at.filter(|at| *at < now).unwrap_or(now);
        let mut taken = Vec::new();
        {
            let mut book = self.book();
            for id in book.linked_to(integration, key) {
                if !book
                    .get(&id)
                    .and_then(|record| record.issue.as_ref())
                    .is_some_and(|link| is_behind(link, mark))
                {
                    continue;
                }
                taken.extend(book.change(&id, |record| {
                    let at = at.max(record.incident.first_seen);
                    let came = record.take_state(mark, moved.state, moved.is_done, at);
                    (record.incident.clone(), came)
                }));
            }
        }
        self.save().await;
        let mut affected = Vec::new();
        for (incident, came) in taken {
            if came == Taken::Changed {
                self.conclude(&incident, News::moved(key, moved.state, moved.is_done.1)).await;
                affected.push(incident.id);
            }
        }
        affected
    }

    /// A link to this issue that does not know of this change of its state yet.
    fn behind(&self, integration: &str, key: &str, mark: Mark) -> Option<Link> {
        let book = self.book();
        let linked = book.linked_to(integration, key).into_iter();
        let open = linked.filter_map(|id| book.get(&id)).filter(|record| !record.is_over());
        open.filter_map(|record| record.issue.clone()).find(|link| is_behind(link, mark))
    }

    /// What a delivery said is not taken in: the issue is to be read instead. That is told, not of each where there are many.
    pub(super) async fn leave_to_reading(self: &Arc<Self>, integration: &str, key: &str, why: &str) {
        {
            let mut book = self.book();
            let linked = book.linked_to(integration, key);
            if linked.is_empty() {
                return;
            }
            for id in linked {
                book.change(&id, |record| {
                    if let Some(link) = &mut record.issue {
                        link.is_stale = true;
                    }
                });
            }
        }
        self.save().await;
        self.news.send_replace(());
        if !lock(&self.inbound.delays).take(Instant::now()) {
            return;
        }
        let (key, why) = (printable(key, LONGEST_TOLD), printable(why, LONGEST_TOLD * 3));
        tracing::warn!(
            "the state of the issue {key} of `{integration}` is read later, since it is not known yet: {why}"
        );
    }
}

fn is_behind(link: &Link, mark: Mark) -> bool {
    let mut known = link.state_mark;
    known.advance(mark)
}
