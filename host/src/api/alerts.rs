//! Who is told of incidents, and whether that works.

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
use crate::alerts::TargetReport;

pub(super) fn add(routes: &mut Routes) {
    let summary = "All targets of alerts, and what they have not taken yet.";
    let operation = Operation { id: "list_alert_targets", summary, scope: Some(Scope::Read), errors: &[] };
    routes.get("/api/v1/alerts", operation, list);
}

/// All targets of alerts.
#[derive(Serialize, JsonSchema)]
struct TargetList {
    items: Vec<TargetReport>,
}

async fn list(call: Call<Nothing>) -> Result<Found<TargetList>, Error> {
    Ok(Found(TargetList { items: of(&call.shared).await? }))
}

/// All targets of alerts, in name order.
pub(super) async fn of(shared: &Arc<Shared>) -> Result<Vec<TargetReport>, Error> {
    let shared = Arc::clone(shared);
    spawn_blocking(move || (shared.alerts)()).await.map_err(|error| Error::internal(&error))
}
