use axum::body::Body;
use axum::http::StatusCode;

use super::fixture::{Answer, Fixture, LISTEN, request};
use crate::api::access::{Access, Gate, Scope};
use crate::config::{ApiAuth, Environment, Loaded, Request};

const TOKENS: &[(&str, Scope)] = &[("reader", Scope::Read), ("operator", Scope::Operate)];

fn guarded() -> Fixture {
    Fixture::listening(LISTEN, Access::with(ApiAuth::Tokens, &[], TOKENS))
}

async fn with_header(api: &Fixture, method: &str, path: &str, header: (&str, &str)) -> Answer {
    api.answer(request(method, path).header(header.0, header.1).body(Body::empty()).unwrap()).await
}

#[tokio::test]
async fn scopes_decide_what_a_token_allows() {
    let api = guarded();
    let cases = [
        ("GET", "/api/v1/status", "", 401),
        ("GET", "/api/v1/openapi.json", "", 401),
        ("GET", "/api/v1/status", "Bearer reader", 200),
        ("GET", "/api/v1/status", "bearer  reader", 200),
        ("GET", "/api/v1/status", "Bearer operator", 200),
        ("GET", "/api/v1/status", "Bearer reade", 401),
        ("GET", "/api/v1/status", "Bearer readerr", 401),
        ("GET", "/api/v1/status", "Bearer ", 401),
        ("GET", "/api/v1/status", "Basic reader", 401),
        ("GET", "/api/v1/status", "reader", 401),
        ("POST", "/-/reload", "", 401),
        ("POST", "/-/reload", "Bearer reader", 403),
        ("POST", "/-/reload", "Bearer operator", 200),
        ("POST", "/api/v1/check", "Bearer reader", 403),
        ("GET", "/livez", "", 200),
        ("GET", "/readyz", "", 200),
        ("GET", "/metrics", "", 200),
    ];
    for (method, path, token, expected) in cases {
        let answer = match token {
            "" => api.answer(request(method, path).body(Body::empty()).unwrap()).await,
            token => with_header(&api, method, path, ("authorization", token)).await,
        };
        assert_eq!(answer.status, expected, "{method} {path} {token}: {}", answer.body);
        assert_eq!(answer.headers.contains_key("www-authenticate"), expected == 401, "{path} {token}");
        assert!(!answer.body.to_string().contains("reade"), "{}", answer.body);
    }
}

#[tokio::test]
async fn two_tokens_at_once_are_none() {
    let api = guarded();
    let twice = request("GET", "/api/v1/status").header("authorization", "Bearer reader");
    let twice = twice.header("authorization", "Bearer operator").body(Body::empty()).unwrap();
    assert_eq!(api.answer(twice).await.status, 401);
}

#[tokio::test]
async fn metrics_take_a_token_off_loopback_and_probes_never_do() {
    for listen in ["192.0.2.1:9477", "0.0.0.0:9477"] {
        let api = Fixture::listening(listen, Access::with(ApiAuth::Tokens, &[], TOKENS));
        let get = |path: &str, token: Option<&str>| {
            let request = axum::http::Request::builder().uri(path).header("host", "192.0.2.1:9477");
            let request = match token {
                Some(token) => request.header("authorization", format!("Bearer {token}")),
                None => request,
            };
            api.answer(request.body(Body::empty()).unwrap())
        };
        assert_eq!(get("/metrics", None).await.status, 401, "{listen}");
        assert_eq!(get("/metrics", Some("reader")).await.status, 200, "{listen}");
        assert_eq!(get("/livez", None).await.status, 200, "{listen}");
        assert_eq!(get("/readyz", None).await.status, 200, "{listen}");
    }
}

