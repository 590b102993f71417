//! Answers with status 200 that show no repository.

use forgewatch_plugin_api::{BodyState, Response};

use super::answers::under;
use super::report::Run;
use super::rules::{Expected, MARKER, NO_ACCESS, UNCLEAR};
use super::script::Script;
use super::subject::Subject;

const GROUP: &str = "malformed bodies";

const BROKEN: Expected = Expected {
    reasons: UNCLEAR,
    to_do: "believe a 200 only when its whole body shows the repository; else answer Reason::INVALID_RESPONSE",
};
/// Some forges say no with these.
const ODD: Expected = Expected { reasons: NO_ACCESS, ..BROKEN };

pub(super) async fn cases(run: &mut Run, subject: &Subject) {
    let json =
        |body: &str| Response::new(200, body.as_bytes()).with_header("Content-Type", "application/json");
    let page = format!("<!DOCTYPE html><html><title>Sign in</title><p>{MARKER}</p></html>");
    let page = Response::new(200, page.into_bytes()).with_header("Content-Type", "text/html; charset=utf-8");
    let binary: Vec<u8> = (0..=255).cycle().take(4096).collect();
    let cut_off = json("{\"id\": 1, \"name\": ").with_body_state(BodyState::CUT_OFF);
    let table: Vec<(&str, Response, Expected)> = vec![
        ("an empty body", json(""), BROKEN),
        ("`{`", json("{"), BROKEN),
        ("`{}`", json("{}"), ODD),
        ("`[]`", json("[]"), ODD),
        ("`null`", json("null"), ODD),
        ("a number", json("42"), ODD),
        ("a page of HTML", page, ODD),
        ("bytes that are no text", Response::new(200, binary), BROKEN),
        ("a hundred thousand brackets", json(&"[".repeat(100_000)), BROKEN),
        ("two million spaces", json(&" ".repeat(2_000_000)), BROKEN),
        ("a body that was cut off", cut_off, BROKEN),
        ("a body that was too large", json("").with_body_state(BodyState::TOO_LARGE), BROKEN),
        ("204 without a body", Response::new(204, Vec::new()), ODD),
    ];
    for (name, response, expected) in table {
        run.case(GROUP, name, async { under(subject, Script::answer(response), expected).await.map(drop) })
            .await;
    }
}
