//! One repository over time, as a picture and as the table that says the same.
//!
//! Both come out of the journal's changes and of what is believed now. What the journal does not hold any more is left
//! blank, not guessed.

use std::time::Duration;

use serde::Serialize;

use crate::api::view::Event;
use crate::daemon::Ledger;
use crate::verdict::{Moment, Reason, Stamp, Verdict};

/// Units of the whole picture.
const WIDTH: f64 = 1000.0;
/// Less could not be seen.
const NARROWEST: f64 = 2.0;
/// The picture shows at least so long.
const SHORTEST: Duration = Duration::from_secs(15 * 60);
/// Of longer ones the marks tell the dates alone.
const LONGEST_WITH_TIME: Duration = Duration::from_secs(4 * 24 * 60 * 60);
/// Marks below the picture.
const MARKS: u32 = 4;

/// What is believed of the repository at this moment.
pub(super) struct Now {
    reason: Option<Reason>,
    since: Option<Moment>,
    stale: bool,
}

/// One stretch of time.
#[derive(Debug, PartialEq, Serialize)]
pub(super) struct Stretch {
    verdict: &'static str,
    reason: Option<Reason>,
    /// None when it began before what is known.
    from: Option<Stamp>,
    /// None while it goes on.
    until: Option<Stamp>,
    detail: String,
    x: f64,
    width: f64,
}

/// A moment below the picture.
#[derive(Debug, PartialEq, Serialize)]
struct Mark {
    x: f64,
    label: String,
}

/// The picture.
#[derive(Debug, PartialEq, Serialize)]
pub(super) struct Picture {
    start: Stamp,
    end: Stamp,
    marks: Vec<Mark>,
    /// Latest first.
    stretches: Vec<Stretch>,
}

/// A change that the journal tells of.
enum Change<'a> {
    Turned { from: Option<Reason>, to: Reason, detail: &'a str },
    Stale { reason: Reason, since: Option<Moment> },
}

impl Now {
    pub(super) fn of(ledger: &Ledger, name: &str) -> Option<Self> {
        let (_, entry) = ledger.get(name)?;
        let since = entry.standing.confirmed.map(|confirmed| confirmed.since);
        Some(Self { reason: entry.reason(), since, stale: entry.stale })
    }
}

impl Picture {
    /// Out of a repository's events, latest first.
    pub(super) fn of(events: &[Event], now: Option<Now>, end: Moment) -> Self {
        let changes: Vec<_> = events.iter().rev().filter_map(|it| Some((it.at.0, change(it)?))).collect();
        let mut stretches: Vec<Stretch> = Vec::new();
        for (at, change) in &changes {
            match change {
                Change::Turned { from, to, detail } => {
                    let open = stretches.iter_mut().rfind(|it| it.until.is_none());
                    match (open, from) {
                        (Some(open), _) => open.until = Some((*at).into()),
                        (None, Some(from)) => {
                            stretches.push(Stretch::new(*from, None, Some(*at), ""));
                        }
                        (None, None) => {}
                    }
                    stretches.push(Stretch::new(*to, Some(*at), None, detail));
                }
                // What is believed goes on beside it.
                Change::Stale { reason, since } => {
                    let stretch = Stretch::new(*reason, Some(since.unwrap_or(*at)), Some(*at), "");
                    stretches.push(stretch);
                }
            }
        }
        if let Some(now) = now {
            goes_on(&mut stretches, &now);
        }
        Self::drawn(stretches, end)
    }

    fn drawn(mut stretches: Vec<Stretch>, end: Moment) -> Self {
        let earliest = stretches.iter().filter_map(|it| it.from.or(it.until)).map(|at| at.0).min();
        let longest = earliest.map_or(SHORTEST, |earliest| end.since(earliest));
        // What was there before is seen to have been there.
        let is_cut = stretches.iter().any(|it| it.from.is_none());
        let shown = longest.max(SHORTEST).mul_f64(if is_cut { 1.1 } else { 1.0 });
        let start = end.shifted(-i64::try_from(shown.as_millis()).unwrap_or(i64::MAX));
        let x_of = |at: Moment| at.since(start).as_secs_f64() / shown.as_secs_f64().max(1.0) * WIDTH;
        for stretch in &mut stretches {
            let x = stretch.from.map_or(0.0, |from| x_of(from.0));
            let until = stretch.until.map_or(WIDTH, |until| x_of(until.0));
            let width = (until - x).max(NARROWEST);
            (stretch.x, stretch.width) = (rounded(x.min(WIDTH - width)), rounded(width));
        }
        stretches.sort_by_key(|it| std::cmp::Reverse((it.from.map(|at| at.0), it.until.map(|at| at.0))));
        let marks = (0..=MARKS).map(|number| {
            let share = f64::from(number) / f64::from(MARKS);
            let at = start.after(shown.mul_f64(share));
            Mark { x: rounded(share * WIDTH), label: label(at, number == MARKS, shown) }
        });
        Self { start: start.into(), end: end.into(), marks: marks.collect(), stretches }
    }

