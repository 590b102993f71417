//! `get_client` and `has_repo_access`: the requests, and the error space with the verdict on each answer.

use forgewatch_plugin_api::{BodyState, REFUSED, Reason, Scheme, SiloMode, TOKEN_PREFIX};

use super::*;

#[track_caller]
fn assert_reason(name: &str, answer: &Result<Access, Failure>, expected: Option<Reason>) {
    assert_eq!(answer.as_ref().err().map(Failure::reason), expected, "{name}: {answer:?}");
    if let Err(failure) = answer {
        assert!(failure.detail().starts_with("`storefront` of `contoso` in `acme`"), "{failure}");
        assert!(!failure.detail().ends_with('.'));
    }
}

#[test]
fn clients_are_made_of_fit_base_urls_without_a_request() {
    let fake = FakeHost::new();
    for (domain_name, url) in [
        ("https://github.com", "https://api.github.com/repos/contoso/storefront"),
        ("https://acme.ghe.com/", "https://api.acme.ghe.com/repos/contoso/storefront"),
        ("https://git.example.org/", "https://git.example.org/api/v3/repos/contoso/storefront"),
    ] {
        let client = get_client(&fake, integration().with_domain_name(domain_name)).unwrap();
        let _ = check(&client, &storefront());
        assert_eq!(urls(&fake).last().map(String::as_str), Some(url));
    }
    let failure =
        get_client(&fake, integration().with_domain_name("https://me:s3cret@github.com/")).unwrap_err();
    assert_eq!(failure.reason(), Reason::BASE_URL_UNRESOLVED);
    assert!(
        failure.detail().contains("which has a user name or password in it")
            && failure.detail().contains("domain_name of [integrations.acme] to https://api.github.com/"),
        "{failure}"
    );
    assert!(!failure.detail().contains("s3cret"), "{failure}");
    let failure = get_client(&fake, Integration::new("acme", "")).unwrap_err();
    assert_eq!(failure.reason(), Reason::IDENTITY_INVALID);
    assert!(get_client(&fake, Integration::new("acme", "").with_silo_mode(SiloMode::REGION)).is_ok());
    assert_eq!(fake.requests().len(), 3);
    let base_url = |domain_name| {
        block_on(Github.get_base_url(&fake.host(), &integration().with_domain_name(domain_name)))
    };
    assert_eq!(base_url("https://github.com/contoso").as_deref(), Ok("https://github.com/contoso/"));
    assert!(base_url("github.com").is_err());
}

#[test]
fn requests_are_made_of_escaped_segments() {
    let api = |rest: &str| format!("{API}{rest}");
    #[rustfmt::skip]
    let table = [
        (storefront(), STOREFRONT.to_owned()),
        (storefront().with_external_id("1296269"), BY_ID.to_owned()),
        (storefront().with_external_id(""), STOREFRONT.to_owned()),
        (Repository::new("a b?").with_project("é#"), api("repos/%C3%A9%23/a%20b%3F")),
        (Repository::new("..").with_external_id("007"), api("repositories/7")),
    ];
    for (repository, url) in table {
        let fake = FakeHost::new();
        let _ = check(&client(&fake), &repository);
        assert_eq!(urls(&fake), [url]);
        let request = &fake.requests()[0];
        assert_eq!(request.authentication().scheme(), Some(Scheme::Bearer));
        assert_eq!(request.headers().get("Accept"), Some("application/vnd.github+json"));
    }
    for (repository, key) in [
        (Repository::new("storefront"), "project"),
        (Repository::new("a/b").with_project("contoso"), "name"),
        (Repository::new("x").with_project(".."), "project"),
        (storefront().with_external_id("R_kgDOABPHjQ"), "external_id"),
        (storefront().with_external_id("99999999999999999999"), "external_id"),
    ] {
        let fake = FakeHost::new();
        let failure = check(&client(&fake), &repository).unwrap_err();
        assert_eq!(failure.reason(), Reason::NOT_FOUND);
        assert!(failure.detail().contains(&format!("correct `{key}`")), "{failure}");
        assert!(fake.requests().is_empty());
    }
    // The base URL's owner stands in for a missing one.
    let fake = FakeHost::new();
    let owned = get_client(&fake, integration().with_domain_name("https://api.github.com/contoso/")).unwrap();
    let _ = check(&owned, &Repository::new("storefront"));
    assert_eq!(urls(&fake), [STOREFRONT]);
}

