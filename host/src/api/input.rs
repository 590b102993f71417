//! What clients send: query parameters and JSON bodies, judged by the very schema that the document shows.

use std::time::Duration;

use axum::body::{Body, HttpBody};
use axum::http::{HeaderMap, StatusCode, header};
use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use jsonschema::Validator;
use percent_encoding::percent_decode_str;
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use tokio::time::timeout;

use super::error::Error;

/// The largest body that is read.
const MAX_BODY_BYTES: usize = 64 * 1024;
/// How long a client may take to send it.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// An input that can be judged. [`input`] implements it.
pub(super) trait Input: DeserializeOwned + JsonSchema + Send + 'static {
    fn form() -> &'static Form;
}

/// Makes types inputs; each schema is compiled once in a process.
macro_rules! input {
    ($($type:ty),+) => {
        $(impl $crate::api::input::Input for $type {
            fn form() -> &'static $crate::api::input::Form {
                static FORM: std::sync::LazyLock<$crate::api::input::Form> =
                    std::sync::LazyLock::new($crate::api::input::Form::of::<$type>);
                &FORM
            }
        })+
    };
}
pub(super) use input;

/// No parameters, or no body.
#[derive(serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Nothing {}

input!(Nothing);

/// The schema of an input.
pub(super) struct Form {
    pub(super) schema: Value,
    validator: Validator,
}

impl Form {
    pub(super) fn of<T: JsonSchema>() -> Self {
        let settings = SchemaSettings::draft2020_12().with(|settings| {
            settings.inline_subschemas = true;
            settings.meta_schema = None;
        });
        let mut schema = Value::from(settings.into_generator().into_root_schema_for::<T>());
        if let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) {
            properties.values_mut().for_each(leave_null_out);
        }
        let validator = jsonschema::validator_for(&schema).expect("our own schema is one");
        Self { schema, validator }
    }

    /// The properties by name.
    pub(super) fn properties(&self) -> impl Iterator<Item = (&String, &Value)> {
        self.schema.get("properties").and_then(Value::as_object).into_iter().flatten()
    }

    /// Whether there is nothing to send.
    pub(super) fn is_empty(&self) -> bool {
        self.properties().next().is_none()
    }

    /// What is sent where there is nothing to send.
    pub(super) fn empty<T: DeserializeOwned>(&self) -> Result<T, Error> {
        self.judge(json!({}))
    }

    fn judge<T: DeserializeOwned>(&self, value: Value) -> Result<T, Error> {
        if let Some(error) = self.validator.iter_errors(&value).next() {
            let place = error.instance_path().to_string();
            let place = if place.is_empty() { String::new() } else { format!("`{}`: ", &place[1..]) };
            return Err(Error::bad_request(format!("{place}{error}")));
        }
        serde_json::from_value(value).map_err(|error| Error::bad_request(error.to_string()))
    }

    /// The text of a parameter as the schema wants it; text that does not fit is left for the schema to refuse.
    fn parameter(schema: &Value, text: String) -> Value {
        match schema.get("type").and_then(Value::as_str) {
            Some("integer") => text.parse::<i64>().map_or(Value::String(text), Value::from),
            Some("boolean") => text.parse::<bool>().map_or(Value::String(text), Value::from),
            _ => Value::String(text),
        }
    }
}

/// What is optional is left out; a parameter cannot be null.
fn leave_null_out(schema: &mut Value) {
    let is_null = |schema: &Value| schema.get("type").is_some_and(|name| name == "null");
    let Some(object) = schema.as_object_mut() else { return };
    if object.get("default").is_some_and(Value::is_null) {
        object.remove("default");
    }
    if let Some(Value::Array(types)) = object.get("type")
        && let [name, null] = types.as_slice()
        && null == "null"
    {
        let name = name.clone();
        object.insert("type".to_owned(), name);
    }
    if let Some(Value::Array(values)) = object.get_mut("enum") {
        values.retain(|value| !value.is_null());
    }
    if let Some(Value::Array(choices)) = object.get("anyOf")
        && let [Value::Object(choice), null] = choices.as_slice()
        && is_null(null)
    {
        let choice = choice.clone();
        object.remove("anyOf");
        for (key, value) in choice {
            object.entry(key).or_insert(value);
        }
    }
}