    /// What holds now, in a word.
    pub(super) fn headline(&self) -> &'static str {
        self.stretches.iter().find(|it| it.until.is_none()).map_or("not known yet", |it| it.verdict)
    }
}

/// What is believed now is the last stretch, whether or not the journal knows since when.
fn goes_on(stretches: &mut Vec<Stretch>, now: &Now) {
    let Some(reason) = now.reason else { return };
    if now.stale && reason.verdict() == Verdict::Indeterminate {
        if let Some(last) = stretches.iter_mut().rfind(|it| it.verdict == "indeterminate") {
            last.until = None;
            return;
        }
        stretches.push(Stretch::new(reason, None, None, ""));
        return;
    }
    let open = stretches.iter_mut().rfind(|it| it.until.is_none());
    if let Some(open) = open {
        // A change is believed a moment before the journal has it.
        let is_later = |since: &Moment| open.from.is_none_or(|from| from.0 < *since);
        let since = now.since.filter(|_| open.reason != Some(reason)).filter(is_later);
        let Some(since) = since else { return };
        open.until = Some(since.into());
    }
    stretches.push(Stretch::new(reason, now.since, None, ""));
}

impl Stretch {
    fn new(reason: Reason, from: Option<Moment>, until: Option<Moment>, detail: &str) -> Self {
        Self {
            verdict: reason.verdict().as_str(),
            reason: Some(reason),
            from: from.map(Stamp),
            until: until.map(Stamp),
            detail: detail.to_owned(),
            x: 0.0,
            width: 0.0,
        }
    }
}

/// As exactly as the picture can be read.
fn label(at: Moment, is_last: bool, shown: Duration) -> String {
    let time = at.to_string();
    match (is_last, time.get(..10), time.get(5..10), time.get(11..16)) {
        (true, ..) => "now".to_owned(),
        (_, Some(date), ..) if shown > LONGEST_WITH_TIME => date.to_owned(),
        (_, _, Some(day), Some(minute)) => format!("{day} {minute}"),
        _ => time,
    }
}

fn change(event: &Event) -> Option<Change<'_>> {
    let payload = &event.payload;
    let reason = |value: &serde_json::Value| serde_json::from_value::<Reason>(value.clone()).ok();
    match payload["generic"].as_str()? {
        "transition" => Some(Change::Turned {
            from: reason(&payload["from"]["reason"]),
            to: reason(&payload["to"]["reason"])?,
            detail: payload["detail"].as_str().unwrap_or_default(),
        }),
        "stale" => {
            let since = payload["since"].as_str().and_then(|text| humantime::parse_rfc3339(text).ok());
            Some(Change::Stale { reason: reason(&payload["reason"])?, since: since.map(Moment::from) })
        }
        _ => None,
    }
}

