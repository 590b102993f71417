//! What a plugin's request may be, judged before anything is sent.
//!
//! A request goes to the origin of its integration's base URL, or over HTTPS to a host that the operator named or
//! approved, and nowhere else; it reads unless the operator lets it write; it brings no header that is the host's own.
//! Each refusal ends in the very line of configuration that would change it, where there is one.

use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use bytes::Bytes;
use forgewatch_plugin_api::{Failure, Method, Request, Scheme};
use reqwest::header::{self, HeaderMap, HeaderName, HeaderValue};
use tokio::sync::Semaphore;
use url::{Origin, Url};

use super::http::shown;
use super::refused;
use crate::config::HostPort;
use crate::text::{mask_url, printable};

/// What the operator allows the integrations of one provider.
#[derive(Debug)]
pub struct ProviderPolicy {
    pub(super) key: String,
    pub(super) allow_hosts: Vec<HostPort>,
    pub(super) approvals: Approvals,
    pub(super) allow_write: bool,
    pub(super) server_roots: Vec<Url>,
    /// How many requests the provider may have in flight, so that there is always room for the others'.
    most_turns: usize,
    pub(super) turns: Semaphore,
}

/// What is allowed; whose turn it is at the moment does not count.
impl PartialEq for ProviderPolicy {
    fn eq(&self, other: &Self) -> bool {
        let Self { key, allow_hosts, approvals, allow_write, server_roots, most_turns, turns: _ } = self;
        *key == other.key
            && *allow_hosts == other.allow_hosts
            && *approvals == other.approvals
            && *allow_write == other.allow_write
            && *server_roots == other.server_roots
            && *most_turns == other.most_turns
    }
}

/// What a lock file adds to a policy. Without one there is nothing in it.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Approvals {
    /// Hosts that the operator approved for the plugin.
    pub approved: Vec<HostPort>,
    /// Hosts that the plugin wishes for, which could be approved.
    pub wished: Vec<HostPort>,
}

/// A policy that cannot be understood: an entry of `server_roots` is no plain URL.
#[derive(Debug, thiserror::Error)]
#[error("`providers.{provider}.options.server_roots` has `{entry}`: give an absolute https URL")]
pub struct PolicyError {
    provider: String,
    /// Without user information.
    entry: String,
}

impl ProviderPolicy {
    /// The policy of the provider `key`, from its `allow_hosts`, `allow_write` and `options.server_roots`.
    ///
    /// # Errors
    ///
    /// A root that is no URL.
    pub fn new(
        key: &str,
        allow_hosts: Vec<HostPort>,
        allow_write: bool,
        server_roots: &[String],
    ) -> Result<Self, PolicyError> {
        let root = |entry: &String| {
            plain_url(entry)
                .ok_or_else(|| PolicyError { provider: key.to_owned(), entry: mask_url(entry).into_owned() })
        };
        let server_roots = server_roots.iter().map(root).collect::<Result<_, _>>()?;
        Ok(Self { allow_hosts, allow_write, server_roots, ..Self::of_no_plugin(key) })
    }

    /// The policy of a provider whose plugin cannot be used: nothing but the integration's own base URL.
    pub fn of_no_plugin(key: &str) -> Self {
        Self {
            key: key.to_owned(),
            allow_hosts: Vec::new(),
            approvals: Approvals::default(),
            allow_write: false,
            server_roots: Vec::new(),
            most_turns: Semaphore::MAX_PERMITS,
            turns: Semaphore::new(Semaphore::MAX_PERMITS),
        }
    }

    /// The policy with seven eighths of the client's `concurrency` for this provider.
    #[must_use]
    pub fn with_share_of(self, concurrency: usize) -> Self {
        let most_turns = concurrency - concurrency / 8;
        Self { most_turns, turns: Semaphore::new(most_turns), ..self }
    }

    /// The policy with what a lock file approves.
    #[must_use]
    pub fn with_approvals(self, approvals: Approvals) -> Self {
        Self { approvals, ..self }
    }

    pub(super) fn allows_host(&self, url: &Url) -> bool {
        let allows = |host| self.allow_hosts.contains(&host) || self.approvals.approved.contains(&host);
        HostPort::of(url).is_some_and(allows)
    }