#[tokio::test]
async fn without_tokens_only_loopback_is_open() {
    assert_eq!(Fixture::new().get("/api/v1/status").await.status, 200);
    let gate = |listen: &str, auth, tokens| {
        Gate::new(listen.parse().unwrap(), Access::with(auth, &[], tokens)).map(drop)
    };
    for loopback in ["127.0.0.1:1", "127.9.9.9:1", "[::1]:1", "[::ffff:127.0.0.1]:1"] {
        assert!(gate(loopback, ApiAuth::Tokens, &[]).is_ok(), "{loopback}");
    }
    for reachable in ["0.0.0.0:1", "[::]:1", "192.0.2.1:1", "[2001:db8::1]:1"] {
        let error = gate(reachable, ApiAuth::Tokens, &[]).unwrap_err().to_string();
        assert!(error.contains("api.tokens.NAME") && error.contains("api.auth = \"none\""), "{error}");
        assert!(gate(reachable, ApiAuth::Tokens, TOKENS).is_ok(), "{reachable}");
        assert!(gate(reachable, ApiAuth::None, &[]).is_ok(), "{reachable}");
    }
    let error =
        crate::api::Server::bind("0.0.0.0:0".parse().unwrap(), Access::with(ApiAuth::Tokens, &[], &[]));
    assert!(error.await.is_err());
}

#[tokio::test]
async fn a_reload_replaces_tokens_but_never_takes_the_last_one_away() {
    let api = guarded();
    let fresh = Access::with(ApiAuth::Tokens, &[], &[("fresh", Scope::Read)]);
    let gate = &api.shared.gate;
    gate.replace(gate.admissible(fresh).unwrap());
    let status = |token: &'static str| with_header(&api, "GET", "/api/v1/status", ("authorization", token));
    assert_eq!(status("Bearer reader").await.status, 401);
    assert_eq!(status("Bearer fresh").await.status, 200);

    let gate = Gate::new("192.0.2.1:1".parse().unwrap(), Access::with(ApiAuth::Tokens, &[], TOKENS)).unwrap();
    assert!(gate.admissible(Access::with(ApiAuth::Tokens, &[], &[])).is_err());
    let headers = axum::http::HeaderMap::new();
    assert!(gate.admit(&headers, None, Scope::Read).is_err(), "it must be as closed as before");

    let loopback = &api.shared.gate;
    let error = loopback.admissible(Access::with(ApiAuth::Tokens, &[], &[])).map(drop).unwrap_err();
    assert!(error.to_string().contains("api.auth = \"none\""), "{error}");
    loopback.replace(loopback.admissible(Access::with(ApiAuth::None, &[], &[])).unwrap());
    assert_eq!(api.get("/api/v1/status").await.status, 200);
}

#[tokio::test]
async fn the_document_asks_for_a_token_only_where_the_api_does() {
    let open = Fixture::new().get("/api/v1/openapi.json").await.body;
    assert_eq!(open["paths"]["/api/v1/status"]["get"]["security"], serde_json::json!([]));
    let guarded =
        with_header(&guarded(), "GET", "/api/v1/openapi.json", ("authorization", "Bearer reader")).await.body;
    let security = serde_json::json!([{ "token": [] }]);
    assert_eq!(guarded["paths"]["/api/v1/status"]["get"]["security"], security);
}

#[tokio::test]
async fn a_token_in_a_url_is_refused_whoever_sends_it() {
    let api = Fixture::new();
    for query in ["token=reader", "limit=1&access_token=x", "Token=x", "to%6ben=x"] {
        for path in ["/api/v1/repositories", "/livez", "/nowhere"] {
            let answer = api.get(&format!("{path}?{query}")).await;
            assert_eq!(answer.status, 400, "{path}?{query}");
            let message = answer.body["error"]["message"].as_str().unwrap();
            assert!(message.contains("Bearer") && !message.contains("reader"), "{message}");
        }
    }
}

/// Whether a request for `host` is taken, with the status if it is not.
async fn for_host(api: &Fixture, host: &str) -> StatusCode {
    let request = axum::http::Request::builder().uri("/livez").header("host", host);
    api.answer(request.body(Body::empty()).unwrap()).await.status
}

