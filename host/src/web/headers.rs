//! What every page tells browsers to refuse, and the shape of its answers.

use axum::body::Body;
use axum::http::header::{self, HeaderName, HeaderValue};
use axum::http::{Response, StatusCode};

use crate::api::response;

/// Nothing but what this server sends itself: no inline script or style, no frame around it, no other origin.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; \
                      form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

const HEADERS: [(HeaderName, &str); 5] = [
    (header::CONTENT_SECURITY_POLICY, POLICY),
    // With `no-referrer` browsers would send the forms of our own pages with `Origin: null`.
    (header::REFERRER_POLICY, "same-origin"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::CACHE_CONTROL, "no-store"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
];

/// A page.
pub(super) fn html(status: StatusCode, text: String) -> Response<Body> {
    dressed(response(status, "text/html; charset=utf-8", text))
}

/// Leads the browser to another page, which it fetches.
pub(super) fn see_other(place: &str) -> Response<Body> {
    let mut response = html(StatusCode::SEE_OTHER, String::new());
    // Places are of ours, percent-encoded.
    if let Ok(place) = HeaderValue::from_str(place) {
        response.headers_mut().insert(header::LOCATION, place);
    }
    response
}

/// With the headers of a page.
pub(super) fn dressed(mut response: Response<Body>) -> Response<Body> {
    for (name, value) in HEADERS {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}
