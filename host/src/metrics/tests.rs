mod examples;
mod rendered;

use super::*;
use crate::state::Health;
use crate::verdict::Moment;

fn nothing() -> Snapshot {
    Snapshot {
        repositories: Vec::new(),
        integrations: Vec::new(),
        checks_running: 0,
        incidents: Vec::new(),
        plugins: Vec::new(),
        identities: Vec::new(),
        discoveries: Vec::new(),
        alerts: Vec::new(),
        trackers: Vec::new(),
        subscriptions: Vec::new(),
        config_successful: true,
        config_loaded_at: Moment::now(),
        state: Health::default(),
        access: Vec::new(),
    }
}

#[track_caller]
fn assert_has(text: &str, lines: &[&str]) {
    for line in lines {
        assert!(text.lines().any(|found| found == *line), "{line} is not in\n{text}");
    }
}

#[test]
fn a_discovery_that_never_listed_everything_did_so_in_1970() {
    let discovery = |name: &str, listed_at| Discovery { name: name.to_owned(), repositories: 7, listed_at };
    let listed_at = Some(Moment::from(std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_700_000_000)));
    let discoveries = vec![discovery("new", None), discovery("old", listed_at)];
    let text = Metrics::default().render(Snapshot { discoveries, ..nothing() });
    assert_has(
        &text,
        &[
            r#"forgewatch_discovered_repositories{discovery="old"} 7.0"#,
            r#"forgewatch_discovery_last_success_timestamp_seconds{discovery="new"} 0.0"#,
            r#"forgewatch_discovery_last_success_timestamp_seconds{discovery="old"} 1700000000.0"#,
        ],
    );
}

#[test]
fn what_happened_is_counted_by_all_clones_together() {
    let metrics = Metrics::default();
    metrics.checked("vsts", Reason::Granted, Duration::from_millis(30));
    metrics.clone().checked("vsts", Reason::Granted, Duration::from_secs(61));
    metrics.checked("vsts", Reason::NotFound, Duration::from_millis(1));
    metrics.started(Duration::from_secs(2));
    metrics.turned(None, Reason::Granted);
    metrics.turned(Some(Reason::Granted), Reason::Forbidden);
    metrics.turned(Some(Reason::Forbidden), Reason::NotFound);
    metrics.reloaded(false);
    let text = metrics.render(nothing());
    assert_has(
        &text,
        &[
            "# TYPE forgewatch_checks_total counter",
            r#"forgewatch_checks_total{provider="vsts",verdict="granted",reason="granted"} 2"#,
            r#"forgewatch_checks_total{provider="vsts",verdict="denied",reason="not_found"} 1"#,
            r#"forgewatch_check_duration_seconds_bucket{le="0.05",provider="vsts"} 2"#,
            r#"forgewatch_check_duration_seconds_bucket{le="+Inf",provider="vsts"} 3"#,
            r#"forgewatch_schedule_lag_seconds_bucket{le="1.0"} 0"#,
            r#"forgewatch_schedule_lag_seconds_bucket{le="5.0"} 1"#,
            r#"forgewatch_transitions_total{from="unknown",to="granted"} 1"#,
            r#"forgewatch_transitions_total{from="granted",to="denied"} 1"#,
            r#"forgewatch_transitions_total{from="denied",to="denied"} 1"#,
            r#"forgewatch_config_reloads_total{outcome="failure"} 1"#,
            r#"forgewatch_config_reloads_total{outcome="success"} 0"#,
            concat!("forgewatch_build_info{version=\"", env!("CARGO_PKG_VERSION"), "\"} 1.0"),
        ],
    );
    assert!(!text.contains("# EOF"), "{text}");
}

#[test]
fn what_vanished_leaves_no_series() {
    let metrics = Metrics::default();
    let integration = Integration {
        name: "acme".to_owned(),
        stale: 0,
        waiting: 1,
        is_held: false,
        is_investigating: false,
        rate_budget: Some(41),
    };
    let before = metrics.render(Snapshot { integrations: vec![integration], ..nothing() });
    assert_has(
        &before,
        &[
            r#"forgewatch_checks_waiting{integration="acme"} 1.0"#,
            r#"forgewatch_rate_budget_remaining{integration="acme"} 41.0"#,
        ],
    );
    assert!(!metrics.render(nothing()).contains("acme"));
}

#[test]
fn plugins_and_odd_names_are_told_properly() {
    let metrics = Metrics::default();
    let plugin = Plugin {
        provider: "git\"hub\\\n".to_owned(),
        is_up: true,
        restarts: vec![("crashed", 2), ("killed", 0)],
    };
    let text = metrics.render(Snapshot { plugins: vec![plugin], ..nothing() });
    let label = label("git\"hub\\\n").replace('\\', "\\\\").replace('"', "\\\"");
    assert_has(
        &text,
        &[
            &format!("forgewatch_plugin_up{{provider=\"{label}\"}} 1.0"),
            &format!("forgewatch_plugin_restarts_total{{provider=\"{label}\",cause=\"crashed\"}} 2"),
        ],
    );
}
