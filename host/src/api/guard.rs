//! What every request goes through, whatever it asks for: the host that it is meant for, the page that sent it, tokens
//! where they do not belong, limits of time and number, and the headers of every answer.
//!
//! A page of another origin can make a browser send requests to an address that only the browser reaches, and can make
//! its own name lead to that address. So a request is for a name or an address that is known to be ours, and from one
//! that is.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::http::header::{self, HeaderName, HeaderValue};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, Response, StatusCode};
use axum::middleware::Next;
use tokio::time::timeout;
use url::Url;

use super::Shared;
use super::access::Gate;
use super::error::Error;
use super::input;

/// How long a request may take until its answer begins.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// On every answer that does not say otherwise.
const HEADERS: [(HeaderName, &str); 4] = [
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::CACHE_CONTROL, "no-store"),
    (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
    (header::REFERRER_POLICY, "no-referrer"),
];

pub(super) async fn guard(shared: Arc<Shared>, request: Request, next: Next) -> Response<Body> {
    let mut response = match judge(&shared.gate, &request) {
        Ok(()) => bounded(next.run(request)).await,
        Err(error) => error.into_response(),
    };
    for (name, value) in HEADERS {
        response.headers_mut().entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}

async fn bounded(answer: impl Future<Output = Response<Body>>) -> Response<Body> {
    timeout(REQUEST_TIMEOUT, answer).await.unwrap_or_else(|_| {
        let message = format!("no answer within {REQUEST_TIMEOUT:?}; what was begun goes on");
        Error::unavailable(message).into_response()
    })
}

fn judge(gate: &Gate, request: &Request) -> Result<(), Error> {
    let host = host(request)?;
    if !is_ours(gate, &host, Trust::Addresses) {
        let message = format!(
            "this is not `{host}`: use the address that it listens on, or add the name to `api.hosts`"
        );
        return Err(Error::new(StatusCode::MISDIRECTED_REQUEST, "foreign_host", message));
    }
    if !is_from_us(gate, request.headers(), &host) || is_embedded(request.headers()) {
        return Err(Error::forbidden("requests from pages of other origins are refused"));
    }
    let query = request.uri().query().unwrap_or_default();
    let is_token = |name: &str| matches!(name, "token" | "access_token");
    if input::pairs(query).flatten().any(|(name, _)| is_token(&name.to_ascii_lowercase())) {
        let message =
            "a token does not belong into a URL, which ends up in logs: send `authorization: Bearer TOKEN`";
        return Err(Error::bad_request(message));
    }
    Ok(())
}

/// The one host that a request is for.
fn host(request: &Request) -> Result<Authority, Error> {
    let mut values = request.headers().get_all(header::HOST).iter();
    let (header, more) = (values.next(), values.next());
    if more.is_some() {
        return Err(Error::bad_request("there is more than one `Host`"));
    }
    let header = header.ok_or_else(|| Error::bad_request("there is no `Host`"))?;
    let wrong = |_| Error::bad_request("the `Host` is no host");
    let header = Authority::try_from(header.as_bytes()).map_err(wrong)?;
    if header.as_str().contains('@') {
        return Err(Error::bad_request("the `Host` is no host"));
    }
    match request.uri().authority() {
        Some(authority) if *authority != header => {
            Err(Error::bad_request("the `Host` is not that of the request's target"))
        }
        _ => Ok(header),
    }
}

/// Whether an address that nobody configured may be trusted.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Trust {
    /// It may: only names can be made to lead here by others.
    Addresses,
    /// It may not: others have addresses, too.
    Known,
}

/// On loopback: loopback addresses and `localhost`, with the port. Elsewhere: the address with the port; where all
/// addresses are listened on, any, and `localhost`, behind any port, since only this machine's owner can have set up
/// what leads here. Everywhere: what is configured.
fn is_ours(gate: &Gate, authority: &Authority, trust: Trust) -> bool {
    let listen = gate.listen();
    let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
    let port = authority.port_u16();
    if port.is_none() && authority.as_str().len() > authority.host().len() {
        return false;
    }
    let is_port = |known: u16| port.map_or(matches!(known, 80 | 443), |port| port == known);
    let address = host.parse::<IpAddr>().ok().map(|address| address.to_canonical());
    let is_local = host == "localhost" || address.is_some_and(|address| address.is_loopback());
    let is_listened_on = match listen.ip().to_canonical() {
        ip if ip.is_loopback() => is_local && is_port(listen.port()),
        ip if ip.is_unspecified() && trust == Trust::Addresses => is_local || address.is_some(),
        ip if ip.is_unspecified() => is_local && is_port(listen.port()),
        ip => address == Some(ip) && is_port(listen.port()),
    };
    is_listened_on || gate.is_configured(&host, is_port)
}

/// Whether a page of another site fetches it for itself, which browsers do without an `Origin` where the page does not
/// see the answer. A link that somebody follows is not that.
fn is_embedded(headers: &HeaderMap) -> bool {
    let is_foreign = headers.get_all("sec-fetch-site").iter().any(|site| site == "cross-site");
    is_foreign && headers.get("sec-fetch-mode").is_none_or(|mode| mode != "navigate")
}

/// Whether a browser sent it for a page of ours, or no browser did.
fn is_from_us(gate: &Gate, headers: &HeaderMap, host: &Authority) -> bool {
    let mut origins = headers.get_all(header::ORIGIN).iter();
    let Some(origin) = origins.next() else { return true };
    let origin = origin.to_str().ok().and_then(|origin| Url::parse(origin).ok());
    let Some(origin) = origin.filter(|origin| matches!(origin.scheme(), "http" | "https")) else {
        return false;
    };
    let authority = origin.authority();
    let Ok(authority) = Authority::try_from(authority) else { return false };
    origins.next().is_none()
        && (authority.as_str().eq_ignore_ascii_case(host.as_str()) || is_ours(gate, &authority, Trust::Known))
}
