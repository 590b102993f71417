//! `forgewatch status` against something that answers like a daemon, and against what does not.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use forgewatch_tests::nobody::Nobody;
use forgewatch_tests::sandbox::Sandbox;
use serde_json::{Value, json};

use crate::support::{assert_harmless, assert_has};

/// Answers every request with `status` and `body`, and hands on what was asked.
fn daemon(status: u16, body: String) -> (String, Receiver<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("the loopback works");
    let address = listener.local_addr().expect("the loopback works").to_string();
    let (sender, requests) = channel();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.expect("the loopback works");
            let lines = BufReader::new(&stream).lines().map_while(Result::ok);
            let head: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
            let length = body.len();
            write!(
                stream,
                "HTTP/1.1 {status} X\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
            )
            .expect("the loopback works");
            if sender.send(head).is_err() {
                return;
            }
        }
    });
    (address, requests)
}

fn well() -> Value {
    json!({
        "version": "0.1.0", "started_at": "2026-01-05T10:00:00.000Z", "uptime_s": 273_600, "ready": true,
        "repositories":
            {"total": 3, "granted": 3, "denied": 0, "indeterminate": 0, "unknown": 0, "stale": 0},
        "integrations": [{
            "name": "acme", "provider": "vsts", "granted": 3, "denied": 0, "indeterminate": 0, "unknown": 0,
            "held_until": null, "trouble_since": null
        }],
        "incidents": [], "incidents_open": 0,
        "schedule": {"running": 0, "waiting": 0, "lag_s": 0.0},
        "state":
            {"persisting": true, "problem": null, "since": null, "waiting": 0, "dropped_events": 0, "last_seq": 7},
        "config": {
            "successful": true, "at": "2026-01-05T10:00:00.000Z", "loaded_at": "2026-01-05T10:00:00.000Z",
            "duration_ms": 3.5, "problems": [], "needs_restart": []
        },
        "plugins": [{"key": "vsts", "state": "ready", "cause": null}],
        "of_a_later_version": 1, "\u{9b}2J\u{202e}": 1
    })
}

fn with(change: impl FnOnce(&mut Value)) -> String {
    let mut report = well();
    change(&mut report);
    report.to_string()
}

fn listening_on(address: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("forgewatch.toml", format!("[api]\nlisten = \"{address}\"\nauth = \"none\"\n"));
    sandbox
}

#[test]
fn a_daemon_that_is_well_is_found_where_it_listens() {
    let (address, requests) = daemon(200, with(|_| {}));
    let port = address.rsplit_once(':').unwrap().1;
    let mut sandbox = listening_on(&format!("0.0.0.0:{port}"));
    sandbox.set_variable("FORGEWATCH_TOKEN", "the-very-secret-token");
    let run = sandbox.run(&["--log-level", "trace", "status"]).exits(0);
    let url = format!("http://{address}/");
    assert_has(
        &run.stdout,
        &[&format!("forgewatch 0.1.0 at {url}, up 3 days 4 hours"), "3 granted", "all is well"],
    );
    let head = requests.recv().unwrap();
    assert_eq!(head[0], "GET /api/v1/status HTTP/1.1");
    assert!(head.contains(&"authorization: Bearer the-very-secret-token".to_owned()), "{head:?}");
    assert!(!format!("{run:?}").contains("very-secret"), "{run:?}");
    assert!(!run.stderr.contains("FORGEWATCH_TOKEN"), "{run:?}");
    let run = sandbox.run(&["status", "--format", "json"]).exits(0);
    assert_harmless(&run.stdout);
    let json = run.json();
    assert_eq!(json["of_a_later_version"], 1);
}

