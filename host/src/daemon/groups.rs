//! Which repositories are checked together, and when.
//!
//! Those of a project, or of an integration, that one request can tell about share a phase, so that they are due at
//! once. Whoever is due soon rides along with the first of them. What waits to be confirmed does not: its second look
//! has a time of its own.

use std::collections::HashMap;

use tokio::time::Instant;

use super::conductor::Conductor;
use super::ledger::Ledger;
use super::timing::Phase;
use crate::prepare::World;
use crate::sweep::Means;

/// The repositories of a world, by what they have in common.
#[derive(Default)]
pub(super) struct Groups {
    /// By repository.
    own: Vec<Phase>,
    by_project: Grouping,
    by_integration: Grouping,
}

/// One way to put repositories together.
#[derive(Default)]
struct Grouping {
    /// By repository.
    group: Vec<u32>,
    members: Vec<Vec<u32>>,
    phases: Vec<Phase>,
}

impl Groups {
    pub(super) fn of(world: &World) -> Self {
        let mut groups = Self::default();
        let mut known = HashMap::new();
        for (index, watched) in world.repositories.iter().enumerate() {
            let target = &watched.target;
            let integration = target.integration.name.as_str();
            groups.own.push(Phase::of(&target.name));
            let project = target.repository.as_ref().ok().and_then(|repository| repository.project());
            groups.by_project.add(index, &mut known, (integration, Some(project)));
            groups.by_integration.add(index, &mut known, (integration, None));
        }
        groups
    }

    fn of_means(&self, means: Option<Means>) -> Option<&Grouping> {
        match means? {
            Means::OneByOne => None,
            Means::Project => Some(&self.by_project),
            Means::Listing => Some(&self.by_integration),
        }
    }

    fn phase(&self, index: usize, means: Option<Means>) -> Phase {
        let grouping = self.of_means(means);
        grouping.map_or(self.own[index], |grouping| grouping.phases[grouping.group[index] as usize])
    }

    fn members(&self, index: usize, means: Option<Means>) -> &[u32] {
        self.of_means(means).map_or(&[], |grouping| &grouping.members[grouping.group[index] as usize])
    }
}

/// The integration and, where repositories are told apart by it, the project.
type Common<'a> = (&'a str, Option<Option<&'a str>>);

impl Grouping {
    fn add<'a>(&mut self, index: usize, known: &mut HashMap<Common<'a>, u32>, common: Common<'a>) {
        let group = *known.entry(common).or_insert_with(|| {
            let (integration, project) = common;
            self.phases.push(Phase::of(&format!("{integration}\0{}", project.flatten().unwrap_or_default())));
            self.members.push(Vec::new());
            self.members.len() as u32 - 1
        });
        self.group.push(group);
        self.members[group as usize].push(index as u32);
    }
}

impl Conductor {
    /// The phase of a repository, or of those that it is checked together with.
    pub(super) fn phase(&self, index: usize) -> Phase {
        self.groups.phase(index, self.integrations[self.queue.lane_of(index)].client.means())
    }

    /// The repositories that ride along with the check of the one at `index`, which starts now.
    pub(super) fn riders(&self, ledger: &Ledger, index: usize, now: Instant) -> Vec<usize> {
        let lane = self.queue.lane_of(index);
        let means = self.integrations[lane].client.means();
        let (Some(means), false) = (means, self.queue.lanes[lane].only_urgent) else { return Vec::new() };
        let repositories = &ledger.world.repositories;
        let fits = |index: usize| {
            repositories[index].target.repository.is_ok() && !ledger.entries[index].awaits_confirmation()
        };
        if self.queue.is_alone(index) || !fits(index) {
            return Vec::new();
        }
        let urged = self.queue.was_urged(index);
        let rides = |other: &usize| {
            let soon = now + repositories[*other].rules.interval.get() / 2;
            *other != index && self.queue.may_ride(*other, soon, urged) && fits(*other)
        };
        let members = self.groups.members(index, Some(means)).iter().map(|member| *member as usize);
        let riders: Vec<usize> = members.filter(rides).take(means.most() - 1).collect();
        if riders.len() + 1 < means.fewest() { Vec::new() } else { riders }
    }
}
