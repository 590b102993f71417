//! Who hears of incidents: from a repository that is lost to what arrives at real targets, whatever happens to the
//! target, the daemon and the configuration meanwhile.

mod many;
mod routes;
mod troubles;

use forgewatch_tests::daemon::Daemon;
use forgewatch_tests::fake::{Fake, Standing};
use forgewatch_tests::process::wait_for;
use forgewatch_tests::receivers::{Alertmanager, Answer, MailServer, MailSettings, Received, Receiver};
use forgewatch_tests::records::Records;
use forgewatch_tests::sandbox::Sandbox;
use forgewatch_tests::watchlist::Watchlist;
use rustix::process::Signal;
use serde_json::Value;

use crate::support::{delete, large, restore, until_granted};

/// Repositories with a target `hook` that hears of everything at once, and is reminded of nothing.
fn told(count: usize) -> Watchlist {
    Watchlist::large(1, count)
        .set("defaults.interval", r#""300ms""#)
        .set("alerts.group_wait", r#""50ms""#)
        .set("alerts.remind_after", r#""1000h""#)
        .set("alerts.default", r#"["hook"]"#)
        .table("alerts.targets.hook", &webhook("hook"))
}

/// The settings of a webhook whose address is in a file.
fn webhook(file: &str) -> String {
    format!("kind = \"webhook\"\nallow_insecure_http = true\nurl = {{ file = \"{file}.url\" }}")
}

/// A sandbox with it, where addresses of receivers are in files.
fn sandbox(list: &Watchlist, fake: &Fake, receivers: &[(&str, &Receiver)]) -> Sandbox {
    let sandbox = list.sandbox(fake);
    for (name, receiver) in receivers {
        sandbox.write(&format!("{name}.url"), receiver.url(&format!("/{name}")));
    }
    sandbox
}

/// What a webhook was told: event and repository of each incident, in order.
fn heard(receiver: &Receiver) -> Vec<(String, String)> {
    let told = receiver.requests().into_iter().flat_map(|request| of_message(&request));
    told.collect()
}

fn of_message(request: &Received) -> Vec<(String, String)> {
    let message = request.json();
    let event = text(&message["event"]);
    let incidents = message["incidents"].as_array().expect("incidents").iter();
    incidents.map(|incident| (event.clone(), text(&incident["repository"]))).collect()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// Waits until a webhook was told exactly this.
#[track_caller]
fn until_heard(receiver: &Receiver, expected: &[(&str, &str)]) {
    let expected: Vec<_> =
        expected.iter().map(|(event, name)| ((*event).to_owned(), (*name).to_owned())).collect();
    wait_for("what is to be told", || (heard(receiver).len() >= expected.len()).then_some(()));
    assert_eq!(heard(receiver), expected);
}

#[test]
fn a_revoked_identity_is_one_message_to_each_kind_of_target_and_one_when_it_is_over() {
    let fake = large(1, 40);
    let (hook, chat) = (Receiver::start(), Receiver::start());
    let alertmanager = Alertmanager::start();
    let mail = MailServer::start(&MailSettings { tls: "none", ..MailSettings::default() });
    let (url, port) = (alertmanager.url(), mail.port());
    let list = told(40)
        .set("public_url", r#""https://watch.example.org/""#)
        .set("alerts.default", r#"["hook", "chat", "prometheus", "mail"]"#)
        .table("alerts.targets.chat", &webhook("chat").replace("webhook", "slack"))
        .table(
            "alerts.targets.prometheus",
            &format!("kind = \"alertmanager\"\nurl = {url:?}\nallow_insecure_http = true"),
        )
        .table(
            "alerts.targets.mail",
            &format!(
                "kind = \"email\"\nhost = \"127.0.0.1\"\nport = {port}\ntls = \"none\"\n\
                 from = \"watch@example.org\"\nto = [\"ops@example.org\"]"
            ),
        );
    let sandbox = sandbox(&list, &fake, &[("hook", &hook), ("chat", &chat)]);
    let daemon = Daemon::start(&sandbox);
    until_granted(&daemon, 40);
    fake.world(|world| world.credentials[0].standing = Standing::Expired);
    let opened = &hook.wait_for(1)[0].json();
    let incident = &opened["incidents"][0];
    assert_eq!((text(&opened["event"]), text(&incident["cause"])), ("opened".into(), "identity".into()));
    assert_eq!((text(&incident["severity"]), &incident["repository"]), ("critical".into(), &Value::Null));
    assert!(text(&incident["url"]).starts_with("https://watch.example.org/incidents/"), "{incident}");
    assert!(chat.wait_for(1)[0].json()["text"].as_str().expect("text").contains("renew the credential"));
    let alert = alertmanager.wait_for(1).remove(0);
    assert_eq!(alert["labels"]["cause"], "identity");
    assert!(mail.wait_for(1)[0].header("subject").expect("one").contains("Opened"));
    daemon.until_confirmed(40, "unauthorized");
    fake.world(|world| world.credentials[0].standing = Standing::Valid);
    until_granted(&daemon, 40);
    assert_eq!(text(&hook.wait_for(2)[1].json()["event"]), "resolved");
    chat.wait_for(2);
    mail.wait_for(2);
    alertmanager.wait_for(0);
    let journal = || (daemon.records().generic("alert_sent").len() == 8).then_some(());
    wait_for("what was sent in the journal", journal);
    daemon.stop();
    // No more ever came, and what is over is owed to nobody.
    assert_eq!((hook.requests().len(), chat.requests().len(), mail.mails().len()), (2, 2, 2));
    assert_eq!(owed(&sandbox), 0);
}

/// How much is owed to somebody.
fn owed(sandbox: &Sandbox) -> i64 {
    Records::of(sandbox)
        .open()
        .query_row("SELECT count(*) FROM alerts", [], |row| row.get(0))
        .expect("a number")
}

#[test]
fn what_was_confirmed_before_a_kill_is_told_once_after_it() {
    let (fake, hook) = (large(1, 3), Receiver::start());
    let list = told(3);
    // However long the kill takes, nothing is told before it.
    let sandbox = sandbox(&list.clone().set("alerts.group_wait", r#""1000h""#), &fake, &[("hook", &hook)]);
    let daemon = Daemon::start(&sandbox);
    until_granted(&daemon, 3);
    delete(&fake, 0, 1);
    daemon.until("an incident", |records| records.open_incidents().pop());
    let children = daemon.process().children();
    daemon.signal(Signal::KILL);
    assert_eq!(daemon.end(&children).status, None);
    assert_eq!(hook.requests().len(), 0, "the kill came too late to show anything");
    list.write(&sandbox);
    let daemon = Daemon::start(&sandbox);
    until_heard(&hook, &[("opened", "p0-r1")]);
    restore(&fake, 0, 1);
    until_heard(&hook, &[("opened", "p0-r1"), ("resolved", "p0-r1")]);
    daemon.stop();
    let daemon = Daemon::start(&sandbox);
    until_granted(&daemon, 3);
    daemon.stop();
    until_heard(&hook, &[("opened", "p0-r1"), ("resolved", "p0-r1")]);
}

#[test]
fn what_is_cut_off_by_a_kill_comes_again_under_the_same_id() {
    let (fake, hook) = (large(1, 2), Receiver::start());
    hook.answer_next([Answer::Silence]);
    let list = told(2);
    let sandbox = sandbox(&list, &fake, &[("hook", &hook)]);
    let daemon = Daemon::start(&sandbox);
    until_granted(&daemon, 2);
    delete(&fake, 0, 0);
    hook.wait_for(1);
    let children = daemon.process().children();
    daemon.signal(Signal::KILL);
    daemon.end(&children);
    // More is lost before anybody can be told, and does not change what was begun.
    delete(&fake, 0, 1);
    let daemon = Daemon::start(&sandbox);
    let requests = hook.wait_for(3);
    let id = |nth: usize| requests[nth].header("webhook-id").expect("an id");
    // When each was seen at last is told as it is at each attempt.
    let incidents = |nth: usize| {
        let message = requests[nth].json();
        let incidents = message["incidents"].as_array().expect("incidents").iter();
        incidents.map(|incident| text(&incident["id"])).collect::<Vec<_>>()
    };
    assert_eq!((id(0), incidents(0)), (id(1), incidents(1)));
    assert_eq!(of_message(&requests[0]), [("opened".to_owned(), "p0-r0".to_owned())]);
    assert_ne!(id(1), id(2));
    assert_eq!(of_message(&requests[2]), [("opened".to_owned(), "p0-r1".to_owned())]);
    daemon.stop();
}
