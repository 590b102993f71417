use forgewatch_plugin_api::{WebhookEvent, WebhookEventKind};

use super::*;
use crate::alerts::Labels;
use crate::config::Person as Configured;
use crate::journal::{Cause, Fingerprint, Incident, Incidents};
use crate::tracker::record::Owed;
use crate::verdict::Reason;

fn people() -> People {
    let person = |email: &str| serde_json::from_value::<Configured>(serde_json::json!({ "emails": [email] }));
    let all = [("ada", "ada@contoso.example"), ("ben", "ben@contoso.example")];
    let all = all.map(|(name, email)| (name.to_owned(), person(email).expect("a person")));
    People::of(&all.into())
}

fn issue(revision: u64, state: &str, email: Option<&str>) -> Issue {
    let issue = Issue::new("31", "x", "Bug", state).with_revision(revision);
    match email {
        Some(email) => issue.with_assignee(Person::new("N").with_email(email)),
        None => issue,
    }
}

fn mark(revision: u64) -> Mark {
    Mark::of_issue(&issue(revision, "", None))
}

/// An incident of `ada` with an issue at revision 5.
fn record() -> Record {
    let print = Fingerprint::new("acme", Reason::NotFound, Cause::Repository, "a");
    let incident = Incidents::default().failed(&print, "gone", Moment::now()).1.clone();
    let link = Link::new("acme", &issue(5, "New", Some("ada@contoso.example")));
    let assignee = Some("ada".to_owned());
    Record { issue: Some(link), assignee, ..Record::new(incident, Labels::new()) }
}

fn read(record: &mut Record, issue: &Issue, moves: &[(&str, Move)]) -> (Taken, Taken) {
    let moves = moves.iter().map(|(state, moved)| ((*state).to_owned(), *moved)).collect();
    let mark = Mark::of_issue(issue);
    record.take_issue(issue, mark, &moves, &people())
}

const TO_DONE: Move = (Some(false), true);
const TO_OPEN: Move = (Some(true), false);

#[test]
fn what_an_issue_shows_anew_is_taken_in_once() {
    let mut record = record();
    let changed = issue(6, "Closed", Some("BEN@contoso.example"));
    assert_eq!(read(&mut record, &changed, &[("New", TO_DONE)]), (Taken::Changed, Taken::Changed));
    assert_eq!((record.assignee.as_deref(), record.handled_at.is_some()), (Some("ben"), true));
    assert_eq!(record.owed, Owed::default(), "nothing goes back");
    assert_eq!(read(&mut record, &changed, &[]), (Taken::Ignored, Taken::Ignored));
    // Its own delivery, and an older one, come afterwards.
    assert_eq!(record.take_assignee(mark(6), None, &people()), Taken::Ignored);
    assert_eq!(record.take_state(mark(4), "New", TO_OPEN, Moment::now()), Taken::Ignored);
    let opened = issue(7, "Active", None);
    assert_eq!(read(&mut record, &opened, &[("Closed", TO_OPEN)]), (Taken::Changed, Taken::Changed));
    assert_eq!((&record.assignee, record.handled_at), (&None, None));
}

#[test]
fn a_state_that_nobody_understands_is_looked_at_again() {
    let mut record = record();
    let odd = issue(6, "Odd", Some("ada@contoso.example"));
    assert_eq!(read(&mut record, &odd, &[]), (Taken::Ignored, Taken::Ignored));
    let link = record.issue.as_ref().expect("a link");
    assert_eq!((link.state.as_str(), link.is_stale), ("New", true));
    assert_eq!(read(&mut record, &odd, &[("New", TO_DONE)]).1, Taken::Changed);
    assert!(!record.issue.expect("a link").is_stale);
}

#[test]
fn who_was_chosen_here_is_not_overwritten_by_what_was_before() {
    let mut record = record();
    (record.assignee, record.owed.assignee) = (Some("ben".to_owned()), true);
    let before = issue(6, "New", None);
    assert_eq!(read(&mut record, &before, &[]).0, Taken::Ignored);
    assert_eq!((record.assignee.as_deref(), record.owed.assignee), (Some("ben"), true));
    // What somebody does there afterwards counts.
    assert_eq!(record.take_assignee(mark(7), None, &people()), Taken::Changed);
    assert_eq!((&record.assignee, record.owed.assignee), (&None, false));
}

