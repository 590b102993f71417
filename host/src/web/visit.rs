//! A request for a page: who asks, what for, and whether it may change anything.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header};
use axum::routing::{MethodFilter, MethodRouter, on};
use minijinja::Value;
use percent_encoding::percent_decode_str;
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::spawn_blocking;
use tokio::time::Instant;
use url::Url;

use super::headers::{html, see_other};
use super::login;
use super::render::{Frame, render};
use super::sessions::{Key, Secret, Use};
use super::{Site, refusals};
use crate::api::Scope;
use crate::api::view::{Error, Peer, form_of_body};
use crate::text::is_on_this_machine;

/// The header that the page's own script sends when nobody asked it to fetch.
const BY_ITSELF: &str = "x-forgewatch-refresh";
/// Cookies of one name that are looked at; other servers of the same host may set some.
const MOST_COOKIES: usize = 8;

/// What a handler answers with.
pub(super) type Answered = Result<Response<Body>, Error>;

/// A request that may be answered.
pub(super) struct Visit {
    pub(super) site: Arc<Site>,
    pub(super) visitor: Visitor,
    /// The last part of the path where that is a name, decoded; else nothing.
    pub(super) name: String,
    pub(super) query: String,
    /// What a form has sent.
    pub(super) form: Vec<(String, String)>,
    /// Whether the page's own script sent it when nobody asked it to.
    pub(super) is_by_itself: bool,
    pub(super) cookie: Cookie,
    /// Its turn; whoever takes the visit apart, as a stream does, gives it back.
    _turn: Option<OwnedSemaphorePermit>,
}

/// What a session's id is called in a browser.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Cookie {
    /// Browsers keep it to this host alone, over TLS.
    OverTls,
    Plain,
}

/// Who asks.
#[derive(Clone)]
pub(super) struct Visitor {
    pub(super) scope: Scope,
    /// What the forms carry that are made for them.
    pub(super) form_token: Secret,
    /// None where nobody has to sign in.
    pub(super) session: Option<Key>,
}

impl Visitor {
    pub(super) fn may_operate(&self) -> bool {
        self.scope >= Scope::Operate
    }
}

/// A GET of a page below `prefix`.
pub(super) fn page<F>(site: &Arc<Site>, prefix: &'static str, handler: fn(Visit) -> F) -> MethodRouter
where
    F: Future<Output = Answered> + Send + 'static,
{
    let site = Arc::clone(site);
    on(MethodFilter::GET, move |request: Request| {
        let site = Arc::clone(&site);
        async move {
            let answer = async {
                let (parts, _) = request.into_parts();
                let Some(visitor) = site.visitor(&parts.headers) else {
                    let wanted = parts.uri.path_and_query().map_or("/", |it| it.as_str());
                    return Ok(see_other(&login::place(wanted)));
                };
                let name = name_after(prefix, parts.uri.path())?;
                let query = parts.uri.query().unwrap_or_default().to_owned();
                let turn = site.view.turn().await;
                let cookie = site.cookie(&parts.headers);
                let (form, is_by_itself) = (Vec::new(), parts.headers.contains_key(BY_ITSELF));
                handler(Visit { site, visitor, name, query, form, is_by_itself, cookie, _turn: turn }).await
            };
            answer.await.unwrap_or_else(Error::into_response)
        }
    })
}

/// A POST of a form that a page below `prefix` has made for its visitor.
pub(super) fn posted<F>(site: &Arc<Site>, prefix: &'static str, handler: fn(Visit) -> F) -> MethodRouter
where
    F: Future<Output = Answered> + Send + 'static,
{
    let site = Arc::clone(site);
    on(MethodFilter::POST, move |request: Request| {
        let site = Arc::clone(&site);
        async move {
            let answer = async {
                let (parts, body) = request.into_parts();
                is_from_our_page(&parts.headers)?;
                let Some(visitor) = site.visitor(&parts.headers) else {
                    return Ok(see_other(&login::place("/")));
                };
                let form = form_of_body(&parts.headers, body).await?;
                let token = form.iter().find(|(name, _)| name == "form_token");
                if !token.is_some_and(|(_, token)| visitor.form_token.is(token)) {
                    return Err(Error::forbidden(
                        "the form is not one of this session: go back, load the page anew, and try again",
                    ));
                }
                let name = name_after(prefix, parts.uri.path())?;
                let turn = site.view.turn().await;
                let (query, cookie) = (String::new(), site.cookie(&parts.headers));
                let is_by_itself = false;
                handler(Visit { site, visitor, name, query, form, is_by_itself, cookie, _turn: turn }).await
            };
            answer.await.unwrap_or_else(Error::into_response)
        }
    })
}

/// The guard refuses foreign origins; whatever posts to a page is a browser, and says where it comes from.
pub(super) fn is_from_our_page(headers: &HeaderMap) -> Result<(), Error> {
    let is_ours = match headers.get("sec-fetch-site") {
        Some(site) => site == "same-origin",
        None => headers.contains_key(header::ORIGIN),
    };
    let message = "only a page of this server may send this: it takes an `Origin`, which browsers send";
    if is_ours { Ok(()) } else { Err(Error::forbidden(message)) }
}

fn name_after(prefix: &str, path: &str) -> Result<String, Error> {
    let name = path.strip_prefix(prefix).filter(|_| prefix.ends_with('/')).unwrap_or_default();
    let name = percent_decode_str(name).decode_utf8();
    name.map(Into::into).map_err(|_| Error::bad_request("the path is not UTF-8"))
}

impl Site {
    /// Who asks; nobody, if that takes signing in first.
    pub(super) fn visitor(&self, headers: &HeaderMap) -> Option<Visitor> {
        let gate = self.view.gate();
        if gate.is_open() {
            let form_token = self.form_token.clone();
            return Some(Visitor { scope: Scope::Operate, form_token, session: None });
        }
        let by = if headers.contains_key(BY_ITSELF) { Use::Page } else { Use::Person };
        let mut sessions = self.sessions();
        for key in self.keys(headers) {
            let found = sessions.find(key, by, Instant::now());
            let Some((token, form_token)) = found.map(|it| (it.token, it.form_token.clone())) else {
                continue;
            };
            if let Some(scope) = gate.scope(&token) {
                return Some(Visitor { scope, form_token, session: Some(key) });
            }
            sessions.end(key);
        }
        None
    }

    /// What a request's cookies may find sessions by.
    pub(super) fn keys<'a>(&self, headers: &'a HeaderMap) -> impl Iterator<Item = Key> + use<'a> {
        let plain = (!self.is_https()).then_some(Cookie::Plain);
        let wanted = [Cookie::OverTls].into_iter().chain(plain);
        wanted.flat_map(|cookie| cookie.values(headers).take(MOST_COOKIES)).map(Key::of)
    }

    /// What is set for whoever sent this. Its `Origin`, if there is one, was found to be ours.
    pub(super) fn cookie(&self, headers: &HeaderMap) -> Cookie {
        let is_secure = |origin: &HeaderValue| origin.as_bytes().starts_with(b"https://");
        let is_over_tls = self.is_https() || headers.get(header::ORIGIN).is_some_and(is_secure);
        if is_over_tls { Cookie::OverTls } else { Cookie::Plain }
    }

    /// Whether a browser would not keep what is set: it came without TLS, and not from this machine.
    pub(super) fn would_lose_cookie(&self, headers: &HeaderMap) -> bool {
        let origin = headers.get(header::ORIGIN).and_then(|origin| Url::parse(origin.to_str().ok()?).ok());
        let is_open = |origin: &Url| origin.scheme() == "http" && !is_on_this_machine(origin);
        self.is_https() && origin.as_ref().is_some_and(is_open)
    }
}

