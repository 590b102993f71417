//! `has_repo_access`: the requests it makes, and the whole error space with the verdict on each answer.

use forgewatch_plugin_api::{BodyState, Reason};

use super::*;

const ID: &str = "5f2c7a1e-4a0b-4f7c-9d53-0e4d7f6b1c20";
const BY_NAME: &str =
    "https://dev.azure.com/contoso/Web%20Shop/_apis/git/repositories/storefront?api-version=7.1";
const BY_ID: &str = "https://dev.azure.com/contoso/_apis/git/repositories/5f2c7a1e-4a0b-4f7c-9d53-0e4d7f6b1c20?api-version=7.1";
const LIST: &str = "https://dev.azure.com/contoso/Web%20Shop/_apis/git/repositories?api-version=7.1";
const LIST_ALL: &str = "https://dev.azure.com/contoso/_apis/git/repositories?api-version=7.1";

/// A reason, or `None` for access.
type Expected = Option<Reason>;

fn client(fake: &FakeHost) -> Client {
    get_client(fake, integration(BASE)).unwrap()
}

fn by_name() -> Repository {
    Repository::new("storefront").with_project("Web Shop")
}

fn by_id() -> Repository {
    by_name().with_external_id(ID)
}

fn entry(id: &str, name: &str, is_disabled: &str) -> String {
    format!(r#"{{"id":"{id}","name":"{name}","project":{{"name":"Web Shop"}},"isDisabled":{is_disabled}}}"#)
}

fn listed(entries: &[String]) -> Response {
    json(200, &format!(r#"{{"count":{},"value":[{}]}}"#, entries.len(), entries.join(",")))
}

fn hidden() -> Response {
    exception(404, "TF401019: no Git repository storefront", "GitRepositoryNotFoundException")
}

#[track_caller]
fn assert_reason(name: &str, answer: &Result<Access, Failure>, expected: Expected) {
    assert_eq!(answer.as_ref().err().map(Failure::reason), expected, "{name}: {answer:?}");
    if let Err(failure) = answer {
        assert!(failure.detail().starts_with("`storefront` of project `Web Shop` in `acme`"), "{failure}");
        assert!(!failure.detail().ends_with('.'));
    }
}

#[test]
fn requests_are_made_of_escaped_segments() {
    // 4.1 to 4.3, and the id first
    let api = |rest: &str| format!("{BASE}{rest}?api-version=7.1");
    #[rustfmt::skip]
    let table = [
        (by_name(), BY_NAME.to_owned()),
        (by_id(), BY_ID.to_owned()),
        (by_name().with_external_id(""), BY_NAME.to_owned()),
        (Repository::new("r"), api("_apis/git/repositories/r")),
        (Repository::new("r").with_project(""), api("_apis/git/repositories/r")),
        (Repository::new("a b#c?d%41").with_project("é&+"), api("%C3%A9%26%2B/_apis/git/repositories/a%20b%23c%3Fd%2541")),
        (Repository::new("%2e%2e").with_project("..."), api(".../_apis/git/repositories/%252e%252e")),
        // An id finds its repository whatever the name is.
        (Repository::new("a/b").with_project("..").with_external_id("7"), api("_apis/git/repositories/7")),
    ];
    for (repository, url) in table {
        let fake = FakeHost::new();
        let _ = check(&client(&fake), &repository);
        assert_eq!(urls(&fake), [url]);
    }
}

#[test]
fn requests_carry_the_headers_of_the_interface() {
    // 4.4
    let fake = FakeHost::new();
    let _ = check(&client(&fake), &by_name());
    let request = &fake.requests()[0];
    for (name, value) in [
        ("Accept", "application/json;api-version=7.1"),
        ("Content-Type", "application/json"),
        ("X-HTTP-Method-Override", "GET"),
        ("X-TFS-FedAuthRedirect", "Suppress"),
        ("X-VSS-ForceMsaPassThrough", "true"),
    ] {
        assert_eq!(request.headers().get(name), Some(value));
    }
    assert_eq!(request.headers().iter().count(), 5);
    assert_eq!(request.timeout(), None);
}

#[test]
fn what_can_be_no_segment_is_not_asked_for() {
    for repository in [
        Repository::new("").with_project("P"),
        Repository::new(".").with_project("P"),
        Repository::new("..").with_project("P"),
        Repository::new("a/b").with_project("P"),
        Repository::new("a\\b").with_project("P"),
        Repository::new("a\0b").with_project("P"),
        Repository::new("r").with_project(".."),
        Repository::new("r").with_project("a/../b"),
        Repository::new("r").with_external_id("../x"),
    ] {
        let fake = FakeHost::new();
        let failure = check(&client(&fake), &repository).unwrap_err();
        assert_eq!(failure.reason(), Reason::NOT_FOUND);
        assert!(failure.detail().contains("correct `"), "{failure}");
        assert!(fake.requests().is_empty());
    }
}

#[test]
fn the_error_space() {
    let empty = |status| Response::new(status, b"".as_slice());
    let unauthorized = Some(Reason::UNAUTHORIZED);
    let sign_in = "\n\n<!DOCTYPE html><title>Azure DevOps Services | Sign In</title>";
    #[rustfmt::skip]
    let table = [
        ("E1", empty(401), unauthorized),
        ("E1 on-premises", html(401, "<h1>401</h1>"), unauthorized),
        ("E2", exception(401, "TF400813: user", "UnauthorizedRequestException"), unauthorized),
        ("E3", exception(401, "Access Denied", "AccessCheckException"), unauthorized),
        ("E4", html(203, sign_in), unauthorized),
        ("E5", empty(302).with_header("Location", "https://x.example/_signin?realm=x"), unauthorized),
        ("E6", exception(403, "VS403463: policy", "VssServiceException"), Some(Reason::FORBIDDEN)),
        ("E7", exception(403, "TF401027: permission", "GitNeedsPermissionException"), Some(Reason::FORBIDDEN)),
        ("E8", json(403, "{}"), Some(Reason::FORBIDDEN)),
        ("E10", exception(404, "TF200016: x", "ProjectDoesNotExistWithNameException"), Some(Reason::NOT_FOUND)),
        ("E11", exception(404, "VS800075: x", "ProjectDoesNotExistException"), Some(Reason::NOT_FOUND)),
        ("E12", html(404, "<h1>not here</h1>"), Some(Reason::NOT_FOUND)),
        ("E13", exception(400, "x", "VssInvalidPreviewVersionException"), Some(Reason::PROVIDER_ERROR)),
        ("E15", exception(400, "TF400898: x", "X"), Some(Reason::PROVIDER_ERROR)),
        ("E16", exception(400, "x", "ArgumentException"), Some(Reason::PROVIDER_ERROR)),
        ("E17 405", empty(405), Some(Reason::PROVIDER_ERROR)),
        ("E17 406", empty(406), Some(Reason::PROVIDER_ERROR)),
        ("E17 409", empty(409), Some(Reason::PROVIDER_ERROR)),
        ("E17 413", empty(413), Some(Reason::PROVIDER_ERROR)),
        ("E17 415", empty(415), Some(Reason::PROVIDER_ERROR)),
        ("other 4xx", empty(418), Some(Reason::PROVIDER_ERROR)),
        ("E18", empty(410), Some(Reason::NOT_FOUND)),
        ("E19", exception(429, "TF400733: x", "RequestBlockedException"), Some(Reason::RATE_LIMITED)),
        ("E19 empty", empty(429).with_header("Retry-After", "37"), Some(Reason::RATE_LIMITED)),
        ("E20", html(503, "<h1>busy</h1>"), Some(Reason::PROVIDER_ERROR)),
        ("E20 waits", empty(503).with_header("retry-after", "3"), Some(Reason::RATE_LIMITED)),
        ("E20 limit", empty(503).with_header("X-RateLimit-Delay", "1.5"), Some(Reason::RATE_LIMITED)),
        ("E21 500", empty(500), Some(Reason::PROVIDER_ERROR)),
        ("E21 502", html(502, "Sign In"), Some(Reason::PROVIDER_ERROR)),
        ("E21 504", empty(504).with_header("Retry-After", "3"), Some(Reason::PROVIDER_ERROR)),
        ("E22 portal", html(200, "<html>welcome to the hotel</html>"), Some(Reason::INVALID_RESPONSE)),
        ("E22 sign-in", html(200, "<html><a href='HTTPS://LOGIN.MicrosoftOnline.com'>"), unauthorized),
        ("E23", json(200, &entry(ID, "storefront", "false")).with_header("Retry-After", "9"), None),
        ("403 blocked", exception(403, "TF400733: x", "X"), Some(Reason::RATE_LIMITED)),
        ("403 used up", json(403, "{}").with_header("X-RateLimit-Remaining", "0"), Some(Reason::RATE_LIMITED)),
        ("403 not used up", json(403, "{}").with_header("X-RateLimit-Remaining", "10"), Some(Reason::FORBIDDEN)),
        ("203 JSON", json(203, &entry(ID, "storefront", "false")), unauthorized),
        ("to the identity host", empty(302).with_header("Location", "https://spsprod1.vssps.visualstudio.com/x"), unauthorized),
        ("to the new one", empty(302).with_header("Location", "https://login.microsoftonline.com/x"), unauthorized),
        ("relative sign-in", empty(302).with_header("Location", "/contoso/_signin"), unauthorized),
        ("elsewhere", empty(302).with_header("Location", "https://x.example/?u=/_signin"), Some(Reason::INVALID_RESPONSE)),
        ("lookalike", empty(302).with_header("Location", "https://login.microsoftonline.com.x/"), Some(Reason::INVALID_RESPONSE)),
        ("nowhere", empty(302), Some(Reason::INVALID_RESPONSE)),
        ("not modified", empty(304), Some(Reason::INVALID_RESPONSE)),
        ("no content", empty(204), Some(Reason::INVALID_RESPONSE)),
        ("created", json(201, &entry(ID, "storefront", "false")), Some(Reason::INVALID_RESPONSE)),
    ];
    for (name, answer, expected) in table {
        let fake = fake([(BY_NAME, answer.clone())]);
        let ended = check(&client(&fake), &by_name());
        assert_reason(name, &ended, expected);
        if let Err(failure) = &ended {
            assert_eq!(failure.http_status(), Some(answer.status()), "{name}");
        }
    }
}

#[test]
fn bodies_of_success_are_read_strictly() {
    let invalid = Some(Reason::INVALID_RESPONSE);
    let whole = entry(ID, "storefront", "false");
    #[rustfmt::skip]
    let table = [
        ("whole", json(200, &whole), None),
        ("blank before it", json(200, &format!(" \n{whole}")), None),
        ("no content type", Response::new(200, whole.as_bytes()), None),
        ("id in other case", json(200, &entry(&ID.to_uppercase(), "storefront", "false")), None),
        ("old version", json(200, &format!(r#"{{"id":"{ID}","name":"storefront"}}"#)), None),
        ("maintenance", json(200, &format!(r#"{{"id":"{ID}","name":"x","isInMaintenance":true,"project":{{"state":1}}}}"#)), None),
        ("odd rest", json(200, &format!(r#"{{"id":"{ID}","name":"x","isDisabled":"true","project":7}}"#)), None),
        ("disabled", json(200, &entry(ID, "storefront", "true")), Some(Reason::DISABLED)),
        ("other id", json(200, &entry("0c0f4f3a-0e3e-4d0c-a5a1-93b5a9d0c011", "storefront", "false")), invalid),
        ("other id, disabled", json(200, &entry("0c0f4f3a", "storefront", "true")), invalid),
        ("no id", json(200, r#"{"name":"storefront"}"#), invalid),
        ("empty id", json(200, &entry("", "storefront", "false")), invalid),
        ("id is a number", json(200, r#"{"id":7,"name":"storefront"}"#), invalid),
        ("no name", json(200, &format!(r#"{{"id":"{ID}"}}"#)), invalid),
        ("empty", json(200, ""), invalid),
        ("null", json(200, "null"), invalid),
        ("array", json(200, &format!(r#"["{ID}","storefront"]"#)), invalid),
        ("scalar", json(200, "true"), invalid),
        ("broken", json(200, &whole[..whole.len() - 1]), invalid),
        ("two", json(200, &format!("{whole}{whole}")), invalid),
        ("XML", json(200, "<r/>"), invalid),
        ("not UTF-8", Response::new(200, b"{\"id\":\"\xff\",\"name\":\"x\"}".as_slice()), invalid),
        ("cut off", json(200, &whole).with_body_state(BodyState::CUT_OFF), invalid),
        ("too large", json(200, &whole).with_body_state(BodyState::TOO_LARGE), invalid),
        ("sign-in, cut off", html(200, "<a href=/_signin>").with_body_state(BodyState::CUT_OFF), Some(Reason::UNAUTHORIZED)),
    ];
    for (name, answer, expected) in table {
        let fake = fake([(BY_ID, answer)]);
        assert_reason(name, &check(&client(&fake), &by_id()), expected);
        assert_eq!(fake.requests().len(), 1, "{name}");
    }
}

#[test]
fn a_new_name_is_told() {
    #[rustfmt::skip]
    let table = [
        (entry(ID, "Storefront", "false"), ""),
        (entry(ID, "shop-front", "false"), "is called `shop-front` now"),
        (entry(ID, "s", "false").replace("Web Shop", "New"), "is `s` of project `New` now"),
    ];
    for (answer, told) in table {
        let fake = fake([(BY_ID, json(200, &answer))]);
        let access = check(&client(&fake), &by_id()).unwrap();
        assert!(
            access.detail().contains(told) && access.detail().is_empty() == told.is_empty(),
            "{access:?}"
        );
    }
}

#[test]
fn a_hidden_repository_is_sought_in_the_list() {
    let other = "0c0f4f3a-0e3e-4d0c-a5a1-93b5a9d0c011";
    let missing = Some(Reason::NOT_FOUND);
    #[rustfmt::skip]
    let table = [
        ("disabled by name", by_name(), listed(&[entry(other, "x", "false"), entry(ID, "StoreFront", "true")]), Some(Reason::DISABLED), "enable it"),
        ("disabled by id", by_id(), listed(&[entry(ID, "renamed", "true")]), Some(Reason::DISABLED), "enable it"),
        ("renamed", by_id(), listed(&[entry(ID, "renamed", "false")]), None, "is called `renamed` now"),
        ("there by id", by_id(), listed(&[entry(ID, "storefront", "false")]), None, ""),
        ("only a name", by_name(), listed(&[entry(ID, "storefront", "false")]), missing, "a repository of that name"),
        ("two of a name", by_name(), listed(&[entry(ID, "storefront", "true"), entry(other, "storefront", "false")]), missing, "a repository of that name"),
        ("another by the name", by_id(), listed(&[entry(other, "storefront", "true")]), missing, other),
        ("nothing listed", by_name(), listed(&[]), missing, "does not show it either"),
        ("others listed", by_id(), listed(&[entry(other, "x", "true")]), missing, "does not show it either"),
        ("list refused", by_name(), json(403, "{}"), missing, "HTTP status 403"),
        ("list limited", by_name(), json(429, ""), missing, "HTTP status 429"),
        ("list is none", by_name(), json(200, "[]"), missing, "no list"),
        ("list too large", by_name(), listed(&[]).with_body_state(BodyState::TOO_LARGE), missing, "larger than the limit"),
    ];
    for (name, repository, list, expected, told) in table {
        let first = if repository.external_id().is_some() { BY_ID } else { BY_NAME };
        let fake = fake([(first, hidden()), (LIST, list)]);
        let ended = check(&client(&fake), &repository);
        assert_reason(name, &ended, expected);
        assert_eq!(urls(&fake), [first, LIST], "{name}");
        assert!(fake.requests()[1].timeout().is_some());
        let (status, detail) = match &ended {
            Ok(access) => (None, access.detail()),
            Err(failure) => (failure.http_status(), failure.detail()),
        };
        assert_eq!(status, expected.map(|_| 404), "{name}");
        assert!(detail.contains(told), "{name}: {detail}");
    }
}

#[test]
fn the_organisations_list_is_asked_where_there_is_no_project() {
    let disabled = || listed(&[entry(ID, "storefront", "true")]);
    let gone = || exception(404, "TF200016: x", "ProjectDoesNotExistWithNameException");
    for (repository, answers, asked) in [
        (
            Repository::new("storefront").with_external_id(ID),
            vec![(BY_ID, hidden()), (LIST_ALL, disabled())],
            vec![BY_ID, LIST_ALL],
        ),
        (
            // The id as a name, as a REST URL has it.
            Repository::new(ID),
            vec![(BY_ID, hidden()), (LIST_ALL, disabled())],
            vec![BY_ID, LIST_ALL],
        ),
        (
            by_id(),
            vec![(BY_ID, hidden()), (LIST, gone()), (LIST_ALL, disabled())],
            vec![BY_ID, LIST, LIST_ALL],
        ),
    ] {
        let fake = fake(answers);
        let failure = check(&client(&fake), &repository).unwrap_err();
        assert_eq!((failure.reason(), failure.http_status()), (Reason::DISABLED, Some(404)));
        assert_eq!(urls(&fake), asked);
    }
}

#[test]
fn no_answer_at_all_is_passed_on() {
    let fake = FakeHost::new();
    fake.answer(Method::GET, BY_NAME, Failure::new(Reason::UNREACHABLE, "connection refused"));
    let failure = check(&client(&fake), &by_name()).unwrap_err();
    assert_eq!((failure.reason(), failure.detail()), (Reason::UNREACHABLE, "connection refused"));
    // Of the list: the first answer stands.
    let fake = fake_list_failure();
    let failure = check(&client(&fake), &by_name()).unwrap_err();
    assert_eq!((failure.reason(), failure.http_status()), (Reason::NOT_FOUND, Some(404)));
    assert!(failure.detail().contains("connection reset"), "{failure}");
}

fn fake_list_failure() -> FakeHost {
    let fake = fake([(BY_NAME, hidden())]);
    fake.answer(Method::GET, LIST, Failure::new(Reason::UNREACHABLE, "connection reset"));
    fake
}

#[test]
fn old_servers_are_asked_in_their_version() {
    // E14
    let too_new = || exception(400, "x", "VssVersionOutOfRangeException");
    let [v71, v60, v51, v50] = ["7.1", "6.0", "5.1", "5.0"].map(|version| {
        let url = BY_NAME.replace("7.1", version);
        &*Box::leak(url.into_boxed_str())
    });
    let fake =
        fake([(v71, too_new()), (v60, too_new()), (v51, json(200, &entry(ID, "storefront", "false")))]);
    let client = client(&fake);
    assert_reason("first", &check(&client, &by_name()), None);
    assert_reason("second", &check(&client, &by_name()), None);
    assert_eq!(urls(&fake), [v71, v60, v51, v51]);
    assert_eq!(fake.requests()[2].headers().get("Accept"), Some("application/json;api-version=5.1"));

    let ancient = super::fake([v71, v60, v51, v50].map(|url| (url, too_new())));
    let failure = check(&self::client(&ancient), &by_name()).unwrap_err();
    assert_eq!((failure.reason(), ancient.requests().len()), (Reason::PROVIDER_ERROR, 4));
    assert!(failure.detail().contains("too old"), "{failure}");
}

#[test]
fn a_name_without_project_says_what_is_missing() {
    let url = "https://dev.azure.com/contoso/_apis/git/repositories/r?api-version=7.1";
    let fake = fake([(url, exception(400, "x", "ArgumentException"))]);
    let failure = check(&client(&fake), &Repository::new("r")).unwrap_err();
    assert_eq!(failure.reason(), Reason::PROVIDER_ERROR);
    assert!(failure.detail().contains("set `project`"), "{failure}");
}
