//! Signing in and out, and what ends a session.

use std::time::Duration;

use axum::body::Body;
use tokio::time::Instant;

use super::support::{
    OPERATOR, READER, TOKENS, browser, cookie_of, form_token, get, get_with, guarded, page, post, send,
    sign_in, text, with, world,
};
use crate::api::tests::fixture::Fixture;
use crate::api::{Access, Scope};
use crate::config::ApiAuth;
use crate::web::sessions::{Key, LONGEST, LONGEST_IDLE, MOST_OF_TOKEN, MOST_SESSIONS, Sessions, Use};

#[tokio::test]
async fn who_is_not_signed_in_is_led_to_the_door_and_back() {
    let web = guarded();
    let answer = get(&web, "/repositories?verdict=denied&q=a%26b").await;
    assert_eq!(answer.status, 303);
    let door = answer.headers["location"].to_str().unwrap().to_owned();
    assert_eq!(door, "/login?next=%2Frepositories%3Fverdict%3Ddenied%26q%3Da%2526b");
    let shown = page(&web, &door).await;
    assert!(shown.contains("value=\"/repositories?verdict=denied&amp;q=a%26b\""), "{shown}");
    let form = [("token", READER), ("next", "/repositories?verdict=denied&q=a%26b")];
    let answer = post(&web, "/login", None, &form).await;
    assert_eq!(answer.headers["location"], "/repositories?verdict=denied&q=a%26b");
    assert_eq!(get_with(&web, "/repositories", &cookie_of(&answer)).await.status, 200);
}

#[tokio::test]
async fn a_cookie_holds_nothing_of_the_token_and_is_for_this_server_alone() {
    let web = guarded();
    let answer = post(&web, "/login", None, &[("token", READER)]).await;
    let cookie = answer.headers["set-cookie"].to_str().unwrap();
    let (pair, flags) = cookie.split_once("; ").unwrap();
    let (name, id) = pair.split_once('=').unwrap();
    assert_eq!((name, id.len()), ("forgewatch", 64));
    assert_eq!(flags, "Path=/; Max-Age=43200; HttpOnly; SameSite=Strict");
    let page = text(&get_with(&web, "/", pair).await);
    assert!(!page.contains(READER) && !page.contains(id), "{page}");

    let over_tls = with(TOKENS, world(&["alpha"]), true);
    let answer = post(&over_tls, "/login", None, &[("token", READER)]).await;
    let cookie = answer.headers["set-cookie"].to_str().unwrap();
    assert!(cookie.starts_with("__Host-forgewatch=") && cookie.ends_with("; Secure"), "{cookie}");
    let pair = cookie_of(&answer);
    assert_eq!(get_with(&over_tls, "/", &pair).await.status, 200);
    let without = pair.replace("__Host-", "");
    assert_eq!(get_with(&over_tls, "/", &without).await.status, 303, "one of another path or port is none");
}

#[tokio::test]
async fn who_comes_without_tls_where_sessions_need_it_is_told_so() {
    let over_tls = with(TOKENS, world(&["alpha"]), true);
    let from = |origin: &str| browser("POST", "/login").header("origin", origin);
    let without = from("http://forgewatch.example.org").header("sec-fetch-site", "same-origin");
    let answer = send(&over_tls, without, None, &[("token", READER)]).await;
    assert!(answer.status == 403 && answer.headers.get("set-cookie").is_none());
    assert!(text(&answer).contains("sign in at that address"), "{}", text(&answer));
}

#[tokio::test]
async fn who_comes_over_tls_gets_a_cookie_for_that_alone() {
    let web = guarded();
    let over_tls = |method, path| {
        let origin = "https://forgewatch.example.org";
        browser(method, path).header("origin", origin).header("sec-fetch-site", "same-origin")
    };
    let answer = send(&web, over_tls("POST", "/login"), None, &[("token", READER)]).await;
    let cookie = answer.headers["set-cookie"].to_str().unwrap();
    assert!(cookie.starts_with("__Host-forgewatch=") && cookie.ends_with("; Secure"), "{cookie}");
    let pair = cookie_of(&answer);
    let shown = text(&get_with(&web, "/", &format!("forgewatch=of-somebody-else; {pair}")).await);
    let form = [("form_token", form_token(&shown))];
    let form = form.each_ref().map(|(name, value)| (*name, value.as_str()));
    let answer = send(&web, over_tls("POST", "/logout"), Some(&pair), &form).await;
    assert_eq!(answer.status, 303);
    let cookie = answer.headers["set-cookie"].to_str().unwrap();
    assert!(
        cookie.starts_with("__Host-forgewatch=; Path=/; Max-Age=0") && cookie.ends_with("; Secure"),
        "{cookie}"
    );
    assert_eq!(get_with(&web, "/", &pair).await.status, 303);
}

