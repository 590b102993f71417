//! What the log says of what has become of an incident's issue and of who has it.

use serde_json::Value;

use crate::text::printable;

/// Characters of anything that is said.
const LONGEST: usize = 300;

/// The sentence for an entry of the journal; none for what is told elsewhere.
pub(super) fn sentence(what: &str, incident: &str, more: &Value) -> Option<String> {
    let word = |key: &str| more[key].as_str().map(|word| printable(word, LONGEST).into_owned());
    let issue = word("issue").unwrap_or_default();
    let state = word("state").unwrap_or_default();
    let by_tracker = more["by"] == "tracker";
    Some(match what {
        "incident_linked" => {
            let how = match more["by"].as_str() {
                Some("made") => "made for it",
                Some("found") => "found for it",
                _ => "linked by hand",
            };
            format!("the incident `{incident}` has the issue {issue}, which was {how}")
        }
        "incident_unlinked" => format!("the incident `{incident}` was parted from the issue {issue} by hand"),
        "incident_assigned" => {
            let who = word("assignee").map_or("nobody".to_owned(), |name| format!("`{name}`"));
            let why = if by_tracker { "as its issue says" } else { "as somebody here says" };
            format!("{who} has the incident `{incident}` now, {why}")
        }
        "assignee_not_found" => {
            let (who, why) = (word("who").unwrap_or_default(), word("why").unwrap_or_default());
            let who = if who.is_empty() { "somebody".to_owned() } else { format!("`{who}`") };
            format!("{who} has the issue {issue}, and not its incident `{incident}`: {why}; see `[people]`")
        }
        "incident_handled" => {
            format!("the incident `{incident}` is handled: its issue {issue} is `{state}`")
        }
        "incident_reopened" => {
            format!("the incident `{incident}` is not handled any more: its issue {issue} is `{state}`")
        }
        "issue_closed" => format!("the issue {issue} is closed, since the incident `{incident}` is over"),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::sentence;

    #[test]
    fn what_becomes_of_an_incident_is_said_in_a_sentence() {
        let said = |what: &str, more| sentence(what, "f-1", &more).unwrap();
        for (what, more, expected) in [
            (
                "incident_linked",
                json!({ "issue": "31", "by": "made" }),
                "the incident `f-1` has the issue 31, which was made for it",
            ),
            (
                "incident_linked",
                json!({ "issue": "31" }),
                "the incident `f-1` has the issue 31, which was linked by hand",
            ),
            (
                "incident_assigned",
                json!({ "assignee": null, "by": "tracker" }),
                "nobody has the incident `f-1` now, as its issue says",
            ),
            (
                "incident_handled",
                json!({ "issue": "31", "state": "Closed\n" }),
                "the incident `f-1` is handled: its issue 31 is `Closed\\n`",
            ),
            (
                "assignee_not_found",
                json!({ "issue": "31", "who": "", "why": "the tracker tells no address" }),
                "somebody has the issue 31, and not its incident `f-1`: the tracker tells no address; see `[people]`",
            ),
        ] {
            assert_eq!(said(what, more), expected);
        }
        assert!(sentence("issue_gone", "f-1", &json!({})).is_none());
    }
}
