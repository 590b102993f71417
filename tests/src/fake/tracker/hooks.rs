//! Subscriptions: made by requests, and what becomes of them as deliveries fail.

use serde::Deserialize;
use serde_json::Value;

use super::{Tracker, faults};
use crate::fake::answers::Answer;

/// A subscription to changes of work items.
#[derive(Clone, Debug)]
pub struct Subscription {
    /// GUID.
    pub id: String,
    /// The project that it is for, by id; none for all.
    pub project: Option<String>,
    /// Where deliveries go.
    pub url: String,
    /// Headers that go with them, the secret among them.
    pub headers: Vec<(String, String)>,
    /// `enabled`, `onProbation`, `disabledBySystem` and the like.
    pub status: String,
    /// How many deliveries have failed in a row.
    pub failures: u32,
}

impl Subscription {
    pub(super) fn delivers(&self) -> bool {
        matches!(self.status.as_str(), "enabled" | "onProbation")
    }

    /// Notes how a delivery ended.
    pub(super) fn delivered(&mut self, succeeded: bool, (probation, end): (u32, u32)) {
        self.failures = if succeeded { 0 } else { self.failures + 1 };
        if self.delivers() {
            let status = match self.failures {
                failures if failures >= end => "disabledBySystem",
                failures if failures >= probation => "onProbation",
                _ => "enabled",
            };
            status.clone_into(&mut self.status);
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wanted {
    publisher_id: String,
    event_type: String,
    consumer_id: String,
    consumer_action_id: String,
    #[serde(default)]
    publisher_inputs: Value,
    consumer_inputs: Inputs,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Inputs {
    url: String,
    #[serde(default)]
    http_headers: String,
}

/// Makes the subscription in a request.
pub(super) fn make(tracker: &mut Tracker, body: &[u8]) -> Result<Subscription, Answer> {
    let wanted: Wanted = serde_json::from_slice(body).map_err(|error| Answer::e16(&error.to_string()))?;
    let kind = (wanted.publisher_id.as_str(), wanted.event_type.as_str());
    let consumer = (wanted.consumer_id.as_str(), wanted.consumer_action_id.as_str());
    if kind != ("tfs", "workitem.updated") || consumer != ("webHooks", "httpRequest") {
        return Err(Answer::e16("nothing of this kind can be subscribed to"));
    }
    if url::Url::parse(&wanted.consumer_inputs.url).is_err() {
        return Err(Answer::e16("the consumer's url is none"));
    }
    let lines = wanted.consumer_inputs.http_headers.lines();
    let headers = lines.filter_map(|line| line.split_once(':'));
    let subscription = Subscription {
        id: format!("c0470500-5e1f-4b0a-9c3d-{:012x}", 0xd000_0000_u64 + tracker.subscriptions_made),
        project: wanted.publisher_inputs["projectId"].as_str().map(str::to_owned),
        url: wanted.consumer_inputs.url,
        headers: headers.map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned())).collect(),
        status: "enabled".to_owned(),
        failures: 0,
    };
    tracker.subscriptions_made += 1;
    tracker.subscriptions.push(subscription.clone());
    Ok(subscription)
}

pub(super) fn find<'t>(tracker: &'t Tracker, id: &str) -> Result<&'t Subscription, Answer> {
    let found = tracker.subscriptions.iter().find(|known| known.id.eq_ignore_ascii_case(id));
    found.ok_or_else(|| faults::no_subscription(id))
}

pub(super) fn remove(tracker: &mut Tracker, id: &str) -> Result<(), Answer> {
    find(tracker, id)?;
    tracker.subscriptions.retain(|known| !known.id.eq_ignore_ascii_case(id));
    Ok(())
}
