//! What trackers deliver: believed once it is proven, and taken in for the incidents that it concerns.
//!
//! - Nothing of a delivery is looked at before its secret was compared with those of the subscriptions, all of them and in
//!   constant time. Whoever has none that fits learns nothing from the answer, and costs no plugin anything.
//! - A secret proves deliveries of its integration's own account alone.
//! - First who has the issue, then its state; whatever becomes of the one, the other is taken in.
//! - What is taken in goes on when the sender hangs up, or does not wait: whether a state is a done one is asked at the
//!   tracker. What it did not answer is not taken in, and is not taken for known: the issue is read instead.

mod assign;
mod proofs;
mod secrets;
mod status;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use forgewatch_plugin_api::{Failure, Reason, WebhookDelivery, WebhookEvent, WebhookEventKind, WebhookProof};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::handle::{Handle, Shared};
use crate::plugins::delivery_for_plugin;
use crate::services::log_limit::Allowance;
use crate::sweep::Integration;
use crate::text::printable;
use proofs::Proofs;
use secrets::Secrets;

/// How long a plugin may take to say what a delivery means, for which it asks nobody.
const PARSE_LIMIT: Duration = Duration::from_secs(5);
/// Deliveries that plugins read at once; a plugin that is slow keeps nobody waiting who delivers nothing.
const MOST_PARSED: usize = 16;
/// How long whoever delivers waits until everything is taken in; after that it goes on without them.
const PATIENCE: Duration = Duration::from_secs(8);
/// Trackers that are asked at once what a state means.
const MOST_QUESTIONS: usize = 8;
/// Deliveries that are taken in at once. The issues of further ones are read instead, so that neither a tracker that is slow
/// nor whoever delivers without an end makes what is held grow, or takes all connections.
const MOST_CHANGES: usize = 64;
/// Characters of what others have sent that are told.
const LONGEST_TOLD: usize = 200;

/// What deliveries are judged by.
pub(super) struct Inbound {
    proofs: Proofs,
    secrets: Secrets,
    refusals: Mutex<Allowance>,
    strangers: Mutex<Allowance>,
    delays: Mutex<Allowance>,
    parsing: Semaphore,
    questions: Semaphore,
    changes: Arc<Semaphore>,
}

impl Default for Inbound {
    fn default() -> Self {
        Self {
            proofs: Proofs::default(),
            secrets: Secrets::default(),
            refusals: Mutex::new(Allowance::new(5, 1)),
            strangers: Mutex::new(Allowance::new(20, 1)),
            delays: Mutex::new(Allowance::new(20, 1)),
            parsing: Semaphore::new(MOST_PARSED),
            questions: Semaphore::new(MOST_QUESTIONS),
            changes: Arc::new(Semaphore::new(MOST_CHANGES)),
        }
    }
}

/// Somebody who has shown the secret of a subscription.
pub struct Sender {
    provider: String,
    peer: Option<IpAddr>,
    proof: WebhookProof,
    /// The integrations whose subscriptions have this secret; at least one.
    proven: Vec<Arc<Integration>>,
}

/// A change of an issue that is proven.
pub struct Change {
    event: WebhookEvent,
    /// The integrations whose account it is of.
    integrations: Vec<String>,
}

/// Why a delivery is not taken in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unheard {
    /// Nothing proves it.
    Unproven,
    /// It is none.
    Malformed(String),
    /// It cannot be judged at this time.
    Unavailable,
}

