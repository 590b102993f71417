//! Requests that are wrong on purpose, and tokens that are.

use forgewatch_tests::ask::{self, ask_with};
use forgewatch_tests::daemon::Daemon;
use forgewatch_tests::haystack::Haystack;

use super::{OPERATE, READ, assert_answers, at_once, bearer, guarded, quiet};
use crate::support::large;

/// What is sent, with `HOST` for where the daemon listens, and the first answer's status.
fn hostile() -> Vec<(&'static str, String, u16)> {
    let post = "POST /api/v1/check HTTP/1.1\r\nHost: HOST\r\nContent-Type: application/json\r\n";
    let body = r#"{"repositories": ["p0-r0"]}"#;
    let row = |what, head: &str, status| (what, format!("{head}\r\nConnection: close\r\n\r\n"), status);
    vec![
        row("HTTP/1.0", "GET /livez HTTP/1.0\r\nHost: HOST", 200),
        row("HTTP/1.0 without a host", "GET /livez HTTP/1.0", 400),
        row("HTTP/1.1 without a host", "GET /livez HTTP/1.1", 400),
        row("HTTP/2 without asking", "PRI * HTTP/2.0", 400),
        row("HTTP/2 by upgrade", "GET /livez HTTP/1.1\r\nHost: HOST\r\nUpgrade: h2c", 200),
        row("TLS", "\u{16}\u{3}\u{1}\u{2}\0\u{1}\0\u{1}", 400),
        row("an absolute target", "GET http://HOST/livez HTTP/1.1\r\nHost: HOST", 200),
        row("another's target", "GET http://evil.test/livez HTTP/1.1\r\nHost: HOST", 400),
        row("two hosts", "GET /livez HTTP/1.1\r\nHost: HOST\r\nHost: evil.test", 400),
        row("a rebound host", "GET /api/v1/status HTTP/1.1\r\nHost: evil.test", 421),
        row("a rebound host with the port", "GET /livez HTTP/1.1\r\nHost: evil.test:80", 421),
        row("a foreign origin", "GET /livez HTTP/1.1\r\nHost: HOST\r\nOrigin: https://evil.test", 403),
        row("no origin", "POST /-/reload HTTP/1.1\r\nHost: HOST\r\nOrigin: null", 403),
        row("a proxy", "CONNECT evil.test:443 HTTP/1.1\r\nHost: evil.test:443", 421),
        row("a trace", "TRACE /livez HTTP/1.1\r\nHost: HOST", 405),
        row("options", "OPTIONS * HTTP/1.1\r\nHost: HOST", 404),
        row("no method", "G T /livez HTTP/1.1\r\nHost: HOST", 400),
        row("a way up", "GET /api/v1/../../etc/passwd HTTP/1.1\r\nHost: HOST", 404),
        row("a way up in a name", "GET /api/v1/repositories/..%2f..%2fstate.db HTTP/1.1\r\nHost: HOST", 404),
        row("no text", "GET /api/v1/repositories/%ff%00 HTTP/1.1\r\nHost: HOST", 400),
        row("a folded header", "GET /livez HTTP/1.1\r\nHost: HOST\r\nX: a\r\n b", 400),
        row("a header with a zero", "GET /livez HTTP/1.1\r\nHost: HOST\r\nX: \0", 400),
        row("a space before the colon", "GET /livez HTTP/1.1\r\nHost: HOST\r\nX : a", 400),
        row("a long target", &format!("GET /{} HTTP/1.1\r\nHost: HOST", "x".repeat(100_000)), 431),
        row(
            "a long header",
            &format!("GET /livez HTTP/1.1\r\nHost: HOST\r\nX: {}", "x".repeat(100_000)),
            431,
        ),
        row("many headers", &format!("GET /livez HTTP/1.1\r\nHost: HOST{}", "\r\nX: y".repeat(1_000)), 431),
        row("a token in the query", "GET /api/v1/status?Access%5ftoken=x HTTP/1.1\r\nHost: HOST", 400),
        ("a large body", format!("{post}Content-Length: 1000000\r\n\r\n{}", " ".repeat(200_000)), 413),
        ("two lengths", format!("{post}Content-Length: 3\r\nContent-Length: 27\r\n\r\n{body}"), 400),
        ("no length", format!("{post}Content-Length: -1\r\n\r\n{body}"), 400),
        ("wrong chunks", format!("{post}Transfer-Encoding: chunked\r\n\r\nzz\r\n{body}"), 400),
        ("an unknown encoding", format!("{post}Transfer-Encoding: x, identity\r\n\r\n{body}"), 400),
    ]
}

