//! What trackers deliver.
//!
//! Nobody is asked for a token: the secret of a subscription stands for one. Before that was compared nothing is read, and
//! whoever does not have it gets one answer, whatever is wrong. There is no answer that is our own fault, since services
//! end what is answered so.

use axum::http::{HeaderMap, StatusCode};
use schemars::JsonSchema;
use serde::Serialize;

use super::answer::Found;
use super::error::Error;
use super::input::{self, Nothing};
use super::route::{Operation, Routes, Unread};
use crate::tracker::Unheard;

/// The largest delivery that is read.
const MAX_DELIVERY_BYTES: usize = 1 << 20;

pub(super) fn add(routes: &mut Routes) {
    let summary = "Takes what a provider's tracker delivers, by the provider's key. The secret of a subscription has to be in \
                   the header that the provider puts it into; without one that fits the answer is 401, whatever else is wrong. \
                   What says nothing of interest is taken, too.";
    let operation = Operation { id: "webhook", summary, scope: None, errors: &[401, 408, 413] };
    let body = "The delivery, as the provider makes it: at most 1 MiB.";
    routes.post_unread("/api/v1/webhooks/{name}", operation, body, deliver);
}

/// What came of a delivery.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Delivered {
    /// The ids of the incidents that it had an effect on, as far as that was known when this was answered.
    incidents: Vec<String>,
}

async fn deliver(request: Unread) -> Result<Found<Delivered>, Error> {
    let Unread { shared, name, peer, headers, query, body } = request;
    let tracker = &shared.tracker;
    let sender = tracker.recognise(&name, peer, |header| only(&headers, header)).await.map_err(refusal)?;
    input::of_query::<Nothing>(&query)?;
    let body = input::read(body, MAX_DELIVERY_BYTES).await?;
    let shown = headers.iter().filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)));
    let change = tracker.understand(&sender, shown, &body).await.map_err(refusal)?;
    let incidents = match change {
        Some(change) => tracker.take_in(change).await,
        None => Vec::new(),
    };
    Ok(Found(Delivered { incidents }))
}

/// The value of the one header of a name.
fn only<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h [u8]> {
    let mut values = headers.get_all(name).iter();
    let (value, None) = (values.next()?, values.next()) else { return None };
    Some(value.as_bytes())
}

fn refusal(unheard: Unheard) -> Error {
    match unheard {
        Unheard::Unproven => {
            let message = "nothing proves that this is a delivery of a subscription";
            let error = Error::new(StatusCode::UNAUTHORIZED, "unauthorized", message);
            error.with_challenge("Subscription realm=\"forgewatch\"")
        }
        Unheard::Malformed(why) => Error::bad_request(format!("this is no delivery of the provider: {why}")),
        Unheard::Unavailable => Error::unavailable("deliveries cannot be judged now; the log says why"),
    }
}
