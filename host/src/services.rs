//! What plugins may ask the host for: HTTP, metadata, the log and the time.
//!
//! - Plugins hold no secret and open no connection. Each request obeys one policy ([`http`]), reaches only what
//!   the operator allowed for its integration, carries the integration's [`identity`], and its answer comes
//!   back without the secret.
//! - [`Services`] is made once for a configuration, [`IntegrationServices`] once for each integration; both go on
//!   under the next configuration as far as it says the same.
//! - Nothing in here knows a provider by name.

mod base_url;
mod bridge;
pub mod budget;
pub mod call;
mod egress;
pub(crate) mod extensions;
mod hook_secret;
pub mod http;
pub mod identity;
mod integration;
pub(crate) mod log_limit;
mod scrub;
#[cfg(test)]
mod tests;
mod traffic;

use std::sync::Arc;

use forgewatch_plugin_api::abi::HostObject;
use forgewatch_plugin_api::{Failure, REFUSED, Reason, SiloMode};
use tokio_util::task::TaskTracker;

pub(crate) use base_url::validate as validate_base_url;
pub use base_url::{effective_base_url, origin_of};
pub(crate) use egress::Egress;
pub use egress::{Approvals, PolicyError, ProviderPolicy};
pub use hook_secret::{HookSecret, NoHookSecret};
pub use integration::{DOMAIN_NAME, IntegrationServices, IntegrationSettings};
pub use traffic::Traffic;

use crate::state::State;
use budget::Budgets;
use http::HttpClient;
use identity::Keeper;

/// What all integrations share. Cheap to clone.
#[derive(Clone)]
pub struct Services {
    keeper: Keeper,
    silo_mode: SiloMode,
    traffic: Traffic,
    /// Of requests without an identity; those of an identity go where it goes.
    budgets: Arc<Budgets>,
}

impl Services {
    /// Services on one client and one store.
    pub fn new(client: HttpClient, state: Arc<State>, silo_mode: SiloMode) -> Self {
        let keeper = Keeper { client, state, tasks: TaskTracker::new() };
        Self { keeper, silo_mode, traffic: Traffic::default(), budgets: Arc::default() }
    }

    /// These services, in a process that had `former` ones: requests are counted on, what forges told of
    /// their limits is known, and an identity that goes on
    /// under both has its refreshes waited for whichever of them it began them under.
    #[must_use]
    pub fn following(self, former: &Self) -> Self {
        let keeper = Keeper { tasks: former.keeper.tasks.clone(), ..self.keeper };
        Self { keeper, traffic: former.traffic.clone(), budgets: Arc::clone(&former.budgets), ..self }
    }

    /// The requests of all integrations, counted.
    pub fn traffic(&self) -> &Traffic {
        &self.traffic
    }

    /// The client that they share.
    pub fn client(&self) -> &HttpClient {
        &self.keeper.client
    }

    /// The services of one integration, with its saved base URL where that still holds.
    ///
    /// Reads the store, so it blocks for a moment.
    pub fn for_integration(
        &self,
        provider: Arc<ProviderPolicy>,
        settings: IntegrationSettings,
    ) -> Arc<IntegrationServices> {
        let requests = self.traffic.of_provider(&provider.key);
        let shared = integration::Shared {
            keeper: self.keeper.clone(),
            silo_mode: self.silo_mode,
            requests,
            budgets: Arc::clone(&self.budgets),
        };
        Arc::new(IntegrationServices::new(shared, provider, settings))
    }

    /// Waits for the token refreshes under way, those of services that these followed as well. One that is cut short
    /// may cost a rotated refresh token, so a process calls this (with a limit of its own) before it ends; there must
    /// be no further calls.
    pub async fn finish(&self) {
        self.keeper.tasks.close();
        self.keeper.tasks.wait().await;
    }
}

/// What a plugin is created with: its log and the time. Everything else needs an integration.
pub fn for_plugin(plugin: &str) -> HostObject {
    bridge::for_plugin(plugin)
}

/// A request that is not sent because the operator has not allowed it.
fn refused(detail: impl Into<String>) -> Failure {
    Failure::new(Reason::UNREACHABLE, detail.into()).with_attribute(REFUSED, "true")
}
