//! Answers as data: status, headers, a body that may misbehave, and what happens on the wire around it.
//!
//! The fake's ordinary answers and the faults are made of the same parts. The rows of the catalogue of
//! errors have constructors of their own, next door.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use hyper::header::{
    AUTHORIZATION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderName, HeaderValue, LOCATION,
    RETRY_AFTER,
};
use hyper::{HeaderMap, Response, StatusCode};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::body::{Broken, FakeBody, Rest};
use super::socket::ResetSwitch;

/// Content type of the service's JSON.
pub(crate) const JSON: HeaderValue =
    HeaderValue::from_static("application/json; charset=utf-8; api-version=7.1");
const HTML: HeaderValue = HeaderValue::from_static("text/html; charset=utf-8");

/// What the fake does with a request.
#[derive(Clone, Debug)]
pub struct Answer {
    conduct: Conduct,
    status: StatusCode,
    headers: Vec<(HeaderName, HeaderValue)>,
    body: Bytes,
    rest: Rest,
    delay: Duration,
    held: Option<CancellationToken>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Conduct {
    Reply,
    World,
    Echo,
    Hang,
    Close,
    Reset,
}

impl Answer {
    /// An empty answer with a status.
    ///
    /// # Panics
    /// If `status` is not between 100 and 999.
    pub fn status(status: u16) -> Self {
        Self {
            conduct: Conduct::Reply,
            status: StatusCode::from_u16(status).expect("a status has three digits"),
            headers: Vec::new(),
            body: Bytes::new(),
            rest: Rest::End,
            delay: Duration::ZERO,
            held: None,
        }
    }

    /// What the world answers, to be delayed with [`after`](Self::after) or given further headers.
    pub fn from_world() -> Self {
        Self::status(200).conduct(Conduct::World)
    }

    /// JSON of the service's content type.
    pub fn json(status: u16, value: &Value) -> Self {
        Self::json_bytes(status, value.to_string().into())
    }

    pub(crate) fn json_bytes(status: u16, body: Bytes) -> Self {
        let mut answer = Self::status(status).body(body);
        answer.headers.push((CONTENT_TYPE, JSON));
        answer
    }

    /// Bytes of the service's JSON content type, whatever they are: an array, `null`, a scalar, not JSON.
    pub fn claimed_json(status: u16, body: impl Into<Bytes>) -> Self {
        Self::json_bytes(status, body.into())
    }

    /// A page of HTML.
    pub fn html(status: u16, page: &str) -> Self {
        let mut answer = Self::status(status).body(page.to_owned());
        answer.headers.push((CONTENT_TYPE, HTML));
        answer
    }

    /// The sign-in page, after some blank lines.
    pub fn sign_in_page(status: u16) -> Self {
        Self::html(status, SIGN_IN_PAGE)
    }

    /// XML where JSON was asked for.
    pub fn xml() -> Self {
        Self::status(200)
            .header("content-type", "application/xml")
            .body("<repository><id>5</id></repository>")
    }

    /// A redirect (302) to anywhere.
    pub fn redirect(location: &str) -> Self {
        Self::status(302).header(LOCATION.as_str(), location)
    }

    /// No answer: the connection stays open until the client gives up.
    pub fn hang() -> Self {
        Self::status(200).conduct(Conduct::Hang)
    }

    /// No answer: the connection is closed.
    pub fn close() -> Self {
        Self::status(200).conduct(Conduct::Close)
    }

    /// No answer: the connection is reset.
    pub fn reset() -> Self {
        Self::status(200).conduct(Conduct::Reset)
    }

    /// A body that ends before the length it announced, with the connection closed.
    pub fn cut_off(sent: &str, announced: usize) -> Self {
        Self::claimed_json(200, sent.to_owned()).length(announced).rest(Rest::Break)
    }

    /// A chunked body whose last chunk never comes, with the connection closed.
    pub fn broken_chunks(sent: &str) -> Self {
        Self::claimed_json(200, sent.to_owned()).rest(Rest::Break)
    }

    /// A chunked body that is ended by a connection reset.
    pub fn reset_in_body(sent: &str) -> Self {
        Self::claimed_json(200, sent.to_owned()).rest(Rest::Reset)
    }

    /// A chunked body that stops coming, with the connection left open.
    pub fn stalled_body(sent: &str) -> Self {
        Self::claimed_json(200, sent.to_owned()).rest(Rest::Stall)
    }

    /// A well-formed JSON start, followed by `bytes` spaces, streamed without a length.
    pub fn oversized(bytes: u64) -> Self {
        Self::claimed_json(200, "{").rest(Rest::Fill(bytes))
    }

    /// JSON whose text is not UTF-8.
    pub fn not_utf8() -> Self {
        Self::claimed_json(200, &b"{\"id\":\"\xff\xfe\",\"name\":\"\xc3\x28\"}"[..])
    }

    /// A small gzip body that unpacks to `bytes` spaces.
    pub fn gzip_bomb(bytes: u64) -> Self {
        let body = super::gzip::spaces(bytes);
        Self::claimed_json(200, body).header(CONTENT_ENCODING.as_str(), "gzip")
    }

