//! Workers that end, by their own doing or another's, and hosts that do.

use std::fs;
use std::time::{Duration, Instant};

use forgewatch_tests::build;
use forgewatch_tests::fake::Answer;
use forgewatch_tests::process::wait_for;
use rustix::process::Signal;

use crate::support::{
    INTEGRATIONS, add_crashing, assert_has, fake, lines, next, result, sandbox, sweep, wait_for_requests,
    wait_for_result,
};

fn library() -> Vec<u8> {
    fs::read(build::hostile()).expect("the library is there")
}

fn many(names: &[String]) -> Vec<(&str, &'static str, &'static str)> {
    names.iter().map(|name| (name.as_str(), "forge", "fine")).collect()
}

#[test]
fn a_worker_that_is_killed_costs_no_check_its_answer() {
    let fake = fake();
    fake.fault(next(7), Answer::hang());
    let names: Vec<_> = (10..34).map(|number| format!("r{number}")).collect();
    let sandbox = sandbox(&fake, &library(), &many(&names));
    // One of eight requests is always left to other providers.
    let host = sweep(&sandbox, 8);
    wait_for_requests(&fake, 7);
    assert!(host.worker("hostile").signal(Signal::KILL));
    let run = host.end().exits(0);
    for name in &names {
        assert_eq!(result(&run, name), ("granted".to_owned(), "answer=A".to_owned()));
    }
    let warnings = lines(&run, "WARN");
    assert_eq!((warnings.len(), lines(&run, "ERROR").len()), (1, 0), "{run:#?}");
    assert_has(
        warnings[0],
        &["plugin=\"hostile\"", "it was killed from outside by signal 9 (SIGKILL); it is started again"],
    );
}

#[test]
fn a_check_under_which_two_workers_are_killed_has_no_answer() {
    let fake = fake();
    fake.fault(next(2), Answer::hang());
    let sandbox = sandbox(&fake, &library(), &[("a", "forge", "fine"), ("b", "forge", "fine")]);
    let host = sweep(&sandbox, 1);
    for kills in 1..=2 {
        wait_for_requests(&fake, kills);
        assert!(host.worker("hostile").signal(Signal::KILL));
    }
    let run = host.end().exits(3);
    let (reason, detail) = result(&run, "a");
    assert_eq!(reason, "plugin_failed");
    assert_has(
        &detail,
        &["plugin `hostile`", "twice", "killed from outside by signal 9", "find out what ends it"],
    );
    assert_eq!(result(&run, "b").0, "granted");
    assert!(!run.stderr.contains("quarantine"), "{}", run.stderr);
}

#[test]
fn a_worker_that_is_stopped_is_replaced() {
    let fake = fake();
    fake.fault(next(4), Answer::hang());
    let names: Vec<_> = (1..=6).map(|number| format!("r{number}")).collect();
    let sandbox = sandbox(&fake, &library(), &many(&names));
    let mut command =
        sandbox.command(&["check", "--format=ndjson", "--set=check_timeout=9s", "--set=http.timeout=8s"]);
    command.arg("--set=http.concurrency=4");
    let host = forgewatch_tests::running::Running::start(command);
    wait_for_requests(&fake, 4);
    let stopped = host.worker("hostile");
    stopped.signal(Signal::STOP);
    let run = host.end().exits(0);
    assert!(!stopped.is_alive());
    let warnings = lines(&run, "WARN");
    assert_eq!((warnings.len(), lines(&run, "ERROR").len()), (1, 0), "{run:#?}");
    assert_has(warnings[0], &["it was stopped from outside (SIGSTOP) and gave no sign of life for 2s"]);
}

#[test]
fn workers_do_not_outlive_a_host_that_is_killed() {
    let fake = fake();
    let sandbox = sandbox(
        &fake,
        &library(),
        &[("a", "forge", "fine"), ("b", "contoso", "storefront"), ("c", "forge", "infinite-loop")],
    );
    let host = sweep(&sandbox, 1);
    wait_for_result(&host, "b");
    let (idle, spinning) = (host.worker("vsts"), host.worker("hostile"));
    let before = spinning.processor_ticks();
    wait_for("a worker that spins", || (spinning.processor_ticks() > before + 10).then_some(()));
    host.process().signal(Signal::KILL);
    let start = Instant::now();
    wait_for("an end of both", || (!idle.is_alive() && !spinning.is_alive()).then_some(()));
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
}

