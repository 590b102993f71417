//! `has_repo_access`: what each answer says.

use super::*;

const URL: &str = "https://git.example.org/scm/team/shop.git/info/refs?service=git-upload-pack";
const GIT: &str = "application/x-git-upload-pack-advertisement";
const REFS: &str = "001e# service=git-upload-pack\n0000003f1a5b refs/heads/main\n0000";
const VERSION_2: &str = "000eversion 2\n0015agent=git/2.47.3\n0000";

/// What becomes of an answer.
fn check(answer: Response) -> Result<Access, Failure> {
    let fake = FakeHost::new();
    fake.answer(Method::GET, URL, answer);
    let client = client(&fake, integration(BASE)).unwrap();
    block_on(Git.has_repo_access(&client, &Repository::new("shop").with_project("team")))
}

fn answer(media_type: &str, body: &str) -> Response {
    Response::new(200, body.as_bytes()).with_header("Content-Type", media_type)
}

fn status(status: u16) -> Response {
    Response::new(status, "whatever the server says")
}

#[track_caller]
fn assert_fails(answer: Response, reason: Reason, words: &str) {
    let failure = check(answer.clone()).expect_err(&format!("no access by {answer:?}"));
    assert_eq!(failure.reason(), reason, "{answer:?}: {failure}");
    assert!(failure.detail().starts_with("`shop`: ") && failure.detail().contains(words), "{failure}");
}

#[test]
fn every_form_of_an_advertisement_is_access() {
    let after_service = format!("001e# service=git-upload-pack\n0000{VERSION_2}");
    // As an old server answers for a repository without commits.
    let empty = "001e# service=git-upload-pack\n00000000";
    for body in [REFS, VERSION_2, &after_service, empty] {
        assert_eq!(check(answer(GIT, body)), Ok(Access::granted()), "{body}");
    }
    let other_case = "Application/X-Git-Upload-Pack-Advertisement; charset=utf-8";
    assert_eq!(check(answer(other_case, REFS)), Ok(Access::granted()));
}

#[test]
fn a_status_of_200_alone_is_no_access() {
    let invalid = Reason::INVALID_RESPONSE;
    assert_fails(status(200), invalid, "no answer of Git's but ``");
    assert_fails(
        answer("text/html; charset=utf-8", "<html>Sign in"),
        invalid,
        "but `text/html`, perhaps a sign-in",
    );
    assert_fails(answer("text/html", REFS), invalid, "no answer of Git's");
    assert_fails(answer("text/plain", "1a5b\trefs/heads/main\n"), invalid, "let it speak smart HTTP");
    assert_fails(answer(GIT, ""), invalid, "does not begin as Git's do");
    assert_fails(answer(GIT, "<html>Sign in"), invalid, "does not begin as Git's do");
    assert_fails(answer(GIT, &REFS.replace("upload", "receive")), invalid, "does not begin as Git's do");
    let in_part = answer(GIT, &REFS[..40]).with_body_state(BodyState::CUT_OFF);
    assert_fails(in_part, invalid, "was cut off");
    let dropped = answer(GIT, "").with_body_state(BodyState::TOO_LARGE);
    assert_fails(dropped, invalid, "raise `http.max_response_bytes`");
}

#[test]
fn a_server_that_refuses_in_words_of_its_own_gives_no_access() {
    let body = "001e# service=git-upload-pack\n00000023ERR the licence has run out\n0000";
    assert_fails(answer(GIT, body), Reason::PROVIDER_ERROR, "refuses with `the licence has run out`");
}

#[test]
fn each_status_has_its_reason() {
    for (code, reason) in [
        (204, Reason::INVALID_RESPONSE),
        (400, Reason::INVALID_RESPONSE),
        (401, Reason::UNAUTHORIZED),
        (403, Reason::FORBIDDEN),
        (404, Reason::NOT_FOUND),
        (405, Reason::INVALID_RESPONSE),
        (407, Reason::INVALID_RESPONSE),
        (410, Reason::NOT_FOUND),
        (429, Reason::RATE_LIMITED),
        (500, Reason::PROVIDER_ERROR),
        (502, Reason::PROVIDER_ERROR),
        (503, Reason::PROVIDER_ERROR),
    ] {
        assert_fails(status(code), reason, "");
    }
    for code in [403, 429, 503] {
        assert_fails(status(code).with_header("Retry-After", "60"), Reason::RATE_LIMITED, "asks to wait");
    }
}

#[test]
fn a_redirect_is_named_without_its_credentials() {
    let elsewhere = "an address that is no plain URL";
    for (location, shown) in [
        ("https://git.example.org/scm/new.git/info/refs?service=x", "`https://git.example.org/scm/new.git`"),
        ("/login?next=secret", "`/login`"),
        ("https://me:secret@git.example.org/x#secret", "`https://git.example.org/x`"),
        ("//me:secret@git.example.org/x", elsewhere),
        ("https://me:sec/secret@git.example.org/x", elsewhere),
        ("me:secret@git.example.org", elsewhere),
        ("", elsewhere),
    ] {
        let answer = status(302).with_header("Location", location);
        let failure = check(answer.clone()).unwrap_err();
        assert!(!failure.detail().contains("secret"), "{failure}");
        assert_fails(answer, Reason::INVALID_RESPONSE, shown);
    }
}

#[test]
fn no_answer_stays_what_the_host_makes_of_it() {
    let fake = FakeHost::new();
    fake.answer(Method::GET, URL, Failure::new(Reason::UNREACHABLE, "connection refused"));
    let client = client(&fake, integration(BASE)).unwrap();
    let failure = block_on(Git.has_repo_access(&client, &Repository::new("shop").with_project("team")));
    assert_eq!(failure, Err(Failure::new(Reason::UNREACHABLE, "connection refused")));
}
