//! Repositories that alone do not tell whether anything is granted to the identity.

use forgewatch_plugin_api::Reason;

use super::*;

fn listed(entries: &[String]) -> Response {
    json(200, format!("[{}]", entries.join(",")))
}

#[test]
fn a_public_repository_is_looked_for_in_the_list() {
    let other = || entry(7, "other", "private", PULL);
    let unreadable = "{}".to_owned();
    let without_pull = entry(1_296_269, "storefront", "public", r#""permissions":{"pull":false}"#);
    let cut = |response: Response| response.with_header("X-GitHub-SSO", "partial-results; organizations=1,2");
    #[rustfmt::skip]
    let table = [
        ("listed", listed(&[other(), public()]), None, ""),
        ("not listed", listed(&[other()]), Some(Reason::FORBIDDEN), "anyone can read it, but nothing is granted to the identity"),
        ("empty", listed(&[]), Some(Reason::FORBIDDEN), "nothing is granted"),
        ("without pull", listed(&[without_pull]), Some(Reason::FORBIDDEN), "nothing is granted"),
        ("listed though cut", cut(listed(&[public()])), None, ""),
        ("cut", cut(listed(&[other()])), Some(Reason::PROVIDER_ERROR), "single sign-on"),
        ("unreadable entry", listed(&[unreadable]), Some(Reason::PROVIDER_ERROR), "no repositories"),
        ("no list", json(200, "{}"), Some(Reason::INVALID_RESPONSE), "cannot be told"),
        ("401", refusal(401, "Bad credentials"), Some(Reason::PROVIDER_ERROR), "cannot be told"),
        ("404", refusal(404, "Not Found"), Some(Reason::PROVIDER_ERROR), "cannot be told"),
        ("429", refusal(429, "slow down"), Some(Reason::RATE_LIMITED), "cannot be told"),
        ("500", json(500, ""), Some(Reason::PROVIDER_ERROR), "cannot be told"),
    ];
    for (name, list, expected, part) in table {
        let fake = fake([(STOREFRONT, json(200, public())), (USER_LIST, list)]);
        let ended = check(&client(&fake), &storefront());
        assert_eq!(ended.as_ref().err().map(Failure::reason), expected, "{name}: {ended:?}");
        let detail = ended.err().map(|failure| failure.detail().to_owned()).unwrap_or_default();
        assert!(detail.contains(part), "{name}: {detail}");
        assert_eq!(urls(&fake), [STOREFRONT, USER_LIST], "{name}");
    }
}

#[test]
fn installations_have_a_list_of_their_own() {
    let list = || {
        json(
            200,
            format!(
                r#"{{"total_count":1,"repositories":[{}]}}"#,
                public().replace("\"pull\":true", "\"pull\":false")
            ),
        )
    };
    for known in [
        integration().with_identity_kind("github_app"),
        integration().with_attribute(forgewatch_plugin_api::TOKEN_PREFIX, "ghs_"),
    ] {
        let fake = fake([(STOREFRONT, json(200, public())), (INSTALLED, list())]);
        assert!(check(&get_client(&fake, known).unwrap(), &storefront()).is_ok());
        assert_eq!(urls(&fake), [STOREFRONT, INSTALLED]);
    }
    // Where nobody knows what it is, it is found out once.
    let unknown = fake([
        (STOREFRONT, json(200, public())),
        (USER_LIST, refusal(403, "Resource not accessible by integration")),
        (INSTALLED, list()),
    ]);
    let client = client(&unknown);
    assert!(check(&client, &storefront()).is_ok());
    assert!(client.is_installation());
    let neither = fake([
        (STOREFRONT, json(200, public())),
        (USER_LIST, refusal(403, "Resource not accessible by personal access token")),
        (INSTALLED, refusal(403, "not for you")),
    ]);
    let failure = check(&super::client(&neither), &storefront()).unwrap_err();
    assert_eq!(failure.reason(), Reason::PROVIDER_ERROR);
    assert!(failure.detail().contains("personal access token"), "{failure}");
}

#[test]
fn a_repository_that_may_not_be_read_is_not_granted() {
    let unreadable = entry(1_296_269, "storefront", "private", r#""permissions":{"pull":false}"#);
    let fake = fake([(STOREFRONT, json(200, unreadable)), (USER_LIST, listed(&[]))]);
    let failure = check(&client(&fake), &storefront()).unwrap_err();
    assert_eq!(failure.reason(), Reason::FORBIDDEN);
    assert!(failure.detail().contains("may not read it"), "{failure}");
}

#[test]
fn one_reading_serves_the_next_checks() {
    let fake = fake([
        (STOREFRONT, json(200, public())),
        (USER_LIST, json(200, "[]").with_header("Link", &format!("<{API}user/repos?page=2>; rel=\"next\""))),
        ("https://api.github.com/user/repos?page=2", listed(&[public()])),
    ]);
    let client = client(&fake);
    for _ in 0..3 {
        check(&client, &storefront()).unwrap();
    }
    let lists = urls(&fake).iter().filter(|url| url.contains("user/repos")).count();
    assert_eq!(lists, 2, "two pages, read once");
}

#[test]
fn a_list_without_an_end_proves_nothing() {
    let again = json(200, "[]").with_header("Link", &format!("<{USER_LIST}>; rel=\"next\""));
    let fake = fake([(STOREFRONT, json(200, public())), (USER_LIST, again)]);
    let failure = check(&client(&fake), &storefront()).unwrap_err();
    assert_eq!(failure.reason(), Reason::PROVIDER_ERROR);
    assert!(failure.detail().contains("more than 100 pages"), "{failure}");
    assert_eq!(urls(&fake).len(), 101);
}
