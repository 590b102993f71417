//! What browsers are told to refuse, and what they get where there is no page.

use axum::body::Body;

use super::support::{browser, get, guarded, open, post, send};
use crate::api::tests::fixture::request;

#[tokio::test]
async fn every_answer_for_people_forbids_whatever_is_not_ours() {
    let web = open(&["alpha"]);
    let guarded = guarded();
    let mut answers = Vec::new();
    for path in [
        "/",
        "/repositories",
        "/repositories/alpha",
        "/incidents",
        "/integrations",
        "/alerts",
        "/plugins",
        "/nowhere",
        "/login",
    ] {
        answers.push((path, get(&web, path).await));
        answers.push((path, get(&guarded, path).await));
    }
    answers.push(("a form", post(&web, "/repositories/alpha", None, &[]).await));
    answers.push((
        "foreign",
        web.answer(browser("GET", "/").header("origin", "https://evil.example").body(Body::empty()).unwrap())
            .await,
    ));
    answers.push(("wrong token", post(&guarded, "/login", None, &[("token", "wrong")]).await));
    for (path, answer) in answers {
        let policy = answer.headers["content-security-policy"].to_str().unwrap();
        assert!(
            policy.starts_with("default-src 'none'; style-src 'self'; script-src 'self'"),
            "{path}: {policy}"
        );
        assert!(!policy.contains("unsafe") && policy.contains("frame-ancestors 'none'"), "{path}: {policy}");
        assert!(
            policy.contains("form-action 'self'") && policy.contains("base-uri 'none'"),
            "{path}: {policy}"
        );
        assert_eq!(answer.headers["cache-control"], "no-store", "{path}");
        assert_eq!(answer.headers["x-content-type-options"], "nosniff", "{path}");
        assert_eq!(answer.headers["referrer-policy"], "same-origin", "{path}");
        assert_eq!(answer.headers["cross-origin-opener-policy"], "same-origin", "{path}");
        assert_eq!(answer.headers["content-type"], "text/html; charset=utf-8", "{path}");
    }
}

#[tokio::test]
async fn browsers_get_pages_and_programs_get_json() {
    let web = open(&["alpha"]);
    let cases = [
        ("GET", "/nowhere", 404, "<h1>Not found</h1>"),
        ("GET", "/repositories/nobody", 404, "<h1>Not found</h1>"),
        ("GET", "/incidents/none", 404, "<h1>Not found</h1>"),
        ("POST", "/", 405, "<h1>Not possible</h1>"),
        ("POST", "/logout", 403, "<h1>Not allowed</h1>"),
    ];
    for (method, path, status, title) in cases {
        let page = web.answer(browser(method, path).body(Body::empty()).unwrap()).await;
        assert_eq!(page.status, status, "{path}");
        assert!(page.body.as_str().unwrap().contains(title), "{}", page.body);
        let json = web.answer(request(method, path).body(Body::empty()).unwrap()).await;
        assert_eq!(json.status, status, "{path}");
        assert!(json.body["error"]["code"].is_string(), "{}", json.body);
    }
    for path in ["/api/v1/nowhere", "/api/v1/repositories/nobody", "/-/nowhere"] {
        let answer = get(&web, path).await;
        assert_eq!(answer.status, 404, "{path}");
        assert!(answer.body["error"]["code"].is_string(), "{}", answer.body);
    }
    assert_eq!(get(&web, "/api/v1/openapi.json").await.body["paths"].get("/"), None);
}

#[tokio::test]
async fn what_was_asked_for_is_told_as_text() {
    let web = open(&["alpha"]);
    let answer = get(&web, "/repositories/%3Cscript%3Ealert(1)%3C%2Fscript%3E").await;
    assert_eq!(answer.status, 404);
    let page = answer.body.as_str().unwrap();
    assert!(!page.contains("<script>alert") && page.contains("&lt;script&gt;"), "{page}");
}

#[tokio::test]
async fn a_page_of_another_origin_changes_nothing() {
    let web = open(&["alpha"]);
    let page = super::support::page(&web, "/repositories/alpha").await;
    let form_token = super::support::form_token(&page);
    let form = [("form_token", form_token.as_str())];
    let path = "/repositories/alpha";
    let refused = [
        browser("POST", path),
        browser("POST", path).header("origin", "https://evil.example"),
        browser("POST", path).header("origin", "null"),
        browser("POST", path).header("sec-fetch-site", "cross-site"),
        browser("POST", path).header("sec-fetch-site", "same-site").header("origin", super::support::ORIGIN),
    ];
    for request in refused {
        assert_eq!(send(&web, request, None, &form).await.status, 403);
    }
    for wrong in ["", "0", &form_token[1..], &form_token.to_uppercase()] {
        assert_eq!(post(&web, path, None, &[("form_token", wrong)]).await.status, 403, "{wrong}");
    }
    assert_eq!(post(&web, path, None, &[]).await.status, 403);
    let done = post(&web, path, None, &form).await;
    assert_eq!(
        (done.status.as_u16(), done.headers["location"].to_str().unwrap()),
        (303, "/repositories/alpha?asked=1")
    );
    let without_fetch = browser("POST", path).header("origin", super::support::ORIGIN);
    assert_eq!(send(&web, without_fetch, None, &form).await.status, 303);
    let json = browser("POST", path)
        .header("origin", super::support::ORIGIN)
        .header("content-type", "application/json");
    assert_eq!(web.answer(json.body(Body::from("{}")).unwrap()).await.status, 415);
}