#[test]
fn each_answer_has_its_reason() {
    let limited = |response: Response| response.with_header("Date", "Mon, 05 Jan 2015 10:00:00 GMT");
    let used_up = |response: Response| response.with_header("X-RateLimit-Remaining", "0");
    let block = r#"{"message":"Repository access blocked","block":{"reason":"tos"}}"#;
    let html = |status| Response::new(status, b"<html>".as_slice()).with_header("Content-Type", "text/html");
    let full = |rest: &str| json(200, entry(1, "storefront", "private", rest));
    #[rustfmt::skip]
    let table = [
        ("200", json(200, private()), None),
        ("internal", json(200, entry(1, "storefront", "internal", PULL)), None),
        ("public push", json(200, entry(1, "storefront", "public", PUSH)), None),
        ("disabled", full(&format!("\"disabled\":true,{PULL}")), Some(Reason::DISABLED)),
        ("old server", json(200, format!(r#"{{"id":1,"full_name":"contoso/storefront","private":true,{PULL}}}"#)), None),
        ("no one's", json(200, format!(r#"{{"id":1,"full_name":"contoso/storefront",{PULL}}}"#)), Some(Reason::INVALID_RESPONSE)),
        ("no name", json(200, format!(r#"{{"id":1,"full_name":"x","private":true,{PULL}}}"#)), Some(Reason::INVALID_RESPONSE)),
        ("id no number", json(200, private().replace("1296269", "\"1\"")), Some(Reason::INVALID_RESPONSE)),
        ("null", json(200, "null"), Some(Reason::INVALID_RESPONSE)),
        ("array", json(200, "[1]"), Some(Reason::INVALID_RESPONSE)),
        ("html", html(200), Some(Reason::INVALID_RESPONSE)),
        ("cut off", json(200, private()).with_body_state(BodyState::CUT_OFF), Some(Reason::INVALID_RESPONSE)),
        ("too large", json(200, "").with_body_state(BodyState::TOO_LARGE), Some(Reason::INVALID_RESPONSE)),
        ("204", json(204, ""), Some(Reason::INVALID_RESPONSE)),
        ("304 unasked", json(304, ""), Some(Reason::INVALID_RESPONSE)),
        ("300", json(300, "{}"), Some(Reason::INVALID_RESPONSE)),
        ("401", refusal(401, "Bad credentials"), Some(Reason::UNAUTHORIZED)),
        ("401 jwt", refusal(401, "A JSON web token could not be read"), Some(Reason::IDENTITY_INVALID)),
        ("403", refusal(403, "Resource not accessible by integration"), Some(Reason::FORBIDDEN)),
        ("403 html", html(403), Some(Reason::FORBIDDEN)),
        ("403 suspended", refusal(403, "This installation has been suspended"), Some(Reason::IDENTITY_INVALID)),
        ("403 block", json(403, block), Some(Reason::DISABLED)),
        ("403 addresses", refusal(403, "the organization has an IP allow list enabled"), Some(Reason::FORBIDDEN)),
        ("403 used up", limited(used_up(refusal(403, "x"))), Some(Reason::RATE_LIMITED)),
        ("403 some left", refusal(403, "x").with_header("X-RateLimit-Remaining", "7"), Some(Reason::FORBIDDEN)),
        ("403 secondary", refusal(403, "You have exceeded a secondary rate limit"), Some(Reason::RATE_LIMITED)),
        ("403 retry", refusal(403, "x").with_header("Retry-After", "9"), Some(Reason::RATE_LIMITED)),
        ("403 logins", refusal(403, "Maximum number of login attempts exceeded"), Some(Reason::RATE_LIMITED)),
        ("404", refusal(404, "Not Found"), Some(Reason::NOT_FOUND)),
        ("404 html", html(404), Some(Reason::NOT_FOUND)),
        ("410", refusal(410, "gone"), Some(Reason::NOT_FOUND)),
        ("451", json(451, block), Some(Reason::DISABLED)),
        ("451 bare", html(451), Some(Reason::DISABLED)),
        ("429", refusal(429, "x"), Some(Reason::RATE_LIMITED)),
        ("422", refusal(422, "x"), Some(Reason::PROVIDER_ERROR)),
        ("500", html(500), Some(Reason::PROVIDER_ERROR)),
        ("503", json(503, "{}").with_header("Retry-After", "7"), Some(Reason::PROVIDER_ERROR)),
    ];
    for (name, answer, expected) in table {
        let fake = fake([(STOREFRONT, answer.clone())]);
        let ended = check(&client(&fake), &storefront());
        assert_reason(name, &ended, expected);
        assert_eq!(urls(&fake).len(), 1, "{name}");
        if let Err(failure) = ended {
            assert_eq!(failure.http_status(), Some(answer.status()), "{name}");
            assert_eq!(failure.retry_after_s().is_some(), expected == Some(Reason::RATE_LIMITED), "{name}");
        }
    }
}

#[test]
fn the_wait_is_told_by_the_forges_own_clock() {
    let date = |response: Response| response.with_header("Date", "Mon, 05 Jan 2015 10:00:00 GMT");
    let used_up = |reset: &str| {
        let response = refusal(403, "x").with_header("X-RateLimit-Remaining", "0");
        response.with_header("X-RateLimit-Reset", reset)
    };
    let retry = |after: &str| used_up("1420453230").with_header("Retry-After", after);
    #[rustfmt::skip]
    let table = [
        ("until reset", date(used_up("1420452030")), 30),
        ("reset is past", date(used_up("1420451000")), 1),
        ("reset is far off", date(used_up("2000000000")), 3600),
        ("the host's clock", used_up("1767607245"), 45),
        ("no reset", date(used_up("soon")), 60),
        ("something left", date(refusal(429, "x").with_header("X-RateLimit-Remaining", "9").with_header("X-RateLimit-Reset", "1420452030")), 60),
        ("retry-after first", date(retry("12")), 12),
        ("retry-after as a date", date(retry("Mon, 05 Jan 2015 10:00:20 GMT")), 20),
        ("retry-after too long", date(retry("99999999999999999999999")), 3600),
        ("retry-after nonsense", date(retry("soon")), 1230),
        ("at once", date(retry("0")), 1),
    ];
    for (name, answer, seconds) in table {
        let fake = fake([(STOREFRONT, answer)]);
        let failure = check(&client(&fake), &storefront()).unwrap_err();
        assert_eq!(
            (failure.reason(), failure.retry_after_s()),
            (Reason::RATE_LIMITED, Some(seconds)),
            "{name}"
        );
    }
}

#[test]
fn details_say_what_to_do() {
    let sso = "required; url=https://github.com/orgs/contoso/sso?authorization_request=s3cret";
    let accepted = refusal(403, "Resource not accessible by integration");
    #[rustfmt::skip]
    let table = [
        (refusal(403, "x").with_header("X-GitHub-SSO", sso), Reason::FORBIDDEN, "(`https://github.com/orgs/contoso/sso`)"),
        (refusal(404, "Not Found").with_header("X-GitHub-SSO", sso), Reason::FORBIDDEN, "Configure SSO"),
        (refusal(404, "Not Found").with_header("X-GitHub-SSO", "partial-results"), Reason::NOT_FOUND, "hidden"),
        (accepted.with_header("X-Accepted-GitHub-Permissions", "metadata=read"), Reason::FORBIDDEN, "permission `metadata=read`"),
        (refusal(404, "Not Found"), Reason::NOT_FOUND, "check `project` and `name`"),
        (Response::new(404, b"nope".as_slice()), Reason::NOT_FOUND, "not GitHub's own answer"),
        (json(500, "").with_header("X-GitHub-Request-Id", "AB:1"), Reason::PROVIDER_ERROR, "(request `AB:1`)"),
    ];
    for (answer, reason, part) in table {
        let fake = fake([(STOREFRONT, answer)]);
        let failure = check(&client(&fake), &storefront()).unwrap_err();
        assert_eq!(failure.reason(), reason);
        assert!(failure.detail().contains(part) && !failure.detail().contains("s3cret"), "{failure}");
    }
    let renew = "expired or revoked; renew it";
    for (token, hint) in [
        ("glpat-", "begins with `glpat-`, as tokens of another forge do; give the identity one of GitHub"),
        ("ghr_", "give the identity an access token"),
        ("ghp_", renew),
        ("", renew),
    ] {
        let fake = fake([(STOREFRONT, refusal(401, "Bad credentials"))]);
        let client = get_client(&fake, integration().with_attribute(TOKEN_PREFIX, token)).unwrap();
        let failure = check(&client, &storefront()).unwrap_err();
        assert!(failure.detail().contains(hint), "{failure}");
        assert_eq!(failure.detail().contains("renew"), hint == renew, "{failure}");
    }
}

#[test]
fn what_moved_is_followed_once_on_the_same_host() {
    let moved = |status, to: &str| refusal(status, "Moved").with_header("Location", to);
    let renamed = || json(200, entry(1_296_269, "shop", "private", PULL));
    for status in [301, 302, 307, 308] {
        for to in [BY_ID, "/repositories/1296269"] {
            let fake = fake([(STOREFRONT, moved(status, to)), (BY_ID, renamed())]);
            let access = check(&client(&fake), &storefront()).unwrap();
            assert!(access.detail().contains("is `shop` of `contoso` now"), "{}", access.detail());
            assert_eq!(urls(&fake), [STOREFRONT, BY_ID]);
        }
    }
    let gone = fake([(STOREFRONT, moved(301, BY_ID)), (BY_ID, refusal(404, "Not Found"))]);
    assert_reason("gone", &check(&client(&gone), &storefront()), Some(Reason::NOT_FOUND));
    let circle = fake([(STOREFRONT, moved(301, BY_ID)), (BY_ID, moved(301, STOREFRONT))]);
    assert_reason("circle", &check(&client(&circle), &storefront()), Some(Reason::INVALID_RESPONSE));
    assert_eq!(urls(&circle).len(), 2);
    for to in [
        "https://evil.example/repositories/1",
        "https://github.com/repositories/1",
        "http://api.github.com/repositories/1",
        "https://api.github.com:444/repositories/1",
        "https://x@api.github.com/repositories/1",
        "//evil.example/",
        "https://[",
    ] {
        let fake = fake([(STOREFRONT, moved(301, to))]);
        assert_reason(to, &check(&client(&fake), &storefront()), Some(Reason::INVALID_RESPONSE));
        assert_eq!(urls(&fake).len(), 1, "{to}");
    }
}

#[test]
fn what_else_a_server_serves_does_not_see_the_credential() {
    let url = "https://git.example.org/api/v3/repos/contoso/storefront";
    let fake = fake([(url, refusal(301, "Moved").with_header("Location", "/pages/contoso"))]);
    let server = integration().with_domain_name("https://git.example.org/");
    let client = get_client(&fake, server).unwrap();
    assert_reason("a page", &check(&client, &storefront()), Some(Reason::INVALID_RESPONSE));
    assert_eq!(urls(&fake), [url]);
}

#[test]
fn notes_do_not_spoil_a_grant() {
    let archived = entry(1_296_269, "shop", "private", &format!("\"archived\":true,{PULL}"));
    let fake = fake([(BY_ID, json(200, archived))]);
    let access = check(&client(&fake), &storefront().with_external_id("1296269")).unwrap();
    assert!(
        access.detail().contains("`shop`") && access.detail().contains("only be read"),
        "{}",
        access.detail()
    );
    let other = fake_by_id(7);
    assert_reason(
        "another",
        &check(&client(&other), &storefront().with_external_id("1296269")),
        Some(Reason::INVALID_RESPONSE),
    );
}

fn fake_by_id(shown: u64) -> FakeHost {
    fake([(BY_ID, json(200, entry(shown, "storefront", "private", PULL)))])
}

#[test]
fn what_has_not_changed_is_not_sent_again() {
    let fake = fake([
        (STOREFRONT, json(200, private()).with_header("ETag", "W/\"abc\"")),
        (STOREFRONT, json(304, "")),
        (STOREFRONT, json(304, "")),
        (STOREFRONT, refusal(404, "Not Found")),
        (STOREFRONT, json(200, private()).with_header("ETag", "has spaces")),
        (STOREFRONT, json(200, private())),
    ]);
    let client = client(&fake);
    for expected in [None, None, None, Some(Reason::NOT_FOUND), None, None] {
        assert_reason("again", &check(&client, &storefront()), expected);
    }
    let sent: Vec<_> = fake.requests().iter().map(|it| it.headers().get("If-None-Match").is_some()).collect();
    assert_eq!(sent, [false, true, true, true, true, false]);
}

#[test]
fn the_hosts_own_failures_are_passed_on() {
    let fake = FakeHost::new();
    let refused = Failure::new(Reason::UNREACHABLE, "write `allow_hosts`").with_attribute(REFUSED, "true");
    fake.answer(Method::GET, STOREFRONT, refused);
    let apart = get_client(&fake, integration().with_domain_name("https://github.com/")).unwrap();
    let failure = check(&apart, &storefront()).unwrap_err();
    assert!(failure.is_refused());
    assert!(
        failure.detail().ends_with(
            "domain_name of [integrations.acme] to https://api.github.com/, which needs no such line"
        ),
        "{failure}"
    );
    assert_eq!(check(&client(&fake), &storefront()).unwrap_err().detail(), "write `allow_hosts`");
}
