//! What each provider's plugin says of its deliveries, where the secret is and what is for the plugin: asked for once of
//! each build.
//!
//! Guessing costs no plugin anything: what could not be learned is not asked for again at once, either.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use forgewatch_plugin_api::WebhookProof;
use tokio::time::{Instant, timeout};

use crate::plugins::Provider;
use crate::sweep::Integration;

/// How long a plugin may take to say it, which it knows by heart.
const LIMIT: Duration = Duration::from_secs(5);
/// For how long it counts that it could not.
const FAILURE_COUNTS: Duration = Duration::from_secs(5);

/// What is known of the providers, by their keys. Whoever asks for the same waits for the same answer.
#[derive(Default)]
pub(super) struct Proofs(Mutex<HashMap<String, Arc<tokio::sync::Mutex<Option<Known>>>>>);

struct Known {
    provider: Provider,
    /// Another build takes a provider's place within it.
    replacements: u64,
    at: Instant,
    proof: Proof,
}

/// What it says; none where the provider delivers nothing.
type Proof = Result<Option<WebhookProof>, String>;

impl Proofs {
    /// What deliveries to this integration's provider are like.
    ///
    /// # Errors
    ///
    /// Why its plugin does not say.
    pub(super) async fn of(&self, integration: &Integration) -> Proof {
        let place = {
            let mut places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(places.entry(integration.provider_key.clone()).or_default())
        };
        let mut known = place.lock().await;
        let provider = &integration.provider;
        if let Some(known) = known.as_ref().filter(|known| known.is_of(provider)) {
            return known.proof.clone();
        }
        let replacements = provider.replacements();
        let asked = timeout(LIMIT, provider.webhook_proof(integration.services.host_object())).await;
        let proof = match asked {
            Ok(Ok(proof)) => Ok(Some(proof)),
            Ok(Err(failure)) if failure.is_unsupported() => Ok(None),
            Ok(Err(failure)) => Err(failure.to_string()),
            Err(_) => Err(format!("its plugin did not say within {LIMIT:?} where the secret is")),
        };
        let (at, provider) = (Instant::now(), provider.clone());
        *known = Some(Known { provider, replacements, at, proof: proof.clone() });
        proof
    }
}

impl Known {
    fn is_of(&self, provider: &Provider) -> bool {
        let is_same = self.provider.is(provider) && self.replacements == provider.replacements();
        is_same && (self.proof.is_ok() || self.at.elapsed() < FAILURE_COUNTS)
    }
}
