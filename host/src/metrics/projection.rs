//! A snapshot, and how the process does, as metrics.

use std::fmt;
use std::time::SystemTime;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeCounterValue, EncodeMetric, MetricEncoder};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

use super::labels::{UNKNOWN, label};
use super::process::Process;
use super::snapshot::Snapshot;
use crate::services::Traffic;

/// What is collected at one scrape.
#[derive(Debug)]
pub(super) struct Projection {
    pub(super) snapshot: Snapshot,
    pub(super) traffic: Traffic,
}

impl Collector for Projection {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut page = Page { encoder };
        self.repositories(&mut page)?;
        self.integrations(&mut page)?;
        self.plugins(&mut page)?;
        self.requests(&mut page)?;
        self.identities(&mut page)?;
        self.discoveries(&mut page)?;
        self.alerts(&mut page)?;
        self.trackers(&mut page)?;
        self.config(&mut page)?;
        self.state(&mut page)?;
        build_and_process(&mut page)
    }
}

impl Projection {
    fn repositories(&self, page: &mut Page<'_>) -> fmt::Result {
        let snapshot = &self.snapshot;
        let mut family =
            page.gauge("forgewatch_repositories", "Repositories, by what is believed of them")?;
        for group in &snapshot.repositories {
            let (verdict, reason) =
                group.reason.map_or((UNKNOWN, UNKNOWN), |it| (it.verdict().as_str(), it.as_str()));
            let labels = [
                ("integration", &*label(&group.integration)),
                ("provider", &*label(&group.provider)),
                ("verdict", verdict),
                ("reason", reason),
            ];
            family.put(&labels, group.count as f64)?;
        }
        let mut family = page.gauge("forgewatch_incidents_open", "Incidents that are open")?;
        for group in &snapshot.incidents {
            let labels = [
                ("integration", &*label(&group.integration)),
                ("reason", group.reason.as_str()),
                ("cause", group.cause.as_str()),
            ];
            family.put(&labels, group.count as f64)?;
        }
        let mut family = page.gauge(
            "forgewatch_repository_access",
            "Whether there is access to a repository, if that is known",
        )?;
        for access in &snapshot.access {
            let labels =
                [("repository", &*label(&access.repository)), ("integration", &*label(&access.integration))];
            family.put(&labels, flag(access.granted))?;
        }
        Ok(())
    }

    fn integrations(&self, page: &mut Page<'_>) -> fmt::Result {
        let snapshot = &self.snapshot;
        page.alone("forgewatch_checks_running", "Checks that run", snapshot.checks_running as f64)?;
        type Value = fn(&super::Integration) -> Option<f64>;
        let families: [(&str, &str, Value); 5] = [
            ("forgewatch_repositories_stale", "Repositories without a clear answer for too long", |it| {
                Some(it.stale as f64)
            }),
            ("forgewatch_checks_waiting", "Checks that are due and wait for their turn", |it| {
                Some(it.waiting as f64)
            }),
            (
                "forgewatch_integration_held",
                "Whether regular checks pause, since the forge needs a rest",
                |it| Some(flag(it.is_held)),
            ),
            (
                "forgewatch_integration_investigating",
                "Whether many repositories turned at once and a few are asked for the cause",
                |it| Some(flag(it.is_investigating)),
            ),
            (
                "forgewatch_rate_budget_remaining",
                "Requests that the forge will still answer, as it said at last",
                |it| it.rate_budget.map(|budget| budget as f64),
            ),
        ];
        for (name, help, value) in families {
            let mut family = page.gauge(name, help)?;
            for integration in &snapshot.integrations {
                if let Some(value) = value(integration) {
                    family.put(&[("integration", &*label(&integration.name))], value)?;
                }
            }
        }
        Ok(())
    }

