//! Changing a library without building it again: texts in it are overwritten with others of the same length.

use std::ops::Range;

/// Where `text` lies in `bytes`, for the first time.
///
/// # Panics
/// If it does not.
pub fn position(bytes: &[u8], text: &str) -> Range<usize> {
    let at = bytes.windows(text.len()).position(|window| window == text.as_bytes());
    let at = at.unwrap_or_else(|| panic!("no {text:?} in the library"));
    at..at + text.len()
}

/// The library with the first `from` replaced by `to`, which is as long.
///
/// # Panics
/// If it has no `from`, or the lengths differ.
pub fn patched(library: &[u8], from: &str, to: &str) -> Vec<u8> {
    let mut bytes = library.to_vec();
    let place = position(&bytes, from);
    bytes[place].copy_from_slice(to.as_bytes());
    bytes
}

/// The library with the value of the marker `forgewatch-NAME=VALUE` replaced. What the value leaves free is filled
/// up with dots to the marker's end, a zero byte.
///
/// # Panics
/// If the library has no such marker, or the value is too long for it.
pub fn marked(library: &[u8], name: &str, value: &str) -> Vec<u8> {
    let start = position(library, &format!("forgewatch-{name}=")).end;
    let room = library[start..].iter().position(|byte| *byte == 0).expect("a marker ends with a zero byte");
    assert!(value.len() <= room, "`{value}` is longer than the {room} bytes of the marker `{name}`");
    let mut bytes = library.to_vec();
    bytes[start..start + room].fill(b'.');
    bytes[start..start + value.len()].copy_from_slice(value.as_bytes());
    bytes
}