impl Cookie {
    fn name(self) -> &'static str {
        match self {
            Self::OverTls => "__Host-forgewatch",
            Self::Plain => "forgewatch",
        }
    }

    /// As a browser is told to keep it.
    pub(super) fn set(self, id: &str, lasts: Duration) -> String {
        let secure = if self == Self::OverTls { "; Secure" } else { "" };
        let (name, seconds) = (self.name(), lasts.as_secs());
        format!("{name}={id}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}")
    }

    fn values(self, headers: &HeaderMap) -> impl Iterator<Item = &str> {
        let values = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
        let cookies =
            values.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
        cookies.filter(move |(name, _)| *name == self.name()).map(|(_, id)| id)
    }
}

impl Visit {
    /// The parameters that say something: a form sends those that were left empty, too.
    pub(super) fn parameters(&self) -> Result<Vec<(String, String)>, Error> {
        let pairs = crate::api::view::pairs(&self.query);
        pairs.filter(|pair| pair.as_ref().map_or(true, |(_, value)| !value.trim().is_empty())).collect()
    }

    /// What a form has sent in a field; nothing where that was left empty.
    pub(super) fn field(&self, name: &str) -> Option<&str> {
        let sent = self.form.iter().find(|(known, _)| known == name);
        sent.map(|(_, value)| value.trim()).filter(|value| !value.is_empty())
    }

    /// Refuses those who may look alone.
    pub(super) fn has_to_operate(&self) -> Result<(), Error> {
        let message = "the token that you signed in with does not allow this: it takes `operate`";
        if self.visitor.may_operate() { Ok(()) } else { Err(Error::forbidden(message)) }
    }

    /// Gives its turn back, for whoever waits for others.
    pub(super) fn without_turn(self) -> Self {
        Self { _turn: None, ..self }
    }

    /// The page that a template makes of `content`.
    pub(super) async fn answer(self, template: &'static str, frame: Frame, content: Value) -> Answered {
        self.answer_with(StatusCode::OK, template, frame, content).await
    }

    /// The same with another status.
    pub(super) async fn answer_with(
        self,
        status: StatusCode,
        template: &'static str,
        frame: Frame,
        content: Value,
    ) -> Answered {
        // A long page keeps its thread busy for a moment.
        let text = spawn_blocking(move || {
            let frame = frame.for_visitor(&self.visitor);
            render(template, frame, content)
        });
        let text = text.await.map_err(|error| Error::internal(&error))?;
        text.map(|text| html(status, text)).map_err(|error| refusals::fault(&error))
    }
}

/// The address that a request comes from.
pub(super) fn peer(request: &Request) -> Option<IpAddr> {
    request.extensions().get::<Peer>().map(|peer| peer.0.ip())
}

/// Whether it is a page that is asked for, and no API.
pub(super) fn is_of_page(method: &Method, path: &str) -> bool {
    let is_read = matches!(*method, Method::GET | Method::HEAD | Method::POST);
    let others = ["/api/", "/-/", "/metrics", "/livez", "/readyz", "/assets/", "/live"];
    is_read && path != "/api" && !others.iter().any(|other| path.starts_with(other))
}
