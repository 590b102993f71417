use std::time::SystemTime;

use super::*;
use crate::journal::{Fingerprint, Incidents};
use crate::verdict::Reason;

const ACME: &str = r#"
    [integrations.acme]
    provider = "vsts"
    domain_name = "https://dev.azure.com/acme/"
    labels = { team = "platform" }
    [alerts.targets.chat]
    kind = "slack"
    url = { env = "CHAT" }
    [alerts.targets.pager]
    kind = "slack"
    url = { env = "PAGER" }
    [alerts.targets.rest]
    kind = "slack"
    url = { env = "REST" }
"#;

fn at(text: &str) -> Moment {
    humantime::parse_rfc3339(text).unwrap().into()
}

fn incident(reason: Reason) -> Incident {
    let print = Fingerprint::new("acme", reason, Cause::of(reason), "shop");
    let mut incidents = Incidents::default();
    incidents.failed(&print, "as seen", Moment::from(SystemTime::UNIX_EPOCH)).1.clone()
}

fn plan(alerts: &str) -> Plan {
    let (plan, problems) = Plan::of_text(&format!("{ACME}{alerts}"));
    assert_eq!(problems, [""; 0]);
    plan
}

#[track_caller]
fn check_targets(alerts: &str, reason: Reason, repository: &[(&str, &str)], expected: &[&str]) {
    let plan = plan(alerts);
    let own: Labels =
        repository.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    let (labels, _) = plan.labels(&incident(reason), Some(&own));
    assert_eq!(plan.targets(&labels), expected.iter().copied().collect(), "{labels:?}");
}

#[test]
fn an_incident_is_routed_by_what_its_owners_and_its_cause_say() {
    let plan = plan("");
    let own = Labels::from([("team".to_owned(), "shop".to_owned()), ("tier".to_owned(), "1".to_owned())]);
    let (labels, severity) = plan.labels(&incident(Reason::NotFound), Some(&own));
    let expected = [
        ("cause", "repository"),
        ("integration", "acme"),
        ("provider", "vsts"),
        ("reason", "not_found"),
        ("repository", "shop"),
        ("severity", "warning"),
        ("team", "shop"),
        ("tier", "1"),
    ];
    assert!(labels.iter().map(|(key, value)| (key.as_str(), value.as_str())).eq(expected), "{labels:?}");
    assert_eq!(severity, Severity::Warning);
    let (labels, severity) = plan.labels(&incident(Reason::Unauthorized), None);
    assert_eq!(
        (labels["team"].as_str(), labels.get("repository"), severity),
        ("platform", None, Severity::Critical)
    );
}

#[test]
fn a_label_says_how_bad_it_is_and_what_is_known_wins_over_labels_of_the_same_name() {
    let plan = plan("[alerts.severities]\nrepository = \"info\"");
    let severity = |word: &str| {
        let own = Labels::from([
            ("severity".to_owned(), word.to_owned()),
            ("integration".to_owned(), "x".to_owned()),
        ]);
        let (labels, severity) = plan.labels(&incident(Reason::NotFound), Some(&own));
        assert_eq!(labels["integration"], "acme");
        assert_eq!(labels["severity"], severity.as_str());
        severity
    };
    assert_eq!(severity("critical"), Severity::Critical);
    assert_eq!(severity("loud"), Severity::Info);
}

#[test]
fn every_route_that_fits_counts_and_the_default_only_where_none_does() {
    let routes = r#"
        default = ["rest"]
        [alerts.routes.shop]
        match = { team = "shop*" }
        targets = ["chat"]
        [alerts.routes.bad]
        match = { severity = "critical" }
        targets = ["pager", "chat"]
        [alerts.routes.nobody]
        match = { team = "shop", severity = "critical", tier = "?" }
        targets = ["rest"]
    "#;
    let alerts = format!("[alerts]\n{routes}");
    check_targets(&alerts, Reason::NotFound, &[], &["rest"]);
    check_targets(&alerts, Reason::NotFound, &[("team", "shop-web")], &["chat"]);
    check_targets(&alerts, Reason::Unauthorized, &[], &["chat", "pager"]);
    check_targets(
        &alerts,
        Reason::NotFound,
        &[("team", "Shop"), ("severity", "critical")],
        &["chat", "pager"],
    );
}

