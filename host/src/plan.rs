//! What a configuration is going to ask of forges, and how soon it finds a loss: reckoned, with nobody asked.
//!
//! Pure numbers. What they come from is `prepare`'s, how they look is `cli`'s.

use std::collections::BTreeMap;
use std::time::Duration;

use forgewatch_plugin_api::Limits;
use serde::{Serialize, Serializer};

use crate::services::budget::reserve;
use crate::sweep::{LARGEST_BATCH, Means};

/// Repositories of a listing's page where the provider does not say.
const USUAL_PAGE: u32 = 100;
/// How often canaries are asked, one round after another, before something is believed of an integration.
const ROUNDS_OF_CANARIES: u32 = 3;
const HOUR_S: f64 = 3600.0;

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
    /// How its repositories can be asked for together.
    pub means: Means,
    /// What one identity may ask, as far as its provider knows.
    pub limits: Limits,
    /// Its repositories.
    pub repositories: Vec<Known>,
    /// The discoveries that search it.
    pub discoveries: Vec<Search>,
    /// How many repositories its identity sees, where a discovery has listed all of them.
    pub visible: Option<usize>,
}

/// A discovery, as far as it matters here.
#[derive(Clone, Debug)]
pub struct Search {
    /// Its name.
    pub discovery: String,
    /// Time between two listings.
    pub list_every: Duration,
    /// How many repositories it has found; `None` until it has listed everything.
    pub known: Option<usize>,
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
    /// Requests an hour that checks and listings take; at least, where `unknown_until` says so.
    pub needed_per_hour: f64,
    /// The discoveries that have not listed everything yet, so that nobody knows what there will be to check.
    pub unknown_until: Vec<String>,
    /// Requests an hour that the forge allows, if anybody knows.
    pub allowed_per_hour: Option<f64>,
    /// Those among them that are kept for who waits for an answer.
    pub reserved_per_hour: Option<f64>,
    /// Whether they suffice.
    pub fits: Option<bool>,
    /// How long it takes at worst until a loss is believed, in seconds, if that can be said. Where requests do not
    /// suffice, checks come later.
    pub detection_s: Option<f64>,
    /// What to do where they do not suffice, or nothing is asked.
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
    /// Requests an hour that their checks and its listings take.
    pub needed_per_hour: f64,
    /// Those of checks by interval.
    pub rounds: Vec<Round>,
    /// Those of listings by discovery.
    pub listings: Vec<Listings>,
}

/// The listings of one discovery.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Listings {
    /// Its name.
    pub discovery: String,
    /// Time between two, in seconds.
    pub interval_s: f64,
    /// Requests of each; at least, until everything was listed.
    pub requests: usize,
}

/// The checks of all repositories with one interval.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Round {
    /// The interval, in seconds.
    pub interval_s: f64,
    /// How many repositories have it.
    pub repositories: usize,
    /// How they are reckoned to be checked: `single`, `batch` or `listing`.
    #[serde(serialize_with = "how")]
    pub how: Means,
    /// Requests that it takes to check each of them once.
    pub requests: usize,
    /// What a listing may make of that at best, where nobody knows whether one pays.
    pub at_best: Option<usize>,
    /// What a listing may make of it at worst, then.
    pub at_worst: Option<usize>,
}

fn how<S: Serializer>(means: &Means, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(match means {
        Means::OneByOne => "single",
        Means::Project => "batch",
        Means::Listing => "listing",
    })
}

/// So many requests in so many seconds, by the hour.
fn per_hour(requests: usize, interval_s: f64) -> f64 {
    requests as f64 * HOUR_S / interval_s.max(0.001)
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
        let needed_per_hour = shares.iter().fold(0.0, |sum, share| sum + share.needed_per_hour);
        let asks = identity.is_some();
        let unknown_until: Vec<_> = all.iter().filter(|_| asks).flat_map(Planned::not_listed).collect();
        let is_known = asks && unknown_until.is_empty();
        let limits = all.iter().filter(|_| asks).filter_map(|planned| planned.limits.requests());
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
        let advice = match asks {
            true => (stretch > 1.0).then(|| advice(all, stretch)),
            false => Some(identities(all)),
        };
        Self {
            repositories: shares.iter().map(|share| share.repositories).sum(),
            needed_per_hour,
            allowed_per_hour,
            reserved_per_hour,
            fits: usable.map(|usable| needed_per_hour <= usable).filter(|fits| is_known || !fits),
            detection_s: is_known.then(|| detection.fold(0.0, f64::max)),
            advice,
            unknown_until,
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
            .map(|(interval, known)| Round::of(interval, &known, planned))
            .collect();
        let searches = planned.discoveries.iter().filter(|_| asks);
        let listings: Vec<_> = searches.map(|search| planned.listings(search)).collect();
        let checks = rounds.iter().map(Round::needed_per_hour);
        let listed = listings.iter().map(|it| per_hour(it.requests, it.interval_s));
        Self {
            integration: planned.integration.clone(),
            provider: planned.provider.clone(),
            repositories: planned.repositories.len(),
            needed_per_hour: checks.chain(listed).fold(0.0, |sum, one| sum + one),
            rounds,
            listings,
        }
    }
}

