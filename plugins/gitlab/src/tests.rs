//! Whole calls of the provider against a host in memory.

mod access;
mod extensions;

use forgewatch_plugin_api::prelude::*;
use forgewatch_plugin_api::testing::{FakeHost, block_on};
use forgewatch_plugin_api::{Scheme, TOKEN_PREFIX};

use crate::{Client, GitLab};

const BASE: &str = "https://git.example.org/gitlab/";

fn integration(domain_name: &str) -> Integration {
    Integration::new("acme", domain_name).with_identity_kind("pat")
}

fn client(fake: &FakeHost) -> Client {
    block_on(GitLab.get_client(fake.host(), integration(BASE))).unwrap()
}

fn json(status: u16, body: &str) -> Response {
    Response::new(status, body.as_bytes()).with_header("Content-Type", "application/json")
}

/// What was asked for below the API.
fn asked(fake: &FakeHost) -> Vec<String> {
    let api = format!("{BASE}api/v4/");
    let requests = fake.requests();
    requests.iter().map(|request| request.url().strip_prefix(&api).unwrap().to_owned()).collect()
}

fn fake<'a>(answers: impl IntoIterator<Item = (&'a str, Response)>) -> FakeHost {
    let fake = FakeHost::new();
    for (path, answer) in answers {
        fake.answer(Method::GET, &format!("{BASE}api/v4/{path}"), answer);
    }
    fake
}

#[test]
fn a_client_has_an_identity_and_a_fit_base_url_and_costs_no_request() {
    let fake = FakeHost::new();
    let get = |integration| block_on(GitLab.get_client(fake.host(), integration)).map(drop);
    for domain_name in ["https://gitlab.com", "https://gitlab.com/api/v4/", BASE] {
        get(integration(domain_name)).unwrap();
    }
    let failure = get(Integration::new("acme", "gitlab.com")).unwrap_err();
    assert_eq!(failure.reason(), Reason::IDENTITY_INVALID);
    let failure = get(integration("https://gitlab.com/contoso/")).unwrap_err();
    assert_eq!(failure.reason(), Reason::BASE_URL_UNRESOLVED);
    for domain_name in ["", "gitlab.com", BASE] {
        get(Integration::new("acme", domain_name).with_silo_mode(SiloMode::REGION)).unwrap();
    }
    let base_url = block_on(GitLab.get_base_url(&fake.host(), &integration("https://gitlab.com/api/v4")));
    assert_eq!(base_url.as_deref(), Ok("https://gitlab.com/"));
    assert!(fake.requests().is_empty());
}

#[test]
fn each_kind_of_identity_is_sent_in_its_own_way() {
    for (kind, scheme) in [
        ("pat", Scheme::Header { name: "PRIVATE-TOKEN" }),
        ("oauth2", Scheme::Bearer),
        ("bearer", Scheme::Bearer),
    ] {
        let fake = FakeHost::new();
        let integration = Integration::new("acme", BASE).with_identity_kind(kind);
        let client = block_on(GitLab.get_client(fake.host(), integration)).unwrap();
        let _ = block_on(GitLab.has_repo_access(&client, &Repository::new("r").with_project("g")));
        let request = &fake.requests()[0];
        assert_eq!(request.authentication().scheme(), Some(scheme), "{kind}");
        assert_eq!(request.headers().get("Accept"), Some("application/json"));
        assert_eq!(request.headers().iter().count(), 1);
    }
}

#[test]
fn a_token_of_another_kind_is_told_by_its_beginning() {
    for (prefix, told) in [
        ("ghp_", Some("of GitHub")),
        ("github_pat_", Some("of GitHub")),
        ("gldt-", Some("opens no API")),
        ("glpat-", None),
        ("acme-", None),
    ] {
        let fake = fake([("projects/7", json(401, r#"{"message":"401 Unauthorized"}"#))]);
        let integration = integration(BASE).with_attribute(TOKEN_PREFIX, prefix);
        let client = block_on(GitLab.get_client(fake.host(), integration)).unwrap();
        let repository = Repository::new("r").with_external_id("7");
        let failure = block_on(GitLab.has_repo_access(&client, &repository)).unwrap_err();
        assert_eq!(failure.reason(), Reason::UNAUTHORIZED);
        assert_eq!(failure.detail().contains(&format!("`{prefix}`")), told.is_some(), "{failure}");
        assert!(failure.detail().contains(told.unwrap_or("expired or revoked")), "{failure}");
    }
}
