//! Who hears of what, while the configuration changes.

use forgewatch_tests::daemon::Daemon;
use forgewatch_tests::process::wait_for;
use forgewatch_tests::receivers::{Alertmanager, Receiver};

use super::{heard, sandbox, told, until_heard, webhook};
use crate::support::{delete, large, restore, until_granted};

#[test]
fn each_team_hears_of_its_own_and_a_target_that_is_new_of_what_is_open() {
    let (fake, hook, shop, late) = (large(1, 3), Receiver::start(), Receiver::start(), Receiver::start());
    let list = told(3)
        .repository("p0-r0", "large", "project-0", "repository-0", "labels = { team = \"shop\" }")
        .table("alerts.targets.shop", &webhook("shop"))
        .table("alerts.routes.shop", "match = { team = \"shop\" }\ntargets = [\"shop\"]");
    let sandbox = sandbox(&list, &fake, &[("hook", &hook), ("shop", &shop), ("late", &late)]);
    let daemon = Daemon::start(&sandbox);
    until_granted(&daemon, 3);
    delete(&fake, 0, 0);
    until_heard(&shop, &[("opened", "p0-r0")]);
    delete(&fake, 0, 1);
    until_heard(&hook, &[("opened", "p0-r1")]);

    list.clone()
        .table("alerts.targets.late", &webhook("late"))
        .table("alerts.routes.late", "targets = [\"late\"]\nmatch = { integration = \"l*\" }")
        .write(&sandbox);
    daemon.reload();
    wait_for("what is open", || (heard(&late).len() >= 2).then_some(()));
    // Who is not named any more hears of the end of what it was told of.
    restore(&fake, 0, 1);
    until_heard(&hook, &[("opened", "p0-r1"), ("resolved", "p0-r1")]);
    restore(&fake, 0, 0);
    until_heard(&shop, &[("opened", "p0-r0"), ("resolved", "p0-r0")]);
    wait_for("the ends", || (heard(&late).len() >= 4).then_some(()));
    daemon.stop();
    let mut all = heard(&late);
    all.sort();
    let expected = [("opened", "p0-r0"), ("opened", "p0-r1"), ("resolved", "p0-r0"), ("resolved", "p0-r1")];
    assert_eq!(all, expected.map(|(event, name)| (event.to_owned(), name.to_owned())));
}

#[test]
fn what_is_not_watched_any_more_is_over_for_those_who_heard_of_it_and_nobody_else() {
    let (fake, hook, shop) = (large(1, 3), Receiver::start(), Receiver::start());
    let list = told(3)
        .repository("p0-r0", "large", "project-0", "repository-0", "labels = { team = \"shop\" }")
        .table("alerts.targets.shop", &webhook("shop"))
        .table("alerts.routes.shop", "match = { team = \"shop\" }\ntargets = [\"shop\"]");
    let sandbox = sandbox(&list, &fake, &[("hook", &hook), ("shop", &shop)]);
    let daemon = Daemon::start(&sandbox);
    until_granted(&daemon, 3);
    delete(&fake, 0, 0);
    until_heard(&shop, &[("opened", "p0-r0")]);
    list.without("p0-r0").write(&sandbox);
    daemon.reload();
    until_heard(&shop, &[("opened", "p0-r0"), ("resolved", "p0-r0")]);
    delete(&fake, 0, 1);
    until_heard(&hook, &[("opened", "p0-r1")]);
    daemon.stop();
}

#[test]
fn what_nobody_was_to_hear_of_is_no_news_after_a_restart() {
    let (fake, hook) = (large(1, 2), Receiver::start());
    let list = told(2);
    let nobody = list
        .clone()
        .set("alerts.default", "[]")
        .table("alerts.routes.shop", "match = { team = \"shop\" }\ntargets = [\"hook\"]");
    let sandbox = sandbox(&nobody, &fake, &[("hook", &hook)]);
    let daemon = Daemon::start(&sandbox);
    until_granted(&daemon, 2);
    delete(&fake, 0, 0);
    daemon.until("an incident", |records| records.open_incidents().pop());
    restore(&fake, 0, 0);
    daemon.until("its end", |records| records.open_incidents().is_empty().then_some(()));
    daemon.stop();
    list.write(&sandbox);
    let daemon = Daemon::start(&sandbox);
    until_granted(&daemon, 2);
    delete(&fake, 0, 1);
    until_heard(&hook, &[("opened", "p0-r1")]);
    daemon.stop();
}

