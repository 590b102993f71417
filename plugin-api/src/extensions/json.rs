//! JSON, in and out.

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

/// What came from the other side of the extension `name`; `whose` is what it is.
pub(super) fn decode<T: DeserializeOwned>(name: &str, whose: &str, bytes: &[u8]) -> Result<T, Failure> {
    serde_json::from_slice(bytes).map_err(|error| {
        let detail = format!("the {whose} of the extension `{name}` cannot be read: {error}");
        Failure::new(Reason::PLUGIN_FAILED, detail)
    })
}
