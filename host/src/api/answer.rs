//! What handlers answer with, and how the document describes it.

use axum::body::Body;
use axum::http::{HeaderValue, Response, StatusCode, header};
use schemars::{JsonSchema, SchemaGenerator};
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::verdict::Moment;

/// A success.
pub(super) trait Answer: Send + 'static {
    fn into_response(self) -> Response<Body>;

    /// The `responses` of the document that it makes, by status.
    fn responses(schemas: &mut SchemaGenerator) -> Map<String, Value>;
}

/// 200 with JSON.
pub(super) struct Found<T>(pub(super) T);

/// 202 with JSON: something begins.
pub(super) struct Accepted<T>(pub(super) T);

/// 200 with plain text.
pub(super) struct Text {
    media: &'static str,
    text: String,
}

impl Text {
    pub(super) fn of_probe() -> Self {
        Self { media: "text/plain; charset=utf-8", text: "ok\n".to_owned() }
    }

    pub(super) fn of_metrics(text: String) -> Self {
        Self { media: "text/plain; version=0.0.4; charset=utf-8", text }
    }
}

impl<T: Serialize + JsonSchema + Send + 'static> Answer for Found<T> {
    fn into_response(self) -> Response<Body> {
        json(StatusCode::OK, &self.0)
    }

    fn responses(schemas: &mut SchemaGenerator) -> Map<String, Value> {
        one(StatusCode::OK, "What was asked for.", "application/json", schemas.subschema_for::<T>().into())
    }
}

impl<T: Serialize + JsonSchema + Send + 'static> Answer for Accepted<T> {
    fn into_response(self) -> Response<Body> {
        json(StatusCode::ACCEPTED, &self.0)
    }

    fn responses(schemas: &mut SchemaGenerator) -> Map<String, Value> {
        one(StatusCode::ACCEPTED, "It begins.", "application/json", schemas.subschema_for::<T>().into())
    }
}

impl Answer for Text {
    fn into_response(self) -> Response<Body> {
        response(StatusCode::OK, self.media, self.text)
    }

    fn responses(_: &mut SchemaGenerator) -> Map<String, Value> {
        one(StatusCode::OK, "Plain text.", "text/plain", json!({ "type": "string" }))
    }
}

/// The `responses` of one status.
pub(super) fn one(status: StatusCode, description: &str, media: &str, schema: Value) -> Map<String, Value> {
    let response = json!({ "description": description, "content": { media: { "schema": schema } } });
    Map::from_iter([(status.as_u16().to_string(), response)])
}

/// JSON with a status.
pub(super) fn json(status: StatusCode, value: &impl Serialize) -> Response<Body> {
    match serde_json::to_vec(value) {
        Ok(bytes) => response(status, "application/json", bytes),
        // Ours is plain data with text keys.
        Err(_) => response(StatusCode::INTERNAL_SERVER_ERROR, "application/json", "{}"),
    }
}

pub(super) fn response(status: StatusCode, media: &'static str, body: impl Into<Body>) -> Response<Body> {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(media));
    response
}

/// A moment as it is shown: RFC 3339 in UTC, to the millisecond.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Time(Moment);

/// The last moment that RFC 3339 can write.
const END_OF_TIME_MS: u64 = 253_402_300_799_999;

impl From<Moment> for Time {
    fn from(moment: Moment) -> Self {
        let end = std::time::UNIX_EPOCH + std::time::Duration::from_millis(END_OF_TIME_MS);
        Self(moment.min(end.into()))
    }
}

impl Serialize for Time {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl JsonSchema for Time {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Time".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "format": "date-time" })
    }

    fn inline_schema() -> bool {
        true
    }
}