/// Name and value of each parameter of a query.
pub(crate) fn pairs(query: &str) -> impl Iterator<Item = Result<(String, String), Error>> {
    let decode = |text: &str| {
        let text = text.replace('+', " ");
        match percent_decode_str(&text).decode_utf8() {
            Ok(text) => Ok(text.into_owned()),
            Err(_) => Err(Error::bad_request("the query is not UTF-8")),
        }
    };
    query.split('&').filter(|pair| !pair.is_empty()).map(move |pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        Ok((decode(name)?, decode(value)?))
    })
}

/// The parameters of a query: each is known, as often as it may be, and as its schema says.
pub(super) fn of_query<T: Input>(query: &str) -> Result<T, Error> {
    let form = T::form();
    let mut found = Map::new();
    for pair in pairs(query) {
        let (name, text) = pair?;
        let Some((_, schema)) = form.properties().find(|(known, _)| **known == name) else {
            let known: Vec<_> = form.properties().map(|(name, _)| format!("`{name}`")).collect();
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            return Err(Error::bad_request(format!("unknown parameter `{name}`; there is {known}")));
        };
        if let Some(items) = schema.get("items") {
            let value = Form::parameter(items, text);
            if let Value::Array(values) = found.entry(name).or_insert_with(|| json!([])) {
                values.push(value);
            }
        } else if let Some(name) = found.insert(name.clone(), Form::parameter(schema, text)).map(|_| name) {
            return Err(Error::bad_request(format!("the parameter `{name}` is there twice")));
        }
    }
    form.judge(Value::Object(found))
}

/// A JSON body.
pub(super) async fn of_body<T: Input>(headers: &HeaderMap, body: Body) -> Result<T, Error> {
    let bytes = bytes_of_body(headers, body, "application/json").await?;
    let value = serde_json::from_slice(&bytes)
        .map_err(|error| Error::bad_request(format!("the body is no JSON: {error}")))?;
    T::form().judge(value)
}

/// Name and value of each field of a form that a browser sends.
pub(crate) async fn form_of_body(headers: &HeaderMap, body: Body) -> Result<Vec<(String, String)>, Error> {
    let bytes = bytes_of_body(headers, body, "application/x-www-form-urlencoded").await?;
    let text = std::str::from_utf8(&bytes).map_err(|_| Error::bad_request("the form is not UTF-8"))?;
    pairs(text).collect()
}

/// A body of a kind, within its limits.
async fn bytes_of_body(headers: &HeaderMap, body: Body, media: &str) -> Result<Bytes, Error> {
    let sent = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !sent.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case(media) {
        let message = format!("the body has to be sent with `content-type: {media}`");
        return Err(Error::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", message));
    }
    read(body, MAX_BODY_BYTES).await
}

/// A body of at most so many bytes.
pub(super) async fn read(body: Body, limit: usize) -> Result<Bytes, Error> {
    let too_large = || {
        let message = format!("the body is larger than {limit} bytes");
        Error::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", message)
    };
    // One that is announced is not waited for.
    if usize::try_from(body.size_hint().lower()).is_ok_and(|bytes| bytes > limit) {
        return Err(too_large());
    }
    match timeout(BODY_TIMEOUT, Limited::new(body, limit).collect()).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Err(_) => {
            let message = format!("the body was not there within {BODY_TIMEOUT:?}");
            Err(Error::new(StatusCode::REQUEST_TIMEOUT, "request_timeout", message))
        }
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large()),
        Ok(Err(_)) => Err(Error::bad_request("the body ends too early")),
    }
}
