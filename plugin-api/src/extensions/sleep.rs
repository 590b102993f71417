//! `sleep`: the host waits for a plugin, which has no timers of its own. Since 1.1.0.
//!
//! The payload is a time in milliseconds, a `u64` in little endian; the answer is empty.

use std::time::Duration;

use crate::types::{Failure, Reason};

/// The extension's name.
pub const NAME: &str = "sleep";
/// The version described here.
pub const VERSION: u32 = 1;

/// A time as the payload, rounded up to whole milliseconds.
pub fn encode(time: Duration) -> Vec<u8> {
    let millis = u64::try_from(time.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX);
    millis.to_le_bytes().into()
}

/// The time in a payload.
///
/// # Errors
///
/// [`Reason::PLUGIN_FAILED`] for a payload that is not 8 bytes long.
pub fn decode(payload: &[u8]) -> Result<Duration, Failure> {
    let millis = payload.try_into().map(u64::from_le_bytes).map_err(|_| {
        let detail = format!(
            "the plugin called the extension `{NAME}` with {} bytes: it takes 8, milliseconds as u64 in little endian",
            payload.len()
        );
        Failure::new(Reason::PLUGIN_FAILED, detail)
    })?;
    Ok(Duration::from_millis(millis))
}
