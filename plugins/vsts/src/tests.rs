//! Whole calls of the provider against a host in memory.

mod access;
mod clients;
mod many;
mod tracker;

use forgewatch_plugin_api::testing::{FakeHost, block_on};
use forgewatch_plugin_api::{Access, Failure, Integration, Method, Provider, Repository, Response};

use crate::{Client, Vsts};

const BASE: &str = "https://dev.azure.com/contoso/";
const ACCOUNT: &str = "3b9d5a3c-2b8f-4f37-8a83-6d1f1a0f6c55";
const LOOKUP: &str = "https://app.vssps.visualstudio.com/_apis/resourceareas/79134C72-4A58-4B42-976C-04E7115F32BF\
    ?hostId=3b9d5a3c-2b8f-4f37-8a83-6d1f1a0f6c55&api-version=5.0-preview.1";

fn integration(domain_name: &str) -> Integration {
    Integration::new("acme", domain_name).with_external_id(ACCOUNT).with_identity_kind("pat")
}

fn get_client(fake: &FakeHost, integration: Integration) -> Result<Client, Failure> {
    block_on(Vsts.get_client(fake.host(), integration))
}

fn check(client: &Client, repository: &Repository) -> Result<Access, Failure> {
    block_on(Vsts.has_repo_access(client, repository))
}

fn json(status: u16, body: &str) -> Response {
    Response::new(status, body.as_bytes())
        .with_header("Content-Type", "application/json; charset=utf-8; api-version=7.1")
}

fn html(status: u16, body: &str) -> Response {
    Response::new(status, body.as_bytes()).with_header("Content-Type", "text/html; charset=utf-8")
}

/// A wrapped exception, as the service reports faults.
fn exception(status: u16, message: &str, type_key: &str) -> Response {
    json(
        status,
        &format!(
            r#"{{"$id":"1","innerException":null,"message":"{message}","typeKey":"{type_key}","errorCode":0}}"#
        ),
    )
}

fn urls(fake: &FakeHost) -> Vec<String> {
    fake.requests().iter().map(|request| request.url().to_owned()).collect()
}

fn fake(answers: impl IntoIterator<Item = (&'static str, Response)>) -> FakeHost {
    let fake = FakeHost::new();
    for (url, answer) in answers {
        fake.answer(Method::GET, url, answer);
    }
    fake
}
