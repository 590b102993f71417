//! Who is to hear of what, and when nobody is: labels, routes, maintenance. No I/O, and no clock but the one it is given.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use globset::GlobMatcher;

use crate::config::{self, Config, Loaded, Problem, Severity, Weekday};
use crate::journal::{Cause, Incident};
use crate::verdict::Moment;

/// What incidents are routed by.
pub type Labels = BTreeMap<String, String>;

/// The label that says how bad an incident is.
const SEVERITY: &str = "severity";
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// What the configuration says about who hears of what.
#[derive(Debug)]
pub(crate) struct Plan {
    /// How long a message waits for others that belong with it.
    pub(super) group_wait: Duration,
    /// The labels that those share which are told in one message.
    pub(super) group_by: Vec<String>,
    /// After how long it is told again that an incident goes on.
    pub(super) remind_after: Duration,
    /// After how long a message that its target does not take is given up.
    pub(super) give_up_after: Duration,
    severities: config::Severities,
    default: Vec<String>,
    routes: Vec<Route>,
    windows: Vec<Window>,
    integrations: BTreeMap<String, Owner>,
}

/// What is known of an integration for the sake of its incidents.
#[derive(Debug)]
struct Owner {
    provider: String,
    labels: Labels,
}

#[derive(Debug)]
struct Route {
    matches: Matches,
    targets: Vec<String>,
}

/// Patterns of labels that all have to fit.
#[derive(Debug)]
pub(crate) struct Matches(Vec<(String, GlobMatcher)>);

#[derive(Debug)]
struct Window {
    matches: Matches,
    time: Time,
}

#[derive(Debug)]
enum Time {
    Once { from: Moment, until: Moment },
    Weekly { days: Vec<Weekday>, from: Duration, length: Duration },
}

impl Plan {
    /// As the configuration has it; what is wrong with it is told.
    pub(crate) fn of(loaded: &Loaded, problems: &mut Vec<Problem>) -> Self {
        let Config { alerts, integrations, .. } = &loaded.config;
        let routes = alerts
            .routes
            .values()
            .map(|route| Route { matches: Matches::of(&route.matches), targets: route.targets.clone() });
        let windows = alerts.maintenance.iter().filter_map(|(name, configured)| {
            let matches = Matches::of(&configured.matches);
            match Time::of(configured) {
                Ok(time) => Some(Window { matches, time }),
                Err((message, help)) => {
                    let path = ["alerts", "maintenance", name];
                    problems.push(loaded.problem(&path, message, Some(help.to_owned())));
                    None
                }
            }
        });
        let windows = windows.collect();
        let integrations = integrations.iter().map(|(name, configured)| {
            if configured.labels.get(SEVERITY).is_some_and(|word| severity(word).is_none()) {
                let help = "write `info`, `warning` or `critical`".to_owned();
                let path = ["integrations", name, "labels", SEVERITY];
                problems.push(loaded.problem(&path, "this is no severity", Some(help)));
            }
            let owner = Owner { provider: configured.provider.clone(), labels: configured.labels.clone() };
            (name.clone(), owner)
        });
        Self {
            group_wait: alerts.group_wait.get(),
            group_by: alerts.group_by.clone(),
            remind_after: alerts.remind_after.get(),
            give_up_after: alerts.give_up_after.get(),
            severities: alerts.severities,
            default: alerts.default.clone(),
            routes: routes.collect(),
            windows,
            integrations: integrations.collect(),
        }
    }

    /// What an incident is routed by, and how bad it is. `repository` are the labels of its repository, where it is
    /// that one's alone.
    pub(crate) fn labels(&self, incident: &Incident, repository: Option<&Labels>) -> (Labels, Severity) {
        let owner = self.integrations.get(&incident.integration);
        let mut labels = owner.map(|owner| owner.labels.clone()).unwrap_or_default();
        labels.extend(repository.into_iter().flatten().map(|(key, value)| (key.clone(), value.clone())));
        let severity =
            labels.get(SEVERITY).and_then(|word| severity(word)).unwrap_or(self.severity(incident.cause));
        let known = [
            ("integration", Some(incident.integration.as_str())),
            ("provider", owner.map(|owner| owner.provider.as_str())),
            ("repository", incident.repository.as_deref()),
            ("reason", Some(incident.reason.as_str())),
            ("cause", Some(incident.cause.as_str())),
            (SEVERITY, Some(severity.as_str())),
        ];
        let known = known.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?.to_owned())));
        labels.extend(known);
        (labels, severity)
    }

    /// Who hears of an incident with these labels: whoever any route that fits names, or else the default.
    pub(super) fn targets(&self, labels: &Labels) -> BTreeSet<&str> {
        let mut fitting = self.routes.iter().filter(|route| route.matches.fit(labels)).peekable();
        let targets: Vec<_> = match fitting.peek() {
            Some(_) => fitting.flat_map(|route| &route.targets).collect(),
            None => self.default.iter().collect(),
        };
        targets.into_iter().map(String::as_str).collect()
    }

    /// Whether it is a time at which nobody is told of what has these labels.
    pub(super) fn is_silent(&self, labels: &Labels, now: Moment) -> bool {
        self.windows.iter().any(|window| window.time.is_at(now) && window.matches.fit(labels))
    }

    fn severity(&self, cause: Cause) -> Severity {
        match cause {
            Cause::Identity => self.severities.identity,
            Cause::Integration => self.severities.integration,
            Cause::Forge => self.severities.forge,
            Cause::Plugin => self.severities.plugin,
            Cause::Repository => self.severities.repository,
        }
    }
}

