//! What an operator sees of trackers: subscriptions, from the command that makes one to the daemon that says that it has
//! ended, and a tracker that takes nothing.

use forgewatch_tests::daemon::Daemon;
use forgewatch_tests::fake::{Answer, Fake, Match, Subscription};
use forgewatch_tests::process::wait_for;
use forgewatch_tests::receivers::Receiver;
use forgewatch_tests::running::Running;
use forgewatch_tests::sandbox::{Run, Sandbox};
use forgewatch_tests::watchlist::Watchlist;
use hyper::Method;
use rustix::process::Signal;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::support::{delete, large, until_granted};

const HOOKS: &str = "/large/_apis/hooks/subscriptions";
const PROJECT: &str = "1a46e000-0000-4000-8000-000000000000";

/// Two repositories of an integration that may write.
fn watched() -> Watchlist {
    Watchlist::large(2, 1)
        .integration(
            "large",
            "https://dev.azure.com/large/",
            "external_id = \"1a46e000-5e1f-4b0a-9c3d-000000000001\"",
        )
        .table("providers.vsts", "allow_write = true")
}

fn hooks(fake: &Fake) -> Vec<Subscription> {
    fake.tracker("large", |tracker| tracker.subscriptions.clone())
}

/// What proves the deliveries of a subscription.
fn secret(hook: &Subscription) -> String {
    let secret = hook.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("shared-secret"));
    secret.expect("deliveries have a secret").1.clone()
}

fn switch(fake: &Fake, number: usize, status: &str) {
    fake.tracker("large", |tracker| status.clone_into(&mut tracker.subscriptions[number].status));
}

fn subscribe(sandbox: &Sandbox, url: &str, more: &[&str]) -> Run {
    sandbox.run(&[&["tracker", "subscribe", "large", "--url", url], more].concat())
}

/// How a delivery was answered last.
fn answer(fake: &Fake, number: usize) -> Option<u16> {
    fake.tracker("large", |tracker| *tracker.deliveries.get(number)?.answers.last()?)
}

/// The only subscription, as the API says; nothing as long as there is none, or one beside that whose place it takes.
fn known(daemon: &Daemon) -> Value {
    let all = daemon.get("/api/v1/trackers").json();
    match all["subscriptions"].as_array().expect("subscriptions").as_slice() {
        [only] => only.clone(),
        _ => Value::Null,
    }
}

/// Waits until the daemon knows how the only subscription does.
#[track_caller]
fn until_status(daemon: &Daemon, status: &str) -> Value {
    wait_for(status, || Some(known(daemon)).filter(|known| known["status"] == status))
}

fn status(sandbox: &Sandbox, daemon: &Daemon) -> Run {
    sandbox.run(&["status", "--url", &format!("http://{}", daemon.address())])
}

fn metric(daemon: &Daemon) -> Option<String> {
    let metrics = daemon.get("/metrics").body;
    metrics.lines().find(|line| line.starts_with("forgewatch_tracker_subscription_up{")).map(str::to_owned)
}

