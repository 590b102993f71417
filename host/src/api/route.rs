//! Routes: each is registered once, with its handler and its description, so that neither can be without the other.
//!
//! What a handler takes and gives is in its types. They judge what comes in, and they are what the document shows.

use std::net::IpAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, Response};
use axum::routing::{MethodFilter, on};
use percent_encoding::percent_decode_str;
use serde_json::Value;
use tokio::sync::OwnedSemaphorePermit;

use super::access::Scope;
use super::answer::Answer;
use super::error::Error;
use super::input::{self, Input};
use super::openapi::{self, Document};
use super::{Peer, Shared};

/// What a route is, beside its types.
#[derive(Clone, Copy)]
pub(super) struct Operation {
    /// Its name for generated clients.
    pub(super) id: &'static str,
    /// One sentence.
    pub(super) summary: &'static str,
    /// What a token has to allow; nobody is asked for one without.
    pub(super) scope: Option<Scope>,
    /// The statuses of errors that are its own, beside those of every route.
    pub(super) errors: &'static [u16],
}

/// A request that may be answered.
pub(super) struct Call<I> {
    pub(super) shared: Arc<Shared>,
    /// The part of the path that is a name, decoded; else nothing.
    pub(super) name: String,
    pub(super) headers: HeaderMap,
    /// The query's parameters of a GET, the body of a POST.
    pub(super) input: I,
    /// Its turn, where it has to wait for one.
    _turn: Option<OwnedSemaphorePermit>,
}

/// A POST whose body is not read yet, and of which nothing is judged but what the guard judges. Whoever handles it
/// finds out who sends it, and has it wait for its turn.
pub(super) struct Unread {
    pub(super) shared: Arc<Shared>,
    /// The part of the path that is a name, decoded; empty where it is no text.
    pub(super) name: String,
    pub(super) peer: Option<IpAddr>,
    pub(super) headers: HeaderMap,
    pub(super) query: String,
    pub(super) body: Body,
}

/// The routes so far.
pub(super) struct Routes {
    shared: Arc<Shared>,
    router: Router,
    document: Document,
}

impl Routes {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared, router: Router::new(), document: Document::default() }
    }

    /// A GET of `path`. A part of it may be `{name}`; with `{*name}` at its end, the rest of the path is a name, slashes
    /// included.
    pub(super) fn get<I, A, F>(&mut self, path: &'static str, operation: Operation, handler: fn(Call<I>) -> F)
    where
        I: Input,
        A: Answer,
        F: Future<Output = Result<A, Error>> + Send + 'static,
    {
        self.document.add::<I, A>(&Method::GET, path, operation);
        self.route(MethodFilter::GET, path, operation, handler);
    }

    /// A POST to `path`.
    pub(super) fn post<I, A, F>(
        &mut self,
        path: &'static str,
        operation: Operation,
        handler: fn(Call<I>) -> F,
    ) where
        I: Input,
        A: Answer,
        F: Future<Output = Result<A, Error>> + Send + 'static,
    {
        self.document.add::<I, A>(&Method::POST, path, operation);
        self.route(MethodFilter::POST, path, operation, handler);
    }

    /// A POST to `path` with a body of whatever kind, which its handler reads. The errors of `operation` are all that it
    /// has, beside the guard's.
    pub(super) fn post_unread<A, F>(
        &mut self,
        path: &'static str,
        operation: Operation,
        body: &str,
        handler: fn(Unread) -> F,
    ) where
        A: Answer,
        F: Future<Output = Result<A, Error>> + Send + 'static,
    {
        self.document.add_unread::<A>(path, operation, body);
        let shared = Arc::clone(&self.shared);
        let place = Place::of(path);
        let answer = move |request: Request| {
            let shared = Arc::clone(&shared);
            async move {
                let (parts, body) = request.into_parts();
                let name = place.and_then(|place| place.name_in(parts.uri.path()).ok());
                let unread = Unread {
                    shared,
                    name: name.unwrap_or_default(),
                    peer: peer(&parts),
                    query: parts.uri.query().unwrap_or_default().to_owned(),
                    headers: parts.headers,
                    body,
                };
                handler(unread).await.map_or_else(Error::into_response, Answer::into_response)
            }
        };
        self.router = std::mem::take(&mut self.router).route(path, on(MethodFilter::POST, answer));
    }

    /// Describes a header that the GET of `path` reads.
    pub(super) fn describe_header(&mut self, path: &str, name: &str, description: &str, schema: &Value) {
        self.document.add_header(path, name, description, schema);
    }

    fn route<I, A, F>(
        &mut self,
        method: MethodFilter,
        path: &'static str,
        operation: Operation,
        handler: fn(Call<I>) -> F,
    ) where
        I: Input,
        A: Answer,
        F: Future<Output = Result<A, Error>> + Send + 'static,
    {
        let shared = Arc::clone(&self.shared);
        let place = Place::of(path);
        let answer = move |request: Request| {
            let shared = Arc::clone(&shared);
            async move {
                let answer = async {
                    let call = call(shared, operation, place, request).await?;
                    handler(call).await
                };
                answer.await.map_or_else(Error::into_response, Answer::into_response)
            }
        };
        self.router = std::mem::take(&mut self.router).route(path, on(method, answer));
    }

    /// The router, with the document that describes it.
    pub(super) fn finish(mut self) -> Router {
        let summary = "This document.";
        let operation = Operation { id: "openapi", summary, scope: Some(Scope::Read), errors: &[] };
        self.get("/api/v1/openapi.json", operation, openapi::document);
        // Nobody else sets it.
        let _ = self.shared.document.set(self.document.finish());
        self.router
    }
}

