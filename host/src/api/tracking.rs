//! How trackers do: whether they take what they are told, and whether they tell what becomes of issues.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;
use tokio::task::spawn_blocking;

use super::Shared;
use super::access::Scope;
use super::answer::Found;
use super::error::Error;
use super::input::Nothing;
use super::route::{Call, Operation, Routes};
use crate::tracker::{SubscriptionReport, TrackerReport};

pub(super) fn add(routes: &mut Routes) {
    let summary =
        "Trackers with what is still to be done there, and subscriptions to what becomes of issues.";
    let operation = Operation { id: "list_trackers", summary, scope: Some(Scope::Read), errors: &[] };
    routes.get("/api/v1/trackers", operation, list);
}

/// How trackers do.
#[derive(Serialize, JsonSchema)]
struct TrackerList {
    /// Every integration in whose tracker there are issues for incidents, or are to be; in name order.
    items: Vec<TrackerReport>,
    /// All subscriptions, in the order in which they were made.
    subscriptions: Vec<SubscriptionReport>,
}

async fn list(call: Call<Nothing>) -> Result<Found<TrackerList>, Error> {
    let items = of(&call.shared).await?;
    Ok(Found(TrackerList { items, subscriptions: call.shared.tracker.subscriptions() }))
}

/// How each tracker does, in name order of the integrations.
pub(super) async fn of(shared: &Arc<Shared>) -> Result<Vec<TrackerReport>, Error> {
    let tracker = shared.tracker.clone();
    spawn_blocking(move || tracker.report()).await.map_err(|error| Error::internal(&error))
}
