//! A browser in small: what it sends, and what it gets.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use axum::body::Body;
use axum::http::request::Builder;

use crate::api::tests::fixture::{Answer, Fixture, LISTEN, request};
use crate::api::{Access, Scope};
use crate::config::ApiAuth;
use crate::daemon::fake;
use crate::prepare::World;

pub(super) const READER: &str = "a-token-that-may-read";
pub(super) const OPERATOR: &str = "a-token-that-may-operate";
pub(super) const TOKENS: &[(&str, Scope)] = &[(READER, Scope::Read), (OPERATOR, Scope::Operate)];
pub(super) const ORIGIN: &str = "http://127.0.0.1:9477";

/// Pages of a daemon that asks nobody for a token.
pub(super) fn open(names: &[&str]) -> Fixture {
    with(&[], world(names), false)
}

/// Pages that take a token.
pub(super) fn guarded() -> Fixture {
    with(TOKENS, world(&["alpha"]), false)
}

pub(super) fn with(tokens: &[(&str, Scope)], world: World, is_https: bool) -> Fixture {
    let access = Access::with(ApiAuth::Tokens, &["forgewatch.example.org"], tokens);
    let is_https = Arc::new(AtomicBool::new(is_https));
    Fixture::with_pages(LISTEN, access, world, |view| crate::web::pages(view, is_https))
}

pub(super) fn world(names: &[&str]) -> World {
    let mut world = fake::world(names.iter().map(|name| (*name, &[("team", "payments")][..])));
    // The one that it has cannot be opened, which is another story.
    world.providers.clear();
    world
}

/// What a browser sends for a page.
pub(super) fn browser(method: &str, path: &str) -> Builder {
    request(method, path).header("accept", "text/html,application/xhtml+xml,*/*;q=0.8")
}

pub(super) async fn get(web: &Fixture, path: &str) -> Answer {
    web.answer(browser("GET", path).body(Body::empty()).unwrap()).await
}

/// The page, which has to be one.
pub(super) async fn page(web: &Fixture, path: &str) -> String {
    let answer = get(web, path).await;
    assert_eq!(answer.status, 200, "{path}: {}", answer.body);
    text(&answer)
}

pub(super) fn text(answer: &Answer) -> String {
    // Slashes are escaped, too.
    answer.body.as_str().unwrap_or_default().replace("&#x2f;", "/")
}

/// A form that a browser sends.
pub(super) async fn post(web: &Fixture, path: &str, cookie: Option<&str>, form: &[(&str, &str)]) -> Answer {
    let request = browser("POST", path).header("origin", ORIGIN).header("sec-fetch-site", "same-origin");
    send(web, request, cookie, form).await
}

pub(super) async fn send(
    web: &Fixture,
    request: Builder,
    cookie: Option<&str>,
    form: &[(&str, &str)],
) -> Answer {
    let request = request.header("content-type", "application/x-www-form-urlencoded");
    let request = match cookie {
        Some(cookie) => request.header("cookie", cookie),
        None => request,
    };
    let form = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
    web.answer(request.body(Body::from(form)).unwrap()).await
}

pub(super) async fn get_with(web: &Fixture, path: &str, cookie: &str) -> Answer {
    web.answer(browser("GET", path).header("cookie", cookie).body(Body::empty()).unwrap()).await
}

/// Signs in; the cookie as it is sent back.
pub(super) async fn sign_in(web: &Fixture, token: &str) -> String {
    let answer = post(web, "/login", None, &[("token", token)]).await;
    assert_eq!(answer.status, 303, "{}", answer.body);
    cookie_of(&answer)
}

pub(super) fn cookie_of(answer: &Answer) -> String {
    let cookie = answer.headers["set-cookie"].to_str().unwrap();
    cookie.split(';').next().unwrap().to_owned()
}

/// What the forms of a page carry.
pub(super) fn form_token(page: &str) -> String {
    let (_, after) = page.split_once("name=\"form_token\" value=\"").expect("the page has a form");
    after.split('"').next().unwrap().to_owned()
}
