//! Very many incidents at once.

use std::collections::BTreeSet;

use forgewatch_tests::daemon::Daemon;
use forgewatch_tests::receivers::Receiver;

use super::{heard, sandbox, told, webhook};
use crate::support::{hide_project, large, until_granted};

const MANY: usize = 1_000;

/// How many incidents a webhook was told of so far, counted without reading all of it again and again.
fn incidents(receiver: &Receiver) -> usize {
    receiver.requests().iter().map(|request| request.body.matches("\"fingerprint\":").count()).sum()
}

#[test]
fn a_thousand_incidents_at_once_are_few_messages_and_each_is_told_once() {
    let (fake, hook, chat) = (large(1, MANY), Receiver::start(), Receiver::start());
    let list = told(MANY)
        .set("defaults.interval", r#""4s""#)
        .set("alerts.group_wait", r#""2s""#)
        // Each of them is its own.
        .set("breaker.minimum", "1000000")
        .set("alerts.default", r#"["hook", "chat"]"#)
        .table("alerts.targets.chat", &webhook("chat").replace("webhook", "slack"));
    let sandbox = sandbox(&list, &fake, &[("hook", &hook), ("chat", &chat)]);
    let daemon = Daemon::start(&sandbox);
    until_granted(&daemon, MANY);
    for (hidden, event, times) in [(true, "opened", 1), (false, "resolved", 2)] {
        hide_project(&fake, 0, hidden);
        daemon.until("all that is told", |_| (incidents(&hook) >= MANY * times).then_some(()));
        let of_event: Vec<_> = heard(&hook).into_iter().filter(|(it, _)| it == event).collect();
        let distinct: BTreeSet<_> = of_event.iter().collect();
        assert_eq!((of_event.len(), distinct.len()), (MANY, MANY));
    }
    daemon.until("a chat that was told", |_| {
        let alerts = daemon.get("/api/v1/alerts").json();
        let items = alerts["items"].as_array().expect("items").clone();
        items.iter().all(|item| item["pending"] == 0).then_some(())
    });
    daemon.stop();
    let messages = chat.requests();
    assert!((2..=30).contains(&messages.len()), "{} messages to people", messages.len());
    assert!(messages.iter().all(|message| message.body.len() < 20_000));
}
