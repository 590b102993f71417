//! What is done to the daemon, and what comes of it.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rustix::process::Signal;

use super::Report;
use super::metrics::{Bucket, quantile};
use super::pulse::Pulse;
use super::state::{State, Turn};
use super::subject::{LIVELY, Subject, name};
use crate::figures::{Series, mib, ms, seconds};
use crate::process::Process;

const SAMPLE: Duration = Duration::from_secs(1);
/// Samples over which checks are counted to see how even they are.
const EVENNESS: usize = 10;
/// How long the identity stays revoked after that was noticed.
const REVOKED: Duration = Duration::from_secs(20);
const KILLS: usize = 20;
const LAG: &str = "forgewatch_schedule_lag_seconds_bucket";

/// The first start, without any state.
pub(super) fn start(subject: &mut Subject, report: &mut Report) {
    let took = ms(subject.start());
    let memory = mib(subject.host().resident_kib() << 10);
    let count = subject.repositories;
    report.tell("start", format!("{count} repositories: ready after {took}, resident {memory} then"));
}

/// Nothing but checks: once all repositories were checked, for as long as was asked for.
pub(super) fn steady(subject: &Subject, duration: Duration, report: &mut Report) {
    let all_checked = subject
        .take_time("a check of every repository", |state| state.standings() >= subject.repositories as i64);
    report.tell("steady", format!("all were checked {} later", seconds(all_checked)));
    let (host, own) = (subject.host(), Process::own());
    let (busy, busy_own) = (host.processor_time(), own.processor_time());
    let lag = lag(subject);
    let (mut resident, mut workers) = (Series::default(), Series::default());
    let mut asked = vec![subject.asked()];
    let start = Instant::now();
    for nth in 1.. {
        thread::sleep((start + SAMPLE * nth).saturating_duration_since(Instant::now()));
        resident.push(host.resident_kib() as f64 / 1024.0);
        let all: u64 = subject.workers().into_iter().map(Process::resident_kib).sum();
        workers.push(all as f64 / 1024.0);
        asked.push(subject.asked());
        if start.elapsed() >= duration {
            break;
        }
    }
    let took = start.elapsed().as_secs_f64();
    let (busy, busy_own) = (host.processor_time() - busy, own.processor_time() - busy_own);
    let checks = asked.last().map_or(0, |last| last - asked[0]) as f64;
    let marks: Vec<u64> = asked.iter().step_by(EVENNESS).copied().collect();
    let even: Series = marks.windows(2).map(|pair| (pair[1] - pair[0]) as f64).collect();
    let share = |busy: Duration| busy.as_secs_f64() / took * 100.0;
    report.tell("steady", format!("{took:.0} s: resident MiB {resident}; its worker {workers}"));
    report.tell(
        "steady",
        format!(
            "{:.1} checks/s: processor {:.1} % of one ({:.0} µs a check), the forge's {:.1} %",
            checks / took,
            share(busy),
            busy.as_secs_f64() * 1e6 / checks.max(1.0),
            share(busy_own),
        ),
    );
    report.tell("steady", format!("checks in 10 s: {}", even.evenness()));
    tell_lag("steady", subject, &lag, report);
    let [file, log] = subject.state_bytes().map(mib);
    report.tell("steady", format!("state {file}, its log {log}"));
}

