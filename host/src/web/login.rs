//! Signing in with an API token, and out.
//!
//! The token is looked at once and not kept: the browser gets a random id, the session remembers the token's digest.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderValue, Response, StatusCode, header};
use axum::routing::{MethodFilter, on};
use minijinja::context;
use tokio::time::Instant;
use url::form_urlencoded;

use super::Site;
use super::headers::{html, see_other};
use super::render::{Frame, render};
use super::visit::{Answered, Cookie, Visit, is_from_our_page, peer, posted};
use super::{refusals, sessions};
use crate::api::view::{Error, form_of_body, pairs};

/// Longer than any query of a page of ours.
const LONGEST_PLACE: usize = 4_000;

pub(super) fn routes(site: &Arc<Site>) -> Router {
    let (shown, sent) = (Arc::clone(site), Arc::clone(site));
    let show = on(MethodFilter::GET, move |request: Request| {
        let site = Arc::clone(&shown);
        async move { show(&site, &request).unwrap_or_else(Error::into_response) }
    });
    let sign_in = on(MethodFilter::POST, move |request: Request| {
        let site = Arc::clone(&sent);
        async move { sign_in(&site, request).await.unwrap_or_else(Error::into_response) }
    });
    Router::new().route("/login", show.merge(sign_in)).route("/logout", posted(site, "/logout", sign_out))
}

/// What the form says.
struct Door<'a> {
    next: &'a str,
    problem: Option<&'a str>,
    /// Whether a page of another site led here.
    is_led_here: bool,
}

impl<'a> Door<'a> {
    fn again(next: &'a str, problem: &'a str) -> Self {
        Self { next, problem: Some(problem), is_led_here: false }
    }
}

/// Where to sign in, and then go on to `wanted`.
pub(super) fn place(wanted: &str) -> String {
    match wanted {
        "/" => "/login".to_owned(),
        _ => {
            let query = form_urlencoded::Serializer::new(String::new()).append_pair("next", wanted).finish();
            format!("/login?{query}")
        }
    }
}

/// What somebody wanted before they were asked to sign in, if that is a page of ours.
fn next(pairs: &[(String, String)]) -> &str {
    let wanted = pairs.iter().find(|(name, _)| name == "next").map_or("/", |(_, wanted)| wanted);
    let path = wanted.split('?').next().unwrap_or_default();
    let is_page = path == "/"
        || ["/repositories", "/incidents", "/integrations", "/alerts", "/plugins"]
            .iter()
            .any(|page| path.strip_prefix(page).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')));
    let is_plain = wanted.len() <= LONGEST_PLACE && wanted.bytes().all(|byte| byte.is_ascii_graphic());
    if is_page && is_plain && !wanted.contains('\\') { wanted } else { "/" }
}

fn show(site: &Site, request: &Request) -> Answered {
    let query = pairs(request.uri().query().unwrap_or_default()).collect::<Result<Vec<_>, _>>()?;
    if site.visitor(request.headers()).is_some() {
        return Ok(see_other(next(&query)));
    }
    // The browser keeps the session's cookie back then; a request of our own page carries it.
    let site = request.headers().get("sec-fetch-site");
    let is_led_here = site.is_some_and(|site| site == "cross-site" || site == "same-site");
    form(StatusCode::OK, Door { next: next(&query), problem: None, is_led_here })
}

async fn sign_in(site: &Site, request: Request) -> Answered {
    is_from_our_page(request.headers())?;
    let peer = peer(&request);
    let (parts, body) = request.into_parts();
    let form_sent = form_of_body(&parts.headers, body).await?;
    let next = next(&form_sent);
    if site.view.gate().is_open() {
        return Ok(see_other(next));
    }
    let token = form_sent.iter().find(|(name, _)| name == "token").map_or("", |(_, token)| token.trim());
    if token.is_empty() {
        return form(StatusCode::FORBIDDEN, Door::again(next, "A token is needed."));
    }
    let now = Instant::now();
    let Some(known) = site.view.gate().recognise(token, peer) else {
        return match site.attempts().wrong(peer, now) {
            Ok(()) => form(StatusCode::FORBIDDEN, Door::again(next, "This token is not known here.")),
            Err(wait) => too_many(next, wait),
        };
    };
    if site.would_lose_cookie(&parts.headers) {
        let said = "Browsers keep a session to https here, as public_url says: sign in at that address.";
        return form(StatusCode::FORBIDDEN, Door::again(next, said));
    }
    let mut sessions = site.sessions();
    site.keys(&parts.headers).for_each(|former| sessions.end(former));
    let id = sessions.begin(known, now);
    drop(sessions);
    Ok(with_cookie(see_other(next), site.cookie(&parts.headers), id.expose(), sessions::LONGEST))
}

fn too_many(next: &str, wait: Duration) -> Answered {
    let seconds = wait.as_secs() + 1;
    let said = format!("Too many wrong tokens. Try again in {seconds} seconds.");
    let mut answer = form(StatusCode::TOO_MANY_REQUESTS, Door::again(next, &said))?;
    answer.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    Ok(answer)
}

async fn sign_out(visit: Visit) -> Answered {
    if let Some(session) = visit.visitor.session {
        visit.site.sessions().end(session);
    }
    Ok(with_cookie(see_other("/login"), visit.cookie, "", Duration::ZERO))
}

fn form(status: StatusCode, Door { next, problem, is_led_here }: Door<'_>) -> Answered {
    let text = render("login.html", Frame::bare("Sign in"), context! { next, problem, is_led_here });
    text.map(|text| html(status, text)).map_err(|error| refusals::fault(&error))
}

fn with_cookie(mut answer: Response<Body>, cookie: Cookie, id: &str, lasts: Duration) -> Response<Body> {
    if let Ok(mut cookie) = HeaderValue::from_str(&cookie.set(id, lasts)) {
        cookie.set_sensitive(true);
        answer.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    answer
}
