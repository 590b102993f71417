//! The one HTTP client of the process.
//!
//! - Certificates are always checked; redirects are never followed; proxies come from the configuration alone.
//! - A request is repeated only if it reads, and only after a refused or broken connection or a 502, 503 or 504
//!   that does not say when to come back: at most twice, with less than a second of waiting altogether.
//! - One time-out covers connecting, repeating and reading the body. It is never a cause to repeat.
//!
//! Judging what may be requested and adding credentials are absent here: what arrives is sent.

mod cause;
mod messenger;
mod own;
mod settings;
mod tls;

use std::error::Error;
use std::hash::{BuildHasher, RandomState};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use forgewatch_plugin_api::{BodyState, Failure, Reason};
use reqwest::header::{self, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, ClientBuilder, StatusCode};
use tokio::sync::Semaphore;
use url::Url;

pub(crate) use messenger::{Messenger, Post, Reply, quoted};
pub use own::{AskError, ask};
pub use settings::{BuildError, HttpSettings};

use super::budget::{Pass, retry_after_s};
use super::call::CallRecord;
use super::egress::Outgoing;
use super::traffic::Requests;
use crate::text::printable;

/// What a request may wait for at most: this many times the operator's time-out.
const LONGEST_TIMEOUT_FACTOR: u32 = 6;
/// The waits before a repetition, up to half as much again; altogether less than a second.
const WAITS: [Duration; 2] = [Duration::from_millis(150), Duration::from_millis(450)];
/// What is set aside for a body before its first byte is there, at most.
const FIRST_CAPACITY: u64 = 256 * 1024;

/// The client. Cheap to clone; all clones share connections and limits.
#[derive(Clone)]
pub struct HttpClient {
    shared: Arc<Shared>,
}

struct Shared {
    made_of: MadeOf,
    client: Client,
    permits: Semaphore,
    /// What to add to a failure when requests go through a proxy.
    via: String,
}

#[derive(PartialEq, Eq)]
struct MadeOf {
    settings: HttpSettings,
    /// What `ca_file` holds.
    authorities: Option<Vec<u8>>,
}

/// Where requests are noted, repeated ones too.
#[derive(Clone, Copy, Default)]
pub(super) struct Noted<'a> {
    pub(super) record: Option<&'a CallRecord>,
    pub(super) requests: Option<&'a Requests>,
    pub(super) pass: Option<&'a Pass>,
}

impl<'a> Noted<'a> {
    fn sent(self) -> Sent<'a> {
        if let Some(record) = self.record {
            record.sent();
        }
        if let Some(pass) = self.pass {
            pass.sent();
        }
        Sent { noted: self, at: Instant::now(), status: None }
    }
}

/// A request that was sent. One that nobody waits for any more has had no answer.
struct Sent<'a> {
    noted: Noted<'a>,
    at: Instant,
    status: Option<u16>,
}

impl Sent<'_> {
    fn answered(&mut self, status: StatusCode, headers: &HeaderMap) {
        self.status = Some(status.as_u16());
        let wait = match self.noted.pass {
            Some(pass) => pass.answered(status.as_u16(), headers),
            None => retry_after_s(headers, SystemTime::now()).map(Duration::from_secs),
        };
        if let Some(record) = self.noted.record {
            record.answered(status.as_u16(), wait);
        }
    }
}

impl Drop for Sent<'_> {
    fn drop(&mut self) {
        if let Some(record) = self.noted.record {
            record.waited(self.at.elapsed());
        }
        if let Some(requests) = self.noted.requests {
            requests.ended(self.status);
        }
    }
}

/// An answer, as it came.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
    pub(super) body_state: BodyState,
}

impl HttpClient {
    /// Builds the client, or gives the `former` one where it would be the same; it keeps the system's certificates that
    /// it was made with. Reads these and `ca_file`, so it blocks for a moment.
    ///
    /// # Errors
    ///
    /// A `ca_file` or a proxy that cannot be used.
    pub fn new(settings: HttpSettings, former: Option<&Self>) -> Result<Self, BuildError> {
        let authorities = settings.ca_file.as_deref().map(tls::read).transpose()?;
        let made_of = MadeOf { settings, authorities };
        if let Some(former) = former.filter(|former| former.shared.made_of == made_of) {
            return Ok(former.clone());
        }
        let MadeOf { settings, authorities } = &made_of;
        let authorities = settings.ca_file.as_deref().zip(authorities.as_deref());
        let mut builder = builder(authorities)?.pool_max_idle_per_host(settings.concurrency);
        let mut via = String::new();
        if let Some((proxy, through)) = settings.proxy(None)? {
            builder = builder.proxy(proxy);
            via = through;
        }
        Ok(Self {
            shared: Arc::new(Shared {
                client: builder.build().map_err(|source| BuildError::Client { source })?,
                permits: Semaphore::new(settings.concurrency.clamp(1, Semaphore::MAX_PERMITS)),
                via,
                made_of,
            }),
        })
    }

