//! Targets that are down, slow, or make no sense.

use forgewatch_tests::daemon::Daemon;
use forgewatch_tests::process::wait_for;
use forgewatch_tests::receivers::{Answer, Receiver};
use serde_json::Value;

use super::{heard, sandbox, text, told, until_heard, webhook};
use crate::support::{delete, large, restore, until_granted};

/// How a target does, as the API says.
fn condition(daemon: &Daemon, name: &str) -> Value {
    let alerts = daemon.get("/api/v1/alerts").json();
    let items = alerts["items"].as_array().expect("items");
    items.iter().find(|item| item["name"] == name).expect("it is configured").clone()
}

#[test]
fn a_target_that_is_down_loses_nothing_and_holds_up_nobody() {
    let (fake, hook, other) = (large(1, 4), Receiver::start(), Receiver::start());
    hook.answer_usually(Some(Answer::Status(503)));
    let list = told(4)
        .set("alerts.default", r#"["hook", "other"]"#)
        .table("alerts.targets.other", &webhook("other"));
    let sandbox = sandbox(&list, &fake, &[("hook", &hook), ("other", &other)]);
    let daemon = Daemon::start(&sandbox);
    until_granted(&daemon, 4);
    let mut expected = Vec::new();
    for (repository, name) in [(0, "p0-r0"), (1, "p0-r1"), (2, "p0-r2")] {
        delete(&fake, 0, repository);
        expected.push(("opened", name));
        until_heard(&other, &expected);
        restore(&fake, 0, repository);
        expected.push(("resolved", name));
        until_heard(&other, &expected);
    }
    wait_for("a failure", || (!condition(&daemon, "hook")["failing_since"].is_null()).then_some(()));
    wait_for("all that is owed to the other", || (condition(&daemon, "other")["pending"] == 0).then_some(()));
    let (failing, well) = (condition(&daemon, "hook"), condition(&daemon, "other"));
    assert_eq!((&failing["pending"], text(&failing["kind"])), (&3.into(), "webhook".to_owned()));
    assert!(text(&failing["problem"]).contains("503"), "{failing}");
    assert!(well["failing_since"].is_null() && !well["delivered_at"].is_null(), "{well}");
    let metrics = daemon.get("/metrics").body;
    for line in [
        "forgewatch_alert_target_up{target=\"hook\"} 0.0",
        "forgewatch_alert_target_up{target=\"other\"} 1.0",
        "forgewatch_alerts_pending{target=\"hook\"} 3.0",
        "forgewatch_alerts_total{target=\"other\",event=\"resolved\"} 3",
    ] {
        assert!(metrics.lines().any(|it| it == line), "{line} is not in\n{metrics}");
    }
    let status = sandbox.command(&["status", "--url", &format!("http://{}", daemon.address())]).output();
    let status = status.expect("it runs");
    let told = String::from_utf8_lossy(&status.stdout).into_owned();
    assert_eq!(status.status.code(), Some(3), "{told}");
    assert!(
        told.contains("the target of alerts `hook` (webhook) has not taken what it is told for"),
        "{told}"
    );

    let attempts = hook.answer_usually(None);
    // By now it may rest for longer than anybody waits here; a configuration that is read again lets it try at once.
    daemon.reload();
    wait_for("everything", || (condition(&daemon, "hook")["pending"] == 0).then_some(()));
    let requests = hook.requests();
    // None was taken before, and then each once.
    let mut events: Vec<_> = requests[attempts..].iter().flat_map(super::of_message).collect();
    events.sort();
    let mut all: Vec<_> =
        expected.iter().map(|(event, name)| ((*event).to_owned(), (*name).to_owned())).collect();
    all.sort();
    assert_eq!(events, all);
    assert!(condition(&daemon, "hook")["failing_since"].is_null());
    daemon.stop();
}

#[test]
fn a_target_that_is_slow_or_makes_no_sense_is_asked_again() {
    let (fake, hook) = (large(1, 2), Receiver::start());
    hook.answer_next([
        Answer::Silence,
        Answer::Bytes(b"\0\xffgarbage\r\n\r\n".to_vec()),
        Answer::Reset,
        // It has taken it, however badly it says so.
        Answer::Unfinished(200),
    ]);
    let list = told(2).set("http.timeout", r#""3s""#).set("check_timeout", r#""10s""#);
    let sandbox = sandbox(&list, &fake, &[("hook", &hook)]);
    let daemon = Daemon::start(&sandbox);
    until_granted(&daemon, 2);
    delete(&fake, 0, 0);
    let requests = hook.wait_for(4);
    assert!(requests.iter().all(|request| request.header("webhook-id") == requests[0].header("webhook-id")));
    restore(&fake, 0, 0);
    hook.wait_for(5);
    daemon.stop();
    assert_eq!(heard(&hook).last(), Some(&("resolved".to_owned(), "p0-r0".to_owned())));
    assert_eq!(hook.requests().len(), 5);
}

#[test]
fn a_full_disk_keeps_nobody_from_being_told() {
    let (fake, hook) = (large(1, 3), Receiver::start());
    let list = told(3);
    let sandbox = sandbox(&list, &fake, &[("hook", &hook)]);
    let daemon = Daemon::start(&sandbox);
    until_granted(&daemon, 3);
    daemon.process().limit_files(Some(1));
    delete(&fake, 0, 0);
    until_heard(&hook, &[("opened", "p0-r0")]);
    // Its end waits for the disk, and comes once.
    restore(&fake, 0, 0);
    daemon.tells("not_found is over", 1);
    daemon.process().limit_files(None);
    until_heard(&hook, &[("opened", "p0-r0"), ("resolved", "p0-r0")]);
    delete(&fake, 0, 1);
    until_heard(&hook, &[("opened", "p0-r0"), ("resolved", "p0-r0"), ("opened", "p0-r1")]);
    daemon.stop();
    assert_eq!(super::owed(&sandbox), 1);
}

#[test]
fn a_message_that_its_target_cannot_take_keeps_no_other_from_it() {
    let (fake, hook) = (large(1, 4), Receiver::start());
    // A receiver on which one of them has such an effect, alone or with others.
    hook.answer_if("p0-r1", Answer::Status(500));
    hook.answer_if("p0-r2", Answer::Status(413));
    let list = told(4).set("alerts.group_wait", r#""1s""#);
    let sandbox = sandbox(&list, &fake, &[("hook", &hook)]);
    let daemon = Daemon::start(&sandbox);
    until_granted(&daemon, 4);
    (0..4).for_each(|repository| delete(&fake, 0, repository));
    let was_taken = |name: &str| {
        let alone = |request: &forgewatch_tests::receivers::Received| {
            let of = super::of_message(request);
            of.iter().any(|(_, of)| of == name) && !of.iter().any(|(_, of)| of == "p0-r1" || of == "p0-r2")
        };
        hook.requests().iter().any(alone).then_some(())
    };
    wait_for("the first", || was_taken("p0-r0"));
    wait_for("the last", || was_taken("p0-r3"));
    // What it takes may have been told before what it does not take, or between two halves of that.
    wait_for("what is not taken", || {
        let condition = condition(&daemon, "hook");
        (!condition["failing_since"].is_null() && !condition["problem"].is_null()).then_some(())
    });
    daemon.stop();
}

#[test]
fn a_stop_lets_a_message_under_way_end() {
    let (fake, hook) = (large(1, 2), Receiver::start());
    let list = told(2);
    let sandbox = sandbox(&list, &fake, &[("hook", &hook)]);
    let daemon = Daemon::start(&sandbox);
    until_granted(&daemon, 2);
    hook.answer_next([Answer::Late(std::time::Duration::from_secs(2), 200)]);
    delete(&fake, 0, 0);
    hook.wait_for(1);
    daemon.stop();
    let daemon = Daemon::start(&sandbox);
    until_granted(&daemon, 1);
    restore(&fake, 0, 0);
    until_heard(&hook, &[("opened", "p0-r0"), ("resolved", "p0-r0")]);
    daemon.stop();
}