#[test]
fn a_subscription_that_the_tracker_ends_is_reported_until_it_is_made_anew() {
    let fake = large(2, 1);
    let sandbox = watched().sandbox(&fake);
    let daemon = Daemon::start(&sandbox);
    until_granted(&daemon, 2);
    let url = format!("http://{}/api/v1/webhooks/vsts", daemon.address());
    let made = subscribe(&sandbox, &url, &[]).exits(0);
    assert!(made.stdout.ends_with(&format!(" delivers to {url}\n")), "{made:?}");
    let first = hooks(&fake).remove(0);
    assert_eq!((first.url.as_str(), first.project.as_deref()), (url.as_str(), None));
    let told = until_status(&daemon, "enabled");
    assert_eq!((&told["integration"], &told["project"]), (&"large".into(), &Value::Null));
    assert_eq!(
        metric(&daemon).as_deref(),
        Some("forgewatch_tracker_subscription_up{integration=\"large\",project=\"\"} 1.0")
    );
    status(&sandbox, &daemon).exits(0);
    let item = fake.tracker("large", |tracker| tracker.add(PROJECT, "Bug", "no access"));
    fake.change_work_item("large", item, &[("System.State", Some("Active"))]);
    assert_eq!(wait_for("an answer to what was delivered", || answer(&fake, 0)), 200);
    let again = subscribe(&sandbox, &url, &[]).exits(0);
    assert!(again.stdout.contains("already") && hooks(&fake).len() == 1, "{again:?}");

    switch(&fake, 0, "disabledBySystem");
    daemon.reload();
    let told = until_status(&daemon, "disabled");
    assert!(told["detail"].as_str().expect("a detail").contains("too many failed"), "{told}");
    daemon.tells("run `forgewatch tracker subscribe large`", 1);
    let shown = status(&sandbox, &daemon).exits(3).stdout;
    for part in
        ["what becomes of issues of `large` is not delivered", "-> run `forgewatch tracker subscribe large`"]
    {
        assert!(shown.contains(part), "no {part:?} in:\n{shown}");
    }
    assert_eq!(
        metric(&daemon).as_deref(),
        Some("forgewatch_tracker_subscription_up{integration=\"large\",project=\"\"} 0.0")
    );
    let page = daemon.get("/integrations").body;
    assert!(page.contains("<code>forgewatch tracker subscribe large</code>"), "{page}");

    let anew = subscribe(&sandbox, &url, &[]).exits(0);
    assert!(!anew.stdout.contains("already"), "{anew:?}");
    let second = hooks(&fake);
    assert_eq!(second.len(), 1, "the former one is gone");
    assert_ne!(secret(&second[0]), secret(&first));
    until_status(&daemon, "enabled");
    status(&sandbox, &daemon).exits(0);
    let is_refused = || {
        fake.deliver("large", 0);
        (answer(&fake, 0) == Some(401)).then_some(())
    };
    wait_for("a refusal of the former secret", is_refused);
    fake.change_work_item("large", item, &[("System.State", Some("Resolved"))]);
    assert_eq!(wait_for("an answer to what was delivered", || answer(&fake, 1)), 200);
    let notes = || {
        let notes = daemon.records().generic("subscription");
        let notes: Vec<_> = notes.iter().map(|it| it.payload["status"].clone()).collect();
        (!notes.is_empty()).then_some(notes)
    };
    assert_eq!(wait_for("a note in the journal", notes), ["disabled"]);
    let log = daemon.errors();
    daemon.stop();
    for run in [&made.stdout, &made.stderr, &again.stdout, &anew.stdout, &anew.stderr, &shown, &page, &log] {
        for hook in [&first, &second[0]] {
            assert!(!run.contains(&secret(hook)), "a secret is shown in:\n{run}");
        }
    }
}

#[test]
fn a_daemon_says_soon_after_its_start_that_a_subscription_is_gone() {
    let (fake, receiver) = (large(2, 1), Receiver::start());
    let sandbox = watched().sandbox(&fake);
    subscribe(&sandbox, &receiver.url("/hook"), &[]).exits(0);
    fake.tracker("large", |tracker| tracker.subscriptions.clear());
    let daemon = Daemon::start(&sandbox);
    until_status(&daemon, "missing");
    daemon.tells("since the subscription is missing", 1);
    // What a tracker cannot say now changes nothing.
    fake.fault(Match::any().path_prefix(HOOKS), Answer::status(503));
    daemon.reload();
    let unanswered = || Some(known(&daemon)).filter(|known| !known["problem"].is_null());
    assert_eq!(wait_for("a question without an answer", unanswered)["status"], "missing");
    fake.clear_faults();
    daemon.stop();
    subscribe(&sandbox, &receiver.url("/hook"), &[]).exits(0);
    assert_eq!(hooks(&fake).len(), 1);
}

#[test]
fn what_was_cut_off_is_shown_as_unfinished_and_goes_with_the_next() {
    let (fake, receiver) = (large(2, 1), Receiver::start());
    let sandbox = watched().sandbox(&fake);
    let released = CancellationToken::new();
    let held = Answer::from_world().held_until(released.clone());
    fake.fault(Match::any().path_prefix(HOOKS).method(Method::POST).once(), held);
    let url = receiver.url("/hook");
    let running = Running::start(sandbox.command(&["tracker", "subscribe", "large", "--url", &url]));
    fake.wait_for(|request| request.method == Method::POST && request.path.starts_with(HOOKS));
    running.process().signal(Signal::KILL);
    running.end();
    released.cancel();
    let shown = sandbox.run(&["tracker", "list"]).exits(0).stdout;
    assert!(shown.starts_with("unfinished  large, all projects, to http://"), "{shown}");
    assert!(shown.contains("run `forgewatch tracker subscribe large`"), "{shown}");

    subscribe(&sandbox, &url, &[]).exits(0);
    let all = sandbox.run(&["tracker", "list", "--format", "json"]).exits(0).json();
    let all = all["subscriptions"].as_array().expect("subscriptions");
    assert_eq!(all.len(), 1, "{all:?}");
    let made = hooks(&fake);
    let made = made.iter().find(|hook| all[0]["id"] == hook.id.as_str()).expect("the tracker has it");
    assert_eq!((&all[0]["finished"], all[0]["url"].as_str()), (&true.into(), Some(made.url.as_str())));
}

