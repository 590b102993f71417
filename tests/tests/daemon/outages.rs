//! Forges that are down or limit their users: nothing is believed lost, little is asked, and it is told.

use std::time::Duration;

use forgewatch_tests::daemon::Daemon;
use forgewatch_tests::fake::{
    Answer, Credential, Fake, Match, Organisation, Project, Reach, Recorded, Repository, World, contoso,
};
use forgewatch_tests::watchlist::Watchlist;
use hyper::Method;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::support::{checks, hold_next, large, path, until_granted, wait_for_checks};

/// Ways to be down, each of another organisation. `patient` is down too, and nobody minds for long.
const OUTAGES: [&str; 7] = ["refused", "reset", "hanging", "garbage", "broken", "unavailable", "patient"];
const EACH: usize = 6;

fn host(outage: &str) -> String {
    format!("{outage}.visualstudio.com")
}

fn world() -> World {
    let mut reader = Credential::pat("reader", contoso::PAT);
    let mut world = World::default();
    for (number, outage) in OUTAGES.into_iter().enumerate() {
        let id =
            |kind: usize, nth: usize| format!("0074a6e5-{kind:04x}-4000-8000-{:012x}", number * 100 + nth);
        let mut project = Project::new(&id(1, 0), "Shop");
        for nth in 0..EACH {
            project = project.repository(Repository::new(&id(2, nth), &format!("r{nth}")));
        }
        reader = reader.member_of(outage);
        world = world.organisation(Organisation::cloud(&id(0, 0), outage).project(project));
    }
    world.credential(reader)
}

