//! The services against real servers on the loopback device.

mod application;
mod bridge;
mod budgets;
mod egress;
mod hook_secrets;
mod http;
mod identity;
mod material;
mod metadata;
mod server;

use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;

use forgewatch_plugin_api::{Authentication, Request, SiloMode};
use tempfile::TempDir;

use super::http::{HttpClient, HttpSettings};
use super::identity::{Identity, Material};
use super::{IntegrationServices, IntegrationSettings, ProviderPolicy, Services};
use crate::config::HostPort;
use crate::state::State;
use server::Server;

const TOKEN: &str = "the-very-secret-token";

/// A process's services, with everything they need.
struct Fixture {
    folder: TempDir,
    http: HttpSettings,
    silo_mode: SiloMode,
    allow_hosts: Vec<HostPort>,
    allow_write: bool,
}

impl Fixture {
    fn new() -> Self {
        Self {
            folder: TempDir::new().unwrap(),
            http: HttpSettings::default(),
            silo_mode: SiloMode::MONOLITH,
            allow_hosts: Vec::new(),
            allow_write: false,
        }
    }

    /// Trusts a server's certificate.
    fn trusting(mut self, server: &Server) -> Self {
        let file = self.folder.path().join("ca.pem");
        fs::write(&file, server.certificate()).unwrap();
        self.http.ca_file = Some(file);
        self
    }

    fn state(&self) -> Arc<State> {
        Arc::new(State::open(&self.folder.path().join("state.db")).unwrap())
    }

    /// One more process on the same store.
    fn services(&self) -> Services {
        self.services_on(self.state())
    }

    fn services_on(&self, state: Arc<State>) -> Services {
        Services::new(HttpClient::new(self.http.clone(), None).unwrap(), state, self.silo_mode)
    }

    fn policy(&self) -> Arc<ProviderPolicy> {
        Arc::new(ProviderPolicy::new("vsts", self.allow_hosts.clone(), self.allow_write, &[]).unwrap())
    }

    fn integration(&self, domain_name: &str, identity: Option<Arc<Identity>>) -> Arc<IntegrationServices> {
        self.integration_of(&self.services(), domain_name, identity)
    }

    fn integration_of(
        &self,
        services: &Services,
        domain_name: &str,
        identity: Option<Arc<Identity>>,
    ) -> Arc<IntegrationServices> {
        let settings = IntegrationSettings {
            key: "acme".to_owned(),
            domain_name: domain_name.to_owned(),
            allow_insecure_http: true,
            identity,
            metadata: BTreeMap::new(),
        };
        services.for_integration(self.policy(), settings)
    }
}

fn pat() -> Option<Arc<Identity>> {
    let token = TOKEN.into();
    Some(Identity::new("bot", Material::Pat { token }).unwrap())
}

fn authenticated(url: &str) -> Request {
    Request::get(url).with_authentication(Authentication::bearer())
}
