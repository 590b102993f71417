//! The answers, and what each of them means: the catalogue of the wire reference, and what goes beyond it.

use forgewatch_tests::fake::Answer;
use serde_json::{Value, json};

/// What is expected: a reason, the status, and the seconds to wait.
pub(super) type Expected = (&'static str, Option<u64>, Option<u64>);
/// An answer with a name and what is expected.
pub(super) type Row = (&'static str, Answer, Expected);

const ID: &str = "0a11ed00-5e1f-4b0a-9c3d-00000000ffff";
const ELSEWHERE: &str = "https://elsewhere.example/steal";

const fn expect(reason: &'static str, status: u64) -> Expected {
    (reason, Some(status), None)
}

const fn retry(reason: &'static str, status: u64, retry_after_s: u64) -> Expected {
    (reason, Some(status), Some(retry_after_s))
}

/// For the rows of [`Answer::catalogue`].
const CATALOGUE: [(&str, Expected); 34] = [
    ("E1", expect("unauthorized", 401)),
    ("E1 html", expect("unauthorized", 401)),
    ("E2", expect("unauthorized", 401)),
    ("E3", expect("unauthorized", 401)),
    ("E4", expect("unauthorized", 203)),
    ("E5", expect("unauthorized", 302)),
    ("E6", expect("forbidden", 403)),
    ("E7", expect("forbidden", 403)),
    ("E8", expect("forbidden", 403)),
    ("E9", expect("not_found", 404)),
    ("E10", expect("not_found", 404)),
    ("E11", expect("not_found", 404)),
    ("E12", expect("not_found", 404)),
    ("E12 text", expect("not_found", 404)),
    ("E13", expect("provider_error", 400)),
    ("E14", expect("provider_error", 400)),
    ("E15", expect("provider_error", 400)),
    ("E16", expect("provider_error", 400)),
    ("E17 405", expect("provider_error", 405)),
    ("E17 406", expect("provider_error", 406)),
    ("E17 409", expect("provider_error", 409)),
    ("E17 413", expect("provider_error", 413)),
    ("E17 415", expect("provider_error", 415)),
    ("E18", expect("not_found", 410)),
    ("E19", expect("rate_limited", 429)),
    ("E19 empty", expect("rate_limited", 429)),
    ("E20", expect("provider_error", 503)),
    ("E20 retry", retry("rate_limited", 503, 30)),
    ("E21 500", expect("provider_error", 500)),
    ("E21 502", expect("provider_error", 502)),
    ("E21 504", expect("provider_error", 504)),
    ("E22", expect("invalid_response", 200)),
    ("E23", retry("granted", 200, 7)),
    ("E24", ("unreachable", None, None)),
];

/// Every row.
pub(super) fn all() -> Vec<Row> {
    let answers = Answer::catalogue().into_iter();
    let mut rows: Vec<Row> = answers
        .zip(CATALOGUE)
        .map(|((name, answer), (expected_of, expected))| {
            assert_eq!(name, expected_of, "the catalogue has other rows");
            (name, answer, expected)
        })
        .collect();
    rows.extend([successes(), redirects(), faults()].into_iter().flatten());
    rows
}

/// Successes, sign-in pages and what is neither.
fn successes() -> Vec<Row> {
    const BAD: Expected = expect("invalid_response", 200);
    let sign_in_link = "<html><a href='https://login.microsoftonline.com/x'>go</a></html>";
    let unzipped = Answer::claimed_json(200, "no gzip").header("content-encoding", "gzip");
    let exception = json!({"$id": "1", "message": "TF1: no", "typeKey": "X"});
    vec![
        ("sign-in page", Answer::sign_in_page(200), expect("unauthorized", 200)),
        ("sign-in link", Answer::html(200, sign_in_link), expect("unauthorized", 200)),
        ("203 json", Answer::json(203, &json!({"id": ID, "name": "x"})), expect("unauthorized", 203)),
        ("reset in body", Answer::reset_in_body("{\"id\":"), BAD),
        ("oversized", Answer::oversized(1 << 20), BAD),
        ("gzip bomb", Answer::gzip_bomb(4 << 20), BAD),
        ("broken gzip", unzipped, BAD),
        ("id no text", Answer::json(200, &json!({"id": 5, "name": "x"})), BAD),
        ("empty id", Answer::json(200, &json!({"id": "", "name": "x"})), BAD),
        ("deep", Answer::claimed_json(200, "[".repeat(50_000)), BAD),
        ("exception", Answer::json(200, &exception), BAD),
        ("plain", repository(json!({})), expect("granted", 200)),
        ("not disabled", repository(json!({"isDisabled": false})), expect("granted", 200)),
        ("disabled", repository(json!({"isDisabled": true})), expect("disabled", 200)),
        ("in maintenance", repository(json!({"isInMaintenance": true})), expect("granted", 200)),
        ("odd fields", repository(json!({"project": 7, "isDisabled": null})), expect("granted", 200)),
    ]
}

/// Redirects, none of which is followed.
fn redirects() -> Vec<Row> {
    let to = |status, location| Answer::status(status).header("location", location);
    let identity_host = "https://login.microsoftonline.com/common";
    let lookalike = "https://elsewhere.example/?x=/_signin";
    let landing = "https://dev.azure.com/contoso/landing";
    vec![
        ("to sign-in", to(302, "/_signin?realm=x"), expect("unauthorized", 302)),
        ("to identity host", to(302, identity_host), expect("unauthorized", 302)),
        ("to elsewhere 301", to(301, ELSEWHERE), expect("invalid_response", 301)),
        ("to elsewhere 302", to(302, ELSEWHERE), expect("invalid_response", 302)),
        ("to elsewhere 303", to(303, ELSEWHERE), expect("invalid_response", 303)),
        ("to elsewhere 307", to(307, ELSEWHERE), expect("invalid_response", 307)),
        ("to elsewhere 308", to(308, ELSEWHERE), expect("invalid_response", 308)),
        ("to a lookalike", to(302, lookalike), expect("invalid_response", 302)),
        ("to itself", to(307, landing), expect("invalid_response", 307)),
        ("to nowhere", Answer::status(302), expect("invalid_response", 302)),
        ("not modified", Answer::status(304), expect("invalid_response", 304)),
    ]
}

/// Refusals, limits and outages beside those of the catalogue.
fn faults() -> Vec<Row> {
    let blocked = || Answer::json(403, &json!({"message": "TF400733: blocked"}));
    let limited = |retry_after| Answer::e19().header("retry-after", retry_after);
    let reset = 2_000_000_000;
    vec![
        ("403 blocked", blocked(), expect("rate_limited", 403)),
        ("403 blocked retry", blocked().retry_after(12), retry("rate_limited", 403, 12)),
        // Until the end that it is told, which is believed for so long.
        ("403 used up", Answer::e8().rate_limit(0, reset), retry("rate_limited", 403, 3900)),
        ("403 with rest", Answer::e8().rate_limit(17, reset), expect("forbidden", 403)),
        ("404 retry", Answer::e12().retry_after(5), retry("not_found", 404, 5)),
        ("418", Answer::status(418), expect("provider_error", 418)),
        ("451", Answer::html(451, "<p>no</p>"), expect("provider_error", 451)),
        ("429 retry", limited("37"), retry("rate_limited", 429, 37)),
        ("429 too long", limited("86400"), retry("rate_limited", 429, 900)),
        ("429 at once", limited("0"), retry("rate_limited", 429, 1)),
        ("429 past", limited("Mon, 05 Jan 2015 10:00:00 GMT"), retry("rate_limited", 429, 1)),
        ("429 far off", limited("Mon, 05 Jan 2099 10:00:00 GMT"), retry("rate_limited", 429, 900)),
        ("429 nonsense", limited("soon"), expect("rate_limited", 429)),
        ("500 retry", Answer::e21(500).retry_after(9), retry("provider_error", 500, 9)),
        ("502 retry", Answer::e21(502).retry_after(9), retry("provider_error", 502, 9)),
        ("503 limits", Answer::e20().rate_limit(0, reset), retry("rate_limited", 503, 3900)),
        ("505", Answer::status(505), expect("provider_error", 505)),
        ("close", Answer::close(), ("unreachable", None, None)),
    ]
}

fn repository(mut extra: Value) -> Answer {
    extra["id"] = ID.into();
    extra["name"] = "whatever".into();
    Answer::json(200, &extra)
}
