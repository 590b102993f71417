//! Rows 10.5 to 10.8, and 11.

use std::path::Path;

use super::*;

#[tokio::test]
async fn row_10_5_a_field_that_was_not_changed_changes_nothing() {
    let followed = Followed::new();
    let incident = followed.incident(ACME, "shop");
    followed.assign(&incident, "ada");
    assert_eq!(followed.takes(updated(2).with_assignee(AssigneeChange::Unchanged)).await, [""; 0]);
    assert_eq!(followed.assignee(&incident).as_deref(), Some("ada"));
}

#[tokio::test]
async fn row_10_6_an_address_assigns() {
    let followed = Followed::new();
    let incident = followed.incident(ACME, "shop");
    assert_eq!(followed.takes(assigned(2, "ada@acme.example")).await, [incident.as_str()]);
    assert_eq!(followed.assignee(&incident).as_deref(), Some("ada"));
    assert_eq!(followed.noted(), ["incident_assigned"]);
}

#[tokio::test]
async fn row_10_7_somebody_without_an_address_is_nobody_who_is_known() {
    let followed = Followed::new();
    let incident = followed.incident(ACME, "shop");
    followed.assign(&incident, "ada");
    let event = updated(3).with_assignee(AssigneeChange::Set(Person::new("Ben Ode")));
    assert_eq!(followed.takes(event).await, [""; 0]);
    assert_eq!(
        (followed.assignee(&incident).as_deref(), followed.noted()),
        (Some("ada"), vec!["assignee_not_found".to_owned()])
    );
    // What is older than that is over, though nobody was found.
    assert_eq!(followed.takes(assigned(2, "zoe@acme.example")).await, [""; 0]);
}

#[tokio::test]
async fn row_10_8_an_emptied_field_takes_the_incident_away() {
    let followed = Followed::new();
    let incident = followed.incident(ACME, "shop");
    followed.assign(&incident, "ada");
    assert_eq!(followed.takes(cleared(2)).await, [incident.as_str()]);
    assert_eq!(followed.assignee(&incident), None);
}

#[tokio::test]
async fn row_11_1_an_issue_of_no_incident_affects_none() {
    let followed = Followed::new();
    let incident = followed.incident("other", "shop");
    assert_eq!(followed.takes(assigned(2, "ada@acme.example")).await, [""; 0]);
    assert_eq!(followed.takes(assigned(3, "nobody@acme.example")).await, [""; 0]);
    // Nobody was looked for, so nobody was missed.
    assert_eq!((followed.assignee(&incident), followed.noted()), (None, vec![]));
}

#[tokio::test]
async fn row_11_2_every_incident_is_taken_away_whoever_had_it() {
    let followed = Followed::new();
    let mut incidents =
        [followed.incident(ACME, "shop"), followed.incident(ACME, "tools"), followed.incident(ACME, "shop")];
    followed.assign(&incidents[0], "ada");
    followed.assign(&incidents[1], "ben");
    incidents.sort();
    assert_eq!(followed.takes(cleared(2)).await, incidents);
    assert!(incidents.iter().all(|incident| followed.assignee(incident).is_none()));
    assert_eq!(followed.noted(), ["incident_assigned", "incident_assigned"]);
}

#[tokio::test]
async fn row_11_3_a_member_is_found_in_whatever_case() {
    for email in ["ben@acme.example", "BEN@ACME.EXAMPLE", "ben@old.example"] {
        let followed = Followed::new();
        let incident = followed.incident(ACME, "shop");
        assert_eq!(followed.takes(assigned(2, email)).await, [incident.as_str()], "{email}");
        assert_eq!(followed.assignee(&incident).as_deref(), Some("ben"), "{email}");
    }
}

#[tokio::test]
async fn row_11_4_an_address_that_nobody_has_changes_nothing_and_is_told() {
    let followed = Followed::new();
    let incident = followed.incident(ACME, "shop");
    followed.assign(&incident, "ada");
    assert_eq!(followed.takes(assigned(2, "eve\u{202e}@acme.example")).await, [""; 0]);
    assert_eq!(followed.assignee(&incident).as_deref(), Some("ada"));
    let noted = followed.daemon.0.lock().unwrap();
    let payload = &noted[0].payload;
    assert_eq!((&payload["generic"], &payload["incident"]), (&"assignee_not_found".into(), &incident.into()));
    let who = payload["who"].as_str().unwrap();
    assert!(who.contains("eve") && !who.contains('\u{202e}'), "{who}");
    assert_eq!(payload["why"], "nobody among the people has the address");
}

#[tokio::test]
async fn row_11_5_somebody_of_another_team_is_not_found() {
    let followed = Followed::new();
    let incident = followed.incident(ACME, "tools");
    assert_eq!(followed.takes(assigned(2, "ben@acme.example")).await, [""; 0]);
    assert_eq!(followed.assignee(&incident), None);
    let noted = followed.daemon.0.lock().unwrap();
    assert_eq!(noted[0].payload["why"], "they are not of the incident's team");
}