impl Round {
    fn of(interval: Duration, known: &[&Known], planned: &Planned) -> Self {
        let singles = known.len();
        let round = |how, requests| Self {
            interval_s: interval.as_secs_f64(),
            repositories: singles,
            how,
            requests,
            at_best: None,
            at_worst: None,
        };
        let one_by_one = round(Means::OneByOne, singles);
        if singles < planned.means.fewest() {
            return one_by_one;
        }
        match planned.means {
            Means::OneByOne => one_by_one,
            Means::Project => {
                let mut projects: BTreeMap<Option<&str>, usize> = BTreeMap::new();
                for known in known {
                    *projects.entry(known.project.as_deref()).or_default() += 1;
                }
                let requests = projects.values().map(|count| count.div_ceil(LARGEST_BATCH)).sum();
                if requests == singles { one_by_one } else { round(Means::Project, requests) }
            }
            Means::Listing => {
                let pages = planned.pages(planned.visible.unwrap_or(0).max(singles));
                if planned.visible.is_some() && pages < singles {
                    return round(Means::Listing, pages);
                }
                // A listing that is given up has cost as much as what it was to save.
                Self { at_best: Some(pages.min(singles)), at_worst: Some(2 * singles), ..one_by_one }
            }
        }
    }

    fn needed_per_hour(&self) -> f64 {
        per_hour(self.requests, self.interval_s)
    }
}

impl Planned {
    /// How many pages it takes to list so many repositories; the first is there for none, too.
    fn pages(&self, repositories: usize) -> usize {
        let page = self.limits.page_size().unwrap_or(USUAL_PAGE).max(1) as usize;
        repositories.div_ceil(page).max(1)
    }

    fn listings(&self, search: &Search) -> Listings {
        let listed = search.known.unwrap_or(0).max(self.visible.unwrap_or(0));
        Listings {
            discovery: search.discovery.clone(),
            interval_s: search.list_every.as_secs_f64(),
            requests: self.pages(listed),
        }
    }

