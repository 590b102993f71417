//! What a configuration is going to ask of forges, and how soon it finds a loss: reckoned, with nobody asked.
//!
//! Pure numbers. What they come from is `prepare`'s, how they look is `cli`'s.

use std::collections::BTreeMap;
use std::time::Duration;

use forgewatch_plugin_api::Limits;
use serde::Serialize;

use crate::services::budget::reserve;
use crate::sweep::{LARGEST_BATCH, Means};

/// Repositories of a listing's page where the provider does not say.
const USUAL_PAGE: u32 = 100;
/// How often canaries are asked, one round after another, before something is believed of an integration.
const ROUNDS_OF_CANARIES: u32 = 3;
const HOUR_S: f64 = 3600.0;

/// What a provider offers beyond checks of one repository, and what its forge allows.
#[derive(Clone, Copy, Debug, Default)]
pub struct Offer {
    /// Whether it checks the repositories of a project together.
    pub batches: bool,
    /// Whether it lists what the identity is granted.
    pub lists: bool,
    /// What one identity may ask.
    pub limits: Limits,
}

/// An integration with the repositories that are known of it.
#[derive(Clone, Debug)]
pub struct Planned {
    /// Its name.
    pub integration: String,
    /// Its provider's key.
    pub provider: String,
    /// The name of its identity.
    pub identity: Option<String>,
    /// Where its forge is: scheme, host and port.
    pub forge: String,
    /// What its provider offers.
    pub offer: Offer,
    /// Its repositories.
    pub repositories: Vec<Known>,
}

/// A repository, as far as it matters here.
#[derive(Clone, Debug)]
pub struct Known {
    /// The project that it belongs to.
    pub project: Option<String>,
    /// Time between two checks.
    pub interval: Duration,
    /// Denials in a row that are believed.
    pub failure_threshold: u32,
}

/// Times that hold for all.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    /// How long one check may take.
    pub check_timeout: Duration,
    /// How soon a denial is followed up.
    pub confirm_after: Duration,
    /// How many losses at once are looked into before any is believed.
    pub breaker_minimum: u32,
}

/// A plan. Its JSON form is a contract with users.
#[derive(Clone, Debug, Serialize)]
pub struct Plan {
    schema: u32,
    /// What each identity needs at each forge, in the order of their names.
    pub identities: Vec<Need>,
}

/// What one identity needs at one forge.
#[derive(Clone, Debug, Serialize)]
pub struct Need {
    /// Its name; without one nothing is asked.
    pub identity: Option<String>,
    /// Scheme, host and port.
    pub forge: String,
    /// How many repositories are checked with it.
    pub repositories: usize,
    /// Requests an hour that the checks take.
    pub needed_per_hour: f64,
    /// Requests an hour that the forge allows, if anybody knows.
    pub allowed_per_hour: Option<f64>,
    /// Those among them that are kept for who waits for an answer.
    pub reserved_per_hour: Option<f64>,
    /// Whether they suffice.
    pub fits: Option<bool>,
    /// How long it takes at worst until a loss is believed, in seconds. Where requests do not suffice, checks come later.
    pub detection_s: f64,
    /// What to do where they do not suffice.
    pub advice: Option<String>,
    /// Where the requests go.
    pub integrations: Vec<Share>,
}

/// What one integration needs.
#[derive(Clone, Debug, Serialize)]
pub struct Share {
    /// Its name.
    pub integration: String,
    /// Its provider's key.
    pub provider: String,
    /// How many repositories it has.
    pub repositories: usize,
    /// Requests an hour that their checks take.
    pub needed_per_hour: f64,
    /// The same by interval.
    pub rounds: Vec<Round>,
}

/// The checks of all repositories with one interval.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Round {
    /// The interval, in seconds.
    pub interval_s: f64,
    /// How many repositories have it.
    pub repositories: usize,
    /// How they are checked.
    pub how: How,
    /// Requests that it takes to check each of them once.
    pub requests: usize,
}

/// How repositories are checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum How {
    /// One after another.
    Single,
    /// Those of a project together.
    Batch,
    /// By a listing of what the identity is granted.
    Listing,
}

impl How {
    /// The word for people.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Single => "one by one",
            Self::Batch => "by project",
            Self::Listing => "by listing",
        }
    }
}

impl Plan {
    /// The plan of these integrations.
    pub fn of(integrations: Vec<Planned>, times: Times) -> Self {
        let mut identities: BTreeMap<_, Vec<Planned>> = BTreeMap::new();
        for planned in integrations {
            identities.entry((planned.identity.clone(), planned.forge.clone())).or_default().push(planned);
        }
        let needs =
            identities.into_iter().map(|((identity, forge), all)| Need::of(identity, forge, &all, times));
        Self { schema: 1, identities: needs.collect() }
    }

    /// Whether nobody needs more than is allowed, as far as that is known.
    pub fn fits(&self) -> bool {
        self.identities.iter().all(|need| need.fits != Some(false))
    }
}

