//! What a tracker says became of an incident's issue, taken in: who has it, and whether people are done with it. No I/O.
//!
//! Whether it was read, delivered or the answer to a write makes no difference. What is taken in is never owed back.

use forgewatch_plugin_api::Person;

use super::people::People;
use super::record::{Mark, Record, holder};
use crate::text::printable;
use crate::verdict::Moment;

/// Characters of a state that are kept.
const LONGEST_STATE: usize = 100;

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
        if !link.assignee_mark.advance(mark) || is_over {
            return Taken::Ignored;
        }
        link.assignee = to.map(holder);
        let assignee = match to {
            None => None,
            Some(person) => match person.email().and_then(|email| people.find(&self.labels, email)) {
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
        (was_done, is_done): (Option<bool>, bool),
        at: Moment,
    ) -> Taken {
        let is_over = self.is_over();
        let Some(link) = &mut self.issue else { return Taken::Ignored };
        if !link.state_mark.advance(mark) || is_over {
            return Taken::Ignored;
        }
        link.state = printable(state, LONGEST_STATE).into_owned();
        if was_done.unwrap_or(false) == is_done || self.handled_at.is_some() == is_done {
            return Taken::Same;
        }
        self.handled_at = is_done.then_some(at);
        Taken::Changed
    }
}
