//! An incident's issue: found, or made, or looked for after nobody knows whether it was made.

use std::sync::Arc;
use std::time::Duration;

use forgewatch_plugin_api::{FoundIssue, FoundIssues, Issue, IssueQuery, IssueRef};

use super::super::desk::{Refusal, RefusalKind};
use super::super::handle::Shared;
use super::super::news::{self, News, Word};
use super::super::record::{Link, Record};
use super::super::settings::Rule;
use super::next::INDEX_LAG;
use super::words;
use super::worker::{Trouble, Work};
use crate::verdict::{Moment, Reason};

/// Issues of one cause that are looked at.
const MOST_FOUND: u32 = 20;
/// Until it is looked again for what a search may not show yet.
const LOOK_AGAIN: Duration = Duration::from_secs(30);

/// Until a search is asked again that cannot tell.
const INCOMPLETE: Duration = Duration::from_secs(60);

/// How an incident has come to an issue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Origin {
    Made,
    Found,
    /// Made, which is known since it was found.
    Recovered,
}

impl Shared {
    /// Finds the incident an issue that is not done, or makes one.
    pub(super) async fn find_or_make(self: &Arc<Self>, work: &Work<'_>) -> Result<(), Trouble> {
        let Some((record, rule)) = self.wanted(work) else { return Ok(()) };
        if rule.find
            && let Some(issue) = self.find_open(work, &record, rule).await?
        {
            self.adopt(work, &issue, Origin::Found).await;
            return Ok(());
        }
        self.make(work, &record, rule).await
    }

    /// Looks for an issue that may have been made.
    pub(super) async fn recover(self: &Arc<Self>, work: &Work<'_>) -> Result<(), Trouble> {
        let Some((record, rule)) = self.wanted(work) else { return Ok(()) };
        let found = search(work, rule, &record.incident.id).await;
        let found = found.map_err(|refusal| trouble(refusal, rule))?;
        for hit in found.issues() {
            if let Some(issue) = look_at(work, hit).await.map_err(Trouble::Tracker)? {
                self.adopt(work, &issue, Origin::Recovered).await;
                return Ok(());
            }
        }
        if let Some(why) = found.incomplete() {
            let problem = format!(
                "nobody knows whether an issue was made, and the search cannot tell: {why}; link the incident by hand if \
                 there is one"
            );
            return Err(Trouble::This { problem, rest: INCOMPLETE });
        }
        let now = Moment::now();
        if !record.is_surely_unmade(now) {
            // If the clock was set back, it is waited from now on, and not until then.
            let since = record.making_since.filter(|since| *since > now);
            if since.is_some() {
                self.change_and_save(work, |record| {
                    record.making_since = record.making_since.map(|since| since.min(now));
                })
                .await;
            }
            return Err(Trouble::Later(LOOK_AGAIN));
        }
        self.change_and_save(work, |record| {
            (record.making_since, record.owed.end) = (None, false);
            record.unmade = record.unmade.saturating_add(1);
        })
        .await;
        Ok(())
    }

