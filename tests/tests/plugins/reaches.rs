//! Plugins that reach for what is not theirs.

use std::time::Duration;

use crate::support::{Plugin, Row, Sweep, text};

const FAILED: &[&str] = &["plugin_failed"];
const LIMIT: Duration = Duration::from_secs(40);

#[test]
fn what_no_plugin_does_by_accident_ends_its_process_and_is_named() {
    let mut sweep = Sweep::new("20s");
    for (behaviour, detail) in [
        (
            "connect-tcp",
            &["it tried to open a network connection (`socket`), which the sandbox does not allow"][..],
        ),
        ("connect-unix", &["it tried to open a network connection (`socket`)"]),
        ("udp", &["it tried to open a network connection (`socket`)"]),
        ("fork", &["it tried to start a process (`clone`)|it tried to start a process (`fork`)"]),
        ("exec", &["it tried to "]),
        ("kill-parent", &["it tried to send another process a signal (`kill`)"]),
        ("kill-group", &["it tried to send another process a signal (`kill`)"]),
        ("ptrace-parent", &["it tried to look into another process (`ptrace`)"]),
        ("read-host-memory", &["it tried to look into another process (`process_vm_readv`)"]),
    ] {
        sweep = sweep.plugin(Plugin::hostile().row(Row::check(behaviour, FAILED, detail)));
    }
    sweep.run(LIMIT, 3);
}

#[test]
fn what_is_refused_is_refused_and_the_check_goes_on() {
    const SEEN: &[&str] = &["forbidden"];
    const REFUSED: &[&str] = &["refused: "];
    let mut plugin = Plugin::hostile();
    for behaviour in [
        "open-etc-passwd",
        "list-root",
        "write-tmp",
        "mmap-exec",
        "mmap-shared",
        "memfd",
        "seccomp-again",
        "prctl-no-pdeathsig",
        "execve",
    ] {
        plugin = plugin.row(Row::check(behaviour, SEEN, REFUSED));
    }
    for path in ["/proc/self/maps", "/proc/1/environ", "/proc/self/fd/0"] {
        let row = Row::check("open-etc-passwd", SEEN, REFUSED).with(path);
        plugin = plugin.row(row.called(&format!("open {path}")));
    }
    plugin = plugin
        .row(Row::check("raise-limits", SEEN, &["AS refused", "CORE refused", "FSIZE refused"]))
        .row(Row::check("read-environment", SEEN, &["variables: 0 []; at the start: refused"]))
        .row(Row::check("list-descriptors", SEEN, &["open: 0 1 2 3"]))
        .row(Row::check(
            "thread",
            &["granted"],
            &["Operation not permitted|Resource temporarily unavailable"],
        ));
    let swept = Sweep::new("20s").plugin(plugin).run(LIMIT, 1);
    assert!(!swept.run.stderr.contains("the worker of"), "{}", swept.run.stderr);
    // These and no others: the standard streams and the socket.
    let listed = swept.results.iter().any(|result| text(result, "detail") == "open: 0 1 2 3");
    assert!(listed, "{:#?}", swept.results);
}