#[tokio::test]
async fn a_cookie_is_no_key_to_the_api_and_two_of_one_name_do_no_harm() {
    let web = guarded();
    let cookie = sign_in(&web, OPERATOR).await;
    assert_eq!(get_with(&web, "/api/v1/status", &cookie).await.status, 401);
    assert_eq!(get_with(&web, "/", &format!("forgewatch=of-somebody-else; a=b; {cookie}")).await.status, 200);
    assert_eq!(get_with(&web, "/", "forgewatch=of-somebody-else").await.status, 303);
}

#[tokio::test]
async fn scopes_hold_for_pages_as_for_the_api() {
    let web = guarded();
    let (reader, operator) = (sign_in(&web, READER).await, sign_in(&web, OPERATOR).await);
    let shown = text(&get_with(&web, "/repositories/alpha", &reader).await);
    assert!(!shown.contains("Check now"), "{shown}");
    let token = form_token(&shown);
    let refused = post(&web, "/repositories/alpha", Some(&reader), &[("form_token", &token)]).await;
    assert_eq!(refused.status, 403);
    assert!(text(&refused).contains("<code>operate</code>"), "{}", text(&refused));

    let shown = text(&get_with(&web, "/repositories/alpha", &operator).await);
    let other = post(&web, "/repositories/alpha", Some(&operator), &[("form_token", &token)]).await;
    assert_eq!(other.status, 403, "the form of another session");
    let own = form_token(&shown);
    let done = post(&web, "/repositories/alpha", Some(&operator), &[("form_token", &own)]).await;
    assert_eq!(done.status, 303);
    let shown = text(&get_with(&web, done.headers["location"].to_str().unwrap(), &operator).await);
    assert!(shown.contains("It is checked as soon as there is room"), "{shown}");
}

#[tokio::test]
async fn who_signs_out_is_out() {
    let web = guarded();
    let cookie = sign_in(&web, READER).await;
    let token = form_token(&text(&get_with(&web, "/", &cookie).await));
    assert_eq!(post(&web, "/logout", Some(&cookie), &[]).await.status, 403);
    let answer = post(&web, "/logout", Some(&cookie), &[("form_token", &token)]).await;
    assert_eq!((answer.status.as_u16(), answer.headers["location"].to_str().unwrap()), (303, "/login"));
    assert!(answer.headers["set-cookie"].to_str().unwrap().starts_with("forgewatch=; Path=/; Max-Age=0"));
    assert_eq!(get_with(&web, "/", &cookie).await.status, 303);
}

#[tokio::test]
async fn a_session_goes_with_its_token() {
    let web = guarded();
    let (reader, operator) = (sign_in(&web, READER).await, sign_in(&web, OPERATOR).await);
    let changed = Access::with(ApiAuth::Tokens, &[], &[(OPERATOR, Scope::Read)]);
    web.gate().replace(web.gate().admissible(changed).unwrap());
    assert_eq!(get_with(&web, "/", &reader).await.status, 303, "its token is gone");
    let shown = text(&get_with(&web, "/repositories/alpha", &operator).await);
    assert!(shown.contains("Sign out") && !shown.contains("Check now"), "{shown}");
}

#[tokio::test]
async fn a_token_that_comes_back_brings_no_session_back() {
    let web = guarded();
    let (reader, operator) = (sign_in(&web, READER).await, sign_in(&web, OPERATOR).await);
    let reload = |tokens| {
        let access = Access::with(ApiAuth::Tokens, &[], tokens);
        web.gate().replace(web.gate().admissible(access).unwrap());
    };
    reload(&TOKENS[1..]);
    reload(TOKENS);
    assert_eq!(get_with(&web, "/", &reader).await.status, 303, "nobody has used it meanwhile");
    assert_eq!(get_with(&web, "/", &operator).await.status, 200, "its token was there all the time");
    let again = sign_in(&web, READER).await;
    reload(TOKENS);
    assert_eq!(get_with(&web, "/", &again).await.status, 200);
}

