//! How trackers do: whether they take what they are told, and whether they tell what becomes of issues.

use schemars::JsonSchema;
use serde::Serialize;

use super::access::Scope;
use super::answer::Found;
use super::error::Error;
use super::input::Nothing;
use super::route::{Call, Operation, Routes};
use crate::tracker::SubscriptionReport;

pub(super) fn add(routes: &mut Routes) {
    let summary = "Subscriptions to what becomes of issues, and how they do.";
    let operation = Operation { id: "list_trackers", summary, scope: Some(Scope::Read), errors: &[] };
    routes.get("/api/v1/trackers", operation, list);
}

/// How trackers are told, and what they tell.
#[derive(Serialize, JsonSchema)]
struct TrackerList {
    /// All subscriptions, in the order in which they were made.
    subscriptions: Vec<SubscriptionReport>,
}

async fn list(call: Call<Nothing>) -> Result<Found<TrackerList>, Error> {
    let tracker = &call.shared.tracker;
    Ok(Found(TrackerList { subscriptions: tracker.subscriptions() }))
}