#[test]
fn what_no_honest_client_sends_is_refused_and_harms_nobody() {
    let fake = large(1, 1);
    let sandbox = quiet(1).sandbox(&fake);
    let daemon = Daemon::start(&sandbox);
    let address = daemon.address();
    let wrong = hostile().into_iter().filter_map(|(what, bytes, status)| {
        let bytes = bytes.replace("HOST", &address.to_string());
        let answer = ask::talk(address, bytes.as_bytes()).unwrap_or_else(|error| error.to_string());
        let got = answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0_u16);
        (got != status).then(|| format!("{what}: {got} and not {status}: {answer}"))
    });
    let wrong: Vec<_> = wrong.collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_answers(&daemon);
    let run = daemon.stop();
    assert!(!run.stderr.contains("panicked"), "{}", run.stderr);
}

/// A proxy in front that goes by the other of the two would take the rest for the next request.
#[test]
fn nothing_is_smuggled_behind_a_body_with_two_lengths() {
    let fake = large(1, 1);
    let sandbox = quiet(1).sandbox(&fake);
    let daemon = Daemon::start(&sandbox);
    let address = daemon.address();
    let smuggled = ask::head(address, "POST", "/-/reload", &[]);
    let bytes = format!(
        "POST /api/v1/check HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{smuggled}",
        5 + smuggled.len()
    );
    let answer = ask::talk(address, bytes.as_bytes()).expect("an answer");
    assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{answer}");
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    let run = daemon.stop();
    assert!(!run.stderr.contains("was read again"), "{}", run.stderr);
}

#[test]
fn tokens_are_not_guessed_not_logged_and_not_more_than_they_are() {
    const WRONG: &str = "planted0wrong0token";
    const GUESSES: usize = 600;
    let fake = large(1, 1);
    let mut sandbox = guarded(quiet(1)).sandbox(&fake);
    sandbox.set_variable("OPERATE", OPERATE);
    sandbox.set_variable("READ", READ);
    let daemon = Daemon::start(&sandbox);
    let address = daemon.address();
    let ask = |path: &str, token: &str| {
        ask_with(address, "GET", path, &[&bearer(token)], "").expect("an answer").status
    };
    let order = |path: &str, token: &str| {
        ask_with(address, "POST", path, &[&bearer(token)], r#"{"repositories": ["p0-r0"]}"#)
            .expect("an answer")
            .status
    };
    let guesses = at_once(30, |client| {
        let guess = |number| ask("/api/v1/status", &format!("{WRONG}{client}-{number}"));
        (0..GUESSES / 30).map(guess).filter(|status| *status == 401).count()
    });
    assert_eq!(guesses.iter().sum::<usize>(), GUESSES);
    for (path, read, operate) in [("/-/reload", 403, 200), ("/api/v1/check", 403, 202)] {
        assert_eq!(
            (order(path, WRONG), order(path, READ), order(path, OPERATE)),
            (401, read, operate),
            "{path}"
        );
    }
    assert_eq!((ask("/api/v1/status", READ), ask("/api/v1/status", OPERATE)), (200, 200));
    for name in ["token", "access_token"] {
        assert_eq!(ask(&format!("/api/v1/status?{name}={READ}"), READ), 400);
    }
    let run = daemon.stop();
    let told = run.stderr.matches("a token that the API does not know").count();
    assert!(told > 0 && told < GUESSES / 10, "told {told} times");
    for secret in [OPERATE, READ, WRONG] {
        Haystack::new(secret).assert_absent_from(run.stderr.as_bytes(), "the log");
    }
}
