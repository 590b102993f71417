//! Rows 10.11 to 10.14, and 12.

use super::super::status::Move;
use super::*;
use crate::tracker::record::Mark;

/// Two incidents, the second of which is handled; what a change of the state makes of them.
async fn crossing(was_done: Option<bool>, is_done: bool) -> (Vec<&'static str>, [bool; 2]) {
    let followed = Followed::new();
    let incidents = [followed.incident(ACME, "shop"), followed.incident(ACME, "shop")];
    followed.handle.shared.book().change(&incidents[1], |record| record.handled_at = Some(Moment::now()));
    let moved = Move { state: "Somewhere", is_done: (was_done, is_done), at: None };
    let mark = Mark::of_event(&updated(2));
    let shared = &followed.handle.shared;
    let affected = shared.sync_status_inbound(ACME, KEY, &moved, mark).await;
    for incident in &incidents {
        assert_eq!(followed.record(incident).issue.unwrap().state, "Somewhere");
    }
    assert_eq!(shared.sync_status_inbound(ACME, KEY, &moved, mark).await, [""; 0], "it comes again");
    let names = [("open", &incidents[0]), ("handled", &incidents[1])];
    let affected = names.into_iter().filter(|(_, id)| affected.contains(id)).map(|(name, _)| name);
    (affected.collect(), incidents.each_ref().map(|id| followed.record(id).handled_at.is_some()))
}

#[tokio::test]
async fn row_10_11_a_state_that_was_not_changed_changes_nothing() {
    let followed = Followed::new();
    let incident = followed.incident(ACME, "shop");
    assert_eq!(followed.takes(updated(2)).await, [""; 0]);
    assert_eq!(followed.record(&incident).issue.unwrap().state, "New");
}

#[tokio::test]
async fn row_10_13_a_state_without_a_name_changes_nothing_and_has_the_issue_read() {
    let followed = Followed::new();
    let incident = followed.incident(ACME, "shop");
    for event in [moved(2, Some("New"), None), moved(2, None, None)] {
        assert_eq!(followed.takes(event).await, [""; 0]);
    }
    let record = followed.record(&incident);
    let link = record.issue.unwrap();
    assert_eq!((link.state.as_str(), record.handled_at, link.is_stale), ("New", None, true));
}

#[tokio::test]
async fn row_12_1_what_is_done_is_handled() {
    assert_eq!(crossing(Some(false), true).await, (vec!["open"], [true, true]));
}

#[tokio::test]
async fn row_12_2_what_is_done_no_more_is_not() {
    assert_eq!(crossing(Some(true), false).await, (vec!["handled"], [false, false]));
}

#[tokio::test]
async fn row_12_3_from_open_to_open_nothing_happens() {
    assert_eq!(crossing(Some(false), false).await, (vec![], [false, true]));
}

#[tokio::test]
async fn row_12_4_from_done_to_done_nothing_happens() {
    assert_eq!(crossing(Some(true), true).await, (vec![], [false, true]));
}

#[tokio::test]
async fn row_12_5_a_new_issue_that_is_open_reopens_nothing() {
    assert_eq!(crossing(None, false).await, (vec![], [false, true]));
}

#[tokio::test]
async fn row_12_6_a_new_issue_that_is_done_is_handled() {
    assert_eq!(crossing(None, true).await, (vec!["open"], [true, true]));
}

#[tokio::test]
async fn row_12_7_states_that_nobody_can_tell_change_nothing_and_can_be_taken_in_later() {
    let followed = Followed::new();
    let incidents = [followed.incident(ACME, "shop"), followed.incident(ACME, "shop")];
    followed.handle.shared.book().change(&incidents[1], |record| record.handled_at = Some(Moment::now()));
    assert_eq!(followed.takes(moved(3, Some("New"), Some("Closed"))).await, [""; 0]);
    let records = incidents.each_ref().map(|id| followed.record(id));
    assert_eq!(records.each_ref().map(|record| record.handled_at.is_some()), [false, true]);
    for record in records {
        let link = record.issue.unwrap();
        assert_eq!((link.state.as_str(), link.is_stale), ("New", true));
    }
    // The very same change is news still for whoever reads it later.
    let read = Move { state: "Closed", is_done: (Some(false), true), at: None };
    let mark = Mark::of_event(&updated(3));
    let taken = followed.handle.shared.sync_status_inbound(ACME, KEY, &read, mark).await;
    assert_eq!(taken, [incidents[0].as_str()]);
}

#[tokio::test]
async fn nothing_was_handled_before_it_began_or_later_than_now() {
    for odd in [0, 7_000_000_000] {
        let followed = Followed::new();
        let incident = followed.incident(ACME, "shop");
        let moved = Move { state: "Closed", is_done: (None, true), at: Some(at(odd).into()) };
        followed.handle.shared.sync_status_inbound(ACME, KEY, &moved, Mark::of_event(&updated(2))).await;
        let record = followed.record(&incident);
        assert!((record.incident.first_seen..=Moment::now()).contains(&record.handled_at.unwrap()), "{odd}");
    }
}
