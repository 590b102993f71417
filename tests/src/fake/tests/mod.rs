//! Tests of the fake itself: what the rest of the tests takes for granted.

mod accounts;
mod errors;
mod github;
mod gitlab;
mod reach;
mod repositories;
mod tokens;
mod tracker;
mod wire;

use std::sync::Once;

use reqwest::{Certificate, Client, ClientBuilder, Proxy, RequestBuilder, redirect};
use serde_json::Value;

use super::{Fake, World, contoso};

/// A client that trusts the fake's authority and follows nothing.
fn builder(fake: &Fake) -> ClientBuilder {
    static PROVIDER: Once = Once::new();
    PROVIDER.call_once(|| {
        rustls::crypto::ring::default_provider().install_default().expect("nobody else installs one");
    });
    let authority = Certificate::from_pem(fake.ca_pem().as_bytes()).unwrap();
    Client::builder().tls_certs_only([authority]).redirect(redirect::Policy::none())
}

/// A client that speaks to the fake directly.
fn direct(fake: &Fake) -> Client {
    builder(fake).no_proxy().build().unwrap()
}

/// A client that takes the fake for a proxy, and so reaches it by any name.
fn proxied(fake: &Fake) -> Client {
    builder(fake).proxy(Proxy::all(fake.proxy_url()).unwrap()).build().unwrap()
}

async fn contoso_by_proxy() -> (Fake, Client) {
    let fake = Fake::start(World::contoso()).await;
    let client = proxied(&fake);
    (fake, client)
}

/// As the reader, with the redirect to the sign-in page suppressed.
fn as_reader(request: RequestBuilder) -> RequestBuilder {
    with_pat(request, contoso::PAT)
}

fn with_pat(request: RequestBuilder, pat: &str) -> RequestBuilder {
    request.basic_auth("", Some(pat)).header("x-tfs-fedauthredirect", "Suppress")
}

/// Sends a request and returns status and body.
async fn send(request: RequestBuilder) -> (u16, String) {
    let response = request.send().await.unwrap();
    (response.status().as_u16(), response.text().await.unwrap())
}

async fn send_json(request: RequestBuilder) -> (u16, Value) {
    let (status, body) = send(request).await;
    (status, serde_json::from_str(&body).unwrap_or_else(|error| panic!("{error} in {body}")))
}

const REPOSITORIES: &str = "https://dev.azure.com/contoso/Web%20Shop/_apis/git/repositories";

fn storefront() -> String {
    format!("{REPOSITORIES}/storefront?api-version=7.1")
}
