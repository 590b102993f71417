//! What those ask that watch the daemon: whether it lives, whether it works, its metrics, and the API's document.

use axum::http::StatusCode;
use tokio::task::spawn_blocking;

use super::access::Scope;
use super::answer::Text;
use super::error::Error;
use super::input::Nothing;
use super::route::{Call, Operation, Routes};

pub(super) fn add(routes: &mut Routes, is_on_loopback: bool) {
    let livez = Operation { id: "livez", summary: "Whether it runs.", scope: None, errors: &[] };
    routes.get("/livez", livez, live);
    let readyz = Operation {
        id: "readyz",
        summary: "Whether it has begun its work and is not stopping. No forge has to be up for that.",
        scope: None,
        errors: &[],
    };
    routes.get("/readyz", readyz, ready);
    let scope = (!is_on_loopback).then_some(Scope::Read);
    let summary = "Metrics for Prometheus. On a loopback address nobody is asked for a token.";
    routes.get("/metrics", Operation { id: "metrics", summary, scope, errors: &[] }, metrics);
}

async fn live(_: Call<Nothing>) -> Result<Text, Error> {
    Ok(Text::of_probe())
}

async fn ready(call: Call<Nothing>) -> Result<Text, Error> {
    // Nobody is answered before it has begun.
    if *call.shared.ready.borrow() && !call.shared.stop.is_cancelled() {
        return Ok(Text::of_probe());
    }
    Err(Error::new(StatusCode::SERVICE_UNAVAILABLE, "not_ready", "the daemon is stopping"))
}

async fn metrics(call: Call<Nothing>) -> Result<Text, Error> {
    let _turn = match call.shared.gate.is_on_loopback() {
        true => call.shared.turn().await,
        false => None,
    };
    let text = spawn_blocking(move || (call.shared.metrics)()).await;
    text.map(Text::of_metrics).map_err(|error| Error::internal(&error))
}
