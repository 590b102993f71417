//! The OpenAPI document, out of the types that the handlers take and give.
//!
//! Version 3.1, whose schemas are the JSON schemas that schemars makes.

use axum::http::{Method, StatusCode};
use schemars::SchemaGenerator;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use super::answer::{Answer, Found, one};
use super::error::{Error, ErrorBody};
use super::input::{Input, Nothing};
use super::route::{Call, Operation};

/// What the guard answers to whatever request.
const GUARDS: [u16; 4] = [400, 403, 421, 503];

/// The document while routes are added.
pub(super) struct Document {
    schemas: SchemaGenerator,
    paths: Map<String, Value>,
}

impl Default for Document {
    fn default() -> Self {
        let settings = SchemaSettings::draft2020_12().for_serialize().with(|settings| {
            settings.definitions_path = "/components/schemas".into();
            settings.meta_schema = None;
        });
        Self { schemas: settings.into_generator(), paths: Map::new() }
    }
}

impl Document {
    pub(super) fn add<I: Input, A: Answer>(&mut self, method: &Method, path: &str, operation: Operation) {
        let is_post = method == Method::POST;
        let takes_body = is_post && !I::form().is_empty();
        let mut parameters = path_parameters(path);
        if !is_post {
            parameters.extend(I::form().properties().map(|(name, schema)| query_parameter(name, schema)));
        }
        let statuses = Self::errors(path, takes_body, operation);
        let mut entry = self.entry::<A>(operation, parameters, statuses);
        if takes_body {
            let content = json!({ "application/json": { "schema": I::form().schema } });
            entry["requestBody"] = json!({ "required": true, "content": content });
        }
        self.put(method, path, entry);
    }

    /// A POST whose body may be anything.
    pub(super) fn add_unread<A: Answer>(&mut self, path: &str, operation: Operation, body: &str) {
        let statuses = [&GUARDS, operation.errors].concat();
        let mut entry = self.entry::<A>(operation, path_parameters(path), statuses);
        let content = json!({ "*/*": { "schema": {} } });
        entry["requestBody"] = json!({ "required": true, "description": body, "content": content });
        self.put(&Method::POST, path, entry);
    }

    fn entry<A: Answer>(
        &mut self,
        operation: Operation,
        parameters: Vec<Value>,
        mut statuses: Vec<u16>,
    ) -> Value {
        let mut responses = A::responses(&mut self.schemas);
        statuses.sort_unstable();
        statuses.dedup();
        for status in statuses.into_iter().filter_map(|status| StatusCode::from_u16(status).ok()) {
            let schema = Value::from(self.schemas.subschema_for::<ErrorBody>());
            let reason = status.canonical_reason().unwrap_or_default();
            responses.extend(one(status, reason, "application/json", schema));
        }
        json!({
            "operationId": operation.id,
            "summary": operation.summary,
            "parameters": parameters,
            "responses": responses,
            "security": operation.scope.map_or_else(|| json!([]), |_| json!([{ "token": [] }])),
        })
    }

    fn put(&mut self, method: &Method, path: &str, entry: Value) {
        let item = self.paths.entry(path.replace("{*name}", "{name}")).or_insert_with(|| json!({}));
        item[method.as_str().to_ascii_lowercase()] = entry;
    }

    /// Describes a header that the GET of `path` reads.
    pub(super) fn add_header(&mut self, path: &str, name: &str, description: &str, schema: &Value) {
        let header = json!({ "name": name, "in": "header", "description": description, "schema": schema });
        let parameters = self.paths.get_mut(path).map(|path| &mut path["get"]["parameters"]);
        if let Some(parameters) = parameters.and_then(Value::as_array_mut) {
            parameters.push(header);
        }
    }

    fn errors(path: &str, takes_body: bool, operation: Operation) -> Vec<u16> {
        // What the guard refuses, and what can happen to any request.
        let mut statuses = GUARDS.to_vec();
        statuses.push(500);
        statuses.extend(operation.scope.map(|_| 401));
        statuses.extend(path.contains("name}").then_some(404));
        statuses.extend(takes_body.then_some([408, 413, 415]).into_iter().flatten());
        statuses.extend(operation.errors);
        statuses
    }

    /// The whole of it.
    pub(super) fn finish(mut self) -> Documents {
        let document = json!({
            "openapi": "3.1.0",
            "info": {
                "title": "Forgewatch",
                "version": env!("CARGO_PKG_VERSION"),
                "description": "What a running forgewatch knows, and what it can be asked to do.",
            },
            "paths": self.paths,
            "components": {
                "schemas": self.schemas.take_definitions(true),
                "securitySchemes": { "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "A token of `[api.tokens.NAME]`; none is asked for where none is configured.",
                }},
            },
        });
        Documents { with_tokens: document.clone(), without: without_security(document) }
    }
}

/// The document, by whether anybody is asked for a token.
pub(super) struct Documents {
    with_tokens: Value,
    without: Value,
}

pub(super) async fn document(call: Call<Nothing>) -> Result<Found<Value>, Error> {
    let missing = || Error::internal(&"there is no document");
    let documents = call.shared.document.get().ok_or_else(missing)?;
    let is_open = call.shared.gate.is_open();
    Ok(Found(if is_open { documents.without.clone() } else { documents.with_tokens.clone() }))
}

fn without_security(mut document: Value) -> Value {
    let paths = document["paths"].as_object_mut().into_iter().flat_map(Map::values_mut);
    for operation in paths.filter_map(Value::as_object_mut).flat_map(Map::values_mut) {
        operation["security"] = json!([]);
    }
    document
}

fn path_parameters(path: &str) -> Vec<Value> {
    let schema = json!({ "type": "string", "minLength": 1 });
    let name = json!({ "name": "name", "in": "path", "required": true, "schema": schema });
    Vec::from_iter(path.contains("name}").then_some(name))
}

fn query_parameter(name: &str, schema: &Value) -> Value {
    let mut schema = schema.clone();
    let description = schema.as_object_mut().and_then(|schema| schema.remove("description"));
    let mut parameter = json!({ "name": name, "in": "query", "required": false, "schema": schema });
    if let Some(description) = description {
        parameter["description"] = description;
    }
    parameter
}
