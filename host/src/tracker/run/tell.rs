//! What an incident's issue is told, each thing once.
//!
//! A change is made at the revision that is known, and that it is about to be made is saved before. So what became of one
//! that was cut off is told by the issue: at the same revision it was not made.

use std::sync::Arc;

use forgewatch_plugin_api::{AssigneeTarget, Issue, IssueChange, Person, StateTarget};

use super::super::desk::{Refusal, RefusalKind};
use super::super::handle::Shared;
use super::super::news::{News, Word};
use super::super::record::{Link, Mark, Record, Writing, holder};
use super::make::is_uncertain;
use super::next::Step;
use super::worker::{Trouble, Work};
use super::{AGAIN, words};
use crate::verdict::Moment;

/// How often a change is tried at once while others change the issue.
const MOST_CONFLICTS: usize = 5;

/// What came of a change.
enum Written {
    /// It was made, now or before.
    Made(Issue),
    Refused(Refusal),
    /// There is no issue any more, or nobody wants the change any more.
    Gone,
}

/// A change that is to be made.
struct Wanted {
    step: Step,
    record: Record,
    link: Link,
}

impl Wanted {
    /// Whether the same is wanted of the same issue.
    fn is(&self, other: &Self) -> bool {
        self.link.is(&other.link) && self.record.assignee == other.record.assignee
    }
}

/// How an issue shows that a change was made, if it has changed at all.
enum Sign<'a> {
    /// It has changed.
    Any,
    /// One of these has it; nobody, where it is none.
    Holder(&'a [&'a str]),
    Done,
}

impl Shared {
    /// Says in an issue that was there before that it is the incident's.
    pub(super) async fn greet(self: &Arc<Self>, work: &Work<'_>) -> Result<(), Trouble> {
        let Some(wanted) = self.wanting(work, Step::Greet) else { return Ok(()) };
        let change = IssueChange::none().with_comment(words::greeting(&wanted.record, work.settings));
        let written = self.write(work, &wanted, &change, Sign::Any).await?;
        let settle = |record: &mut Record| record.owed.greeting = false;
        self.written(work, &wanted.link, written, settle, "the issue is not told of the incident").await
    }

    /// Gives the issue to whoever has the incident.
    pub(super) async fn hand_over(self: &Arc<Self>, work: &Work<'_>) -> Result<(), Trouble> {
        let Some(wanted) = self.wanting(work, Step::Assign) else { return Ok(()) };
        let record = &wanted.record;
        let emails: Vec<&str> = match &record.assignee {
            Some(name) => work.settings.people.emails(name).collect(),
            None => Vec::new(),
        };
        let targets: Vec<_> = match record.assignee {
            Some(_) => emails.iter().map(|email| AssigneeTarget::Email((*email).to_owned())).collect(),
            None => vec![AssigneeTarget::Clear],
        };
        // Whoever is not among the people any more has no address.
        let mut written = None;
        for target in targets {
            let change = IssueChange::none().with_assignee(target);
            written = Some(self.write(work, &wanted, &change, Sign::Holder(&emails)).await?);
            if !matches!(written, Some(Written::Refused(_))) {
                break;
            }
        }
        let brought = match &written {
            Some(Written::Made(issue)) => Some(issue.clone()),
            _ => None,
        };
        let settle = |now: &mut Record| {
            // Meanwhile it may have been given to somebody else.
            if now.assignee != record.assignee {
                return;
            }
            now.owed.assignee = false;
            if let (Some(issue), Some(link)) = (&brought, &mut now.issue) {
                link.assignee = issue.assignee().map(holder);
                link.assignee_mark.advance(Mark::of_issue(issue));
            }
        };
        match written {
            Some(written) => {
                let what = "the issue is not given to whoever has the incident";
                self.written(work, &wanted.link, written, settle, what).await
            }
            None => {
                self.change_and_save(work, settle).await;
                Ok(())
            }
        }
    }

    /// Says in the issue that the incident is over, and closes it, if it is no other's.
    pub(super) async fn end(self: &Arc<Self>, work: &Work<'_>) -> Result<(), Trouble> {
        let Some(wanted) = self.wanting(work, Step::End) else { return Ok(()) };
        let Wanted { record, link, .. } = &wanted;
        let others = {
            let book = self.book();
            let linked = book.linked_to(&link.integration, &link.key).into_iter();
            let open = linked.filter_map(|id| book.get(&id)).filter(|record| !record.is_over());
            open.count()
        };
        let comment = IssueChange::none().with_comment(words::end(record, others));
        let (mut written, mut is_closed) = match others {
            0 => {
                let close = comment.clone().with_state(StateTarget::Done);
                (self.write(work, &wanted, &close, Sign::Done).await?, true)
            }
            _ => (self.write(work, &wanted, &comment, Sign::Any).await?, false),
        };
        if let (Written::Refused(refusal), true) = (&written, is_closed) {
            tracing::warn!(
                "the issue {} of `{}` stays open, though the incident `{}` is over: {refusal}; close it by hand",
                link.key,
                link.integration,
                record.incident.id
            );
            is_closed = false;
            written = self.write(work, &wanted, &comment, Sign::Any).await?;
        }
        is_closed &= matches!(written, Written::Made(_));
        let settle = |record: &mut Record| record.owed.end = false;
        self.written(work, link, written, settle, "the issue is not told that the incident is over").await?;
        if is_closed {
            self.conclude(&record.incident, News::Closed { issue: Word(&link.key) }).await;
        }
        Ok(())
    }

