//! What is written down of what happens, by kind.
//!
//! An id says what replaces what: of one id on one day the latest counts. So there is one transaction a day of each
//! repository's checks, one error a day of each cause, and every transition stays.

use serde_json::{Value, json};

use super::incident::{Fingerprint, Incident};
use crate::state::{Event, EventKind, IncidentRow};
use crate::sweep::CheckResult;
use crate::verdict::{Moment, Reason, Turn};

/// The transaction of one check.
pub fn check(result: &CheckResult) -> Event {
    let milliseconds = |duration: std::time::Duration| (duration.as_secs_f64() * 10_000.0).round() / 10.0;
    let (spans, whole) = (result.spans, result.duration);
    let plugin = whole.saturating_sub(spans.get_client).saturating_sub(spans.requests);
    Event {
        id: format!("check-{}", result.repository),
        kind: EventKind::Transaction,
        at: result.checked_at,
        integration: Some(result.integration.clone()),
        repository: Some(result.repository.clone()),
        fingerprint: None,
        payload: json!({
            "transaction": "check",
            "verdict": result.outcome.reason.verdict(),
            "reason": result.outcome.reason,
            "http_status": result.outcome.http_status,
            "duration_ms": milliseconds(whole),
            "requests": result.requests,
            "spans": {
                "get_client_ms": milliseconds(spans.get_client),
                "requests_ms": milliseconds(spans.requests),
                "plugin_ms": milliseconds(plugin),
            },
        }),
    }
}

/// The error of a check that did not end as granted.
pub fn error(result: &CheckResult, fingerprint: &Fingerprint) -> Event {
    let outcome = &result.outcome;
    let digest = fingerprint.digest();
    Event {
        id: format!("error-{digest}"),
        kind: EventKind::Error,
        at: result.checked_at,
        integration: Some(result.integration.clone()),
        repository: Some(result.repository.clone()),
        fingerprint: Some(digest),
        payload: json!({
            "error": "check",
            "verdict": outcome.reason.verdict(),
            "reason": outcome.reason,
            "cause": fingerprint.cause,
            "detail": outcome.detail,
            "http_status": outcome.http_status,
            "retry_after_s": outcome.retry_after_s,
        }),
    }
}

/// A confirmed change of one repository.
pub fn transition(integration: &str, repository: &str, turn: Turn, detail: &str, at: Moment) -> Event {
    let verdict = |reason: Reason| reason.verdict();
    Event {
        id: format!("transition-{:x}-{repository}", at.unix_ms()),
        kind: EventKind::Generic,
        at: at.into(),
        integration: Some(integration.to_owned()),
        repository: Some(repository.to_owned()),
        fingerprint: None,
        payload: json!({
            "generic": "transition",
            "from": { "verdict": turn.from.map(verdict), "reason": turn.from },
            "to": { "verdict": verdict(turn.to), "reason": turn.to },
            "detail": detail,
        }),
    }
}

/// Something else that happened to a repository or an integration.
pub fn generic(
    what: &str,
    integration: Option<&str>,
    repository: Option<&str>,
    at: Moment,
    more: Value,
) -> Event {
    let mut payload = json!({ "generic": what });
    if let (Value::Object(payload), Value::Object(more)) = (&mut payload, more) {
        payload.extend(more);
    }
    // The moment comes first: long names are cut.
    let about = repository.or(integration).map(|name| format!("-{name}")).unwrap_or_default();
    Event {
        id: format!("{what}-{:x}{about}", at.unix_ms()),
        kind: EventKind::Generic,
        at: at.into(),
        integration: integration.map(ToOwned::to_owned),
        repository: repository.map(ToOwned::to_owned),
        fingerprint: None,
        payload,
    }
}

/// What becomes of an incident: `opened`, `updated` or `resolved`.
pub fn incident(what: &str, incident: &Incident, at: Moment) -> Event {
    Event {
        id: format!("incident-{}-{what}", incident.id),
        kind: EventKind::Error,
        at: at.into(),
        integration: Some(incident.integration.clone()),
        repository: incident.repository.clone(),
        fingerprint: Some(incident.fingerprint.clone()),
        payload: json!({ "incident": what, "of": incident }),
    }
}

impl From<&Incident> for IncidentRow {
    fn from(incident: &Incident) -> Self {
        Self {
            id: incident.id.clone(),
            fingerprint: incident.fingerprint.clone(),
            opened_at: incident.first_seen.into(),
            resolved_at: incident.resolved_at.map(Into::into),
            // Plain data with text keys: there is nothing that could fail.
            incident: serde_json::to_string(incident).unwrap_or_default(),
        }
    }
}
