//! Work items as the service writes them.

use forgewatch_plugin_api::Issue;
use forgewatch_plugin_support::segment;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::person;
use crate::client::Client;

/// A work item, as far as anybody reads it.
#[derive(Deserialize)]
pub(super) struct WorkItem {
    pub(super) id: u64,
    rev: Option<u64>,
    fields: Fields,
}

#[derive(Deserialize)]
struct Fields {
    #[serde(rename = "System.TeamProject")]
    project: Option<String>,
    #[serde(rename = "System.WorkItemType")]
    kind: String,
    #[serde(rename = "System.State")]
    state: String,
    #[serde(rename = "System.Title")]
    title: Option<String>,
    #[serde(rename = "System.AssignedTo")]
    assigned_to: Option<Box<RawValue>>,
}

impl WorkItem {
    pub(super) fn into_issue(self, client: &Client) -> Issue {
        let fields = self.fields;
        let url = page(client, fields.project.as_deref(), self.id);
        let title = fields.title.unwrap_or_default();
        let mut issue = Issue::new(self.id.to_string(), title, fields.kind, fields.state).with_url(url);
        if let Some(project) = fields.project {
            issue = issue.with_project(project);
        }
        if let Some(rev) = self.rev {
            issue = issue.with_revision(rev);
        }
        match fields.assigned_to.and_then(|raw| person::of_json(raw.get())) {
            Some(assignee) => issue.with_assignee(assignee),
            None => issue,
        }
    }
}

/// Where people see a work item. Made here, since a link in an answer may lead anywhere.
pub(super) fn page(client: &Client, project: Option<&str>, id: impl std::fmt::Display) -> String {
    let base = client.base_url();
    match project.filter(|project| segment::is_valid(project)) {
        Some(project) => format!("{base}{}/_workitems/edit/{id}", segment::encode(project)),
        None => format!("{base}_workitems/edit/{id}"),
    }
}