fn severity(word: &str) -> Option<Severity> {
    Severity::ALL.into_iter().find(|it| it.as_str() == word)
}

impl Matches {
    pub(crate) fn of(patterns: &BTreeMap<String, config::Pattern>) -> Self {
        let matchers = patterns.iter().map(|(key, pattern)| (key.clone(), pattern.get().compile_matcher()));
        Self(matchers.collect())
    }

    /// A label that is not there is empty, as everywhere where labels are matched.
    pub(crate) fn fit(&self, labels: &Labels) -> bool {
        self.0.iter().all(|(key, pattern)| pattern.is_match(labels.get(key).map_or("", String::as_str)))
    }
}

impl Time {
    fn of(configured: &config::Maintenance) -> Result<Self, (&'static str, &'static str)> {
        let once = "write `from` and `until`, or `weekly`";
        match (configured.from, configured.until, &configured.weekly) {
            (Some(from), Some(until), None) if from.get() < until.get() => {
                Ok(Self::Once { from: from.get().into(), until: until.get().into() })
            }
            (Some(_), Some(_), None) => Err(("it is over before it begins", "let `until` be after `from`")),
            (None, None, Some(weekly)) if weekly.length.get() == DAY && is_every_day(&weekly.days) => {
                Err(("it never ends", "shorten `weekly.for`, or take out the targets"))
            }
            (None, None, Some(weekly)) if weekly.length.get() <= DAY => Ok(Self::Weekly {
                days: weekly.days.clone(),
                from: weekly.from.since_midnight(),
                length: weekly.length.get(),
            }),
            (None, None, Some(_)) => {
                Err(("`weekly.for` is longer than a day", "name several `days`, with a day at most for each"))
            }
            (None, None, None) => Err(("it has no time", once)),
            (_, _, Some(_)) => Err(("it has a time of its own and a weekly one", once)),
            _ => Err(("it has only one end", once)),
        }
    }

    fn is_at(&self, now: Moment) -> bool {
        match self {
            Self::Once { from, until } => (*from..*until).contains(&now),
            Self::Weekly { days, from, length } => {
                let of_day = Duration::from_millis(now.unix_ms().rem_euclid(86_400_000).unsigned_abs());
                let began_on = |day: i64, elapsed: Option<Duration>| {
                    let is_meant = days.is_empty() || days.contains(&weekday(day));
                    is_meant && elapsed.is_some_and(|elapsed| elapsed < *length)
                };
                // It may have begun yesterday.
                began_on(now.day(), of_day.checked_sub(*from))
                    || began_on(now.day() - 1, (of_day + DAY).checked_sub(*from))
            }
        }
    }
}

fn is_every_day(days: &[Weekday]) -> bool {
    days.is_empty() || (0..7).all(|day| days.contains(&weekday(day)))
}

/// The day of the week of a day counted from 1970, which began on a Thursday.
fn weekday(day: i64) -> Weekday {
    use Weekday::{Fri, Mon, Sat, Sun, Thu, Tue, Wed};
    [Thu, Fri, Sat, Sun, Mon, Tue, Wed][usize::try_from(day.rem_euclid(7)).unwrap_or(0)]
}

#[cfg(test)]
impl Plan {
    /// Of a configuration of which nothing else is looked at, in TOML; with what is wrong with it, by key.
    pub(super) fn of_text(text: &str) -> (Self, Vec<String>) {
        let loaded = config::of_text(text);
        let mut problems = Vec::new();
        let plan = Self::of(&loaded, &mut problems);
        (plan, problems.into_iter().map(|problem| format!("{}: {}", problem.key, problem.message)).collect())
    }
}