    fn plugins(&self, page: &mut Page<'_>) -> fmt::Result {
        let mut family = page.gauge("forgewatch_plugin_up", "Whether a plugin takes calls")?;
        for plugin in &self.snapshot.plugins {
            family.put(&[("provider", &*label(&plugin.provider))], flag(plugin.is_up))?;
        }
        let mut family = page.counter(
            "forgewatch_plugin_restarts",
            "How often a plugin's worker ended or was replaced, by cause",
        )?;
        for plugin in &self.snapshot.plugins {
            for (cause, count) in &plugin.restarts {
                family.count(&[("provider", &*label(&plugin.provider)), ("cause", *cause)], *count)?;
            }
        }
        Ok(())
    }

    fn requests(&self, page: &mut Page<'_>) -> fmt::Result {
        let mut family = page.counter(
            "forgewatch_provider_requests",
            "Requests to forges, by the class of the answer's status",
        )?;
        for (provider, classes) in self.traffic.requests() {
            for (class, count) in classes {
                family.count(&[("provider", &*label(&provider)), ("status_class", class)], count)?;
            }
        }
        Ok(())
    }

    fn identities(&self, page: &mut Page<'_>) -> fmt::Result {
        let identities = &self.snapshot.identities;
        let mut family = page.gauge(
            "forgewatch_identity_expiry_timestamp_seconds",
            "When an identity's token ends, if that is known",
        )?;
        for identity in identities {
            family.put(&[("identity", &*label(&identity.name))], seconds(identity.expires_at))?;
        }
        let mut family = page.gauge(
            "forgewatch_identity_renews",
            "Whether an identity gets a new token by itself before it ends",
        )?;
        for identity in identities {
            family.put(&[("identity", &*label(&identity.name))], flag(identity.renews))?;
        }
        Ok(())
    }

    fn discoveries(&self, page: &mut Page<'_>) -> fmt::Result {
        let discoveries = &self.snapshot.discoveries;
        let mut family =
            page.gauge("forgewatch_discovered_repositories", "Repositories that a discovery has found")?;
        for discovery in discoveries {
            family.put(&[("discovery", &*label(&discovery.name))], discovery.repositories as f64)?;
        }
        let mut family = page.gauge(
            "forgewatch_discovery_last_success_timestamp_seconds",
            "When a discovery has listed everything last, 0 if never",
        )?;
        for discovery in discoveries {
            let at = discovery.listed_at.map_or(0.0, |at| seconds(at.into()));
            family.put(&[("discovery", &*label(&discovery.name))], at)?;
        }
        Ok(())
    }

    fn alerts(&self, page: &mut Page<'_>) -> fmt::Result {
        let help = "Beginnings and ends of incidents that a target of alerts has not taken yet";
        let mut family = page.gauge("forgewatch_alerts_pending", help)?;
        for target in &self.snapshot.alerts {
            family.put(&[("target", &*label(&target.name))], target.pending as f64)?;
        }
        let help = "Whether a target of alerts took the last message";
        let mut family = page.gauge("forgewatch_alert_target_up", help)?;
        for target in &self.snapshot.alerts {
            family.put(&[("target", &*label(&target.name))], flag(!target.is_failing))?;
        }
        Ok(())
    }

    fn trackers(&self, page: &mut Page<'_>) -> fmt::Result {
        let trackers = &self.snapshot.trackers;
        let help = "Incidents for which a tracker has not taken all that it is told";
        let mut family = page.gauge("forgewatch_tracker_pending", help)?;
        for tracker in trackers {
            family.put(&[("integration", &*label(&tracker.integration))], tracker.pending as f64)?;
        }
        let mut family =
            page.gauge("forgewatch_tracker_up", "Whether a tracker took what it was told last")?;
        for tracker in trackers {
            family.put(&[("integration", &*label(&tracker.integration))], flag(!tracker.is_failing))?;
        }
        let help = "Whether a tracker delivers what becomes of issues, if that is known";
        let mut family = page.gauge("forgewatch_tracker_subscription_up", help)?;
        for subscription in &self.snapshot.subscriptions {
            let (integration, project) = (label(&subscription.integration), label(&subscription.project));
            let labels = [("integration", &*integration), ("project", &*project)];
            family.put(&labels, flag(subscription.is_up))?;
        }
        Ok(())
    }

