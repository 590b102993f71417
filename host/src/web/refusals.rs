//! Refusals and failures as people see them; programs get the API's JSON.

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use axum::middleware::Next;
use minijinja::context;

use super::headers::dressed;
use super::render::{Frame, render};
use super::visit::is_of_page;
use crate::api::view::Error;

/// Makes a page of what the API refuses, where a browser asked for one.
pub(super) async fn for_people(request: Request, next: Next) -> Response<Body> {
    let wants_page = is_of_page(request.method(), request.uri().path()) && accepts_html(request.headers());
    let mut response = next.run(request).await;
    let Some(error) = response.extensions_mut().remove::<Error>() else { return response };
    if !wants_page {
        return response;
    }
    let Ok(text) = page(&error) else { return response };
    *response.body_mut() = Body::from(text);
    let headers = response.headers_mut();
    headers.remove(header::CONTENT_LENGTH);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    dressed(response)
}

fn page(error: &Error) -> Result<String, minijinja::Error> {
    let (title, lead) = match error.status {
        StatusCode::NOT_FOUND => ("Not found", "There is nothing here, or not any more."),
        StatusCode::METHOD_NOT_ALLOWED => ("Not possible", "This page cannot be used in this way."),
        StatusCode::FORBIDDEN => ("Not allowed", "This was refused."),
        StatusCode::BAD_REQUEST => ("Not understood", "What was asked for makes no sense here."),
        StatusCode::MISDIRECTED_REQUEST => ("Another address", "This server is not meant by that address."),
        StatusCode::SERVICE_UNAVAILABLE => ("Not at the moment", "The same request may do in a moment."),
        status if status.is_client_error() => ("Refused", "This was refused."),
        _ => ("Something went wrong", "That is a fault of Forgewatch."),
    };
    let content = context! {
        lead,
        status => error.status.as_u16(),
        message => error.message(),
        details => error.details().to_vec(),
    };
    render("refusal.html", Frame::bare(title), content)
}

/// A template that does not fit what it shows.
pub(super) fn fault(error: &minijinja::Error) -> Error {
    Error::internal(&format_args!("a page cannot be made: {error:#}"))
}

fn accepts_html(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    accepted.flat_map(|value| value.split(',')).any(|part| part.trim_start().starts_with("text/html"))
}
