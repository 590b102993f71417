//! Repositories that are found: they come, change their names, disappear, and come back, and listings go wrong.

use forgewatch_tests::daemon::Daemon;
use forgewatch_tests::fake::{Answer, Fake, Match, RateLimit, Recorded, Repository, Spelling, contoso};
use forgewatch_tests::process::wait_for;
use forgewatch_tests::records::Records;
use forgewatch_tests::watchlist::Watchlist;
use serde_json::Value;

use crate::support::{delete, hide_project, large, restore, until_granted};

/// Longer than any test.
const NEVER: &str = r#""1000h""#;
/// Where the service lists everything.
const LIST: &str = "/large/_apis/git/repositories";

/// A list without repositories, and a discovery `all` that lists several times a second. What it finds is checked when
/// there is news of it, and then hardly ever.
fn list(include: &str, more: &str) -> Watchlist {
    let lines = format!("integration = \"large\"\ninclude = {include}\nlist_every = \"200ms\"\n{more}");
    Watchlist::large(0, 0).set("defaults.interval", NEVER).table("discovery.all", &lines)
}

fn name(project: usize, repository: usize) -> String {
    format!("all:project-{project}/repository-{repository}")
}

/// Requests for the list of everything.
fn listings(fake: &Fake) -> Vec<Recorded> {
    fake.requests_to(|request| request.path == LIST)
}

/// Waits until so many more listings have been asked for.
#[track_caller]
fn wait_for_listings(fake: &Fake, count: usize) {
    let before = listings(fake).len();
    wait_for("so many listings", || (listings(fake).len() >= before + count).then_some(()));
}

/// Has every listing fail; checks go on.
fn fail_listings(fake: &Fake, answer: Answer) {
    fake.fault(Match::any().path_prefix(&format!("{LIST}/")), Answer::from_world());
    fake.fault(Match::any().path_prefix(LIST), answer);
}

fn add(fake: &Fake, project: usize, repository: usize) {
    let (id, name) = (contoso::large_repository_id(project, repository), format!("repository-{repository}"));
    let new = Repository::new(&id, &name);
    fake.world(|world| world.project_mut(&format!("project-{project}")).repositories.push(new));
}

fn generic(daemon: &Daemon, what: &str, count: usize) {
    daemon.until(what, |records| (records.generic(what).len() == count).then_some(()));
}

fn names(events: &Records, what: &str) -> Vec<String> {
    events.generic(what).into_iter().filter_map(|event| event.repository).collect()
}

/// The repositories that the API shows, by name.
fn shown(daemon: &Daemon) -> Vec<String> {
    let page = daemon.get("/api/v1/repositories?limit=200").json();
    let items = page["items"].as_array().expect("a page").iter();
    items.map(|item| item["name"].as_str().expect("a name").to_owned()).collect()
}

fn status(daemon: &Daemon) -> Value {
    daemon.get("/api/v1/status").json()["discoveries"][0].clone()
}

