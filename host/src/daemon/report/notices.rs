//! What is wrong, in words, each with a way out: `forgewatch status` and the page say the same.
//!
//! A report may come from another process, so whatever is text in it is made harmless here again. Names stand between
//! backquotes. Incidents are not here: who shows them decides how many and in which groups.

use std::time::Duration;

use serde::Serialize;

use super::{DiscoveryReport, IdentityReport, IntegrationReport, PluginReport, Report, Stamp, shown};
use crate::alerts::TargetReport;
use crate::daemon::HeldFor;
use crate::text::rough;
use crate::tracker::subscribing::command;
use crate::tracker::{Status, SubscriptionReport, TrackerReport};
use crate::verdict::Moment;

/// Identities that end within so long are named.
const SOON: Duration = Duration::from_secs(14 * 24 * 60 * 60);

/// A subscription that is made takes no longer.
const CUT_OFF: Duration = Duration::from_secs(5 * 60);

/// Something to know, and perhaps to do. All text in it is safe to print.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Notice {
    /// How bad it is.
    pub weight: Weight,
    /// What is the matter.
    pub what: String,
    /// What was seen, line by line.
    pub details: Vec<String>,
    /// What to do.
    pub way_out: Option<String>,
}

/// How bad something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Weight {
    /// It costs answers now.
    Problem,
    /// It may, or will.
    Notice,
}

impl Notice {
    fn problem(what: impl Into<String>) -> Self {
        Self { weight: Weight::Problem, what: what.into(), details: Vec::new(), way_out: None }
    }

    fn remark(what: impl Into<String>) -> Self {
        Self { weight: Weight::Notice, ..Self::problem(what) }
    }

    fn detailed(mut self, detail: Option<&str>) -> Self {
        self.details.extend(detail.unwrap_or_default().lines().map(shown));
        self
    }

    fn with_way_out(self, way_out: impl Into<String>) -> Self {
        Self { way_out: Some(way_out.into()), ..self }
    }
}

impl Report {
    /// What is the matter with the daemon itself.
    pub fn notices_of_daemon(&self) -> Vec<Notice> {
        let (state, config) = (&self.state, &self.config);
        let mut notices = Vec::new();
        if !self.ready {
            notices.push(
                Notice::problem("the daemon takes no orders: it is stopping").with_way_out(
                    "wait, then start it again with `forgewatch run` unless something else does",
                ),
            );
        }
        if !state.persisting {
            let since = state.since.map(|since| format!(" for {}", rough(since.age()))).unwrap_or_default();
            let problem = Notice::problem(format!("nothing has been saved{since}"));
            let waiting = state.waiting;
            notices.push(problem.detailed(state.problem.as_deref()).with_way_out(format!(
                "see to that before the daemon ends: {waiting} rows wait, and are lost with it"
            )));
        }
        if !config.successful {
            let (tried, used) = (rough(config.at.age()), rough(config.loaded_at.age()));
            let what = format!("the reload {tried} ago failed; what was read {used} ago is in use");
            let problem =
                config.problems.iter().fold(Notice::problem(what), |it, problem| it.detailed(Some(problem)));
            notices.push(problem.with_way_out("correct it, try `forgewatch run --dry-run`, then reload"));
        }
        notices.extend(self.plugins.iter().filter_map(of_plugin));
        notices.extend(self.alerts.iter().filter_map(of_target));
        notices.extend(self.trackers.iter().filter_map(of_tracker));
        notices.extend(self.subscriptions.iter().filter_map(of_subscription));
        if config.successful && !config.needs_restart.is_empty() {
            let keys: Vec<_> = config.needs_restart.iter().map(|key| shown(key)).collect();
            let what = format!("changed, and used only after a restart: {}", keys.join(", "));
            notices.push(Notice::remark(what));
        }
        notices
    }

    /// What is the matter with what it watches with: forges, identities and discoveries.
    pub fn notices_of_forges(&self) -> Vec<Notice> {
        let mut notices: Vec<_> = self.integrations.iter().flat_map(of_integration).collect();
        notices.extend(self.ending(SOON).map(of_identity));
        notices.extend(self.discoveries.iter().filter_map(of_discovery));
        notices
    }

    /// All of it in a few words.
    pub fn in_short(&self) -> &'static str {
        let all = self.repositories;
        let is_missing = all.denied > 0 || self.incidents_open > 0;
        match (self.is_degraded(), is_missing) {
            (true, true) => "access is missing, and the daemon is not well",
            (true, false) => "the daemon is not well",
            (false, true) => "access is missing",
            (false, false) if self.in_trouble().next().is_some() => "a forge is in trouble",
            (false, false) if self.has_trouble() => "a discovery cannot list",
            (false, false) if all.granted == all.total => "all is well",
            (false, false) => "nothing is known to be wrong",
        }
    }
}

fn of_target(target: &TargetReport) -> Option<Notice> {
    let (name, kind) = (shown(&target.name), shown(&target.kind));
    let Some(since) = target.failing_since else {
        let quiet = (target.quiet > 0).then_some(target.quiet)?;
        let incidents = if quiet == 1 { "incident" } else { "incidents" };
        let what = format!("maintenance keeps {quiet} open {incidents} from the target of alerts `{name}`");
        return Some(Notice::remark(what));
    };
    let what = format!(
        "the target of alerts `{name}` ({kind}) has not taken what it is told for {}",
        rough(since.age())
    );
    let pending = target.pending;
    let way_out =
        format!("put it right, then try `forgewatch alerts test`; what it is to be told ({pending}) waits");
    Some(Notice::problem(what).detailed(target.problem.as_deref()).with_way_out(way_out))
}

