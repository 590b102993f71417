//! The journal: in pages, or as it grows.

use std::borrow::Cow;

use axum::body::Body;
use axum::http::{HeaderMap, Response, StatusCode, header};
use schemars::{JsonSchema, SchemaGenerator};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

mod stream;

use super::access::Scope;
use super::answer::{Answer, Found, Time, response};
use super::error::Error;
use super::input::input;
use super::page::Limit;
use super::route::{Call, Operation, Routes};
use crate::state::{EventFilter, EventKind, StoredEvent};
use crate::verdict::Moment;

const STREAM: &str = "text/event-stream";

pub(super) fn add(routes: &mut Routes) {
    let summary = "The journal: pages as JSON, newest first or from a place on, or with `Accept: text/event-stream` \
                   every event from a place on, as it comes.";
    let operation = Operation { id: "list_events", summary, scope: Some(Scope::Read), errors: &[] };
    routes.get("/api/v1/events", operation, list);
    let description = "The number of the event after which a stream goes on.";
    let schema = json!({ "type": "integer", "minimum": 0, "maximum": i64::MAX });
    routes.describe_header("/api/v1/events", "Last-Event-ID", description, &schema);
}

/// Which events.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct Query {
    /// Those with a higher number, oldest first. A stream goes on from there; `Last-Event-ID` comes before it.
    after: Option<Seq>,
    /// Those with a lower number.
    before: Option<Seq>,
    kind: Option<EventKind>,
    /// The integration's name.
    integration: Option<String>,
    /// The repository's name.
    repository: Option<String>,
    /// How many at most; a stream has no end.
    limit: Limit,
}

input!(Query);

/// The number of an event.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(inline)]
struct Seq(#[schemars(range(min = 0, max = 9_223_372_036_854_775_807_i64))] i64);

/// One entry of the journal.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Event {
    /// Its number: later ones have higher numbers.
    seq: i64,
    /// Its id; a later one with the same id on the same day stands in for it.
    id: String,
    kind: EventKind,
    pub(crate) at: Time,
    integration: Option<String>,
    repository: Option<String>,
    /// What groups it with others of the same cause.
    fingerprint: Option<String>,
    /// What is special about it.
    pub(crate) payload: Value,
}

impl From<StoredEvent> for Event {
    fn from(stored: StoredEvent) -> Self {
        Self {
            seq: stored.seq,
            id: stored.id,
            kind: stored.kind,
            at: Moment::from(stored.at).into(),
            integration: stored.integration,
            repository: stored.repository,
            fingerprint: stored.fingerprint,
            payload: stored.payload,
        }
    }
}

/// A page of the journal.
#[derive(Serialize, JsonSchema)]
struct EventPage {
    items: Vec<Event>,
    /// The number of the last item, for `after` or `before`, whichever way the list goes; none when there are no more.
    next: Option<i64>,
}

enum Events {
    Page(EventPage),
    Stream(Body),
}

impl Answer for Events {
    fn into_response(self) -> Response<Body> {
        match self {
            Self::Page(page) => Found(page).into_response(),
            Self::Stream(body) => response(StatusCode::OK, STREAM, body),
        }
    }

    fn responses(schemas: &mut SchemaGenerator) -> Map<String, Value> {
        let mut responses = <Found<EventPage>>::responses(schemas);
        responses["200"]["content"][STREAM] = json!({ "schema": { "type": "string" } });
        responses
    }
}

async fn list(call: Call<Query>) -> Result<Events, Error> {
    let Query { after, before, kind, integration, repository, limit } = call.input;
    let filter = EventFilter { kind, integration, repository, fingerprint: None };
    let (after, before) = (after.map(|seq| seq.0), before.map(|seq| seq.0));
    let last = last_event_id(&call.headers)?;
    if wants_stream(&call.headers) {
        let from = last.or(after);
        return Ok(Events::Stream(stream::open(&call.shared, filter, from).await?));
    }
    let limit = limit.get();
    // One more than there is room for shows whether there are more.
    let mut found =
        call.shared.stored.read(move |state| state.events(&filter, before, after, limit + 1)).await?;
    let are_more = found.len() > limit;
    found.truncate(limit);
    let next = found.last().filter(|_| are_more).map(|event| event.seq);
    Ok(Events::Page(EventPage { items: found.into_iter().map(Event::from).collect(), next }))
}

fn wants_stream(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let media = |part: &str| part.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    accepted.flat_map(|value| value.split(',')).any(|part| media(part) == STREAM)
}

fn last_event_id(headers: &HeaderMap) -> Result<Option<i64>, Error> {
    let Some(value) = headers.get("last-event-id") else { return Ok(None) };
    let text: Cow<'_, str> = String::from_utf8_lossy(value.as_bytes());
    let seq = text.parse().ok().filter(|seq: &i64| *seq >= 0);
    seq.map(Some).ok_or_else(|| Error::bad_request("`Last-Event-ID` is no number of an event"))
}
