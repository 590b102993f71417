//! Who has the issue, and who has the incident then.

use forgewatch_tests::fake::People;

use super::*;

#[test]
fn row_10_6_row_10_9_row_10_10_who_has_the_issue_has_the_incident_however_they_are_written() {
    let scene = Scene::new(&["shop"]);
    for (form, mail, name) in [(People::Text, ADA, "ada"), (People::Objects, BEN, "ben")] {
        scene.fake.tracker("large", |tracker| tracker.people_in_deliveries = form);
        scene.delivers(&[(ASSIGNED_TO, Some(mail))]);
        assert_eq!(scene.assignee(0).as_deref(), Some(name), "{form:?}");
        scene.delivers(&[(ASSIGNED_TO, None)]);
        assert_eq!(scene.assignee(0), None, "{form:?}");
    }
    let noted = scene.noted("incident_assigned", 4);
    assert!(noted.iter().all(|event| event["by"] == "tracker" && event["incident"] == *scene.incidents[0]));
    let assignees: Vec<_> = noted.iter().map(|event| event["assignee"].as_str()).collect();
    assert_eq!(assignees, [Some("ada"), None, Some("ben"), None]);
    scene.daemon.stop();
}

#[test]
fn row_11_6_who_is_not_of_a_team_does_not_have_its_incidents_and_an_emptied_field_empties_all() {
    let scene = Scene::new(&["shop", "tools"]);
    scene.fake.tracker("large", |tracker| {
        tracker.people.push(("Eve".to_owned(), "eve@contoso.example".to_owned()));
    });
    scene.delivers(&[(ASSIGNED_TO, Some(ADA))]);
    assert_eq!([0, 1].map(|number| scene.assignee(number).as_deref() == Some("ada")), [true, true]);
    // By the second of his addresses.
    scene.delivers(&[(ASSIGNED_TO, Some(BEN))]);
    assert_eq!((scene.assignee(0).as_deref(), scene.assignee(1).as_deref()), (Some("ben"), Some("ada")));
    scene.delivers(&[(ASSIGNED_TO, Some("eve@contoso.example"))]);
    assert_eq!((scene.assignee(0).as_deref(), scene.assignee(1).as_deref()), (Some("ben"), Some("ada")));
    let whys: Vec<_> = scene.noted("assignee_not_found", 3).iter().map(|event| text(&event["why"])).collect();
    let (team, nobody) = ("they are not of the incident's team", "nobody among the people has the address");
    assert_eq!(whys, [team, nobody, nobody]);
    scene.delivers(&[(ASSIGNED_TO, None)]);
    assert_eq!([0, 1].map(|number| scene.assignee(number)), [None, None]);
    scene.daemon.stop();
}

#[test]
fn row_9_10_what_comes_again_or_late_changes_nothing() {
    let scene = Scene::new(&["shop"]);
    scene.fake.tracker("large", |tracker| tracker.holds_deliveries = true);
    for mail in [Some(ADA), Some(BEN), None] {
        scene.change(&[(ASSIGNED_TO, mail)]);
    }
    let mut attempts = [0; 3];
    let mut then = |delivery: usize, expected: Option<&str>| {
        attempts[delivery] += 1;
        scene.again(delivery, attempts[delivery]);
        assert_eq!(scene.assignee(0).as_deref(), expected, "{delivery}: {attempts:?}");
    };
    then(1, Some("ben"));
    then(0, Some("ben"));
    then(1, Some("ben"));
    then(2, None);
    for late in [1, 0, 2] {
        then(late, None);
    }
    // Neither does it after a restart.
    let Scene { fake, sandbox, daemon, incidents } = scene;
    daemon.stop();
    let daemon = Daemon::start(&sandbox);
    let scene = Scene { fake, sandbox, daemon, incidents };
    let bodies = scene.fake.tracker("large", |tracker| tracker.deliveries.clone());
    for late in bodies {
        assert_eq!(scene.proven(&late.body), (200, vec![]));
    }
    assert_eq!((scene.assignee(0), scene.noted("incident_assigned", 2).len()), (None, 2));
    scene.daemon.stop();
}
