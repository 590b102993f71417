//! Plugins that never answer, or too late.

use std::time::Duration;

use rustix::process::Signal;

use crate::support::{Plugin, Row, Sweep, send, text};

const EITHER: &[&str] = &["plugin_failed", "timed_out"];
const TIMED_OUT: &[&str] = &["timed_out"];
const LIMIT: Duration = Duration::from_secs(40);

#[test]
fn who_keeps_the_thread_is_found_out_and_the_others_are_answered() {
    let mut sweep = Sweep::new("12s");
    for behaviour in ["infinite-loop", "blocking-sleep"] {
        let row = Row::check(behaviour, EITHER, &["gave no sign of life for 3s|took longer than 12s"]);
        sweep = sweep.plugin(Plugin::hostile().row(row));
    }
    let constructor = Row::check("fine", &["plugin_failed"], &["opening its library took longer than 3s"]);
    let constructor = constructor.called("constructor: loop");
    sweep = sweep.plugin(Plugin::marked("constructor", "loop").without_innocents().row(constructor));
    sweep =
        sweep.plugin(Plugin::hostile().row(Row::check("never-wakes", TIMED_OUT, &["took longer than 12s"])));
    sweep = sweep.plugin(Plugin::hostile().row(Row::check(
        "wakes-forever",
        TIMED_OUT,
        &["took longer than 12s"],
    )));
    let misbehaving = Plugin::misbehaving()
        .row(Row::check("hang", TIMED_OUT, &["took longer than 12s"]))
        .row(Row::check("hang-panic-drop", TIMED_OUT, &["took longer than 12s"]));
    // Nobody is sent a signal that cannot be caught, not even oneself.
    let stop = Row::check("sigstop-self", &["granted"], &["sigstop-self came to its end"]);
    sweep = sweep.plugin(Plugin::hostile().row(stop));
    let swept = sweep.plugin(misbehaving).run(LIMIT, 3);
    let found_out = swept.run.stderr.matches("ended: it gave no sign of life for 3s").count();
    assert!(found_out >= 2, "{}", swept.run.stderr);
    // Who hangs takes three seconds of the others' time once, not again when it is tried alone.
    let innocent = swept.results.iter().filter(|result| text(result, "repository").contains("innocent"));
    let slowest = innocent.filter_map(|result| result["duration_ms"].as_f64()).fold(0.0, f64::max);
    assert!(slowest > 0.0 && slowest < 8_000.0, "an innocent check took {slowest} ms");
}

#[test]
fn many_slow_calls_are_no_hang_and_late_answers_are_dropped() {
    // One after the other on one thread, they take longer together than a call may that keeps the thread.
    let mut slow = Plugin::hostile();
    for _ in 0..4 {
        slow = slow.row(Row::check("answer-late", &["granted"], &["came to its end"]).with("1200"));
    }
    let mut late = Plugin::hostile().without_innocents();
    for _ in 0..8 {
        let either =
            Row::check("answer-late", &["granted", "timed_out"], &["came to its end|took longer than 9s"]);
        late = late.row(either.with("1500"));
    }
    let swept = Sweep::new("9s").plugin(slow).plugin(late).run(LIMIT, 3);
    assert!(!swept.run.stderr.contains("ended"), "{}", swept.run.stderr);
    assert!(swept.results.iter().any(|result| text(result, "reason") == "timed_out"));
}

#[test]
fn a_worker_that_others_stop_or_kill_is_replaced() {
    for (signal, told) in
        [(Signal::STOP, "ended: "), (Signal::KILL, "it was killed from outside by signal 9")]
    {
        let sweep = Sweep::new("12s").plugin(Plugin::hostile());
        let mut sent = false;
        let swept = sweep.run_with(LIMIT, 0, |workers| {
            for worker in workers.iter().filter(|_| !sent) {
                send(*worker, signal);
            }
            sent |= !workers.is_empty();
        });
        // The signal may have come when everything was answered; then nobody was in need of another worker.
        assert!(sent, "no worker was seen");
        assert!(swept.run.stderr.is_empty() || swept.run.stderr.contains(told), "{}", swept.run.stderr);
    }
}
