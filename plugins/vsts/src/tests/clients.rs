//! `get_client` and `get_base_url`: who is asked for what, what is saved, and what comes of it.

use forgewatch_plugin_api::{Attributes, BodyState, REFUSED, Reason, Scheme, SiloMode};

use super::*;

fn found(location: &str) -> Response {
    json(
        200,
        &format!(
            r#"{{"id":"79134c72-4a58-4b42-976c-04e7115f32bf","name":"core","locationUrl":"{location}"}}"#
        ),
    )
}

/// The base URL that a client uses, read off its next request.
fn base_of(fake: &FakeHost, client: &Client) -> String {
    let _ = check(client, &Repository::new("r").with_project("P"));
    let url = urls(fake).pop().unwrap();
    url.strip_suffix("P/_apis/git/repositories/r?api-version=7.1").unwrap().to_owned()
}

fn refused() -> Failure {
    Failure::new(Reason::PROVIDER_ERROR, "add `x` to allow_hosts in [providers.vsts]")
        .with_attribute(REFUSED, "host")
}

#[test]
fn a_fit_base_url_costs_no_request() {
    // 1.1, 1.2, 2.1, 2.2, 2.4
    for (domain_name, base_url) in [
        ("https://contoso.visualstudio.com/", "https://contoso.visualstudio.com/"),
        ("https://dev.azure.com/contoso/", BASE),
        ("https://dev.azure.com/contoso", BASE),
    ] {
        let fake = FakeHost::new();
        let client = get_client(&fake, integration(domain_name)).unwrap();
        assert!(fake.requests().is_empty() && fake.saved() == Attributes::default());
        assert_eq!(base_of(&fake, &client), base_url);
    }
}

#[test]
fn plain_http_is_for_servers_that_the_operator_vouches_for() {
    let fake = FakeHost::new();
    let insecure = integration("http://ado:8080/tfs/C").with_insecure_http(true);
    let client = get_client(&fake, insecure).unwrap();
    assert_eq!(base_of(&fake, &client), "http://ado:8080/tfs/C/");
    let cloud = integration("http://contoso.visualstudio.com/").with_insecure_http(true);
    let _ = get_client(&fake, cloud).unwrap_err();
    assert_eq!(urls(&fake).last().unwrap(), LOOKUP);
    let failure = get_client(&fake, integration("http://ado:8080/tfs/C/")).unwrap_err();
    assert!(failure.detail().contains("allow_insecure_http = true"), "{failure}");
}

#[test]
fn a_region_checks_and_repairs_nothing() {
    // 1.3, 1.8, 1.9
    for domain_name in ["https://dev.azure.com/contoso/", "contoso.visualstudio.com/", ""] {
        let fake = FakeHost::new();
        let region = Integration::new("acme", domain_name).with_silo_mode(SiloMode::REGION);
        let client = get_client(&fake, region).unwrap();
        assert!(fake.requests().is_empty());
        assert_eq!(base_of(&fake, &client), domain_name);
        assert_ne!(fake.requests()[0].authentication().scheme(), Some(Scheme::None));
    }
}

#[test]
fn without_an_identity_nothing_is_asked() {
    // 1.5 to 1.7, 1.11: whatever the base URL
    for (domain_name, mode) in
        [("", SiloMode::MONOLITH), ("contoso", SiloMode::CONTROL), (BASE, SiloMode::MONOLITH)]
    {
        let fake = FakeHost::new();
        let bare = Integration::new("acme", domain_name).with_silo_mode(mode);
        let failure = get_client(&fake, bare).unwrap_err();
        assert_eq!(failure.reason(), Reason::IDENTITY_INVALID);
        assert!(failure.detail().contains("identity of [integrations.acme]"), "{failure}");
        assert!(fake.requests().is_empty());
    }
}

#[test]
fn a_malformed_base_url_is_looked_up_saved_and_used_at_once() {
    // 1.4, 1.10, 2.3, 2.5 to 2.8, 2.10, 3.1, 3.6
    for domain_name in [
        "",
        "contoso.visualstudio.com",
        "http://contoso.visualstudio.com/",
        "xhttps://contoso/",
        " https://dev.azure.com/contoso/",
        "https:///",
        "https://contoso.visualstudio.com/\n",
        "None",
    ] {
        for location in ["https://dev.azure.com/contoso/", "https://dev.azure.com/contoso"] {
            let fake = fake([(LOOKUP, found(location))]);
            let client = get_client(&fake, integration(domain_name)).unwrap();
            assert_eq!(urls(&fake), [LOOKUP], "{domain_name:?}");
            assert_eq!(fake.saved().get("domain_name"), Some(BASE));
            assert_eq!(base_of(&fake, &client), BASE);
        }
    }
}

#[test]
fn the_look_up_carries_the_integrations_credential() {
    for (kind, scheme) in [
        ("pat", Scheme::Basic { user: "" }),
        ("oauth2", Scheme::Bearer),
        ("entra", Scheme::Bearer),
        ("basic", Scheme::Bearer),
    ] {
        let fake = fake([(LOOKUP, found(BASE))]);
        get_client(&fake, integration("contoso").with_identity_kind(kind)).unwrap();
        let request = &fake.requests()[0];
        assert_eq!(request.authentication().scheme(), Some(scheme), "{kind}");
        assert_eq!(request.headers().get("X-TFS-FedAuthRedirect"), Some("Suppress"));
    }
}

#[test]
fn the_account_id_is_text_and_escaped() {
    // 2.12
    let url = "https://lookup.example/a%20b%2F%26c?x=1";
    let fake = fake([(url, found(BASE))]);
    let options = r#"{"account_lookup_url": "https://lookup.example/{account_id}?x=1"}"#;
    let odd = integration("contoso").with_external_id("a b/&c").with_options(options);
    assert_eq!(block_on(Vsts.get_base_url(&fake.host(), &odd)).unwrap(), BASE);
    assert_eq!(fake.saved(), Attributes::default());
}

