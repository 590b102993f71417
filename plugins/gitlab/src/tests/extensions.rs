//! What the provider offers beside checks.

use std::time::{Duration, UNIX_EPOCH};

use super::*;

const FIRST: &str = "projects?membership=true&min_access_level=20&simple=false&pagination=keyset&order_by=id&sort=asc&per_page=100";

fn page(fake: &FakeHost, request: &ListRequest) -> Result<RepositoryPage, Failure> {
    block_on(GitLab.list_repositories(&client(fake), request))
}

fn entry(id: u64, path: &str, rest: &str, level: &str) -> String {
    format!(
        r#"{{"id":{id},"path_with_namespace":"{path}","visibility":"private",{rest}"permissions":{{"project_access":{level},"group_access":null}}}}"#
    )
}

#[test]
fn a_page_shows_what_is_granted_with_the_verdict_that_a_check_would_give() {
    let developer = r#"{"access_level":30}"#;
    let body = [
        entry(1, "contoso/web/shop/storefront", "", developer),
        entry(2, "contoso/old", r#""archived":true,"#, developer),
        entry(3, "contoso/off", r#""repository_access_level":"disabled","#, developer),
        // Shared with a group, which the list does not show: to be asked for by itself.
        entry(4, "contoso/shared", "", "null"),
        entry(5, "contoso/guest", "", r#"{"access_level":10}"#),
    ];
    let fake = fake([(FIRST, json(200, &format!("[{}]", body.join(","))))]);
    let page = page(&fake, &ListRequest::first()).unwrap();
    let shown: Vec<_> = page
        .repositories()
        .iter()
        .map(|it| (it.external_id().unwrap(), it.project().unwrap(), it.name(), it.access()))
        .collect();
    assert_eq!(shown[0], ("1", "contoso/web/shop", "storefront", &Ok(Access::granted())));
    assert!(shown[1].3.as_ref().is_ok_and(|access| access.detail().contains("is archived")));
    assert_eq!(shown[2].3.as_ref().unwrap_err().reason(), Reason::DISABLED);
    assert_eq!((shown.len(), page.next(), page.incomplete()), (3, None, None));
}

#[test]
fn pages_follow_the_servers_own_link_and_no_other() {
    let linked = |link: &str| json(200, "[]").with_header("Link", link);
    let query = "id_after=42&membership=true&order_by=id";
    for link in [
        format!("<{BASE}api/v4/projects?{query}>; rel=\"next\""),
        format!(
            "<https://x/>; rel=\"first\", <http://git.example.org/gitlab/api/v4/projects?{query}>; rel=\"next\""
        ),
        format!("</gitlab/api/v4/projects?{query}>; rel=next"),
    ] {
        let next = format!("projects?{query}");
        let fake = fake([(FIRST, linked(&link)), (&*next, json(200, "[]"))]);
        let first = page(&fake, &ListRequest::first()).unwrap();
        assert_eq!(first.next(), Some(query));
        let last = page(&fake, &ListRequest::after(query)).unwrap();
        assert_eq!((last.next(), asked(&fake)), (None, vec![FIRST.to_owned(), next]));
    }
    for link in ["<https://evil.example/gitlab/api/v4/projects?x>", "</gitlab/api/v4/users?x>", "<https://[>"]
    {
        let fake = fake([(FIRST, linked(&format!("{link}; rel=\"next\"")))]);
        assert_eq!(page(&fake, &ListRequest::first()).unwrap_err().reason(), Reason::INVALID_RESPONSE);
    }
    let fake = fake([(FIRST, linked("<https://evil.example/>; rel=\"last\""))]);
    assert_eq!(page(&fake, &ListRequest::first()).unwrap().next(), None);
}

#[test]
fn a_page_that_cannot_be_had_fails_as_a_check_would() {
    for (answer, reason) in [
        (json(401, r#"{"message":"401 Unauthorized"}"#), Reason::UNAUTHORIZED),
        (Response::new(429, b"Retry later".as_slice()), Reason::RATE_LIMITED),
        (json(500, ""), Reason::PROVIDER_ERROR),
        (json(404, r#"{"message":"404 Not Found"}"#), Reason::PROVIDER_ERROR),
        (json(404, r#"{"error":"404 Not Found"}"#), Reason::PROVIDER_ERROR),
        (json(410, "{}"), Reason::PROVIDER_ERROR),
        (json(200, "{}"), Reason::INVALID_RESPONSE),
        (json(200, r#"[{"id":1}]"#), Reason::INVALID_RESPONSE),
        (json(200, "[]").with_body_state(BodyState::CUT_OFF), Reason::INVALID_RESPONSE),
    ] {
        let failure = page(&fake([(FIRST, answer)]), &ListRequest::first()).unwrap_err();
        assert_eq!(failure.reason(), reason, "{failure}");
        assert!(failure.detail().starts_with("the list of projects of `acme`"), "{failure}");
        let is_missing = matches!(failure.http_status(), Some(404 | 410));
        assert_eq!(failure.detail().contains("check the integration's domain_name"), is_missing, "{failure}");
        assert!(!failure.detail().contains("such project") && !failure.detail().contains("%2F"), "{failure}");
    }
}

#[test]
fn an_identity_says_who_it_is_and_when_its_token_ends() {
    let user = || json(200, r#"{"id":7,"username":"deploy-bot"}"#);
    let probe = |token: Response| {
        let fake = fake([("user", user()), ("personal_access_tokens/self", token)]);
        block_on(GitLab.probe_identity(&client(&fake)))
    };
    let whole = probe(json(200, r#"{"id":1,"scopes":["read_api"],"expires_at":"2025-02-12"}"#)).unwrap();
    assert_eq!((whole.subject(), whole.scopes()), ("deploy-bot", &["read_api".to_owned()][..]));
    assert_eq!(whole.expires_at(), UNIX_EPOCH.checked_add(Duration::from_secs(1_739_318_400)));
    for token in [
        json(200, r#"{"expires_at":null}"#),
        json(200, r#"{"expires_at":"soon"}"#),
        json(200, "what?"),
        json(404, r#"{"error":"404 Not Found"}"#),
        json(403, "{}"),
    ] {
        let probe = probe(token).unwrap();
        assert_eq!((probe.subject(), probe.expires_at()), ("deploy-bot", None));
    }
    assert_eq!(probe(json(502, "")).unwrap_err().reason(), Reason::PROVIDER_ERROR);
    let fake = fake([("user", json(401, "{}"))]);
    assert_eq!(block_on(GitLab.probe_identity(&client(&fake))).unwrap_err().reason(), Reason::UNAUTHORIZED);
}

#[test]
fn a_token_of_oauth_is_not_asked_about() {
    let fake = fake([("user", json(200, r#"{"username":"me"}"#))]);
    let integration = Integration::new("acme", BASE).with_identity_kind("oauth2");
    let client = block_on(GitLab.get_client(fake.host(), integration)).unwrap();
    assert_eq!(block_on(GitLab.probe_identity(&client)).unwrap().subject(), "me");
    assert_eq!(block_on(GitLab.requirements(&client)), Ok(Requirements::unknown()));
    assert_eq!(asked(&fake), ["user"]);
}

#[test]
fn scopes_say_what_an_identity_may_do() {
    let unknown = Requirements::unknown();
    let reader = unknown.with_read(true).with_write(false).with_webhooks(false);
    for (scopes, expected) in [
        (r#"["read_api"]"#, reader),
        (r#"["read_api","write_repository"]"#, reader.with_write(true)),
        (r#"["api"]"#, reader.with_write(true).with_webhooks(true)),
        (r#"["read_user"]"#, unknown),
        ("[]", unknown),
    ] {
        let fake = fake([("personal_access_tokens/self", json(200, &format!(r#"{{"scopes":{scopes}}}"#)))]);
        assert_eq!(block_on(GitLab.requirements(&client(&fake))), Ok(expected), "{scopes}");
    }
    let fake = fake([("personal_access_tokens/self", json(401, "{}"))]);
    assert_eq!(block_on(GitLab.requirements(&client(&fake))).unwrap_err().reason(), Reason::UNAUTHORIZED);
}

#[test]
fn limits_are_known_of_gitlab_com_alone() {
    for (domain_name, requests) in [
        ("https://gitlab.com/", Some((400, Duration::from_secs(60)))),
        ("https://gitlab.com/api/v4", Some((400, Duration::from_secs(60)))),
        (BASE, None),
        ("gitlab.com", None),
    ] {
        let limits = GitLab.limits(&integration(domain_name));
        assert_eq!((limits.requests(), limits.page_size()), (requests, Some(100)), "{domain_name}");
    }
}
