//! What the daemon can be asked to do.

use axum::http::StatusCode;
use schemars::JsonSchema;
use serde::Deserialize;

use super::Shared;
use super::access::Scope;
use super::answer::{Accepted, Found};
use super::error::Error;
use super::input::{Nothing, input};
use super::route::{Call, Operation, Routes};
use crate::daemon::{Asked, ConfigReport, Stopping};

pub(super) fn add(routes: &mut Routes) {
    let scope = Some(Scope::Operate);
    let summary = "Has repositories checked as soon as there is room. Those that are not watched are named and cost the \
                   others nothing; 404 when none is.";
    let operation = Operation { id: "check", summary, scope, errors: &[404] };
    routes.post("/api/v1/check", operation, check);
    let summary =
        "Reads the configuration again. While it is wrong, 422 says how, and the old one stays in use.";
    let operation = Operation { id: "reload", summary, scope, errors: &[422] };
    routes.post("/-/reload", operation, reload);
}

/// What to check.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Wanted {
    /// Names of repositories.
    #[schemars(length(min = 1, max = 1000))]
    repositories: Vec<String>,
}

input!(Wanted);

async fn check(call: Call<Wanted>) -> Result<Accepted<Asked>, Error> {
    check_all(&call.shared, call.input.repositories).await.map(Accepted)
}

/// Has repositories checked.
pub(super) async fn check_all(shared: &Shared, mut repositories: Vec<String>) -> Result<Asked, Error> {
    repositories.sort_unstable();
    repositories.dedup();
    let asked = shared.handle.check_now(repositories).await.map_err(stopping)?;
    if asked.accepted.is_empty() && asked.running.is_empty() {
        return Err(Error::not_found("none of these repositories is watched").with_details(asked.unknown));
    }
    Ok(asked)
}

async fn reload(call: Call<Nothing>) -> Result<Found<ConfigReport>, Error> {
    let handle = call.shared.handle.clone();
    // Who waits for a secret's command takes nobody's turn.
    drop(call);
    let reloads = handle.reload().await.map_err(stopping)?;
    if reloads.successful {
        return Ok(Found(reloads.into()));
    }
    let message = "the configuration is wrong, and the one before it stays in use";
    let error = Error::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_configuration", message);
    Err(error.with_details(reloads.problems))
}

fn stopping(stopping: Stopping) -> Error {
    Error::unavailable(stopping.to_string())
}
