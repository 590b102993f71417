//! What the host offers beyond version 1 of the plugin ABI, by name.
//!
//! A call runs inside the plugin call that it is made from, and so ends with that call's time. It is no request: it
//! reaches nobody and is counted nowhere.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use forgewatch_plugin_api::Failure;
use forgewatch_plugin_api::extensions::sleep;

/// Longer than any sensible pause within a check.
const LONGEST_SLEEP: Duration = Duration::from_secs(60);

type Answer = Pin<Box<dyn Future<Output = Result<Vec<u8>, Failure>> + Send>>;

struct Extension {
    name: &'static str,
    version: u32,
    call: fn(Vec<u8>) -> Answer,
}

static EXTENSIONS: [Extension; 1] =
    [Extension { name: sleep::NAME, version: sleep::VERSION, call: |payload| Box::pin(sleep_for(payload)) }];

fn find(name: &str) -> Option<&'static Extension> {
    EXTENSIONS.iter().find(|extension| extension.name == name)
}

/// The version of an extension, `None` when it is not offered.
pub(crate) fn version(name: &str) -> Option<u32> {
    find(name).map(|extension| extension.version)
}

/// Calls an extension. Cancel-safe.
///
/// # Errors
///
/// The extension's own; [`Failure::unsupported`] for a name that is not offered.
pub(super) async fn call(name: &str, payload: Vec<u8>) -> Result<Vec<u8>, Failure> {
    match find(name) {
        Some(extension) => (extension.call)(payload).await,
        None => Err(Failure::unsupported(name)),
    }
}

async fn sleep_for(payload: Vec<u8>) -> Result<Vec<u8>, Failure> {
    tokio::time::sleep(sleep_time(&payload)?).await;
    Ok(Vec::new())
}

fn sleep_time(payload: &[u8]) -> Result<Duration, Failure> {
    Ok(sleep::decode(payload)?.min(LONGEST_SLEEP))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sleep_has_an_end() {
        for (asked, expected) in [
            (Duration::ZERO, Duration::ZERO),
            (Duration::from_micros(1), Duration::from_millis(1)),
            (Duration::from_millis(1500), Duration::from_millis(1500)),
            (Duration::from_secs(61), LONGEST_SLEEP),
            (Duration::MAX, LONGEST_SLEEP),
        ] {
            assert_eq!(sleep_time(&sleep::encode(asked)), Ok(expected));
        }
        assert!(sleep_time(&[1; 7]).is_err() && sleep_time(&[1; 9]).is_err());
    }
}
