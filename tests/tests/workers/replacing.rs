//! Another library at a plugin's path, in the middle of a sweep.

use std::fs;

use forgewatch_tests::build;
use forgewatch_tests::fake::Match;
use forgewatch_tests::process::wait_for;
use forgewatch_tests::running::Running;
use forgewatch_tests::sandbox::Sandbox;

use crate::support::{
    LIBRARY, add_crashing, assert_has, fake, held, lines, next, result, sandbox, sweep, wait_for_requests,
    wait_for_result,
};

/// Six checks, of which three are under way at once.
const SIX: &[(&str, &str, &str)] = &[
    ("a", "forge", "fine"),
    ("b", "forge", "fine"),
    ("c", "forge", "fine"),
    ("d", "forge", "fine"),
    ("e", "forge", "fine"),
    ("f", "forge", "fine"),
];

fn library() -> Vec<u8> {
    fs::read(build::hostile()).expect("the library is there")
}

fn build_b() -> Vec<u8> {
    build::hostile_with(&[("answer", "B")])
}

/// Puts a library at the path as a package manager does.
fn rename_into_place(sandbox: &Sandbox, library: &[u8]) {
    let new = sandbox.write("new", library);
    fs::rename(new, sandbox.path(LIBRARY)).expect("on the same file system");
}

/// Puts it there as `cp` does.
fn overwrite(sandbox: &Sandbox, library: &[u8]) {
    sandbox.write(LIBRARY, library);
}

fn three_finish_on_the_old_build_and_three_begin_on_the_new(replace: fn(&Sandbox, &[u8])) {
    let fake = fake();
    let (released, answer) = held();
    fake.fault(next(3), answer);
    let sandbox = sandbox(&fake, &library(), SIX);
    let host = sweep(&sandbox, 3);
    wait_for_requests(&fake, 3);
    let old = host.worker("hostile");
    replace(&sandbox, &build_b());
    host.tells("replaced by a newer build", 1);
    assert!(old.is_alive(), "it has checks to finish");
    let (other_released, answer) = held();
    fake.clear_faults();
    fake.fault(next(u32::MAX), answer);
    released.cancel();
    // Three checks wait on the new worker, and nothing keeps the old one.
    wait_for_requests(&fake, 6);
    wait_for("the old worker's end", || (!old.is_alive()).then_some(()));
    assert_ne!(host.worker("hostile"), old);
    other_released.cancel();
    let run = host.end().exits(0);
    for (repository, answer) in [("a", "A"), ("b", "A"), ("c", "A"), ("d", "B"), ("e", "B"), ("f", "B")] {
        assert_eq!(result(&run, repository), ("granted".to_owned(), format!("answer={answer}")));
    }
    assert_eq!((lines(&run, "WARN").len(), lines(&run, "ERROR").len()), (0, 0), "{}", run.stderr);
}

#[test]
fn a_build_that_is_renamed_into_place_takes_over() {
    three_finish_on_the_old_build_and_three_begin_on_the_new(rename_into_place);
}

#[test]
fn a_build_that_is_written_over_the_old_one_takes_over() {
    three_finish_on_the_old_build_and_three_begin_on_the_new(overwrite);
}

/// Replaces the library under a check that is held, and gives what was told about it when all is over.
#[track_caller]
fn refused(host: &Running, sandbox: &Sandbox, library: &[u8], times: usize) {
    rename_into_place(sandbox, library);
    host.tells("cannot be used: ", times);
}

#[test]
fn what_cannot_take_over_leaves_the_old_build_in_place() {
    let fake = fake();
    let (released, answer) = held();
    fake.fault(next(1), answer);
    let sandbox = sandbox(&fake, &library(), SIX);
    let host = sweep(&sandbox, 1);
    wait_for_requests(&fake, 1);
    let old = host.worker("hostile");
    refused(&host, &sandbox, b"garbage", 1);
    refused(&host, &sandbox, &fs::read(build::misbehaving()).expect("a library"), 2);
    refused(&host, &sandbox, &build::hostile_with(&[("constructor", "segfault")]), 3);
    refused(&host, &sandbox, &build::hostile_with(&[("default", "panic")]), 4);
    assert_eq!(host.worker("hostile"), old);
    released.cancel();
    let run = host.end().exits(0);
    for (repository, ..) in SIX {
        assert_eq!(result(&run, repository), ("granted".to_owned(), "answer=A".to_owned()));
    }
    let mut errors = lines(&run, "ERROR");
    errors.retain(|line| line.contains("the new build of plugin `hostile` cannot be used: "));
    for (line, cause) in [
        (0, "libforgewatch_hostile.so"),
        (1, "it is a plugin for `misbehaving`"),
        (2, "it crashed with a segmentation fault (SIGSEGV) at address 0x10"),
        (3, "panic in Provider::default"),
    ] {
        assert_has(errors[line], &[cause, "; the one from before goes on"]);
    }
}

