//! Real metrics: of a ledger with something of everything in it.

use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use forgewatch::config::Config;
use forgewatch::daemon::{Ledger, Reloads, Tally};
use forgewatch::journal::{Cause, Fingerprint, Incidents};
use forgewatch::metrics::{Metrics, Plugin};
use forgewatch::plugins::{Registry, RestartCause, Room};
use forgewatch::prepare::{Watched, World};
use forgewatch::services::http::{HttpClient, HttpSettings};
use forgewatch::services::identity::{Identity, Material};
use forgewatch::services::{IntegrationSettings, ProviderPolicy, Services, for_plugin};
use forgewatch::state::{Health, State};
use forgewatch::sweep::{Integration, Target};
use forgewatch::verdict::{Confirmed, Moment, Reason};
use forgewatch_plugin_api as api;

/// What a scrape gives, one series for each repository included.
pub(crate) fn metrics() -> String {
    let metrics = Metrics::new();
    metrics.checked("broken", Reason::Granted, Duration::from_millis(30));
    metrics.started(Duration::from_millis(3));
    metrics.turned(None, Reason::Granted);
    metrics.reloaded(true);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let state = Arc::new(State::open(&folder.path().join("state.db")).expect("a state"));
    let client = HttpClient::new(&HttpSettings::default()).expect("a client");
    let services = Services::new(client, state, api::SiloMode::MONOLITH).counted_in(metrics.traffic());
    fs::write(folder.path().join("libforgewatch_broken.so"), "no library").expect("a file can be written");
    let mut ledger = ledger(services, &Registry::discover(&[folder.path().to_owned()], None));
    ledger.entries[0].standing.confirmed = Some(Confirmed { reason: Reason::Granted, since: Moment::now() });
    let print = Fingerprint::new("ac\"me\\", Reason::Unauthorized, Cause::Identity, "");
    ledger.incidents.failed(&print, "", Moment::now());
    let reloads = Reloads {
        successful: true,
        at: Moment::now(),
        loaded_at: Moment::now(),
        took: Duration::ZERO,
        problems: Vec::new(),
        needs_restart: Vec::new(),
    };
    let mut snapshot = Tally::of(&ledger, true).complete(Health::default(), &reloads);
    // What only a forge and a worker can bring about.
    snapshot.integrations[0].rate_budget = Some(4999);
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
    });
    let target = Target {
        name: "payments\napi".to_owned(),
        integration: Arc::clone(&integration),
        repository: Ok(api::Repository::new("payments-api")),
    };
    let world = World {
        services,
        integrations: BTreeMap::from([(name, integration)]),
        repositories: vec![Watched { target, rules: Config::default().defaults, labels: Arc::default() }],
        providers: BTreeMap::from([("broken".to_owned(), provider)]),
        check_timeout: Duration::from_secs(60),
    };
    Ledger::new(Arc::new(world), |_| None, Incidents::default())
}
