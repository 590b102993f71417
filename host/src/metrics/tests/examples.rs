//! The monitoring examples against the metrics that there really are, and the metrics against Prometheus' own checks.
//!
//! `promtool` is asked where it is installed.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use super::rendered;

fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples").join(name)
}

/// What `promtool` says to `arguments` in the folder of the rules, with `input`; nothing where it is not installed.
fn promtool(arguments: &[&str], input: &str) -> Option<Output> {
    let mut command = Command::new("promtool");
    command.args(arguments).current_dir(example("prometheus")).stdin(Stdio::piped());
    let Ok(mut child) = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn() else {
        println!("promtool is not installed: `promtool {}` is skipped", arguments.join(" "));
        return None;
    };
    let mut stdin = child.stdin.take().expect("it is piped");
    stdin.write_all(input.as_bytes()).expect("promtool reads");
    drop(stdin);
    Some(child.wait_with_output().expect("promtool ends"))
}

/// Everything in a text that looks like the name of a metric of ours.
fn named_in(text: &str) -> BTreeSet<String> {
    let words = text.split(|char: char| !char.is_ascii_alphanumeric() && char != '_' && char != ':');
    let is_metric = |word: &&str| word.starts_with("forgewatch_") || word.starts_with("process_");
    words.filter(is_metric).map(str::to_owned).collect()
}

/// The names of all series that a text of metrics can have.
fn series_of(metrics: &str) -> BTreeSet<String> {
    let types = metrics.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
    let names = types.flat_map(|(name, kind)| match kind {
        "histogram" => ["_bucket", "_sum", "_count"].map(|suffix| format!("{name}{suffix}")).to_vec(),
        _ => vec![name.to_owned()],
    });
    names.collect()
}

/// All expressions of a dashboard, those of its variables too.
fn queries(dashboard: &Value, found: &mut Vec<String>) {
    match dashboard {
        Value::Object(fields) => {
            for (name, value) in fields {
                match value.as_str() {
                    Some(query) if matches!(name.as_str(), "expr" | "definition" | "query") => {
                        found.push(query.to_owned());
                    }
                    _ => queries(value, found),
                }
            }
        }
        Value::Array(values) => values.iter().for_each(|value| queries(value, found)),
        _ => {}
    }
}

#[test]
fn every_metric_of_the_examples_exists() {
    let existing = series_of(&rendered::metrics());
    let rules = fs::read_to_string(example("prometheus/alerts.yml")).unwrap();
    let test = fs::read_to_string(example("prometheus/alerts.test.yml")).unwrap();
    let dashboard = fs::read_to_string(example("grafana/forgewatch.json")).unwrap();
    let mut expressions = Vec::new();
    queries(&serde_json::from_str(&dashboard).unwrap(), &mut expressions);
    assert!(expressions.len() > 30, "{expressions:#?}");
    for (example, text) in
        [("alerts.yml", rules), ("alerts.test.yml", test), ("forgewatch.json", expressions.join("\n"))]
    {
        let named = named_in(&text);
        assert!(named.len() > 10, "{example}: {named:?}");
        let missing: Vec<_> = named.difference(&existing).collect();
        assert!(missing.is_empty(), "{example} names {missing:?}, which is none of {existing:#?}");
    }
}

#[test]
fn the_dashboard_can_be_imported_anywhere() {
    let text = fs::read_to_string(example("grafana/forgewatch.json")).unwrap();
    let dashboard: Value = serde_json::from_str(&text).unwrap();
    assert!(dashboard["schemaVersion"].as_u64().unwrap() >= 41);
    assert_eq!(dashboard["id"], Value::Null, "a number would be another dashboard's");
    assert_eq!(dashboard["templating"]["list"][0]["type"], "datasource");
    let panels = dashboard["panels"].as_array().unwrap();
    let ids: BTreeSet<_> = panels.iter().map(|panel| panel["id"].as_u64().unwrap()).collect();
    assert_eq!(ids.len(), panels.len());
    let rows: Vec<_> = panels
        .iter()
        .filter(|panel| panel["type"] == "row")
        .map(|row| row["title"].as_str().unwrap())
        .collect();
    assert_eq!(rows, ["Access", "Incidents", "Checks and lag", "Forges", "Plugins", "State", "Process"]);
    for panel in panels.iter().filter(|panel| panel["type"] != "row") {
        assert_eq!(panel["datasource"]["uid"], "${datasource}", "{}", panel["title"]);
        let area = &panel["gridPos"];
        assert!(area["x"].as_u64().unwrap() + area["w"].as_u64().unwrap() <= 24, "{}", panel["title"]);
    }
}

#[test]
fn the_expressions_of_the_dashboard_are_valid() {
    let text = fs::read_to_string(example("grafana/forgewatch.json")).unwrap();
    let dashboard: Value = serde_json::from_str(&text).unwrap();
    let panels = dashboard["panels"].as_array().unwrap().iter();
    let targets = panels.filter_map(|panel| panel["targets"].as_array()).flatten();
    let rules = targets.enumerate().map(|(number, target)| {
        let expression = target["expr"].as_str().unwrap().replace("$__rate_interval", "5m");
        format!("  - record: panel:{number}\n    expr: {}\n", Value::from(expression))
    });
    let file = tempfile::NamedTempFile::new().unwrap();
    let rules: String = rules.collect();
    fs::write(file.path(), format!("groups:\n- name: dashboard\n  rules:\n{rules}")).unwrap();
    let Some(output) = promtool(&["check", "rules", &file.path().to_string_lossy()], "") else { return };
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn the_rules_fire_when_they_should() {
    for arguments in [["check", "rules", "alerts.yml"], ["test", "rules", "alerts.test.yml"]] {
        let Some(output) = promtool(&arguments, "") else { return };
        assert!(output.status.success(), "{arguments:?}: {output:?}");
    }
}

#[test]
fn prometheus_finds_nothing_wrong_with_the_metrics() {
    let metrics = rendered::metrics();
    assert!(metrics.lines().any(|line| line.starts_with("forgewatch_repository_access{")));
    super::assert_has(
        &metrics,
        &[
            "forgewatch_alert_target_up{target=\"chat\"} 0.0",
            "forgewatch_alerts_pending{target=\"chat\"} 2.0",
            "forgewatch_alerts_total{target=\"chat\",event=\"opened\"} 1",
            "forgewatch_alert_failures_total{target=\"chat\"} 1",
            "forgewatch_tracker_pending{integration=\"acme\"} 3.0",
            "forgewatch_tracker_up{integration=\"acme\"} 0.0",
            "forgewatch_tracker_subscription_up{integration=\"acme\",project=\"\"} 0.0",
        ],
    );
    let Some(output) = promtool(&["check", "metrics"], &metrics) else { return };
    assert!(
        output.status.success() && output.stdout.is_empty() && output.stderr.is_empty(),
        "{output:?}\n{metrics}"
    );
}
