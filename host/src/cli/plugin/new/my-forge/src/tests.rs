//! Every answer of the forge that matters, and what must become of it. No network, no library to load.

use forgewatch_plugin_api::prelude::*;
use forgewatch_plugin_api::testing::{FakeHost, block_on};

use super::{Forge, HOME};

const SHOP: &str = r#"{"id": 1, "name": "shop", "owner": "acme"}"#;

/// The answer of a check to what the forge answers.
fn check(answer: impl Into<forgewatch_plugin_api::testing::Scripted>) -> Result<Access, Failure> {
    let fake = FakeHost::new();
    fake.answer(Method::GET, &format!("{HOME}api/repos/acme/shop"), answer);
    let integration = Integration::new("try", HOME).with_identity_kind("pat");
    let client = block_on(Forge.get_client(fake.host(), integration))?;
    let shop = Repository::new("shop").with_project("acme");
    block_on(Forge.has_repo_access(&client, &shop))
}

fn reason(answer: Response) -> Option<Reason> {
    check(answer).err().map(|failure| failure.reason())
}

#[test]
fn the_repository_itself_means_access() {
    assert!(check(Response::new(200, SHOP)).is_ok());
}

#[test]
fn every_status_has_its_reason() {
    for (status, expected) in [
        (301, Reason::INVALID_RESPONSE),
        (401, Reason::UNAUTHORIZED),
        (403, Reason::FORBIDDEN),
        (404, Reason::NOT_FOUND),
        (429, Reason::RATE_LIMITED),
        (500, Reason::PROVIDER_ERROR),
        (503, Reason::PROVIDER_ERROR),
    ] {
        // The status counts, whatever the body says.
        let answer = reason(Response::new(status, SHOP));
        assert_eq!(answer, Some(expected), "{status}");
    }
}

#[test]
fn a_body_that_is_no_repository_is_no_access() {
    for body in ["", "{", "{}", "[]", "null", "<html>", r#"{"name": "other"}"#] {
        let answer = reason(Response::new(200, body));
        assert_eq!(answer, Some(Reason::INVALID_RESPONSE), "{body}");
    }
    let cut_off = Response::new(200, SHOP).with_body_state(BodyState::CUT_OFF);
    assert_eq!(reason(cut_off), Some(Reason::INVALID_RESPONSE));
}

#[test]
fn no_answer_is_no_loss() {
    let failure = check(Failure::new(Reason::UNREACHABLE, "timed out")).unwrap_err();
    assert_eq!(failure.reason(), Reason::UNREACHABLE);
}

#[test]
fn urls_lead_to_repositories() {
    let parse = |path: &str| {
        let parsed = Forge.parse_repository_url(&format!("{HOME}{path}"), &UrlContext::default());
        parsed.map(|it| (it.project().unwrap_or_default().to_owned(), it.name().to_owned()))
    };
    assert_eq!(parse("acme/shop"), Ok(("acme".to_owned(), "shop".to_owned())));
    for path in ["", "acme", "acme/", "acme/..", "acme/shop/issues", "acme/a%2fb", "acme/shop?x"] {
        let kind = parse(path).map_err(|error| error.kind());
        assert_eq!(kind, Err(UrlErrorKind::NOT_A_REPOSITORY_URL), "{path}");
    }
    let elsewhere = Forge.parse_repository_url("https://elsewhere.example/a/b", &UrlContext::default());
    assert_eq!(elsewhere.unwrap_err().kind(), UrlErrorKind::UNSUPPORTED_HOST);
}

#[test]
fn a_base_url_that_is_none_gets_no_client() {
    let client = |domain_name: &str, allow_insecure_http| {
        let integration = Integration::new("try", domain_name).with_insecure_http(allow_insecure_http);
        let client = block_on(Forge.get_client(FakeHost::new().host(), integration));
        client.map(drop).map_err(|failure| failure.reason())
    };
    for domain_name in ["", "my forge", "ftp://forge.example/"] {
        for allow_insecure_http in [false, true] {
            let wrong = Err(Reason::BASE_URL_UNRESOLVED);
            assert_eq!(client(domain_name, allow_insecure_http), wrong, "{domain_name}");
        }
    }
    assert_eq!(client("http://forge.example/", false), Err(Reason::BASE_URL_UNRESOLVED));
    assert_eq!(client("http://forge.example/", true), Ok(()));
}
