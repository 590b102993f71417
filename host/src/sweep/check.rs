//! Checking one repository.

use std::ops::Deref;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use forgewatch_plugin_api as api;
use tokio::time::{Instant, timeout_at};
use tracing::Instrument;

use crate::plugins::{Client, Provider};
use crate::services::IntegrationServices;
use crate::services::call::{self, CallRecord, Seen};
use crate::text::{mask_url, printable};
use crate::verdict::{Outcome, Reason};

/// An integration that is ready to be swept.
pub struct Integration {
    /// Its name in the configuration.
    pub name: String,
    /// Its provider's key.
    pub provider_key: String,
    /// Its provider.
    pub provider: Provider,
    /// What its provider may ask the host for.
    pub services: Arc<IntegrationServices>,
    /// What its provider is told of it; base URL, metadata and the kind of token are filled in when the client is made.
    pub description: api::Integration,
    /// Whether several repositories may be asked for with one request, where the provider can.
    pub batches: bool,
}

/// A repository to check.
#[derive(Clone)]
pub struct Target {
    /// Its name in the configuration, or its URL when it is checked ad hoc. Safe to print.
    pub name: String,
    /// The integration that it belongs to.
    pub integration: Arc<Integration>,
    /// What the provider is told of it, or how its plugin failed to say what it is.
    pub repository: Result<api::Repository, api::Failure>,
}

/// How the check of one repository ended. All text in it is safe to print.
#[derive(Clone, Debug)]
pub struct CheckResult {
    /// The repository's name.
    pub repository: String,
    /// Its integration's name.
    pub integration: String,
    /// Its provider's key.
    pub provider: String,
    /// The base URL that was used, or the configured value where none could be, its user name and password masked.
    pub base_url: String,
    /// How it ended; `http_status` and `retry_after_s` are filled in from the last answer where the plugin said
    /// nothing.
    pub outcome: Outcome,
    /// When it began.
    pub checked_at: SystemTime,
    /// How long it took.
    pub duration: Duration,
    /// How many requests it took, its share of making the client not counted.
    pub requests: u32,
    /// Where the time went.
    pub spans: Spans,
}

/// Parts of the time that a check took; the rest is the plugin's own and the host's.
#[derive(Clone, Copy, Debug, Default)]
pub struct Spans {
    /// Waiting for the client, the domain check included; next to nothing when it was there already.
    pub get_client: Duration,
    /// Waiting for answers.
    pub requests: Duration,
}

/// A client, or why there is none.
pub type Connected = Result<Client, Outcome>;

impl Integration {
    /// Makes the client, within `limit`.
    pub async fn connect(&self, limit: Duration) -> Connected {
        let record = Arc::new(CallRecord::default());
        let (services, description) = (Arc::clone(&self.services), self.description.clone());
        let describe = move || {
            let metadata = services.metadata();
            let metadata = metadata.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            let description =
                description.clone().with_domain_name(&services.domain_name()).with_metadata(metadata);
            match services.token_prefix() {
                Some(prefix) => description.with_attribute(api::TOKEN_PREFIX, &prefix),
                None => description,
            }
        };
        // The client is made inside whichever check comes first, and is not that check's alone.
        let name = printable(&self.name, 500);
        let span = tracing::error_span!(parent: None, "get_client", integration = %name);
        let call = self.provider.get_client(self.services.host_object(), describe).instrument(span);
        let deadline = Instant::now() + limit;
        match timeout_at(deadline, call::scope(Arc::clone(&record), call)).await {
            Ok(Ok(client)) => Ok(client),
            Ok(Err(failure)) => Err(complete(failure.into(), &record)),
            Err(_) => Err(timed_out("making the client", limit)),
        }
    }
}

impl Target {
    /// Checks the repository; `connected` gives the client and bounds itself.
    pub async fn check(
        &self,
        connected: impl Future<Output: Deref<Target = Connected>>,
        limit: Duration,
    ) -> CheckResult {
        let began = Began::now();
        let record = Arc::new(CallRecord::default());
        let connected = connected.await;
        let get_client = began.start.elapsed();
        let outcome = match (&self.repository, &*connected) {
            (Ok(repository), Ok(client)) => {
                // The log of the plugin and of its requests says for whom they are.
                let integration = printable(&self.integration.name, 500);
                let span = tracing::error_span!("check", repository = %self.name, integration = %integration);
                let call = client.has_repo_access(repository).instrument(span);
                let call = call::scope(Arc::clone(&record), call);
                match timeout_at(began.start + limit, call).await {
                    Ok(answer) => complete(answer.into(), &record),
                    Err(_) => timed_out("the check", limit),
                }
            }
            (Err(failure), _) => failure.clone().into(),
            (_, Err(outcome)) => outcome.clone(),
        };
        let spans = Spans { get_client, requests: record.seen().waited };
        self.result(outcome, began, record.seen().requests, spans)
    }

    /// How its check ended that ends now.
    pub(super) fn result(&self, outcome: Outcome, began: Began, requests: u32, spans: Spans) -> CheckResult {
        CheckResult {
            repository: self.name.clone(),
            integration: printable(&self.integration.name, 500).into_owned(),
            provider: self.integration.provider_key.clone(),
            base_url: printable(&mask_url(&self.integration.services.domain_name()), 500).into_owned(),
            outcome,
            checked_at: began.at,
            duration: began.start.elapsed(),
            requests,
            spans,
        }
    }
}

/// When a check began, by both clocks.
#[derive(Clone, Copy)]
pub(super) struct Began {
    at: SystemTime,
    start: Instant,
}

impl Began {
    pub(super) fn now() -> Self {
        Self { at: SystemTime::now(), start: Instant::now() }
    }
}

/// Fills in what the last answer said.
pub(crate) fn complete(outcome: Outcome, record: &CallRecord) -> Outcome {
    completed(outcome, record.seen())
}

/// Fills in what the last answer said, as it was seen.
pub(super) fn completed(outcome: Outcome, seen: Seen) -> Outcome {
    let is_limited = outcome.reason == Reason::RateLimited;
    let outcome = match seen.limited_until {
        Some(until) if is_limited => {
            let until = humantime::format_rfc3339_seconds(until + Duration::from_secs(1));
            let detail = format!("{} (the limit ends at {until})", outcome.detail);
            Outcome {
                http_status: outcome.http_status,
                retry_after_s: outcome.retry_after_s,
                ..Outcome::new(outcome.reason, detail)
            }
        }
        _ => outcome,
    };
    Outcome {
        http_status: outcome.http_status.or(seen.http_status),
        retry_after_s: outcome.retry_after_s.or(seen.retry_after_s),
        held_back: is_limited && seen.held_back,
        ..outcome
    }
}

pub(super) fn timed_out(what: &str, limit: Duration) -> Outcome {
    let limit = humantime::format_duration(limit);
    let detail = format!(
        "{what} took longer than {limit}: the forge is slow or the plugin hangs; `check_timeout` sets the limit"
    );
    Outcome::new(Reason::TimedOut, detail)
}