fn of_tracker(tracker: &TrackerReport) -> Option<Notice> {
    let (name, pending) = (shown(&tracker.integration), tracker.pending);
    let problem = tracker.problem.as_deref();
    let Some(since) = tracker.failing_since else {
        let what = format!("the tracker of `{name}` does not take all that it is told");
        return problem.map(|problem| Notice::remark(what).detailed(Some(problem)));
    };
    let what = format!("the tracker of `{name}` has not taken what it is told for {}", rough(since.age()));
    let waits = match pending {
        1 => "1 incident waits, and is tried again".to_owned(),
        pending => format!("{pending} incidents wait, and are tried again"),
    };
    let way_out = format!("put it right; {waits}");
    Some(Notice::problem(what).detailed(problem).with_way_out(way_out))
}

fn of_subscription(subscription: &SubscriptionReport) -> Option<Notice> {
    let SubscriptionReport { integration, project, status, detail, problem, since, made_at, .. } =
        subscription;
    let issues = match project {
        Some(project) => format!("issues of `{}` in `{}`", shown(integration), shown(project)),
        None => format!("issues of `{}`", shown(integration)),
    };
    let run = || format!("run `{}`", command(integration, project.as_deref()));
    let known = since.map(|since| format!(" for {}", rough(since.age()))).unwrap_or_default();
    match status {
        Status::Disabled | Status::Missing => {
            let word = status.as_str();
            let what =
                format!("what becomes of {issues} is not delivered: the subscription is {word}{known}");
            Some(Notice::problem(what).detailed(detail.as_deref()).with_way_out(run()))
        }
        Status::OnProbation => {
            let what =
                format!("what becomes of {issues} could not be delivered; the tracker is about to end that");
            let notice = Notice::remark(what).detailed(detail.as_deref());
            Some(notice.with_way_out(format!("see whether the tracker reaches {}", shown(&subscription.url))))
        }
        Status::Unfinished if made_at.age() > CUT_OFF => {
            let what = format!("a subscription to {issues} was begun {} ago", rough(made_at.age()));
            Some(Notice::remark(format!("{what}, and not finished")).with_way_out(run()))
        }
        Status::Unknown if problem.is_some() => {
            let what = format!("whether what becomes of {issues} is delivered, the tracker does not say");
            Some(Notice::remark(what).detailed(problem.as_deref()))
        }
        _ => None,
    }
}

fn of_plugin(PluginReport { key, state, cause }: &PluginReport) -> Option<Notice> {
    match (state.as_str(), cause) {
        ("ready", None) => None,
        ("ready", Some(cause)) => Some(
            Notice::remark(format!("the plugin `{}` works, but not as it is on disk", shown(key)))
                .detailed(Some(cause))
                .with_way_out("put a build in its place that can be used, and see `forgewatch plugin list`"),
        ),
        (_, cause) => Some(
            Notice::problem(format!("the plugin `{}` is {}", shown(key), shown(state)))
                .detailed(cause.as_deref())
                .with_way_out("see `forgewatch plugin list`; its repositories have no verdict meanwhile"),
        ),
    }
}

fn of_integration(integration: &IntegrationReport) -> Vec<Notice> {
    let name = shown(&integration.name);
    let trouble = integration.trouble_since.map(|since| {
        Notice::remark(format!("the forge of `{name}` has been in trouble for {}", rough(since.age())))
    });
    let held = integration.held_until.map(|until| {
        let why = match integration.held_for {
            Some(HeldFor::RateBudget) => {
                ": what its forge lets the identity ask is used up, but for a share that is kept for `forgewatch \
                 check` and the like"
            }
            Some(HeldFor::RateLimit) => ": its forge limits requests",
            Some(HeldFor::Trouble) | None => "",
        };
        Notice::remark(format!("checks of `{name}` pause until {}{why}", second(until)))
    });
    trouble.into_iter().chain(held).collect()
}

fn of_identity(identity: &IdentityReport) -> Notice {
    let (name, end) = (shown(&identity.name), identity.expires_at);
    let what = match end.0.since(Moment::now()) {
        Duration::ZERO => format!("the identity `{name}` ended {} ago", rough(end.age())),
        left => format!("the identity `{name}` ends in {}, at {}", rough(left), second(end)),
    };
    Notice::remark(what)
        .with_way_out("make a new credential, put it in the place of the old one, then reload")
}

fn of_discovery(discovery: &DiscoveryReport) -> Option<Notice> {
    let DiscoveryReport { name, repositories, listed_at, problem, incomplete, .. } = discovery;
    let name = shown(name);
    let last = match listed_at {
        Some(at) => format!("everything was listed {} ago", rough(at.age())),
        None => "nothing was listed yet".to_owned(),
    };
    if problem.is_some() {
        let notice = Notice::problem(format!("discovery `{name}` cannot list; {last}"));
        Some(notice.detailed(problem.as_deref()).with_way_out(format!(
            "the {repositories} repositories that it has found are watched; new ones are not seen"
        )))
    } else if incomplete.is_some() {
        let notice = Notice::remark(format!("discovery `{name}` may miss something; {last}"));
        Some(notice.detailed(incomplete.as_deref()))
    } else if *repositories == 0 && listed_at.is_some() {
        let notice = Notice::remark(format!("discovery `{name}` has found nothing; {last}"));
        Some(
            notice.with_way_out(
                "see whether its `include` is right, and whether its identity is granted anything",
            ),
        )
    } else {
        None
    }
}

fn second(stamp: Stamp) -> String {
    humantime::format_rfc3339_seconds(stamp.0.into()).to_string()
}
