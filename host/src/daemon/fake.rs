//! A daemon in small, for tests of those who use one: what it knows is made by hand, and it does what it is asked for
//! only in words.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, RwLock, Weak};

use forgewatch_plugin_api as api;
use tokio::sync::{mpsc, oneshot, watch};

use super::client::ClientOf;
use super::handle::{Command, Shared};
use super::{Asked, Handle, Ledger, Reloads};
use crate::config::Defaults;
use crate::journal::Incidents;
use crate::plugins::Provider;
use crate::prepare::{Watched, World};
use crate::services::http::{HttpClient, HttpSettings};
use crate::services::identity::{Identity, Material};
use crate::services::{IntegrationSettings, ProviderPolicy, Services};
use crate::state::{Health, State};
use crate::sweep::{Integration, Target};
use crate::verdict::Moment;

/// What a test tells the daemon.
pub(crate) struct Fake {
    pub(crate) handle: Handle,
    pub(crate) health: watch::Sender<Health>,
    pub(crate) reloads: watch::Sender<Reloads>,
}

impl Fake {
    /// A daemon that knows what `ledger` says. Needs a runtime.
    pub(crate) fn start(ledger: Ledger) -> Self {
        let (commands, orders) = mpsc::channel(8);
        let (health, seen_health) = watch::channel(Health { persisting: true, ..Health::default() });
        let (reloads, seen_reloads) = watch::channel(Reloads::first(Moment::now()));
        let (reload, reload_requests) = mpsc::channel(8);
        let shared = Shared {
            ledger: RwLock::new(ledger),
            commands,
            reload,
            health: seen_health,
            reloads: seen_reloads,
            findings: watch::channel(Vec::new()).1,
        };
        let shared = Arc::new(shared);
        tokio::spawn(obey(Arc::downgrade(&shared), orders));
        tokio::spawn(answer_reloads(Arc::downgrade(&shared), reload_requests));
        Self { handle: Handle { shared }, health, reloads }
    }

    /// Changes what is known.
    pub(crate) fn change(&self, change: impl FnOnce(&mut Ledger)) {
        change(&mut self.handle.shared.ledger.write().unwrap());
    }
}

async fn obey(shared: Weak<Shared>, mut orders: mpsc::Receiver<Command>) {
    while let Some(order) = orders.recv().await {
        let Some(shared) = shared.upgrade() else { return };
        match order {
            Command::CheckNow { repositories, answer } => {
                let ledger = shared.ledger.read().unwrap();
                let (accepted, unknown) =
                    repositories.into_iter().partition(|name| ledger.index(name).is_some());
                let _ = answer.send(Asked { accepted, running: Vec::new(), unknown });
            }
            Command::Ping { answer } => {
                let _ = answer.send(());
            }
            Command::Adopt { .. } | Command::Note { .. } | Command::Found { .. } => {}
        }
    }
}

async fn answer_reloads(shared: Weak<Shared>, mut requests: mpsc::Receiver<oneshot::Sender<Reloads>>) {
    while let Some(answer) = requests.recv().await {
        let Some(shared) = shared.upgrade() else { return };
        let _ = answer.send(shared.reloads.borrow().clone());
    }
}

/// A world of one integration, `acme` on `vsts` with the identity `bot`, with repositories of these names and labels. No plugin is in it.
pub(crate) fn world<'a>(
    repositories: impl IntoIterator<Item = (&'a str, &'a [(&'a str, &'a str)])>,
) -> World {
    let state = Arc::new(State::open_read_only(Path::new("/nonexistent/state.db")).unwrap());
    let client = HttpClient::new(HttpSettings::default(), None).unwrap();
    let services = Services::new(client, state, api::SiloMode::MONOLITH);
    let identity = Identity::new("bot", Material::Pat { token: "the-token".into() }).unwrap();
    let settings = IntegrationSettings {
        key: "acme".to_owned(),
        domain_name: "https://bot:hunter2@dev.azure.com/acme/".to_owned(),
        allow_insecure_http: false,
        identity: Some(identity),
        metadata: BTreeMap::new(),
    };
    let integration = Arc::new(Integration {
        name: "acme".to_owned(),
        provider_key: "vsts".to_owned(),
        provider: Provider::nowhere(api::Failure::new(api::Reason::PLUGIN_FAILED, "there is none")),
        services: services.for_integration(Arc::new(ProviderPolicy::of_no_plugin("vsts")), settings),
        description: api::Integration::new("acme", "https://dev.azure.com/acme/").with_identity_kind("pat"),
        batches: true,
    });
    let watched = repositories.into_iter().map(|(name, labels)| Watched {
        target: Target {
            name: name.to_owned(),
            integration: Arc::clone(&integration),
            repository: Ok(api::Repository::new(name).with_project("Payments")),
        },
        rules: Defaults::default(),
        labels: Arc::new(
            labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
        ),
        discovery: None,
    });
    let mut repositories: Vec<_> = watched.collect();
    repositories.sort_by(|one, other| one.target.name.cmp(&other.target.name));
    World::by_hand(services, BTreeMap::from([("acme".to_owned(), integration)]), repositories)
}

/// What is known of a world at first: nothing.
pub(crate) fn ledger(world: World) -> Ledger {
    let clients = world.integrations.iter();
    let clients = clients.map(|(name, it)| (name.clone(), Arc::new(ClientOf::new(Arc::clone(it)))));
    let clients = clients.collect();
    let mut ledger = Ledger::new(Arc::new(world), std::collections::HashMap::new(), Incidents::default());
    ledger.clients = clients;
    ledger
}
