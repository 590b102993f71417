//! `has_repo_access`: the requests it makes, and the whole error space with the verdict on each answer.

use super::*;

const BY_PATH: &str = "projects/contoso%2Fweb%2Fstorefront";
const BY_ID: &str = "projects/4711";
const BRANCHES: &str = "projects/4711/repository/branches?per_page=1";
const MEMBERSHIP: &str =
    "projects?membership=true&min_access_level=20&simple=true&per_page=1&id_after=4710&id_before=4712";
const ROLES: &str =
    r#""permissions":{"project_access":null,"group_access":{"access_level":30,"notification_level":3}}"#;
const NO_ROLES: &str = r#""permissions":{"project_access":null,"group_access":null}"#;

/// A reason, or `None` for access.
type Expected = Option<Reason>;

const NOTHING: Expected = None;
const UNAUTHORIZED: Expected = Some(Reason::UNAUTHORIZED);
const FORBIDDEN: Expected = Some(Reason::FORBIDDEN);
const NOT_FOUND: Expected = Some(Reason::NOT_FOUND);
const LIMITED: Expected = Some(Reason::RATE_LIMITED);
const TROUBLE: Expected = Some(Reason::PROVIDER_ERROR);
const INVALID: Expected = Some(Reason::INVALID_RESPONSE);

fn by_path() -> Repository {
    Repository::new("storefront").with_project("contoso/web")
}

fn by_id() -> Repository {
    by_path().with_external_id("4711")
}

fn check(fake: &FakeHost, repository: &Repository) -> Result<Access, Failure> {
    block_on(GitLab.has_repo_access(&client(fake), repository))
}

fn at(path: &str, visibility: &str, rest: &str) -> Response {
    json(
        200,
        &format!(
            r#"{{"id":4711,"name":"Storefront","path_with_namespace":"{path}","visibility":"{visibility}",{rest}}}"#
        ),
    )
}

fn project(visibility: &str, rest: &str) -> Response {
    at("contoso/web/storefront", visibility, rest)
}

#[track_caller]
fn assert_reason(name: &str, answer: &Result<Access, Failure>, expected: Expected) {
    assert_eq!(answer.as_ref().err().map(Failure::reason), expected, "{name}: {answer:?}");
    let detail = answer.as_ref().map_or_else(Failure::detail, Access::detail);
    assert!(detail.is_empty() || detail.starts_with("`contoso/web/storefront` in `acme`"), "{detail}");
    assert!(!detail.ends_with('.') && detail.is_empty() <= answer.is_ok(), "{detail}");
}

#[test]
fn a_path_is_one_segment_whatever_is_in_it() {
    for (repository, path) in [
        (by_path(), BY_PATH),
        (by_id(), BY_ID),
        (by_path().with_external_id(""), BY_PATH),
        (Repository::new("r").with_external_id("0047"), "projects/47"),
        (Repository::new("a b#c?d%2F").with_project("é/&+"), "projects/%C3%A9%2F%26%2B%2Fa%20b%23c%3Fd%252F"),
        (Repository::new("...").with_project("a/b/c/d"), "projects/a%2Fb%2Fc%2Fd%2F..."),
        // An id finds its project whatever the name is.
        (Repository::new("a/b").with_project("..").with_external_id("7"), "projects/7"),
    ] {
        let fake = FakeHost::new();
        let _ = check(&fake, &repository);
        assert_eq!(asked(&fake), [path]);
    }
}

#[test]
fn what_can_be_no_project_is_not_asked_for() {
    for repository in [
        Repository::new("r"),
        Repository::new("r").with_project(""),
        Repository::new("").with_project("g"),
        Repository::new("..").with_project("g"),
        Repository::new("a/b").with_project("g"),
        Repository::new("a\\b").with_project("g"),
        Repository::new("r").with_project("g/../h"),
        Repository::new("r").with_project("g//h"),
        Repository::new("r").with_project("/g"),
        Repository::new("r").with_project("g\0"),
        by_path().with_external_id("../7"),
        by_path().with_external_id("+7"),
        by_path().with_external_id("99999999999999999999"),
    ] {
        let fake = FakeHost::new();
        let failure = check(&fake, &repository).unwrap_err();
        assert_eq!(failure.reason(), Reason::NOT_FOUND);
        assert!(failure.detail().contains("nothing was asked: "), "{failure}");
        assert!(fake.requests().is_empty());
    }
}

