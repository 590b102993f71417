use std::collections::HashMap;
use std::time::Duration;

use super::*;
use crate::journal::{Cause, Fingerprint, Incidents};
use crate::verdict::Reason;

const PLAN: &str = r#"
    [integrations.acme]
    provider = "vsts"
    domain_name = "https://dev.azure.com/acme/"
    [integrations.globex]
    provider = "vsts"
    domain_name = "https://dev.azure.com/globex/"
    [alerts]
    default = ["chat"]
    group_wait = "10s"
    remind_after = "1h"
    [alerts.targets.chat]
    kind = "slack"
    url = { env = "CHAT" }
    [alerts.targets.mail]
    kind = "slack"
    url = { env = "MAIL" }
    [alerts.maintenance.night]
    match = { team = "asleep" }
    from = "2000-01-01T00:00:00Z"
    until = "2100-01-01T00:00:00Z"
"#;

/// Seconds after midnight of a day in 2026.
fn at(second: u64) -> Moment {
    (std::time::UNIX_EPOCH + Duration::from_secs(1_780_000_000 + second)).into()
}

/// An outbox with its plan, and what it was told to do.
struct World {
    outbox: Outbox,
    plan: Plan,
    incidents: Incidents,
    most: usize,
}

impl World {
    fn new() -> Self {
        let (plan, problems) = Plan::of_text(PLAN);
        assert_eq!(problems, [""; 0]);
        Self { outbox: Outbox::default(), plan, incidents: Incidents::default(), most: 100 }
    }

    fn note(&mut self, incident: &Incident, labels: &[(&str, &str)], now: u64) {
        let own = labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let routed_by = self.plan.labels(incident, Some(&own));
        self.outbox.note(incident, routed_by, &self.plan, at(now));
    }

    /// Opens an incident of a repository that cannot be found.
    fn open(&mut self, integration: &str, repository: &str, now: u64) -> Incident {
        let print = Fingerprint::new(integration, Reason::NotFound, Cause::Repository, repository);
        let incident = self.incidents.failed(&print, "gone", at(now)).1.clone();
        self.note(&incident, &[], now);
        incident
    }

    fn resolve(&mut self, incident: &Incident, now: u64) {
        let resolved = Incident { resolved_at: Some(at(now)), ..incident.clone() };
        self.note(&resolved, &[], now);
    }

    fn next(&mut self, now: u64) -> Next {
        self.outbox.next("chat", self.most, &HashMap::new(), &self.plan, at(now))
    }

    fn pending(&self, now: u64) -> (usize, usize) {
        self.outbox.pending("chat", &self.plan, at(now))
    }

    /// What is to be sent now: which event, of which repositories.
    fn due(&mut self, now: u64) -> Option<(Delivery, Happening, Vec<String>)> {
        let Next::Send(delivery) = self.next(now) else { return None };
        let repository = |id: &String| {
            let entry = self.outbox.get("chat", id).expect("it is there");
            entry.incident.repository.clone().unwrap_or_default()
        };
        let repositories = delivery.incidents.iter().map(repository).collect();
        Some((delivery.clone(), delivery.event, repositories))
    }

    /// Sends what is due now, and nothing else.
    #[track_caller]
    fn check_sends(&mut self, now: u64, event: Happening, repositories: &[&str]) {
        let (delivery, sent, of) = self.due(now).unwrap_or_else(|| panic!("nothing is due at {now}"));
        assert_eq!((sent, of), (event, repositories.iter().map(ToString::to_string).collect()));
        self.outbox.delivered(&delivery, at(now));
    }

    #[track_caller]
    fn check_waits(&mut self, now: u64, until: Option<u64>) {
        assert_eq!(self.next(now), Next::Wait(until.map(at)));
    }
}

