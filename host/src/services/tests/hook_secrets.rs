use forgewatch_plugin_api::{Method, Request};

use super::server::{Server, answer};
use super::*;
use crate::services::HookSecret;
use crate::services::call::CallRecord;

const SECRET: &str = "the-secret-of-a-subscription";

/// Says what it was sent, in the body and in a header.
async fn echo() -> Server {
    Server::start(|request, _| {
        let body = request.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        answer(400, &[&format!("x-echo: {body}")], body)
    })
    .await
}

fn post(url: &str) -> Request {
    let body = format!("secret:{}", HookSecret::PLACEHOLDER);
    Request::new(Method::POST, url).with_body(body.into_bytes())
}

fn lent() -> CallRecord {
    let record = CallRecord::default();
    record.lend(Some(Arc::new(HookSecret::new(SECRET.into()).unwrap())));
    record
}

#[tokio::test]
async fn the_secret_goes_out_in_a_placeholders_place_and_does_not_come_back() {
    let server = echo().await;
    let mut fixture = Fixture::new();
    fixture.allow_write = true;
    for identity in [None, pat()] {
        let integration = fixture.integration(&server.url(""), identity);
        let record = lent();
        let response = integration.http(&post(&server.url("hooks")), Some(&record)).await.unwrap();
        let sent = server.requests().pop().unwrap();
        assert!(sent.ends_with(&format!("secret:{SECRET}")), "{sent}");
        assert_eq!(response.text(), Some("secret:***"));
        assert_eq!(response.header("x-echo"), Some("secret:***"));
        assert!(record.has_written() && !format!("{record:?}").contains(SECRET));

        // Nobody else's placeholder is filled.
        record.lend(None);
        for record in [Some(&record), None] {
            let response = integration.http(&post(&server.url("hooks")), record).await.unwrap();
            assert_eq!(response.text(), Some(&*format!("secret:{}", HookSecret::PLACEHOLDER)));
        }
    }
}

#[tokio::test]
async fn the_secret_goes_nowhere_but_to_the_base_url() {
    let server = Server::start_tls(|_, _| answer(200, &[], "")).await;
    let mut fixture = Fixture::new().trusting(&server);
    fixture.allow_write = true;
    fixture.allow_hosts =
        vec![server.url("").trim_start_matches("https://").trim_end_matches('/').parse().unwrap()];
    let integration = fixture.integration("https://acme.example/", pat());
    let record = lent();
    let refused = integration.http(&post(&server.url("hooks")), Some(&record)).await.unwrap_err();
    assert!(refused.is_refused());
    for part in [&*server.url("hooks"), "own base URL", "report this to the plugin's author"] {
        assert!(refused.detail().contains(part), "no {part:?} in: {refused}");
    }
    assert!(server.requests().is_empty() && !record.has_written());
    // Without the placeholder it is a request like others.
    let plain = Request::get(server.url("hooks"));
    assert!(integration.http(&plain, Some(&record)).await.is_ok());
    assert!(!record.has_written());
}