    /// Whether both share connections and limits.
    pub fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }

    /// Sends a request. Waiting for its turn does not count against its time-out.
    pub(super) async fn send(
        &self,
        outgoing: &Outgoing,
        credential: Option<&(HeaderName, HeaderValue)>,
        noted: Noted<'_>,
    ) -> Result<Answer, Failure> {
        let shared = &*self.shared;
        let _permit = shared.permits.acquire().await;
        let started = Instant::now();
        let usual = shared.made_of.settings.timeout;
        let limit = outgoing.timeout.map_or(usual, |timeout| timeout.min(usual * LONGEST_TIMEOUT_FACTOR));
        // Boxed here, since it is kilobytes that every future around it would carry along and move.
        let exchange = Box::pin(shared.exchange(outgoing, credential, noted));
        let ended = tokio::time::timeout(limit, exchange).await;
        let cause = match ended {
            Ok(Ok(answer)) => {
                tracing::debug!(
                    method = %outgoing.method,
                    url = %shown(&outgoing.url),
                    status = answer.status,
                    duration_ms = started.elapsed().as_secs_f64() * 1e3,
                    "request"
                );
                return Ok(answer);
            }
            Ok(Err(error)) => cause::of(&error).text,
            Err(_) => format!("timed out after {} s", limit.as_secs_f64()),
        };
        let detail =
            format!("no answer to {} {}{}: {cause}", outgoing.method, shown(&outgoing.url), shared.via);
        tracing::debug!("{detail}");
        Err(Failure::new(Reason::UNREACHABLE, detail))
    }
}

impl Shared {
    async fn exchange(
        &self,
        outgoing: &Outgoing,
        credential: Option<&(HeaderName, HeaderValue)>,
        noted: Noted<'_>,
    ) -> Result<Answer, reqwest::Error> {
        let mut waits = WAITS.into_iter();
        let reads = outgoing.reads();
        loop {
            let mut sent = noted.sent();
            let result = self.client.execute(request(outgoing, credential)).await;
            if let Ok(response) = &result {
                sent.answered(response.status(), response.headers());
            }
            drop(sent);
            let wait = if reads && is_worth_repeating(&result) { waits.next() } else { None };
            match wait {
                Some(wait) => {
                    drop(result);
                    tokio::time::sleep(wait.mul_f64(1.0 + jitter() / 2.0)).await;
                }
                None => return self.read(result?, outgoing.max_body_bytes).await,
            }
        }
    }

    /// Reads the body as far as it may and will come.
    async fn read(
        &self,
        mut response: reqwest::Response,
        max_body_bytes: Option<u64>,
    ) -> Result<Answer, reqwest::Error> {
        let most = self.made_of.settings.max_response_bytes;
        let limit = max_body_bytes.map_or(most, |max| max.min(most));
        let expected = response.content_length().unwrap_or(0).min(limit).min(FIRST_CAPACITY);
        let mut body = Vec::with_capacity(usize::try_from(expected).unwrap_or(0));
        let body_state = loop {
            match response.chunk().await {
                Ok(Some(chunk)) if (body.len() + chunk.len()) as u64 > limit => {
                    body = Vec::new();
                    break BodyState::TOO_LARGE;
                }
                Ok(Some(chunk)) => body.extend_from_slice(&chunk),
                Ok(None) => break BodyState::COMPLETE,
                Err(error) => {
                    tracing::debug!("a body was cut off: {}", cause::of(&error).text);
                    break BodyState::CUT_OFF;
                }
            }
        };
        Ok(Answer {
            status: response.status().as_u16(),
            headers: std::mem::take(response.headers_mut()),
            body,
            body_state,
        })
    }
}

/// Why an exchange of another protocol failed, in the words that requests have for it.
pub(crate) fn cause_of(error: &(dyn Error + 'static)) -> String {
    cause::of(error).text
}

/// What holds for every client.
fn builder(authorities: Option<(&Path, &[u8])>) -> Result<ClientBuilder, BuildError> {
    Ok(Client::builder()
        .tls_backend_preconfigured(tls::config(authorities)?)
        .user_agent(concat!("forgewatch/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy())
}

fn request(outgoing: &Outgoing, credential: Option<&(HeaderName, HeaderValue)>) -> reqwest::Request {
    let mut request = reqwest::Request::new(outgoing.method.clone(), outgoing.url.clone());
    *request.headers_mut() = outgoing.headers.clone();
    if let Some((name, value)) = credential {
        request.headers_mut().insert(name, value.clone());
    }
    if !outgoing.body.is_empty() {
        *request.body_mut() = Some(outgoing.body.clone().into());
    }
    request
}

fn is_worth_repeating(result: &Result<reqwest::Response, reqwest::Error>) -> bool {
    match result {
        Ok(response) => {
            let overloaded = matches!(
                response.status(),
                StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT
            );
            overloaded && !response.headers().contains_key(header::RETRY_AFTER)
        }
        Err(error) => cause::of(error).is_refused_or_reset,
    }
}

/// A number from 0 to 1, good enough to keep clients apart.
fn jitter() -> f64 {
    f64::from(RandomState::new().hash_one(0) as u32) / f64::from(u32::MAX)
}

/// A URL as it may be shown: without user information, query and fragment.
pub(super) fn shown(url: &Url) -> String {
    let path = printable(url.path(), 300);
    match url.host_str() {
        Some(host) => {
            let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
            format!("{}://{host}{port}{path}", url.scheme())
        }
        None => format!("{}:…", url.scheme()),
    }
}
