//! Searches that end before a tracker is asked, by the numbers of their rows, and what refusals become.

use http_body_util::BodyExt;
use serde_json::Value;

use super::fixture::Fixture;
use crate::api::error::Error;
use crate::tracker::{Refusal, RefusalKind};
use crate::verdict::{Outcome, Reason};

const ACME: &str = "/api/v1/integrations/acme/search";

/// Has each of these refused as not understood, with a word of why.
async fn assert_not_understood(cases: &[(&str, &str)]) {
    let api = Fixture::new();
    for (query, word) in cases {
        let answer = api.get(&format!("{ACME}?{query}")).await;
        assert_eq!(answer.status, 400, "{query}: {}", answer.body);
        let message = answer.body["error"]["message"].as_str().unwrap();
        assert!(message.contains(word), "{query}: {message}");
    }
}

#[tokio::test]
async fn row_8_1_there_is_no_such_integration() {
    let api = Fixture::new();
    for name in ["nobody", "Acme", "acme%2Fsearch", "%3Cscript%3E", "a%20b"] {
        let answer = api.get(&format!("/api/v1/integrations/{name}/search?field=project&query=x")).await;
        assert_eq!(answer.status, 404, "{name}: {}", answer.body);
        assert_eq!(answer.body["error"]["code"], "not_found", "{name}");
    }
    assert_eq!(api.get("/api/v1/integrations/acme/searches?field=project&query=x").await.status, 404);
}

#[tokio::test]
async fn row_8_2_no_field() {
    assert_not_understood(&[("query=x", "field"), ("", "field"), ("field=&query=x", "field")]).await;
}

#[tokio::test]
async fn row_8_3_no_query_or_a_blank_one() {
    let cases = [
        "field=externalIssue",
        "field=externalIssue&query=",
        "field=externalIssue&query=%20%09%0A",
        "field=project&query=+++",
        "field=project&query=%E3%80%80",
    ];
    assert_not_understood(&cases.map(|case| (case, "query"))).await;
}

#[tokio::test]
async fn row_8_7_another_field_and_what_else_makes_no_sense() {
    let long = format!("field=project&query={}", "x".repeat(401));
    assert_not_understood(&[
        ("field=externalissue&query=x", "field"),
        ("field=user&query=x", "field"),
        ("field=project&field=project&query=x", "twice"),
        ("field=project&query=x&limit=5", "unknown parameter `limit`"),
        ("field=externalIssue&query=x&project=", "project"),
        ("field=project&query=%FF", "UTF-8"),
        (&long, "query"),
    ])
    .await;
}

#[tokio::test]
async fn row_8_8_a_plugin_that_is_not_there_is_a_reason() {
    let api = Fixture::new();
    let answer = api.get(&format!("{ACME}?field=externalIssue&query=x")).await;
    assert_eq!(answer.status, 502, "{}", answer.body);
    assert_eq!(answer.body["error"]["code"], "plugin_failed");
    assert_eq!(answer.body["error"]["message"], "there is none");
}

#[tokio::test]
async fn row_8_8_every_refusal_is_told_with_its_reason() {
    let refused = async |reason: Reason, kind, held_back, retry_after_s| {
        let outcome = Outcome { held_back, retry_after_s, ..Outcome::new(reason, "so \u{202e}it is") };
        let (parts, body) = Error::from(Refusal::of(outcome, kind)).into_response().into_parts();
        let body: Value = serde_json::from_slice(&body.collect().await.unwrap().to_bytes()).unwrap();
        assert_eq!(body["error"]["message"], "so \\u{202e}it is");
        let after = parts.headers.get("retry-after").map(|it| it.to_str().unwrap().to_owned());
        (parts.status.as_u16(), body["error"]["code"].as_str().unwrap().to_owned(), after)
    };
    let wait = |seconds: &str| Some(seconds.to_owned());
    for (reason, kind, held_back, retry, expected) in [
        (Reason::RateLimited, RefusalKind::Failed, false, Some(42), (503, "rate_limited", wait("42"))),
        (Reason::RateLimited, RefusalKind::Failed, true, None, (503, "rate_limited", wait("5"))),
        (Reason::Unreachable, RefusalKind::Failed, false, None, (503, "unreachable", wait("5"))),
        (Reason::TimedOut, RefusalKind::Failed, false, None, (503, "timed_out", wait("5"))),
        (Reason::Unauthorized, RefusalKind::Failed, false, None, (502, "unauthorized", None)),
        (Reason::Forbidden, RefusalKind::Failed, false, None, (502, "forbidden", None)),
        (Reason::NotFound, RefusalKind::Missing, false, None, (502, "not_found", None)),
        (Reason::ProviderError, RefusalKind::Rejected, false, None, (502, "provider_error", None)),
        (Reason::InvalidResponse, RefusalKind::Failed, false, None, (502, "invalid_response", None)),
        (Reason::PluginFailed, RefusalKind::Failed, false, None, (502, "plugin_failed", None)),
        (Reason::PluginFailed, RefusalKind::Unsupported, false, None, (501, "unsupported", None)),
    ] {
        let (status, code, after) = expected;
        assert_eq!(
            refused(reason, kind, held_back, retry).await,
            (status, code.to_owned(), after),
            "{reason:?}"
        );
    }
}

#[tokio::test]
async fn the_document_says_what_a_search_takes_and_what_can_come() {
    let api = Fixture::new();
    let document = api.get("/api/v1/openapi.json").await.body;
    let search = &document["paths"]["/api/v1/integrations/{name}/search"]["get"];
    let required: Vec<_> =
        search["parameters"].as_array().unwrap().iter().filter(|it| it["required"] == true).collect();
    let names: Vec<_> = required.iter().map(|it| it["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["name", "field", "query"]);
    for status in ["200", "400", "401", "404", "501", "502", "503"] {
        assert!(search["responses"][status].is_object(), "{status} in {search:#}");
    }
    let assign = &document["paths"]["/api/v1/incidents/{name}/assign"]["post"];
    let body = &assign["requestBody"]["content"]["application/json"]["schema"];
    assert_eq!(body["required"], serde_json::json!(["person"]), "{body:#}");
    let kinds: Vec<_> =
        body["properties"]["person"]["oneOf"].as_array().unwrap().iter().map(|it| &it["type"]).collect();
    assert_eq!(kinds, ["string", "null"], "{body:#}");
}
