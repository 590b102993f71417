//! What becomes of an incident's issue and of who has it, as the journal and the log have it.

use serde::{Serialize, Serializer};

use crate::text::printable;

/// Characters of anything that others have named.
const LONGEST: usize = 200;

/// What has become of an incident's issue, or of who has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "generic")]
pub(super) enum News<'a> {
    #[serde(rename = "incident_linked")]
    Linked { issue: Word<'a>, by: Origin },
    #[serde(rename = "incident_unlinked")]
    Unlinked { issue: Word<'a> },
    #[serde(rename = "incident_assigned")]
    Assigned { assignee: Option<Word<'a>>, by: Side },
    /// Somebody has the issue who cannot have the incident.
    #[serde(rename = "assignee_not_found")]
    Stranger { issue: Word<'a>, who: Word<'a>, why: &'static str },
    #[serde(rename = "incident_handled")]
    Handled { issue: Word<'a>, state: Word<'a>, by: Side },
    #[serde(rename = "incident_reopened")]
    Reopened { issue: Word<'a>, state: Word<'a>, by: Side },
    #[serde(rename = "issue_closed")]
    Closed { issue: Word<'a> },
    #[serde(rename = "issue_gone")]
    Gone { issue: Word<'a> },
}

/// How an incident has come to its issue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Origin {
    Made,
    Found,
    Hand,
}

/// Who says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Side {
    Tracker,
    Hand,
}

/// A text that others have made, shown harmless and short.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Word<'a>(pub(super) &'a str);

impl std::fmt::Display for Word<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&printable(self.0, LONGEST))
    }
}

impl Serialize for Word<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'a> News<'a> {
    /// The tracker says who has the incident's issue.
    pub(super) fn assigned_there(assignee: Option<&'a str>) -> Self {
        Self::Assigned { assignee: assignee.map(Word), by: Side::Tracker }
    }

    /// The incident's issue has crossed the border to this state.
    pub(super) fn moved(issue: &'a str, state: &'a str, is_done: bool) -> Self {
        let (issue, state, by) = (Word(issue), Word(state), Side::Tracker);
        match is_done {
            true => Self::Handled { issue, state, by },
            false => Self::Reopened { issue, state, by },
        }
    }

    /// The sentence for the log; none for what is told there with more to say.
    pub(super) fn sentence(&self, incident: &str) -> Option<String> {
        Some(match self {
            Self::Linked { issue, by } => {
                let how = match by {
                    Origin::Made => "made for it",
                    Origin::Found => "found for it",
                    Origin::Hand => "linked by hand",
                };
                format!("the incident `{incident}` has the issue {issue}, which was {how}")
            }
            Self::Unlinked { issue } => {
                format!("the incident `{incident}` was parted from the issue {issue} by hand")
            }
            Self::Assigned { assignee, by } => {
                let who = assignee.map_or("nobody".to_owned(), |name| format!("`{name}`"));
                let why = match by {
                    Side::Tracker => "as its issue says",
                    Side::Hand => "as somebody here says",
                };
                format!("{who} has the incident `{incident}` now, {why}")
            }
            Self::Stranger { issue, who: Word(""), why } => {
                format!(
                    "somebody has the issue {issue}, and not its incident `{incident}`: {why}; see `[people]`"
                )
            }
            Self::Stranger { issue, who, why } => {
                format!(
                    "`{who}` has the issue {issue}, and not its incident `{incident}`: {why}; see `[people]`"
                )
            }
            Self::Handled { issue, state, .. } => {
                format!("the incident `{incident}` is handled: its issue {issue} is `{state}`")
            }
            Self::Reopened { issue, state, .. } => {
                format!("the incident `{incident}` is not handled any more: its issue {issue} is `{state}`")
            }
            Self::Closed { issue } => {
                format!("the issue {issue} is closed, since the incident `{incident}` is over")
            }
            Self::Gone { .. } => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{News, Origin, Word};

    #[test]
    fn what_becomes_of_an_incident_is_said_in_a_sentence_and_kept() {
        let stranger =
            News::Stranger { issue: Word("31"), who: Word(""), why: "the tracker tells no address" };
        for (news, sentence, kept) in [
            (
                News::Linked { issue: Word("31"), by: Origin::Made },
                Some("the incident `f-1` has the issue 31, which was made for it"),
                json!({ "generic": "incident_linked", "issue": "31", "by": "made" }),
            ),
            (
                News::assigned_there(None),
                Some("nobody has the incident `f-1` now, as its issue says"),
                json!({ "generic": "incident_assigned", "assignee": null, "by": "tracker" }),
            ),
            (
                News::moved("31", "Closed\n", true),
                Some("the incident `f-1` is handled: its issue 31 is `Closed\\n`"),
                json!({ "generic": "incident_handled", "issue": "31", "state": "Closed\\n", "by": "tracker" }),
            ),
            (
                stranger,
                Some(
                    "somebody has the issue 31, and not its incident `f-1`: the tracker tells no address; see \
                     `[people]`",
                ),
                json!({ "generic": "assignee_not_found", "issue": "31", "who": "",
                        "why": "the tracker tells no address" }),
            ),
            (News::Gone { issue: Word("31") }, None, json!({ "generic": "issue_gone", "issue": "31" })),
        ] {
            assert_eq!(news.sentence("f-1").as_deref(), sentence);
            assert_eq!(serde_json::to_value(news).ok(), Some::<Value>(kept));
        }
    }
}
