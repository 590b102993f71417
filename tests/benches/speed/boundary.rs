//! What crossing the ABI costs: a check with one host call that answers at once.

use std::error::Error;
use std::future::Future;
use std::hint::black_box;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use forgewatch::plugins::{Provider, SealedLibrary};
use forgewatch_plugin_api::abi::abi_stable::sabi_trait::TD_Opaque;
use forgewatch_plugin_api::abi::abi_stable::std_types::{ROption, RResult, RStr, RString, RVec};
use forgewatch_plugin_api::abi::async_ffi::{FfiFuture, FutureExt};
use forgewatch_plugin_api::abi::{HostObject, HostServices, HostServices_TO, LogRecord};
use forgewatch_plugin_api::{Failure, Integration, Repository, Request, Response};
use forgewatch_tests::build;

use crate::report::{Row, median, ratio};

const CALLS: u32 = 200_000;
const RUNS: usize = 11;

/// Answers 200 to everything, at once.
struct Stub;

impl HostServices for Stub {
    fn http(&self, request: Request) -> FfiFuture<RResult<Response, Failure>> {
        black_box(request.url());
        async { RResult::ROk(Response::new(200, RVec::new())) }.into_ffi()
    }

    fn save_metadata(&self, _: RString, value: RString) -> FfiFuture<RResult<RString, Failure>> {
        async { RResult::ROk(value) }.into_ffi()
    }

    fn log_level(&self) -> u8 {
        0
    }

    fn log(&self, _: LogRecord) {}

    fn now_unix_ms(&self) -> u64 {
        0
    }

    fn query_extension(&self, _: RStr<'_>) -> ROption<u32> {
        ROption::RNone
    }

    fn call_extension(&self, name: RString, _: RVec<u8>) -> FfiFuture<RResult<RVec<u8>, Failure>> {
        let failure = Failure::unsupported(&name);
        async { RResult::RErr(failure) }.into_ffi()
    }
}

pub(crate) fn stub() -> HostObject {
    HostServices_TO::from_value(Stub, TD_Opaque)
}

/// The same work without a boundary: a boxed future that awaits another boxed future.
trait Direct {
    fn has_repo_access<'a>(&'a self, repository: &'a Repository) -> Boxed<'a, bool>;
}

type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + 'a>>;

struct DirectClient {
    base_url: String,
    http: Box<dyn Fn(Request) -> Boxed<'static, Response>>,
}

impl Direct for DirectClient {
    fn has_repo_access<'a>(&'a self, _: &'a Repository) -> Boxed<'a, bool> {
        Box::pin(async {
            let request = Request::get(format!("{}ok", self.base_url));
            (self.http)(request).await.status() == 200
        })
    }
}

pub(crate) fn measure() -> Result<Vec<Row>, Box<dyn Error>> {
    let provider = Provider::in_process(SealedLibrary::of(build::misbehaving(), None)?.open()?, stub())?;
    let integration = || Integration::new("acme", "https://misbehaving.example/");
    let client = ready(provider.get_client(stub(), integration))?;
    let repository = Repository::new("well-behaved");
    let direct: Box<dyn Direct> = Box::new(DirectClient {
        base_url: "https://misbehaving.example/".to_owned(),
        http: Box::new(|request| {
            black_box(request.url());
            Box::pin(async { Response::new(200, RVec::new()) })
        }),
    });
    let pairs: Vec<(f64, f64)> = (0..RUNS)
        .map(|_| {
            let across = nanoseconds(|| assert!(ready(client.has_repo_access(&repository)).is_ok()));
            let inside = nanoseconds(|| assert!(ready(direct.has_repo_access(&repository))));
            (across, inside)
        })
        .collect();
    Ok(vec![Row {
        work: "has_repo_access in process, one stub call".to_owned(),
        unit: "ns",
        measured: median(pairs.iter().map(|pair| pair.0).collect()),
        reference_name: "boxed futures without a boundary",
        reference: median(pairs.iter().map(|pair| pair.1).collect()),
        ratio: ratio(&pairs),
        wanted: "<= 300 ns",
    }])
}

fn nanoseconds(call: impl Fn()) -> f64 {
    let start = Instant::now();
    for _ in 0..CALLS {
        call();
    }
    start.elapsed().as_nanos() as f64 / f64::from(CALLS)
}

/// Polls a future that never waits.
fn ready<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("the stub answers at once"),
    }
}
