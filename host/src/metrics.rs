//! What Prometheus reads: counters that the process keeps, and projections of what is known at the time of a scrape.
//!
//! - A projection has one series for each thing that exists: what vanished from the configuration leaves none behind.
//! - Label values are bounded: closed lists of words, and names, which are cut where they are longer than any sensible
//!   name.
//! - The text is the classic format (0.0.4), which everything that scrapes can read.
//!
//! Who collects a [`Snapshot`] is absent here: this room knows no daemon.

mod labels;
mod process;
mod projection;
mod snapshot;
#[cfg(test)]
mod tests;
mod text;

use std::sync::Arc;
use std::time::Duration;

use prometheus_client::encoding::text::encode_registry;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

pub use process::started_at;
pub use snapshot::{
    Access, AlertTarget, Discovery, Identity, Incidents, Integration, Plugin, Repositories, Snapshot,
    Subscription, Tracker,
};

use crate::services::Traffic;
use crate::verdict::Reason;
use labels::{Alert, Check, Outcome, Provider, Target, Transition, UNKNOWN, label};
use projection::Projection;

/// The media type of what [`Metrics::render`] gives.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Seconds of a check: the fastest on-premises forge to the longest that `check_timeout` sensibly is.
const CHECK_BUCKETS: [f64; 12] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0];
/// Seconds behind the schedule: a busy moment to a quarter of an hour, which is the default interval.
const LAG_BUCKETS: [f64; 12] = [0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 15.0, 30.0, 60.0, 180.0, 300.0, 900.0];

type Histograms = Family<Provider, Histogram, fn() -> Histogram>;

/// The process' metrics. Made once; cheap to clone, and all clones count together.
#[derive(Clone)]
pub struct Metrics {
    shared: Arc<Shared>,
}

struct Shared {
    registry: Registry,
    checks: Family<Check, Counter>,
    durations: Histograms,
    lag: Histogram,
    transitions: Family<Transition, Counter>,
    reloads: Family<Outcome, Counter>,
    alerts: Family<Alert, Counter>,
    alert_failures: Family<Target, Counter>,
    traffic: Traffic,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new(Traffic::default())
    }
}

impl Metrics {
    /// Metrics at zero, with the requests that `traffic` counts.
    pub fn new(traffic: Traffic) -> Self {
        let mut shared = Shared {
            registry: Registry::with_prefix("forgewatch"),
            checks: Family::default(),
            durations: Histograms::new_with_constructor(|| Histogram::new(CHECK_BUCKETS)),
            lag: Histogram::new(LAG_BUCKETS),
            transitions: Family::default(),
            reloads: Family::default(),
            alerts: Family::default(),
            alert_failures: Family::default(),
            traffic,
        };
        let registry = &mut shared.registry;
        registry.register("checks", "Checks that ended", shared.checks.clone());
        registry.register("check_duration_seconds", "How long checks took", shared.durations.clone());
        registry.register("schedule_lag_seconds", "How late checks began", shared.lag.clone());
        registry.register(
            "transitions",
            "Confirmed changes of a verdict or reason",
            shared.transitions.clone(),
        );
        registry.register(
            "config_reloads",
            "Attempts to read the configuration again",
            shared.reloads.clone(),
        );
        registry.register("alerts", "Messages that targets of alerts have taken", shared.alerts.clone());
        registry.register(
            "alert_failures",
            "Messages that targets of alerts have not taken, each attempt",
            shared.alert_failures.clone(),
        );
        for successful in [true, false] {
            drop(shared.reloads.get_or_create(&Outcome::of(successful)));
        }
        Self { shared: Arc::new(shared) }
    }

    /// A check ended.
    pub fn checked(&self, provider: &str, reason: Reason, took: Duration) {
        let provider = label(provider).into_owned();
        let (verdict, reason) = (reason.verdict().as_str(), reason.as_str());
        self.shared.checks.get_or_create(&Check { provider: provider.clone(), verdict, reason }).inc();
        self.shared.durations.get_or_create(&Provider { provider }).observe(took.as_secs_f64());
    }

    /// A check began, so long after it was due.
    pub fn started(&self, lag: Duration) {
        self.shared.lag.observe(lag.as_secs_f64());
    }

    /// A change was confirmed.
    pub fn turned(&self, from: Option<Reason>, to: Reason) {
        let from = from.map_or(UNKNOWN, |from| from.verdict().as_str());
        self.shared.transitions.get_or_create(&Transition { from, to: to.verdict().as_str() }).inc();
    }

    /// An attempt to read the configuration again ended.
    pub fn reloaded(&self, successful: bool) {
        self.shared.reloads.get_or_create(&Outcome::of(successful)).inc();
    }

    /// A target of alerts has taken a message.
    pub fn alert_sent(&self, target: &str, event: &'static str) {
        self.shared.alerts.get_or_create(&Alert { target: label(target).into_owned(), event }).inc();
    }

    /// A target of alerts has not taken a message.
    pub fn alert_failed(&self, target: &str) {
        self.shared.alert_failures.get_or_create(&Target { target: label(target).into_owned() }).inc();
    }

    /// Everything, as text of the type [`CONTENT_TYPE`].
    pub fn render(&self, snapshot: Snapshot) -> String {
        let mut now = Registry::default();
        now.register_collector(Box::new(Projection { snapshot, traffic: self.shared.traffic.clone() }));
        let mut text = String::new();
        // Writing to a text does not fail.
        let _ = encode_registry(&mut text, &self.shared.registry);
        let _ = encode_registry(&mut text, &now);
        text::classic(&text)
    }
}
