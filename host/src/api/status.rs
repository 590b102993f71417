//! The daemon at a glance.

use std::sync::Arc;

use tokio::task::spawn_blocking;

use super::access::Scope;
use super::answer::Found;
use super::error::Error;
use super::input::Nothing;
use super::route::{Call, Operation, Routes};
use super::{Shared, alerts, tracking};
use crate::daemon::{PeopleReport, Report};

pub(super) fn add(routes: &mut Routes) {
    let summary = "The daemon at a glance.";
    let operation = Operation { id: "get_status", summary, scope: Some(Scope::Read), errors: &[] };
    routes.get("/api/v1/status", operation, status);
}

async fn status(call: Call<Nothing>) -> Result<Found<Report>, Error> {
    of(&call.shared).await.map(Found)
}

/// The daemon at a glance.
pub(super) async fn of(shared: &Arc<Shared>) -> Result<Report, Error> {
    let handle = shared.handle.clone();
    let mut report =
        spawn_blocking(move || Report::of(&handle)).await.map_err(|error| Error::internal(&error))?;
    let ready = report.ready && *shared.ready.borrow() && !shared.stop.is_cancelled();
    let (alerts, trackers) = (alerts::of(shared).await?, tracking::of(shared).await?);
    for incident in &mut report.incidents {
        incident.people =
            shared.tracker.get(&incident.id).as_ref().map(PeopleReport::from).unwrap_or_default();
    }
    let subscriptions = shared.tracker.subscriptions();
    Ok(Report { ready, alerts, trackers, subscriptions, ..report })
}