#[test]
fn an_assignee_whom_the_tracker_does_not_take_stays_until_something_changes_there() {
    let mut record = record();
    record.assignee = Some("ben".to_owned());
    assert_eq!(read(&mut record, &issue(6, "New", Some("ada@contoso.example")), &[]).0, Taken::Ignored);
    assert_eq!(record.assignee.as_deref(), Some("ben"));
    let stranger = issue(7, "New", Some("eve@elsewhere.example"));
    assert_eq!(read(&mut record, &stranger, &[]).0, Taken::Unknown);
    assert_eq!(read(&mut record, &stranger, &[]).0, Taken::Ignored, "a stranger is told of once");
    assert_eq!(record.assignee.as_deref(), Some("ben"));
}

#[test]
fn what_is_over_is_shown_and_changes_nothing() {
    let mut record = record();
    record.incident = Incident { resolved_at: Some(Moment::now()), ..record.incident };
    let closed = issue(6, "Closed", None);
    assert_eq!(read(&mut record, &closed, &[]), (Taken::Ignored, Taken::Ignored));
    let link = record.issue.as_ref().expect("a link");
    assert_eq!((link.state.as_str(), &link.assignee), ("Closed", &None));
    assert_eq!((record.assignee.as_deref(), record.handled_at), (Some("ada"), None));
}

#[test]
fn a_revision_that_the_tracker_does_not_have_is_forgotten() {
    let mut record = record();
    // Whoever has the secret of a subscription may tell of any.
    assert_eq!(record.take_state(mark(u64::MAX), "Closed", TO_DONE, Moment::now()), Taken::Changed);
    assert_eq!(record.take_assignee(mark(u64::MAX), None, &people()), Taken::Changed);
    let before = record.issue.clone().expect("a link");
    let shown = issue(6, "Active", Some("ben@contoso.example"));
    assert_eq!(read(&mut record, &shown, &[("Closed", TO_OPEN)]), (Taken::Ignored, Taken::Ignored));
    assert!(record.issue.as_mut().expect("a link").retract(&before, &shown));
    assert_eq!(read(&mut record, &shown, &[("Closed", TO_OPEN)]), (Taken::Changed, Taken::Changed));
    assert_eq!((record.assignee.as_deref(), record.handled_at), (Some("ben"), None));
    assert_eq!(record.take_assignee(mark(5), None, &people()), Taken::Ignored, "what is older stays so");
}

#[test]
fn what_is_delivered_while_the_tracker_is_asked_is_newer_than_its_answer() {
    let mut record = record();
    let before = record.issue.clone().expect("a link");
    assert_eq!(record.take_state(mark(7), "Closed", TO_DONE, Moment::now()), Taken::Changed);
    assert!(!record.issue.as_mut().expect("a link").retract(&before, &issue(6, "Active", None)));
    assert_eq!(record.take_state(mark(6), "Active", TO_OPEN, Moment::now()), Taken::Ignored);
}

#[test]
fn a_change_from_the_future_is_forgotten_once_the_tracker_shows_an_older_one() {
    use std::time::{Duration, SystemTime};
    let mut record = record();
    let event = |second| {
        let event = WebhookEvent::new("account", WebhookEventKind::IssueUpdated);
        Mark::of_event(&event.with_changed_at(SystemTime::UNIX_EPOCH + Duration::from_secs(second)))
    };
    let shown = |second| {
        let issue = Issue::new("31", "x", "Bug", "Closed");
        issue.with_changed_at(SystemTime::UNIX_EPOCH + Duration::from_secs(second))
    };
    record.issue = Some(Link::new("acme", &shown(1_000)));
    assert_eq!(record.take_assignee(event(7_000_000_000), None, &people()), Taken::Changed);
    let before = record.issue.clone().expect("a link");
    assert!(record.issue.as_mut().expect("a link").retract(&before, &shown(2_000)));
    read(&mut record, &shown(2_000), &[]);
    assert_ne!(record.take_assignee(event(2_001), None, &people()), Taken::Ignored);
    assert_eq!(record.take_assignee(event(1_500), None, &people()), Taken::Ignored);
}