#[test]
fn projects_are_subscribed_to_one_by_one_and_so_they_end() {
    let (fake, receiver) = (large(2, 1), Receiver::start());
    let sandbox = watched().sandbox(&fake);
    let url = receiver.url("/hook");
    for project in ["project-0", "project-1"] {
        subscribe(&sandbox, &url, &["--project", project]).exits(0);
    }
    let ids: Vec<_> = hooks(&fake).into_iter().map(|hook| hook.project.expect("a project")).collect();
    assert_eq!(ids, [PROJECT, "1a46e000-0000-4000-8000-000000000001"]);
    let none = sandbox.run(&["tracker", "unsubscribe", "large"]).exits(2).stderr;
    assert!(none.contains("the issues of `large` in `project-1`"), "{none}");

    let end = ["tracker", "unsubscribe", "large", "--project", "project-0"];
    fake.fault(Match::any().path_prefix(HOOKS).method(Method::DELETE).once(), Answer::status(403));
    let refused = sandbox.run(&end).exits(1).stderr;
    assert!(refused.contains("--forget"), "{refused}");
    assert_eq!(hooks(&fake).len(), 2, "it is kept, so that it can be tried again");
    sandbox.run(&end).exits(0);
    sandbox.run(&end).exits(2);
    assert_eq!(hooks(&fake).len(), 1);
    // At the tracker it is gone already.
    fake.tracker("large", |tracker| tracker.subscriptions.clear());
    sandbox.run(&["tracker", "unsubscribe", "large", "--project", "project-1"]).exits(0);
    assert_eq!(sandbox.run(&["tracker", "list"]).exits(0).stdout, "no issues are subscribed to\n");

    subscribe(&sandbox, &url, &[]).exits(0);
    sandbox.run(&["tracker", "unsubscribe", "large", "--forget"]).exits(0);
    assert_eq!(hooks(&fake).len(), 1, "nobody has asked the tracker");
    assert_eq!(sandbox.run(&["tracker", "list"]).exits(0).stdout, "no issues are subscribed to\n");
}

#[test]
fn a_tracker_that_refuses_leaves_nothing_behind_and_one_that_says_nothing_something_unfinished() {
    let (fake, receiver) = (large(2, 1), Receiver::start());
    let sandbox = watched().sandbox(&fake);
    let url = receiver.url("/hook");
    let post = || Match::any().path_prefix(HOOKS).method(Method::POST).once();
    fake.fault(post(), Answer::status(403));
    let refused = subscribe(&sandbox, &url, &[]).exits(1).stderr;
    assert!(refused.contains("the issues of `large` are not subscribed to: "), "{refused}");
    assert_eq!(sandbox.run(&["tracker", "list"]).stdout, "no issues are subscribed to\n");
    fake.fault(post(), Answer::status(502));
    let unsure = subscribe(&sandbox, &url, &[]).exits(1).stderr;
    assert!(unsure.contains("whether the tracker has made the subscription nobody knows"), "{unsure}");
    assert!(unsure.contains("run `forgewatch tracker subscribe large` again"), "{unsure}");
    assert!(sandbox.run(&["tracker", "list"]).stdout.starts_with("unfinished"));
    subscribe(&sandbox, &url, &["--project", "nowhere"]).exits(1);
    assert!(hooks(&fake).is_empty());
}

#[test]
fn a_tracker_that_takes_nothing_is_shown_until_it_does() {
    let fake = large(2, 1);
    let settings = "integration = \"large\"\nproject = \"project-0\"\nfind = false";
    let sandbox = watched().table("trackers.ops", settings).sandbox(&fake);
    let items = Match::any().path_contains("/_apis/wit/workitems").method(Method::POST);
    fake.fault(items, Answer::status(403));
    let daemon = Daemon::start(&sandbox);
    until_granted(&daemon, 2);
    delete(&fake, 0, 0);
    let tracker = || daemon.get("/api/v1/trackers").json()["items"][0].clone();
    let failing = wait_for("a tracker that fails", || {
        Some(tracker()).filter(|tracker| tracker["failing_since"].is_string())
    });
    assert_eq!((&failing["integration"], &failing["pending"]), (&"large".into(), &1.into()), "{failing}");
    let shown = status(&sandbox, &daemon).exits(3).stdout;
    assert!(shown.contains("the tracker of `large` has not taken what it is told for "), "{shown}");
    let metrics = daemon.get("/metrics").body;
    for line in [
        "forgewatch_tracker_up{integration=\"large\"} 0.0",
        "forgewatch_tracker_pending{integration=\"large\"} 1.0",
    ] {
        assert!(metrics.lines().any(|it| it == line), "{line} is not in\n{metrics}");
    }
    let page = daemon.get("/integrations").body;
    assert!(page.contains("it has not taken what it is told"), "{page}");
    fake.clear_faults();
    wait_for("a tracker that takes all", || {
        let tracker = tracker();
        let is_well = tracker["failing_since"].is_null() && tracker["problem"].is_null();
        (is_well && tracker["pending"] == 0 && tracker["linked"] == 1).then_some(())
    });
    daemon.stop();
}
