//! The host's HTTP service as a plugin sees it: requests without secrets, answers without surprises.
//!
//! **Evolution:** since ABI 1, frozen, as in `types`.

use std::time::Duration;

use abi_stable::StableAbi;
use abi_stable::std_types::{ROption, RString, RVec};

use crate::types::Attributes;

/// An HTTP method. An open code: a host refuses one that it does not know.
#[repr(transparent)]
#[derive(StableAbi, Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Method(u8);

impl Method {
    /// GET.
    pub const GET: Self = Self(0);
    /// HEAD.
    pub const HEAD: Self = Self(1);
    /// POST; needs the operator's `allow_write`.
    pub const POST: Self = Self(2);
    /// PUT; needs the operator's `allow_write`.
    pub const PUT: Self = Self(3);
    /// PATCH; needs the operator's `allow_write`.
    pub const PATCH: Self = Self(4);
    /// DELETE; needs the operator's `allow_write`.
    pub const DELETE: Self = Self(5);

    /// The method's name, `None` for a code of a later version.
    pub fn name(self) -> Option<&'static str> {
        ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"].get(usize::from(self.0)).copied()
    }
}

/// How the host shall add the integration's credential to a request.
///
/// An identity that fixes its own form (`basic`, `header`) is sent in that form whatever is asked for here,
/// unless it is [`Authentication::none`].
#[repr(C)]
#[derive(StableAbi, Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Authentication {
    scheme: u8,
    name: RString,
}

impl Authentication {
    const NONE: u8 = 0;
    const BEARER: u8 = 1;
    const BASIC: u8 = 2;
    const HEADER: u8 = 3;

    /// No credential at all.
    pub const fn none() -> Self {
        Self { scheme: Self::NONE, name: RString::new() }
    }

    /// `Authorization: Bearer` with the token.
    pub const fn bearer() -> Self {
        Self { scheme: Self::BEARER, name: RString::new() }
    }

    /// `Authorization: Basic` with this user name (which may be empty) and the token as password.
    pub fn basic(user: &str) -> Self {
        Self { scheme: Self::BASIC, name: user.into() }
    }

    /// The bare token in the header `name`.
    pub fn header(name: &str) -> Self {
        Self { scheme: Self::HEADER, name: name.into() }
    }

    /// What is asked for, `None` for a scheme of a later version.
    pub fn scheme(&self) -> Option<Scheme<'_>> {
        match self.scheme {
            Self::NONE => Some(Scheme::None),
            Self::BEARER => Some(Scheme::Bearer),
            Self::BASIC => Some(Scheme::Basic { user: &self.name }),
            Self::HEADER => Some(Scheme::Header { name: &self.name }),
            _ => None,
        }
    }
}

/// An [`Authentication`], taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Scheme<'a> {
    /// No credential.
    None,
    /// A bearer token.
    Bearer,
    /// Basic authentication.
    Basic {
        /// The user name.
        user: &'a str,
    },
    /// A header of its own.
    Header {
        /// The header's name.
        name: &'a str,
    },
}

/// A request for the host to send.
#[repr(C)]
#[derive(StableAbi, Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Request {
    method: Method,
    url: RString,
    headers: Attributes,
    #[cfg_attr(feature = "serde", serde(with = "crate::wire::bytes"))]
    body: RVec<u8>,
    authentication: Authentication,
    timeout_ms: ROption<u64>,
    max_body_bytes: ROption<u64>,
    attributes: Attributes,
}

impl Request {
    /// A request with a method and an absolute URL, without credential.
    pub fn new(method: Method, url: impl Into<RString>) -> Self {
        Self {
            method,
            url: url.into(),
            headers: Attributes::default(),
            body: RVec::new(),
            authentication: Authentication::none(),
            timeout_ms: ROption::RNone,
            max_body_bytes: ROption::RNone,
            attributes: Attributes::default(),
        }
    }

    /// A GET request.
    pub fn get(url: impl Into<RString>) -> Self {
        Self::new(Method::GET, url)
    }

    /// Adds a header. The host refuses those that are its own: credentials, `Host`, framing.
    #[must_use]
    pub fn with_header(mut self, name: &str, value: &str) -> Self {
        self.headers.append(name, value);
        self
    }

    /// Sets the body.
    #[must_use]
    pub fn with_body(mut self, body: Vec<u8>) -> Self {
        self.body = body.into();
        self
    }

    /// Asks the host to add the integration's credential.
    #[must_use]
    pub fn with_authentication(mut self, authentication: Authentication) -> Self {
        self.authentication = authentication;
        self
    }

    /// Asks for another time-out than the operator's; the host caps it at six times the operator's.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout_ms = ROption::RSome(u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX));
        self
    }

    /// Asks for a smaller limit on the decoded body than the operator's.
    #[must_use]
    pub fn with_max_body_bytes(mut self, limit: u64) -> Self {
        self.max_body_bytes = ROption::RSome(limit);
        self
    }

    /// The method.
    pub fn method(&self) -> Method {
        self.method
    }

    /// The URL.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The headers.
    pub fn headers(&self) -> &Attributes {
        &self.headers
    }

    /// The body.
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// The credential asked for.
    pub fn authentication(&self) -> &Authentication {
        &self.authentication
    }

    /// The time-out asked for.
    pub fn timeout(&self) -> Option<Duration> {
        self.timeout_ms.map(Duration::from_millis).into_option()
    }

    /// The limit on the body asked for.
    pub fn max_body_bytes(&self) -> Option<u64> {
        self.max_body_bytes.into_option()
    }
}

/// How much of an answer's body there is. An open code: treat an unknown one like [`BodyState::CUT_OFF`].
#[repr(transparent)]
#[derive(StableAbi, Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct BodyState(u8);

impl BodyState {
    /// All of it.
    pub const COMPLETE: Self = Self(0);
    /// The connection ended before the body did.
    pub const CUT_OFF: Self = Self(1);
    /// The body was larger than the limit; what is there is its beginning, or nothing.
    pub const TOO_LARGE: Self = Self(2);
}

/// An HTTP answer, whatever its status. Redirects are never followed; secrets are masked.
#[repr(C)]
#[derive(StableAbi, Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Response {
    status: u16,
    headers: Attributes,
    #[cfg_attr(feature = "serde", serde(with = "crate::wire::bytes"))]
    body: RVec<u8>,
    body_state: BodyState,
    attributes: Attributes,
}

impl Response {
    /// A complete answer.
    pub fn new(status: u16, body: impl Into<RVec<u8>>) -> Self {
        Self {
            status,
            headers: Attributes::default(),
            body: body.into(),
            body_state: BodyState::COMPLETE,
            attributes: Attributes::default(),
        }
    }

    /// Adds a header.
    #[must_use]
    pub fn with_header(mut self, name: &str, value: &str) -> Self {
        self.headers.append(name, value);
        self
    }

    /// Says how much of the body there is.
    #[must_use]
    pub fn with_body_state(mut self, state: BodyState) -> Self {
        self.body_state = state;
        self
    }

    /// The status code.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// All headers.
    pub fn headers(&self) -> &Attributes {
        &self.headers
    }

    /// The first header of that name, compared without regard to case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get_ignoring_case(name)
    }

    /// The body, decompressed.
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// The body as text, `None` when it is not UTF-8.
    pub fn text(&self) -> Option<&str> {
        std::str::from_utf8(&self.body).ok()
    }

    /// How much of the body there is.
    pub fn body_state(&self) -> BodyState {
        self.body_state
    }
}
