//! What people do with an incident: link it to an issue, part it from that, give it to somebody.
//!
//! What was begun is finished, whatever becomes of whoever has asked for it.

use std::sync::Arc;

use axum::http::StatusCode;
use forgewatch_plugin_api::IssueRef;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;

use super::super::Shared;
use super::super::access::Scope;
use super::super::answer::Found;
use super::super::desks::LONGEST_NAME;
use super::super::error::Error;
use super::super::input::{Nothing, input};
use super::super::route::{Call, Operation, Routes};
use super::{Incident, find};
use crate::text::printable;
use crate::tracker::{LinkError, RefusalKind};

pub(super) fn add(routes: &mut Routes) {
    let scope = Some(Scope::Operate);
    let summary = "Makes an issue that is there already an open incident's own; the tracker is told so afterwards. 409 \
                   when the incident is over or has another issue; what the tracker refuses is told as by a search.";
    let operation = Operation { id: "link_incident", summary, scope, errors: &[409, 501, 502] };
    routes.post("/api/v1/incidents/{name}/link", operation, |call| async {
        let (shared, id, wanted) = call.without_turn();
        link(&shared, &id, wanted).await.map(Found)
    });
    let summary = "Parts an incident from its issue, which stays as it is, and has no other made for it. 409 when it has \
                   none.";
    let operation = Operation { id: "unlink_incident", summary, scope, errors: &[409] };
    routes.post("/api/v1/incidents/{name}/unlink", operation, |call: Call<Nothing>| async move {
        unlink(&call.shared, &call.name).await.map(Found)
    });
    let summary = "Gives an open incident to somebody of its team, or to nobody. 409 when it is over, or they \
                   are of another team.";
    let operation = Operation { id: "assign_incident", summary, scope, errors: &[409] };
    routes.post("/api/v1/incidents/{name}/assign", operation, |call: Call<Assignment>| async move {
        assign(&call.shared, &call.name, call.input.person).await.map(Found)
    });
}

/// Which issue.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wanted {
    /// The integration whose tracker has it.
    #[schemars(length(min = 1))]
    pub(crate) integration: String,
    /// What the tracker calls it by.
    #[schemars(length(min = 1, max = 200))]
    pub(crate) issue: String,
    /// Its project, for trackers whose keys are unique in a project alone.
    #[serde(default)]
    #[schemars(length(min = 1, max = 200))]
    pub(crate) project: Option<String>,
}

/// Who is to have it.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Assignment {
    /// The name in the configuration; null for nobody.
    #[schemars(required, schema_with = "somebody_or_nobody")]
    person: Option<String>,
}

input!(Wanted, Assignment);

fn somebody_or_nobody(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "oneOf": [{ "type": "string", "minLength": 1 }, { "type": "null" }] })
}

/// Links an incident to an issue.
pub(crate) async fn link(shared: &Arc<Shared>, id: &str, wanted: Wanted) -> Result<Incident, Error> {
    let Wanted { integration, issue: key, project } = wanted;
    let _turn = shared.turn_of_tracker(&integration).await?;
    let (tracker, incident) = (shared.tracker.clone(), find(shared, id).await?);
    let issue = IssueRef::new(&key);
    let issue = match project {
        Some(project) => issue.with_project(project),
        None => issue,
    };
    let shown = format!("the tracker of `{integration}` shows no issue `{}`", printable(&key, LONGEST_NAME));
    let linked = finish(async move {
        let linked = tracker.link(&incident, &integration, &issue).await;
        linked.map(|record| Incident::with(incident, Some(record)))
    });
    linked.await?.map_err(|error| match error {
        LinkError::Refused(refusal) if refusal.kind == RefusalKind::Missing => {
            Error::new(StatusCode::NOT_FOUND, "unknown_issue", format!("{shown}: {refusal}"))
        }
        error => error.into(),
    })
}

/// Parts an incident from its issue.
pub(crate) async fn unlink(shared: &Arc<Shared>, id: &str) -> Result<Incident, Error> {
    let (tracker, incident) = (shared.tracker.clone(), find(shared, id).await?);
    let unlinked = finish(async move {
        let unlinked = tracker.unlink(&incident).await;
        unlinked.map(|record| Incident::with(incident, Some(record)))
    });
    unlinked.await?.map_err(Error::from)
}

/// Gives an incident to somebody, or to nobody.
pub(crate) async fn assign(
    shared: &Arc<Shared>,
    id: &str,
    person: Option<String>,
) -> Result<Incident, Error> {
    let (tracker, incident) = (shared.tracker.clone(), find(shared, id).await?);
    let assigned = finish(async move {
        let assigned = tracker.assign(&incident, person.as_deref()).await;
        assigned.map(|record| Incident::with(incident, Some(record)))
    });
    assigned.await?.map_err(Error::from)
}

async fn finish<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> Result<T, Error> {
    tokio::spawn(work).await.map_err(|error| Error::internal(&error))
}

impl From<LinkError> for Error {
    fn from(error: LinkError) -> Self {
        let message = error.to_string();
        let (status, code) = match error {
            LinkError::Refused(refusal) => return refusal.into(),
            LinkError::Over => (StatusCode::CONFLICT, "over"),
            LinkError::Linked(_) => (StatusCode::CONFLICT, "linked"),
            LinkError::NotLinked => (StatusCode::CONFLICT, "not_linked"),
            LinkError::NoIntegration(_) => (StatusCode::NOT_FOUND, "unknown_integration"),
            LinkError::NoPerson(_) => (StatusCode::NOT_FOUND, "unknown_person"),
            LinkError::NotOfTeam { .. } => (StatusCode::CONFLICT, "not_of_team"),
        };
        Self::new(status, code, message)
    }
}
