//! JSON, in and out.

use std::time::{Duration, SystemTime};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::types::{Failure, Reason};

/// The types of extensions are text, numbers and lists: there is nothing that could fail.
pub(super) fn encode(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).unwrap_or_default()
}

/// As [`decode`], of at most so many bytes.
pub(super) fn decode_at_most<T: DeserializeOwned>(
    most: usize,
    name: &str,
    whose: &str,
    bytes: &[u8],
) -> Result<T, Failure> {
    if bytes.len() > most {
        let detail =
            format!("the {whose} of the extension `{name}` has {} bytes: it may have {most}", bytes.len());
        return Err(Failure::new(Reason::PLUGIN_FAILED, detail));
    }
    decode(name, whose, bytes)
}

/// A moment as it crosses: milliseconds since 1970.
pub(super) fn to_unix_ms(at: SystemTime) -> Option<u64> {
    let since = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).ok()
}

/// The moment again; none for one that no clock shows.
pub(super) fn from_unix_ms(ms: Option<u64>) -> Option<SystemTime> {
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_millis(ms?))
}

/// The longest key or id that crosses, in characters.
const LONGEST_KEY: usize = 200;
/// What a word of somebody's own begins with where it could be taken for one of ours.
const OWN: &str = "other:";

/// Whether a text can be what something is known by.
pub(super) fn is_key(text: &str) -> bool {
    !text.is_empty() && !text.contains(char::is_control) && text.chars().nth(LONGEST_KEY).is_none()
}

/// What something of an answer is known by, which has to be a key.
pub(super) fn keyed<T>(name: &str, key: impl FnOnce(&T) -> &str, value: T) -> Result<T, Failure> {
    if is_key(key(&value)) {
        return Ok(value);
    }
    let detail = format!(
        "the answer of the extension `{name}` has a key or an id that can be none: it has 1 to {LONGEST_KEY} characters, \
         none of them a control character"
    );
    Err(Failure::new(Reason::PLUGIN_FAILED, detail))
}

/// A word of somebody's own, as it crosses beside words of ours.
pub(super) fn own_word(word: String, is_ours: impl FnOnce(&str) -> bool) -> String {
    if is_ours(&word) || word.starts_with(OWN) { format!("{OWN}{word}") } else { word }
}

/// What [`own_word`] has made a text of. What has no such beginning is a word of a later version.
pub(super) fn as_own_word(crossed: String) -> String {
    crossed.strip_prefix(OWN).map(str::to_owned).unwrap_or(crossed)
}

/// What came from the other side of the extension `name`; `whose` is what it is.
pub(super) fn decode<T: DeserializeOwned>(name: &str, whose: &str, bytes: &[u8]) -> Result<T, Failure> {
    serde_json::from_slice(bytes).map_err(|error| {
        let detail = format!("the {whose} of the extension `{name}` cannot be read: {error}");
        Failure::new(Reason::PLUGIN_FAILED, detail)
    })
}
