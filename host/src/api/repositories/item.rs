//! A repository as the API shows it.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use crate::api::answer::Time;
use crate::config::Defaults;
use crate::daemon::{Entry, Ledger, Seen};
use crate::prepare::Watched;
use crate::verdict::{Reason, Verdict};

/// A repository and what is believed of it.
#[derive(Serialize, JsonSchema)]
pub(super) struct Repository {
    /// Its name in the configuration, or the discovery's with project and name behind it.
    name: String,
    integration: String,
    /// The provider's key.
    provider: String,
    /// Its project on the forge.
    project: Option<String>,
    /// Its name on the forge; none while its plugin cannot say where its URL leads.
    repository: Option<String>,
    /// The forge's own id.
    external_id: Option<String>,
    labels: BTreeMap<String, String>,
    /// The discovery that has found it, unless it is configured.
    discovery: Option<String>,
    /// Whether access is confirmed.
    has_access: bool,
    /// What is believed: confirmed, or `indeterminate` while no answer has been clear. None before the first answer, and
    /// while the first is not confirmed.
    verdict: Option<Verdict>,
    /// Why; what was seen, before anything is confirmed.
    reason: Option<Reason>,
    /// One sentence on that.
    detail: String,
    /// Since when it is confirmed.
    since: Option<Time>,
    /// What speaks against it, not often enough yet.
    pending: Option<Pending>,
    /// Whether it has been long without a clear answer.
    stale: bool,
    last_check: Option<LastCheck>,
    /// When it is checked next; none while it is being checked.
    next_check: Option<Time>,
    /// The open incident that it belongs to.
    incident: Option<IncidentRef>,
}

/// Clear answers in a row that differ from what is confirmed.
#[derive(Serialize, JsonSchema)]
struct Pending {
    reason: Reason,
    count: u32,
}

/// What the last check saw.
#[derive(Serialize, JsonSchema)]
struct LastCheck {
    at: Time,
    reason: Reason,
    detail: String,
    http_status: Option<u16>,
    /// Seconds after which the forge wants to be asked again.
    retry_after_s: Option<u64>,
    duration_ms: f64,
}

/// An incident, to be looked up.
#[derive(Serialize, JsonSchema)]
struct IncidentRef {
    id: String,
    fingerprint: String,
}

/// When a repository is checked and when that is believed.
#[derive(Serialize, JsonSchema)]
pub(super) struct Rules {
    /// Seconds between two checks.
    interval_s: f64,
    /// Denials in a row that confirm a loss.
    failure_threshold: u32,
    /// Grants in a row that confirm a recovery.
    success_threshold: u32,
    /// Seconds without a clear answer that open an incident.
    stale_after_s: f64,
}

impl Repository {
    pub(super) fn of(ledger: &Ledger, watched: &Watched, entry: &Entry) -> Self {
        let target = &watched.target;
        let repository = target.repository.as_ref().ok();
        let text = |text: Option<&str>| text.map(str::to_owned);
        let standing = &entry.standing;
        Self {
            name: target.name.clone(),
            integration: target.integration.name.clone(),
            provider: target.integration.provider_key.clone(),
            project: text(repository.and_then(|it| it.project())),
            repository: text(repository.map(forgewatch_plugin_api::Repository::name)),
            external_id: text(repository.and_then(|it| it.external_id())),
            labels: (*watched.labels).clone(),
            discovery: watched.discovery.as_ref().map(|it| it.name.clone()),
            has_access: entry.verdict() == Some(Verdict::Granted),
            verdict: entry.verdict(),
            reason: entry.reason(),
            detail: detail(ledger, entry),
            since: standing.confirmed.map(|confirmed| confirmed.since.into()),
            pending: standing.pending.map(|it| Pending { reason: it.reason, count: it.count }),
            stale: entry.stale,
            last_check: entry.seen.as_ref().map(LastCheck::of),
            next_check: entry.next_check.map(Time::from),
            incident: ledger.incident_of(entry).map(|incident| IncidentRef {
                id: incident.id.clone(),
                fingerprint: incident.fingerprint.clone(),
            }),
        }
    }
}

/// What was said about the reason that is shown, by the last check or by the incident.
fn detail(ledger: &Ledger, entry: &Entry) -> String {
    let reason = entry.reason();
    let seen = entry.seen.as_ref().filter(|seen| Some(seen.reason) == reason);
    let incident = || ledger.incident_of(entry).filter(|incident| Some(incident.reason) == reason);
    let detail = seen.map(|seen| &*seen.detail).or_else(|| incident().map(|it| it.detail.as_str()));
    detail.unwrap_or_default().to_owned()
}

impl LastCheck {
    fn of(seen: &Seen) -> Self {
        Self {
            at: seen.at.into(),
            reason: seen.reason,
            detail: seen.detail.to_string(),
            http_status: seen.http_status,
            retry_after_s: seen.retry_after_s,
            duration_ms: f64::from(seen.took_us) / 1000.0,
        }
    }
}

impl Rules {
    pub(super) fn of(rules: &Defaults) -> Self {
        Self {
            interval_s: rules.interval.get().as_secs_f64(),
            failure_threshold: rules.failure_threshold,
            success_threshold: rules.success_threshold,
            stale_after_s: rules.stale_after.get().as_secs_f64(),
        }
    }
}
