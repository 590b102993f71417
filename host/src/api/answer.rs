//! What handlers answer with, and how the document describes it.

use axum::body::Body;
use axum::http::{HeaderValue, Response, StatusCode, header};
use schemars::{JsonSchema, SchemaGenerator};
use serde::Serialize;
use serde_json::{Map, Value, json};

pub(super) use crate::verdict::Stamp as Time;

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
        Self { media: crate::metrics::CONTENT_TYPE, text }
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

pub(crate) fn response(status: StatusCode, media: &'static str, body: impl Into<Body>) -> Response<Body> {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(media));
    response
}
