//! The host as the plugin under test sees it: the policy is the real one, the network is played.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use forgewatch_plugin_api::abi::abi_stable::sabi_trait::TD_Opaque;
use forgewatch_plugin_api::abi::abi_stable::std_types::{ROption, RResult, RStr, RString, RVec};
use forgewatch_plugin_api::abi::async_ffi::{FfiFuture, FutureExt as _};
use forgewatch_plugin_api::abi::{HostObject, HostServices, HostServices_TO, LogRecord};
use forgewatch_plugin_api::extensions::sleep;
use forgewatch_plugin_api::{BodyState, Failure, Method, Request, Response, Scheme};
use tokio::sync::Notify;
use tokio::task::yield_now;
use url::Url;

use crate::services::{DOMAIN_NAME, Egress, HookSecret, ProviderPolicy, validate_base_url};

/// More requests than a case needs; what asks on gets no answer, and so an end.
const MOST_REQUESTS: usize = 500;
/// Characters of an address that are kept: each may be megabytes long.
const LONGEST_URL: usize = 4_000;
/// The clock of the run: every one sees the same.
const NOW_UNIX_MS: u64 = 1_767_607_200_000;

/// What the played network does with a request.
pub(super) enum Reply {
    /// An answer of the forge.
    Answer(Response),
    /// No answer, or none that the host lets through.
    Failure(Failure),
    /// Nobody ever answers.
    Never,
    /// The recorded answers have none for it.
    Unrecorded,
}

/// Says what becomes of each request.
#[derive(Clone)]
pub(super) struct Script(Arc<dyn Fn(&Request) -> Reply + Send + Sync>);

impl Script {
    pub(super) fn new(reply: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Self {
        Self(Arc::new(reply))
    }

    /// The same answer to whatever is asked.
    pub(super) fn answer(response: Response) -> Self {
        Self::new(move |_| Reply::Answer(response.clone()))
    }

    /// The same failure of the host.
    pub(super) fn failure(failure: Failure) -> Self {
        Self::new(move |_| Reply::Failure(failure.clone()))
    }

    /// No answer, ever.
    pub(super) fn never() -> Self {
        Self::new(|_| Reply::Never)
    }

    pub(super) fn reply(&self, request: &Request) -> Reply {
        (self.0)(request)
    }
}

/// A request that was made.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) method: Method,
    pub(super) url: String,
    /// Whether the credential was wanted with it.
    pub(super) with_credential: bool,
    /// Whether what stands for the secret of a subscription is where the host would put the secret itself.
    pub(super) with_hook_secret: bool,
    /// Why the host did not send it.
    pub(super) refusal: Option<Failure>,
    pub(super) is_unrecorded: bool,
}

impl Asked {
    pub(super) fn shown(&self) -> String {
        format!("{} {}", self.method.name().unwrap_or("?"), self.url)
    }
}

/// Services for one integration. Cheap to clone.
#[derive(Clone)]
pub(super) struct ScriptedHost {
    shared: Arc<Shared>,
}

struct Shared {
    policy: Arc<ProviderPolicy>,
    egress: Egress,
    base_url: String,
    script: Mutex<Script>,
    asked: Mutex<Vec<Asked>>,
    arrived: Notify,
}

impl ScriptedHost {
    pub(super) fn new(
        policy: Arc<ProviderPolicy>,
        base_url: &str,
        allow_insecure_http: bool,
        script: Script,
    ) -> Self {
        Self {
            shared: Arc::new(Shared {
                policy,
                egress: Egress::new("try", allow_insecure_http, base_url),
                base_url: base_url.to_owned(),
                script: Mutex::new(script),
                asked: Mutex::default(),
                arrived: Notify::new(),
            }),
        }
    }

    pub(super) fn object(&self) -> HostObject {
        HostServices_TO::from_value(self.clone(), TD_Opaque)
    }

