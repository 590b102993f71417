//! What the rest of the host learns of a worker, and what a worker learns of the host's log.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use forgewatch::plugins::{Provider, RestartCause, Room, SealedLibrary, WorkerSettings, open_in};
use forgewatch_plugin_api::abi::abi_stable::sabi_trait::TD_Opaque;
use forgewatch_plugin_api::abi::abi_stable::std_types::{ROption, RResult, RStr, RString, RVec};
use forgewatch_plugin_api::abi::async_ffi::{FfiFuture, FutureExt};
use forgewatch_plugin_api::abi::{HostObject, HostServices, HostServices_TO, LogRecord};
use forgewatch_plugin_api::{Failure, Integration, Repository, Request, Response};
use forgewatch_tests::build;

/// A host whose log can be turned up and down.
#[derive(Clone, Default)]
struct Log {
    level: Arc<AtomicU8>,
    messages: Arc<Mutex<Vec<String>>>,
}

impl Log {
    fn host(&self) -> HostObject {
        HostServices_TO::from_value(self.clone(), TD_Opaque)
    }
}

fn unsupported<T: Send + 'static>() -> FfiFuture<RResult<T, Failure>> {
    async { RResult::RErr(Failure::unsupported("this host has none")) }.into_ffi()
}

impl HostServices for Log {
    fn http(&self, _: Request) -> FfiFuture<RResult<Response, Failure>> {
        unsupported()
    }

    fn save_metadata(&self, _: RString, _: RString) -> FfiFuture<RResult<RString, Failure>> {
        unsupported()
    }

    fn log_level(&self) -> u8 {
        self.level.load(Ordering::Relaxed)
    }

    fn log(&self, record: LogRecord) {
        self.messages.lock().expect("nobody panics").push(record.message.into());
    }

    fn now_unix_ms(&self) -> u64 {
        0
    }

    fn query_extension(&self, _: RStr<'_>) -> ROption<u32> {
        ROption::RNone
    }

    fn call_extension(&self, _: RString, _: RVec<u8>) -> FfiFuture<RResult<RVec<u8>, Failure>> {
        unsupported()
    }
}

fn worker(program: PathBuf, host: HostObject) -> Provider {
    let settings = WorkerSettings { program, require_sandbox: false, stall: Duration::from_secs(10) };
    let library = SealedLibrary::of(build::misbehaving(), None).expect("the library can be read");
    open_in(Room::Worker(settings), library, None, host).expect("a worker is started")
}

#[tokio::test]
async fn a_running_worker_hears_of_another_log_level() {
    let log = Log::default();
    let provider = worker(build::workspace().forgewatch.clone(), log.host());
    let integration = || Integration::new("acme", "https://misbehaving.example/");
    let client = provider.get_client(log.host(), integration).await.unwrap();
    let repository = Repository::new("log");
    // The plugin logs one warning: nothing of it, then it, then nothing again.
    for (level, messages) in [(1, 0), (2, 1), (1, 1), (5, 2)] {
        log.level.store(level, Ordering::Relaxed);
        client.has_repo_access(&repository).await.unwrap();
        assert_eq!(log.messages.lock().unwrap().len(), messages, "level {level}");
    }
    provider.close().await;
}

#[tokio::test]
async fn ends_of_workers_are_counted_by_cause() {
    let provider = worker("/bin/true".into(), Log::default().host());
    assert!(provider.ready().await.is_err());
    let condition = provider.condition();
    assert_eq!((condition.state, condition.is_up()), ("quarantined", false));
    assert!(condition.cause.unwrap().contains("exited by itself"));
    let counted: Vec<_> = condition.restarts.into_iter().filter(|(_, count)| *count > 0).collect();
    assert_eq!(counted, [(RestartCause::Exited, 3)]);
    provider.close().await;
}