    fn config(&self, page: &mut Page<'_>) -> fmt::Result {
        let Snapshot { config_successful, config_loaded_at, .. } = self.snapshot;
        let help = "Whether the last attempt to read the configuration was taken over";
        page.alone("forgewatch_config_last_reload_successful", help, flag(config_successful))?;
        let (name, help) = (
            "forgewatch_config_last_reload_success_timestamp_seconds",
            "When the configuration that is in use was read",
        );
        page.alone(name, help, seconds(config_loaded_at.into()))
    }

    fn state(&self, page: &mut Page<'_>) -> fmt::Result {
        let state = &self.snapshot.state;
        page.alone(
            "forgewatch_state_persisting",
            "Whether writes to the state work",
            flag(state.persisting),
        )?;
        page.alone("forgewatch_state_waiting", "Rows that wait to be written", state.waiting as f64)?;
        let help = "Events that were given up, since they could not be written";
        page.total("forgewatch_state_dropped_events", help, state.dropped_events)?;
        let took = state.last_commit.as_secs_f64();
        page.alone(
            "forgewatch_state_commit_duration_seconds",
            "How long the last commit to the state took",
            took,
        )
    }
}

fn build_and_process(page: &mut Page<'_>) -> fmt::Result {
    let mut family = page.gauge("forgewatch_build_info", "The version that runs")?;
    family.put(&[("version", env!("CARGO_PKG_VERSION"))], 1.0)?;
    let process = Process::now();
    page.alone("process_start_time_seconds", "When the process began", seconds(process.started_at))?;
    if let Some(bytes) = process.resident_bytes {
        page.alone("process_resident_memory_bytes", "Memory that the process occupies", bytes as f64)?;
    }
    if let Some(count) = process.open_fds {
        page.alone("process_open_fds", "Open file descriptors", count as f64)?;
    }
    page.total("process_cpu_seconds", "Time that the process has computed", process.cpu.as_secs_f64())
}

fn flag(is_set: bool) -> f64 {
    f64::from(u8::from(is_set))
}

fn seconds(time: SystemTime) -> f64 {
    time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

struct Page<'a> {
    encoder: DescriptorEncoder<'a>,
}

/// One metric, with as many series as are put into it.
struct Family<'a>(MetricEncoder<'a>);

impl Page<'_> {
    fn gauge<'s>(&'s mut self, name: &'s str, help: &str) -> Result<Family<'s>, fmt::Error> {
        self.encoder.encode_descriptor(name, help, None, MetricType::Gauge).map(Family)
    }

    /// The text adds `_total` to the name.
    fn counter<'s>(&'s mut self, name: &'s str, help: &str) -> Result<Family<'s>, fmt::Error> {
        self.encoder.encode_descriptor(name, help, None, MetricType::Counter).map(Family)
    }

    fn alone(&mut self, name: &str, help: &str, value: f64) -> fmt::Result {
        ConstGauge::new(value).encode(self.gauge(name, help)?.0)
    }

    fn total(&mut self, name: &str, help: &str, value: impl EncodeCounterValue) -> fmt::Result {
        ConstCounter::new(value).encode(self.counter(name, help)?.0)
    }
}

impl Family<'_> {
    fn put(&mut self, labels: &[(&str, &str)], value: f64) -> fmt::Result {
        ConstGauge::new(value).encode(self.0.encode_family(&labels)?)
    }

    fn count(&mut self, labels: &[(&str, &str)], value: u64) -> fmt::Result {
        ConstCounter::new(value).encode(self.0.encode_family(&labels)?)
    }
}
