//! `forgewatch alerts test`: what it says and what arrives, when all is well and when it is not.

use std::time::{Duration, SystemTime};

use forgewatch_tests::fake::Presented;
use forgewatch_tests::receivers::{Alertmanager, Answer, Certified, MailServer, MailSettings, Receiver};
use forgewatch_tests::sandbox::Sandbox;
use serde_json::Value;

use crate::support::{AUTHORIZATION, HOOK, SIGNING, keeps_secrets, sandbox};

/// A sandbox with the webhook `ops` at this address.
fn webhook(url: &str, more: &str) -> Sandbox {
    let settings = format!("ops = {{ kind = \"webhook\", url = {{ env = \"HOOK\" }}, {more} }}");
    let mut sandbox = sandbox("http.timeout = \"3s\"\n", &settings);
    sandbox.set_variable("HOOK", url);
    sandbox
}

#[test]
fn every_kind_of_target_takes_a_test_that_says_what_it_is() {
    let (hook, alertmanager) = (Receiver::start(), Alertmanager::start());
    let mail = MailServer::start(&MailSettings::default());
    let targets = format!(
        r#"
hook = {{ kind = "webhook", url = {{ env = "HOOK" }}, allow_insecure_http = true }}
chat = {{ kind = "slack", url = {{ env = "HOOK" }}, allow_insecure_http = true }}
am = {{ kind = "alertmanager", url = "{}", allow_insecure_http = true }}
mail = {{ kind = "email", host = "127.0.0.1", port = {}, tls = "none", from = "a@example.org", to = ["b@example.org"] }}
broken = {{ kind = "slack", url = {{ env = "NOT_SET" }} }}
"#,
        alertmanager.url(),
        mail.port()
    );
    let mut sandbox = sandbox("public_url = \"https://watch.example.org/\"\n", &targets);
    sandbox.set_variable("HOOK", &hook.url(&format!("/{HOOK}")));
    for (target, kind) in [("hook", "webhook"), ("chat", "slack"), ("am", "alertmanager"), ("mail", "email")]
    {
        let run = sandbox.run(&["alerts", "test", target]).exits(0);
        assert_eq!(run.stdout, format!("target {target} ({kind}) took the test message\n"));
        keeps_secrets(&run);
    }
    let requests = hook.wait_for(2);
    let body = requests[0].json();
    assert_eq!(
        (&body["test"], &body["event"], &body["schema"]),
        (&Value::from(true), &"opened".into(), &1.into())
    );
    let text = requests[1].json()["text"].as_str().unwrap().to_owned();
    assert!(text.contains("*Test, as if opened:*") && text.contains("nothing has happened"), "{text}");
    let alert = &alertmanager.wait_for(1)[0];
    assert_eq!(alert["labels"]["alertname"], "ForgewatchTest");
    let ends = humantime::parse_rfc3339(alert["endsAt"].as_str().unwrap()).unwrap();
    assert!(ends < SystemTime::now() + Duration::from_secs(600), "{alert}");
    let letter = &mail.wait_for(1)[0];
    assert!(letter.header("Subject").unwrap().starts_with("[forgewatch] Test, as if opened: "), "{letter:?}");
    assert!(letter.body.contains("This is a test: nothing has happened."), "{letter:?}");

    for (count, event, word) in [(2, "reminded", "still open"), (3, "resolved", "resolved")] {
        sandbox.run(&["alerts", "test", "mail", "--event", event]).exits(0);
        let letter = mail.wait_for(count).remove(count - 1);
        assert!(letter.header("Subject").unwrap().contains(&format!("as if {word}")), "{letter:?}");
    }
    sandbox.run(&["alerts", "test", "am", "--event", "resolved"]).exits(0);
    alertmanager.wait_for(0);
    assert!(!sandbox.path("state").exists(), "a test is remembered");
}