impl Handle {
    /// Judges who delivers to a provider. `sent` is the value of the one header of a name.
    ///
    /// # Errors
    ///
    /// [`Unheard::Unproven`], whatever is missing; or that it cannot be judged now.
    pub async fn recognise<'h>(
        &self,
        provider: &str,
        peer: Option<IpAddr>,
        sent: impl Fn(&str) -> Option<&'h [u8]> + Send,
    ) -> Result<Sender, Unheard> {
        let shared = &self.shared;
        let known = shared.inbound.secrets.all(&shared.state).await.map_err(|error| {
            shared.refuse(provider, peer, &format!("the subscriptions cannot be read: {error}"));
            Unheard::Unavailable
        })?;
        let refused = |why: &str| {
            shared.refuse(provider, peer, why);
            Unheard::Unproven
        };
        let integrations = shared.source.integrations(provider);
        let subscribed = |it: &&Arc<Integration>| known.iter().any(|known| known.integration == it.name);
        let Some(any) = integrations.iter().find(subscribed) else {
            return Err(refused("no integration of such a provider has a subscription"));
        };
        let proof = shared.inbound.proofs.of(any).await.map_err(|why| {
            shared.refuse(provider, peer, &why);
            Unheard::Unavailable
        })?;
        let Some(proof) = proof else { return Err(refused("the provider delivers nothing")) };
        let Some(value) = sent(proof.header()) else {
            return Err(refused("it does not have exactly one secret"));
        };
        // Every secret is compared, so that the time does not tell which.
        let fitting: Vec<_> = known.iter().filter(|known| known.secret.is(value)).collect();
        let is_proven = |it: &Arc<Integration>| fitting.iter().any(|known| known.integration == it.name);
        let proven: Vec<_> = integrations.into_iter().filter(is_proven).collect();
        match proven.is_empty() {
            true => Err(refused("its secret is not that of a subscription")),
            false => Ok(Sender { provider: provider.to_owned(), peer, proof, proven }),
        }
    }

    /// Finds out what somebody delivers; none if it is of no interest.
    ///
    /// # Errors
    ///
    /// It is no delivery, or not of an account that the sender has the secret of; or its plugin cannot say.
    pub async fn understand(
        &self,
        sender: &Sender,
        headers: impl Iterator<Item = (&str, &str)>,
        body: &[u8],
    ) -> Result<Option<Change>, Unheard> {
        let shared = &self.shared;
        let refuse = |why: &str| shared.refuse(&sender.provider, sender.peer, why);
        let delivery = delivery_for_plugin(&sender.proof, headers, body);
        let turn = shared.inbound.parsing.acquire().await;
        let event = parse(&sender.proven[0], &delivery).await.map_err(|(unheard, why)| {
            refuse(&why);
            unheard
        })?;
        drop(turn);
        let is_of = |it: &Integration| {
            it.description.external_id().is_some_and(|id| id.eq_ignore_ascii_case(event.account()))
        };
        if !sender.proven.iter().any(|it| is_of(it)) {
            let account = printable(event.account(), LONGEST_TOLD).into_owned();
            refuse(&format!(
                "its secret is of another account than `{account}`, which it tells of: see `external_id`"
            ));
            return Err(Unheard::Unproven);
        }
        if *event.kind() != WebhookEventKind::IssueUpdated {
            return Ok(None);
        }
        let of_account = shared.source.integrations(&sender.provider).into_iter().filter(|it| is_of(it));
        let integrations = of_account.map(|it| it.name.clone()).collect();
        Ok(Some(Change { event, integrations }))
    }

    /// Takes a change in; the ids of the incidents that it has an effect on, as far as that is known in time. It goes on
    /// when nobody waits for it.
    pub async fn take_in(&self, change: Change) -> Vec<String> {
        let (affected, shared) = (Affected::default(), Arc::clone(&self.shared));
        let Ok(place) = Arc::clone(&shared.inbound.changes).try_acquire_owned() else {
            for integration in &change.integrations {
                let Some(key) = change.event.issue() else { continue };
                let why = format!("{MOST_CHANGES} others are taken in at this time");
                shared.leave_to_reading(integration, key, &why).await;
            }
            return Vec::new();
        };
        let work = {
            let (shared, affected) = (Arc::clone(&shared), affected.clone());
            tokio::spawn(async move {
                let _place = place;
                shared.handle_updated_workitem(change, affected).await;
            })
        };
        match timeout(PATIENCE, work).await {
            Ok(Ok(())) => {}
            Ok(Err(panic)) => {
                tracing::error!("taking in a delivery failed, which is a fault of forgewatch: {panic}");
            }
            Err(_) => tracing::debug!("a delivery is taken in further, with nobody waiting for it"),
        }
        affected.ids()
    }
}

impl Shared {
    /// Takes in what has become of an issue: who has it, and then its state.
    async fn handle_updated_workitem(self: Arc<Self>, change: Change, affected: Affected) {
        let Change { event, integrations } = change;
        let Some(key) = event.issue().filter(|key| !key.is_empty()) else {
            tracing::debug!("a delivery does not say which issue it is about");
            return;
        };
        for integration in &integrations {
            let assigning = self.handle_assign_to(integration, key, &event);
            affected.add(assigning.await);
        }
        for integration in &integrations {
            match self.handle_status_change(integration, key, &event).await {
                Ok(ids) => affected.add(ids),
                Err(why) => self.leave_to_reading(integration, key, &why).await,
            }
        }
    }

    /// Tells of a delivery that is not taken in; not of each, where there are many.
    fn refuse(&self, provider: &str, peer: Option<IpAddr>, why: &str) {
        if !lock(&self.inbound.refusals).take(Instant::now()) {
            return;
        }
        let peer = peer.map_or_else(|| "an unknown address".to_owned(), |peer| peer.to_string());
        let (provider, why) = (printable(provider, LONGEST_TOLD), printable(why, LONGEST_TOLD * 3));
        tracing::warn!("a delivery from {peer} for the provider `{provider}` is not taken in: {why}");
    }
}

/// The incidents that something had an effect on, so far.
#[derive(Clone, Default)]
struct Affected(Arc<Mutex<BTreeSet<String>>>);

impl Affected {
    fn add(&self, ids: Vec<String>) {
        lock(&self.0).extend(ids);
    }

    fn ids(&self) -> Vec<String> {
        lock(&self.0).iter().cloned().collect()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What a delivery says by its plugin's word.
async fn parse(
    integration: &Integration,
    delivery: &WebhookDelivery,
) -> Result<WebhookEvent, (Unheard, String)> {
    let host = integration.services.host_object();
    let asked = timeout(PARSE_LIMIT, integration.provider.parse_webhook(host, delivery));
    let Ok(parsed) = asked.await else {
        return Err((
            Unheard::Unavailable,
            format!("its plugin did not say within {PARSE_LIMIT:?} what it means"),
        ));
    };
    parsed.map_err(|failure: Failure| {
        let is_no_word = matches!(failure.reason(), Reason::PLUGIN_FAILED | Reason::TIMED_OUT);
        let unheard = match is_no_word && !failure.is_unsupported() {
            true => Unheard::Unavailable,
            false => Unheard::Malformed(failure.detail().to_owned()),
        };
        (unheard, failure.to_string())
    })
}
