//! What the report and the metrics' snapshot make of a ledger.

use std::collections::BTreeMap;
use std::sync::{Arc, RwLock};
use std::time::{Duration, SystemTime};

use forgewatch_plugin_api as api;
use tempfile::TempDir;
use tokio::sync::{mpsc, watch};

use super::*;
use crate::config::Config;
use crate::daemon::handle::{Command, Shared};
use crate::daemon::{Entry, Seen};
use crate::journal::{Fingerprint, Incidents};
use crate::metrics::{Identity as IdentityLine, Metrics, Snapshot};
use crate::plugins::Provider;
use crate::prepare::Watched;
use crate::services::http::{HttpClient, HttpSettings};
use crate::services::identity::{Identity, Material};
use crate::services::{IntegrationSettings, ProviderPolicy, Services};
use crate::state::State;
use crate::sweep::{Integration, Probed, Target, Who};
use crate::tracker::{Status, SubscriptionReport};
use crate::verdict::Confirmed;

fn at(second: u64) -> Moment {
    (SystemTime::UNIX_EPOCH + Duration::from_secs(second)).into()
}

/// A daemon that stands still.
struct Fixture {
    handle: Handle,
    orders: mpsc::Receiver<Command>,
    _folder: TempDir,
}

/// Integrations `acme` and `globex`; of `acme` five repositories, of `globex` one.
fn fixture(health: Health, successful: bool) -> Fixture {
    fixture_with(health, successful, Some(SystemTime::UNIX_EPOCH + Duration::from_secs(4_000_000_000)))
}

/// The same with an identity that ends at `expires_at`, as far as the host knows.
fn fixture_with(health: Health, successful: bool, expires_at: Option<SystemTime>) -> Fixture {
    let folder = TempDir::new().unwrap();
    let state = Arc::new(State::open(&folder.path().join("state.db")).unwrap());
    let client = HttpClient::new(HttpSettings::default(), None).unwrap();
    let services = Services::new(client, state, api::SiloMode::MONOLITH);
    let integrations: BTreeMap<_, _> = ["acme", "globex"]
        .map(|name| (name.to_owned(), Arc::new(integration(&services, name, expires_at))))
        .into();
    let watched = |name: &str, integration: &str| Watched {
        target: Target {
            name: name.to_owned(),
            integration: Arc::clone(&integrations[integration]),
            repository: Ok(api::Repository::new(name)),
        },
        rules: Config::default().defaults,
        labels: Arc::default(),
        discovery: None,
    };
    let repositories = ["a", "b", "c", "d", "e"].map(|name| watched(name, "acme"));
    let repositories = repositories.into_iter().chain([watched("z", "globex")]).collect();
    let world = Arc::new(World::by_hand(services, integrations, repositories));
    let mut ledger = Ledger::new(world, std::collections::HashMap::new(), Incidents::default());
    fill(&mut ledger);
    let (commands, orders) = mpsc::channel(1);
    let reloads = Reloads {
        successful,
        at: at(900),
        loaded_at: at(800),
        took: Duration::from_millis(5),
        problems: if successful { Vec::new() } else { vec!["`api.listen` is wrong".to_owned()] },
        needs_restart: Vec::new(),
    };
    let shared = Shared {
        ledger: RwLock::new(ledger),
        commands,
        reload: mpsc::channel(1).0,
        health: watch::channel(health).1,
        reloads: watch::channel(reloads).1,
        findings: watch::channel(Vec::new()).1,
    };
    Fixture { handle: Handle { shared: Arc::new(shared) }, orders, _folder: folder }
}

fn integration(services: &Services, name: &str, expires_at: Option<SystemTime>) -> Integration {
    let provider_key = "forge".to_owned();
    let material = Material::OAuth2 {
        token_url: "https://login.example/token".to_owned(),
        client_id: "me".to_owned(),
        client_secret: None,
        scope: None,
        access_token: Some("the-token".into()),
        expires_at,
        refresh_token: None,
        redirect_uri: None,
    };
    let settings = IntegrationSettings {
        key: name.to_owned(),
        domain_name: "https://forge.example/".to_owned(),
        allow_insecure_http: false,
        identity: Some(Identity::new("bot", material).unwrap()),
        metadata: BTreeMap::new(),
    };
    let failure = api::Failure::new(api::Reason::PLUGIN_FAILED, "it is not there\u{1b}");
    Integration {
        name: name.to_owned(),
        provider: Provider::nowhere(failure),
        services: services.for_integration(Arc::new(ProviderPolicy::of_no_plugin(&provider_key)), settings),
        description: api::Integration::new(name, "https://forge.example/"),
        batches: true,
        provider_key,
    }
}

