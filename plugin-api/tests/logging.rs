//! A subscriber is set once in a process, so this test has a process of its own.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::{Arc, Mutex};

use forgewatch_plugin_api::abi::abi_stable::sabi_trait::TD_Opaque;
use forgewatch_plugin_api::abi::abi_stable::std_types::{ROption, RResult, RStr, RString, RVec};
use forgewatch_plugin_api::abi::async_ffi::FfiFuture;
use forgewatch_plugin_api::abi::{
    HostServices, HostServices_TO, LogRecord, PluginModule, header, root_module,
};
use forgewatch_plugin_api::prelude::*;
use forgewatch_plugin_api::tracing;

#[derive(Clone, Default)]
struct LogHost(Arc<Mutex<Vec<LogRecord>>>);

impl HostServices for LogHost {
    fn http(&self, _: Request) -> FfiFuture<RResult<Response, Failure>> {
        unreachable!()
    }

    fn save_metadata(&self, _: RString, _: RString) -> FfiFuture<RResult<RString, Failure>> {
        unreachable!()
    }

    fn log_level(&self) -> u8 {
        3
    }

    fn log(&self, record: LogRecord) {
        self.0.lock().unwrap().push(record);
    }

    fn now_unix_ms(&self) -> u64 {
        0
    }

    fn query_extension(&self, _: RStr<'_>) -> ROption<u32> {
        ROption::RNone
    }

    fn call_extension(&self, _: RString, _: RVec<u8>) -> FfiFuture<RResult<RVec<u8>, Failure>> {
        unreachable!()
    }
}

#[derive(Default)]
struct Logging;

impl Provider for Logging {
    type Client = ();

    fn parse_repository_url(&self, url: &str, _: &UrlContext) -> Result<RepositoryUrl, UrlError> {
        tracing::debug!("below the host's level");
        let _span = tracing::info_span!("spans are the host's").entered();
        tracing::info!(url, attempts = 2, "parsing {}", "now");
        Ok(RepositoryUrl::new("https://a/", "b"))
    }

    async fn get_base_url(&self, _: &Host, _: &Integration) -> Result<String, Failure> {
        unreachable!()
    }

    async fn get_client(&self, _: Host, _: Integration) -> Result<(), Failure> {
        unreachable!()
    }

    async fn has_repo_access(&self, (): &(), _: &Repository) -> Result<Access, Failure> {
        unreachable!()
    }
}

#[test]
fn events_reach_the_host() {
    let host = LogHost::default();
    let module: PluginModule = header(root_module::<Logging>).init_root_module().unwrap();
    let provider = module.create()(HostServices_TO::from_value(host.clone(), TD_Opaque)).unwrap();
    provider.parse_repository_url("u".into(), &UrlContext::default()).unwrap().unwrap();
    let records = host.0.lock().unwrap();
    let [record] = records.as_slice() else { panic!("expected one event: {records:?}") };
    assert_eq!((record.level, record.message.as_str()), (3, "parsing now"));
    let fields: Vec<_> = record.fields.iter().collect();
    assert_eq!(fields, [("url", "u"), ("attempts", "2")]);
}
