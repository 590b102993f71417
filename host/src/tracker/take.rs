//! What a tracker says became of an incident's issue, taken in: who has it, and whether people are done with it. No I/O.
//!
//! Whether it was read, delivered or the answer to a write makes no difference. What is taken in is never owed back.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use forgewatch_plugin_api::{Issue, Person};

use super::people::People;
use super::record::{LONGEST_WORD, Link, Mark, Record, holder};
use crate::text::printable;
use crate::verdict::Moment;

/// What came of something that a tracker has said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// Nothing, since it is not newer than what was taken in before, or the incident is over or has no issue.
    Ignored,
    /// Nothing, since nobody who can have the incident has that address.
    Unknown,
    /// It was so already.
    Same,
    /// It is so since.
    Changed,
}

impl Record {
    /// Takes in that somebody has the issue, or nobody.
    pub(super) fn take_assignee(&mut self, mark: Mark, to: Option<&Person>, people: &People) -> Taken {
        let is_over = self.is_over();
        let Some(link) = &mut self.issue else { return Taken::Ignored };
        if !link.assignee_mark.advance(mark) {
            return Taken::Ignored;
        }
        link.assignee = to.map(holder);
        if is_over {
            return Taken::Ignored;
        }
        let assignee = match to {
            None => None,
            Some(person) => match person
                .email()
                .and_then(|email| people.find(&self.labels, email, self.assignee.as_deref()))
            {
                Some(name) => Some(name.to_owned()),
                None => return Taken::Unknown,
            },
        };
        self.owed.assignee = false;
        if self.assignee == assignee {
            return Taken::Same;
        }
        self.assignee = assignee;
        Taken::Changed
    }

    /// Takes in that the issue is in a state now, which is done or not, and was so before or not; not known is not done.
    /// Only crossing the border between the two changes anything.
    pub(super) fn take_state(
        &mut self,
        mark: Mark,
        state: &str,
        (was_done, is_done): Move,
        at: Moment,
    ) -> Taken {
        let is_over = self.is_over();
        let Some(link) = &mut self.issue else { return Taken::Ignored };
        if !link.state_mark.advance(mark) {
            return Taken::Ignored;
        }
        link.state = printable(state, LONGEST_WORD).into_owned();
        if is_over {
            return Taken::Ignored;
        }
        if was_done.unwrap_or(false) == is_done || self.handled_at.is_some() == is_done {
            return Taken::Same;
        }
        self.handled_at = is_done.then_some(at);
        Taken::Changed
    }

    /// Takes in the whole issue as it was read or came back; what came of it for the assignee, and for the state.
    /// `moves` has what it means to come from a state to the one in which it is: was that done, and is this.
    pub(super) fn take_issue(
        &mut self,
        issue: &Issue,
        mark: Mark,
        moves: &BTreeMap<String, Move>,
        people: &People,
    ) -> (Taken, Taken) {
        let (is_over, is_ours) = (self.is_over(), self.owed.assignee);
        let Some(link) = &mut self.issue else { return (Taken::Ignored, Taken::Ignored) };
        link.show(issue);
        let is_other = link.assignee != issue.assignee().map(holder);
        let (moved, is_moved) = (moves.get(&link.state).copied(), is_moved(&link.state, issue));
        // Whoever was chosen here is told next, and whatever was before that is old.
        let assignee = match is_other && !is_ours {
            true => self.take_assignee(mark, issue.assignee(), people),
            false => self.pass(mark, |link| &mut link.assignee_mark),
        };
        let state = match (is_moved, moved) {
            (false, _) => self.pass(mark, |link| &mut link.state_mark),
            (true, Some(moved)) => self.take_state(mark, issue.state(), moved, Moment::now()),
            (true, None) if is_over => self.take_state(mark, issue.state(), (None, false), Moment::now()),
            // Nobody knows what it means, so it is asked again.
            (true, None) => {
                self.issue.iter_mut().for_each(|link| link.is_stale = true);
                Taken::Ignored
            }
        };
        (assignee, state)
    }

    /// An incident that nobody has is whose the issue is that it gets.
    pub(super) fn take_holder(&mut self, issue: &Issue, people: &People) {
        if self.assignee.is_none() && !self.owed.assignee {
            let email = issue.assignee().and_then(Person::email);
            self.assignee =
                email.and_then(|email| people.find(&self.labels, email, None)).map(ToOwned::to_owned);
        }
    }

    fn pass(&mut self, mark: Mark, which: impl FnOnce(&mut Link) -> &mut Mark) -> Taken {
        if let Some(link) = &mut self.issue {
            which(link).advance(mark);
        }
        Taken::Ignored
    }
}

/// Whether a state was done before, if that is known, and is since.
pub(super) type Move = (Option<bool>, bool);

/// Whether an issue is in another state than this.
pub(super) fn is_moved(known: &str, issue: &Issue) -> bool {
    known != printable(issue.state(), LONGEST_WORD)
}