    /// Hands the request's `Authorization` back, raw and decoded, in the body and in two headers
    /// (`X-Echo`, `X-Echo-Decoded`), under this status.
    pub fn echo_authorization(status: u16) -> Self {
        Self::status(status).conduct(Conduct::Echo)
    }

    /// Sets the body.
    #[must_use]
    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    /// Adds a header.
    ///
    /// # Panics
    /// If name or value cannot stand in a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        let name = HeaderName::from_bytes(name.as_bytes()).expect("a header name");
        self.headers.push((name, HeaderValue::from_str(value).expect("a header value")));
        self
    }

    /// Waits before anything is sent, on top of what was set before.
    #[must_use]
    pub fn after(mut self, delay: Duration) -> Self {
        self.delay += delay;
        self
    }

    /// Holds the answer back until the token is cancelled.
    #[must_use]
    pub fn held_until(mut self, released: CancellationToken) -> Self {
        self.held = Some(released);
        self
    }

    /// Adds `Retry-After` in seconds.
    #[must_use]
    pub fn retry_after(self, seconds: u64) -> Self {
        self.header(RETRY_AFTER.as_str(), &seconds.to_string())
    }

    /// Adds the `X-RateLimit-*` headers of an identity with this much left.
    #[must_use]
    pub fn rate_limit(self, remaining: u32, reset_unix: u64) -> Self {
        self.header("x-ratelimit-resource", "Fake/Throughput/User")
            .header("x-ratelimit-delay", "1.250")
            .header("x-ratelimit-limit", "200")
            .header("x-ratelimit-remaining", &remaining.to_string())
            .header("x-ratelimit-reset", &reset_unix.to_string())
    }

    fn length(self, bytes: usize) -> Self {
        self.header(CONTENT_LENGTH.as_str(), &bytes.to_string())
    }

    fn rest(mut self, rest: Rest) -> Self {
        self.rest = rest;
        self
    }

    fn conduct(mut self, conduct: Conduct) -> Self {
        self.conduct = conduct;
        self
    }

    /// Waits as long as the answer is to be held back.
    pub(crate) async fn wait(&self) {
        if !self.delay.is_zero() {
            tokio::time::sleep(self.delay).await;
        }
        if let Some(released) = &self.held {
            released.cancelled().await;
        }
    }

    /// Whether this answer leaves the word to the world.
    pub(crate) fn is_from_world(&self) -> bool {
        self.conduct == Conduct::World
    }

    /// Takes over what the world answers, if that is what this answer stands for.
    pub(crate) fn resolve(self, world: impl FnOnce() -> Answer) -> Self {
        if !self.is_from_world() {
            return self;
        }
        let mut answer = world();
        answer.delay += self.delay;
        answer.held = self.held;
        for (name, value) in self.headers {
            answer.headers.retain(|(other, _)| *other != name);
            answer.headers.push((name, value));
        }
        answer
    }

    /// Puts the answer on the wire. An error makes hyper drop the connection.
    pub(crate) async fn send(
        self,
        request: &HeaderMap,
        reset: &ResetSwitch,
    ) -> Result<Response<FakeBody>, Broken> {
        match self.conduct {
            Conduct::Reply | Conduct::World => Ok(self.into_response(reset)),
            Conduct::Echo => Ok(self.echo(request).into_response(reset)),
            Conduct::Hang => std::future::pending().await,
            Conduct::Close => Err(Broken),
            Conduct::Reset => {
                reset.throw();
                Err(Broken)
            }
        }
    }

    fn into_response(self, reset: &ResetSwitch) -> Response<FakeBody> {
        let body = match self.rest {
            Rest::End => FakeBody::whole(self.body),
            rest => FakeBody::new(self.body, rest, Some(reset.clone())),
        };
        let mut response = Response::new(body);
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.reserve(self.headers.len());
        for (name, value) in self.headers {
            headers.append(name, value);
        }
        response
    }

    fn echo(mut self, request: &HeaderMap) -> Self {
        let Some(raw) = request.get(AUTHORIZATION) else {
            return self;
        };
        let text = String::from_utf8_lossy(raw.as_bytes()).into_owned();
        let secret = text.split_once(' ').map_or(text.as_str(), |(_, secret)| secret);
        let decoded = STANDARD
            .decode(secret)
            .map_or_else(|_| secret.to_owned(), |bytes| String::from_utf8_lossy(&bytes).into_owned());
        self.headers.push((HeaderName::from_static("x-echo"), raw.clone()));
        if let Ok(value) = HeaderValue::from_str(&decoded) {
            self.headers.push((HeaderName::from_static("x-echo-decoded"), value));
        }
        self.headers.push((CONTENT_TYPE, JSON));
        self.body(serde_json::json!({"message": format!("you sent {text} which is {decoded}")}).to_string())
    }
}

const SIGN_IN_PAGE: &str = "\r\n\r\n\n<!DOCTYPE html>\n<html><head><title>Fake Forge | Sign In</title></head>\
<body><form action=\"https://app.vssps.visualstudio.com/_signin\">who are you?</form></body></html>\n";