fn list() -> Watchlist {
    // Long enough for every answer that comes at all.
    let list = Watchlist::new().set("http.timeout", r#""4s""#).set("check_timeout", r#""5s""#);
    OUTAGES.into_iter().fold(list, |mut list, outage| {
        let stale_after = if outage == "patient" { "1h" } else { "1s" };
        let more = format!("stale_after = {stale_after:?}");
        list = list.integration(outage, &format!("https://{}/", host(outage)), &more);
        for nth in 0..EACH {
            list = list.repository(&format!("{outage}-{nth}"), outage, "Shop", &format!("r{nth}"), "");
        }
        list
    })
}

fn take_down(fake: &Fake, outage: &str) {
    let answer = match outage {
        "refused" => {
            fake.fault(Match::any().host(&host(outage)).method(Method::CONNECT), Answer::reset());
            Answer::close()
        }
        "reset" => Answer::reset(),
        "hanging" => Answer::hang(),
        "garbage" => Answer::html(200, "<html><body>It works!</body></html>"),
        "unavailable" => Answer::status(503),
        _ => Answer::status(500),
    };
    fake.fault(Match::any().host(&host(outage)), answer);
}

fn requests_to(fake: &Fake, outage: &str) -> usize {
    let host = host(outage);
    fake.requests_to(|request| request.host == host && request.method == "GET").len()
}

#[test]
fn forges_that_are_down_lose_nothing_are_left_alone_and_are_one_incident_each() {
    let fake = Fake::start_blocking(world());
    let sandbox = list().sandbox(&fake);
    let daemon = Daemon::start(&sandbox);
    let all = OUTAGES.len() * EACH;
    until_granted(&daemon, all);
    let before = OUTAGES.map(|outage| requests_to(&fake, outage));
    OUTAGES.iter().for_each(|outage| take_down(&fake, outage));
    daemon.until("a rest for every forge", |records| {
        (records.generic("checks_held").len() == OUTAGES.len()).then_some(())
    });
    let impatient = all - EACH;
    daemon.until("an end of patience", |records| {
        let stale = |standing: &Value| standing["stale"] == true;
        (records.standings().values().filter(|it| stale(it)).count() == impatient).then_some(())
    });
    for (outage, before) in OUTAGES.into_iter().zip(before) {
        // Six checks until it is seen, each tried three times, one or two that look again, and those of before.
        let requests = requests_to(&fake, outage) - before;
        assert!(requests <= 40, "{requests} requests to {outage}, which is down");
    }
    let open = daemon.records().open_incidents();
    let mut of: Vec<_> = open.iter().map(|it| it["integration"].as_str().expect("text")).collect();
    of.sort_unstable();
    assert_eq!(of, ["broken", "garbage", "hanging", "refused", "reset", "unavailable"]);
    assert!(open.iter().all(|it| it["cause"] == "forge" && it["affected"] == EACH), "{open:#?}");
    fake.clear_faults();
    daemon.until("an end of all incidents", |records| records.open_incidents().is_empty().then_some(()));
    daemon.until("clear answers everywhere", |records| {
        records.standings().values().all(|it| it["seen"]["reason"] == "granted").then_some(())
    });
    let records = daemon.records().clone();
    daemon.stop();
    assert!(records.all_transitions().values().all(|turns| *turns == [">granted"]));
    assert_eq!(records.generic("checks_resumed").len(), OUTAGES.len());
    assert_eq!((records.of_incidents("opened").len(), records.of_incidents("resolved").len()), (6, 6));
}

#[test]
fn a_rate_limit_holds_its_integration_for_as_long_as_it_says_and_no_other() {
    let fake = large(1, 3);
    let mut list = Watchlist::large(1, 3).set("defaults.interval", r#""400ms""#).integration(
        "other",
        "https://large.visualstudio.com/",
        "",
    );
    for r in 0..3 {
        list = list.repository(&format!("o-r{r}"), "other", "project-0", &format!("repository-{r}"), "");
    }
    let sandbox = list.sandbox(&fake);
    let daemon = Daemon::start(&sandbox);
    until_granted(&daemon, 6);
    let to = |host: &'static str| move |request: &Recorded| request.host == host && request.method == "GET";
    let (limited, other) = (to("dev.azure.com"), to("large.visualstudio.com"));
    fake.take_requests();
    // All others are under way when one is told of the limit, and what they are told later says nothing of that.
    let under_way = [hold_next(&fake, 0, 0), hold_next(&fake, 0, 2)];
    fake.fault(Match::any().path_prefix(&path(0, 1)).once(), Answer::status(429).retry_after(2));
    daemon.tells("checks of `large` rest", 1);
    under_way.iter().for_each(CancellationToken::cancel);
    daemon.until("an end of the rest", |records| records.generic("checks_resumed").pop());
    wait_for_checks(&fake, 6);
    let records = daemon.records().clone();
    daemon.stop();
    let pairs: Vec<_> = fake.requests_to(limited);
    let rest = pairs.windows(2).find(|pair| pair[1].at - pair[0].at >= Duration::from_secs(2));
    let rest = rest.expect("a rest of two seconds");
    let meanwhile =
        fake.requests_to(other).iter().filter(|it| it.at > rest[0].at && it.at < rest[1].at).count();
    assert!(meanwhile >= 3, "{meanwhile} checks of the other integration");
    assert_eq!(records.generic("checks_held").len(), 1);
    assert!(records.all_transitions().values().all(|turns| *turns == [">granted"]));
    assert!(records.incidents().is_empty());
}

#[test]
fn an_integration_that_was_changed_starts_without_the_rest_and_the_trouble_of_before() {
    let fake = large(1, 6);
    let list = Watchlist::large(1, 6);
    let sandbox = list.sandbox(&fake);
    let daemon = Daemon::start(&sandbox);
    until_granted(&daemon, 6);
    // It asks for a rest of an hour.
    fake.fault(Match::any().path_contains("/repositories/").once(), Answer::status(429).retry_after(3600));
    daemon.until("a rest", |records| records.generic("checks_held").pop());
    let trouble = |daemon: &Daemon| daemon.get("/api/v1/integrations/large").json()["trouble_since"].clone();
    assert!(trouble(&daemon).is_string());
    list.integration("large", "https://large.visualstudio.com/", "").write(&sandbox);
    daemon.reload();
    wait_for_checks(&fake, 6);
    assert!(trouble(&daemon).is_null());
    daemon.stop();
}

#[test]
fn a_host_whose_name_leads_nowhere_any_more_is_unreachable_and_loses_nothing() {
    const HOST: &str = "ado.forgewatch.invalid";
    let reach = Reach::OnPremises { host: Some(HOST.to_owned()), directory: "tfs".to_owned() };
    let mut world = World::large(1, 6);
    let large = world.organisations.remove(0).only(reach);
    let fake = Fake::start_blocking(world.organisation(large));
    let list = Watchlist::large(1, 6)
        .set("http.timeout", r#""2s""#)
        .set("defaults.stale_after", r#""1s""#)
        .integration("large", &format!("https://{HOST}/tfs/large/"), "");
    let sandbox = list.sandbox(&fake);
    let daemon = Daemon::start(&sandbox);
    until_granted(&daemon, 6);
    daemon.stop();
    let behind_proxy = std::fs::read_to_string(sandbox.path("base.toml")).expect("it was written");
    sandbox.write("base.toml", "");
    let daemon = Daemon::start(&sandbox);
    daemon.tells("checks of `large` rest", 1);
    let incident = daemon.until("an incident", |records| records.open_incidents().pop());
    assert_eq!((&incident["cause"], &incident["reason"]), (&"forge".into(), &"unreachable".into()));
    let detail = incident["detail"].as_str().expect("text");
    assert!(detail.contains(HOST), "{detail}");
    let asked = checks(&fake).len();
    assert_eq!(daemon.records().count_of("granted"), 6);
    daemon.stop();
    assert_eq!(checks(&fake).len(), asked);
    sandbox.write("base.toml", behind_proxy);
    let daemon = Daemon::start(&sandbox);
    daemon.until("an end of it", |records| records.open_incidents().is_empty().then_some(()));
    let records = daemon.records().clone();
    daemon.stop();
    assert!(records.all_transitions().values().all(|turns| *turns == [">granted"]));
    assert_eq!(records.incidents().len(), 1);
}
