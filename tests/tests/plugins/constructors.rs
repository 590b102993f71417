//! Libraries whose code runs when they are opened, before any call.

use std::time::Duration;

use crate::support::{Plugin, Row, Sweep};

const FAILED: &[&str] = &["plugin_failed"];
const LIMIT: Duration = Duration::from_secs(40);

#[test]
fn a_constructor_can_only_end_its_own_process() {
    let mut sweep = Sweep::new("20s");
    for (does, detail) in [
        (
            "segfault",
            &["in quarantine", "segmentation fault (SIGSEGV) at address 0x10", "replace its file"][..],
        ),
        ("abort", &["it aborted (SIGABRT)"]),
        ("exit", &["it exited by itself with status 7"]),
        ("connect", &["it tried to open a network connection (`socket`)"]),
        ("fork", &["it tried to start a process (`clone`)|it tried to start a process (`fork`)"]),
    ] {
        let row = Row::check("fine", FAILED, detail).called(&format!("constructor: {does}"));
        sweep = sweep.plugin(Plugin::marked("constructor", does).without_innocents().row(row));
    }
    for does in ["exec", "open", "thread", "environment"] {
        let row = Row::check("fine", &["granted"], &["answer=A"]).called(&format!("constructor: {does}"));
        sweep = sweep.plugin(Plugin::marked("constructor", does).row(row));
    }
    sweep.run(LIMIT, 3);
}
