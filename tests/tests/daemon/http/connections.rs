//! Very many connections, and slow ones.

use std::io::{Read, Write};
use std::net::TcpStream;

use forgewatch_tests::ask;
use forgewatch_tests::daemon::Daemon;

use super::{assert_answers, plant, quiet};
use crate::support::{large, until_granted};

/// What the daemon may take up by them beside what it has, in KiB.
const ROOM_KIB: u64 = 64 * 1024;
/// The most connections at once, and what else it has open.
const DESCRIPTORS: usize = 512 + 128;

/// Connections on each of which so much was sent and nothing is read.
fn hold(daemon: &Daemon, count: usize, sent: impl Fn(usize) -> String) -> Vec<TcpStream> {
    let address = daemon.address();
    let connect = |number| {
        let mut stream = ask::connect(address).expect("a connection");
        // It may have lost its place already.
        let _ = stream.write_all(sent(number).as_bytes());
        stream
    };
    (0..count).map(connect).collect()
}

/// However they are held, everybody else is answered, and the daemon does not grow much.
#[track_caller]
fn assert_nobody_is_kept_out(
    repositories: usize,
    count: usize,
    sent: impl Fn(&Daemon, usize) -> String,
    then: impl FnOnce(&Daemon, &[TcpStream]),
) {
    let fake = large(1, repositories);
    let sandbox = quiet(repositories).sandbox(&fake);
    let daemon = Daemon::start(&sandbox);
    until_granted(&daemon, repositories);
    assert_answers(&daemon);
    let before = daemon.process().resident_kib();
    let held = hold(&daemon, count, |number| sent(&daemon, number));
    assert_answers(&daemon);
    then(&daemon, &held);
    let grown = daemon.process().resident_kib().saturating_sub(before);
    let descriptors = daemon.process().descriptors();
    assert!(grown < ROOM_KIB, "{grown} KiB more for {count} connections");
    assert!(descriptors < DESCRIPTORS, "{descriptors} descriptors");
    drop(held);
    daemon.stop();
}

#[test]
fn two_thousand_that_say_nothing_or_say_it_slowly() {
    let parts = ["", "GET /li", "GET /livez HTTP/1.1\r\nhost: 127.0.", "POST /api/v1/check HTTP/1.1\r\nx: "];
    let sent = |_: &Daemon, number: usize| parts[number % parts.len()].to_owned();
    assert_nobody_is_kept_out(1, 2_000, sent, |daemon, held| {
        // One of the latest has not been given up for those after it, nor for having taken too long.
        let mut late = &held[1_510];
        let rest = daemon.address().to_string().replacen("127.0.", "", 1);
        write!(late, "{rest}\r\nconnection: close\r\n\r\n").expect("it is taken");
        let mut answer = String::new();
        late.read_to_string(&mut answer).expect("an answer");
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer:?}");
    });
}

#[test]
fn those_that_never_send_their_body() {
    assert_nobody_is_kept_out(
        1,
        600,
        |daemon, _| {
            let headers = ["content-type: application/json", "content-length: 60000"];
            ask::head(daemon.address(), "POST", "/api/v1/check", &headers) + "{\"repositories\": [\""
        },
        |_, _| {},
    );
}

#[test]
fn those_that_never_read_their_page() {
    assert_nobody_is_kept_out(
        60,
        600,
        |daemon, _| ask::head(daemon.address(), "GET", "/api/v1/repositories?limit=1000", &[]),
        |_, _| {},
    );
}

#[test]
fn requests_that_are_sent_in_one_go_are_answered_in_their_order() {
    const TURNS: usize = 100;
    let fake = large(1, 1);
    let sandbox = quiet(1).sandbox(&fake);
    let daemon = Daemon::start(&sandbox);
    let address = daemon.address();
    let turn = |number| {
        let path = if number % 2 == 0 { "livez" } else { "nowhere" };
        format!("GET /{path} HTTP/1.1\r\nhost: {address}\r\n\r\n")
    };
    let all: String = (0..TURNS).map(turn).collect();
    let answer = ask::talk(address, (all + &ask::head(address, "GET", "/readyz", &[])).as_bytes());
    let answer = answer.expect("answers");
    let statuses: Vec<_> = answer.split("HTTP/1.1 ").skip(1).map(|answer| &answer[..3]).collect();
    let expected = [["200", "404"]; TURNS / 2].concat();
    assert_eq!((&statuses[..TURNS], statuses[TURNS]), (expected.as_slice(), "200"));
    daemon.stop();
}

#[test]
fn streams_that_nobody_reads_cost_a_page_each() {
    let fake = large(1, 1);
    let sandbox = quiet(1).sandbox(&fake);
    plant(&sandbox, 5_000, 1);
    let daemon = Daemon::start(&sandbox);
    let before = daemon.process().resident_kib();
    let mut streams = hold(&daemon, 60, |_| {
        ask::head(daemon.address(), "GET", "/api/v1/events?after=0", &["accept: text/event-stream"])
    });
    for stream in &mut streams {
        let mut first = [0; 12];
        stream.read_exact(&mut first).expect("it begins");
        assert_eq!(&first, b"HTTP/1.1 200");
    }
    assert_answers(&daemon);
    let grown = daemon.process().resident_kib().saturating_sub(before);
    assert!(grown < ROOM_KIB, "{grown} KiB more");
    daemon.stop();
}