    /// Takes in what a change of this issue brought. What was refused is told, and is not tried again.
    async fn written(
        self: &Arc<Self>,
        work: &Work<'_>,
        link: &Link,
        written: Written,
        settle: impl FnOnce(&mut Record),
        what: &str,
    ) -> Result<(), Trouble> {
        if matches!(written, Written::Gone) {
            return Ok(());
        }
        self.book().change(work.incident, |record| {
            // Meanwhile it may have been linked to another one.
            if record.issue.as_ref().is_some_and(|now| now.is(link)) {
                settle(record);
            }
        });
        match written {
            Written::Made(issue) => self.take_in_brought(work, link, &issue).await,
            Written::Refused(refusal) => {
                self.save().await;
                tracing::warn!("{what}, for good: {refusal} (incident `{}`)", work.incident);
            }
            Written::Gone => {}
        }
        Ok(())
    }

    /// Takes in an issue on the way. What a state means that is not known now is asked again when the issue is read.
    async fn take_in_brought(self: &Arc<Self>, work: &Work<'_>, link: &Link, issue: &Issue) {
        if let Err(refusal) = self.take_in(work.desk, link, issue).await {
            tracing::debug!("{refusal}");
        }
    }

    /// What is followed of the incident, if this is to be done now, at this tracker.
    fn wanting(&self, work: &Work<'_>, step: Step) -> Option<Wanted> {
        let record = self.get(work.incident)?;
        let link = record.issue.clone().filter(|link| link.integration == work.desk.integration())?;
        let is_next = record.next(Moment::now()).is_some_and(|(next, _)| next == step);
        is_next.then_some(Wanted { step, record, link })
    }

    /// Changes the incident's issue once, for as long as that is wanted as it was.
    async fn write(
        self: &Arc<Self>,
        work: &Work<'_>,
        wanted: &Wanted,
        change: &IssueChange,
        sign: Sign<'_>,
    ) -> Result<Written, Trouble> {
        let step = wanted.step;
        for _ in 0..MOST_CONFLICTS {
            let now = self.wanting(work, step).filter(|now| now.is(wanted));
            let Some(Wanted { link, .. }) = now else { return Ok(Written::Gone) };
            if let Some(writing) = link.writing {
                let issue = match work.desk.get(&link.issue()).await {
                    Ok(issue) => issue,
                    Err(refusal) => return self.refused(work, &link, refusal).await,
                };
                let is_same = writing.revision.is_some() && issue.revision() == writing.revision;
                let is_it = writing.step == step && !is_same;
                let was_made = is_it && self.shows(work, &issue, &sign).await?;
                self.set_writing(work, &link, None).await;
                if was_made {
                    return Ok(Written::Made(issue));
                }
                self.take_in_brought(work, &link, &issue).await;
                continue;
            }
            let revision = link.revision();
            if !self.set_writing(work, &link, Some(Writing { step, revision })).await {
                self.set_writing(work, &link, None).await;
                return Err(Trouble::Later(AGAIN));
            }
            let change = revision.map_or(change.clone(), |it| change.clone().with_expected_revision(it));
            match work.desk.update(&link.issue(), &change).await {
                Ok(issue) => {
                    self.change_link(work, &link, |link| link.writing = None);
                    return Ok(Written::Made(issue));
                }
                Err(refusal) if refusal.kind == RefusalKind::Conflict => {
                    self.change_link(work, &link, |link| link.writing = None);
                    match work.desk.get(&link.issue()).await {
                        Ok(issue) => self.take_in_brought(work, &link, &issue).await,
                        Err(refusal) => return self.refused(work, &link, refusal).await,
                    }
                }
                Err(refusal) => return self.refused(work, &link, refusal).await,
            }
        }
        Err(Trouble::Later(AGAIN))
    }

    async fn refused(
        self: &Arc<Self>,
        work: &Work<'_>,
        link: &Link,
        refusal: Refusal,
    ) -> Result<Written, Trouble> {
        if is_uncertain(&refusal) {
            return Err(Trouble::Tracker(refusal));
        }
        self.change_link(work, link, |link| link.writing = None);
        match refusal.kind {
            RefusalKind::Missing => {
                self.is_gone(work, link, &refusal).await;
                Ok(Written::Gone)
            }
            RefusalKind::Rejected | RefusalKind::Unsupported => Ok(Written::Refused(refusal)),
            RefusalKind::Conflict | RefusalKind::Failed => Err(Trouble::Tracker(refusal)),
        }
    }

    /// Whether an issue that has changed looks as after the change.
    async fn shows(&self, work: &Work<'_>, issue: &Issue, sign: &Sign<'_>) -> Result<bool, Trouble> {
        match sign {
            Sign::Any => Ok(true),
            Sign::Holder(emails) => Ok(match issue.assignee().and_then(Person::email) {
                Some(email) => emails.iter().any(|known| known.eq_ignore_ascii_case(email)),
                None => emails.is_empty() && issue.assignee().is_none(),
            }),
            Sign::Done => {
                let states = &self.states;
                match states.is_done(work.desk, issue.project(), issue.kind(), issue.state()).await {
                    Ok(is_done) => Ok(is_done),
                    Err(refusal) if refusal.kind == RefusalKind::Missing => Ok(false),
                    Err(refusal) => Err(Trouble::Tracker(refusal)),
                }
            }
        }
    }

    /// Has it saved that a change is about to be made, or is not any more; whether that is saved.
    async fn set_writing(self: &Arc<Self>, work: &Work<'_>, link: &Link, writing: Option<Writing>) -> bool {
        self.change_link(work, link, |link| link.writing = writing);
        self.save().await
    }

    /// Changes what is known of the incident's issue, if that is this one still.
    fn change_link(&self, work: &Work<'_>, link: &Link, change: impl FnOnce(&mut Link)) {
        self.book().change(work.incident, |record| {
            record.issue.as_mut().filter(|now| now.is(link)).map(change);
        });
    }
}
