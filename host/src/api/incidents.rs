//! Incidents: open ones as they are, resolved ones as they were kept, and what people do with them.
//!
//! Open ones come out of the ledger, so they are there even when the state cannot be written.

pub(super) mod orders;

use std::time::{Duration, UNIX_EPOCH};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Shared;
use super::access::Scope;
use super::answer::{Found, Time};
use super::desks::LONGEST_NAME;
use super::error::Error;
use super::input::{Nothing, input};
use super::page::{Cursor, Limit};
use super::route::{Call, Operation, Routes};
use crate::journal;
use crate::journal::Cause;
use crate::state::{IncidentCursor, IncidentRow};
use crate::text::printable;
use crate::tracker::{Link, Record};
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
    orders::add(routes);
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
    pub(crate) integration: String,
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
    /// Who has it, by the name in the configuration.
    pub(crate) assignee: Option<String>,
    /// The issue that a tracker has for it.
    pub(crate) issue: Option<LinkedIssue>,
    /// The name of the tracker that is to have an issue for it, while there is none yet.
    awaits_issue_in: Option<String>,
    /// Since when its issue says that people are done with it, though access is still missing.
    handled_at: Option<Time>,
}

/// An issue as its tracker showed it at last.
#[derive(Serialize, JsonSchema)]
pub(crate) struct LinkedIssue {
    /// The integration whose tracker has it.
    integration: String,
    /// What the tracker calls it by.
    key: String,
    project: Option<String>,
    /// Its kind, title and state, in the tracker's words; empty where it said none.
    kind: String,
    title: String,
    state: String,
    /// Where people see it.
    url: Option<String>,
    /// Since when the tracker does not show it any more.
    gone_since: Option<Time>,
    /// When it was read last.
    read_at: Time,
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
    Ok(IncidentPage { items: found.into_iter().map(|it| Incident::of(shared, it)).collect(), next })
}

async fn get(call: Call<Nothing>) -> Result<Found<Incident>, Error> {
    one(&call.shared, &call.name).await.map(Found)
}

/// An incident, open or resolved, as it is shown.
pub(super) async fn one(shared: &Shared, id: &str) -> Result<Incident, Error> {
    Ok(Incident::of(shared, find(shared, id).await?))
}

/// The names of those who can have an incident.
pub(super) async fn people_for(shared: &Shared, id: &str) -> Result<Vec<String>, Error> {
    Ok(shared.tracker.people_for(&find(shared, id).await?))
}

/// An incident, open or resolved.
async fn find(shared: &Shared, id: &str) -> Result<journal::Incident, Error> {
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
    found.ok_or_else(|| Error::not_found(format!("there is no incident `{id}`")))
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

impl Incident {
    fn of(shared: &Shared, incident: journal::Incident) -> Self {
        let followed = shared.tracker.get(&incident.id);
        Self::with(incident, followed)
    }

    /// With what it has to do with people and a tracker.
    fn with(incident: journal::Incident, followed: Option<Record>) -> Self {
        let awaits_issue_in = followed.as_ref().and_then(Record::awaits_issue_in).map(str::to_owned);
        let (assignee, issue, handled_at) =
            followed.map(|it| (it.assignee, it.issue, it.handled_at)).unwrap_or_default();
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
            assignee,
            issue: issue.map(LinkedIssue::from),
            awaits_issue_in,
            handled_at: handled_at.map(Time::from),
        }
    }
}

impl From<Link> for LinkedIssue {
    fn from(link: Link) -> Self {
        Self {
            integration: link.integration,
            key: printable(&link.key, LONGEST_NAME).into_owned(),
            project: link.project,
            kind: link.kind,
            title: link.title,
            state: link.state,
            url: link.url,
            gone_since: link.gone_since.map(Time::from),
            read_at: link.read_at.into(),
        }
    }
}