#[test]
fn another_name_is_told_with_those_that_there_are() {
    let sandbox = webhook("https://hooks.example.org/", "");
    for (name, help) in [("opps", "fix: did you mean `ops`?"), ("payments\u{1b}", "fix: there are: ops")] {
        let run = sandbox.run(&["alerts", "test", name]).exits(2);
        assert!(
            run.stderr.contains("is not among the targets of alerts") && run.stderr.contains(help),
            "{run:?}"
        );
    }
    let empty = Sandbox::new();
    let run = empty.run(&["alerts", "test", "ops"]).exits(2);
    assert!(run.stderr.contains("add a table such as [alerts.targets.ops]"), "{run:?}");
    sandbox.run(&["alerts", "test"]).exits(2);
    sandbox.run(&["alerts", "test", "ops", "--event", "closed"]).exits(2);
}

#[test]
fn everything_wrong_with_a_target_is_told_at_once_and_nothing_is_sent() {
    let hook = Receiver::start();
    let more = "secret = { env = \"SHORT\" }, authorization = { env = \"NOT_SET\" }, \
                template = \"{\\\"text\\\": \\\"{{ event }}\\\"}\"";
    let mut sandbox = webhook(&hook.url(&format!("/{HOOK}")), more);
    sandbox.set_variable("SHORT", "whsec_cGxhbnRlZDBob29rMGtleQ==");
    let run = sandbox.run(&["alerts", "test", "ops"]).exits(2);
    for part in [
        "alerts.targets.ops.url: messages would be sent without TLS",
        "use https, or add `allow_insecure_http = true` under `[alerts.targets.ops]`",
        "alerts.targets.ops.secret: the secret does not hold 24 to 64 bytes",
        "make one with",
        "alerts.targets.ops.authorization: environment variable `NOT_SET` is not set",
        "alerts.targets.ops.template: what it makes is no JSON",
        "write values without quotes around them",
        "forgewatch.toml:4",
        "4 problems, nothing was run",
    ] {
        assert!(run.stderr.contains(part), "{part}: {}", run.stderr);
    }
    keeps_secrets(&run);
    assert!(hook.requests().is_empty());
}

#[test]
fn settings_of_mail_and_alertmanager_are_judged_too() {
    let mail = |more: &str| {
        format!(
            "ops = {{ kind = \"email\", host = \"mail.example.org\", from = \"a@b.example\", to = [\"c@d.example\"]{more} }}"
        )
    };
    let cases = [
        (
            mail(", tls = \"none\""),
            "alerts.targets.ops.tls: mail would be sent to another machine without TLS",
        ),
        (mail(", username = \"u\""), "alerts.targets.ops.username: there is no `password` to it"),
        (mail(", password = { env = \"PASSWORD\" }"), "there is no `username` to it"),
        (mail("").replace("c@d.example", "c at d"), "alerts.targets.ops.to: `c at d` is no mail address"),
        (mail("").replace("c@d.example", "ü@d.example"), "has characters that not all mail servers take"),
        (mail("").replace("a@b.example", "a@b\\r\\nBcc: x@y.example"), "alerts.targets.ops.from: "),
        (
            mail("").replace("mail.example.org", "mail.example.org:25"),
            "give the name alone, and the port as `port`",
        ),
        (
            "ops = { kind = \"alertmanager\", url = \"http://127.0.0.1:9\" }".to_owned(),
            "alerts.targets.ops.url: messages would be sent without TLS",
        ),
        (
            "ops = { kind = \"alertmanager\", url = \"https://am.example.org/api/v2/alerts\" }".to_owned(),
            "leave `/api/v2` and what follows out",
        ),
        (
            "ops = { kind = \"slack\", url = { env = \"AUTHORIZATION\" } }".to_owned(),
            "alerts.targets.ops.url: the secret is no http or https URL",
        ),
    ];
    for (target, problem) in cases {
        let run = sandbox("", &target).run(&["alerts", "test", "ops"]).exits(2);
        assert!(run.stderr.contains(problem), "{problem}: {}", run.stderr);
        keeps_secrets(&run);
    }
}