#[tokio::test]
async fn requests_for_foreign_hosts_are_refused() {
    let hosts = &["watch.example.org", "watch.example.org:8443", "[2001:db8::7]:9000"];
    let on = |listen: &str| Fixture::listening(listen, Access::with(ApiAuth::None, hosts, &[]));
    let configured: &[(&str, u16)] = &[
        ("watch.example.org", 200),
        ("Watch.Example.org:443", 200),
        ("watch.example.org:8443", 200),
        ("[2001:db8::7]:9000", 200),
        ("watch.example.org:81", 421),
        ("watch.example.org.evil.test", 421),
        ("evil.test", 421),
        ("user@watch.example.org", 400),
        ("watch.example.org:99999", 421),
        ("", 400),
    ];
    let cases: [(&str, &[(&str, u16)]); 4] = [
        (
            LISTEN,
            &[
                (LISTEN, 200),
                ("localhost:9477", 200),
                ("LOCALHOST:9477", 200),
                ("[::1]:9477", 200),
                ("localhost", 421),
                ("localhost:80", 421),
                ("192.0.2.1:9477", 421),
                ("localhost.evil.test:9477", 421),
            ],
        ),
        ("127.0.0.1:80", &[("localhost", 200), ("127.0.0.1", 200), ("localhost:80", 200)]),
        ("192.0.2.1:9477", &[("192.0.2.1:9477", 200), ("192.0.2.2:9477", 421), ("localhost:9477", 421)]),
        (
            "0.0.0.0:9477",
            &[
                ("192.0.2.1:9477", 200),
                ("192.0.2.1:8080", 200),
                ("[2001:db8::1]:9477", 200),
                ("localhost:8080", 200),
                ("evil.test:9477", 421),
            ],
        ),
    ];
    for (listen, own) in cases {
        let api = on(listen);
        for (host, expected) in own.iter().chain(configured) {
            assert_eq!(for_host(&api, host).await, *expected, "`{host}` at {listen}");
        }
    }
}

#[tokio::test]
async fn a_request_has_one_host_and_its_target_the_same() {
    let api = Fixture::new();
    let send = |uri: &'static str, hosts: &'static [&'static str]| {
        let request =
            hosts.iter().fold(axum::http::Request::builder().uri(uri), |it, host| it.header("host", *host));
        api.answer(request.body(Body::empty()).unwrap())
    };
    assert_eq!(send("/livez", &[]).await.status, 400);
    assert_eq!(send("/livez", &[LISTEN, LISTEN]).await.status, 400);
    assert_eq!(send("http://127.0.0.1:9477/livez", &[LISTEN]).await.status, 200);
    assert_eq!(send("http://evil.test/livez", &[LISTEN]).await.status, 400);
    assert_eq!(send("http://evil.test/livez", &["evil.test"]).await.status, 421);
}

#[tokio::test]
async fn requests_from_pages_of_other_origins_are_refused() {
    let hosts = &["watch.example.org"];
    let everywhere = Fixture::listening("0.0.0.0:9477", Access::with(ApiAuth::None, hosts, &[]));
    let loopback = Fixture::listening(LISTEN, Access::with(ApiAuth::None, hosts, &[]));
    let cases = [
        (&loopback, "http://127.0.0.1:9477", 200),
        (&loopback, "http://localhost:9477", 200),
        (&loopback, "https://watch.example.org", 200),
        (&loopback, "http://127.0.0.1:9478", 403),
        (&loopback, "http://127.0.0.1", 403),
        (&loopback, "https://evil.test", 403),
        (&loopback, "http://127.0.0.1:9477.evil.test", 403),
        (&loopback, "null", 403),
        (&loopback, "", 403),
        (&loopback, "file://", 403),
        (&everywhere, "http://127.0.0.1:9477", 200),
        (&everywhere, "http://192.0.2.66:9477", 403),
    ];
    for (api, origin, expected) in cases {
        let answer = with_header(api, "POST", "/-/reload", ("origin", origin)).await;
        assert_eq!(answer.status, expected, "{origin}: {}", answer.body);
        assert!(!answer.headers.keys().any(|name| name.as_str().starts_with("access-control")), "{origin}");
    }
    let twice = request("GET", "/livez").header("origin", "http://127.0.0.1:9477").header("origin", "null");
    assert_eq!(loopback.answer(twice.body(Body::empty()).unwrap()).await.status, 403);
}

