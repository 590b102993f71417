//! The search: titles, descriptions and tags that contain a text, and numbers.

use serde::Deserialize;
use serde_json::{Value, json};

use super::Tracker;
use super::items::{DESCRIPTION, STATE, TAGS, TITLE, WorkItem};
use crate::fake::answers::Answer;
use crate::fake::world::Project;

#[derive(Deserialize)]
struct Query {
    #[serde(rename = "searchText")]
    text: String,
    #[serde(rename = "$skip", default)]
    skip: usize,
    #[serde(rename = "$top")]
    top: usize,
}

/// Answers a search among the work items of the projects that `project_of` knows.
pub(super) fn answer<'p>(
    tracker: &Tracker,
    base: &str,
    body: &[u8],
    project_of: impl Fn(&WorkItem) -> Option<&'p Project>,
) -> Result<Answer, Answer> {
    let query: Query = serde_json::from_slice(body).map_err(|_| Answer::e16("no query"))?;
    if query.text.trim().is_empty() || query.top == 0 || query.top > 1000 {
        return Err(Answer::e16("a query has a text and a $top of 1 to 1000"));
    }
    let wanted = query.text.to_lowercase();
    let found: Vec<Value> = match tracker.search_info_code {
        0 => tracker
            .items
            .iter()
            .filter(|(id, item)| {
                let texts = [TITLE, DESCRIPTION, TAGS].into_iter().filter_map(|name| item.field(name));
                let is_said = texts.map(str::to_lowercase).any(|text| text.contains(&wanted));
                is_said || id.to_string() == wanted
            })
            .filter_map(|(id, item)| Some(hit(base, *id, item, project_of(item)?)))
            .collect(),
        _ => Vec::new(),
    };
    let count = found.len();
    let page: Vec<Value> = found.into_iter().skip(query.skip).take(query.top).collect();
    Ok(Answer::json(
        200,
        &json!({"count": count, "results": page, "infoCode": tracker.search_info_code, "facets": {}}),
    ))
}

fn hit(base: &str, id: u64, item: &WorkItem, project: &Project) -> Value {
    let mut fields = json!({
        "system.id": id.to_string(),
        "system.workitemtype": item.kind,
        "system.state": item.field(STATE),
        "system.tags": "",
        "system.rev": format!("{}.0", item.rev),
    });
    if let Some(title) = item.field(TITLE) {
        fields["system.title"] = title.into();
    }
    json!({
        "project": {"id": project.id, "name": project.name},
        "fields": fields,
        "hits": [],
        "url": format!("{base}_apis/wit/workItems/{id}"),
    })
}
