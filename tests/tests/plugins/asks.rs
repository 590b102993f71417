//! What plugins ask of the host and do not get, or get more of than is good.

use std::time::Duration;

use forgewatch_tests::fake::Recorded;

use crate::support::{HOST, Plugin, Row, Sweep};

const LIMIT: Duration = Duration::from_secs(40);
const RICH: &str = "rich.example";

#[test]
fn what_is_not_allowed_is_refused_and_the_check_goes_on() {
    const GRANTED: &[&str] = &["granted"];
    const REFUSED: &[&str] = &["unreachable"];
    let rich = Row::client("keep-host", GRANTED, &["answer=A"])
        .settings("identity = \"reader\"\ndomain_name = \"https://rich.example/\"\n");
    let plugin = Plugin::hostile()
        .row(rich)
        // Its own integration's credential, to where that belongs: a handle may be used wherever the plugin likes.
        .row(Row::check("other-integration", GRANTED, &["ANSWERED 200"]))
        .row(Row::check(
            "other-integration-here",
            REFUSED,
            &["not allowed", "`allow_hosts = [\"forge.example\"]`"],
        ))
        .row(Row::check("delete", REFUSED, &["DELETE requests are not allowed", "`allow_write = true`"]))
        .row(Row::check(
            "foreign-origin",
            REFUSED,
            &["not allowed", "`allow_hosts = [\"attacker.example\"]`"],
        ))
        .row(Row::check("save-foreign-base-url", &["base_url_unresolved"], &["attacker.example"]))
        .row(Row::check("slow-ok", GRANTED, &["slow-ok came to its end"]));
    let swept = Sweep::new("20s").plugin(plugin).run(LIMIT, 3);
    let sent = |wanted: &dyn Fn(&Recorded) -> bool| swept.fake.requests_to(wanted).len();
    assert_eq!(sent(&|request| request.host == "attacker.example"), 0);
    assert_eq!(sent(&|request| request.method == "DELETE"), 0);
    let authorized =
        |host: &str| sent(&|request| request.host == host && request.header("authorization").is_some());
    assert_eq!((authorized(RICH), authorized(HOST)), (1, 0));
    assert!(swept.run.stderr.is_empty(), "{}", swept.run.stderr);
}

#[test]
fn who_asks_for_very_much_has_it_and_the_others_have_theirs() {
    let mut sweep = Sweep::new("20s");
    for (behaviour, detail) in [
        ("many-requests", &["1000 of 1000 answered"][..]),
        ("requests-and-never-reads", &["never read"]),
        ("forget-everything", &["forgotten"]),
    ] {
        sweep = sweep.plugin(Plugin::hostile().row(Row::check(behaviour, &["granted"], detail)));
    }
    let swept = sweep.run(LIMIT, 0);
    assert!(swept.run.stderr.is_empty(), "{}", swept.run.stderr);
}
