//! A host in memory, for the unit tests of plugins (feature `testing`).
//!
//! Answers are scripted by method and URL; requests, saved metadata, pauses and nothing else are kept. It checks no
//! policy: what a real host would refuse is answered here if it was scripted. A request without a scripted
//! answer fails as [`Reason::PLUGIN_FAILED`], so that a wrong URL does not pass for an outage.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::Duration;

use abi_stable::sabi_trait::TD_Opaque;
use abi_stable::std_types::{ROption, RResult, RStr, RString, RVec};
use async_ffi::{FfiFuture, FutureExt};

use crate::abi::{HostServices, HostServices_TO, LogRecord};
use crate::extensions::sleep;
use crate::host::Host;
use crate::http::{Method, Request, Response};
use crate::types::{Attributes, Failure, Reason};

type Answer = Result<Response, Failure>;

/// A host whose answers are scripted.
#[derive(Clone, Default)]
pub struct FakeHost {
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    script: Vec<(Method, String, VecDeque<Answer>)>,
    requests: Vec<Request>,
    saved: Attributes,
    refusal: Option<Failure>,
    slept: Vec<Duration>,
    is_old: bool,
}

impl FakeHost {
    /// A host that knows no answer yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Answers `method` on exactly `url`. Said again, the answers come in that order and the last one stays.
    pub fn answer(&self, method: Method, url: &str, answer: impl Into<Scripted>) -> &Self {
        let Scripted(answer) = answer.into();
        let mut state = self.lock();
        match state.script.iter_mut().find(|(m, u, _)| *m == method && u == url) {
            Some((_, _, answers)) => answers.push_back(answer),
            None => state.script.push((method, url.to_owned(), VecDeque::from([answer]))),
        }
        drop(state);
        self
    }

    /// Refuses to save metadata from now on.
    pub fn refuse_to_save(&self, failure: Failure) {
        self.lock().refusal = Some(failure);
    }

    /// Offers no extension from now on, as a host does that is older than they are.
    pub fn offer_no_extensions(&self) {
        self.lock().is_old = true;
    }

    /// A handle for the code under test.
    pub fn host(&self) -> Host {
        Host::new(HostServices_TO::from_value(self.clone(), TD_Opaque))
    }

    /// The requests so far.
    pub fn requests(&self) -> Vec<Request> {
        self.lock().requests.clone()
    }

    /// The metadata saved so far.
    pub fn saved(&self) -> Attributes {
        self.lock().saved.clone()
    }

    /// The pauses asked for so far with [`Host::sleep`]. None of them took any time.
    pub fn slept(&self) -> Vec<Duration> {
        self.lock().slept.clone()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A scripted answer: a [`Response`] or a [`Failure`].
pub struct Scripted(Answer);

impl From<Response> for Scripted {
    fn from(response: Response) -> Self {
        Self(Ok(response))
    }
}

impl From<Failure> for Scripted {
    fn from(failure: Failure) -> Self {
        Self(Err(failure))
    }
}

impl HostServices for FakeHost {
    fn http(&self, request: Request) -> FfiFuture<RResult<Response, Failure>> {
        let mut state = self.lock();
        let script =
            state.script.iter_mut().find(|(m, u, _)| *m == request.method() && u == request.url()).map(
                |(_, _, answers)| match answers.len() {
                    1 => answers.front().cloned(),
                    _ => answers.pop_front(),
                },
            );
        let answer = script.flatten().unwrap_or_else(|| {
            let method = request.method().name().unwrap_or("?");
            let detail = format!("no answer is scripted for {method} {}", request.url());
            Err(Failure::new(Reason::PLUGIN_FAILED, detail))
        });
        state.requests.push(request);
        async move { answer.into() }.into_ffi()
    }

    fn save_metadata(&self, name: RString, value: RString) -> FfiFuture<RResult<RString, Failure>> {
        let mut state = self.lock();
        let answer = match &state.refusal {
            Some(failure) => RResult::RErr(failure.clone()),
            None => {
                state.saved.set(&name, value.clone());
                RResult::ROk(value)
            }
        };
        async move { answer }.into_ffi()
    }

    fn log_level(&self) -> u8 {
        0
    }

    fn log(&self, _: LogRecord) {}

    fn now_unix_ms(&self) -> u64 {
        1_767_607_200_000
    }

    fn query_extension(&self, name: RStr<'_>) -> ROption<u32> {
        let offered = name == sleep::NAME && !self.lock().is_old;
        offered.then_some(sleep::VERSION).into()
    }

    fn call_extension(&self, name: RString, payload: RVec<u8>) -> FfiFuture<RResult<RVec<u8>, Failure>> {
        let answer = match self.query_extension(name.as_rstr()) {
            ROption::RNone => Err(Failure::unsupported(&name)),
            ROption::RSome(_) => {
                sleep::decode(&payload).map(|time| self.lock().slept.push(time)).map(|()| RVec::new())
            }
        };
        async move { answer.into() }.into_ffi()
    }
}

/// Runs a future to its end on this thread, without a runtime.
pub fn block_on<F: Future>(future: F) -> F::Output {
    struct Unpark(Thread);

    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }

    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}
