//! Plugins that fill memory, the log or the socket.

use std::time::Duration;

use crate::support::{Plugin, Row, Sweep};

const FAILED: &[&str] = &["plugin_failed"];
const LIMIT: Duration = Duration::from_secs(50);

#[test]
fn memory_is_bounded() {
    let mut sweep = Sweep::new("20s");
    for (behaviour, detail) in [
        ("memory-growth", &["it aborted after it had used up its memory of 512 MiB"][..]),
        ("one-huge-allocation", &["it aborted (SIGABRT)"]),
        ("huge-answer", &["it aborted|the plugin's answer is longer than 4 MiB"]),
    ] {
        sweep = sweep.plugin(Plugin::hostile().row(Row::check(behaviour, FAILED, detail)));
    }
    sweep = sweep.plugin(Plugin::hostile().row(Row::check("leak", &["granted"], &["leak came to its end"])));
    sweep.run(LIMIT, 3);
}

#[test]
fn the_log_cannot_be_flooded() {
    let storm = Row::check("log-storm", &["granted"], &["log-storm came to its end"]);
    let flood =
        Row::check("log-flood", &["plugin_failed", "timed_out"], &["no sign of life|took longer than 12s"]);
    let sweep = Sweep::new("12s").plugin(Plugin::hostile().row(storm)).plugin(Plugin::hostile().row(flood));
    let swept = sweep.run(LIMIT, 3);
    for told in ["logs more than anybody reads", "ended: it gave no sign of life for 3s"] {
        assert!(swept.run.stderr.contains(told), "{}", swept.run.stderr);
    }
}

#[test]
fn the_socket_can_only_be_spoilt_for_oneself() {
    let mut sweep = Sweep::new("15s");
    for (behaviour, detail) in [
        (
            "close-descriptors",
            &["its connection to the host was cut: plugin code closed it, or wrote to it"][..],
        ),
        ("garbage-on-socket", &["it sent a message of more than|it sent what is no message|no sign of life"]),
        ("lying-length", &["it sent a message of more than 4 MiB"]),
        ("flood-socket", &["it sent a message of more than 4 MiB"]),
        ("ask-for-others", &["it asked for the services of an integration that is not its own"]),
    ] {
        sweep = sweep.plugin(Plugin::hostile().row(Row::check(behaviour, FAILED, detail)));
    }
    sweep.run(LIMIT, 3);
}
