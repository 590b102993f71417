//! What the service delivers when a work item was changed.
//!
//! Everything in it may have any shape: it comes from strangers until the host has compared the secret, and the service
//! itself has two shapes for people and several for what is empty. What is not understood is left out; only what does
//! not say of which account and which kind it is is no delivery.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use forgewatch_plugin_api::{
    AssigneeChange, Failure, Reason, StateChange, WebhookDelivery, WebhookEvent, WebhookEventKind,
};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::answer;
use crate::hooks::UPDATED;
use crate::tracker::person;

/// The service writes years far off where there is no time yet.
const TOO_LATE: Duration = Duration::from_secs(7_258_118_400);

type Raw = Box<RawValue>;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Delivery {
    event_type: String,
    #[serde(default)]
    id: Option<Raw>,
    #[serde(default)]
    created_date: Option<Raw>,
    #[serde(default)]
    resource: Option<Raw>,
    resource_containers: Containers,
}

#[derive(Deserialize)]
struct Containers {
    collection: Container,
    #[serde(default)]
    project: Option<Raw>,
}

#[derive(Deserialize)]
struct Container {
    id: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Resource {
    work_item_id: Option<Raw>,
    rev: Option<Raw>,
    revised_date: Option<Raw>,
    fields: Option<Raw>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Change {
    #[serde(default)]
    old_value: Option<Raw>,
    #[serde(default)]
    new_value: Option<Raw>,
}

/// Says what a delivery means.
pub(crate) fn parse(delivery: &WebhookDelivery) -> Result<WebhookEvent, Failure> {
    let body = delivery.body();
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    let delivery: Delivery = answer::object_of(body)
        .filter(|delivery: &Delivery| {
            !delivery.event_type.is_empty() && !delivery.resource_containers.collection.id.is_empty()
        })
        .ok_or_else(|| {
            let detail = "the delivery is none of Azure DevOps: it has no `eventType` or no \
                          `resourceContainers.collection.id`";
            Failure::new(Reason::INVALID_RESPONSE, detail)
        })?;
    let account = delivery.resource_containers.collection.id;
    let is_update = delivery.event_type == UPDATED;
    let kind = match is_update {
        true => WebhookEventKind::IssueUpdated,
        false => WebhookEventKind::Other(delivery.event_type),
    };
    let mut event = WebhookEvent::new(account, kind);
    if let Some(id) = delivery.id.and_then(|raw| answer::word(&raw)) {
        event = event.with_delivery(id);
    }
    let project = delivery.resource_containers.project.and_then(|raw| object::<Container>(&raw));
    if let Some(project) = project.filter(|project| !project.id.is_empty()) {
        event = event.with_project(project.id);
    }
    // What else there is has a shape of its own.
    if !is_update {
        return Ok(event);
    }
    let resource: Resource = delivery.resource.and_then(|raw| object(&raw)).unwrap_or_default();
    Ok(with_change(event, resource, delivery.created_date))
}

fn with_change(mut event: WebhookEvent, resource: Resource, created_date: Option<Raw>) -> WebhookEvent {
    if let Some(number) = resource.work_item_id.and_then(|raw| answer::number(&raw)) {
        event = event.with_issue(number.to_string());
    }
    if let Some(rev) = resource.rev.and_then(|raw| answer::number(&raw)) {
        event = event.with_revision(rev);
    }
    let fields: BTreeMap<String, Raw> = resource.fields.and_then(|raw| object(&raw)).unwrap_or_default();
    let change = |name: &str| fields.get(name).and_then(|raw| object::<Change>(raw));
    let changed = change("System.ChangedDate").and_then(|change| change.new_value);
    let times = [resource.revised_date, changed, created_date];
    if let Some(at) = times.into_iter().flatten().find_map(|raw| time(&raw)) {
        event = event.with_changed_at(at);
    }
    if let Some(change) = change("System.AssignedTo") {
        event = event.with_assignee(assignee(&change));
    }
    match change("System.State") {
        Some(change) => {
            let name = |raw: Option<Raw>| raw.and_then(|raw| answer::word(&raw));
            event.with_state(StateChange::new(name(change.old_value), name(change.new_value)))
        }
        None => event,
    }
}

/// An emptied field has an old value alone, and one that says nothing was not changed.
fn assignee(change: &Change) -> AssigneeChange {
    match &change.new_value {
        Some(new) => match person::of_json(new.get()) {
            Some(person) => AssigneeChange::Set(person),
            None if matches!(new.get(), "null" | "\"\"") => AssigneeChange::Cleared,
            None => AssigneeChange::Unchanged,
        },
        None if change.old_value.is_some() => AssigneeChange::Cleared,
        None => AssigneeChange::Unchanged,
    }
}

fn object<T: for<'de> Deserialize<'de>>(raw: &RawValue) -> Option<T> {
    answer::object_of(raw.get().as_bytes())
}

fn time(raw: &RawValue) -> Option<SystemTime> {
    let text: String = serde_json::from_str(raw.get()).ok()?;
    let at = humantime::parse_rfc3339_weak(&text).ok()?;
    at.duration_since(SystemTime::UNIX_EPOCH).is_ok_and(|since| since < TOO_LATE).then_some(at)
}