/// `a` granted, `b` and `c` denied for one cause, `d` seen once without an answer, `e` not checked; `z` granted and
/// stale.
fn fill(ledger: &mut Ledger) {
    let confirm = |entry: &mut Entry, reason| {
        entry.standing.confirmed = Some(Confirmed { reason, since: at(1) });
    };
    confirm(&mut ledger.entries[0], Reason::Granted);
    let print = Fingerprint::new("acme", Reason::Unauthorized, Cause::Identity, "b");
    for index in [1, 2] {
        confirm(&mut ledger.entries[index], Reason::Unauthorized);
        ledger.incidents.failed(&print, "the credential is dead", at(500));
        ledger.incidents.hold(&print.digest());
    }
    ledger.entries[3].seen = Some(Seen {
        reason: Reason::Unreachable,
        detail: "".into(),
        http_status: None,
        retry_after_s: None,
        at: at(2),
        took_us: 1,
    });
    confirm(&mut ledger.entries[5], Reason::Granted);
    ledger.entries[5].stale = true;
    let until = Moment::now();
    let acme = ledger.integrations.get_mut("acme").unwrap();
    (acme.running, acme.waiting, acme.investigating) = (3, 4, true);
    acme.held_until = Some((SystemTime::from(until) + Duration::from_secs(1000)).into());
    ledger.integrations.get_mut("globex").unwrap().held_until = Some(at(1));
}

fn well() -> Health {
    Health { persisting: true, ..Health::default() }
}

#[test]
fn the_report_counts_what_is_believed_and_tells_the_worst_incidents() {
    let fixture = fixture(well(), true);
    let report = Report::of(&fixture.handle);
    let counts = report.repositories;
    assert_eq!(
        counts,
        RepositoriesReport { total: 6, granted: 2, denied: 2, indeterminate: 1, unknown: 1, stale: 1 }
    );
    let acme = &report.integrations[0];
    assert_eq!((acme.granted, acme.denied, acme.indeterminate, acme.unknown), (1, 2, 1, 1));
    assert_eq!((acme.name.as_str(), acme.provider.as_str()), ("acme", "forge"));
    assert_eq!((report.incidents_open, report.incidents.len()), (1, 1));
    assert_eq!((report.incidents[0].affected, report.incidents[0].first_seen), (2, Stamp(at(500))));
    assert_eq!(report.plugins[0].state, "refused");
    assert_eq!(report.plugins[0].cause.as_deref(), Some("it is not there\\u{1b}"));
    assert!(report.ready && report.has_trouble());
}

#[test]
fn an_incident_of_one_repository_names_it() {
    let mut fixture = fixture(well(), true);
    let ledger = &mut Arc::get_mut(&mut fixture.handle.shared).unwrap().ledger;
    let print = Fingerprint::new("acme", Reason::NotFound, Cause::Repository, "a\u{1b}");
    ledger.get_mut().unwrap().incidents.failed(&print, "", at(600));
    let report = Report::of(&fixture.handle);
    let named: Vec<_> = report.incidents.iter().map(|incident| incident.repository.as_deref()).collect();
    assert_eq!(named, [None, Some("a\\u{1b}")]);
}

#[test]
fn a_forge_in_trouble_is_trouble_though_all_that_is_known_is_access() {
    let mut report = Report::of(&fixture(well(), true).handle);
    (report.repositories.denied, report.incidents_open) = (0, 0);
    assert!(!report.has_trouble());
    report.integrations[1].trouble_since = Some(Stamp(at(7)));
    assert!(report.has_trouble());
    assert!(report.in_trouble().map(|(it, since)| (&*it.name, since)).eq([("globex", Stamp(at(7)))]));
}