#[test]
fn a_failed_look_up_keeps_its_reason_and_saves_nothing() {
    // 2.9, 2.11, 3.2 to 3.5
    let unresolved = Reason::BASE_URL_UNRESOLVED;
    #[rustfmt::skip]
    let table = [
        ("401", Response::new(401, b"".as_slice()), Reason::UNAUTHORIZED),
        ("203", html(203, "<html>"), Reason::UNAUTHORIZED),
        ("sign-in", html(200, "\n<title>Azure DevOps Services | Sign In</title>"), Reason::UNAUTHORIZED),
        ("redirect", json(302, "").with_header("Location", "https://x/_signin?y"), Reason::UNAUTHORIZED),
        ("403", json(403, "{}"), unresolved),
        ("404", json(404, "{}"), unresolved),
        ("429", json(429, ""), Reason::RATE_LIMITED),
        ("503", json(503, "").with_header("Retry-After", "9"), Reason::RATE_LIMITED),
        ("500", json(500, ""), Reason::PROVIDER_ERROR),
        ("400", json(400, "{}"), Reason::PROVIDER_ERROR),
        ("elsewhere", json(301, "").with_header("Location", "https://x/"), unresolved),
        ("204", json(204, ""), unresolved),
        ("null", json(200, "null"), unresolved),
        ("array", json(200, r#"["https://dev.azure.com/contoso/"]"#), unresolved),
        ("no location", json(200, r#"{"id":"00000000-0000-0000-0000-000000000000"}"#), unresolved),
        ("null location", json(200, r#"{"locationUrl":null}"#), unresolved),
        ("empty location", found(""), unresolved),
        ("http location", found("http://dev.azure.com/contoso/"), unresolved),
        ("foreign location", found("https://dev.azure.com.evil.example/contoso/"), unresolved),
        ("cut off", found(BASE).with_body_state(BodyState::CUT_OFF), unresolved),
        ("html", html(200, "<html>hello</html>"), unresolved),
    ];
    for (name, answer, reason) in table {
        let fake = fake([(LOOKUP, answer.clone())]);
        let failure = get_client(&fake, integration("contoso\n.old")).unwrap_err();
        assert_eq!(failure.reason(), reason, "{name}: {failure}");
        assert_eq!(failure.http_status(), Some(answer.status()), "{name}");
        assert!(failure.detail().contains("`contoso\\n.old`"), "{failure}");
        assert!(failure.detail().contains("domain_name of [integrations.acme]"), "{failure}");
        assert_eq!(fake.saved(), Attributes::default(), "{name}");
        assert_eq!(fake.requests().len(), 1);
    }
}

#[test]
fn the_hosts_own_failures_keep_theirs() {
    #[rustfmt::skip]
    let table = [
        (Failure::new(Reason::UNREACHABLE, "no name").with_http_status(0), Reason::UNREACHABLE),
        (Failure::new(Reason::IDENTITY_INVALID, "refresh token revoked"), Reason::IDENTITY_INVALID),
        (Failure::new(Reason::RATE_LIMITED, "wait").with_retry_after_s(7), Reason::RATE_LIMITED),
        (Failure::new(Reason::PLUGIN_FAILED, "odd"), Reason::BASE_URL_UNRESOLVED),
        (refused(), Reason::BASE_URL_UNRESOLVED),
    ];
    for (failure, reason) in table {
        let fake = FakeHost::new();
        fake.answer(Method::GET, LOOKUP, failure.clone());
        let ended = get_client(&fake, integration("contoso")).unwrap_err();
        assert_eq!(ended.reason(), reason);
        assert!(ended.detail().contains(failure.detail()), "{ended}");
        assert_eq!(
            (ended.retry_after_s(), ended.is_refused()),
            (failure.retry_after_s(), failure.is_refused())
        );
    }
}

#[test]
fn a_refused_save_leaves_the_base_url_unresolved() {
    let fake = fake([(LOOKUP, found(BASE))]);
    fake.refuse_to_save(refused());
    let failure = get_client(&fake, integration("contoso")).unwrap_err();
    assert_eq!(failure.reason(), Reason::BASE_URL_UNRESOLVED);
    assert!(failure.detail().contains("add `x` to allow_hosts"), "{failure}");
}

#[test]
fn what_cannot_be_looked_up_is_not() {
    let roots = r#"{"server_roots": ["https://ado.example.org/tfs/"]}"#;
    #[rustfmt::skip]
    let table = [
        (Integration::new("acme", "contoso").with_identity_kind("pat"), "external_id of [integrations.acme]"),
        (integration("contoso").with_external_id(" "), "external_id of [integrations.acme]"),
        (integration("ado.example.org/tfs/C").with_options(roots), "https://server/tfs/collection/"),
        (integration("http://ado.example.org/tfs/C/").with_options(roots), "allow_insecure_http = true"),
    ];
    for (integration, advice) in table {
        let fake = FakeHost::new();
        let failure = get_client(&fake, integration).unwrap_err();
        assert_eq!(failure.reason(), Reason::BASE_URL_UNRESOLVED);
        assert!(failure.detail().contains(advice), "{failure}");
        assert!(fake.requests().is_empty());
    }
}

#[test]
fn user_information_in_a_base_url_is_never_shown() {
    let fake = FakeHost::new();
    let failure = get_client(&fake, integration("https://me:s3cret@dev.azure.com/contoso/")).unwrap_err();
    assert!(!failure.detail().contains("s3cret"), "{failure}");
}
