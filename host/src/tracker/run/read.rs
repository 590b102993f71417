//! Issues as they were read, or as they came back from a change: taken in for every incident that they are linked to.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use forgewatch_plugin_api::Issue;

use super::super::desk::{Desk, Refusal, RefusalKind};
use super::super::handle::Shared;
use super::super::news::{News, Word};
use super::super::record::{Link, Mark};
use super::super::take::{Move, Taken, is_moved};
use super::worker::{Trouble, Work};
use crate::verdict::Moment;

impl Shared {
    /// Reads the incident's issue.
    pub(super) async fn read(self: &Arc<Self>, work: &Work<'_>) -> Result<(), Trouble> {
        let is_here = |link: &Link| link.integration == work.desk.integration();
        let link = self.get(work.incident).and_then(|record| record.issue).filter(is_here);
        let Some(link) = link else { return Ok(()) };
        match work.desk.get(&link.issue()).await {
            Ok(issue) => match self.take_in(work.desk, &link, &issue).await {
                Ok(()) => Ok(()),
                Err(refusal) if refusal.kind == RefusalKind::Missing => {
                    Err(Trouble::of_this(refusal.to_string()))
                }
                Err(refusal) => Err(Trouble::Tracker(refusal)),
            },
            Err(refusal) if refusal.kind == RefusalKind::Missing => {
                self.is_gone(work, &link, &refusal).await;
                Ok(())
            }
            Err(refusal) => Err(Trouble::Tracker(refusal)),
        }
    }

    /// Takes in an issue as its tracker shows it, which was asked when `link` was what is known of it.
    ///
    /// # Errors
    ///
    /// The tracker does not say what its state means. All else was taken in.
    pub(super) async fn take_in(
        self: &Arc<Self>,
        desk: &Desk,
        link: &Link,
        issue: &Issue,
    ) -> Result<(), Refusal> {
        let key = link.key.as_str();
        let mark = Mark::of_issue(issue);
        let former: BTreeSet<String> = {
            let book = self.book();
            let linked = book.linked_to(desk.integration(), key).into_iter();
            let open = linked.filter_map(|id| book.get(&id)).filter(|record| !record.is_over());
            let states = open.filter_map(|record| record.issue.as_ref()).map(|link| link.state.clone());
            states.filter(|state| is_moved(state, issue)).collect()
        };
        let (mut moves, mut failed) = (BTreeMap::new(), None);
        for state in former {
            match self.meaning(desk, issue, &state).await {
                Ok(moved) => drop(moves.insert(state, moved)),
                Err(refusal) => failed = Some(refusal),
            }
        }
        let people = &self.settings().people;
        let taken: Vec<_> = {
            let mut book = self.book();
            let linked = book.linked_to(desk.integration(), key).into_iter();
            let take = |id: String| {
                book.change(&id, |record| {
                    let is_wrong = record.issue.as_mut().is_some_and(|known| known.retract(link, issue));
                    let came = record.take_issue(issue, mark, &moves, people);
                    if let Some(known) = &mut record.issue {
                        // A tracker may show for a moment how the issue was.
                        known.is_stale |= is_wrong;
                    }
                    (came, record.clone())
                })
            };
            linked.filter_map(take).collect()
        };
        self.save().await;
        for ((assignee, state), record) in taken {
            let incident = &record.incident;
            if assignee == Taken::Changed {
                self.conclude(incident, News::assigned_there(record.assignee.as_deref())).await;
            }
            if state == Taken::Changed {
                self.conclude(incident, News::moved(key, issue.state(), record.handled_at.is_some())).await;
            }
        }
        failed.map_or(Ok(()), Err)
    }

    /// What it means that an issue has come from a state to its own. A former one that its tracker does not have any more
    /// is not known.
    async fn meaning(&self, desk: &Desk, issue: &Issue, former: &str) -> Result<Move, Refusal> {
        let (project, kind) = (issue.project(), issue.kind());
        let is_done = self.states.is_done(desk, project, kind, issue.state()).await?;
        let was_done = match self.states.is_done(desk, project, kind, former).await {
            Ok(was_done) => Some(was_done),
            Err(refusal) if refusal.kind == RefusalKind::Missing => None,
            Err(refusal) => return Err(refusal),
        };
        Ok((was_done, is_done))
    }

    /// The tracker does not have the incident's issue any more.
    pub(super) async fn is_gone(self: &Arc<Self>, work: &Work<'_>, link: &Link, refusal: &Refusal) {
        let gone = {
            let mut book = self.book();
            let gone = book.change(work.incident, |record| {
                // Meanwhile it may have been linked to another one.
                let link = record.issue.as_mut().filter(|now| now.is(link))?;
                record.owed.end = false;
                (link.read_at, link.is_stale, link.writing) = (Moment::now(), false, None);
                let is_new = link.gone_since.is_none();
                link.gone_since.get_or_insert_with(Moment::now);
                is_new.then(|| (link.key.clone(), record.incident.clone()))
            });
            gone.flatten()
        };
        let Some((key, incident)) = gone else {
            self.save().await;
            return;
        };
        let integration = work.desk.integration();
        tracing::warn!(
            "the issue {key} of `{integration}` is gone, or not to be seen any more: {refusal}; link the incident `{}` \
             to another one, or unlink it",
            incident.id
        );
        self.conclude(&incident, News::Gone { issue: Word(&key) }).await;
    }
}
