//! Work items, states and subscriptions as JSON.

use serde_json::{Map, Value, json};

use super::items::{ASSIGNED_TO, WorkItem};
use super::{People, Subscription};
use crate::fake::world::Project;

/// The id that people have, made of their names.
fn person_id(name: &str) -> String {
    let sum = name.bytes().fold(0_u64, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
    format!("c0470500-5e1f-4b0a-9c3d-{:012x}", sum & 0xffff_ffff_ffff)
}

/// A person who is known as `Name <mail>`.
pub(super) fn person(text: &str, form: People) -> Value {
    let Some((name, mail)) = text.strip_suffix('>').and_then(|text| text.split_once(" <")) else {
        return text.into();
    };
    match form {
        People::Text => text.into(),
        People::Objects => json!({
            "displayName": name, "uniqueName": mail, "id": person_id(name), "descriptor": format!("aad.{name}"),
        }),
    }
}

/// The fields of a work item; those alone that are `wanted`, where any are.
pub(super) fn fields(
    item: &WorkItem,
    project: &Project,
    form: People,
    wanted: Option<&str>,
) -> Map<String, Value> {
    let mut fields = Map::new();
    fields.insert("System.TeamProject".to_owned(), project.name.as_str().into());
    fields.insert("System.WorkItemType".to_owned(), item.kind.as_str().into());
    for (name, value) in &item.fields {
        let value = if name == ASSIGNED_TO { person(value, form) } else { value.as_str().into() };
        fields.insert(name.clone(), value);
    }
    if let Some(wanted) = wanted {
        fields.retain(|name, _| wanted.split(',').any(|wanted| wanted.eq_ignore_ascii_case(name)));
    }
    fields
}

pub(super) fn work_item(base: &str, id: u64, item: &WorkItem, fields: Map<String, Value>) -> Value {
    json!({
        "id": id, "rev": item.rev, "fields": fields,
        "_links": {"html": {"href": format!("{base}web/wi.aspx?id={id}")}},
        "url": format!("{base}_apis/wit/workItems/{id}"),
    })
}

pub(super) fn subscription(base: &str, subscription: &Subscription) -> Value {
    let Subscription { id, project, url, status, .. } = subscription;
    let inputs = project.as_ref().map_or(json!({}), |project| json!({"projectId": project}));
    json!({
        "id": id, "url": format!("{base}_apis/hooks/subscriptions/{id}"), "status": status,
        "publisherId": "tfs", "eventType": "workitem.updated", "resourceVersion": "1.0",
        "consumerId": "webHooks", "consumerActionId": "httpRequest",
        "publisherInputs": inputs,
        "consumerInputs": {"url": url, "httpHeaders": "********", "resourceDetailsToSend": "all"},
    })
}
