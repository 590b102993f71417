//! What of alerts, people and trackers is valid and can hardly be meant: it is told as a warning, since a team may come
//! before its labels.

use std::collections::{BTreeMap, BTreeSet};

use super::{alerts::Severity, model::Config, schema::Finding, values::Pattern};

/// The words for causes of incidents, which are another room's; a test there holds them against these.
pub(crate) const CAUSES: [&str; 5] = ["identity", "integration", "forge", "plugin", "repository"];
/// The words for reasons, likewise.
pub(crate) const REASONS: [&str; 13] = [
    "granted",
    "unauthorized",
    "forbidden",
    "not_found",
    "disabled",
    "identity_invalid",
    "rate_limited",
    "unreachable",
    "provider_error",
    "invalid_response",
    "base_url_unresolved",
    "timed_out",
    "plugin_failed",
];
/// Repositories with a severity of their own making that are named at most.
const MOST_NAMED: usize = 10;

/// Everything of alerts that probably does not do what it was written for.
pub(super) fn of_alerts(config: &Config) -> Vec<Finding> {
    let alerts = &config.alerts;
    let mut found = Vec::new();
    let leads_to = |name| {
        let routed = alerts.routes.values().flat_map(|route| &route.targets);
        routed.chain(&alerts.default).any(|it| it == name)
    };
    for name in alerts.targets.keys().filter(|name| !leads_to(*name)) {
        let help = "add it to `alerts.default`, which hears of what no route takes, or to a route";
        let message = "it hears of nothing: neither a route nor the default names it";
        found.push(finding(&["alerts", "targets", name], message, help));
    }
    if alerts.targets.is_empty() {
        return found;
    }
    if !alerts.routes.is_empty() && alerts.default.is_empty() {
        let message = "what no route takes is told to nobody";
        found.push(finding(&["alerts", "default"], message, "name a target here"));
    }
    let known = Known::of(config);
    let matches = alerts.routes.iter().map(|(name, route)| ("routes", name, &route.matches));
    let windows = alerts.maintenance.iter().map(|(name, window)| ("maintenance", name, &window.matches));
    for (table, name, patterns) in matches.chain(windows) {
        for (key, pattern) in patterns {
            if let Some(message) = known.doubt(key, pattern) {
                let path = ["alerts", table, name, "match", key];
                found.push(finding(&path, &message, "correct it, or leave it out"));
            }
        }
    }
    for key in alerts.group_by.iter().filter(|key| !known.has(key)) {
        let message = format!("nothing has the label `{}`", key.escape_debug());
        found.push(finding(&["alerts", "group_by"], &message, "group by labels that there are"));
    }
    found.extend(known.severities.into_iter().take(MOST_NAMED).map(|name| {
        let path = ["repositories", name, "labels", "severity"];
        finding(&path, "this is no severity, and is passed over", "write `info`, `warning` or `critical`")
    }));
    found
}

/// Everything of people and trackers that probably does not do what it was written for.
pub(super) fn of_trackers(config: &Config) -> Vec<Finding> {
    let mut found = Vec::new();
    if config.trackers.is_empty() && config.people.is_empty() {
        return found;
    }
    let known = Known::of(config);
    for (name, tracker) in &config.trackers {
        for (key, pattern) in &tracker.matches {
            if let Some(message) = known.doubt(key, pattern) {
                let path = ["trackers", name, "match", key];
                found.push(finding(&path, &message, "correct it, or leave it out"));
            }
        }
    }
    for (name, person) in &config.people {
        for team in person.teams.iter().filter(|team| !known.teams.contains(team.as_str())) {
            let message = format!("nothing has the label `team` with the value `{}`", team.escape_debug());
            let help = "correct it, or give what they are to have this label";
            found.push(finding(&["people", name, "teams"], &message, help));
        }
    }
    let mut holders = BTreeMap::new();
    for (name, person) in &config.people {
        for email in &person.emails {
            let first = *holders.entry(email.get().to_lowercase()).or_insert(name);
            if first != name {
                let message = format!(
                    "`people.{}` has the address {}, too, and comes first where neither has the incident",
                    first.escape_debug(),
                    email.get().escape_debug()
                );
                found.push(finding(&["people", name, "emails"], &message, "leave it to one of them"));
            }
        }
    }
    let mut told = BTreeSet::new();
    for (name, tracker) in &config.trackers {
        let Some(integration) = config.integrations.get(&tracker.integration) else { continue };
        let provider = &integration.provider;
        if config.providers.get(provider).is_some_and(|it| it.allow_write) || !told.insert(provider) {
            continue;
        }
        let message = format!(
            "`trackers.{}` cannot make issues nor change them: the provider may write nothing",
            name.escape_debug()
        );
        let help = format!("add `allow_write = true` under `[providers.{provider}]`");
        found.push(finding(&["providers", provider, "allow_write"], &message, &help));
    }
    found
}

fn finding(path: &[&str], message: &str, help: &str) -> Finding {
    Finding {
        path: path.iter().map(ToString::to_string).collect(),
        message: message.to_owned(),
        help: Some(help.to_owned()),
    }
}

/// What incidents can be routed by.
struct Known<'a> {
    /// Labels whose values are known, and these.
    closed: BTreeMap<&'static str, BTreeSet<&'a str>>,
    /// All others.
    labels: BTreeSet<&'a str>,
    /// The values of the label that says whose something is.
    teams: BTreeSet<&'a str>,
    /// Repositories with a severity that is none.
    severities: Vec<&'a str>,
}

impl<'a> Known<'a> {
    fn of(config: &'a Config) -> Self {
        let integrations = || config.integrations.iter();
        let closed = BTreeMap::from([
            ("severity", Severity::ALL.map(Severity::as_str).into()),
            ("cause", CAUSES.into()),
            ("reason", REASONS.into()),
            ("integration", integrations().map(|(name, _)| name.as_str()).collect()),
            ("provider", integrations().map(|(_, it)| it.provider.as_str()).collect()),
        ]);
        let mut labels = BTreeSet::from(["repository"]);
        let mut teams = BTreeSet::new();
        let mut note = |all: &'a BTreeMap<String, String>| {
            labels.extend(all.keys().map(String::as_str));
            teams.extend(all.get("team").map(String::as_str));
        };
        integrations().for_each(|(_, it)| note(&it.labels));
        config.discovery.values().for_each(|it| note(&it.labels));
        let mut severities = Vec::new();
        for (name, repository) in &config.repositories {
            note(&repository.labels);
            let is_none = |word: &String| Severity::ALL.iter().all(|it| it.as_str() != word);
            if repository.labels.get("severity").is_some_and(is_none) {
                severities.push(name.as_str());
            }
        }
        Self { closed, labels, teams, severities }
    }

    fn has(&self, key: &str) -> bool {
        self.closed.contains_key(key) || self.labels.contains(key)
    }

    fn doubt(&self, key: &str, pattern: &Pattern) -> Option<String> {
        match self.closed.get(key) {
            Some(values) => {
                let matcher = pattern.get().compile_matcher();
                let fits = values.iter().any(|value| matcher.is_match(value));
                let known: Vec<_> =
                    values.iter().map(|value| format!("`{}`", value.escape_debug())).collect();
                (!fits).then(|| format!("no incident has such a `{key}`; there is {}", known.join(", ")))
            }
            None if self.labels.contains(key) => None,
            None => Some(format!("nothing has the label `{}`", key.escape_debug())),
        }
    }
}