#[test]
fn its_json_has_times_as_text_and_is_read_back() {
    let report = Report::of(&fixture(well(), true).handle);
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(json["incidents"][0]["first_seen"], "1970-01-01T00:08:20.000Z");
    assert_eq!(json["integrations"][1]["trouble_since"], serde_json::Value::Null);
    let back: Report = serde_json::from_value(json).unwrap();
    assert_eq!(back, report);
}

#[test]
fn a_daemon_that_cannot_do_its_work_says_so() {
    let is_degraded = |health, successful| {
        let mut report = Report::of(&fixture(health, successful).handle);
        report.plugins.clear();
        report.is_degraded()
    };
    assert!(!is_degraded(well(), true));
    assert!(is_degraded(Health::default(), true));
    assert!(is_degraded(well(), false));
    let fixture = fixture(well(), true);
    assert!(Report::of(&fixture.handle).is_degraded(), "its plugin is down");
    drop(fixture.orders);
    assert!(!Report::of(&fixture.handle).ready);
}

fn lines(snapshot: Snapshot) -> Vec<String> {
    Metrics::default().render(snapshot).lines().map(str::to_owned).collect()
}

#[test]
fn what_is_known_becomes_metrics() {
    let health = Health { waiting: 7, dropped_events: 8, last_commit: Duration::from_millis(250), ..well() };
    let lines = lines(fixture(health, false).handle.snapshot(false));
    for expected in [
        r#"forgewatch_repositories{integration="acme",provider="forge",verdict="granted",reason="granted"} 1.0"#,
        r#"forgewatch_repositories{integration="acme",provider="forge",verdict="denied",reason="unauthorized"} 2.0"#,
        r#"forgewatch_repositories{integration="acme",provider="forge",verdict="indeterminate",reason="unreachable"} 1.0"#,
        r#"forgewatch_repositories{integration="acme",provider="forge",verdict="unknown",reason="unknown"} 1.0"#,
        r#"forgewatch_repositories_stale{integration="acme"} 0.0"#,
        r#"forgewatch_repositories_stale{integration="globex"} 1.0"#,
        "forgewatch_checks_running 3.0",
        r#"forgewatch_checks_waiting{integration="acme"} 4.0"#,
        r#"forgewatch_integration_held{integration="acme"} 1.0"#,
        r#"forgewatch_integration_held{integration="globex"} 0.0"#,
        r#"forgewatch_integration_investigating{integration="acme"} 1.0"#,
        r#"forgewatch_integration_investigating{integration="globex"} 0.0"#,
        r#"forgewatch_incidents_open{integration="acme",reason="unauthorized",cause="identity"} 1.0"#,
        r#"forgewatch_plugin_up{provider="forge"} 0.0"#,
        r#"forgewatch_identity_expiry_timestamp_seconds{identity="bot"} 4000000000.0"#,
        r#"forgewatch_identity_renews{identity="bot"} 0.0"#,
        "forgewatch_config_last_reload_successful 0.0",
        "forgewatch_config_last_reload_success_timestamp_seconds 800.0",
        "forgewatch_state_persisting 1.0",
        "forgewatch_state_waiting 7.0",
        "forgewatch_state_dropped_events_total 8",
        "forgewatch_state_commit_duration_seconds 0.25",
    ] {
        assert!(lines.iter().any(|line| line == expected), "{expected} is not in {lines:#?}");
    }
    let each = lines.iter().filter(|line| line.starts_with("forgewatch_repository_access{")).count();
    assert_eq!(each, 0, "one series for each repository only when asked for");
}

#[test]
fn identities_that_several_integrations_share_come_once() {
    let identities = fixture(well(), true).handle.snapshot(false).identities;
    assert!(matches!(identities.as_slice(), [IdentityLine { name, renews: false, .. }] if name == "bot"));
}

