use forgewatch_plugin_api::{Authentication, Method, Reason, Request, SiloMode};
use url::Url;

use super::server::{Server, answer};
use super::*;
use crate::config::HostPort;
use crate::services::Approvals;

/// What a request for `url` is refused with, by an integration of `https://acme.example/`.
async fn refusal(fixture: &Fixture, request: Request) -> String {
    let integration = fixture.integration("https://acme.example/", pat());
    let failure = integration.http(&request, None).await.unwrap_err();
    assert!(failure.is_refused(), "{failure}");
    assert_eq!(failure.reason(), Reason::UNREACHABLE);
    failure.detail().to_owned()
}

#[tokio::test]
async fn urls_outside_of_what_is_allowed_are_refused() {
    let mut fixture = Fixture::new();
    fixture.allow_hosts = vec!["look.example".parse().unwrap()];
    let allowing =
        |host| format!("write `allow_hosts = [\"look.example\", \"{host}\"]` under `[providers.vsts]`");
    let insecure = "https alone is possible beside the integration's own base URL".to_owned();
    let cases = [
        ("https://other.example/x?token=y", allowing("other.example")),
        ("https://acme.example:8443/", allowing("acme.example:8443")),
        ("https://look.example:8443/", allowing("look.example:8443")),
        ("https://acme.example.evil.example/", allowing("acme.example.evil.example")),
        ("https://169.254.169.254/", allowing("169.254.169.254")),
        ("https://[::1]:99/", allowing("[::1]:99")),
        ("http://acme.example/", insecure.clone()),
        ("http://look.example/", insecure.clone()),
        ("ftp://acme.example/", insecure.clone()),
        ("file:///etc/passwd", insecure),
    ];
    for (url, expected) in cases {
        let detail = refusal(&fixture, authenticated(url)).await;
        assert!(detail.ends_with(&expected) && !detail.contains("token"), "{detail}");
    }
    for url in [
        "https://me:pass-word@acme.example/",
        "/relative",
        "https://",
        "",
        "https://me:pass-word@:99999/?pass-word",
    ] {
        let detail = refusal(&fixture, authenticated(url)).await;
        assert!(!detail.contains("pass-word"), "{detail}");
    }
}

#[test]
fn a_host_that_is_approved_is_allowed_and_a_wish_says_how() {
    let host = |host: &str| host.parse::<HostPort>().unwrap();
    let approvals = Approvals {
        approved: vec![host("approved.example")],
        wished: ["approved.example", "wished.example:8443"].map(host).into(),
    };
    let policy = ProviderPolicy::new("vsts", vec![host("look.example")], false, &[]).unwrap();
    let policy = policy.with_approvals(approvals);
    let url = |text| Url::parse(text).unwrap();
    assert!(policy.allows_host(&url("https://approved.example/x")));
    assert!(policy.allows_host(&url("https://look.example/x")));
    let line =
        |host| format!("write `allow_hosts = [\"look.example\", \"{host}\"]` under `[providers.vsts]`");
    for (text, expected) in [
        (
            "https://wished.example:8443/",
            format!(
                "{}, or run `forgewatch plugin lock vsts --approve wished.example:8443`",
                line("wished.example:8443")
            ),
        ),
        ("https://wished.example/", line("wished.example")),
        ("https://approved.example:8443/", line("approved.example:8443")),
    ] {
        assert!(!policy.allows_host(&url(text)), "{text}");
        assert_eq!(policy.allowing(&url(text)), expected);
    }
}

#[tokio::test]
async fn plain_http_needs_a_word_from_the_operator() {
    let fixture = Fixture::new();
    let settings = IntegrationSettings {
        key: "acme".to_owned(),
        domain_name: "http://acme.example/".to_owned(),
        allow_insecure_http: false,
        identity: None,
        metadata: BTreeMap::new(),
    };
    let integration = fixture.services().for_integration(fixture.policy(), settings);
    let failure = integration.http(&Request::get("http://acme.example/"), None).await.unwrap_err();
    let line = "add `allow_insecure_http = true` under `[integrations.acme]`";
    assert!(failure.is_refused() && failure.detail().ends_with(line), "{failure}");
}

#[tokio::test]
async fn a_host_that_is_allowed_is_reached() {
    let server = Server::start_tls(|_, _| answer(200, &[], "")).await;
    let mut fixture = Fixture::new().trusting(&server);
    let port = Url::parse(&server.url("")).unwrap().port().unwrap();
    fixture.allow_hosts = vec![format!("127.0.0.1:{port}").parse().unwrap()];
    let integration = fixture.integration("contoso", None);
    integration.http(&Request::get(server.url("x")), None).await.unwrap();
}

#[tokio::test]
async fn requests_read_and_bring_no_headers_of_the_hosts() {
    let fixture = Fixture::new();
    let url = "https://acme.example/";
    let writing = "add `allow_write = true` under `[providers.vsts]`";
    for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
        let detail = refusal(&fixture, Request::new(method, url)).await;
        assert!(detail.ends_with(writing), "{detail}");
    }
    let detail = refusal(&fixture, Request::get(url).with_header("X-HTTP-Method-Override", "DELETE")).await;
    assert!(detail.ends_with(writing), "{detail}");
    for name in [
        "Authorization",
        "proxy-authorization",
        "Cookie",
        "HOST",
        "content-length",
        "Transfer-Encoding",
        "Connection",
        "Upgrade",
        "TE",
        "Trailer",
        "Keep-Alive",
        "a b",
        "",
    ] {
        refusal(&fixture, Request::get(url).with_header(name, "x")).await;
        if name != "Authorization" {
            refusal(&fixture, Request::get(url).with_authentication(Authentication::header(name))).await;
        }
    }
    refusal(&fixture, Request::get(url).with_header("x-fine", "a\r\nb: c")).await;
}

#[tokio::test]
async fn a_missing_credential_comes_before_the_url() {
    let mut fixture = Fixture::new();
    for (silo_mode, identity, expected) in [
        (SiloMode::MONOLITH, None, "add `identity` under `[integrations.acme]`"),
        (SiloMode::REGION, pat(), "this process holds no identities"),
    ] {
        fixture.silo_mode = silo_mode;
        let integration = fixture.integration("https://acme.example/", identity);
        for url in ["https://acme.example/", "https://other.example/", "no URL"] {
            let failure = integration.http(&authenticated(url), None).await.unwrap_err();
            assert_eq!(failure.reason(), Reason::IDENTITY_INVALID, "{url}");
            assert!(failure.detail().ends_with(expected) && !failure.is_refused(), "{failure}");
        }
    }
}