/// The identity is revoked, which is one incident, and restored.
pub(super) fn revoke(subject: &mut Subject, report: &mut Report) {
    let state = subject.state();
    let (seq, told, before) = (state.last_seq(), subject.running().told(), state.believed(false));
    subject.revoke(true);
    let (start, asked) = (Instant::now(), subject.asked());
    subject.wait_for("an incident", || subject.running().told_since("are affected (", told));
    let (noticed, requests) = (start.elapsed(), subject.asked() - asked);
    killed_before_telling(subject, &state, seq, report);
    thread::sleep(REVOKED);
    let told = subject.running().told();
    subject.revoke(false);
    let start = Instant::now();
    subject.wait_for("its end", || subject.running().told_since(" is over, which", told));
    let resolved = start.elapsed();
    let recovered = subject.take_time("all to have access again", |state| state.believed(false) <= before);
    // Two messages each, and an alert that is gone.
    until_told(subject, [2, 2, 2, 0], report);
    let (opened, ended) = (state.incidents("opened", seq), state.incidents("resolved", seq));
    let turns = state.turns(seq);
    let lost = turns.values().filter(|turns| turns.iter().any(|(_, to)| to == "denied")).count();
    let odd = turns.iter().find(|(_, turns)| !is_one_loss_at_most(turns));
    report.tell(
        "revoke",
        format!(
            "incident after {} and {requests} requests; {} later it had cost {lost} repositories",
            seconds(noticed),
            seconds(REVOKED),
        ),
    );
    report.tell(
        "revoke",
        format!("restored: resolved after {}, all back {} later", seconds(resolved), seconds(recovered)),
    );
    report.tell("revoke", format!("incidents opened {opened}, resolved {ended}"));
    report.expect((opened, ended) == (1, 1), || {
        format!("a revoked identity was {opened} incidents, {ended} of them resolved, and not one")
    });
    report.expect(lost > 0, || "nobody lost access to a revoked identity".to_owned());
    report.expect(odd.is_none(), || format!("lost or returned twice, or not at all: {odd:?}"));
}

/// The daemon is killed after an incident is on disk and before anybody is told of it.
fn killed_before_telling(subject: &mut Subject, state: &State, seq: i64, report: &mut Report) {
    subject.wait_for("the incident on disk", || (state.incidents("opened", seq) == 1).then_some(()));
    let before = subject.told.counts();
    subject.end(Signal::KILL);
    let again = subject.start();
    report.expect(before == [0; 4], || format!("it was told too early to be killed before: {before:?}"));
    report.tell("revoke", format!("killed before anybody was told, ready again after {}", ms(again)));
    until_told(subject, [1; 4], report);
}

/// Waits until everybody was told so often, and sees whether somebody hears more.
fn until_told(subject: &Subject, expected: [usize; 4], report: &mut Report) {
    let start = Instant::now();
    let is_enough = |told: [usize; 4]| told[..3].iter().zip(expected).all(|(told, wanted)| *told >= wanted);
    subject.wait_for("messages", || {
        thread::sleep(SAMPLE / 10);
        is_enough(subject.told.counts()).then_some(())
    });
    let took = start.elapsed();
    thread::sleep(REVOKED);
    let told = subject.told.counts();
    report.tell(
        "revoke",
        format!(
            "webhook, chat, mail, Alertmanager: {told:?} messages and alerts, the last after {}",
            seconds(took)
        ),
    );
    report.expect(told == expected, || format!("{told:?} messages and alerts instead of {expected:?}"));
}

/// The configuration is wrong, then longer, then a little different.
pub(super) fn reload(subject: &mut Subject, report: &mut Report) {
    let workers = subject.workers();
    let lag = lag(subject);
    let mut step = |what: &str, is_right: bool, change: &dyn Fn()| {
        let pulse = Pulse::of(Arc::clone(&subject.fake));
        change();
        let written = unix_ms();
        subject.host().signal(Signal::HUP);
        let state = subject.state();
        let (ended, successful) =
            subject.wait_for("what comes of the new configuration", || state.reload(written));
        let took = Duration::from_millis(u64::try_from(ended - written).unwrap_or(0));
        // The change of the file itself may have it read once more.
        thread::sleep(SAMPLE * 2);
        let (gap, asked) = pulse.end();
        let ended = if successful { "taken over" } else { "refused" };
        report.tell(
            "reload",
            format!("{what}: {ended} after {}; {asked} checks meanwhile, longest gap {}", ms(took), ms(gap)),
        );
        report.expect(successful == is_right, || format!("{what} was {ended}"));
    };
    step("a wrong file", false, &|| subject.break_configuration());
    step("1000 repositories more", true, &|| subject.configure(subject.grown(), ""));
    step("another label", true, &|| subject.configure(subject.grown(), ", new = \"yes\""));
    tell_lag("reload", subject, &lag, report);
    report.tell("reload", format!("resident {} afterwards", mib(subject.host().resident_kib() << 10)));
    let same = workers == subject.workers();
    report.expect(same, || "a reload that changed no plugin replaced its worker".to_owned());
}