#[test]
fn the_error_space() {
    let empty = |status| Response::new(status, b"".as_slice());
    let to = |status, location| empty(status).with_header("Location", location);
    #[rustfmt::skip]
    let table = [
        ("granted", project("private", ROLES), NOTHING, ""),
        ("public", project("public", ROLES), NOTHING, ""),
        ("empty", project("private", &format!(r#""empty_repo":true,"default_branch":null,{ROLES}"#)), NOTHING, ""),
        ("archived", project("private", &format!(r#""archived":true,{ROLES}"#)), NOTHING, "is archived"),
        ("other case", at("Contoso/Web/StoreFront", "private", ROLES), NOTHING, ""),
        ("disabled", project("private", &format!(r#""repository_access_level":"disabled",{ROLES}"#)), Some(Reason::DISABLED), "enable it"),
        ("stranger", project("public", r#""x":0"#), INVALID, "passes the credential on"),
        ("401", json(401, r#"{"message":"401 Unauthorized"}"#), UNAUTHORIZED, "renew it"),
        ("401 ended", json(401, r#"{"error":"invalid_token","error_description":"Token is expired."}"#), UNAUTHORIZED, "`Token is expired.`"),
        ("403 scope", json(403, r#"{"error":"insufficient_scope","error_description":"x","scope":"api read_api"}"#), FORBIDDEN, "`api read_api`"),
        ("403", json(403, r#"{"message":"403 Forbidden"}"#), FORBIDDEN, "`403 Forbidden`"),
        ("403 array", json(403, r#"{"message":["a","b"]}"#), FORBIDDEN, r#"`["a","b"]`"#),
        ("403 object", json(403, r#"{"message":{"base":["no"]}}"#), FORBIDDEN, "base"),
        ("403 bare", empty(403), FORBIDDEN, "Reporter"),
        ("404", json(404, r#"{"message":"404 Project Not Found"}"#), NOT_FOUND, "no member of it"),
        ("404 path", json(404, r#"{"error":"404 Not Found"}"#), NOT_FOUND, "`external_id`"),
        ("404 HTML", Response::new(404, b"<h1>404</h1>".as_slice()), NOT_FOUND, "not the API's own"),
        ("410", empty(410), NOT_FOUND, "gone"),
        ("429", Response::new(429, b"Retry later\n".as_slice()), LIMITED, "rate limit"),
        ("400", json(400, r#"{"error":"id is invalid"}"#), TROUBLE, "`id is invalid`"),
        ("405", empty(405), TROUBLE, "refuses the request"),
        ("500", json(500, r#"{"message":"500 Internal Server Error"}"#), TROUBLE, "fault of the service"),
        ("502", Response::new(502, b"<html>".as_slice()), TROUBLE, "fault of the service"),
        ("503", empty(503).with_header("Retry-After", "9"), TROUBLE, "fault of the service"),
        ("302 sign-in", to(302, "https://git.example.org/gitlab/users/sign_in"), UNAUTHORIZED, "sign-in"),
        ("302 sign-in, relative", to(302, "/users/sign_in?x=1"), UNAUTHORIZED, "sign-in"),
        ("302", to(302, "/gitlab/api/v4/projects/4711"), INVALID, "leads elsewhere"),
        ("302 lookalike", to(302, "https://x.example/?u=/users/sign_in"), INVALID, "leads elsewhere"),
        ("301 nowhere", empty(301), INVALID, "leads elsewhere"),
        ("304", empty(304), INVALID, "leads elsewhere"),
        ("204", empty(204), INVALID, "no project"),
        ("201", json(201, "{}"), INVALID, "no project"),
        ("HTML", Response::new(200, b"<html>".as_slice()), INVALID, "no project"),
        ("array", json(200, "[]"), INVALID, "no project"),
        ("no id", json(200, r#"{"path_with_namespace":"contoso/web/storefront"}"#), INVALID, "no project"),
        ("text as id", json(200, r#"{"id":"4711","path_with_namespace":"contoso/web/storefront"}"#), INVALID, "no project"),
        ("no path", json(200, r#"{"id":4711}"#), INVALID, "no project"),
        ("odd role", project("private", r#""permissions":{"project_access":{"access_level":"30"}}"#), INVALID, "no project"),
        ("other path", at("contoso/web/other", "private", ROLES), INVALID, "another project"),
        ("cut off", project("private", ROLES).with_body_state(BodyState::CUT_OFF), INVALID, "cut off"),
        ("too large", project("private", ROLES).with_body_state(BodyState::TOO_LARGE), INVALID, "larger than the limit"),
    ];
    for (name, answer, expected, told) in table {
        let fake = fake([(BY_PATH, answer.clone())]);
        let ended = check(&fake, &by_path());
        assert_reason(name, &ended, expected);
        assert_eq!(asked(&fake), [BY_PATH], "{name}");
        match ended {
            Ok(access) => assert!(access.detail().contains(told), "{name}: {access:?}"),
            Err(failure) => {
                assert!(failure.detail().contains(told), "{name}: {failure}");
                assert_eq!(failure.http_status(), Some(answer.status()), "{name}");
            }
        }
    }
}

#[test]
fn a_limit_ends_by_the_servers_own_clock() {
    let limited =
        || Response::new(429, b"Retry later\n".as_slice()).with_header("RateLimit-Reset", "1739351000");
    let date = "Wed, 12 Feb 2025 09:02:40 GMT";
    for (answer, expected) in [
        (limited().with_header("Date", date), Some(40)),
        (limited().with_header("Date", "Wed, 12 Feb 2025 09:04:00 GMT"), Some(1)),
        (limited().with_header("Date", "Wed, 12 Feb 2020 09:04:00 GMT"), Some(900)),
        (limited().with_header("Date", "today"), None),
        (limited(), None),
        // The host reads this one.
        (limited().with_header("Date", date).with_header("Retry-After", "7"), None),
    ] {
        let failure = check(&fake([(BY_PATH, answer)]), &by_path()).unwrap_err();
        assert_eq!(failure.retry_after_s(), expected, "{failure}");
    }
}

#[test]
fn what_a_private_projects_roles_leave_open_its_code_tells() {
    let guest = r#""permissions":{"project_access":{"access_level":10},"group_access":{"access_level":15}}"#;
    let not_found = r#"{"message":"404 Repository Not Found"}"#;
    #[rustfmt::skip]
    let table = [
        ("administrator", NO_ROLES, json(200, "[]"), NOTHING, "without a role"),
        ("guest who may", guest, json(200, r#"[{"name":"main"}]"#), NOTHING, "without a role"),
        ("guest", guest, json(403, r#"{"message":"403 Forbidden"}"#), FORBIDDEN, "Reporter or higher"),
        ("no repository", NO_ROLES, json(404, not_found), FORBIDDEN, "Reporter or higher"),
        ("no roles said", r#""x":0"#, json(403, "{}"), FORBIDDEN, "Reporter or higher"),
        ("limit", NO_ROLES, Response::new(429, b"Retry later".as_slice()), LIMITED, "rate limit"),
        ("outage", NO_ROLES, json(502, ""), TROUBLE, "fault of the service"),
        ("dead token", NO_ROLES, json(401, "{}"), UNAUTHORIZED, "renew it"),
        ("portal", NO_ROLES, Response::new(200, b"<html>".as_slice()), INVALID, "no list of branches"),
        ("object", NO_ROLES, json(200, "{}"), INVALID, "no list of branches"),
        ("cut off", NO_ROLES, json(200, "[").with_body_state(BodyState::CUT_OFF), INVALID, "cut off"),
    ];
    for (name, roles, answer, expected, told) in table {
        let status = answer.status();
        let fake = fake([(BY_PATH, project("private", roles)), (BRANCHES, answer)]);
        let ended = check(&fake, &by_path());
        assert_reason(name, &ended, expected);
        assert_eq!(asked(&fake), [BY_PATH, BRANCHES], "{name}");
        let detail = ended.as_ref().map_or_else(Failure::detail, Access::detail);
        assert!(detail.contains(told), "{name}: {detail}");
        if let Err(failure) = ended {
            assert_eq!(failure.http_status(), Some(status), "{name}");
        }
    }
}

#[test]
fn that_others_can_read_a_project_grants_nothing() {
    let guest = r#""permissions":{"project_access":{"access_level":10},"group_access":null}"#;
    let own = json(200, r#"[{"id":4711,"path_with_namespace":"contoso/web/storefront"}]"#);
    let other = json(200, r#"[{"id":1,"path_with_namespace":"a/b"}]"#);
    #[rustfmt::skip]
    let table = [
        ("public", "public", NO_ROLES, json(200, "[]"), FORBIDDEN, "can be read by anyone, but nothing is granted"),
        ("internal", "internal", NO_ROLES, json(200, "[]"), FORBIDDEN, "by anyone who is signed in, but nothing"),
        ("guest", "public", guest, json(200, "[]"), FORBIDDEN, "only a role below Reporter (10) is granted"),
        ("shared with its group", "public", NO_ROLES, own, NOTHING, "through a group"),
        ("a server that shows all", "public", NO_ROLES, other, FORBIDDEN, "nothing is granted"),
        ("portal", "public", NO_ROLES, Response::new(200, b"<html>".as_slice()), INVALID, "no list of projects"),
        ("no scope", "public", NO_ROLES, json(403, r#"{"error":"insufficient_scope"}"#), FORBIDDEN, "lacks the scope"),
        ("no list", "public", NO_ROLES, json(404, r#"{"message":"404 Not Found"}"#), TROUBLE, "domain_name"),
        ("limit", "public", NO_ROLES, Response::new(429, b"Retry later".as_slice()), LIMITED, "rate limit"),
        ("outage", "public", NO_ROLES, json(503, ""), TROUBLE, "fault of the service"),
    ];
    for (name, visibility, roles, answer, expected, told) in table {
        let fake = fake([(BY_PATH, project(visibility, roles)), (MEMBERSHIP, answer)]);
        let ended = check(&fake, &by_path());
        assert_reason(name, &ended, expected);
        assert_eq!(asked(&fake), [BY_PATH, MEMBERSHIP], "{name}");
        let detail = ended.as_ref().map_or_else(Failure::detail, Access::detail);
        assert!(detail.contains(told), "{name}: {detail}");
    }
}

#[test]
fn a_project_that_moved_is_followed_once_and_on_its_own_server() {
    let moved = |location: &str| Response::new(301, b"".as_slice()).with_header("Location", location);
    let target = || at("contoso/shop/front", "private", ROLES);
    for location in [
        "/gitlab/api/v4/projects/4711",
        "https://git.example.org/gitlab/api/v4/projects/4711",
        // A server behind a proxy may not know how it is reached.
        "http://git.example.org/gitlab/api/v4/projects/4711?statistics=true",
    ] {
        let fake = fake([(BY_PATH, moved(location)), (BY_ID, target())]);
        let access = check(&fake, &by_path()).unwrap();
        assert_eq!(asked(&fake), [BY_PATH, BY_ID]);
        assert!(
            access.detail().contains("is `contoso/shop/front` now: update `project` and `name`"),
            "{access:?}"
        );
    }
    for location in [
        "https://evil.example/gitlab/api/v4/projects/4711",
        "https://git.example.org.evil.example/gitlab/api/v4/projects/4711",
        "//evil.example/gitlab/api/v4/projects/4711",
        "/api/v4/projects/4711",
        "/gitlab/api/v4/projects/contoso%2Fshop",
        "/gitlab/api/v4/projects/4711/../4712/x",
        "/gitlab/api/v4/projects/",
        "/gitlab/contoso/shop/front",
        "https://[",
    ] {
        let fake = fake([(BY_PATH, moved(location))]);
        assert_reason(location, &check(&fake, &by_path()), INVALID);
        assert_eq!(asked(&fake), [BY_PATH]);
    }
    for (answer, expected) in [
        (moved("/gitlab/api/v4/projects/4711"), INVALID),
        (json(404, r#"{"message":"404 Project Not Found"}"#), NOT_FOUND),
        (json(200, r#"{"id":4712,"path_with_namespace":"a/b"}"#), INVALID),
    ] {
        let fake = fake([(BY_PATH, moved("/gitlab/api/v4/projects/4711")), (BY_ID, answer)]);
        assert_reason("target", &check(&fake, &by_path()), expected);
        assert_eq!(asked(&fake), [BY_PATH, BY_ID]);
    }
}

#[test]
fn an_id_finds_a_project_under_its_new_path_and_no_other_project() {
    let told = |answer: Response, repository: &Repository| {
        check(&fake([(BY_ID, answer)]), repository).map(|access| access.detail().to_owned())
    };
    assert_eq!(told(project("private", ROLES), &by_id()).unwrap(), "");
    let name_alone = Repository::new("storefront").with_external_id("4711");
    assert_eq!(told(at("a/storefront", "private", ROLES), &name_alone).unwrap(), "");
    let renamed = told(at("a/b", "private", &format!(r#""archived":true,{ROLES}"#)), &by_id()).unwrap();
    assert!(renamed.contains("is `a/b` now: update `project` and `name`, and is archived"), "{renamed}");
    let other =
        json(200, &format!(r#"{{"id":4712,"path_with_namespace":"contoso/web/storefront",{ROLES}}}"#));
    assert_eq!(told(other, &by_id()).unwrap_err().reason(), Reason::INVALID_RESPONSE);
}