fn rounded(number: f64) -> f64 {
    (number * 10.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::api::tests::fixture::{at, event};

    fn turned(second: u64, from: Option<&str>, to: &str) -> Event {
        event(second, json!({ "generic": "transition", "from": { "reason": from }, "to": { "reason": to } }))
    }

    fn drawn(events: Vec<Event>, now: Option<(Reason, u64)>, stale: bool, end: u64) -> Vec<Value> {
        let now = now.map(|(reason, since)| Now { reason: Some(reason), since: Some(at(since)), stale });
        let latest_first: Vec<_> = events.into_iter().rev().collect();
        let picture = serde_json::to_value(Picture::of(&latest_first, now, at(end))).unwrap();
        picture["stretches"].as_array().unwrap().clone()
    }

    fn brief(stretch: &Value) -> (&str, f64, f64) {
        (
            stretch["verdict"].as_str().unwrap(),
            stretch["x"].as_f64().unwrap(),
            stretch["width"].as_f64().unwrap(),
        )
    }

    #[test]
    fn changes_follow_each_other_up_to_now() {
        let events = vec![
            turned(10_000, None, "granted"),
            turned(15_000, Some("granted"), "not_found"),
            turned(17_500, Some("not_found"), "granted"),
        ];
        let stretches = drawn(events, Some((Reason::Granted, 17_500)), false, 20_000);
        let briefly: Vec<_> = stretches.iter().map(brief).collect();
        assert_eq!(briefly, [("granted", 750.0, 250.0), ("denied", 500.0, 250.0), ("granted", 0.0, 500.0)]);
        assert_eq!(stretches[0]["until"], Value::Null);
        assert_eq!(stretches[2]["from"], "1970-01-01T02:46:40.000Z");
    }

    #[test]
    fn what_was_before_the_journal_is_there_without_a_beginning() {
        let events = vec![turned(10_000, Some("granted"), "forbidden")];
        let stretches = drawn(events, Some((Reason::Forbidden, 10_000)), false, 20_000);
        assert_eq!(stretches[0]["verdict"], "denied");
        assert_eq!((&stretches[1]["verdict"], &stretches[1]["from"]), (&json!("granted"), &Value::Null));
        assert_eq!(stretches[1]["x"], 0.0);
        assert!(stretches[1]["width"].as_f64().unwrap() > 50.0, "{stretches:?}");
    }

    #[test]
    fn what_is_believed_now_needs_no_event() {
        let stretches = drawn(Vec::new(), Some((Reason::Granted, 10_000)), false, 20_000);
        assert_eq!(stretches.iter().map(brief).collect::<Vec<_>>(), [("granted", 0.0, 1000.0)]);
        assert_eq!(drawn(Vec::new(), None, false, 20_000), Vec::<Value>::new());
    }

    #[test]
    fn what_the_journal_does_not_have_yet_is_there_and_what_is_older_than_it_is_not() {
        let events = || vec![turned(10_000, None, "granted")];
        let stretches = drawn(events(), Some((Reason::NotFound, 15_000)), false, 20_000);
        let briefly: Vec<_> = stretches.iter().map(brief).collect();
        assert_eq!(briefly, [("denied", 500.0, 500.0), ("granted", 0.0, 500.0)]);
        let read_before = Some((Reason::NotFound, 5_000));
        let stretches = drawn(events(), read_before, false, 20_000);
        assert_eq!(stretches.iter().map(brief).collect::<Vec<_>>(), [("granted", 0.0, 1000.0)]);
    }

    #[test]
    fn no_clear_answer_is_shown_beside_what_was_believed() {
        let stale = event(
            15_000,
            json!({ "generic": "stale", "reason": "unreachable", "since": "1970-01-01T03:20:00.000Z" }),
        );
        let events = vec![turned(10_000, None, "granted"), stale];
        let stretches = drawn(events, Some((Reason::Unreachable, 10_000)), true, 20_000);
        let briefly: Vec<_> = stretches.iter().map(brief).collect();
        assert_eq!(briefly, [("indeterminate", 200.0, 800.0), ("granted", 0.0, 1000.0)]);
    }

    #[test]
    fn a_clock_that_was_set_back_makes_no_picture_that_cannot_be_drawn() {
        let events = vec![turned(30_000, None, "granted"), turned(10_000, Some("granted"), "disabled")];
        for stretch in drawn(events, Some((Reason::Disabled, 10_000)), false, 20_000) {
            let (_, x, width) = brief(&stretch);
            assert!(x >= 0.0 && width > 0.0 && x + width <= WIDTH + 0.1, "{stretch}");
        }
    }

    #[test]
    fn other_entries_of_the_journal_are_no_changes() {
        let odd = [
            json!({}),
            json!({ "generic": "found" }),
            json!({ "generic": "transition", "to": 7 }),
            json!([]),
        ];
        let events = odd.into_iter().map(|payload| event(10_000, payload)).collect();
        assert_eq!(drawn(events, None, false, 20_000), Vec::<Value>::new());
    }
}