#[test]
fn a_file_that_is_gone_is_told_and_the_plugin_goes_on() {
    let fake = fake();
    let (released, answer) = held();
    fake.fault(next(1), answer);
    let sandbox = sandbox(&fake, &library(), SIX);
    let host = sweep(&sandbox, 1);
    wait_for_requests(&fake, 1);
    fs::remove_file(sandbox.path(LIBRARY)).expect("it is there");
    host.tells("the plugin goes on as it is, and cannot be started again", 1);
    released.cancel();
    let run = host.end().exits(0);
    assert_eq!(result(&run, "f"), ("granted".to_owned(), "answer=A".to_owned()));
    assert_eq!((lines(&run, "WARN").len(), lines(&run, "ERROR").len()), (1, 0), "{}", run.stderr);
}

#[test]
fn a_build_that_is_not_locked_does_not_take_over() {
    let fake = fake();
    let (released, answer) = held();
    fake.fault(next(1), answer);
    let sandbox = sandbox(&fake, &library(), SIX);
    let base = fs::read_to_string(sandbox.path("base.toml")).expect("it was written");
    sandbox.write("base.toml", format!("{base}[plugins]\nlock_file = \"forgewatch.lock\"\n"));
    sandbox.run(&["plugin", "lock"]).exits(0);
    let host = sweep(&sandbox, 1);
    wait_for_requests(&fake, 1);
    refused(&host, &sandbox, &build_b(), 1);
    released.cancel();
    let run = host.end().exits(0);
    assert_eq!(result(&run, "f"), ("granted".to_owned(), "answer=A".to_owned()));
    assert_has(
        lines(&run, "ERROR")[0],
        &["is not the build that was locked", "; the one from before goes on"],
    );
}

#[test]
fn in_the_host_s_own_process_a_restart_is_needed() {
    let fake = fake();
    let (released, answer) = held();
    fake.fault(next(1), answer);
    let sandbox = sandbox(&fake, &library(), SIX);
    let config = fs::read_to_string(sandbox.path("forgewatch.toml")).expect("it was written");
    sandbox.write("forgewatch.toml", format!("{config}[providers.hostile]\nisolation = \"in_process\"\n"));
    let host = sweep(&sandbox, 1);
    wait_for_requests(&fake, 1);
    rename_into_place(&sandbox, &build_b());
    host.tells("after a restart", 1);
    released.cancel();
    let run = host.end().exits(0);
    assert_eq!(result(&run, "f"), ("granted".to_owned(), "answer=A".to_owned()));
    assert_eq!(lines(&run, "WARN").len(), 1, "{}", run.stderr);
    assert_has(
        lines(&run, "WARN")[0],
        &["libforgewatch_hostile.so` has new bytes", "isolation = \"in_process\""],
    );
}

/// A plugin that could not start does so on new bytes, while a check of another keeps the sweep going.
#[track_caller]
fn starts_again(broken: &[u8], told: &str, cause: &str) {
    let fake = fake();
    let (released, answer) = held();
    fake.fault(Match::any().path_contains("storefront"), answer);
    let sandbox = sandbox(
        &fake,
        broken,
        &[("a", "forge", "fine"), ("b", "contoso", "storefront"), ("c", "forge-too", "fine")],
    );
    let host = sweep(&sandbox, 1);
    host.tells(told, 1);
    wait_for_result(&host, "a");
    rename_into_place(&sandbox, b"garbage");
    host.tells("cannot be used either: ", 1);
    rename_into_place(&sandbox, &build_b());
    // Calls wait for a worker that is being started.
    host.worker("hostile");
    released.cancel();
    let run = host.end();
    let (reason, detail) = result(&run, "a");
    assert_eq!(reason, "plugin_failed");
    assert_has(&detail, &[told, cause]);
    assert_eq!(result(&run, "c"), ("granted".to_owned(), "answer=B".to_owned()), "{}", run.stderr);
}

#[test]
fn a_plugin_in_quarantine_starts_on_new_bytes() {
    let broken = build::hostile_with(&[("constructor", "segfault")]);
    starts_again(&broken, "is in quarantine for 10 minutes", "segmentation fault");
}

#[test]
fn a_plugin_that_was_refused_starts_on_new_bytes() {
    let broken = build::hostile_with(&[("default", "panic")]);
    starts_again(&broken, "does not start", "panic in Provider::default");
}

#[test]
fn a_new_build_does_not_pay_for_the_crashes_of_the_old_one() {
    let fake = fake();
    let (released, answer) = held();
    fake.fault(Match::any().path_contains("storefront"), answer);
    let sandbox = sandbox(
        &fake,
        &library(),
        &[
            ("a", "crash-a", "fine"),
            ("b", "crash-b", "fine"),
            ("c", "crash-c", "fine"),
            ("d", "contoso", "storefront"),
            ("e", "forge", "segfault"),
            ("f", "forge", "fine"),
        ],
    );
    add_crashing(&sandbox);
    let host = sweep(&sandbox, 1);
    host.tells("in quarantine for 10 minutes, since it failed 6 times in a row", 1);
    rename_into_place(&sandbox, &build_b());
    host.worker("hostile");
    released.cancel();
    let run = host.end().exits(3);
    assert_has(&result(&run, "e").1, &["failed here twice", "segmentation fault"]);
    assert_eq!(result(&run, "f"), ("granted".to_owned(), "answer=B".to_owned()));
}