/// What the host knows itself is better than what a forge says; of several forges the first end counts.
#[test]
fn a_forge_is_believed_about_an_end_that_the_host_does_not_know() {
    let of = |expires_at: Option<SystemTime>, forges: [u64; 2]| {
        let mut fixture = fixture_with(well(), true, expires_at);
        let ledger = &mut Arc::get_mut(&mut fixture.handle.shared).unwrap().ledger;
        for (standby, second) in ledger.get_mut().unwrap().integrations.values_mut().zip(forges) {
            let who = Who { expires_at: Some(at(second).into()), ..Who::default() };
            standby.identity = Some((at(1), Arc::new(Probed { who: Some(who), may: None })));
        }
        let ends = Report::of(&fixture.handle).identities;
        let series = lines(fixture.handle.snapshot(false));
        let series =
            series.into_iter().filter(|it| it.starts_with("forgewatch_identity_expiry_timestamp_seconds{"));
        (ends.iter().map(|it| it.expires_at).collect::<Vec<_>>(), series.collect::<Vec<_>>())
    };
    let line = |end| format!(r#"forgewatch_identity_expiry_timestamp_seconds{{identity="bot"}} {end}.0"#);
    assert_eq!(of(None, [9_000, 8_000]), (vec![Stamp(at(8_000))], vec![line(8_000)]));
    assert_eq!(of(Some(at(7_000).into()), [9_000, 8_000]), (vec![Stamp(at(7_000))], vec![line(7_000)]));
    let soon = |ahead: u64| IdentityReport {
        name: "bot".to_owned(),
        expires_at: Stamp(Moment::now().after(Duration::from_secs(ahead))),
        renews: false,
    };
    let day = Duration::from_secs(86_400);
    let report = |identities| Report { identities, ..Report::of(&fixture(well(), true).handle) };
    assert_eq!(report(vec![soon(86_000), soon(87_000)]).ending(day).count(), 1);
    let ended = IdentityReport { expires_at: Stamp(at(1)), ..soon(0) };
    assert_eq!(report(vec![ended.clone()]).ending(day).count(), 1);
    assert_eq!(report(vec![IdentityReport { renews: true, ..ended }]).ending(day).count(), 0);
}

#[test]
fn repositories_come_one_by_one_when_asked_for() {
    let lines = lines(fixture(well(), true).handle.snapshot(true));
    let mut each: Vec<_> =
        lines.iter().filter(|line| line.starts_with("forgewatch_repository_access{")).collect();
    each.sort();
    let line = |name: &str, integration: &str, value| {
        format!(r#"forgewatch_repository_access{{repository="{name}",integration="{integration}"}} {value}"#)
    };
    let expected = [
        line("a", "acme", "1.0"),
        line("b", "acme", "0.0"),
        line("c", "acme", "0.0"),
        line("z", "globex", "1.0"),
    ];
    assert!(each.into_iter().eq(&expected), "{lines:#?}");
}

/// A subscription costs what a tracker would tell only once it has ended.
#[test]
fn a_subscription_that_does_not_deliver_is_told_with_a_way_out() {
    let subscription = |status, age: u64| SubscriptionReport {
        integration: "acme".to_owned(),
        project: Some("Web Shop".to_owned()),
        url: "https://watch.example.org/hook".to_owned(),
        status,
        detail: None,
        problem: Some("nobody answers".to_owned()),
        since: None,
        checked_at: None,
        made_at: Stamp((SystemTime::now() - Duration::from_secs(age)).into()),
    };
    let told = |status, age| {
        let mut report = Report::of(&fixture(well(), true).handle);
        report.plugins.clear();
        report.subscriptions.push(subscription(status, age));
        let notices = report.notices_of_daemon();
        let way_out = notices.into_iter().next().and_then(|notice| notice.way_out).unwrap_or_default();
        (report.is_degraded(), way_out)
    };
    let command = "run `forgewatch tracker subscribe acme --project 'Web Shop'`";
    assert_eq!(told(Status::Disabled, 0), (true, command.to_owned()));
    assert_eq!(told(Status::Missing, 0), (true, command.to_owned()));
    assert_eq!(told(Status::Unfinished, 3_600), (false, command.to_owned()));
    assert_eq!(told(Status::Unfinished, 0), (false, String::new()), "somebody is at it");
    let reach = "see whether the tracker reaches https://watch.example.org/hook";
    assert_eq!(told(Status::OnProbation, 0), (false, reach.to_owned()));
    let mut report = Report::of(&fixture(well(), true).handle);
    report.plugins.clear();
    report.subscriptions.push(subscription(Status::Unknown, 0));
    assert_eq!(report.notices_of_daemon()[0].details, ["nobody answers"]);
    report.subscriptions = vec![subscription(Status::Enabled, 0)];
    assert!(report.notices_of_daemon().is_empty());
}