#[tokio::test]
async fn row_11_6_of_two_incidents_the_one_is_assigned_whose_team_they_are_of() {
    let followed = Followed::new();
    let (shop, tools) = (followed.incident(ACME, "shop"), followed.incident(ACME, "tools"));
    assert_eq!(followed.takes(assigned(2, "ben@acme.example")).await, [shop.as_str()]);
    assert_eq!((followed.assignee(&shop).as_deref(), followed.assignee(&tools)), (Some("ben"), None));
    let mut noted = followed.noted();
    noted.sort();
    assert_eq!(noted, ["assignee_not_found", "incident_assigned"]);
}

#[tokio::test]
async fn row_11_7_of_several_it_is_always_the_first_by_name() {
    for revision in 2..10 {
        let followed = Followed::new();
        let incident = followed.incident(ACME, "shop");
        assert_eq!(followed.takes(assigned(revision, "Pair@acme.example")).await, [incident.as_str()]);
        assert_eq!(followed.assignee(&incident).as_deref(), Some("ben"));
    }
}

#[tokio::test]
async fn row_11_7_whoever_of_several_has_it_keeps_it() {
    let followed = Followed::new();
    let incident = followed.incident(ACME, "shop");
    for (revision, holder, expected) in [(2, "zoe", "zoe"), (3, "ben", "ben"), (4, "ada", "ben")] {
        followed.assign(&incident, holder);
        followed.takes(assigned(revision, "pair@acme.example")).await;
        assert_eq!(followed.assignee(&incident).as_deref(), Some(expected), "{holder}");
    }
}

#[tokio::test]
async fn row_11_8_who_has_it_already_has_it_still_and_it_is_no_news() {
    let followed = Followed::new();
    let incident = followed.incident(ACME, "shop");
    followed.assign(&incident, "ben");
    assert_eq!(followed.takes(assigned(2, "ben@acme.example")).await, [incident.as_str()]);
    assert_eq!((followed.assignee(&incident).as_deref(), followed.noted()), (Some("ben"), vec![]));
}

#[tokio::test]
async fn row_11_9_a_state_that_cannot_be_written_fails_nobody() {
    let state = Arc::new(State::open_read_only(Path::new("/nonexistent/state.db")).unwrap());
    let followed = Followed::kept_in(state, tempfile::tempdir().unwrap());
    let incident = followed.incident(ACME, "shop");
    assert_eq!(followed.takes(assigned(2, "ada@acme.example")).await, [incident.as_str()]);
    assert_eq!(followed.assignee(&incident).as_deref(), Some("ada"));
    // It is saved once that is possible.
    assert!(!followed.handle.shared.save().await);
}

#[tokio::test]
async fn row_11_10_what_is_not_newer_is_passed_over_and_what_matches_nobody_counts() {
    let followed = Followed::new();
    let incident = followed.incident(ACME, "shop");
    assert_eq!(followed.takes(assigned(5, "ada@acme.example")).await, [incident.as_str()]);
    for (revision, email) in [(5, "ada@acme.example"), (5, "ben@acme.example"), (4, "ben@acme.example")] {
        assert_eq!(followed.takes(assigned(revision, email)).await, [""; 0], "{revision} {email}");
    }
    assert_eq!(followed.takes(cleared(3)).await, [""; 0]);
    assert_eq!(followed.takes(assigned(8, "nobody@acme.example")).await, [""; 0]);
    assert_eq!(followed.takes(assigned(7, "ben@acme.example")).await, [""; 0]);
    assert_eq!(followed.assignee(&incident).as_deref(), Some("ada"));
    // Where there are no revisions, times say what is newer.
    let late = |second: u64| {
        let person = Person::new("Ben").with_email("ben@acme.example");
        WebhookEvent::new("account", WebhookEventKind::IssueUpdated)
            .with_issue(KEY)
            .with_changed_at(at(second))
            .with_assignee(AssigneeChange::Set(person))
    };
    assert_eq!(followed.takes(assigned(9, "ada@acme.example").with_changed_at(at(100))).await.len(), 1);
    assert_eq!(followed.takes(late(100)).await, [""; 0]);
    assert_eq!(followed.takes(late(101)).await, [incident]);
}

#[tokio::test]
async fn what_is_told_after_the_end_of_an_incident_changes_nothing_of_it() {
    let followed = Followed::new();
    let incident = followed.incident(ACME, "shop");
    followed
        .handle
        .shared
        .book()
        .change(&incident, |record| record.incident.resolved_at = Some(Moment::now()));
    assert_eq!(followed.takes(assigned(2, "ada@acme.example")).await, [""; 0]);
    assert_eq!((followed.assignee(&incident), followed.noted()), (None, vec![]));
}

#[tokio::test]
async fn what_a_tracker_says_is_not_told_back_and_comes_before_what_it_is_owed() {
    let followed = Followed::new();
    let incident = followed.incident(ACME, "shop");
    for event in [assigned(2, "ada@acme.example"), cleared(3)] {
        followed.handle.shared.book().change(&incident, |record| record.owed.assignee = true);
        followed.takes(event).await;
        assert!(!followed.record(&incident).owed.assignee);
    }
}

#[tokio::test]
async fn integrations_that_share_an_account_share_what_is_told_of_it() {
    let followed = Followed::new();
    let mut incidents = [followed.incident(ACME, "shop"), followed.incident("also", "shop")];
    followed.incident("else", "shop");
    incidents.sort();
    assert_eq!(followed.take_of(assigned(2, "ada@acme.example"), &[ACME, "also"]).await, incidents);
}