    /// Goes on with another script.
    pub(super) fn plays(&self, script: Script) {
        *self.shared.script.lock().unwrap_or_else(PoisonError::into_inner) = script;
    }

    /// The requests since this was asked last.
    pub(super) fn take_asked(&self) -> Vec<Asked> {
        std::mem::take(&mut *self.shared.asked())
    }

    /// Waits until a request has come that nobody has taken. Cancel-safe.
    pub(super) async fn asked(&self) {
        while self.shared.asked().is_empty() {
            self.shared.arrived.notified().await;
        }
    }
}

impl Shared {
    fn asked(&self) -> MutexGuard<'_, Vec<Asked>> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn reply(&self, request: &Request) -> Reply {
        let refusal = self.egress.refusal(&self.policy, request);
        let script = self.script.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut reply = refusal.clone().map_or_else(|| script.reply(request), Reply::Failure);
        let mut asked = self.asked();
        if asked.len() >= MOST_REQUESTS {
            reply = Reply::Never;
        } else {
            asked.push(Asked {
                method: request.method(),
                url: request.url().chars().take(LONGEST_URL).collect(),
                with_credential: !matches!(request.authentication().scheme(), Some(Scheme::None)),
                with_hook_secret: HookSecret::stands_in(request.body())
                    && Url::parse(request.url()).is_ok_and(|url| self.egress.is_base(&url)),
                refusal,
                is_unrecorded: matches!(reply, Reply::Unrecorded),
            });
        }
        drop(asked);
        self.arrived.notify_one();
        reply
    }
}

impl HostServices for ScriptedHost {
    fn http(&self, request: Request) -> FfiFuture<RResult<Response, Failure>> {
        let reply = self.shared.reply(&request);
        async move {
            // Requests at once are under way at once.
            yield_now().await;
            match reply {
                Reply::Answer(response) => RResult::ROk(as_sent(&request, response)),
                Reply::Failure(failure) => RResult::RErr(failure),
                Reply::Never => std::future::pending().await,
                Reply::Unrecorded => RResult::ROk(Response::new(404, "not recorded")),
            }
        }
        .into_ffi()
    }

    fn save_metadata(&self, name: RString, value: RString) -> FfiFuture<RResult<RString, Failure>> {
        let shared = &self.shared;
        let saved = match name.as_str() {
            DOMAIN_NAME => validate_base_url(&shared.policy, &shared.base_url, &value)
                .inspect(|base_url| shared.egress.follow(base_url))
                .map(RString::from),
            _ => Ok(value),
        };
        async move { saved.into() }.into_ffi()
    }

    fn log_level(&self) -> u8 {
        0
    }

    fn log(&self, _: LogRecord) {}

    fn now_unix_ms(&self) -> u64 {
        NOW_UNIX_MS
    }

    fn query_extension(&self, name: RStr<'_>) -> ROption<u32> {
        (name == sleep::NAME).then_some(sleep::VERSION).into()
    }

    fn call_extension(&self, name: RString, payload: RVec<u8>) -> FfiFuture<RResult<RVec<u8>, Failure>> {
        // No pause takes any time here.
        let answer = match name == sleep::NAME {
            true => sleep::decode(&payload).map(|_| RVec::new()),
            false => Err(Failure::unsupported(&name)),
        };
        async move { answer.into() }.into_ffi()
    }
}

/// The answer with as much of a body as the request wants.
fn as_sent(request: &Request, response: Response) -> Response {
    let is_too_large = request.max_body_bytes().is_some_and(|most| response.body().len() as u64 > most);
    let state = if is_too_large { BodyState::TOO_LARGE } else { response.body_state() };
    if !is_too_large && request.method() != Method::HEAD {
        return response;
    }
    let mut bare = Response::new(response.status(), Vec::new()).with_body_state(state);
    for (name, value) in response.headers().iter() {
        bare = bare.with_header(name, value);
    }
    bare
}