#[tokio::test]
async fn what_a_page_of_another_site_embeds_is_refused_and_a_link_is_followed() {
    let api = Fixture::new();
    let cases = [
        (Some("cross-site"), Some("no-cors"), 403),
        (Some("cross-site"), Some("cors"), 403),
        (Some("cross-site"), Some("websocket"), 403),
        (Some("cross-site"), None, 403),
        (Some("cross-site"), Some("navigate"), 200),
        (Some("same-origin"), Some("cors"), 200),
        (Some("none"), Some("navigate"), 200),
        (None, Some("no-cors"), 200),
    ];
    for (site, mode, expected) in cases {
        for path in ["/api/v1/status", "/metrics", "/livez"] {
            let headers = [("sec-fetch-site", site), ("sec-fetch-mode", mode)];
            let request =
                headers.into_iter().fold(request("GET", path), |request, (name, value)| match value {
                    Some(value) => request.header(name, value),
                    None => request,
                });
            let answer = api.answer(request.body(Body::empty()).unwrap()).await;
            assert_eq!(answer.status, expected, "{site:?} {mode:?} {path}");
        }
    }
}

fn load(folder: &tempfile::TempDir, text: &str) -> Loaded {
    std::fs::write(folder.path().join("c.toml"), text).unwrap();
    let environment = Environment {
        variables: Vec::new(),
        system_dir: folder.path().to_owned(),
        working_dir: folder.path().to_owned(),
    };
    let config = vec!["c.toml".into()];
    crate::config::load(&Request { config, profile: None, set: Vec::new(), environment })
}

#[tokio::test]
async fn the_public_address_is_ours() {
    let folder = tempfile::TempDir::new().unwrap();
    let loaded = load(&folder, "public_url = \"https://watch.example.org/\"");
    assert_eq!(loaded.problems, []);
    let api = Fixture::listening(LISTEN, Access::of(&loaded, &mut Vec::new()).await.unwrap());
    assert_eq!(for_host(&api, "watch.example.org").await, 200);
    assert_eq!(for_host(&api, "watch.example.org:443").await, 200);
    assert_eq!(for_host(&api, "watch.example.org:80").await, 421);
    assert_eq!(for_host(&api, "other.example.org").await, 421);
}

#[tokio::test]
async fn tokens_are_read_from_where_they_are_kept() {
    let folder = tempfile::TempDir::new().unwrap();
    std::fs::write(folder.path().join("token"), "from-a-file\n").unwrap();
    let text = r#"
        [api.tokens.ci]
        token = { file = "token" }
        scopes = ["operate"]
        [api.tokens.board]
        token = { command = ["printf", "from-a-command"] }
    "#;
    let load = |text: &str| load(&folder, text);
    let mut problems = Vec::new();
    let loaded = load(text);
    assert_eq!(loaded.problems, []);
    let access = Access::of(&loaded, &mut problems).await;
    assert_eq!(problems, []);
    let access = access.unwrap();
    let api = Fixture::listening(LISTEN, access);
    for (token, path, status) in [
        ("from-a-file", "/-/reload", 200),
        ("from-a-command", "/-/reload", 403),
        ("from-a-command", "/api/v1/status", 200),
    ] {
        let method = if path == "/-/reload" { "POST" } else { "GET" };
        let token = format!("Bearer {token}");
        let answer = with_header(&api, method, path, ("authorization", token.as_str())).await;
        assert_eq!(answer.status, status, "{token} {path}");
    }

    let short =
        "[api]\nlisten = '0.0.0.0:1'\n[api.tokens.ci]\ntoken = { command = ['printf', '0123456789abcde'] }";
    assert!(Access::of(&load(short), &mut problems).await.is_none());
    let problem = problems.pop().unwrap().to_string();
    assert!(problem.starts_with("api.tokens.ci.token: the token is shorter than 16"), "{problem}");
    assert!(!problem.contains("0123"), "{problem}");
    let long = load(&short.replace("abcde", "abcdef"));
    assert!(Access::of(&long, &mut problems).await.is_some());

    let local = short.replace("0.0.0.0", "127.0.0.1");
    assert!(Access::of(&load(&local), &mut problems).await.is_some());
    let public = load(&format!("public_url = 'https://watch.example.org'\n{local}"));
    assert!(Access::of(&public, &mut problems).await.is_none(), "a proxy brings others here");
    assert!(
        problems.pop().unwrap().to_string().starts_with("api.tokens.ci.token: the token is shorter than 16")
    );

    let missing = load("[api.tokens.ci]\ntoken = { file = \"nothing\" }");
    assert!(Access::of(&missing, &mut problems).await.is_none());
    let problem = problems[0].to_string();
    assert!(
        problem.starts_with("api.tokens.ci.token: cannot read") && problem.contains("c.toml:2"),
        "{problem}"
    );
}