impl Need {
    fn of(identity: Option<String>, forge: String, all: &[Planned], times: Times) -> Self {
        // Without an identity a check ends before it has asked anybody.
        let shares: Vec<_> = all.iter().map(|planned| Share::of(planned, identity.is_some())).collect();
        let needed_per_hour: f64 = shares.iter().map(|share| share.needed_per_hour).sum();
        let limits = all.iter().filter_map(|planned| planned.offer.limits.requests());
        let (allowed_per_hour, reserved_per_hour) = limits
            .filter(|(requests, window)| *requests > 0 && !window.is_zero())
            .map(|(requests, window)| {
                let an_hour = HOUR_S / window.as_secs_f64();
                (requests as f64 * an_hour, reserve(requests) as f64 * an_hour)
            })
            .min_by(|one, other| one.0.total_cmp(&other.0))
            .unzip();
        let usable = allowed_per_hour.zip(reserved_per_hour).map(|(allowed, reserved)| allowed - reserved);
        let stretch = usable.map_or(1.0, |usable| (needed_per_hour / usable).max(1.0));
        let detection = all.iter().map(|planned| planned.detection_s(stretch, times));
        let lists = all.iter().any(|planned| planned.offer.lists);
        Self {
            repositories: shares.iter().map(|share| share.repositories).sum(),
            needed_per_hour,
            allowed_per_hour,
            reserved_per_hour,
            fits: usable.map(|usable| needed_per_hour <= usable),
            detection_s: detection.fold(0.0, f64::max),
            advice: (stretch > 1.0).then(|| advice(all, stretch, lists)),
            integrations: shares,
            identity,
            forge,
        }
    }
}

impl Share {
    fn of(planned: &Planned, asks: bool) -> Self {
        let mut by_interval: BTreeMap<Duration, Vec<&Known>> = BTreeMap::new();
        for known in &planned.repositories {
            by_interval.entry(known.interval).or_default().push(known);
        }
        let rounds: Vec<_> = by_interval
            .into_iter()
            .filter(|_| asks)
            .map(|(interval, known)| Round::of(interval, &known, planned.repositories.len(), &planned.offer))
            .collect();
        Self {
            integration: planned.integration.clone(),
            provider: planned.provider.clone(),
            repositories: planned.repositories.len(),
            needed_per_hour: rounds.iter().map(Round::needed_per_hour).sum(),
            rounds,
        }
    }
}

impl Round {
    /// The round of repositories with one interval, of an integration that shows so many altogether.
    fn of(interval: Duration, known: &[&Known], visible: usize, offer: &Offer) -> Self {
        let singles = known.len();
        let page = offer.limits.page_size().unwrap_or(USUAL_PAGE).max(1) as usize;
        let (how, requests) = if offer.batches {
            let mut projects: BTreeMap<Option<&str>, usize> = BTreeMap::new();
            for known in known {
                *projects.entry(known.project.as_deref()).or_default() += 1;
            }
            (How::Batch, projects.values().map(|count| count.div_ceil(LARGEST_BATCH)).sum())
        } else if offer.lists && singles >= Means::Listing.fewest() && visible.div_ceil(page) < singles {
            (How::Listing, visible.div_ceil(page))
        } else {
            (How::Single, singles)
        };
        let how = if requests == singles { How::Single } else { how };
        Self { interval_s: interval.as_secs_f64(), repositories: singles, how, requests }
    }

    fn needed_per_hour(&self) -> f64 {
        self.requests as f64 * HOUR_S / self.interval_s.max(0.001)
    }
}

impl Planned {
    /// How long it takes at worst until a loss is believed, where checks come `stretch` times as seldom as they should:
    ///
    /// ```text
    /// interval + wait                                   the loss comes right after a check
    /// + (failure_threshold - 1) * (confirm_after + wait)     each confirmation; confirm_after is at most the interval
    /// + failure_threshold * check_timeout               each check may take that long
    /// + 3 * check_timeout                               rounds of canaries, where there are enough to lose many at once
    ///
    /// wait = interval * (stretch - 1)                   for a check's turn, while more are due than may be made
    /// ```
    fn detection_s(&self, stretch: f64, times: Times) -> f64 {
        let timeout = times.check_timeout.as_secs_f64();
        let has_canaries = self.repositories.len() >= times.breaker_minimum as usize;
        let canaries = if has_canaries { f64::from(ROUNDS_OF_CANARIES) * timeout } else { 0.0 };
        let worst = self.repositories.iter().map(|known| {
            let interval = known.interval.as_secs_f64();
            let wait = interval * (stretch - 1.0);
            let confirmation = times.confirm_after.min(known.interval).as_secs_f64() + wait;
            let checks = f64::from(known.failure_threshold.max(1));
            interval + wait + (checks - 1.0) * confirmation + checks * timeout + canaries
        });
        worst.fold(0.0, f64::max)
    }
}