#[test]
fn without_routes_the_default_hears_of_all_and_without_it_nobody() {
    check_targets("[alerts]\ndefault = [\"chat\", \"chat\"]", Reason::NotFound, &[], &["chat"]);
    check_targets("", Reason::NotFound, &[], &[]);
    check_targets("[alerts.routes.all]\ntargets = [\"chat\"]", Reason::NotFound, &[], &["chat"]);
}

#[test]
fn maintenance_once_and_every_week() {
    let windows = r#"
        [alerts.maintenance.move]
        match = { integration = "acme" }
        from = "2026-12-05T20:00:00Z"
        until = "2026-12-06T02:00:00Z"
        [alerts.maintenance.other]
        match = { integration = "globex" }
        weekly = { days = ["mon", "tue", "wed", "thu", "fri", "sat"], from = "00:00", for = "1d" }
        [alerts.maintenance.nights]
        weekly = { days = ["sun", "wed"], from = "23:30", for = "2h" }
    "#;
    let plan = plan(windows);
    let (labels, _) = plan.labels(&incident(Reason::NotFound), None);
    for (moment, expected) in [
        ("2026-12-05T19:59:59Z", false),
        ("2026-12-05T20:00:00Z", true),
        ("2026-12-06T01:59:59Z", true),
        ("2026-12-06T02:00:00Z", false),
        // A Sunday.
        ("2026-12-06T23:29:59Z", false),
        ("2026-12-06T23:30:00Z", true),
        ("2026-12-07T01:29:59Z", true),
        ("2026-12-07T01:30:00Z", false),
        ("2026-12-07T23:40:00Z", false),
        ("2026-12-09T23:40:00Z", true),
    ] {
        assert_eq!(plan.is_silent(&labels, at(moment)), expected, "{moment}");
    }
    assert!(!plan.is_silent(&Labels::new(), at("2026-12-05T21:00:00Z")), "it is another's maintenance");
}

#[test]
fn what_makes_no_sense_is_told() {
    let wrong = r#"
        [integrations.globex]
        provider = "vsts"
        domain_name = "https://dev.azure.com/globex/"
        labels = { severity = "loud" }
        [alerts.maintenance.a]
        [alerts.maintenance.b]
        from = "2026-12-05T20:00:00Z"
        [alerts.maintenance.c]
        from = "2026-12-05T20:00:00Z"
        until = "2026-12-05T20:00:00Z"
        [alerts.maintenance.d]
        weekly = { from = "00:00", for = "25h" }
        [alerts.maintenance.f]
        weekly = { from = "09:00", for = "24h" }
        [alerts.maintenance.e]
        from = "2026-12-05T20:00:00Z"
        until = "2026-12-06T20:00:00Z"
        weekly = { from = "00:00", for = "1h" }
    "#;
    let (_, problems) = Plan::of_text(&format!("{ACME}{wrong}"));
    let expected = [
        "alerts.maintenance.a: it has no time",
        "alerts.maintenance.b: it has only one end",
        "alerts.maintenance.c: it is over before it begins",
        "alerts.maintenance.d: `weekly.for` is longer than a day",
        "alerts.maintenance.e: it has a time of its own and a weekly one",
        "alerts.maintenance.f: it never ends",
        "integrations.globex.labels.severity: this is no severity",
    ];
    assert_eq!(problems, expected);
}

#[test]
fn the_words_that_routes_may_name_are_those_that_there_are() {
    use crate::config::doubts::{CAUSES, REASONS};
    for word in REASONS {
        let reason: Reason = serde_json::from_value(word.into()).unwrap();
        assert!(reason.as_str() == word && CAUSES.contains(&Cause::of(reason).as_str()), "{word}");
    }
    for word in CAUSES {
        let cause: Cause = serde_json::from_value(word.into()).unwrap();
        assert_eq!(cause.as_str(), word);
    }
    assert!(serde_json::from_value::<Reason>("other".into()).is_err());
}