    /// The line that would allow a host, with those that are allowed already: it takes the place of theirs. The
    /// command as well, when the host could be approved.
    pub(super) fn allowing(&self, url: &Url) -> String {
        let hosts: Vec<String> = self
            .allow_hosts
            .iter()
            .cloned()
            .chain(HostPort::of(url))
            .map(|host| format!("\"{host}\""))
            .collect();
        let line = format!("write `allow_hosts = [{}]` under `[providers.{}]`", hosts.join(", "), self.key);
        match HostPort::of(url).filter(|host| self.approvals.wished.contains(host)) {
            Some(host) => format!("{line}, or run `forgewatch plugin lock {} --approve {host}`", self.key),
            None => line,
        }
    }
}

/// An absolute HTTP URL with nothing but a host, a port and a path, and with nothing that parsing drops.
pub(super) fn plain_url(text: &str) -> Option<Url> {
    if text.contains(|char: char| char.is_whitespace() || char.is_control()) {
        return None;
    }
    let url = Url::parse(text).ok()?;
    let plain = matches!(url.scheme(), "https" | "http")
        && url.has_host()
        && url.username().is_empty()
        && url.password().is_none()
        && url.query().is_none()
        && url.fragment().is_none();
    plain.then_some(url)
}

/// A request that may be sent.
#[derive(Clone, Debug)]
pub(super) struct Outgoing {
    pub(super) method: reqwest::Method,
    pub(super) url: Url,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    pub(super) timeout: Option<Duration>,
    pub(super) max_body_bytes: Option<u64>,
}

impl Outgoing {
    /// Whether it does no more than read, as far as its method goes.
    pub(super) fn reads(&self) -> bool {
        matches!(self.method, reqwest::Method::GET | reqwest::Method::HEAD)
    }
}

/// The judge of one integration's requests.
pub(crate) struct Egress {
    integration: String,
    allow_insecure_http: bool,
    base: RwLock<Option<Origin>>,
}

impl Egress {
    pub(crate) fn new(integration: &str, allow_insecure_http: bool, base_url: &str) -> Self {
        let egress =
            Self { integration: integration.to_owned(), allow_insecure_http, base: RwLock::new(None) };
        egress.follow(base_url);
        egress
    }

    /// Makes another base URL's origin the one that may be reached. A malformed one has none.
    pub(crate) fn follow(&self, base_url: &str) {
        let origin = plain_url(base_url).map(|url| url.origin());
        *self.base.write().unwrap_or_else(PoisonError::into_inner) = origin;
    }

