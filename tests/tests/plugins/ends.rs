//! Plugins that end their process, or panic.

use std::time::Duration;

use crate::support::{Plugin, Row, Sweep};

const FAILED: &[&str] = &["plugin_failed"];
const LIMIT: Duration = Duration::from_secs(40);

#[test]
fn what_ends_the_process_costs_its_own_answer() {
    let mut sweep = Sweep::new("20s");
    for (behaviour, detail) in [
        (
            "segfault",
            &["failed here twice", "it crashed with a segmentation fault (SIGSEGV) at address 0x10"][..],
        ),
        ("abort", &["it aborted (SIGABRT)"]),
        ("stack-overflow", &["its stack overflowed"]),
        ("panic-while-panicking", &["it aborted (SIGABRT)"]),
        ("exit-0", &["it exited by itself with status 0"]),
        ("exit-7", &["it exited by itself with status 7"]),
    ] {
        sweep = sweep.plugin(Plugin::hostile().row(Row::check(behaviour, FAILED, detail)));
    }
    let late = Row::check("exit-in-destructor", &["granted"], &["came to its end"]);
    let client = Row::client("client-segfault", FAILED, &["segmentation fault"]);
    let dropped = Row::client("drop-segfault", &["granted"], &["answer=A"]);
    sweep = sweep.plugin(Plugin::hostile().row(late));
    sweep = sweep.plugin(Plugin::hostile().row(client));
    sweep = sweep.plugin(Plugin::hostile().row(dropped));
    sweep.run(LIMIT, 3);
}

#[test]
fn a_panic_costs_its_own_answer_and_no_process() {
    let mut plugin = Plugin::misbehaving();
    for (behaviour, detail) in
        [("panic-sync", &["panic before the first await"][..]), ("panic-future", &["panic after an await"])]
    {
        plugin = plugin.row(Row::check(behaviour, FAILED, detail));
    }
    plugin = plugin
        .row(Row::check("panic-drop", FAILED, &["panic in drop"]))
        .row(Row::client("panic-client", FAILED, &["panic in get_client"]))
        .row(Row::client("panic-client-drop", &["granted"], &[]));
    let defaults = Plugin::marked("default", "panic").without_innocents().row(Row::check(
        "fine",
        FAILED,
        &["does not start", "panic in Provider::default"],
    ));
    let swept = Sweep::new("20s").plugin(plugin).plugin(defaults).run(LIMIT, 3);
    assert!(!swept.run.stderr.contains("the worker of"), "{}", swept.run.stderr);
}

#[test]
fn a_parser_that_fails_costs_the_repositories_with_such_urls() {
    let segfault = Row::parse("parse-segfault", FAILED, &["segmentation fault"]);
    let panic = Row::parse("panic-parse", FAILED, &["panic in the parser"]);
    let sweep = Sweep::new("20s").plugin(Plugin::hostile().row(segfault));
    sweep.plugin(Plugin::misbehaving().row(panic)).run(LIMIT, 3);
}