    fn not_listed(&self) -> impl Iterator<Item = String> {
        let open = self.discoveries.iter().filter(|search| search.known.is_none());
        open.map(|search| search.discovery.clone())
    }

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

/// What to do where nothing is asked.
fn identities(all: &[Planned]) -> String {
    let tables: Vec<_> =
        all.iter().map(|planned| format!("[integrations.{}]", planned.integration)).collect();
    format!("set `identity` of {}", tables.join(", "))
}

fn advice(all: &[Planned], stretch: f64) -> String {
    let times = (stretch * 10.0).ceil() / 10.0;
    let mut ways = vec![format!("make `interval` {times} times as long")];
    if all.len() > 1 {
        ways.push("give some of its integrations identities of their own".to_owned());
    } else {
        ways.push("split the repositories between integrations with identities of their own".to_owned());
    }
    if all.iter().any(|planned| planned.means == Means::Listing) {
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

    fn planned((means, limits): (Means, Limits), projects: usize, each: usize, interval_s: u64) -> Planned {
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
            means,
            limits,
            discoveries: Vec::new(),
            visible: None,
            repositories: (0..projects).flat_map(|project| (0..each).map(move |_| known(project))).collect(),
        }
    }

    fn offer(means: Means, page_size: Option<u32>) -> (Means, Limits) {
        let limits = Limits::unknown().with_requests(5000, Duration::from_secs(3600));
        (means, page_size.map_or(limits, |size| limits.with_page_size(size)))
    }

    #[track_caller]
    fn check(planned: Planned, how: Means, requests: usize, range: Option<(usize, usize)>) {
        let plan = Plan::of(vec![planned], TIMES);
        let need = &plan.identities[0];
        let round = &need.integrations[0].rounds[0];
        assert_eq!((round.how, round.requests), (how, requests), "{need:?}");
        assert_eq!(round.at_best.zip(round.at_worst), range, "{need:?}");
        assert!((need.needed_per_hour - requests as f64 * 4.0).abs() < 1e-6, "{need:?}");
    }

    #[test]
    fn what_it_takes_depends_on_what_the_provider_offers() {
        use Means::{Listing, OneByOne, Project};
        let round = |means, page, projects, each| planned(offer(means, page), projects, each, 900);
        check(round(OneByOne, None, 100, 50), OneByOne, 5000, None);
        check(round(Project, None, 100, 50), Project, 100, None);
        check(round(Project, None, 2, 2001), Project, 4, None);
        check(round(Project, None, 5, 1), OneByOne, 5, None);
        // What the identity sees beside its repositories, nobody knows.
        check(round(Listing, Some(100), 100, 50), OneByOne, 5000, Some((50, 10_000)));
        check(round(Listing, None, 1, 101), OneByOne, 101, Some((2, 202)));
        check(round(Listing, Some(100), 1, 2), OneByOne, 2, None);
        check(round(Listing, Some(0), 1, 3), OneByOne, 3, Some((3, 6)));
        let sees = |visible| Planned { visible: Some(visible), ..round(Listing, Some(100), 1, 80) };
        check(sees(80), Listing, 1, None);
        check(sees(2_500), Listing, 25, None);
        check(sees(100_000), OneByOne, 80, Some((80, 160)));
    }

    fn search(known: Option<usize>) -> Search {
        Search { discovery: "d".to_owned(), list_every: Duration::from_secs(1800), known }
    }

    #[test]
    fn discoveries_ask_too_and_until_they_have_listed_nobody_knows_for_what() {
        let some = planned(offer(Means::OneByOne, Some(10)), 1, 25, 900);
        let listed = Planned { discoveries: vec![search(Some(25))], ..some.clone() };
        let need = &Plan::of(vec![listed], TIMES).identities[0];
        assert!((need.needed_per_hour - (100.0 + 6.0)).abs() < 1e-6, "{need:?}");
        assert_eq!((need.fits, need.unknown_until.len()), (Some(true), 0));
        let open = Planned { discoveries: vec![search(None)], repositories: Vec::new(), ..some };
        let need = &Plan::of(vec![open], TIMES).identities[0];
        assert!((need.needed_per_hour - 2.0).abs() < 1e-6, "{need:?}");
        assert_eq!((need.fits, need.detection_s), (None, None));
        assert_eq!(need.unknown_until, ["d"]);
    }

    #[test]
    fn without_an_identity_nothing_is_asked_and_nothing_fits() {
        let nobody = Planned { identity: None, ..planned(offer(Means::OneByOne, None), 1, 10, 900) };
        let need =
            &Plan::of(vec![Planned { discoveries: vec![search(None)], ..nobody }], TIMES).identities[0];
        assert!(need.needed_per_hour == 0.0 && need.needed_per_hour.is_sign_positive(), "{need:?}");
        assert_eq!((need.allowed_per_hour, need.fits, need.detection_s), (None, None, None));
        assert_eq!(need.advice.as_deref(), Some("set `identity` of [integrations.acme]"));
    }

    #[test]
    fn a_loss_is_found_within_an_interval_its_confirmation_and_the_time_of_checks() {
        let few = Plan::of(vec![planned(offer(Means::OneByOne, None), 1, 4, 900)], TIMES);
        assert!((few.identities[0].detection_s.unwrap() - (900.0 + 30.0 + 120.0)).abs() < 1e-6);
        let many = Plan::of(vec![planned(offer(Means::OneByOne, None), 1, 5, 900)], TIMES);
        assert!((many.identities[0].detection_s.unwrap() - (900.0 + 30.0 + 120.0 + 180.0)).abs() < 1e-6);
        assert!(many.fits() && many.identities[0].advice.is_none());
    }

    #[test]
    fn what_is_not_allowed_stretches_the_interval_and_takes_advice() {
        // 9,000 an hour, of 4,500 that are not kept: twice the time.
        let plan = Plan::of(vec![planned(offer(Means::OneByOne, None), 1, 2250, 900)], TIMES);
        let need = &plan.identities[0];
        assert_eq!((need.allowed_per_hour, need.reserved_per_hour), (Some(5000.0), Some(500.0)));
        assert_eq!((plan.fits(), need.fits), (false, Some(false)));
        assert!((need.detection_s.unwrap() - (1800.0 + 930.0 + 120.0 + 180.0)).abs() < 1e-6, "{need:?}");
        let advice = need.advice.as_deref().unwrap();
        assert!(advice.contains("make `interval` 2 times as long"), "{advice}");
    }

    #[test]
    fn identities_are_reckoned_at_each_forge_over_all_their_integrations() {
        let one = planned(offer(Means::OneByOne, None), 1, 10, 3600);
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
            let plan = Plan::of(vec![planned((Means::OneByOne, limits), 10, 1000, 1)], TIMES);
            let need = &plan.identities[0];
            assert_eq!((need.allowed_per_hour, need.fits, plan.fits()), (None, None, true));
        }
    }
}
