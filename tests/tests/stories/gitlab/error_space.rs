//! Everything that GitLab, or what stands before it, can answer, and what is made of it.

use std::collections::BTreeMap;

use forgewatch_tests::fake::gitlab::{self, error, message};
use forgewatch_tests::fake::{Answer, Fake, Match, World};
use serde_json::{Value, json};

use super::{check, config, repository, sandbox};
use crate::support::line;

/// A reason, the status, and the seconds to wait.
type Expected = (&'static str, Option<u64>, Option<u64>);
type Row = (&'static str, Answer, Expected);

const fn expect(reason: &'static str, status: u64) -> Expected {
    (reason, Some(status), None)
}

fn answers() -> Vec<Row> {
    let json = |status, value: Value| Answer::json(status, &value);
    let invalid = |text| json(401, json!({"error": "invalid_token", "error_description": text}));
    let scope = json!({"error": "insufficient_scope", "error_description": "more", "scope": "api read_api"});
    let limited = || Answer::status(429).header("content-type", "text/plain").body("Retry later\n");
    let by_reset =
        |at| limited().header("date", "Wed, 12 Feb 2025 09:02:40 GMT").header("ratelimit-reset", at);
    let to = |status, location| Answer::status(status).header("location", location);
    vec![
        ("401", message(401, "401 Unauthorized"), expect("unauthorized", 401)),
        ("401 expired", invalid("Token is expired."), expect("unauthorized", 401)),
        ("401 revoked", invalid("Token was revoked."), expect("unauthorized", 401)),
        ("401 bare", Answer::status(401), expect("unauthorized", 401)),
        ("403 scope", json(403, scope), expect("forbidden", 403)),
        ("403", message(403, "403 Forbidden"), expect("forbidden", 403)),
        ("403 array", json(403, json!({"message": ["no", "not you"]})), expect("forbidden", 403)),
        ("403 object", json(403, json!({"message": {"base": ["no"]}})), expect("forbidden", 403)),
        ("403 echo", message(403, gitlab::TOKEN), expect("forbidden", 403)),
        ("403 html", Answer::html(403, "<h1>no</h1>"), expect("forbidden", 403)),
        ("404", message(404, "404 Project Not Found"), expect("not_found", 404)),
        ("404 error", error(404, "404 Not Found"), expect("not_found", 404)),
        ("404 html", Answer::html(404, "<h1>404</h1>"), expect("not_found", 404)),
        ("410", message(410, "410 Gone"), expect("not_found", 410)),
        ("429", limited(), expect("rate_limited", 429)),
        ("429 waits", limited().retry_after(37), ("rate_limited", Some(429), Some(37))),
        ("429 by its clock", by_reset("1739351000"), ("rate_limited", Some(429), Some(40))),
        (
            "429 waits and resets",
            by_reset("1739351000").retry_after(12),
            ("rate_limited", Some(429), Some(12)),
        ),
        ("429 far off", by_reset("2000000000"), ("rate_limited", Some(429), Some(900))),
        ("429 nonsense", by_reset("soon"), expect("rate_limited", 429)),
        ("302 sign-in", to(302, "https://gitlab.com/users/sign_in"), expect("unauthorized", 302)),
        ("302 relative", to(302, "/users/sign_in"), expect("unauthorized", 302)),
        ("302 elsewhere", to(302, "https://elsewhere.example/steal"), expect("invalid_response", 302)),
        ("307", to(307, "https://gitlab.com/api/v4/projects/4711"), expect("invalid_response", 307)),
        (
            "301 elsewhere",
            to(301, "https://elsewhere.example/api/v4/projects/4711"),
            expect("invalid_response", 301),
        ),
        ("301 page", to(301, "https://gitlab.com/contoso/landing"), expect("invalid_response", 301)),
        ("301 nowhere", Answer::status(301), expect("invalid_response", 301)),
        ("304", Answer::status(304), expect("invalid_response", 304)),
        ("400", error(400, "id is invalid"), expect("provider_error", 400)),
        ("418", Answer::status(418), expect("provider_error", 418)),
        ("500", message(500, "500 Internal Server Error"), expect("provider_error", 500)),
        ("502", Answer::html(502, "<h1>GitLab is not responding</h1>"), expect("provider_error", 502)),
        ("503 waits", Answer::status(503).retry_after(9), ("provider_error", Some(503), Some(9))),
        ("close", Answer::close(), ("unreachable", None, None)),
    ]
}

/// Successes that are none.
fn unusable() -> Vec<Row> {
    const BAD: Expected = expect("invalid_response", 200);
    let other = json!({"id": 1, "path_with_namespace": "contoso/other", "visibility": "private"});
    let mut rows = vec![
        ("portal", Answer::html(200, "<html>welcome to the hotel</html>"), BAD),
        ("other project", Answer::json(200, &other), BAD),
        ("id as text", Answer::json(200, &json!({"id": "1", "path_with_namespace": "contoso/x"})), BAD),
        ("cut off", Answer::cut_off("{\"id\":4711,", 900), BAD),
        ("reset in body", Answer::reset_in_body("{\"id\":"), BAD),
        ("oversized", Answer::oversized(1 << 20), BAD),
        ("gzip bomb", Answer::gzip_bomb(4 << 20), BAD),
        ("deep", Answer::claimed_json(200, "[".repeat(50_000)), BAD),
        ("deep object", Answer::claimed_json(200, "{\"a\":".repeat(50_000)), BAD),
        ("xml", Answer::xml(), BAD),
        ("not utf-8", Answer::not_utf8(), BAD),
        ("no content", Answer::status(204), expect("invalid_response", 204)),
    ];
    rows.extend(["null", "true", "[]", "{}", ""].map(|body| (body, Answer::claimed_json(200, body), BAD)));
    rows
}

#[test]
fn every_answer_has_its_verdict() {
    let fake = Fake::start_blocking(World::contoso_gitlab().host("elsewhere.example"));
    let bounded = || config().toml("[http]\nmax_response_bytes = 200000\ntimeout = \"50s\"");
    let rows: BTreeMap<String, (Answer, Expected)> = answers()
        .into_iter()
        .chain(unusable())
        .map(|(name, answer, row)| (name.to_owned(), (answer, row)))
        .collect();
    let (mut config, mut expected) = (bounded(), String::new());
    for (at, (name, (answer, (reason, status, retry)))) in rows.into_iter().enumerate() {
        fake.fault(Match::any().path_contains(&format!("contoso/row-{at}.")), answer);
        let path = format!("contoso/row-{at}.");
        let line = line(&name, reason, status, retry) + "\n";
        // A limit that was reached holds back whatever was not sent before: such an answer comes alone.
        if reason == "rate_limited" || retry.is_some() {
            let alone = sandbox(&repository(bounded(), &name, "cloud", &path), &fake);
            assert_eq!(check(&alone).lines(), line);
        } else {
            config = repository(config, &name, "cloud", &path);
            expected += &line;
        }
    }
    let results = check(&sandbox(&config, &fake));
    assert_eq!(results.lines(), expected);

    for (name, told) in [
        ("401", "renew it"),
        ("401 revoked", "`Token was revoked.`"),
        ("403 scope", "`api read_api`"),
        ("404", "no member of it any more"),
        ("404 error", "`external_id`"),
        ("404 html", "not the API's own"),
        ("302 relative", "sign-in"),
        ("oversized", "limit"),
        ("other project", "`contoso/other`"),
    ] {
        assert!(results.detail(name).contains(told), "{name}: {}", results.detail(name));
    }
    let followed =
        fake.requests_to(|request| request.host == "elsewhere.example" || request.path.contains("4711"));
    assert!(followed.is_empty(), "{followed:#?}");
}

#[test]
fn limits_are_said_with_every_answer_and_are_no_denial_when_they_are_reached() {
    let fake = Fake::start_blocking(World::contoso_gitlab());
    let config = repository(config(), "storefront", "cloud", "contoso/web/storefront");
    let sandbox = sandbox(&config, &fake);
    let throttle = |remaining| {
        let throttle = gitlab::Throttle { limit: 400, remaining, reset_unix: 4_000_000_000 };
        fake.world(|world| world.gitlabs[0].throttle = Some(throttle));
    };
    throttle(7);
    assert_eq!(check(&sandbox).reason("storefront"), "granted");
    throttle(0);
    assert_eq!(check(&sandbox).lines(), "storefront: rate_limited 429 900\n");
}