#[test]
fn an_incident_is_told_once_when_it_begins_goes_on_and_ends() {
    let mut world = World::new();
    world.check_waits(0, None);
    let incident = world.open("acme", "a", 0);
    world.check_waits(9, Some(10));
    world.check_sends(10, Happening::Opened, &["a"]);
    world.check_waits(11, Some(3610));
    world.check_sends(3610, Happening::Reminded, &["a"]);
    world.check_waits(3611, Some(7210));
    world.resolve(&incident, 4000);
    world.check_waits(4001, Some(4010));
    world.check_sends(4010, Happening::Resolved, &["a"]);
    world.check_waits(4011, None);
    assert_eq!((world.pending(0), world.outbox.open().len()), ((0, 0), 0));
}

#[test]
fn those_that_belong_together_are_one_message_and_others_are_not() {
    let mut world = World::new();
    for (integration, repository, now) in
        [("acme", "a", 0), ("globex", "x", 1), ("acme", "b", 5), ("acme", "late", 9)]
    {
        world.open(integration, repository, now);
    }
    world.check_sends(10, Happening::Opened, &["a", "b", "late"]);
    world.check_waits(10, Some(11));
    world.check_sends(11, Happening::Opened, &["x"]);
}

#[test]
fn a_message_holds_no_more_than_its_target_takes() {
    let mut world = World::new();
    world.most = 2;
    for name in ["a", "b", "c"] {
        world.open("acme", name, 0);
    }
    world.check_sends(10, Happening::Opened, &["a", "b"]);
    world.check_sends(10, Happening::Opened, &["c"]);
    world.check_waits(10, Some(3610));
}

#[test]
fn another_attempt_is_the_same_message_in_another_process_too() {
    let mut world = World::new();
    let incident = world.open("acme", "a", 0);
    let (first, ..) = world.due(10).unwrap();
    world.open("acme", "b", 11);
    world.resolve(&incident, 12);
    let saved = world.outbox.changes();
    let entries =
        saved.into_iter().filter_map(|(key, text)| Some((key, serde_json::from_str(&text?).unwrap())));
    world.outbox = Outbox::restored(entries);
    let (again, event, of) = world.due(100).unwrap();
    assert_eq!((again.clone(), event, of), (first, Happening::Opened, vec!["a".to_owned()]));
    world.outbox.delivered(&again, at(100));
    world.outbox.delivered(&again, at(100));
    world.check_sends(100, Happening::Opened, &["b"]);
    world.check_sends(100, Happening::Resolved, &["a"]);
}

#[test]
fn what_failed_holds_up_nobody_else() {
    let mut world = World::new();
    world.open("acme", "a", 0);
    world.open("globex", "x", 1);
    let (first, ..) = world.due(10).unwrap();
    let failed = |times, seconds| {
        HashMap::from([(first.id.clone(), Failed { times, rest: Duration::from_secs(seconds) })])
    };
    // What never failed goes first, whether the other rests or not.
    let next = world.outbox.next("chat", 100, &failed(1, 0), &world.plan, at(11));
    let Next::Send(second) = next else { panic!("the other is due") };
    assert_ne!(second, first);
    let mut both = failed(2, 0);
    both.insert(second.id.clone(), Failed { times: 1, rest: Duration::ZERO });
    assert_eq!(world.outbox.next("chat", 100, &both, &world.plan, at(12)), Next::Send(second.clone()));
    world.outbox.delivered(&second, at(12));
    let mut next = |rest| world.outbox.next("chat", 100, &failed(3, rest), &world.plan, at(13));
    assert_eq!(next(37), Next::Wait(Some(at(50))));
    assert_eq!(next(0), Next::Send(first.clone()));
}

