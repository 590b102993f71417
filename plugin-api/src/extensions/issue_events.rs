//! `issue_events`: a tracker tells what becomes of its issues. Since 1.3.0; subscribing is for clients, reading what
//! was delivered for providers, which ask nobody for it.
//!
//! It is apart from [`issue_tracking`](super::issue_tracking), since there are trackers that tell nothing, and since
//! what is delivered comes from strangers: the host takes it, finds out with [`WebhookProof`] where its secret is, and
//! believes nothing of it before that secret was compared.
//!
//! - A payload is an object with its `operation`, on one line; after the line break comes the delivered body, raw.
//! - The secret of a subscription is the host's: see [`NewSubscription::secret`].

mod subscription;
mod webhook;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::issue_tracking::LARGEST_BYTES;
use super::json;
use crate::provider::Provider;
use crate::types::Failure;

pub use subscription::{NewSubscription, Subscription, SubscriptionStatus};
pub use webhook::{
    AssigneeChange, StateChange, WebhookDelivery, WebhookEvent, WebhookEventKind, WebhookProof,
};

/// The extension's name.
pub const NAME: &str = "issue_events";
/// The version described here.
pub const VERSION: u32 = 1;

/// One operation with all that it takes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "operation", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Call {
    /// [`Provider::subscribe`].
    Subscribe(NewSubscription),
    /// [`Provider::get_subscription`].
    GetSubscription {
        /// The tracker's own id of it.
        id: String,
    },
    /// [`Provider::unsubscribe`].
    Unsubscribe {
        /// The tracker's own id of it.
        id: String,
    },
    /// [`Provider::webhook_proof`].
    WebhookProof,
    /// [`Provider::parse_webhook`].
    ParseWebhook(WebhookDelivery),
    /// One of a later version.
    #[serde(other)]
    Unknown,
}

/// A call as the payload.
pub fn encode_call(call: &Call) -> Vec<u8> {
    let mut payload = json::encode(call);
    if let Call::ParseWebhook(delivery) = call {
        payload.push(b'\n');
        payload.extend_from_slice(delivery.body());
    }
    payload
}

/// The call in a payload.
///
/// # Errors
///
/// [`Reason::PLUGIN_FAILED`](crate::Reason::PLUGIN_FAILED) for what is none, [`Failure::unsupported`] for an operation
/// of a later version.
pub fn decode_call(payload: &[u8]) -> Result<Call, Failure> {
    let end = payload.iter().position(|byte| *byte == b'\n').unwrap_or(payload.len());
    let (head, rest) = payload.split_at(end);
    Ok(match bounded("payload", head)? {
        Call::Unknown => return Err(Failure::unsupported(NAME)),
        Call::ParseWebhook(delivery) => {
            Call::ParseWebhook(delivery.with_body(rest.get(1..).unwrap_or_default()))
        }
        call => call,
    })
}

/// The subscription in an answer.
///
/// # Errors
///
/// [`Reason::PLUGIN_FAILED`](crate::Reason::PLUGIN_FAILED) for what is no such answer, as for all that follow.
pub fn decode_subscription(answer: &[u8]) -> Result<Subscription, Failure> {
    json::keyed(NAME, Subscription::id, bounded("answer", answer)?)
}

/// What proves that a delivery is one.
///
/// # Errors
///
/// As for [`decode_subscription`], and [`Failure::unsupported`] for a proof of a later version.
pub fn decode_proof(answer: &[u8]) -> Result<WebhookProof, Failure> {
    let proof: WebhookProof = bounded("answer", answer)?;
    if proof.is_known() {
        return Ok(proof);
    }
    let detail = "the plugin has deliveries proven in a way that this version does not know: upgrade it, or take an \
                  earlier plugin";
    Err(Failure::unsupported(NAME).with_detail(detail))
}

/// The event in an answer. Of the issue and of the delivery it has no more than what can be a key.
///
/// # Errors
///
/// As for [`decode_subscription`].
pub fn decode_event(answer: &[u8]) -> Result<WebhookEvent, Failure> {
    bounded("answer", answer).map(WebhookEvent::plain)
}

fn bounded<T: DeserializeOwned>(whose: &str, bytes: &[u8]) -> Result<T, Failure> {
    json::decode_at_most(LARGEST_BYTES, NAME, whose, bytes)
}

/// Answers a call with the provider's methods.
pub(crate) async fn answer<P: Provider>(
    provider: &P,
    client: Option<&P::Client>,
    payload: &[u8],
) -> Result<Vec<u8>, Failure> {
    Ok(match (decode_call(payload)?, client) {
        (Call::Subscribe(wanted), Some(client)) => json::encode(&provider.subscribe(client, &wanted).await?),
        (Call::GetSubscription { id }, Some(client)) => {
            json::encode(&provider.get_subscription(client, &id).await?)
        }
        (Call::Unsubscribe { id }, Some(client)) => {
            provider.unsubscribe(client, &id).await?;
            Vec::new()
        }
        (Call::WebhookProof, _) => json::encode(&provider.webhook_proof()?),
        (Call::ParseWebhook(delivery), _) => json::encode(&provider.parse_webhook(&delivery)?),
        _ => return Err(Failure::unsupported(NAME)),
    })
}
