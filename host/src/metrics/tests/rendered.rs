//! Real metrics: of a ledger with something of everything in it.

use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::config::Config;
use crate::daemon::{Ledger, Reloads, Tally};
use crate::journal::{Cause, Fingerprint, Incidents};
use crate::metrics::{AlertTarget, Discovery, Metrics, Plugin, Subscription, Tracker};
use crate::plugins::{Registry, RestartCause, Room};
use crate::prepare::{Watched, World};
use crate::services::http::{HttpClient, HttpSettings};
use crate::services::identity::{Identity, Material};
use crate::services::{IntegrationSettings, ProviderPolicy, Services, for_plugin};
use crate::state::{Health, State};
use crate::sweep::{Integration, Target};
use crate::verdict::{Confirmed, Moment, Reason};
use forgewatch_plugin_api as api;

/// What a scrape gives, one series for each repository included.
pub(super) fn metrics() -> String {
    let folder = tempfile::tempdir().unwrap();
    let state = Arc::new(State::open(&folder.path().join("state.db")).unwrap());
    let client = HttpClient::new(HttpSettings::default(), None).unwrap();
    let services = Services::new(client, state, api::SiloMode::MONOLITH);
    let metrics = Metrics::new(services.traffic().clone());
    metrics.checked("broken", Reason::Granted, Duration::from_millis(30));
    metrics.started(Duration::from_millis(3));
    metrics.turned(None, Reason::Granted);
    metrics.reloaded(true);
    fs::write(folder.path().join("libforgewatch_broken.so"), "no library").unwrap();
    let mut ledger = ledger(services, &Registry::discover(&[folder.path().to_owned()], None));
    ledger.entries[0].standing.confirmed = Some(Confirmed { reason: Reason::Granted, since: Moment::now() });
    let print = Fingerprint::new("ac\"me\\", Reason::Unauthorized, Cause::Identity, "");
    ledger.incidents.failed(&print, "", Moment::now());
    let reloads = Reloads::first(Moment::now());
    let mut snapshot = Tally::of(&ledger, true).complete(Health::default(), &reloads);
    // What only a forge and a worker can bring about.
    snapshot.integrations[0].rate_budget = Some(4999);
    let listed_at = Some(Moment::now());
    snapshot.discoveries.push(Discovery { name: "all".to_owned(), repositories: 7, listed_at });
    metrics.alert_sent("chat", "opened");
    metrics.alert_failed("chat");
    snapshot.alerts.push(AlertTarget { name: "chat".to_owned(), pending: 2, is_failing: true });
    let (integration, project) = ("acme".to_owned(), String::new());
    snapshot.trackers.push(Tracker { integration: integration.clone(), pending: 3, is_failing: true });
    snapshot.subscriptions.push(Subscription { integration, project, is_up: false });
    let restarts = RestartCause::ALL.map(|cause| (cause.as_str(), 1)).to_vec();
    snapshot.plugins.push(Plugin { provider: "vsts".to_owned(), is_up: true, restarts });
    metrics.render(snapshot)
}

/// One integration with a name that needs escaping, and one repository of it.
fn ledger(services: Services, registry: &Registry) -> Ledger {
    let name = "ac\"me\\".to_owned();
    let provider =
        registry.provider("broken", Room::InProcess, || for_plugin("broken")).expect("the file is there");
    let material = Material::OAuth2 {
        token_url: "https://login.example/token".to_owned(),
        client_id: "me".to_owned(),
        client_secret: None,
        scope: None,
        access_token: Some("token".into()),
        expires_at: Some(SystemTime::now()),
        refresh_token: None,
        redirect_uri: None,
    };
    let settings = IntegrationSettings {
        key: name.clone(),
        domain_name: "https://forge.example/".to_owned(),
        allow_insecure_http: false,
        identity: Some(Identity::new("bot", material).expect("the material can be used")),
        metadata: BTreeMap::new(),
    };
    let integration = Arc::new(Integration {
        name: name.clone(),
        provider_key: "broken".to_owned(),
        provider: provider.clone(),
        services: services.for_integration(Arc::new(ProviderPolicy::of_no_plugin("broken")), settings),
        description: api::Integration::new(&name, "https://forge.example/"),
        batches: true,
    });
    let target = Target {
        name: "payments\napi".to_owned(),
        integration: Arc::clone(&integration),
        repository: Ok(api::Repository::new("payments-api")),
    };
    let (rules, labels) = (Config::default().defaults, Arc::default());
    let repositories = vec![Watched { target, rules, labels, discovery: None }];
    let world = World::by_hand(services, BTreeMap::from([(name, integration)]), repositories);
    Ledger::new(Arc::new(world), std::collections::HashMap::new(), Incidents::default())
}