#[test]
fn what_is_wanted_is_found_at_the_start_and_new_ones_soon() {
    let fake = large(2, 3);
    let more = "exclude = [\"*-2\"]\nlabels = { team = \"found\" }\nfailure_threshold = 7";
    let sandbox = list(r#"["Project-0/*"]"#, more).sandbox(&fake);
    let daemon = Daemon::start(&sandbox);
    until_granted(&daemon, 2);
    assert_eq!(shown(&daemon), [name(0, 0), name(0, 1)]);
    let path = "/api/v1/repositories/all%3Aproject-0%2Frepository-1";
    let one = daemon.get(path).json();
    assert_eq!((&one["discovery"], &one["verdict"]), (&"all".into(), &"granted".into()));
    assert_eq!((&one["labels"]["team"], &one["rules"]["failure_threshold"]), (&"found".into(), &7.into()));
    assert_eq!(one["external_id"], contoso::large_repository_id(0, 1));

    let worker = daemon.worker("vsts");
    add(&fake, 0, 7);
    until_granted(&daemon, 3);
    assert_eq!((daemon.worker("vsts"), shown(&daemon).len()), (worker, 3));
    let found = daemon.get("/api/v1/repositories?discovery=all&limit=1").json();
    assert_eq!(found["total"], 3);
    let found = status(&daemon);
    assert_eq!(
        (&found["name"], &found["repositories"], &found["missing"]),
        (&"all".into(), &3.into(), &0.into())
    );
    assert!(found["listed_at"].is_string() && found["problem"].is_null(), "{found:#}");
    let metrics = daemon.get("/metrics").body;
    assert!(metrics.contains("forgewatch_discovered_repositories{discovery=\"all\"} 3.0"), "{metrics}");
    assert!(metrics.contains("forgewatch_discovery_last_success_timestamp_seconds{discovery=\"all\"} 1"));
    let records = daemon.records().clone();
    daemon.stop();
    assert_eq!(names(&records, "repository_found"), [name(0, 0), name(0, 1), name(0, 7)]);
    assert!(records.incidents().is_empty());
}

#[test]
fn a_listing_that_fails_takes_nothing_away_and_is_told_once() {
    let fake = large(1, 3);
    let sandbox = list(r#"["*"]"#, "").sandbox(&fake);
    let daemon = Daemon::start(&sandbox);
    until_granted(&daemon, 3);
    fail_listings(&fake, Answer::status(500));
    delete(&fake, 0, 1);
    generic(&daemon, "discovery_failed", 1);
    wait_for_listings(&fake, 3);
    let problem = status(&daemon)["problem"].as_str().expect("a problem").to_owned();
    assert!(problem.starts_with("provider_error: the list of `large`"), "{problem}");
    let url = format!("--url=http://{}", daemon.address());
    let told = sandbox.run(&["status", &url]).exits(1).stdout;
    assert!(told.contains("discovery `all` cannot list; everything was listed "), "{told}");
    assert!(told.contains("3 repositories: 3 granted"), "{told}");
    fake.clear_faults();
    add(&fake, 0, 9);
    until_granted(&daemon, 3);
    let records = daemon.records().clone();
    daemon.until_confirmed(1, "not_found");
    daemon.stop();
    for (what, count) in [("discovery_failed", 1), ("discovery_recovered", 1), ("repository_missing", 1)] {
        assert_eq!(records.generic(what).len(), count, "{what}");
    }
}

#[test]
fn one_that_finds_nothing_is_told_once() {
    let fake = large(1, 3);
    let sandbox = list(r#"["Projekt-0/*"]"#, "").sandbox(&fake);
    let daemon = Daemon::start(&sandbox);
    wait_for_listings(&fake, 3);
    let url = format!("--url=http://{}", daemon.address());
    let told = sandbox.run(&["status", &url]).exits(0).stdout;
    assert!(told.contains("! discovery `all` has found nothing; everything was listed "), "{told}");
    let run = daemon.stop();
    let told = "discovery `all` finds nothing: 3 repositories are listed, none of which `include` takes in";
    assert_eq!(run.stderr.matches(told).count(), 1, "{}", run.stderr);
}

#[test]
fn one_that_disappears_is_a_loss_to_confirm_and_one_incident_and_may_come_back() {
    let fake = large(1, 3);
    let sandbox = list(r#"["*"]"#, "").sandbox(&fake);
    let daemon = Daemon::start(&sandbox);
    until_granted(&daemon, 3);
    delete(&fake, 0, 1);
    let incident = daemon.until("an incident", |records| records.open_incidents().pop());
    assert_eq!((&incident["repository"], &incident["reason"]), (&name(0, 1).into(), &"not_found".into()));
    assert_eq!((status(&daemon)["missing"].as_u64(), shown(&daemon).len()), (Some(1), 3));
    restore(&fake, 0, 1);
    until_granted(&daemon, 3);
    daemon.until("an end of it", |records| records.open_incidents().is_empty().then_some(()));
    let records = daemon.records().clone();
    daemon.stop();
    assert_eq!(records.transitions(&name(0, 1)), [">granted", "granted>not_found", "not_found>granted"]);
    assert_eq!((records.incidents().len(), records.generic("repository_forgotten").len()), (1, 0));
    for what in ["repository_missing", "repository_back"] {
        assert_eq!(names(&records, what), [name(0, 1)], "{what}");
    }
}

#[test]
fn a_listing_that_suddenly_shows_much_less_is_one_loss_of_the_integration() {
    let fake = large(2, 20);
    let sandbox = list(r#"["*"]"#, "").set("schedule.confirm_after", r#""500ms""#).sandbox(&fake);
    let daemon = Daemon::start(&sandbox);
    until_granted(&daemon, 40);
    fake.world(|world| {
        for project in ["project-0", "project-1"] {
            let repositories = &mut world.project_mut(project).repositories;
            repositories
                .iter_mut()
                .filter(|it| it.name != "repository-0")
                .for_each(|it| it.readers = Some(Vec::new()));
        }
    });
    daemon.until_confirmed(38, "not_found");
    let records = daemon.records().clone();
    daemon.stop();
    let open = records.open_incidents();
    assert_eq!(open.len(), 1, "{open:#?}");
    assert_eq!((&open[0]["cause"], &open[0]["affected"]), (&"integration".into(), &38.into()));
    assert_eq!(records.count_of("granted"), 2);
}

#[test]
fn one_that_only_a_listing_does_not_show_is_no_loss() {
    let fake = large(2, 2);
    let sandbox = list(r#"["*"]"#, "").sandbox(&fake);
    let daemon = Daemon::start(&sandbox);
    until_granted(&daemon, 4);
    let body = serde_json::json!({ "count": 0, "value": [] });
    fail_listings(&fake, Answer::json(200, &body));
    generic(&daemon, "repository_missing", 4);
    wait_for_listings(&fake, 3);
    assert_eq!((status(&daemon)["missing"].as_u64(), shown(&daemon).len()), (Some(4), 4));
    fake.clear_faults();
    generic(&daemon, "repository_back", 4);
    let records = daemon.records().clone();
    daemon.stop();
    assert!(records.all_transitions().values().all(|turns| *turns == [">granted"]));
    assert!(records.incidents().is_empty());
}

#[test]
fn a_renamed_one_keeps_what_is_known_of_it() {
    let fake = large(1, 2);
    let sandbox = list(r#"["*"]"#, "").sandbox(&fake);
    let daemon = Daemon::start(&sandbox);
    until_granted(&daemon, 2);
    let before = daemon.records().standing(&name(0, 1))["confirmed"].clone();
    fake.world(|world| world.project_mut("project-0").repositories[1].name = "gateway".to_owned());
    generic(&daemon, "repository_renamed", 1);
    let new = "all:project-0/gateway";
    let after = daemon.until("its standing", |records| records.standings().remove(new));
    assert_eq!((&after["confirmed"], shown(&daemon)), (&before, vec![new.to_owned(), name(0, 0)]));
    let records = daemon.records().clone();
    daemon.stop();
    let renamed = &records.generic("repository_renamed")[0];
    assert_eq!((renamed.repository.as_deref(), &renamed.payload["from"]), (Some(new), &name(0, 1).into()));
    assert_eq!((records.standings().len(), records.incidents().len()), (2, 0));
    assert_eq!(
        (records.transitions(new).len(), records.transitions(&name(0, 1))),
        (0, vec![">granted".to_owned()])
    );
}

#[test]
fn one_that_stays_away_and_denied_is_dropped_in_the_end() {
    let fake = large(1, 2);
    let sandbox = list(r#"["*"]"#, "forget_after = \"1s\"").sandbox(&fake);
    let daemon = Daemon::start(&sandbox);
    until_granted(&daemon, 2);
    delete(&fake, 0, 1);
    generic(&daemon, "repository_forgotten", 1);
    daemon.until("an end of its incident", |records| records.open_incidents().is_empty().then_some(()));
    assert_eq!(shown(&daemon), [name(0, 0)]);
    let records = daemon.records().clone();
    daemon.stop();
    assert_eq!(records.transitions(&name(0, 1)), [">granted", "granted>not_found"]);
    assert_eq!((records.of_incidents("opened").len(), records.of_incidents("resolved").len()), (1, 1));
    assert_eq!(found(&records), 1);
}

/// How many rows the state has of what was found.
fn found(records: &Records) -> i64 {
    records.open().query_row("SELECT count(*) FROM found", [], |row| row.get(0)).expect("a number")
}

#[test]
fn what_was_found_is_there_after_a_stop_and_a_kill_though_the_forge_is_not() {
    let fake = large(1, 5);
    let sandbox = list(r#"["*"]"#, "").sandbox(&fake);
    let daemon = Daemon::start(&sandbox);
    // Whatever is told is in the state with what it tells of.
    generic(&daemon, "repository_found", 5);
    daemon.process().signal(rustix::process::Signal::KILL);
    let records = daemon.records().clone();
    drop(daemon);
    assert_eq!(found(&records), 5);
    fake.fault(Match::any(), Answer::reset());
    let daemon = Daemon::start(&sandbox);
    assert_eq!(shown(&daemon).len(), 5);
    generic(&daemon, "discovery_failed", 1);
    daemon.stop();
    let tried = sandbox.run(&["run", "--dry-run"]).exits(0);
    assert!(tried.stdout.contains("watching 5 repositories"), "{tried:?}");
    fake.clear_faults();
    let daemon = Daemon::start(&sandbox);
    until_granted(&daemon, 5);
    daemon.stop();
    assert_eq!(records.generic("repository_found").len(), 5);
}

#[test]
fn what_is_configured_too_is_watched_once_and_so_is_what_two_find() {
    let fake = large(2, 3);
    let id = contoso::large_repository_id(0, 2);
    let sandbox = list(r#"["project-0/*"]"#, "")
        .table("discovery.other", "integration = \"large\"\ninclude = [\"*\"]\nlist_every = \"200ms\"")
        .repository("by-name", "large", "PROJECT-0", "Repository-0", "")
        .repository("by-id", "large", "project-0", "its former name", &format!("external_id = {id:?}"))
        .table("repositories.by-url", "url = \"https://dev.azure.com/large/project-1/_git/repository-1\"")
        .sandbox(&fake);
    let daemon = Daemon::start(&sandbox);
    let other = |repository| format!("other:project-1/repository-{repository}");
    let expected = [name(0, 1), "by-id".into(), "by-name".into(), "by-url".into(), other(0), other(2)];
    // Until both have listed, one of them has what the other is to have.
    wait_for("what both find", || (shown(&daemon) == expected).then_some(()));
    until_granted(&daemon, 6);
    wait_for_listings(&fake, 4);
    assert_eq!(shown(&daemon), expected);
    daemon.stop();
}

#[test]
fn a_reload_that_looks_for_something_else_lists_at_once_and_one_without_takes_all_away() {
    let fake = large(2, 2);
    let slow = |include| {
        let lines = format!("integration = \"large\"\ninclude = {include}");
        Watchlist::large(0, 0).set("defaults.interval", NEVER).table("discovery.all", &lines)
    };
    let sandbox = slow(r#"["project-0/*"]"#).sandbox(&fake);
    let daemon = Daemon::start(&sandbox);
    until_granted(&daemon, 2);
    slow(r#"["*-0"]"#).write(&sandbox);
    daemon.reload();
    // What is known already and not wanted any more is gone with the reload itself.
    assert!(!shown(&daemon).contains(&name(0, 1)));
    daemon.until("the other one", |records| records.confirmed().get(&name(1, 0)).cloned());
    assert_eq!(shown(&daemon), [name(0, 0), name(1, 0)]);
    Watchlist::large(0, 0).write(&sandbox);
    daemon.reload();
    assert!(shown(&daemon).is_empty());
    let listed = listings(&fake).len();
    slow(r#"["*-0"]"#).write(&sandbox);
    daemon.reload();
    // It was listed less than an hour ago.
    assert_eq!((shown(&daemon), listings(&fake).len()), (vec![name(0, 0), name(1, 0)], listed));
    let records = daemon.records().clone();
    daemon.stop();
    assert!(records.incidents().is_empty());
}

#[test]
fn a_project_that_is_hidden_is_lost_and_one_that_moves_out_of_sight_is_not() {
    let fake = large(2, 1);
    let sandbox = list(r#"["project-0/*", "project-1/*"]"#, "").sandbox(&fake);
    let daemon = Daemon::start(&sandbox);
    until_granted(&daemon, 2);
    hide_project(&fake, 0, true);
    fake.world(|world| {
        let moved = world.project_mut("project-1").repositories.remove(0);
        let mut elsewhere =
            forgewatch_tests::fake::Project::new("1a46e000-0000-4000-8000-0000000000ff", "elsewhere");
        elsewhere.repositories.push(moved);
        world.organisations[0].projects.push(elsewhere);
    });
    daemon.until_confirmed(1, "not_found");
    generic(&daemon, "repository_left", 1);
    assert_eq!(shown(&daemon), [name(0, 0)]);
    let records = daemon.records().clone();
    daemon.stop();
    assert_eq!((names(&records, "repository_left"), records.incidents().len()), (vec![name(1, 0)], 1));
}

#[test]
fn a_listing_that_is_longer_than_a_limit_goes_on_when_that_is_over() {
    let fake = large(12, 1);
    fake.limit(Some(RateLimit::new(Spelling::XRateLimit, 8, 2)));
    // One answer with all of it is too large, so it is listed project by project.
    let list = list(r#"["*"]"#, "")
        .set("http.max_response_bytes", "5000")
        .table("discovery.all", "integration = \"large\"\ninclude = [\"*\"]\nlist_every = \"1h\"");
    let sandbox = list.sandbox(&fake);
    let daemon = Daemon::start(&sandbox);
    until_granted(&daemon, 12);
    daemon.until("an end of the listing", |_| status(&daemon)["listed_at"].as_str().map(ToOwned::to_owned));
    daemon.stop();
    assert_eq!(fake.counters().limited(), 0, "requests were refused");
    let lists = fake.requests_to(|request| request.path.ends_with("/_apis/git/repositories"));
    let projects = lists.iter().filter(|request| request.path != LIST).count();
    assert_eq!(projects, 12, "{lists:#?}");
}
