//! Incidents: open ones as they are, resolved ones as they were kept.
//!
//! Open ones come out of the ledger, so they are there even when the state cannot be written.

use std::time::{Duration, UNIX_EPOCH};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Shared;
use super::access::Scope;
use super::answer::{Found, Time};
use super::error::Error;
use super::input::{Nothing, input};
use super::page::{Cursor, Limit};
use super::route::{Call, Operation, Routes};
use crate::journal;
use crate::journal::Cause;
use crate::state::{IncidentCursor, IncidentRow};
use crate::verdict::{Moment, Reason};

pub(super) fn add(routes: &mut Routes) {
    let scope = Some(Scope::Read);
    let summary = "Incidents in pages, newest first: open ones by when they were opened, resolved ones by when they were \
                   resolved.";
    routes.get("/api/v1/incidents", Operation { id: "list_incidents", summary, scope, errors: &[] }, list);
    let summary = "One incident, by its id; open or resolved.";
    routes.get(
        "/api/v1/incidents/{name}",
        Operation { id: "get_incident", summary, scope, errors: &[] },
        get,
    );
}

/// Which incidents.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Query {
    state: IncidentState,
    /// How many at most.
    limit: Limit,
    /// The `next` of the page before this one.
    cursor: Option<Cursor>,
}

input!(Query);

/// Whether an incident is over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum IncidentState {
    #[default]
    Open,
    Resolved,
}

/// One cause, and what it costs.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Incident {
    /// Unique for ever.
    id: String,
    /// The same for every incident of the same cause.
    pub(crate) fingerprint: String,
    state: IncidentState,
    integration: String,
    /// The repository, when it is that one's alone.
    repository: Option<String>,
    reason: Reason,
    cause: Cause,
    /// What was seen at last, and what to do.
    detail: String,
    first_seen: Time,
    /// When a check failed for it at last.
    last_seen: Time,
    resolved_at: Option<Time>,
    /// Checks that failed for it.
    count: u64,
    /// Repositories that it holds now.
    affected: u32,
    /// The most that it has held at once.
    most_affected: u32,
}

/// A page of incidents.
#[derive(Serialize, JsonSchema)]
pub(crate) struct IncidentPage {
    items: Vec<Incident>,
    /// The cursor of the next page, if there is one.
    next: Option<Cursor>,
}

async fn list(call: Call<Query>) -> Result<Found<IncidentPage>, Error> {
    page(&call.shared, call.input).await.map(Found)
}

/// The page that was asked for.
pub(super) async fn page(shared: &Shared, query: Query) -> Result<IncidentPage, Error> {
    let Query { state, limit, cursor } = query;
    let place = cursor.map(|cursor| IncidentCursor {
        at: Moment::from(UNIX_EPOCH + Duration::from_millis(cursor.key.min(i64::MAX as u64))).into(),
        id: String::from_utf8_lossy(&cursor.name).into_owned(),
    });
    // One more than there is room for shows whether there are more.
    let most = limit.get() + 1;
    let mut found = match state {
        IncidentState::Open => shared.handle.read(|ledger| open(ledger.incidents.open(), place, most)),
        IncidentState::Resolved => {
            let rows = shared.stored.read(move |state| state.incidents(false, place.as_ref(), most)).await?;
            rows.iter().map(kept).collect::<Result<_, _>>()?
        }
    };
    let are_more = found.len() == most;
    found.truncate(limit.get());
    let next = found.last().filter(|_| are_more).map(|incident| {
        let (at, id) = place_of(incident);
        Cursor { order: 0, key: u64::try_from(at.unix_ms()).unwrap_or(0), name: id.as_bytes().to_vec() }
    });
    Ok(IncidentPage { items: found.into_iter().map(Incident::from).collect(), next })
}

async fn get(call: Call<Nothing>) -> Result<Found<Incident>, Error> {
    one(&call.shared, &call.name).await.map(Found)
}

/// An incident, open or resolved.
pub(super) async fn one(shared: &Shared, id: &str) -> Result<Incident, Error> {
    let found =
        shared.handle.read(|ledger| ledger.incidents.open().find(|incident| incident.id == id).cloned());
    let found = match found {
        Some(open) => Some(open),
        None => {
            let wanted = id.to_owned();
            let row = shared.stored.read(move |state| state.incident(&wanted)).await?;
            row.as_ref().map(kept).transpose()?
        }
    };
    let unknown = || Error::not_found(format!("there is no incident `{id}`"));
    found.map(Incident::from).ok_or_else(unknown)
}

/// The first `most` after a place, newest first.
fn open<'a>(
    incidents: impl Iterator<Item = &'a journal::Incident>,
    place: Option<IncidentCursor>,
    most: usize,
) -> Vec<journal::Incident> {
    let place = place.map(|place| (Moment::from(place.at), place.id));
    let is_after = |incident: &&journal::Incident| {
        place.as_ref().is_none_or(|(at, id)| place_of(incident) < (*at, id.as_str()))
    };
    let mut after: Vec<_> = incidents.filter(is_after).collect();
    after.sort_unstable_by(|one, other| place_of(other).cmp(&place_of(one)));
    after.into_iter().take(most).cloned().collect()
}

fn place_of(incident: &journal::Incident) -> (Moment, &str) {
    (incident.resolved_at.unwrap_or(incident.first_seen), incident.id.as_str())
}

fn kept(row: &IncidentRow) -> Result<journal::Incident, Error> {
    serde_json::from_str(&row.incident)
        .map_err(|error| Error::internal(&format_args!("the incident `{}` cannot be read: {error}", row.id)))
}

impl Incident {
    /// Whom it holds and why, in short.
    pub(crate) fn headline(&self) -> String {
        let is_over = if self.resolved_at.is_some() { "resolved" } else { "open" };
        format!(
            "{is_over}: {} repositories of {} are {}",
            self.affected,
            self.integration,
            self.reason.as_str()
        )
    }
}

impl From<journal::Incident> for Incident {
    fn from(incident: journal::Incident) -> Self {
        let state = match incident.resolved_at {
            Some(_) => IncidentState::Resolved,
            None => IncidentState::Open,
        };
        Self {
            id: incident.id,
            fingerprint: incident.fingerprint,
            state,
            integration: incident.integration,
            repository: incident.repository,
            reason: incident.reason,
            cause: incident.cause,
            detail: incident.detail,
            first_seen: incident.first_seen.into(),
            last_seen: incident.last_seen.into(),
            resolved_at: incident.resolved_at.map(Time::from),
            count: incident.count,
            affected: incident.affected,
            most_affected: incident.most_affected,
        }
    }
}
