//! The bodies of successful answers.
//!
//! Only what a verdict rests on is read, and strictly; the rest may have any shape, since versions differ.

use std::borrow::Cow;

use forgewatch_plugin_api::Response;
use forgewatch_plugin_support::Shown;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

/// A repository, alone or in a list.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Found {
    pub(crate) id: String,
    pub(crate) name: String,
    /// Kept as it is written: as a tree it could take tens of times the memory of the answer.
    is_disabled: Option<Box<RawValue>>,
    /// Taken apart only when it matters.
    project: Option<Box<RawValue>>,
}

impl Found {
    /// Old versions of the interface do not say.
    pub(crate) fn is_disabled(&self) -> bool {
        self.is_disabled.as_ref().is_some_and(|said| said.get() == "true")
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
struct List<T> {
    value: Vec<T>,
}

/// A project in a list.
#[derive(Deserialize)]
pub(crate) struct FoundProject {
    pub(crate) id: String,
    /// Absent where nobody needs it.
    #[serde(default)]
    pub(crate) name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ConnectionData {
    authenticated_user: User,
}

/// For whom a credential is taken.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct User {
    pub(crate) id: String,
    #[serde(default)]
    pub(crate) provider_display_name: String,
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
    object(response).map(|list: List<Found>| list.value)
}

/// The projects in an answer.
pub(crate) fn projects(response: &Response) -> Option<Vec<FoundProject>> {
    object(response).map(|list: List<FoundProject>| list.value)
}

/// The user in an answer about the connection.
pub(crate) fn user(response: &Response) -> Option<User> {
    object(response).map(|data: ConnectionData| data.authenticated_user)
}

/// The base URL in the answer to a look-up.
pub(crate) fn location(response: &Response) -> Option<String> {
    object(response).map(|location: Location| location.location_url)
}

/// The service's own word on a fault, in whatever language it speaks, ready to follow a sentence of ours.
pub(crate) fn said(response: &Response) -> String {
    #[derive(Deserialize)]
    struct Exception {
        #[serde(alias = "Message")]
        message: String,
    }
    #[derive(Deserialize)]
    struct Wrapped {
        value: Exception,
    }
    let bare = || object::<Exception>(response);
    let exception = bare().or_else(|| object(response).map(|wrapped: Wrapped| wrapped.value));
    let message = exception.map(|exception| exception.message).filter(|message| !message.is_empty());
    message.map(|message| format!(" ({})", Shown(&message))).unwrap_or_default()
}

/// The type of a fault, where the service tells it.
pub(crate) fn type_key(response: &Response) -> Option<String> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Exception {
        type_key: String,
    }
    object(response).map(|exception: Exception| exception.type_key)
}

/// Whether an answer is an object, whatever it holds.
pub(crate) fn is_object(response: &Response) -> bool {
    object::<IgnoredAny>(response).is_some()
}

/// A text or a number; none for an empty one. It is never built as a tree, since anything may stand there.
pub(crate) fn word(raw: &RawValue) -> Option<String> {
    let text = match raw.get().as_bytes().first()? {
        b'"' => serde_json::from_str(raw.get()).ok()?,
        b'-' | b'0'..=b'9' => raw.get().to_owned(),
        _ => return None,
    };
    Some(text).filter(|text| !text.is_empty())
}

/// What the service counts by, as a number or as text.
pub(crate) fn number(raw: &RawValue) -> Option<u64> {
    number_in(&word(raw)?)
}

/// The number that a text is, digits alone.
pub(crate) fn number_in(text: &str) -> Option<u64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

/// The object that an answer is.
pub(crate) fn object<'a, T: Deserialize<'a>>(response: &'a Response) -> Option<T> {
    object_of(response.body())
}

/// The object that a text is.
pub(crate) fn object_of<'a, T: Deserialize<'a>>(json: &'a [u8]) -> Option<T> {
    // An array would be read as the fields in their order.
    json.trim_ascii_start().starts_with(b"{").then(|| serde_json::from_slice(json).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_of_being_disabled_is_not_taken_apart() {
        for (said, expected) in
            [("true", true), ("false", false), ("null", false), ("\"true\"", false), (&nested(), false)]
        {
            let body = format!(r#"{{"id":"1","name":"a","isDisabled": {said} }}"#);
            let found = repository(&Response::new(200, body.into_bytes())).map(|found| found.is_disabled());
            assert_eq!(found, Some(expected), "{said}");
        }
    }

    /// Deeper than any tree is built.
    fn nested() -> String {
        format!("{}{}", "[".repeat(500), "]".repeat(500))
    }
}