    /// What is followed of the incident, as long as it has no issue, and who is to have one for it.
    fn wanted<'a>(&self, work: &'a Work<'_>) -> Option<(Record, &'a Rule)> {
        let record = self.get(work.incident).filter(|record| record.issue.is_none())?;
        let rule = work.settings.rule(record.rule.as_deref()?)?;
        (rule.integration == work.desk.integration()).then_some((record, rule))
    }

    async fn find_open(
        &self,
        work: &Work<'_>,
        record: &Record,
        rule: &Rule,
    ) -> Result<Option<Issue>, Trouble> {
        let found = match search(work, rule, &record.incident.fingerprint).await {
            Ok(found) => found,
            Err(refusal) if refusal.kind == RefusalKind::Unsupported => return Ok(None),
            Err(refusal) => return Err(trouble(refusal, rule)),
        };
        for hit in found.issues() {
            let Some(issue) = look_at(work, hit).await.map_err(Trouble::Tracker)? else { continue };
            let project = issue.project().or(hit.project()).or(Some(&rule.project));
            match self.states.is_done(work.desk, project, issue.kind(), issue.state()).await {
                Ok(false) => return Ok(Some(issue)),
                Ok(true) => {}
                // What nobody understands is not taken for open.
                Err(refusal) if refusal.kind == RefusalKind::Missing => tracing::debug!("{refusal}"),
                Err(refusal) => return Err(Trouble::Tracker(refusal)),
            }
        }
        let is_young = Moment::now().since(record.incident.first_seen) < INDEX_LAG;
        match found.incomplete() {
            Some(_) if is_young => Err(Trouble::Later(LOOK_AGAIN)),
            _ => Ok(None),
        }
    }

    async fn make(self: &Arc<Self>, work: &Work<'_>, record: &Record, rule: &Rule) -> Result<(), Trouble> {
        let begin = |record: &mut Record| {
            let is_wanted = record.issue.is_none() && !record.is_over() && !record.by_hand;
            record.making_since = is_wanted.then(Moment::now);
            is_wanted
        };
        match self.change_and_save(work, begin).await {
            (Some(true), true) => {}
            // After a crash nobody would know of it.
            (Some(true), false) => {
                self.change_and_save(work, |record| record.making_since = None).await;
                return Err(Trouble::Later(LOOK_AGAIN));
            }
            _ => return Ok(()),
        }
        let email = record.assignee.as_deref().and_then(|name| work.settings.people.emails(name).next());
        let mut made = work.desk.create(&words::new_issue(record, rule, work.settings, email)).await;
        let is_rejected = |made: &Result<Issue, Refusal>| {
            made.as_ref().is_err_and(|refusal| refusal.kind == RefusalKind::Rejected)
        };
        if email.is_some() && is_rejected(&made) {
            // Whether that is due to the assignee shows now; who that can be is found out afterwards.
            made = work.desk.create(&words::new_issue(record, rule, work.settings, None)).await;
            self.book().change(work.incident, |record| record.owed.assignee |= made.is_ok());
        }
        let refusal = match made {
            Ok(issue) => {
                self.adopt(work, &issue, Origin::Made).await;
                return Ok(());
            }
            Err(refusal) => refusal,
        };
        if is_uncertain(&refusal) {
            return Err(Trouble::Tracker(refusal));
        }
        self.change_and_save(work, |record| record.making_since = None).await;
        Err(trouble(refusal, rule))
    }

    /// Links the incident to an issue.
    async fn adopt(self: &Arc<Self>, work: &Work<'_>, issue: &Issue, origin: Origin) {
        let link = Link::new(work.desk.integration(), issue);
        let (key, people) = (link.key.clone(), &work.settings.people);
        let adopted = {
            let mut book = self.book();
            let adopted = book.change(work.incident, |record| {
                let is_wanted = origin != Origin::Found || !record.is_over() && !record.by_hand;
                if record.issue.is_some() || !is_wanted {
                    return None;
                }
                record.making_since = None;
                record.owed.greeting |= origin == Origin::Found;
                let is_told = origin == Origin::Made || record.assignee.is_none() || record.is_over();
                record.owed.assignee |= !is_told;
                if origin == Origin::Found {
                    record.take_holder(issue, people);
                }
                record.issue = Some(link);
                Some(record.incident.clone())
            });
            adopted.flatten()
        };
        let Some(incident) = adopted else {
            if origin != Origin::Found {
                tracing::warn!(
                    "the issue {key} was made for the incident `{}`, which has another one by now: close it",
                    work.incident
                );
            }
            return;
        };
        let by = match origin {
            Origin::Made | Origin::Recovered => news::Origin::Made,
            Origin::Found => news::Origin::Found,
        };
        self.conclude(&incident, News::Linked { issue: Word(&key), by }).await;
    }
}

/// What a refusal means that what is configured may be at fault for.
fn trouble(refusal: Refusal, rule: &Rule) -> Trouble {
    match refusal.kind {
        RefusalKind::Rejected | RefusalKind::Missing | RefusalKind::Unsupported => {
            let name = &rule.name;
            Trouble::of_this(format!("{refusal}; see `project`, `kind` and `labels` of `trackers.{name}`"))
        }
        RefusalKind::Conflict | RefusalKind::Failed => Trouble::Tracker(refusal),
    }
}

async fn search(work: &Work<'_>, rule: &Rule, text: &str) -> Result<FoundIssues, Refusal> {
    work.desk.search(&IssueQuery::new(text, MOST_FOUND).with_project(&rule.project)).await
}

/// The issue of a hit; none if it is gone by now.
async fn look_at(work: &Work<'_>, hit: &FoundIssue) -> Result<Option<Issue>, Refusal> {
    let issue = IssueRef::new(hit.key());
    let issue = hit.project().map_or(issue.clone(), |project| issue.with_project(project));
    match work.desk.get(&issue).await {
        Ok(issue) => Ok(Some(issue)),
        Err(refusal) if refusal.kind == RefusalKind::Missing => Ok(None),
        Err(refusal) => Err(refusal),
    }
}

/// Whether what was refused may have been done all the same.
pub(super) fn is_uncertain(refusal: &Refusal) -> bool {
    let is_certain = match refusal.kind {
        RefusalKind::Rejected | RefusalKind::Missing | RefusalKind::Unsupported | RefusalKind::Conflict => {
            true
        }
        RefusalKind::Failed => matches!(
            refusal.outcome.reason,
            Reason::Unauthorized | Reason::Forbidden | Reason::RateLimited | Reason::IdentityInvalid
        ),
    };
    refusal.has_written && !is_certain
}