#[tokio::test]
async fn signing_in_again_ends_the_session_before() {
    let web = guarded();
    let former = sign_in(&web, READER).await;
    let answer = post(&web, "/login", Some(&former), &[("token", OPERATOR)]).await;
    assert_eq!(answer.status, 303);
    assert_ne!(cookie_of(&answer), former);
    assert_eq!(get_with(&web, "/", &former).await.status, 303);
}

#[test]
fn a_session_ends_by_age_and_by_idleness_and_an_open_page_is_nobody() {
    let web = Access::with(ApiAuth::Tokens, &[], TOKENS);
    let gate = crate::api::Gate::new("127.0.0.1:1".parse().unwrap(), web).unwrap();
    let token = gate.recognise(READER, None).unwrap();
    let (mut sessions, start) = (Sessions::default(), Instant::now());
    let minutes = |minutes: u64| start + Duration::from_secs(60 * minutes);
    let begin = |sessions: &mut Sessions| Key::of(sessions.begin(token, start).expose());

    let idle = begin(&mut sessions);
    assert!(sessions.find(idle, Use::Person, minutes(59)).is_some());
    assert!(sessions.find(idle, Use::Page, minutes(117)).is_some());
    assert!(sessions.find(idle, Use::Person, minutes(59) + LONGEST_IDLE).is_none());

    let old = begin(&mut sessions);
    for half_hours in 1..24 {
        assert!(sessions.find(old, Use::Person, minutes(30 * half_hours)).is_some(), "{half_hours}");
    }
    assert!(sessions.find(old, Use::Person, start + LONGEST).is_none());
    assert_eq!(sessions.count(), 0);
}

#[test]
fn of_too_many_sessions_the_one_unused_longest_goes() {
    let names: Vec<_> = (0..=MOST_SESSIONS / MOST_OF_TOKEN).map(|number| format!("token-{number}")).collect();
    let tokens: Vec<_> = names.iter().map(|name| (name.as_str(), Scope::Read)).collect();
    let gate =
        crate::api::Gate::new("127.0.0.1:1".parse().unwrap(), Access::with(ApiAuth::Tokens, &[], &tokens));
    let gate = gate.unwrap();
    let token = |number: usize| gate.recognise(&names[number / MOST_OF_TOKEN], None).unwrap();
    let (mut sessions, start) = (Sessions::default(), Instant::now());
    let later = |seconds: u64| start + Duration::from_secs(seconds);
    let first = Key::of(sessions.begin(token(0), start).expose());
    let second = Key::of(sessions.begin(token(1), later(1)).expose());
    for number in 2..MOST_SESSIONS {
        sessions.begin(token(number), later(2));
    }
    assert!(sessions.find(first, Use::Person, later(3)).is_some());
    sessions.begin(token(MOST_SESSIONS), later(4));
    assert_eq!(sessions.count(), MOST_SESSIONS);
    assert!(sessions.find(second, Use::Person, later(5)).is_none());
    assert!(sessions.find(first, Use::Person, later(5)).is_some());
}

#[test]
fn who_signs_in_again_and_again_ends_sessions_of_the_same_token_alone() {
    let access = Access::with(ApiAuth::Tokens, &[], TOKENS);
    let gate = crate::api::Gate::new("127.0.0.1:1".parse().unwrap(), access).unwrap();
    let [reader, operator] = [READER, OPERATOR].map(|token| gate.recognise(token, None).unwrap());
    let (mut sessions, start) = (Sessions::default(), Instant::now());
    let later = |seconds: u64| start + Duration::from_secs(seconds);
    let of_other = Key::of(sessions.begin(operator, start).expose());
    let first = Key::of(sessions.begin(reader, later(1)).expose());
    for _ in 1..MOST_OF_TOKEN {
        sessions.begin(reader, later(2));
    }
    assert!(sessions.find(first, Use::Page, later(3)).is_some());
    for _ in 0..MOST_SESSIONS {
        sessions.begin(reader, later(4));
    }
    assert_eq!(sessions.count(), MOST_OF_TOKEN + 1);
    assert!(sessions.find(first, Use::Person, later(5)).is_none());
    assert!(sessions.find(of_other, Use::Person, later(5)).is_some());
}