fn advice(all: &[Planned], stretch: f64, lists: bool) -> String {
    let times = (stretch * 10.0).ceil() / 10.0;
    let mut ways = vec![format!("make `interval` {times} times as long")];
    if all.len() > 1 {
        ways.push("give some of its integrations identities of their own".to_owned());
    } else {
        ways.push("split the repositories between integrations with identities of their own".to_owned());
    }
    if lists {
        ways.push(
            "give all repositories of an integration one interval, or let `discovery` find them, so that \
                   listings tell of many at once"
                .to_owned(),
        );
    }
    ways.join("; or ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMES: Times = Times {
        check_timeout: Duration::from_secs(60),
        confirm_after: Duration::from_secs(30),
        breaker_minimum: 5,
    };

    fn planned(offer: Offer, projects: usize, each: usize, interval_s: u64) -> Planned {
        let known = |project: usize| Known {
            project: Some(format!("p{project}")),
            interval: Duration::from_secs(interval_s),
            failure_threshold: 2,
        };
        Planned {
            integration: "acme".to_owned(),
            provider: "fake".to_owned(),
            identity: Some("bot".to_owned()),
            forge: "https://forge.example".to_owned(),
            offer,
            repositories: (0..projects).flat_map(|project| (0..each).map(move |_| known(project))).collect(),
        }
    }

    fn offer(batches: bool, lists: bool, page_size: Option<u32>) -> Offer {
        let limits = Limits::unknown().with_requests(5000, Duration::from_secs(3600));
        let limits = page_size.map_or(limits, |size| limits.with_page_size(size));
        Offer { batches, lists, limits }
    }

    #[track_caller]
    fn check(offer: Offer, projects: usize, each: usize, how: How, requests: usize) {
        let plan = Plan::of(vec![planned(offer, projects, each, 900)], TIMES);
        let need = &plan.identities[0];
        let round = &need.integrations[0].rounds[0];
        assert_eq!((round.how, round.requests), (how, requests), "{projects} * {each}");
        assert!((need.needed_per_hour - requests as f64 * 4.0).abs() < 1e-6, "{need:?}");
    }

    #[test]
    fn what_it_takes_depends_on_what_the_provider_offers() {
        check(offer(false, false, None), 100, 50, How::Single, 5000);
        check(offer(true, true, None), 100, 50, How::Batch, 100);
        check(offer(true, false, None), 2, 2001, How::Batch, 4);
        check(offer(true, true, Some(100)), 5, 1, How::Single, 5);
        check(offer(false, true, Some(100)), 100, 50, How::Listing, 50);
        check(offer(false, true, None), 1, 101, How::Listing, 2);
        check(offer(false, true, Some(100)), 1, 1, How::Single, 1);
        check(offer(false, true, Some(0)), 1, 3, How::Single, 3);
    }

    #[test]
    fn a_loss_is_found_within_an_interval_its_confirmation_and_the_time_of_checks() {
        let few = Plan::of(vec![planned(offer(false, false, None), 1, 4, 900)], TIMES);
        assert!((few.identities[0].detection_s - (900.0 + 30.0 + 120.0)).abs() < 1e-6);
        let many = Plan::of(vec![planned(offer(false, false, None), 1, 5, 900)], TIMES);
        assert!((many.identities[0].detection_s - (900.0 + 30.0 + 120.0 + 180.0)).abs() < 1e-6);
        assert!(many.fits() && many.identities[0].advice.is_none());
    }

    #[test]
    fn what_is_not_allowed_stretches_the_interval_and_takes_advice() {
        // 9,000 an hour, of 4,500 that are not kept: twice the time.
        let plan = Plan::of(vec![planned(offer(false, false, None), 1, 2250, 900)], TIMES);
        let need = &plan.identities[0];
        assert_eq!((need.allowed_per_hour, need.reserved_per_hour), (Some(5000.0), Some(500.0)));
        assert_eq!((plan.fits(), need.fits), (false, Some(false)));
        assert!((need.detection_s - (1800.0 + 930.0 + 120.0 + 180.0)).abs() < 1e-6, "{need:?}");
        let advice = need.advice.as_deref().unwrap();
        assert!(advice.contains("make `interval` 2 times as long"), "{advice}");
    }

    #[test]
    fn identities_are_reckoned_at_each_forge_over_all_their_integrations() {
        let one = planned(offer(false, false, None), 1, 10, 3600);
        let second = Planned { integration: "acme-2".to_owned(), ..one.clone() };
        let elsewhere = Planned { forge: "https://other.example".to_owned(), ..one.clone() };
        let nobody = Planned { identity: None, ..one.clone() };
        let plan = Plan::of(vec![one, second, elsewhere, nobody], TIMES);
        let needs: Vec<_> =
            plan.identities.iter().map(|need| (need.repositories, need.needed_per_hour)).collect();
        assert_eq!(needs, [(10, 0.0), (20, 20.0), (10, 10.0)]);
    }

    #[test]
    fn an_allowance_that_nobody_knows_is_unknown() {
        for limits in [
            Limits::unknown(),
            Limits::unknown().with_requests(0, Duration::from_secs(60)),
            Limits::unknown().with_requests(60, Duration::ZERO),
        ] {
            let unknown = Offer { limits, ..Offer::default() };
            let plan = Plan::of(vec![planned(unknown, 10, 1000, 1)], TIMES);
            let need = &plan.identities[0];
            assert_eq!((need.allowed_per_hour, need.fits, plan.fits()), (None, None, true));
        }
    }
}
