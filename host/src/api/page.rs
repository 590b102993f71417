//! Pages of long lists: how many, and where the next one starts.
//!
//! A cursor names the last item of a page by what the list is ordered by, not by its number: what comes, goes or moves
//! elsewhere between two pages makes neither a gap nor a repetition. Clients treat it as opaque, so it is never
//! wrong: every text that the schema lets through is a place in the list.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// How many items a page has at most.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(inline)]
pub(super) struct Limit(#[schemars(range(min = 1, max = 1000))] u16);

impl Default for Limit {
    fn default() -> Self {
        Self(100)
    }
}

impl Serialize for Limit {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl Limit {
    pub(super) fn get(self) -> usize {
        usize::from(self.0)
    }
}

/// The place after an item.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Cursor {
    /// The order of the list that the item was on.
    pub(super) order: u8,
    /// What the list is ordered by.
    pub(super) key: u64,
    /// What orders items with the same key: a name or an id.
    pub(super) name: Vec<u8>,
}

#[derive(Debug, thiserror::Error)]
#[error("is no cursor: use what `next` said, as it is")]
pub(super) struct NoCursor;

impl TryFrom<String> for Cursor {
    type Error = NoCursor;

    fn try_from(text: String) -> Result<Self, NoCursor> {
        let digits: Option<Vec<u8>> =
            text.bytes().map(|byte| char::from(byte).to_digit(16)?.try_into().ok()).collect();
        let digits = digits.ok_or(NoCursor)?;
        let (order, digits) = digits.split_first().ok_or(NoCursor)?;
        let (key, name) = digits.split_at_checked(16).ok_or(NoCursor)?;
        if *order > 7 || !name.len().is_multiple_of(2) {
            return Err(NoCursor);
        }
        let key = key.iter().fold(0, |key, digit| key << 4 | u64::from(*digit));
        let name = name.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect();
        Ok(Self { order: *order, key, name })
    }
}

impl Serialize for Cursor {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let name = crate::text::hex(&self.name);
        serializer.collect_str(&format_args!("{}{:016x}{name}", self.order, self.key))
    }
}

impl JsonSchema for Cursor {
    fn schema_name() -> Cow<'static, str> {
        "Cursor".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^[0-7][0-9a-f]{16}([0-9a-f]{2})*$" })
    }

    fn inline_schema() -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_comes_back_as_it_went() {
        for name in ["", "a", "a/b c", "ü€", "\u{0}\u{10ffff}"] {
            for key in [0, 1, u64::MAX] {
                let cursor = Cursor { order: 5, key, name: name.as_bytes().to_vec() };
                let text = serde_json::to_value(&cursor).unwrap();
                assert_eq!(serde_json::from_value::<Cursor>(text).unwrap(), cursor);
            }
        }
        for bad in ["", "0", "80000000000000000", "0000000000000000061f", "ü0000000000000000"] {
            assert!(Cursor::try_from(bad.to_owned()).is_err(), "{bad}");
        }
    }
}