#[test]
fn an_interrupt_from_the_terminal_is_for_the_host_alone() {
    let fake = fake();
    fake.fault(next(2), Answer::status(200));
    fake.fault(next(u32::MAX), Answer::hang());
    let names: Vec<_> = (1..=6).map(|number| format!("r{number}")).collect();
    let sandbox = sandbox(&fake, &library(), &many(&names));
    let host = sweep(&sandbox, 1);
    wait_for_requests(&fake, 3);
    let worker = host.worker("hostile");
    assert!(!worker.is_in_group_of(host.process()));
    host.process().signal_group(Signal::INT);
    let run = host.end().exits(130);
    assert_eq!((run.stdout.lines().count(), result(&run, "r2").0), (2, "granted".to_owned()));
    assert_eq!(run.stderr, "interrupted: 2 of 6 repositories were checked\n");
    assert!(!worker.is_alive());
}

/// Three clients that crash twice each: nothing is ever answered, so every start waits longer than the one before.
#[test]
fn a_plugin_that_crashes_again_and_again_is_left_alone() {
    let fake = fake();
    let sandbox = sandbox(
        &fake,
        &library(),
        &[
            ("a", "crash-a", "fine"),
            ("b", "crash-b", "fine"),
            ("c", "crash-c", "fine"),
            ("d", "forge", "fine"),
            ("e", "contoso", "storefront"),
        ],
    );
    add_crashing(&sandbox);
    let start = Instant::now();
    let run = sweep(&sandbox, 1).end().exits(3);
    assert!(start.elapsed() > Duration::from_millis(3_100), "{:?}", start.elapsed());
    for repository in ["a", "b", "c"] {
        let (reason, detail) = result(&run, repository);
        assert_eq!(reason, "plugin_failed");
        assert_has(&detail, &["failed here twice", "segmentation fault (SIGSEGV) at address 0x10", "author"]);
    }
    let (reason, detail) = result(&run, "d");
    assert_eq!(reason, "plugin_failed");
    assert_has(
        &detail,
        &[
            "the plugin `hostile` is in quarantine for 10 minutes, since it failed 6 times in a row",
            "segmentation fault",
            "replace its file, or restart forgewatch",
        ],
    );
    assert_eq!(result(&run, "e").0, "granted");
    assert_eq!((lines(&run, "WARN").len(), lines(&run, "ERROR").len()), (5, 1), "{}", run.stderr);
}

#[test]
fn restarts_leave_no_process_and_no_descriptor_behind() {
    const KILLS: usize = 40;
    let fake = fake();
    fake.fault(next(u32::MAX), Answer::hang());
    let names: Vec<_> = (0..KILLS).map(|number| format!("r{number}")).collect();
    let sandbox = sandbox(&fake, &library(), &many(&names));
    let host = sweep(&sandbox, 1);
    let process = host.process();
    let mut descriptors = 0;
    for kills in 1..=KILLS {
        wait_for_requests(&fake, kills);
        let worker = host.worker("hostile");
        if kills == 2 {
            descriptors = process.descriptors();
        }
        assert!(worker.signal(Signal::KILL));
    }
    wait_for_requests(&fake, KILLS + 1);
    wait_for("as few descriptors as before", || (process.descriptors() <= descriptors).then_some(()));
    wait_for("one child", || (process.children().len() == 1).then_some(()));
    process.signal(Signal::INT);
    let run = host.end().exits(130);
    assert_eq!(run.stderr.matches("it is started again").count(), KILLS);
}

#[test]
fn the_host_s_own_process_is_no_sandbox() {
    let sandbox = sandbox(&fake(), &library(), &[("a", "forge", "fine")]);
    let config = format!(
        "plugins.require_sandbox = true\n{INTEGRATIONS}[providers.hostile]\nisolation = \"in_process\"\n"
    );
    let line = format!("forgewatch.toml:{}\n", config.lines().count());
    sandbox.write("forgewatch.toml", config);
    for command in [["check"].as_slice(), &["plugin", "list"]] {
        let run = sandbox.run(command).exits(2);
        assert_has(
            &run.stderr,
            &[
                "providers.hostile.isolation",
                "there is no sandbox in the host's process, and `plugins.require_sandbox` is set",
                &line,
                "set it to \"process\", or take `require_sandbox` out",
            ],
        );
    }
}
