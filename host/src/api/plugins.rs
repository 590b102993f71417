//! The library files, and how the plugins in them do.

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
use crate::prepare::PluginEntry;

pub(super) fn add(routes: &mut Routes) {
    let summary = "Every library file in `plugins.dirs`, those that are not used too.";
    let operation = Operation { id: "list_plugins", summary, scope: Some(Scope::Read), errors: &[] };
    routes.get("/api/v1/plugins", operation, list);
}

/// All library files.
#[derive(Serialize, JsonSchema)]
struct PluginList {
    items: Vec<PluginEntry>,
}

async fn list(call: Call<Nothing>) -> Result<Found<PluginList>, Error> {
    all(&call.shared).await.map(|items| Found(PluginList { items }))
}

/// All library files.
pub(super) async fn all(shared: &Shared) -> Result<Vec<PluginEntry>, Error> {
    let world = shared.handle.read(|ledger| Arc::clone(&ledger.world));
    spawn_blocking(move || world.plugins()).await.map_err(|error| Error::internal(&error))
}
