//! What one incident has to do with people and a tracker.

use forgewatch_plugin_api::{Issue, IssueRef, Person, WebhookEvent};
use serde::{Deserialize, Serialize};

use super::run::Step;
use crate::alerts::{self, Labels};
use crate::journal::Incident;
use crate::text::printable;
use crate::verdict::Moment;

/// Characters of a title, a kind and a state that are kept.
const LONGEST_TITLE: usize = 300;
pub(super) const LONGEST_WORD: usize = 100;
/// Characters of an address that is kept.
const LONGEST_URL: usize = 1_000;

/// What one incident has to do with people and a tracker. Its JSON is in the state.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Record {
    /// The incident, as it was last seen.
    pub(crate) incident: Incident,
    /// What it is matched by.
    pub(crate) labels: Labels,
    /// The name of the tracker that is to have an issue for it.
    #[serde(default)]
    pub(crate) rule: Option<String>,
    /// Whether a person has said what its issue is, or that it has none.
    #[serde(default)]
    pub(super) by_hand: bool,
    /// Its issue.
    #[serde(default)]
    pub(crate) issue: Option<Link>,
    /// Who has it, by the name in the configuration.
    #[serde(default)]
    pub(crate) assignee: Option<String>,
    /// When people were done with it, as its issue has it.
    #[serde(default)]
    pub(crate) handled_at: Option<Moment>,
    /// Since when there may be an issue that was made for it and that nobody knows of.
    #[serde(default)]
    pub(super) making_since: Option<Moment>,
    /// How often it turned out that there is none.
    #[serde(default)]
    pub(super) unmade: u32,
    /// What the tracker is to be told.
    #[serde(default)]
    pub(super) owed: Owed,
}

/// What the tracker is to be told. Each is told once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Owed {
    /// That the issue is the incident's.
    pub(super) greeting: bool,
    /// Who has it.
    pub(super) assignee: bool,
    /// That the incident is over.
    pub(super) end: bool,
}

/// An incident's issue.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Link {
    /// The integration whose tracker has it.
    pub(crate) integration: String,
    /// What the tracker calls it by.
    pub(crate) key: String,
    #[serde(default)]
    pub(crate) project: Option<String>,
    /// Its kind, title, state and address, as far as the tracker said. Safe to print.
    #[serde(default)]
    pub(crate) kind: String,
    #[serde(default)]
    pub(crate) title: String,
    #[serde(default)]
    pub(crate) state: String,
    #[serde(default)]
    pub(crate) url: Option<String>,
    /// Who has it by the tracker's word, whether or not anybody here is that.
    #[serde(default)]
    pub(super) assignee: Option<String>,
    /// Since when the tracker does not know it any more.
    #[serde(default)]
    pub(crate) gone_since: Option<Moment>,
    /// When it was read last.
    pub(crate) read_at: Moment,
    /// Something that was delivered of it could not be taken in, so it has to be read.
    #[serde(default)]
    pub(super) is_stale: bool,
    /// A change of it that may have been made.
    #[serde(default)]
    pub(super) writing: Option<Writing>,
    /// How far its changes of the assignee, and of the state, were taken in.
    #[serde(default)]
    pub(super) assignee_mark: Mark,
    #[serde(default)]
    pub(super) state_mark: Mark,
}

/// A change of an issue of which nobody knows what became.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Writing {
    /// What it was made for.
    pub(super) step: Step,
    /// The issue's revision before it.
    pub(super) revision: Option<u64>,
}

/// How far the changes of an issue were taken in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Mark {
    revision: Option<u64>,
    changed_at: Option<Moment>,
}

impl Mark {
    pub(super) fn of_event(event: &WebhookEvent) -> Self {
        Self { revision: event.revision(), changed_at: event.changed_at().map(Moment::from) }
    }

    /// What was read, or came back from a change. Only the tracker's own clock counts.
    pub(super) fn of_issue(issue: &Issue) -> Self {
        Self { revision: issue.revision(), changed_at: issue.changed_at().map(Moment::from) }
    }

    /// Takes a change in; whether it is newer than what was taken in before. What comes again, or after something newer,
    /// is not.
    pub(super) fn advance(&mut self, to: Self) -> bool {
        let is_news = to.is_after(*self).unwrap_or(true);
        if is_news {
            self.revision = to.revision.or(self.revision);
            self.changed_at = to.changed_at.or(self.changed_at);
        }
        is_news
    }