#[test]
fn what_is_broken_comes_first_with_what_to_do() {
    let (address, requests) = daemon(
        200,
        with(|report| {
            report["state"] = json!({
                "persisting": false, "problem": "disk full\u{1b}[2J", "since": "2026-01-05T10:00:00.000Z", "waiting": 12,
                "dropped_events": 0, "last_seq": 7
            });
            report["config"]["successful"] = json!(false);
            report["config"]["problems"] = json!(["`check_timeout` is wrong"]);
            report["plugins"][0] = json!({"key": "vsts", "state": "quarantined", "cause": "it crashed"});
            report["incidents"] = json!([{
                "id": "x", "integration": "acme", "reason": "unauthorized", "cause": "identity", "affected": 2,
                "first_seen": "2026-01-05T10:00:00.000Z", "detail": "the credential is dead",
                "people": {"assignee": "ada\u{1b}", "issue": "31", "issue_url": "https://tracker.example/31"}
            }]);
            report["incidents_open"] = json!(4);
            report["repositories"]["denied"] = json!(2);
            report["integrations"][0]["trouble_since"] = json!("2026-01-05T10:00:00.000Z");
        }),
    );
    let sandbox = listening_on("127.0.0.1:1");
    sandbox.write("token", "from-a-file\n");
    let run =
        sandbox.run(&["status", "--url", &format!("http://{address}"), "--token-file", "token"]).exits(3);
    assert!(requests.recv().unwrap().contains(&"authorization: Bearer from-a-file".to_owned()));
    let parts = [
        "nothing has been saved",
        "disk full\\u{1b}[2J",
        "see to that before the daemon ends: 12 rows wait",
        "the reload ",
        "`check_timeout` is wrong",
        "forgewatch run --dry-run",
        "the plugin `vsts` is quarantined",
        "it crashed",
        "2 repositories of `acme`: unauthorized (cause: identity)",
        "the credential is dead",
        "`ada\\u{1b}` has it; its issue is 31: https://tracker.example/31",
        "-> renew the credential",
        "3 more incidents",
        "the forge of `acme` has been in trouble",
        "INTEGRATION  GRANTED",
        "the daemon is not well; the verdicts of `acme` are as of 2026-01-05T10:00:00Z",
    ];
    let mut rest = run.stdout.as_str();
    for part in parts {
        let at = rest.find(part).unwrap_or_else(|| panic!("{part:?} does not follow in {}", run.stdout));
        rest = &rest[at + part.len()..];
    }
    assert_harmless(&run.stdout);
}

#[test]
fn missing_access_is_another_status_than_a_daemon_that_is_not_well() {
    let changes: [fn(&mut Value); 2] =
        [|report| report["repositories"]["denied"] = json!(1), |report| report["incidents_open"] = json!(1)];
    for change in changes {
        let (address, _requests) = daemon(200, with(change));
        let run = listening_on(&address).run(&["status"]).exits(1);
        assert_has(&run.stdout, &["access is missing"]);
    }
}

#[test]
fn a_forge_in_trouble_is_not_all_well() {
    let (address, _requests) = daemon(
        200,
        with(|report| report["integrations"][0]["trouble_since"] = json!("2026-01-05T10:00:00.000Z")),
    );
    let run = listening_on(&address).run(&["status"]).exits(1);
    let closing = ": a forge is in trouble; the verdicts of `acme` are as of 2026-01-05T10:00:00Z\n";
    assert!(run.stdout.ends_with(closing), "{run:?}");
}

#[test]
fn identities_that_end_soon_or_have_ended_are_named() {
    let end = |name: &str, ahead: i64, renews: bool| {
        let day = std::time::Duration::from_secs(86_400 * ahead.unsigned_abs());
        let now = std::time::SystemTime::now();
        let at = if ahead < 0 { now - day } else { now + day };
        json!({"name": name, "expires_at": humantime::format_rfc3339_millis(at).to_string(), "renews": renews})
    };
    let identities = [
        end("ended\u{1b}[2J", -3, false),
        end("ending", 13, false),
        end("lasting", 15, false),
        end("renewed", 0, true),
    ];
    let (address, _requests) = daemon(200, with(|report| report["identities"] = json!(identities)));
    let run = listening_on(&address).run(&["status"]).exits(0);
    let named = [
        "the identity `ended\\u{1b}[2J` ended 3 days ago",
        "the identity `ending` ends in 12 days 23 hours, at 20",
        "-> make a new credential",
        "all is well",
    ];
    assert_has(&run.stdout, &named);
    assert!(!run.stdout.contains("lasting") && !run.stdout.contains("renewed"), "{}", run.stdout);
    assert_harmless(&run.stdout);
}