/// Judges a request.
async fn call<I: Input>(
    shared: Arc<Shared>,
    operation: Operation,
    place: Option<Place>,
    request: Request,
) -> Result<Call<I>, Error> {
    let (parts, body) = request.into_parts();
    if let Some(scope) = operation.scope {
        shared.gate.admit(&parts.headers, peer(&parts), scope)?;
    }
    let name = match place {
        Some(place) => place.name_in(parts.uri.path())?,
        None => String::new(),
    };
    let input = input_of(&parts, body).await?;
    // Whoever may not come in or sends slowly takes nobody's turn, and probes are answered whatever else there is to do.
    let turn = match operation.scope {
        Some(_) => Some(shared.turn().await),
        None => None,
    };
    Ok(Call { shared, name, headers: parts.headers, input, _turn: turn.flatten() })
}

fn peer(parts: &Parts) -> Option<IpAddr> {
    parts.extensions.get::<Peer>().map(|peer| peer.0.ip())
}

/// What the client says. Its body is gone after that: it has nothing more to do.
async fn input_of<I: Input>(parts: &Parts, body: Body) -> Result<I, Error> {
    let query = parts.uri.query().unwrap_or_default();
    if parts.method != Method::POST {
        return input::of_query(query);
    }
    input::of_query::<input::Nothing>(query)?;
    if I::form().is_empty() { I::form().empty() } else { input::of_body(&parts.headers, body).await }
}

/// Where a path has its name.
#[derive(Clone, Copy)]
struct Place {
    prefix: &'static str,
    is_rest: bool,
}

impl Place {
    fn of(path: &'static str) -> Option<Self> {
        let (prefix, rest) = path.split_once('{')?;
        Some(Self { prefix, is_rest: rest.starts_with('*') })
    }

    fn name_in(self, path: &str) -> Result<String, Error> {
        let rest = path.strip_prefix(self.prefix).unwrap_or_default();
        let name = if self.is_rest { rest } else { rest.split('/').next().unwrap_or_default() };
        let name = percent_decode_str(name).decode_utf8();
        name.map(Into::into).map_err(|_| Error::bad_request("the path is not UTF-8"))
    }
}

/// The answer where no route leads.
pub(super) async fn nowhere() -> Response<Body> {
    Error::not_found("there is nothing at this path; `/api/v1/openapi.json` says what there is")
        .into_response()
}

/// The answer where a route leads, but not with this method. The router adds which ones do.
pub(super) async fn wrong_method() -> Response<Body> {
    let status = axum::http::StatusCode::METHOD_NOT_ALLOWED;
    Error::new(status, "method_not_allowed", "the path does not take this method").into_response()
}