    /// Whether it is newer than another, if that can be told. Revisions decide where both have one.
    fn is_after(self, other: Self) -> Option<bool> {
        match ((self.revision, other.revision), (self.changed_at, other.changed_at)) {
            ((Some(own), Some(other)), _) => Some(own > other),
            (_, (Some(own), Some(other))) => Some(own > other),
            _ => None,
        }
    }

    /// Forgets what was known before the tracker was asked, which has shown something older since: so there is none such,
    /// whoever has told of it. Whether it was so.
    fn retract(&mut self, before: Self, shown: Self) -> bool {
        let is_wrong = self.is_after(shown) == Some(true) && self.is_after(before) != Some(true);
        if is_wrong {
            *self = Self::default();
        }
        is_wrong
    }
}

impl Record {
    /// What alerts say of it.
    pub(super) fn handling(&self) -> alerts::Handling {
        let issue =
            self.issue.as_ref().filter(|link| link.gone_since.is_none()).map(|link| alerts::ToldIssue {
                integration: link.integration.clone(),
                key: link.key.clone(),
                url: link.url.clone(),
            });
        alerts::Handling { assignee: self.assignee.clone(), issue }
    }

    pub(super) fn new(incident: Incident, labels: Labels) -> Self {
        Self {
            incident,
            labels,
            rule: None,
            by_hand: false,
            issue: None,
            assignee: None,
            handled_at: None,
            making_since: None,
            unmade: 0,
            owed: Owed::default(),
        }
    }

    /// Whether the incident is over.
    pub(super) fn is_over(&self) -> bool {
        self.incident.resolved_at.is_some()
    }
}

impl Link {
    /// A link to an issue that was just read or made.
    pub(super) fn new(integration: &str, issue: &Issue) -> Self {
        let mut link = Self {
            integration: integration.to_owned(),
            key: issue.key().to_owned(),
            project: None,
            kind: String::new(),
            title: String::new(),
            state: String::new(),
            url: None,
            assignee: None,
            gone_since: None,
            read_at: Moment::now(),
            is_stale: false,
            writing: None,
            assignee_mark: Mark::default(),
            state_mark: Mark::default(),
        };
        link.show(issue);
        link.state = printable(issue.state(), LONGEST_WORD).into_owned();
        link.assignee = issue.assignee().map(holder);
        let mark = Mark::of_issue(issue);
        (link.assignee_mark, link.state_mark) = (mark, mark);
        link
    }

    /// Takes in what the tracker says of the issue now, but for its assignee and its state.
    pub(super) fn show(&mut self, issue: &Issue) {
        let word = |text: &str| printable(text, LONGEST_WORD).into_owned();
        self.project = issue.project().map(word).or(self.project.take());
        self.kind = word(issue.kind());
        self.title = printable(issue.title(), LONGEST_TITLE).into_owned();
        self.url = issue.url().and_then(web_address);
        (self.gone_since, self.read_at, self.is_stale) = (None, Moment::now(), false);
    }

    /// Whether it is to this issue.
    pub(super) fn is_of(&self, integration: &str, key: &str) -> bool {
        self.integration == integration && self.key == key
    }

    /// Whether it is to the same issue.
    pub(super) fn is(&self, other: &Self) -> bool {
        self.is_of(&other.integration, &other.key)
    }

    /// The newest revision that is known of it.
    pub(super) fn revision(&self) -> Option<u64> {
        self.state_mark.revision.max(self.assignee_mark.revision)
    }

    /// Forgets changes that the tracker does not have, by what was known before it was asked; whether there were any.
    pub(super) fn retract(&mut self, before: &Self, issue: &Issue) -> bool {
        let shown = Mark::of_issue(issue);
        let is_assignee_wrong = self.assignee_mark.retract(before.assignee_mark, shown);
        self.state_mark.retract(before.state_mark, shown) || is_assignee_wrong
    }

    /// What it is asked for by.
    pub(super) fn issue(&self) -> IssueRef {
        let issue = IssueRef::new(&self.key);
        match &self.project {
            Some(project) => issue.with_project(project),
            None => issue,
        }
    }
}

/// Somebody by a tracker's word.
pub(super) fn holder(person: &Person) -> String {
    let word = person.email().or(person.id()).unwrap_or(person.name());
    printable(word, LONGEST_WORD).to_lowercase()
}

/// An address that a browser may be sent to.
fn web_address(url: &str) -> Option<String> {
    let url = url::Url::parse(url).ok()?;
    let is_plain =
        matches!(url.scheme(), "http" | "https") && url.username().is_empty() && url.password().is_none();
    (is_plain && url.as_str().len() <= LONGEST_URL).then(|| url.into())
}
