//! Everything at a glance: how access stands, what is wrong now and what to do, and whether the daemon itself is well.

use std::collections::{BTreeMap, BTreeSet};

use minijinja::context;
use serde::Serialize;

use super::bar::{Share, shares};
use super::render::{Frame, value};
use super::visit::{Answered, Visit};
use crate::daemon::{IntegrationReport, Ledger, Report};
use crate::journal::{Cause, Incident};
use crate::verdict::{Moment, Reason, Stamp, Verdict};

/// Groups of incidents that are shown, those that cost most first.
pub(super) const MOST_GROUPS: usize = 20;
/// Integrations that are shown, those in need first.
const MOST_INTEGRATIONS: usize = 12;

/// Open incidents of one integration that are alike.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Group {
    pub(super) integration: String,
    pub(super) cause: Cause,
    pub(super) reason: Reason,
    /// How many there are.
    pub(super) incidents: usize,
    /// Repositories that they hold.
    pub(super) affected: u64,
    /// When the first of them was opened.
    first_seen: Stamp,
    /// When a check failed for one of them at last.
    last_seen: Stamp,
    /// What was seen then.
    detail: String,
    /// The one incident, where there is no other.
    id: Option<String>,
    /// Its repository, where it is that one's alone.
    repository: Option<String>,
}

/// All groups, counted, and the first of them.
pub(super) struct Groups {
    pub(super) shown: Vec<Group>,
    pub(super) more: usize,
    /// Open incidents in all of them.
    pub(super) open: usize,
    /// Whether some are of access that was denied.
    has_losses: bool,
    /// The integrations whose forges are the cause of some.
    unclear: BTreeSet<String>,
}

/// An integration with its bar.
#[derive(Serialize)]
struct Brief {
    #[serde(flatten)]
    report: IntegrationReport,
    repositories: usize,
    /// Whether it is an open incident that its forge cannot be asked.
    is_unclear: bool,
    shares: Vec<Share>,
}

pub(super) async fn show(visit: Visit) -> Answered {
    let report = visit.site.view.status().await?;
    let groups = visit.site.view.look(Groups::of).await?;
    let all = report.repositories;
    let bar = shares([
        ("denied", all.denied),
        ("indeterminate", all.indeterminate),
        ("unknown", all.unknown),
        ("granted", all.granted),
    ]);
    let integrations_in_all = report.integrations.len();
    let content = context! {
        in_short => report.in_short(),
        mood => mood(&report, groups.has_losses),
        shares => value(bar),
        groups => value(&groups.shown),
        groups_more => groups.more,
        daemon => value(report.notices_of_daemon()),
        forges => value(report.notices_of_forges()),
        integrations => value(briefs(&report, &groups.unclear)),
        integrations_in_all,
        report => value(&report),
    };
    let headline = format!(
        "{}: {} of {} repositories are denied, {} incidents are open",
        report.in_short(),
        all.denied,
        all.total,
        report.incidents_open
    );
    visit.answer("overview.html", Frame::of("overview", "Overview", headline), content).await
}

/// How bad it is, as the verdict whose colour and symbol say so: an outage, of a forge or of the daemon, is no loss.
fn mood(report: &Report, has_losses: bool) -> &'static str {
    let is_lost = has_losses || report.repositories.denied > 0;
    match (is_lost, report.is_degraded() || report.has_trouble()) {
        (true, _) => "denied",
        (false, true) => "indeterminate",
        (false, false) if report.repositories.granted == report.repositories.total => "granted",
        (false, false) => "unknown",
    }
}

fn briefs(report: &Report, unclear: &BTreeSet<String>) -> Vec<Brief> {
    let mut integrations: Vec<&IntegrationReport> = report.integrations.iter().collect();
    // What is alike stays in the order of names.
    integrations.sort_by_key(|it| {
        let is_well = it.trouble_since.is_none() && it.held_until.is_none();
        (is_well, std::cmp::Reverse((it.denied, it.indeterminate)))
    });
    let shown = integrations.into_iter().take(MOST_INTEGRATIONS).map(|it| Brief {
        report: it.clone(),
        is_unclear: unclear.contains(&it.name),
        repositories: it.granted + it.denied + it.indeterminate + it.unknown,
        shares: shares([
            ("denied", it.denied),
            ("indeterminate", it.indeterminate),
            ("unknown", it.unknown),
            ("granted", it.granted),
        ]),
    });
    shown.collect()
}

impl Groups {
    /// In one pass over the open incidents.
    pub(super) fn of(ledger: &Ledger) -> Self {
        let mut groups: BTreeMap<(&str, Cause, Reason), Gathered<'_>> = BTreeMap::new();
        for incident in ledger.incidents.open() {
            let key = (incident.integration.as_str(), incident.cause, incident.reason);
            groups.entry(key).and_modify(|it| it.add(incident)).or_insert_with(|| Gathered::of(incident));
        }
        let mut groups: Vec<_> = groups.into_values().collect();
        groups.sort_by_key(|group| (std::cmp::Reverse(group.affected), group.first_seen));
        let more = groups.len().saturating_sub(MOST_GROUPS);
        let open = groups.iter().map(|group| group.incidents).sum();
        let of_forges = groups.iter().filter(|group| group.latest.cause == Cause::Forge);
        let unclear = of_forges.map(|group| group.latest.integration.clone()).collect();
        let has_losses = groups.iter().any(|group| group.latest.reason.verdict() == Verdict::Denied);
        let shown = groups.into_iter().take(MOST_GROUPS).map(Group::from).collect();
        Self { shown, more, open, has_losses, unclear }
    }
}

/// A group while it grows; nothing is copied before it is known which ones are shown.
struct Gathered<'a> {
    latest: &'a Incident,
    incidents: usize,
    affected: u64,
    first_seen: Moment,
}

impl<'a> Gathered<'a> {
    fn of(incident: &'a Incident) -> Self {
        let affected = u64::from(incident.affected);
        Self { latest: incident, incidents: 1, affected, first_seen: incident.first_seen }
    }

    fn add(&mut self, incident: &'a Incident) {
        self.incidents += 1;
        self.affected += u64::from(incident.affected);
        self.first_seen = self.first_seen.min(incident.first_seen);
        if incident.last_seen > self.latest.last_seen {
            self.latest = incident;
        }
    }
}

impl From<Gathered<'_>> for Group {
    fn from(gathered: Gathered<'_>) -> Self {
        let Gathered { latest, incidents, affected, first_seen } = gathered;
        let is_one = incidents == 1;
        Self {
            integration: latest.integration.clone(),
            cause: latest.cause,
            reason: latest.reason,
            incidents,
            affected,
            first_seen: first_seen.into(),
            last_seen: latest.last_seen.into(),
            detail: latest.detail.clone(),
            id: is_one.then(|| latest.id.clone()),
            repository: latest.repository.clone().filter(|_| is_one),
        }
    }
}
