//! The host as a plugin sees it.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use abi_stable::std_types::RStr;

use crate::abi::{HostObject, LogRecord};
use crate::extensions::sleep;
use crate::http::{Request, Response};
use crate::types::Failure;

/// The host's services for one integration. Cheap to clone.
///
/// Logging needs no handle: the macros of [`tracing`](crate::tracing) come out in the host's log.
#[derive(Clone)]
pub struct Host {
    services: Arc<HostObject>,
}

impl Host {
    /// Wraps what came over the ABI.
    pub fn new(services: HostObject) -> Self {
        Self { services: Arc::new(services) }
    }

    /// Sends a request under the host's one policy (time-outs, retries, TLS, proxy) with the integration's
    /// credential where the request asks for it.
    ///
    /// An answer with any status is `Ok`. Cancel-safe: dropping the future drops the request.
    ///
    /// # Errors
    ///
    /// No answer ([`Reason::UNREACHABLE`](crate::Reason::UNREACHABLE)), no usable credential, or a request
    /// that the operator has not allowed ([`Failure::is_refused`]). Pass them on with `?`.
    pub async fn http(&self, request: Request) -> Result<Response, Failure> {
        self.services.http(request).await.into_result()
    }

    /// Saves a metadata value of the integration and gives back what was saved, normalised.
    ///
    /// The name `domain_name` replaces the base URL, for later requests of this host handle at once. Every other
    /// name is found again in the next [`Integration::metadata`](crate::Integration::metadata); an
    /// [`Integration`](crate::Integration) that is already there does not change. The saved value stands in for
    /// the configured one until the operator changes that.
    ///
    /// When the state file cannot be written, the value holds for this run and the host's log says so.
    ///
    /// # Errors
    ///
    /// [`Failure::is_refused`]: a base URL that the host does not trust, with the line of configuration that
    /// would change that; a name that is not 1 to 64 of `a-z`, `0-9`, `_`, `.` and `-`; a value of more than
    /// 4,096 bytes. Do not let it become the verdict of a repository: log it and go on.
    pub async fn save_metadata(&self, name: &str, value: &str) -> Result<String, Failure> {
        let saved = self.services.save_metadata(name.into(), value.into()).await;
        saved.into_result().map(Into::into)
    }

    /// The host's wall clock.
    pub fn now(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_millis(self.services.now_unix_ms())
    }

    /// Waits for a time, since timers of a plugin's own do not work; rounded up to milliseconds, and at most a minute.
    ///
    /// It uses up the time that the check has. Cancel-safe: dropping the future ends the wait. Since 1.1.0, through
    /// the extension [`sleep`].
    ///
    /// # Errors
    ///
    /// [`Failure::is_unsupported`] at once on a host that is older than this: go on as if there had been no pause, or
    /// give up what needed it.
    pub async fn sleep(&self, time: Duration) -> Result<(), Failure> {
        self.call_extension(sleep::NAME, sleep::encode(time)).await.map(drop)
    }

    /// The version of the extension `name` that the host offers, `None` when it does not.
    pub fn query_extension(&self, name: &str) -> Option<u32> {
        self.services.query_extension(RStr::from_str(name)).into_option()
    }

    /// Calls an extension of the host, in the extension's own encoding.
    ///
    /// # Errors
    ///
    /// The extension's own; [`Failure::unsupported`] for a name that is not offered.
    pub async fn call_extension(&self, name: &str, payload: Vec<u8>) -> Result<Vec<u8>, Failure> {
        let answer = self.services.call_extension(name.into(), payload.into()).await;
        answer.into_result().map(Into::into)
    }
}

impl Host {
    pub(crate) fn log_level(&self) -> u8 {
        self.services.log_level()
    }

    pub(crate) fn log(&self, record: LogRecord) {
        self.services.log(record);
    }
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Host")
    }
}
