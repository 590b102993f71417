//! The provider against a host in memory. No library is built or loaded for that.

mod access;
mod urls;

use forgewatch_plugin_api::prelude::*;
use forgewatch_plugin_api::testing::{FakeHost, block_on};

use crate::{Client, Git};

const BASE: &str = "https://git.example.org/scm/";

fn integration(domain_name: &str) -> Integration {
    Integration::new("own", domain_name).with_identity_kind("basic")
}

fn client(fake: &FakeHost, integration: Integration) -> Result<Client, Failure> {
    block_on(Git.get_client(fake.host(), integration))
}

/// The request that is made for a repository.
fn request_for(integration: Integration, repository: &Repository) -> Request {
    let fake = FakeHost::new();
    let client = client(&fake, integration).unwrap();
    let _ = block_on(Git.has_repo_access(&client, repository));
    let mut requests = fake.requests();
    assert_eq!(requests.len(), 1);
    requests.remove(0)
}

#[test]
fn a_request_is_the_first_one_of_a_fetch() {
    let request = request_for(integration(BASE), &Repository::new("shop").with_project("team"));
    assert_eq!(request.method(), Method::GET);
    assert_eq!(request.url(), "https://git.example.org/scm/team/shop.git/info/refs?service=git-upload-pack");
    assert_eq!(request.headers().get("Git-Protocol"), Some("version=2"));
    assert_eq!(request.max_body_bytes(), None);
}

#[test]
fn names_are_escaped_and_end_once_in_the_suffix() {
    for (options, repository, path) in [
        ("{}", Repository::new("shop"), "shop.git"),
        ("{}", Repository::new("shop.git").with_project(""), "shop.git"),
        ("{}", Repository::new("a b?").with_project("Küche/x+y"), "K%C3%BCche/x%2By/a%20b%3F.git"),
        (r#"{"suffix": ".git"}"#, Repository::new("shop"), "shop.git"),
        (r#"{"suffix": ""}"#, Repository::new("shop"), "shop"),
        (r#"{"suffix": ""}"#, Repository::new("shop.git"), "shop.git"),
    ] {
        let request = request_for(integration(BASE).with_options(options), &repository);
        assert_eq!(request.url(), format!("{BASE}{path}/info/refs?service=git-upload-pack"));
    }
}

#[test]
fn a_name_that_leads_elsewhere_is_not_asked_for() {
    for repository in [
        Repository::new(".."),
        Repository::new(".git"),
        Repository::new("a/b"),
        Repository::new("a").with_project("x/../y"),
        Repository::new("a").with_project("x//y"),
    ] {
        let fake = FakeHost::new();
        let client = client(&fake, integration(BASE)).unwrap();
        let failure = block_on(Git.has_repo_access(&client, &repository)).unwrap_err();
        assert_eq!(failure.reason(), Reason::NOT_FOUND, "{repository:?}");
        assert!(fake.requests().is_empty());
    }
}

#[test]
fn the_kind_of_the_identity_decides_its_form() {
    for (kind, expected) in [
        ("pat", Authentication::basic("git")),
        ("bearer", Authentication::bearer()),
        ("oauth2", Authentication::bearer()),
        ("basic", Authentication::bearer()),
    ] {
        let request = request_for(integration(BASE).with_identity_kind(kind), &Repository::new("shop"));
        assert_eq!(request.authentication(), &expected, "{kind}");
    }
}

#[test]
fn a_base_url_is_used_as_it_is_or_not_at_all() {
    let resolve =
        |integration: Integration| block_on(Git.get_base_url(&FakeHost::new().host(), &integration));
    for (domain_name, expected) in [
        ("https://git.example.org", "https://git.example.org/"),
        ("HTTPS://Git.Example.org:443/scm", "https://git.example.org/scm/"),
        ("https://[::1]:8443/", "https://[::1]:8443/"),
    ] {
        assert_eq!(resolve(integration(domain_name)).unwrap(), expected);
    }
    for domain_name in [
        "",
        "git.example.org",
        "ssh://git.example.org/",
        "https:///scm/",
        "https://git.example.org:no/",
        "https://me:secret@git.example.org/",
        "https://git.example.org/?secret",
        "https://git.example.org/a b/",
        "http://git.example.org/",
    ] {
        let failure = resolve(integration(domain_name)).unwrap_err();
        assert_eq!(failure.reason(), Reason::BASE_URL_UNRESOLVED, "{domain_name}");
        assert!(!failure.detail().contains("secret"), "{failure}");
        assert!(client(&FakeHost::new(), integration(domain_name)).is_err());
    }
    let insecure = integration("http://git.example.org:80").with_insecure_http(true);
    assert_eq!(resolve(insecure).unwrap(), "http://git.example.org/");
}
