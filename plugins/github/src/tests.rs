//! Whole calls of the provider against a host in memory.

mod access;
mod extensions;
mod granted;

use forgewatch_plugin_api::testing::{FakeHost, block_on};
use forgewatch_plugin_api::{Access, Failure, Integration, Method, Provider, Repository, Response};

use crate::{Client, Github};

const API: &str = "https://api.github.com/";
const STOREFRONT: &str = "https://api.github.com/repos/contoso/storefront";
const BY_ID: &str = "https://api.github.com/repositories/1296269";
const USER_LIST: &str =
    "https://api.github.com/user/repos?per_page=100&affiliation=owner,collaborator,organization_member";
const INSTALLED: &str = "https://api.github.com/installation/repositories?per_page=100";

fn integration() -> Integration {
    Integration::new("acme", API).with_identity_kind("bearer")
}

fn get_client(fake: &FakeHost, integration: Integration) -> Result<Client, Failure> {
    block_on(Github.get_client(fake.host(), integration))
}

fn client(fake: &FakeHost) -> Client {
    get_client(fake, integration()).unwrap()
}

fn storefront() -> Repository {
    Repository::new("storefront").with_project("contoso")
}

fn check(client: &Client, repository: &Repository) -> Result<Access, Failure> {
    block_on(Github.has_repo_access(client, repository))
}

fn json(status: u16, body: impl AsRef<str>) -> Response {
    Response::new(status, body.as_ref().as_bytes())
        .with_header("Content-Type", "application/json; charset=utf-8")
}

/// A refusal as the interface words it.
fn refusal(status: u16, message: &str) -> Response {
    json(status, format!(r#"{{"message":"{message}","documentation_url":"x","status":"{status}"}}"#))
}

/// A repository of `contoso`: its id and name, who sees it, and further fields.
fn entry(id: u64, name: &str, visibility: &str, rest: &str) -> String {
    let private = visibility != "public";
    format!(
        r#"{{"id":{id},"name":"{name}","full_name":"contoso/{name}","private":{private},"visibility":"{visibility}",{rest}}}"#
    )
}

const PULL: &str =
    r#""permissions":{"admin":false,"maintain":false,"push":false,"triage":false,"pull":true}"#;
const PUSH: &str = r#""permissions":{"admin":false,"maintain":false,"push":true,"triage":true,"pull":true}"#;

fn private() -> String {
    entry(1_296_269, "storefront", "private", PULL)
}

fn public() -> String {
    entry(1_296_269, "storefront", "public", PULL)
}

fn urls(fake: &FakeHost) -> Vec<String> {
    fake.requests().iter().map(|request| request.url().to_owned()).collect()
}

fn fake<const N: usize>(answers: [(&str, Response); N]) -> FakeHost {
    let fake = FakeHost::new();
    for (url, answer) in answers {
        fake.answer(Method::GET, url, answer);
    }
    fake
}
