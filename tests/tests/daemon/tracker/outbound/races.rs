//! What people do while a tracker is at something for the same incident.

use forgewatch_tests::ask::ask_with;
use forgewatch_tests::fake::{Answer, Match};
use tokio_util::sync::CancellationToken;

use super::*;

const TOKEN: &str = "planted0operate0token";

/// Incidents that can be linked by hand.
fn by_hand(list: &Watchlist) -> Watchlist {
    list.clone()
        .table("api.tokens.operator", "token = { file = \"token\" }\nscopes = [\"operate\"]")
        .set("http.timeout", r#""4s""#)
        .set("check_timeout", r#""5s""#)
}

fn start(list: &Watchlist, count: usize) -> Scene {
    let fake = large(1, count);
    let sandbox = list.sandbox(&fake);
    sandbox.write("token", TOKEN);
    let daemon = Daemon::start(&sandbox);
    until_granted(&daemon, count);
    Scene { fake, sandbox, daemon }
}

impl Scene {
    #[track_caller]
    fn order(&self, incident: &Value, order: &str, body: &Value) {
        let path = format!("/api/v1/incidents/{}/{order}", text(&incident["id"]));
        let token = format!("authorization: Bearer {TOKEN}");
        let reply = ask_with(self.daemon.address(), "POST", &path, &[&token], &body.to_string());
        let reply = reply.expect("it answers");
        assert_eq!(reply.status, 200, "{reply:?}");
    }
}

fn of_item(method: &str, number: u64) -> Match {
    let method = method.parse().expect("a method");
    Match::any().method(method).path_contains(&format!("/wit/workitems/{number}")).once()
}

#[test]
fn an_issue_that_is_gone_is_not_the_one_that_took_its_place() {
    let scene = start(&by_hand(&tracked(1)), 1);
    let incident = scene.lose(0);
    scene.until_told(&incident);
    let other = scene.add("another one");
    let released = CancellationToken::new();
    scene.fake.fault(of_item("GET", 31), Answer::e21(404).held_until(released.clone()));
    let scene = scene.edit(&incident, |record| record["issue"]["read_at"] = 1.into());
    scene.fake.wait_for(|request| request.method == "GET" && request.path.contains("/wit/workitems/31"));
    scene.order(&incident, "unlink", &json!({}));
    scene.order(&incident, "link", &json!({ "integration": "large", "issue": other.to_string() }));
    released.cancel();
    let record = scene.until_told(&incident);
    assert_eq!((&record["issue"]["key"], &record["issue"]["gone_since"]), (&json!("32"), &Value::Null));
    assert_eq!(scene.item(other).comments.len(), 1);
    assert_eq!(scene.daemon.records().generic("issue_gone").len(), 0);
}

#[test]
fn an_issue_that_is_linked_once_more_is_told_nothing_twice() {
    let scene = start(&by_hand(&list(1)), 1);
    let incident = scene.lose(0);
    let number = scene.add(&text(&incident["fingerprint"]));
    let never = CancellationToken::new();
    scene.fake.fault(of_item("PATCH", number), Answer::from_world().held_until(never.clone()));
    by_hand(&tracked(1)).write(&scene.sandbox);
    scene.daemon.reload();
    scene.fake.wait_for(|request| request.method == "PATCH");
    scene.order(&incident, "link", &json!({ "integration": "large", "issue": number.to_string() }));
    scene.until_told(&incident);
    assert_eq!((scene.item(number).comments.len(), writes(&scene.fake).len()), (1, 1));
}

#[test]
fn what_became_of_one_change_says_nothing_about_another() {
    let scene = Scene::start(&list(2), 2);
    let (one, other) = (scene.lose(0), scene.lose(1));
    let number = scene.add(&format!("{} and {}", text(&one["fingerprint"]), text(&other["fingerprint"])));
    tracked(2).write(&scene.sandbox);
    scene.daemon.reload();
    scene.until_told(&other);
    let scene = scene.edit(&one, |record| {
        record["issue"]["writing"] = json!({ "step": "greet", "revision": 1 });
    });
    restore(&scene.fake, 0, 0);
    let item = scene.until_item(number, |item| item.comments.len() == 3);
    assert!(item.comments[2].contains("Another incident of this issue goes on"), "{:?}", item.comments);
}
