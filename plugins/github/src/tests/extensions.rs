//! What the provider offers beside checks.

use std::time::{Duration, SystemTime};

use forgewatch_plugin_api::{ListRequest, Reason, RepositoryPage};

use super::*;

fn list(client: &Client, cursor: Option<&str>) -> Result<RepositoryPage, Failure> {
    let request = cursor.map_or_else(ListRequest::first, ListRequest::after);
    block_on(Github.list_repositories(client, &request))
}

fn app(fake: &FakeHost) -> Client {
    get_client(fake, integration().with_identity_kind("github_app")).unwrap()
}

fn installed(total: u64, entries: &[String]) -> Response {
    json(200, format!(r#"{{"total_count":{total},"repositories":[{}]}}"#, entries.join(",")))
}

fn then(response: Response, next: &str) -> Response {
    response.with_header("Link", &format!("<{next}>; rel=\"next\", <{API}user/repos?page=9>; rel=\"last\""))
}

#[test]
fn pages_say_what_a_check_would() {
    let archived = entry(2, "attic", "private", &format!("\"archived\":true,{PULL}"));
    let disabled = entry(3, "frozen", "private", &format!("\"disabled\":true,{PULL}"));
    let unreadable = entry(4, "hidden", "private", r#""permissions":{"pull":false}"#);
    let fake = fake([(USER_LIST, json(200, format!("[{},{archived},{disabled},{unreadable}]", private())))]);
    let page = list(&client(&fake), None).unwrap();
    assert_eq!((page.next(), page.requests_left(), page.incomplete()), (None, Some(0), None));
    let shown: Vec<_> = page
        .repositories()
        .iter()
        .map(|it| {
            (
                it.external_id().unwrap(),
                it.project().unwrap(),
                it.name(),
                it.access().as_ref().err().map(Failure::reason),
            )
        })
        .collect();
    assert_eq!(
        shown,
        [
            ("1296269", "contoso", "storefront", None),
            ("2", "contoso", "attic", None),
            ("3", "contoso", "frozen", Some(Reason::DISABLED)),
        ]
    );
    let archived = page.repositories()[1].access().as_ref().unwrap();
    assert!(archived.detail().contains("only be read"));
}

#[test]
fn pages_follow_each_other_on_any_client() {
    let second = "https://api.github.com/installation/repositories?per_page=100&page=2";
    let fake = fake([
        (INSTALLED, then(installed(250, &vec![private(); 100]), second)),
        (second, installed(250, &vec![private(); 150])),
    ]);
    let first = list(&app(&fake), None).unwrap();
    assert_eq!((first.requests_left(), first.repositories().len()), (Some(2), 100));
    let last = list(&app(&fake), first.next()).unwrap();
    assert_eq!((last.next(), last.incomplete(), last.repositories().len()), (None, None, 150));
    assert_eq!(urls(&fake), [INSTALLED, second]);

    let user = super::fake([(USER_LIST, then(json(200, "[]"), "https://api.github.com/user/repos?page=2"))]);
    assert_eq!(list(&client(&user), None).unwrap().requests_left(), Some(8));
}

#[test]
fn a_list_that_is_not_whole_says_so() {
    let second = "https://api.github.com/installation/repositories?page=2";
    let one = || [private()];
    #[rustfmt::skip]
    let table = [
        ("shrinks", then(installed(2, &one()), second), installed(1, &one()), "changed while it was read"),
        ("ends early", then(installed(3, &one()), second), installed(3, &one()), "says that it has 3 entries, and showed 2"),
        ("odd entry", then(installed(2, &one()), second), installed(2, &["7".to_owned()]), "1 of its entries"),
        ("leads elsewhere", then(installed(2, &one()), second), then(installed(2, &one()), "https://evil.example/x"), "leads elsewhere"),
        ("leads out", then(installed(2, &one()), second), then(installed(2, &one()), "//evil.example/x"), "leads elsewhere"),
        ("sign-on", then(installed(2, &one()), second), installed(2, &one()).with_header("X-GitHub-SSO", "partial-results; organizations=21955855"), "`21955855`"),
    ];
    for (name, first, last, why) in table {
        let fake = fake([(INSTALLED, first), (second, last)]);
        let client = app(&fake);
        let page = list(&client, None).unwrap();
        assert_eq!(page.incomplete(), None, "{name}");
        let page = list(&client, page.next()).unwrap();
        assert!(page.incomplete().is_some_and(|incomplete| incomplete.contains(why)), "{name}: {page:?}");
        assert_eq!(page.next(), None, "{name}");
    }
}

#[test]
fn a_cursor_leads_nowhere_but_to_the_interface() {
    for cursor in [
        "",
        "user 0 - https://evil.example/",
        "user 0 - //evil.example/",
        "user 0 - ../../x",
        "else 0 - user/repos",
    ] {
        let fake = FakeHost::new();
        let own = get_client(&fake, integration().with_domain_name("https://git.example.org/")).unwrap();
        let failure = list(&own, Some(cursor)).unwrap_err();
        assert_eq!(failure.reason(), Reason::PLUGIN_FAILED, "{cursor}");
        assert!(fake.requests().is_empty(), "{cursor}");
    }
    let fake = fake([(USER_LIST, refusal(401, "Bad credentials"))]);
    let failure = list(&client(&fake), None).unwrap_err();
    assert_eq!((failure.reason(), failure.http_status()), (Reason::UNAUTHORIZED, Some(401)));
}

#[test]
fn a_list_or_user_that_is_not_there_is_a_wrong_address_and_no_denial() {
    let me = "https://api.github.com/user";
    for answer in [
        refusal(404, "Not Found"),
        Response::new(404, b"nope".as_slice()),
        refusal(410, "gone"),
        json(451, ""),
    ] {
        let fake = fake([(USER_LIST, answer.clone()), (me, answer)]);
        let listed = list(&client(&fake), None).unwrap_err();
        let probed = block_on(Github.probe_identity(&client(&fake))).unwrap_err();
        for failure in [listed, probed] {
            assert_eq!(failure.reason(), Reason::PROVIDER_ERROR, "{failure}");
            assert!(failure.detail().contains("check the integration's domain_name"), "{failure}");
            assert!(!failure.detail().contains("repository"), "{failure}");
        }
    }
}

#[test]
fn identities_introduce_themselves() {
    let user = || json(200, r#"{"login":"deploy-bot"}"#).with_header("X-OAuth-Scopes", "repo, read:org");
    let me = "https://api.github.com/user";
    let fake =
        fake([(me, user().with_header("github-authentication-token-expiration", "2099-08-14 08:15:54 UTC"))]);
    let probe = block_on(Github.probe_identity(&client(&fake))).unwrap();
    assert_eq!(
        (probe.subject(), probe.scopes()),
        ("deploy-bot", &["repo".to_owned(), "read:org".to_owned()][..])
    );
    assert!(
        probe.expires_at().is_some_and(|at| at > SystemTime::UNIX_EPOCH + Duration::from_secs(4_000_000_000))
    );
    // A time that has passed is not the end of a token that was just accepted.
    let past = super::fake([(
        me,
        user().with_header("github-authentication-token-expiration", "2026-01-05 10:00:10 UTC"),
    )]);
    assert_eq!(block_on(Github.probe_identity(&client(&past))).unwrap().expires_at(), None);

    let app = super::fake([
        (me, refusal(403, "Resource not accessible by integration")),
        (USER_LIST, refusal(403, "no")),
        (INSTALLED, installed(1, &[private()])),
    ]);
    assert_eq!(
        block_on(Github.probe_identity(&client(&app))).unwrap().subject(),
        "an installation on `contoso`"
    );
    let dead = super::fake([(me, refusal(401, "Bad credentials"))]);
    assert_eq!(block_on(Github.probe_identity(&client(&dead))).unwrap_err().reason(), Reason::UNAUTHORIZED);
    let limited = super::fake([(me, refusal(403, "secondary rate limit"))]);
    assert_eq!(
        block_on(Github.probe_identity(&client(&limited))).unwrap_err().reason(),
        Reason::RATE_LIMITED
    );
}

#[test]
fn requirements_are_what_answers_say() {
    let me = "https://api.github.com/user";
    for (scopes, expected) in [
        (Some("repo"), (Some(true), Some(true), Some(true))),
        (Some("public_repo"), (None, None, None)),
        (Some(""), (Some(false), Some(false), Some(false))),
        (Some("read:org, admin:repo_hook"), (Some(false), Some(false), Some(true))),
        (None, (None, None, None)),
    ] {
        let user = json(200, r#"{"login":"deploy-bot"}"#);
        let user = scopes.map_or(user.clone(), |scopes| user.with_header("X-OAuth-Scopes", scopes));
        let fake = fake([(me, user)]);
        let found = block_on(Github.requirements(&client(&fake))).unwrap();
        assert_eq!((found.read(), found.write(), found.webhooks()), expected, "{scopes:?}");
    }
    for (entries, expected) in [
        (vec![private()], (Some(true), None)),
        (vec![private(), entry(2, "b", "private", PUSH)], (Some(true), Some(true))),
        (vec![], (None, None)),
    ] {
        let fake = fake([(INSTALLED, installed(entries.len() as u64, &entries))]);
        let found = block_on(Github.requirements(&app(&fake))).unwrap();
        assert_eq!((found.read(), found.write()), expected);
    }
}

#[test]
fn limits_are_those_of_the_cloud() {
    let of = |domain_name: &str| Github.limits(&integration().with_domain_name(domain_name));
    for cloud in ["https://github.com/", "https://api.github.com/contoso/", "https://acme.ghe.com/"] {
        assert_eq!(of(cloud).requests(), Some((5000, Duration::from_secs(3600))), "{cloud}");
        assert_eq!(of(cloud).page_size(), Some(100));
    }
    assert_eq!(
        (of("https://git.example.org/").requests(), of("https://git.example.org/").page_size()),
        (None, Some(100))
    );
    assert_eq!(of("nonsense").page_size(), None);
}