#[test]
fn an_incident_of_one_repository_names_it_and_a_plugin_that_is_not_as_on_disk_says_why() {
    let (address, _requests) = daemon(
        200,
        with(|report| {
            report["incidents"] = json!([{
                "id": "x", "integration": "acme", "repository": "team/app", "reason": "not_found",
                "cause": "repository", "affected": 1, "first_seen": "2026-01-05T10:00:00.000Z", "detail": ""
            }]);
            report["incidents_open"] = json!(1);
            report["plugins"][0]["cause"] = json!("its file is gone");
        }),
    );
    let run = listening_on(&address).run(&["status"]).exits(1);
    let parts = [
        "the plugin `vsts` works, but",
        "its file is gone",
        "`team/app` of `acme`: not_found (cause: repository)",
    ];
    assert_has(&run.stdout, &parts);
}

#[test]
fn who_does_not_answer_as_a_daemon_does_is_told_of() {
    let nobody = Nobody::start();
    let address = nobody.address().to_string();
    let run = listening_on(&address).run(&["status"]).exits(2);
    assert_has(&run.stderr, &[&address, "connection refused", "`forgewatch run`", "--url"]);
    for (status, body, words) in [
        (401, "", "--token-file"),
        (404, "", "is no forgewatch"),
        (200, "<html>", "is no forgewatch of this version"),
    ] {
        let (address, _requests) = daemon(status, body.to_owned());
        let run = listening_on(&address).run(&["status"]).exits(2);
        assert_has(&run.stderr, &[&address, words]);
    }
}

#[test]
fn wrong_usage_sends_nothing_and_shows_no_secret() {
    let sandbox = listening_on("127.0.0.1:1");
    for url in ["http://me:pass-word@example.org/", "nonsense", "https://example.org/?token=pass-word"] {
        let run = sandbox.run(&["status", "--url", url]).exits(2);
        assert_has(&run.stderr, &["--url", "--token-file"]);
        assert!(!run.stderr.contains("pass-word"), "{run:?}");
    }
    let run = sandbox.run(&["status", "--token-file", "nowhere"]).exits(2);
    assert_has(&run.stderr, &["--token-file `nowhere`"]);
}

#[test]
fn a_configuration_that_is_wrong_does_not_hide_the_daemon() {
    let (address, _requests) = daemon(200, with(|_| {}));
    let sandbox = listening_on(&address);
    let run = sandbox.run(&["--set", "check_timeout=never", "status"]).exits(0);
    assert_has(&run.stderr, &["1 problem now", "forgewatch config check"]);
    let run = sandbox.run(&["--set", "api.listen=here", "status"]);
    assert_has(&run.stderr, &["trying http://127.0.0.1:9477/", "--url"]);
    sandbox.write("forgewatch.toml", "[api");
    let run = sandbox.run(&["status", "--set", &format!("api.listen={address}")]).exits(0);
    assert!(!run.stderr.contains("trying"), "{run:?}");
    sandbox.run(&["status", "--url", &format!("http://{address}")]).exits(0);
}

#[test]
fn whether_it_lives_takes_no_token() {
    let (address, requests) = daemon(200, "ok".to_owned());
    let mut sandbox = listening_on(&address);
    sandbox.set_variable("FORGEWATCH_TOKEN", "the-very-secret-token");
    let run = sandbox.run(&["status", "--live"]).exits(0);
    assert_has(&run.stdout, &[&address, "lives"]);
    let head = requests.recv().unwrap();
    assert_eq!(head[0], "GET /livez HTTP/1.1");
    assert!(!head.iter().any(|line| line.contains("very-secret")), "{head:?}");
    let (address, _requests) = daemon(503, String::new());
    let run = listening_on(&address).run(&["status", "--live"]).exits(2);
    assert_has(&run.stderr, &[&address, "status 503"]);
}
