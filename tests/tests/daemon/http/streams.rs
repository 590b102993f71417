//! The journal as it grows, watched by more clients than may, over the ends of the daemon and of events.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;

use forgewatch_tests::ask::{self, ask_with};
use forgewatch_tests::daemon::Daemon;
use forgewatch_tests::records::Records;
use forgewatch_tests::watchlist::Watchlist;

use super::{assert_answers, plant, quiet};
use crate::support::{large, until_granted};

const MOST: usize = 64;

/// A stream of events, read line by line.
struct Events {
    reader: BufReader<TcpStream>,
    /// Its status line.
    first: String,
}

/// One event of a stream.
#[derive(Debug, PartialEq)]
struct Told {
    id: Option<i64>,
    event: String,
    data: String,
}

impl Events {
    /// Begins one after an event, or with what is new.
    fn open(daemon: &Daemon, after: Option<i64>) -> Self {
        let last = after.map(|after| format!("last-event-id: {after}"));
        let headers: Vec<_> = last.iter().map(String::as_str).chain(["accept: text/event-stream"]).collect();
        let mut stream = ask::connect(daemon.address()).expect("a connection");
        let head = ask::head(daemon.address(), "GET", "/api/v1/events", &headers);
        stream.write_all(head.as_bytes()).expect("it is taken");
        let mut reader = BufReader::new(stream);
        let mut first = String::new();
        reader.read_line(&mut first).expect("an answer");
        Self { reader, first }
    }

    fn is_open(&self) -> bool {
        self.first.starts_with("HTTP/1.1 200 ")
    }

    /// The next event; nothing when the stream is over.
    fn next(&mut self) -> Option<Told> {
        let mut told = Told { id: None, event: String::new(), data: String::new() };
        loop {
            let mut line = String::new();
            if self.reader.read_line(&mut line).expect("a line") == 0 {
                return None;
            }
            match line.trim_end().split_once(": ") {
                Some(("id", id)) => told.id = id.parse().ok(),
                Some(("event", event)) => event.clone_into(&mut told.event),
                Some(("data", data)) => {
                    data.clone_into(&mut told.data);
                    return Some(told);
                }
                _ => {}
            }
        }
    }

    /// The numbers of the next so many events.
    fn numbers(&mut self, count: usize) -> Vec<i64> {
        let mut numbers = Vec::new();
        while numbers.len() < count {
            numbers.extend(self.next().expect("it goes on").id);
        }
        numbers
    }
}

fn numbers(records: &Records) -> Vec<i64> {
    let state = records.open();
    let mut statement = state.prepare("SELECT seq FROM events ORDER BY seq").expect("a query");
    let rows = statement.query_map([], |row| row.get(0)).expect("rows");
    rows.map(|row| row.expect("a number")).collect()
}

#[test]
fn there_are_64_streams_and_a_place_that_is_left_is_given_away() {
    let fake = large(1, 1);
    let sandbox = quiet(1).sandbox(&fake);
    let daemon = Daemon::start(&sandbox);
    let mut streams: Vec<_> = (0..MOST).map(|_| Events::open(&daemon, None)).collect();
    assert!(streams.iter().all(Events::is_open));
    let refused = ask_with(daemon.address(), "GET", "/api/v1/events", &["accept: text/event-stream"], "");
    let refused = refused.expect("an answer");
    assert_eq!(refused.status, 503);
    assert!(refused.head.contains("retry-after: "), "{refused:?}");
    assert_answers(&daemon);
    assert_eq!(daemon.get("/api/v1/events?limit=1").status, 200);
    streams.pop();
    daemon.until("a place", |_| Events::open(&daemon, None).is_open().then_some(()));
    daemon.stop();
}

#[test]
fn a_stop_ends_all_streams_after_their_last_event() {
    let fake = large(1, 20);
    let sandbox = quiet(20).set("defaults.interval", r#""100ms""#).sandbox(&fake);
    let daemon = Daemon::start(&sandbox);
    until_granted(&daemon, 20);
    let mut streams: Vec<_> = (0..MOST).map(|_| Events::open(&daemon, Some(0))).collect();
    assert!(streams.iter_mut().all(|stream| stream.next().is_some()));
    // One reads on, the others have much to read when the end comes.
    let run = daemon.stop();
    assert!(!run.stderr.contains("cut off"), "{}", run.stderr);
    for mut stream in streams {
        while stream.next().is_some() {}
    }
}

/// Repositories that are checked all the time, for which there are events all the time.
fn busy() -> Watchlist {
    Watchlist::large(1, 20).set("defaults.interval", r#""100ms""#)
}

#[test]
fn over_restarts_no_event_is_missed_and_none_comes_twice() {
    let fake = large(1, 20);
    let sandbox = busy().sandbox(&fake);
    let (mut heard, mut last) = (Vec::new(), 0);
    for _ in 0..4 {
        let daemon = Daemon::start(&sandbox);
        let mut stream = Events::open(&daemon, Some(last));
        assert!(stream.is_open(), "{}", stream.first);
        heard.extend(stream.numbers(40));
        daemon.stop();
        last = *heard.last().expect("some");
    }
    let records = Records::of(&sandbox);
    assert!(heard.is_sorted_by(|one, next| one < next), "{heard:?}");
    // A later event with the same id stands in for an earlier one, which was heard all the same.
    let kept = numbers(&records).into_iter().filter(|number| *number <= last);
    let missed: Vec<_> = kept.filter(|number| !heard.contains(number)).collect();
    assert!(missed.is_empty() && heard.len() > 60, "{missed:?} of {heard:?}");
}

#[test]
fn what_is_not_there_any_more_is_told_as_a_gap() {
    let fake = large(1, 1);
    let sandbox = quiet(1).set("retention.events", r#""90d""#).sandbox(&fake);
    plant(&sandbox, 500, 100);
    let daemon = Daemon::start(&sandbox);
    daemon.until("an end of what is old", |records| {
        let old = records.events().iter().any(|event| event.id.starts_with("planted"));
        (!old).then_some(())
    });
    let oldest = 501;
    let mut stream = Events::open(&daemon, Some(7));
    let told = stream.next().expect("an event");
    let expected = format!("{{\"requested\":7,\"oldest\":{oldest}}}");
    assert_eq!((told.event, told.data), ("gap".to_owned(), expected));
    assert_eq!(stream.next().and_then(|told| told.id), Some(oldest));
    let next = Events::open(&daemon, Some(oldest - 1)).next().expect("an event");
    assert_eq!(next.id, Some(oldest));
    daemon.stop();
}