async fn guess(web: &Fixture, token: &str) -> u16 {
    post(web, "/login", None, &[("token", token)]).await.status.as_u16()
}

#[tokio::test]
async fn guessing_is_slow_and_costs_nobody_else_anything() {
    let web = guarded();
    let cookie = sign_in(&web, READER).await;
    for _ in 0..5 {
        assert_eq!(guess(&web, "guessed").await, 403);
    }
    for _ in 0..1000 {
        assert_eq!(guess(&web, "guessed").await, 429);
    }
    let answer = post(&web, "/login", None, &[("token", "guessed")]).await;
    assert_eq!(answer.status, 429);
    let seconds: u64 = answer.headers["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=31).contains(&seconds), "{seconds}");
    assert!(
        !text(&answer).contains("guessed") && text(&answer).contains("Too many wrong tokens"),
        "{}",
        text(&answer)
    );
    assert_eq!(
        guess(&web, OPERATOR).await,
        303,
        "who has a token is let in, whoever guesses behind the same proxy"
    );
    assert_eq!(guess(&web, "guessed").await, 429, "that gives nobody more to guess");

    assert_eq!(get_with(&web, "/", &cookie).await.status, 200);
    let api = browser("GET", "/api/v1/status").header("authorization", format!("Bearer {READER}"));
    assert_eq!(web.answer(api.body(Body::empty()).unwrap()).await.status, 200);
    let elsewhere = browser("POST", "/login")
        .header("origin", super::support::ORIGIN)
        .extension(crate::api::view::Peer("192.0.2.7:5".parse().unwrap()));
    let answer = super::support::send(&web, elsewhere, None, &[("token", "guessed")]).await;
    assert_eq!(answer.status, 403, "another address is another client");
}

#[tokio::test]
async fn nothing_leads_to_another_server() {
    let web = guarded();
    for next in [
        "https://evil.example/",
        "//evil.example/",
        "/\\evil.example/",
        "/repositories\\..\\//evil.example",
        "/repositoriesx",
        "/api/v1/status",
        "/logout",
        "/live",
        "javascript:alert(1)",
        "/repositories\r\nset-cookie: a=b",
        "",
    ] {
        let answer = post(&web, "/login", None, &[("token", READER), ("next", next)]).await;
        assert_eq!(answer.headers["location"], "/", "{next:?}");
    }
    for next in ["/repositories/a%20b?asked=1", "/incidents?state=resolved", "/plugins", "/"] {
        let answer = post(&web, "/login", None, &[("token", READER), ("next", next)]).await;
        assert_eq!(answer.headers["location"], next);
    }
}

#[tokio::test]
async fn a_form_that_is_too_large_or_none_is_refused() {
    let web = guarded();
    let large = "x".repeat(70_000);
    let answer = post(&web, "/login", None, &[("token", &large)]).await;
    assert_eq!(answer.status, 413);
    assert_eq!(post(&web, "/login", None, &[]).await.status, 403);
    let foreign = browser("POST", "/login").header("origin", "https://evil.example");
    assert_eq!(super::support::send(&web, foreign, None, &[("token", READER)]).await.status, 403);
}

#[tokio::test]
async fn nobody_signs_in_where_nobody_has_to() {
    let web = super::support::open(&["alpha"]);
    let shown = page(&web, "/").await;
    assert!(!shown.contains("Sign out"), "{shown}");
    let answer = get(&web, "/login?next=%2Fplugins").await;
    assert_eq!((answer.status.as_u16(), answer.headers["location"].to_str().unwrap()), (303, "/plugins"));
}

#[tokio::test]
async fn who_comes_from_another_site_may_go_on_and_nobody_else_is_asked() {
    let web = guarded();
    let door = |site: &'static str| {
        let request = browser("GET", "/login?next=%2Fplugins");
        let request = request.header("sec-fetch-site", site).header("sec-fetch-mode", "navigate");
        web.answer(request.body(Body::empty()).unwrap())
    };
    assert!(text(&door("cross-site").await).contains("<a id=\"continue\" href=\"/plugins\">"));
    assert!(!text(&door("none").await).contains("continue"));
    assert!(!text(&door("same-origin").await).contains("continue"));
}
