//! The answers of a GitHub, and what each of them means.

use forgewatch_tests::fake::Answer;

/// What is expected: a reason, the status, and the seconds to wait.
pub(super) type Expected = (&'static str, Option<u64>, Option<u64>);
/// An answer with a name and what is expected.
type Row = (&'static str, Answer, Expected);

const ELSEWHERE: &str = "https://elsewhere.example/steal";
const STOREFRONT: &str = "https://api.github.com/repositories/1296269";
const SIGN_ON: &str =
    "required; url=https://github.com/orgs/contoso/sso?authorization_request=fakerequest0ssssssss";

const fn expect(reason: &'static str, status: u64) -> Expected {
    (reason, Some(status), None)
}

const fn limited(status: u64, wait: u64) -> Expected {
    ("rate_limited", Some(status), Some(wait))
}

/// What the fake's own world answers: name, identity, owner, name on the forge.
pub(super) const WORLD: [(&str, &str, &str, &str, Expected); 15] = [
    ("world granted", "classic", "contoso", "storefront", expect("granted", 200)),
    ("world any case", "classic", "CONTOSO", "Storefront", expect("granted", 200)),
    ("world fine-grained", "fine", "contoso", "storefront", expect("granted", 200)),
    ("world not selected", "fine", "contoso", "attic", expect("not_found", 404)),
    ("world public", "classic", "contoso", "handbook", expect("granted", 200)),
    ("world not granted", "classic", "contoso", "showcase", expect("forbidden", 200)),
    ("world internal", "classic", "contoso", "wiki", expect("granted", 200)),
    ("world archived", "classic", "contoso", "attic", expect("granted", 200)),
    ("world disabled", "classic", "contoso", "frozen", expect("disabled", 200)),
    ("world moved", "classic", "contoso", "moved", expect("granted", 200)),
    ("world hidden", "classic", "contoso", "vault", expect("not_found", 404)),
    ("world taken down", "classic", "contoso", "taken-down", expect("disabled", 451)),
    ("world against terms", "classic", "contoso", "against-terms", expect("disabled", 403)),
    ("world sign-on", "unsigned", "fabrikam", "robots", expect("forbidden", 403)),
    ("world revoked", "revoked", "contoso", "storefront", expect("unauthorized", 401)),
];

/// Parts of what is said of a row.
pub(super) const DETAILS: [(&str, &str); 16] = [
    ("world archived", "can only be read"),
    ("world moved", "is `new-home` of `contoso` now"),
    ("world not granted", "anyone can read it, but nothing is granted to the identity"),
    ("world against terms", "(`tos`)"),
    ("301", "is `storefront` of `contoso` now"),
    ("401 jwt", "github_app"),
    ("403 integration", "permission `metadata=read`"),
    ("403 token", "Resource not accessible by personal access token"),
    ("403 sign-on", "(`https://github.com/orgs/contoso/sso`)"),
    ("403 addresses", "allowed addresses"),
    ("403 page", "not in GitHub's own words"),
    ("404 page", "not GitHub's own answer"),
    ("451", "(`dmca`)"),
    ("500", "(request `FAKE:7`)"),
    ("oversized", "limit"),
    ("to elsewhere", "not followed"),
];

/// What stands in for the world's answers.
pub(super) fn answers() -> Vec<Row> {
    [successes(), redirects(), refusals(), limits()].into_iter().flatten().collect()
}

fn successes() -> Vec<Row> {
    const BAD: Expected = expect("invalid_response", 200);
    let unzipped = Answer::claimed_json(200, "no gzip").header("content-encoding", "gzip");
    let shown = |text: &str| Answer::claimed_json(200, text.to_owned());
    let nobody = r#"{"id":1,"full_name":"contoso/x","permissions":{"pull":true}}"#;
    let id_text = r#"{"id":"1","full_name":"contoso/x","private":true,"permissions":{"pull":true}}"#;
    vec![
        ("oversized", Answer::oversized(1 << 20), BAD),
        ("gzip bomb", Answer::gzip_bomb(4 << 20), BAD),
        ("broken gzip", unzipped, BAD),
        ("reset in body", Answer::reset_in_body("{\"id\":"), BAD),
        ("sign-in page", Answer::sign_in_page(200), BAD),
        ("deep", shown(&"[".repeat(50_000)), BAD),
        ("a message", Answer::github(200, "hello"), BAD),
        ("nobody's", shown(nobody), BAD),
        ("id as text", shown(id_text), BAD),
        ("202", Answer::github(202, "later"), expect("invalid_response", 202)),
        ("304", Answer::status(304), expect("invalid_response", 304)),
    ]
}

fn redirects() -> Vec<Row> {
    let to = |status, location| Answer::github_moved(status, location);
    let circle = "https://api.github.com/repos/contoso/circle.row";
    vec![
        ("301", to(301, STOREFRONT), expect("granted", 200)),
        ("302", to(302, STOREFRONT), expect("granted", 200)),
        ("307", to(307, "/repositories/1296269"), expect("granted", 200)),
        ("301 to nothing", to(301, "/repositories/5"), expect("not_found", 404)),
        ("circle", to(301, circle), expect("invalid_response", 301)),
        ("to elsewhere", to(301, ELSEWHERE), expect("invalid_response", 301)),
        ("to the web", to(302, "https://github.com/login"), expect("invalid_response", 302)),
        (
            "to plain http",
            to(301, "http://api.github.com/repositories/1296269"),
            expect("invalid_response", 301),
        ),
        ("to nowhere", Answer::status(301), expect("invalid_response", 301)),
    ]
}

fn refusals() -> Vec<Row> {
    let integration = Answer::github(403, "Resource not accessible by integration");
    let page = |status| Answer::html(status, "<h1>no</h1>");
    vec![
        ("401", Answer::github(401, "Bad credentials"), expect("unauthorized", 401)),
        ("401 empty", Answer::status(401), expect("unauthorized", 401)),
        ("401 jwt", Answer::github(401, "The JSON web token has ended"), expect("identity_invalid", 401)),
        (
            "403 integration",
            integration.header("x-accepted-github-permissions", "metadata=read"),
            expect("forbidden", 403),
        ),
        (
            "403 token",
            Answer::github(403, "Resource not accessible by personal access token"),
            expect("forbidden", 403),
        ),
        (
            "403 sign-on",
            Answer::github(403, "Resource protected").header("x-github-sso", SIGN_ON),
            expect("forbidden", 403),
        ),
        (
            "404 sign-on",
            Answer::github(404, "Not Found").header("x-github-sso", SIGN_ON),
            expect("forbidden", 404),
        ),
        ("403 terms", Answer::github_block(403, "tos"), expect("disabled", 403)),
        (
            "403 addresses",
            Answer::github(403, "your IP address is not on the IP allow list of this organization"),
            expect("forbidden", 403),
        ),
        (
            "403 suspended",
            Answer::github(403, "This installation has been suspended"),
            expect("identity_invalid", 403),
        ),
        ("403 page", page(403), expect("forbidden", 403)),
        ("404", Answer::github(404, "Not Found"), expect("not_found", 404)),
        ("404 page", page(404), expect("not_found", 404)),
        ("410", Answer::github(410, "gone"), expect("not_found", 410)),
        ("422", Answer::github(422, "no"), expect("provider_error", 422)),
        ("451", Answer::github_block(451, "dmca"), expect("disabled", 451)),
        ("451 page", page(451), expect("disabled", 451)),
        ("500", page(500).header("x-github-request-id", "FAKE:7"), expect("provider_error", 500)),
        ("502", page(502), expect("provider_error", 502)),
        ("503 retry", Answer::status(503).retry_after(9), ("provider_error", Some(503), Some(9))),
        ("504", Answer::status(504), expect("provider_error", 504)),
        ("close", Answer::close(), ("unreachable", None, None)),
    ]
}

/// The forge's clock is decades behind the one here.
fn limits() -> Vec<Row> {
    let dated = |answer: Answer| answer.header("date", "Mon, 05 Jan 2004 10:00:00 GMT");
    let left = |answer: Answer, left: &str, reset: &str| {
        dated(answer).header("x-ratelimit-remaining", left).header("x-ratelimit-reset", reset)
    };
    let primary = |status| Answer::github(status, "API rate limit exceeded for user ID 7");
    let secondary = |status| Answer::github(status, "You have exceeded a secondary rate limit");
    vec![
        ("403 used up", left(primary(403), "0", "1073296900"), limited(403, 100)),
        ("429 used up", left(primary(429), "0", "1073296900"), limited(429, 100)),
        ("403 used up, silent", left(Answer::status(403), "0", "1073296900"), limited(403, 100)),
        ("reset is past", left(primary(403), "0", "1073290000"), limited(403, 1)),
        ("reset is far off", left(primary(403), "0", "9999999999"), limited(403, 3600)),
        ("403 secondary", left(secondary(403), "4000", "1073296900"), limited(403, 60)),
        ("429 secondary", secondary(429).retry_after(37), limited(429, 37)),
        ("403 retry", Answer::github(403, "slow down").retry_after(12), limited(403, 12)),
        ("429 too long", secondary(429).header("retry-after", "86400"), limited(429, 3600)),
        ("429 nonsense", secondary(429).header("retry-after", "soon"), limited(429, 60)),
        ("429 empty", Answer::status(429), limited(429, 60)),
        ("403 logins", Answer::github(403, "Maximum number of login attempts exceeded"), limited(403, 60)),
    ]
}