    /// The origin that may be reached.
    pub(super) fn base(&self) -> Option<Origin> {
        self.base.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether a URL leads to the integration's own forge.
    pub(crate) fn is_base(&self, url: &Url) -> bool {
        self.base.read().unwrap_or_else(PoisonError::into_inner).as_ref() == Some(&url.origin())
    }

    /// Turns a plugin's request into one that may be sent.
    pub(super) fn judge(&self, policy: &ProviderPolicy, request: &Request) -> Result<Outgoing, Failure> {
        let method = method(policy, request.method())?;
        let url = self.url(policy, request.url())?;
        if let Some(Scheme::Header { name }) = request.authentication().scheme() {
            credential_header(name)?;
        }
        let mut headers = HeaderMap::with_capacity(8);
        for (name, value) in request.headers().iter() {
            let (name, value) = plugin_header(policy, name, value)?;
            headers.append(name, value);
        }
        Ok(Outgoing {
            method,
            url,
            headers,
            body: Bytes::copy_from_slice(request.body()),
            timeout: request.timeout(),
            max_body_bytes: request.max_body_bytes(),
        })
    }

    /// Why a plugin's request may not be sent, where it may not.
    pub(crate) fn refusal(&self, policy: &ProviderPolicy, request: &Request) -> Option<Failure> {
        self.judge(policy, request).err()
    }

    fn url(&self, policy: &ProviderPolicy, text: &str) -> Result<Url, Failure> {
        let url = Url::parse(text).map_err(|error| {
            let masked = mask_url(text);
            let shown = masked.split(['?', '#']).next().unwrap_or_default();
            refused(format!("`{}` is no URL: {error}", printable(shown, 200)))
        })?;
        let shown = || shown(&url);
        if !url.username().is_empty() || url.password().is_some() {
            let why = "a URL must not carry a user name or a password: ask for the integration's identity";
            return Err(refused(format!("`{}` was not requested: {why}", shown())));
        }
        let is_base = self.is_base(&url);
        match url.scheme() {
            "https" if is_base || policy.allows_host(&url) => Ok(url),
            "https" => Err(refused(format!(
                "`{}` was not requested, since its host is not allowed: {}",
                shown(),
                policy.allowing(&url)
            ))),
            "http" if is_base && self.allow_insecure_http => Ok(url),
            "http" if is_base => Err(refused(format!(
                "`{}` was not requested, since it would be without TLS: use https, or add \
                 `allow_insecure_http = true` under `[integrations.{}]`",
                shown(),
                self.integration
            ))),
            _ => Err(refused(format!(
                "`{}` was not requested: https alone is possible beside the integration's own base URL",
                shown()
            ))),
        }
    }
}

fn method(policy: &ProviderPolicy, method: Method) -> Result<reqwest::Method, Failure> {
    let name = method
        .name()
        .ok_or_else(|| refused("the plugin asks for an HTTP method that this version does not know"))?;
    if !matches!(name, "GET" | "HEAD") && !policy.allow_write {
        return Err(refused(format!(
            "{name} requests are not allowed: add `allow_write = true` under `[providers.{}]`",
            policy.key
        )));
    }
    reqwest::Method::from_bytes(name.as_bytes()).map_err(|error| refused(error.to_string()))
}

/// Headers that are the host's own: credentials, framing, and what its client negotiates.
const OWN: &[HeaderName] = &[
    header::AUTHORIZATION,
    header::PROXY_AUTHORIZATION,
    header::COOKIE,
    header::HOST,
    header::CONTENT_LENGTH,
    header::TRANSFER_ENCODING,
    header::CONNECTION,
    header::UPGRADE,
    header::TE,
    header::TRAILER,
    header::EXPECT,
    header::ACCEPT_ENCODING,
    header::USER_AGENT,
];
const OWN_BY_TEXT: &[&str] = &["keep-alive", "proxy-connection", "http2-settings"];
/// Some forges take the method from here, whatever the request line says.
const METHOD_OVERRIDES: &[&str] = &["x-http-method-override", "x-http-method", "x-method-override"];

fn is_own(name: &HeaderName) -> bool {
    OWN.contains(name) || OWN_BY_TEXT.contains(&name.as_str())
}

fn plugin_header(
    policy: &ProviderPolicy,
    name: &str,
    value: &str,
) -> Result<(HeaderName, HeaderValue), Failure> {
    let shown = || printable(name, 64);
    let parsed = HeaderName::from_bytes(name.as_bytes())
        .map_err(|_| refused(format!("`{}` is no header name", shown())))?;
    if is_own(&parsed) {
        return Err(refused(format!("the header `{}` is the host's own: leave it out", shown())));
    }
    let reads = ["GET", "HEAD"].iter().any(|method| value.eq_ignore_ascii_case(method));
    if METHOD_OVERRIDES.contains(&parsed.as_str()) && !reads && !policy.allow_write {
        return Err(refused(format!(
            "the header `{}` asks for more than reading: add `allow_write = true` under `[providers.{}]`",
            shown(),
            policy.key
        )));
    }
    let value = HeaderValue::from_str(value)
        .map_err(|_| refused(format!("the header `{}` has a value that cannot be sent", shown())))?;
    Ok((parsed, value))
}

/// The name of a header that may carry the credential.
pub(super) fn credential_header(name: &str) -> Result<HeaderName, Failure> {
    HeaderName::from_bytes(name.as_bytes())
        .ok()
        .filter(|name| *name == header::AUTHORIZATION || !is_own(name))
        .ok_or_else(|| refused(format!("`{}` cannot carry a credential", printable(name, 64))))
}
