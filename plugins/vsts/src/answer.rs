//! The bodies of successful answers.
//!
//! Only what a verdict rests on is read, and strictly; the rest may have any shape, since versions differ.

use std::borrow::Cow;

use forgewatch_plugin_api::Response;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

/// A repository, alone or in a list.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Found {
    pub(crate) id: String,
    pub(crate) name: String,
    #[serde(default)]
    is_disabled: Value,
    /// Taken apart only when it matters.
    project: Option<Box<RawValue>>,
}

impl Found {
    /// Old versions of the interface do not say.
    pub(crate) fn is_disabled(&self) -> bool {
        self.is_disabled == Value::Bool(true)
    }

    pub(crate) fn project(&self) -> Option<String> {
        let project: Project<'_> = serde_json::from_str(self.project.as_ref()?.get()).ok()?;
        Some(project.name.into_owned())
    }
}

#[derive(Deserialize)]
struct Project<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
}

#[derive(Deserialize)]
struct List {
    value: Vec<Found>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Location {
    location_url: String,
}

/// The repository in an answer.
pub(crate) fn repository(response: &Response) -> Option<Found> {
    object(response).filter(|found: &Found| !found.id.is_empty() && !found.name.is_empty())
}

/// The repositories in an answer.
pub(crate) fn list(response: &Response) -> Option<Vec<Found>> {
    object(response).map(|list: List| list.value)
}

/// The base URL in the answer to a look-up.
pub(crate) fn location(response: &Response) -> Option<String> {
    object(response).map(|location: Location| location.location_url)
}

fn object<'a, T: Deserialize<'a>>(response: &'a Response) -> Option<T> {
    let body = response.body();
    // An array would be read as the fields in their order.
    body.trim_ascii_start().starts_with(b"{").then(|| serde_json::from_slice(body).ok())?
}