#[test]
fn in_maintenance_what_begins_waits_for_its_end() {
    let (fake, hook) = (large(1, 3), Receiver::start());
    let window = "match = { integration = \"large\" }\nfrom = \"2020-01-01T00:00:00Z\"\nuntil = \"2120-01-01T00:00:00Z\"";
    let list = told(3);
    let silent = list.clone().table("alerts.maintenance.move", window);
    let sandbox = sandbox(&silent, &fake, &[("hook", &hook)]);
    let daemon = Daemon::start(&sandbox);
    until_granted(&daemon, 3);
    delete(&fake, 0, 0);
    delete(&fake, 0, 1);
    daemon.until("two incidents", |records| (records.open_incidents().len() == 2).then_some(()));
    restore(&fake, 0, 1);
    daemon.until("an end", |records| (records.open_incidents().len() == 1).then_some(()));
    list.write(&sandbox);
    daemon.reload();
    until_heard(&hook, &[("opened", "p0-r0")]);
    silent.write(&sandbox);
    daemon.reload();
    restore(&fake, 0, 0);
    until_heard(&hook, &[("opened", "p0-r0"), ("resolved", "p0-r0")]);
    daemon.stop();
}

#[test]
fn what_goes_on_is_told_again_and_what_is_over_is_not() {
    let (fake, hook) = (large(1, 2), Receiver::start());
    let list = told(2).set("alerts.remind_after", r#""1s""#);
    let sandbox = sandbox(&list, &fake, &[("hook", &hook)]);
    let daemon = Daemon::start(&sandbox);
    until_granted(&daemon, 2);
    delete(&fake, 0, 0);
    hook.wait_for(3);
    restore(&fake, 0, 0);
    let is_over = |(event, _): &(String, String)| event == "resolved";
    wait_for("the end", || heard(&hook).iter().any(is_over).then_some(()));
    daemon.stop();
    let events: Vec<_> = heard(&hook).into_iter().map(|(event, _)| event).collect();
    let (first, rest) = events.split_first().expect("messages");
    let (last, reminders) = rest.split_last().expect("messages");
    assert_eq!((first.as_str(), last.as_str()), ("opened", "resolved"));
    assert!(reminders.len() >= 2 && reminders.iter().all(|event| event == "reminded"), "{events:?}");
}

#[test]
fn a_wrong_template_is_no_configuration_and_the_old_one_stays() {
    let (fake, hook) = (large(1, 2), Receiver::start());
    let list = told(2);
    let sandbox = sandbox(&list, &fake, &[("hook", &hook)]);
    let daemon = Daemon::start(&sandbox);
    until_granted(&daemon, 2);
    let template = "\ntemplate = '{ \"text\": {{ nothing }} }'";
    list.clone().table("alerts.targets.hook", &(webhook("hook") + template)).write(&sandbox);
    let reply = daemon.post("/-/reload", "");
    assert_eq!(reply.status, 422);
    assert!(reply.body.contains("alerts.targets.hook.template"), "{}", reply.body);
    delete(&fake, 0, 0);
    until_heard(&hook, &[("opened", "p0-r0")]);
    daemon.stop();
    let run = sandbox.command(&["run", "--dry-run"]).output().expect("it runs");
    let told = String::from_utf8_lossy(&run.stderr).into_owned();
    assert_eq!(run.status.code(), Some(2), "{told}");
    assert!(told.contains("alerts.targets.hook.template") && told.contains("undefined"), "{told}");
}

#[test]
fn another_alertmanager_learns_at_once_what_is_open() {
    let (fake, hook) = (large(1, 2), Receiver::start());
    let of = |alertmanager: &Alertmanager| {
        format!("kind = \"alertmanager\"\nurl = {:?}\nallow_insecure_http = true", alertmanager.url())
    };
    let first = Alertmanager::start();
    let list = told(2).set("alerts.default", r#"["prometheus", "hook"]"#);
    let before = list.clone().table("alerts.targets.prometheus", &of(&first));
    let sandbox = sandbox(&before, &fake, &[("hook", &hook)]);
    let daemon = Daemon::start(&sandbox);
    until_granted(&daemon, 2);
    delete(&fake, 0, 0);
    let alert = first.wait_for(1).remove(0);
    hook.wait_for(1);
    drop(first);
    // As if it had lost what it knew.
    let second = Alertmanager::start();
    list.table("alerts.targets.prometheus", &of(&second)).write(&sandbox);
    daemon.reload();
    assert_eq!(second.wait_for(1)[0]["labels"], alert["labels"]);
    restore(&fake, 0, 0);
    second.wait_for(0);
    // Each target hears of it in its own time, and a stop begins nothing.
    hook.wait_for(2);
    daemon.stop();
    assert_eq!(hook.requests().len(), 2);
}