#[test]
fn a_message_that_is_refused_is_halved_until_nobody_suffers_for_another() {
    let mut world = World::new();
    for name in ["a", "b", "c"] {
        world.open("acme", name, 0);
    }
    let (refused, ..) = world.due(10).unwrap();
    world.outbox.halve(&refused);
    let failed = HashMap::from([(refused.id.clone(), Failed { times: 1, rest: Duration::ZERO })]);
    let Next::Send(rest) = world.outbox.next("chat", 100, &failed, &world.plan, at(10)) else {
        panic!("c is due")
    };
    assert_eq!(rest.incidents.len(), 1);
    world.outbox.delivered(&rest, at(10));
    let Next::Send(half) = world.outbox.next("chat", 100, &failed, &world.plan, at(10)) else {
        panic!("a, b")
    };
    assert_eq!((half.id, half.incidents), (refused.id, refused.incidents[..2].to_vec()));
}

#[test]
fn a_clock_that_is_set_back_withholds_nothing() {
    let mut world = World::new();
    let incident = world.open("acme", "a", 3_600);
    world.check_sends(5, Happening::Opened, &["a"]);
    world.resolve(&incident, 7_200);
    world.check_sends(6, Happening::Resolved, &["a"]);
}

#[test]
fn who_is_not_named_any_more_hears_of_the_end_alone() {
    let mut world = World::new();
    let told = world.open("acme", "a", 0);
    world.check_sends(10, Happening::Opened, &["a"]);
    world.open("acme", "b", 11);
    (world.plan, _) = Plan::of_text(&PLAN.replace("default = [\"chat\"]", "default = [\"mail\"]"));
    world.outbox.forget_unrouted(&world.plan);
    world.check_waits(10_000, None);
    world.resolve(&told, 10_001);
    world.check_sends(10_011, Happening::Resolved, &["a"]);
}

#[test]
fn short_ones_are_told_from_beginning_to_end_and_the_end_of_others_to_nobody() {
    let mut world = World::new();
    let incident = world.open("acme", "a", 0);
    world.resolve(&incident, 1);
    world.check_sends(11, Happening::Opened, &["a"]);
    world.check_sends(11, Happening::Resolved, &["a"]);
    let unheard = world.open("acme", "b", 20);
    world.outbox = Outbox::default();
    world.resolve(&unheard, 21);
    world.check_waits(40, None);
}

#[test]
fn a_reminder_under_way_is_no_news_once_it_is_over() {
    let mut world = World::new();
    let incident = world.open("acme", "a", 0);
    world.check_sends(10, Happening::Opened, &["a"]);
    assert_eq!(world.due(3610).unwrap().1, Happening::Reminded);
    world.resolve(&incident, 3611);
    world.check_sends(3621, Happening::Resolved, &["a"]);
    world.check_waits(3622, None);
}

#[test]
fn reminders_go_together() {
    let mut world = World::new();
    world.open("acme", "a", 0);
    world.check_sends(10, Happening::Opened, &["a"]);
    world.open("acme", "b", 600);
    world.check_sends(610, Happening::Opened, &["b"]);
    world.check_sends(3610, Happening::Reminded, &["a", "b"]);
    world.check_waits(3611, Some(7210));
}

#[test]
fn in_maintenance_nobody_is_told_but_that_what_was_told_is_over() {
    let mut world = World::new();
    let asleep = [("team", "asleep")];
    let print = Fingerprint::new("acme", Reason::NotFound, Cause::Repository, "a");
    let incident = world.incidents.failed(&print, "gone", at(0)).1.clone();
    world.note(&incident, &asleep, 0);
    world.check_waits(1_000, None);
    assert_eq!(world.pending(1_000), (0, 1));
    // It ended unheard.
    let resolved = Incident { resolved_at: Some(at(2_000)), ..incident.clone() };
    world.note(&resolved, &asleep, 2_000);
    world.check_waits(3_000, None);
    assert_eq!(world.pending(3_000), (0, 0));
    // One that was told before the maintenance began.
    let (awake, _) = Plan::of_text(&PLAN.replace("asleep", "nobody"));
    let asleep_plan = std::mem::replace(&mut world.plan, awake);
    world.note(&incident, &asleep, 4_000);
    world.check_sends(4_010, Happening::Opened, &["a"]);
    world.plan = asleep_plan;
    world.check_waits(4_010 + 7_200, None);
    world.note(&resolved, &asleep, 12_000);
    world.check_sends(12_010, Happening::Resolved, &["a"]);
}

