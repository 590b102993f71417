//! Documents of changes: read, tested and judged as a whole before anything changes.

use serde::Deserialize;
use serde_json::Value;

use super::items::{ASSIGNED_TO, STATE, TITLE};
use super::{Tracker, faults};
use crate::fake::answers::Answer;

#[derive(Deserialize)]
struct Step {
    op: String,
    path: String,
    #[serde(default)]
    value: Value,
}

/// New values of fields; none for one that is emptied.
pub(super) type Values = Vec<(String, Option<String>)>;

/// The values that a document sets in a work item of a type, which is at a revision unless it is new.
pub(super) fn read(tracker: &Tracker, kind: &str, rev: Option<u64>, body: &[u8]) -> Result<Values, Answer> {
    let steps: Vec<Step> =
        serde_json::from_slice(body).map_err(|error| faults::bad_patch(&format!("no document: {error}")))?;
    if steps.is_empty() {
        return Err(faults::bad_patch("the document is empty"));
    }
    let mut values = Vec::new();
    for step in steps {
        if step.op == "test" && step.path == "/rev" {
            if step.value.as_u64() != rev {
                return Err(faults::conflict(tracker.conflict_status));
            }
            continue;
        }
        let field = step
            .path
            .strip_prefix("/fields/")
            .ok_or_else(|| faults::bad_patch(&format!("{} leads nowhere", step.path)))?;
        let value = match (step.op.as_str(), &step.value) {
            ("add" | "replace", Value::String(text)) if !text.is_empty() => Some(text.clone()),
            ("add" | "replace", Value::String(_)) | ("remove", Value::Null) => None,
            (op, _) => return Err(faults::bad_patch(&format!("no {op} of {field} like this"))),
        };
        values.push((field.to_owned(), judged(tracker, kind, field, value)?));
    }
    Ok(values)
}

/// The value as the service keeps it.
fn judged(
    tracker: &Tracker,
    kind: &str,
    field: &str,
    value: Option<String>,
) -> Result<Option<String>, Answer> {
    match (field, value) {
        (STATE | TITLE, None) => Err(faults::bad_value(field, "nothing")),
        (STATE, Some(state)) => {
            let kind = tracker.kind(kind).ok_or_else(|| faults::no_kind(kind))?;
            let known = kind.states.iter().find(|(name, _)| name.eq_ignore_ascii_case(&state));
            known.map(|(name, _)| Some(name.clone())).ok_or_else(|| faults::bad_value(field, &state))
        }
        (TITLE, Some(title)) if title.chars().count() > 255 => {
            Err(faults::bad_value(field, "so long a text"))
        }
        (ASSIGNED_TO, Some(person)) => {
            let known = tracker.person(&person);
            let (name, mail) = known.ok_or_else(|| faults::bad_value(field, &person))?;
            Ok(Some(format!("{name} <{mail}>")))
        }
        (_, value) => Ok(value),
    }
}
