//! The services on their way over the plugin ABI.
//!
//! A panic of the host's own stays on the host's side: it comes out as a failure, never as an unwinding through
//! the plugin that polls.

use std::fmt::Write;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use forgewatch_plugin_api::abi::abi_stable::sabi_trait::TD_Opaque;
use forgewatch_plugin_api::abi::abi_stable::std_types::{ROption, RResult, RStr, RString, RVec};
use forgewatch_plugin_api::abi::async_ffi::{FfiFuture, FutureExt as _};
use forgewatch_plugin_api::abi::{HostObject, HostServices, HostServices_TO, LogRecord, contain};
use forgewatch_plugin_api::{Failure, Reason, Request, Response};
use futures_util::FutureExt as _;
use tracing::Level;
use tracing::level_filters::LevelFilter;

use super::integration::IntegrationServices;
use super::log_limit::{LogLimit, Taken, Told};
use super::{call, extensions, refused};
use crate::text::printable;

const LONGEST_MESSAGE: usize = 8192;
const LONGEST_TARGET: usize = 128;

pub(super) fn for_integration(services: Arc<IntegrationServices>) -> HostObject {
    HostServices_TO::from_value(Bridge::of(Backing::Integration(services)), TD_Opaque)
}

pub(super) fn for_plugin(plugin: &str) -> HostObject {
    HostServices_TO::from_value(Bridge::of(Backing::Plugin(plugin.to_owned())), TD_Opaque)
}

/// What plugin code sees of the host; its log is limited, since it comes without end where a plugin wants it to.
struct Bridge {
    backing: Backing,
    log_limit: LogLimit,
}

impl Bridge {
    fn of(backing: Backing) -> Self {
        Self { backing, log_limit: LogLimit::default() }
    }
}

#[derive(Clone)]
enum Backing {
    Integration(Arc<IntegrationServices>),
    /// The plugin alone, before there is any integration.
    Plugin(String),
}

impl Backing {
    fn plugin(&self) -> &str {
        match self {
            Self::Integration(services) => services.plugin(),
            Self::Plugin(plugin) => plugin,
        }
    }

    fn integration(&self) -> Result<&Arc<IntegrationServices>, Failure> {
        match self {
            Self::Integration(services) => Ok(services),
            Self::Plugin(plugin) => {
                Err(refused(format!("the plugin `{plugin}` asks for a service outside of any integration")))
            }
        }
    }
}

/// Makes a future of the host's one that a plugin may poll.
fn export<T: Send + 'static, R: From<T> + Send + 'static>(
    work: impl Future<Output = Result<T, Failure>> + Send + 'static,
) -> FfiFuture<RResult<R, Failure>> {
    async move {
        let ended = AssertUnwindSafe(work).catch_unwind().await;
        match ended {
            Ok(answer) => answer.map(R::from).into(),
            Err(payload) => {
                // Dropping what a panic carries may panic as well.
                std::mem::forget(payload);
                RResult::RErr(Failure::new(
                    Reason::PLUGIN_FAILED,
                    "the host failed while it served the plugin",
                ))
            }
        }
    }
    .into_ffi()
}

impl HostServices for Bridge {
    fn http(&self, request: Request) -> FfiFuture<RResult<Response, Failure>> {
        let backing = self.backing.clone();
        // Taken here, where the plugin's call is being polled; the future may go elsewhere.
        let record = call::current();
        export(async move { backing.integration()?.http(&request, record.as_deref()).await })
    }

    fn save_metadata(&self, name: RString, value: RString) -> FfiFuture<RResult<RString, Failure>> {
        let backing = self.backing.clone();
        export(async move { backing.integration()?.save_metadata(&name, &value).await })
    }

    fn log_level(&self) -> u8 {
        match LevelFilter::current().into_level() {
            None => 0,
            Some(Level::ERROR) => 1,
            Some(Level::WARN) => 2,
            Some(Level::INFO) => 3,
            Some(Level::DEBUG) => 4,
            Some(Level::TRACE) => 5,
        }
    }

    fn log(&self, record: LogRecord) {
        if record.level > self.log_level() {
            return;
        }
        // There is nobody to tell about a subscriber that panics.
        let _ = contain("log", || {
            let plugin = self.backing.plugin();
            match self.log_limit.take(record.level, Instant::now()) {
                Taken::Yes => log(plugin, &record),
                Taken::No { tell: Some(Told { left_out, a_second }) } => tracing::warn!(
                    plugin,
                    "the plugin `{plugin}` logs more than anybody reads: its lines beyond {a_second} a second are left \
                     out, {left_out} so far; report this to its author"
                ),
                Taken::No { tell: None } => {}
            }
        });
    }

    fn now_unix_ms(&self) -> u64 {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        u64::try_from(since.unwrap_or_default().as_millis()).unwrap_or(u64::MAX)
    }

    fn query_extension(&self, name: RStr<'_>) -> ROption<u32> {
        extensions::version(name.as_str()).into()
    }

    fn call_extension(&self, name: RString, payload: RVec<u8>) -> FfiFuture<RResult<RVec<u8>, Failure>> {
        export(async move { extensions::call(&name, payload.into()).await })
    }
}

/// A plugin's event as one of the host's own, in the span that the host runs the plugin in.
fn log(plugin: &str, record: &LogRecord) {
    let message = printable(&record.message, LONGEST_MESSAGE);
    let origin = printable(&record.target, LONGEST_TARGET);
    let mut fields = String::new();
    for (name, value) in record.fields.iter() {
        // Writing to a text does not fail.
        let _ = write!(fields, "{}{name}={value}", if fields.is_empty() { "" } else { " " });
    }
    let fields = printable(&fields, LONGEST_MESSAGE);
    macro_rules! emit {
        ($level:expr) => {
            tracing::event!(target: "plugin", $level, plugin, origin = %origin, fields = %fields, "{message}")
        };
    }
    match record.level {
        1 => emit!(Level::ERROR),
        2 => emit!(Level::WARN),
        3 => emit!(Level::INFO),
        4 => emit!(Level::DEBUG),
        _ => emit!(Level::TRACE),
    }
}