#[test]
fn what_is_over_can_be_given_up_and_what_goes_on_cannot() {
    let mut world = World::new();
    let over = world.open("acme", "a", 0);
    world.open("acme", "b", 0);
    let (delivery, ..) = world.due(10).unwrap();
    world.resolve(&over, 60);
    assert_eq!(world.outbox.give_up(&delivery), 1);
    assert_eq!(world.outbox.give_up(&delivery), 0);
    world.check_sends(100, Happening::Opened, &["b"]);
    world.check_waits(100, Some(3_700));
}

#[test]
fn what_is_owed_to_somebody_who_left_is_kept_while_it_goes_on() {
    let mut world = World::new();
    let over = world.open("acme", "a", 0);
    world.open("acme", "b", 0);
    world.resolve(&over, 1);
    world.outbox.forget_strangers(|_| true);
    assert_eq!(world.pending(1), (2, 0));
    world.outbox.forget_strangers(|name| name == "mail");
    world.check_sends(10, Happening::Opened, &["b"]);
}

#[test]
fn changes_are_handed_out_once_and_again_when_they_were_not_saved() {
    let mut world = World::new();
    let incident = world.open("acme", "a", 0);
    let changes = world.outbox.changes();
    let key = ("chat".to_owned(), incident.id.clone());
    assert!(matches!(&changes[..], [(changed, Some(_))] if *changed == key));
    assert_eq!(world.outbox.changes(), []);
    world.outbox.mark([key.clone()]);
    assert_eq!(world.outbox.changes(), changes);
    world.note(&incident, &[], 5);
    assert_eq!(world.outbox.changes(), [], "nothing new");
    world.resolve(&incident, 6);
    world.check_sends(16, Happening::Opened, &["a"]);
    world.check_sends(16, Happening::Resolved, &["a"]);
    assert_eq!(world.outbox.changes(), [(key, None)]);
}

#[test]
fn many_at_once_are_few_messages() {
    let mut world = World { most: 1_000, ..World::new() };
    let incidents: Vec<_> = (0..10_000).map(|n| world.open("acme", &format!("r{n:05}"), 0)).collect();
    let mut messages = 0;
    while let Some((delivery, ..)) = world.due(20) {
        world.outbox.delivered(&delivery, at(20));
        messages += 1;
    }
    incidents.iter().for_each(|incident| world.resolve(incident, 30));
    while let Some((delivery, event, _)) = world.due(50) {
        assert_eq!(event, Happening::Resolved);
        world.outbox.delivered(&delivery, at(50));
        messages += 1;
    }
    assert_eq!((messages, world.pending(60)), (20, (0, 0)));
}

#[test]
fn what_people_are_done_with_is_reminded_of_no_more_until_it_is_open_again() {
    let mut world = World::new();
    let (one, other) = (world.open("acme", "one", 0), world.open("globex", "other", 0));
    world.check_sends(10, Happening::Opened, &["one"]);
    world.check_sends(10, Happening::Opened, &["other"]);
    world.outbox.quiet_handled("chat", |incident| incident == one.id);
    let reminder = world.due(3_700).expect("the other one is reminded of");
    assert_eq!((reminder.1, reminder.2), (Happening::Reminded, vec!["other".to_owned()]));
    // One that was fixed and not taken is taken off.
    world.outbox.quiet_handled("chat", |incident| incident == one.id || incident == other.id);
    world.check_waits(4_000, None);
    world.outbox.quiet_handled("chat", |_| false);
    world.check_sends(4_000, Happening::Reminded, &["one"]);
    // That it is over is told all the same.
    world.outbox.quiet_handled("chat", |_| true);
    world.resolve(&one, 4_100);
    world.check_sends(4_200, Happening::Resolved, &["one"]);
}