#[test]
fn a_secret_in_place_of_its_reference_is_refused_and_shown_nowhere() {
    let hook = format!("\"https://hooks.example.org/services/{HOOK}\"");
    for (kind, url, more) in [
        ("slack", hook.as_str(), String::new()),
        ("webhook", hook.as_str(), String::new()),
        ("webhook", "{ env = \"HOOK\" }", format!(", secret = {SIGNING:?}")),
        ("webhook", "{ env = \"HOOK\" }", format!(", authorization = {AUTHORIZATION:?}")),
        ("webhook", "{ env = \"HOOK\" }", format!(", authorization = {{ value = {AUTHORIZATION:?} }}")),
    ] {
        let sandbox = sandbox("", &format!("ops = {{ kind = {kind:?}, url = {url}{more} }}"));
        for arguments in [
            &["alerts", "test", "ops"][..],
            &["config", "check"],
            &["config", "show"],
            &["config", "explain", "alerts"],
            &["config", "explain", "alerts.targets.ops.url"],
        ] {
            let run = sandbox.run(arguments);
            assert!(arguments[0] == "config" || run.status == Some(2), "{run:?}");
            keeps_secrets(&run);
        }
    }
}

#[test]
fn what_is_not_taken_is_told_with_the_reason_and_without_secrets() {
    let hook = Receiver::start();
    let more = "allow_insecure_http = true, secret = { env = \"SIGNING\" }, authorization = { env = \"AUTHORIZATION\" }";
    let sandbox = webhook(&hook.url(&format!("/{HOOK}")), more);
    let echo = format!("\r\nno /{HOOK} for {AUTHORIZATION}\r\n");
    let to = ("Location".to_owned(), hook.url("/elsewhere"));
    let cases = [
        (
            Answer::With(403, Vec::new(), echo.clone()),
            "it answers 403 (no *** for ***): look whether it fails for all or for this message",
        ),
        (
            Answer::With(400, Vec::new(), echo),
            "it answers 400 (no *** for ***): it does not take such a message",
        ),
        (Answer::Status(404), "it answers 404: nobody is there; look at its address"),
        (Answer::Status(503), "it answers 503: it is in trouble"),
        (Answer::With(302, vec![to], String::new()), "it answers 302: redirects are not followed"),
        (Answer::Bytes(b"SSH-2.0-OpenSSH_9.2\r\n".to_vec()), "no answer: what came back is not HTTP"),
        (Answer::Bytes(Vec::new()), "no answer: the connection was closed before an answer"),
        (Answer::Reset, "no answer: connection reset"),
        (Answer::Silence, "no answer: timed out after 3 s"),
    ];
    let count = cases.len();
    for (answer, words) in cases {
        hook.answer_next([answer]);
        let run = sandbox.run(&["--log-level", "trace", "alerts", "test", "ops"]).exits(1);
        let line = format!("error: target ops (webhook) did not take it: {words}");
        assert!(run.stderr.contains(&line) && run.stdout.is_empty(), "{line}: {run:?}");
        keeps_secrets(&run);
    }
    assert_eq!(hook.requests().len(), count, "something is sent twice, or a redirect is followed");
    let nobody = hook.url("/");
    drop(hook);
    let run = webhook(&nobody, "allow_insecure_http = true").run(&["alerts", "test", "ops"]).exits(1);
    assert!(run.stderr.contains("no answer: connection refused"), "{run:?}");
}

#[test]
fn only_who_is_vouched_for_is_told() {
    let cases = [
        (Presented::Proper, None),
        (
            Presented::UnknownAuthority,
            Some("signed by nobody trusted here; add the authority to `http.ca_file`"),
        ),
        (Presented::WrongName("other.example".to_owned()), Some("it is for another host")),
        (Presented::Expired, Some("it has expired")),
    ];
    for (presented, problem) in cases {
        let certified = Certified::presenting(presented);
        let hook = Receiver::start_tls(&certified);
        let sandbox = webhook(&hook.url(&format!("/{HOOK}")), "");
        let trusting = format!("http.ca_file={:?}", certified.ca_file());
        let run = sandbox.run(&["--set", &trusting, "alerts", "test", "ops"]);
        match problem {
            None => assert_eq!(run.exits(0).stdout, "target ops (webhook) took the test message\n"),
            Some(problem) => {
                let run = run.exits(1);
                assert!(run.stderr.contains(problem), "{run:?}");
                keeps_secrets(&run);
                assert!(hook.requests().is_empty());
            }
        }
    }
}