/// The daemon is killed at random moments, while repositories go and come back.
pub(super) fn kill(subject: &mut Subject, report: &mut Report) {
    let seq = subject.state().last_seq();
    let batches: Vec<Vec<usize>> =
        (0..KILLS / 2).map(|batch| (batch..LIVELY).step_by(KILLS / 2).collect()).collect();
    let mut ready = Series::default();
    for nth in 0..KILLS {
        let (batch, goes) = (&batches[nth % batches.len()], nth < batches.len());
        settle(subject, batch, goes);
        subject.disable(batch, goes);
        thread::sleep(Duration::from_millis(RandomState::new().hash_one(nth) % 4_000));
        subject.end(Signal::KILL);
        let found = subject.state().integrity();
        report.expect(found == "ok", || format!("the state after a kill: {found}"));
        ready.push(subject.start().as_secs_f64() * 1e3);
    }
    batches.iter().for_each(|batch| settle(subject, batch, true));
    let turns = subject.state().turns(seq);
    let lively: Vec<String> = (0..LIVELY).map(name).collect();
    let odd: Vec<_> = lively
        .iter()
        .filter(|name| !turns.get(*name).is_some_and(|turns| is_loss_and_return(turns)))
        .collect();
    let others = turns.iter().filter(|(name, _)| !lively.contains(name));
    let others = others.filter(|(_, turns)| turns.iter().any(|(from, _)| from.is_some())).count();
    report.tell("kill", format!("{KILLS} times: ready again after ms {ready}"));
    let told: usize = lively.iter().filter_map(|name| turns.get(name)).map(Vec::len).sum();
    report.tell("kill", format!("{told} transitions of {}, {others} of others", LIVELY * 2));
    report.expect(odd.is_empty(), || {
        let example = odd.first().map(|name| (*name, turns.get(*name)));
        format!("{} repositories without one loss and one return, such as {example:?}", odd.len())
    });
    report.expect(others == 0, || format!("{others} repositories turned that nobody touched"));
}

/// The daemon is told to stop.
pub(super) fn stop(mut subject: Subject, report: &mut Report) {
    let (run, took) = subject.end(Signal::TERM);
    report.tell("stop", format!("ended after {}", ms(took)));
    report.expect(run.status == Some(0), || format!("told to stop it ended with {:?}", run.status));
    let found = subject.state().integrity();
    report.expect(found == "ok", || format!("the state after a stop: {found}"));
}

/// Waits until this is what is believed of the lively repositories with these numbers.
fn settle(subject: &Subject, numbers: &[usize], granted: bool) {
    let names: Vec<String> = numbers.iter().copied().map(name).collect();
    subject.take_time("a change to be believed", |state| state.believed_of(&names, granted) == names.len());
}

/// Each turn follows from the one before, and access is there in the end. What was never checked before may be lost
/// to begin with.
fn is_one_loss_at_most(turns: &[Turn]) -> bool {
    let losses = turns.iter().filter(|(_, to)| to == "denied").count();
    let follow = turns.windows(2).all(|pair| pair[1].0.as_ref() == Some(&pair[0].1));
    losses <= 1 && follow && turns.last().is_some_and(|(_, to)| to == "granted")
}

fn is_loss_and_return(turns: &[Turn]) -> bool {
    // What was never checked before begins with a turn from nothing.
    let turns: Vec<_> = turns.iter().filter_map(|(from, to)| Some((from.as_deref()?, to.as_str()))).collect();
    turns == [("granted", "denied"), ("denied", "granted")]
}

fn lag(subject: &Subject) -> Vec<Bucket> {
    subject.metrics().map(|metrics| metrics.buckets(LAG)).unwrap_or_default()
}

fn tell_lag(phase: &str, subject: &Subject, before: &[Bucket], report: &mut Report) {
    let after = lag(subject);
    let under = |part| quantile(before, &after, part).map_or("unknown".to_owned(), |at| format!("≤ {at} s"));
    let (median, most, all) = (under(0.5), under(0.99), under(1.0));
    report.tell(phase, format!("schedule lag: median {median}, p99 {most}, max {all}"));
}

fn unix_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
