//! Discoveries: when each lists, and what comes of it for what is watched.
//!
//! Listings run on tasks of their own; what they bring is taken in by the reloader, one after another, so that another
//! configuration and what was found never miss each other. A listing that fails changes nothing, is told once, and is
//! made again after growing waits.

mod tell;

use std::collections::{BTreeMap, HashMap};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use super::handle::{Brought, Shared};
use super::timing::{CatchUp, Phase};
use crate::backoff::doubled;
use crate::discovery::{Catalogue, Discovery, Ended, Listing, go_on};
use crate::prepare::World;
use crate::services::call;
use crate::state::Save;
use crate::sweep::Integration;
use crate::text::printable;
use crate::verdict::{Moment, Outcome, Reason, Verdict};

/// Listings that run at once, each of another integration.
const MOST_AT_ONCE: usize = 4;
/// How long a discovery waits after its first failure; twice as long after each further one, at most until its next turn.
const FIRST_WAIT: Duration = Duration::from_secs(30);
/// How long a listing at least waits that asked for more than its forge allows, so that it was not made.
const PUT_OFF: Duration = Duration::from_secs(1);
/// How long a listing waits at once for a forge that has its rest.
const LONGEST_REST: Duration = Duration::from_secs(10 * 60);
/// From one look whether there is something to do to the next, when nothing is planned.
const IDLE: Duration = Duration::from_secs(60 * 60);

/// How a discovery does.
#[derive(Clone, Debug)]
pub struct Finding {
    /// Its name.
    pub name: String,
    /// The integration that it searches.
    pub integration: String,
    /// Repositories that it has found.
    pub repositories: usize,
    /// How many of them the last whole listing has not shown.
    pub missing: usize,
    /// When everything was listed last.
    pub listed_at: Option<Moment>,
    /// Why the last listing came to nothing. Safe to print.
    pub problem: Option<String>,
    /// Why the last listing may have missed something. Safe to print.
    pub incomplete: Option<String>,
}

/// Lists, and keeps what was found.
pub(super) struct Finder {
    catalogue: Catalogue,
    rounds: BTreeMap<String, Round>,
    running: JoinSet<Brings>,
    findings: watch::Sender<Vec<Finding>>,
}

/// Where a discovery is between two listings.
struct Round {
    discovery: Arc<Discovery>,
    integration: Arc<Integration>,
    due: Instant,
    running: bool,
    failures: u32,
    trouble: Option<Trouble>,
    /// Whether everything was listed last, and nothing found.
    finds_nothing: bool,
    /// A listing that waits for what the forge allows.
    held_back: Option<Listing>,
}

/// What is the matter with a discovery.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Trouble {
    /// The last listing came to nothing.
    Failed(Reason, String),
    /// The plugin has no listing.
    Unsupported(String),
    /// The last listing may have missed something.
    Incomplete(String),
}

/// What a listing brings when it ends.
pub(super) struct Brings {
    discovery: Arc<Discovery>,
    integration: Arc<Integration>,
    listing: Listing,
    took: Duration,
}

impl Finder {
    /// With what was found before.
    pub(super) fn new(catalogue: Catalogue, findings: watch::Sender<Vec<Finding>>) -> Self {
        Self { catalogue, rounds: BTreeMap::new(), running: JoinSet::new(), findings }
    }

    /// What was found.
    pub(super) fn catalogue(&self) -> &Catalogue {
        &self.catalogue
    }

    /// Goes on with the discoveries of a world. One that looks for something else, or with another identity, lists at
    /// once.
    pub(super) fn follow(&mut self, world: &World) {
        let mut former = std::mem::take(&mut self.rounds);
        let (now, mut plan) = (Instant::now(), CatchUp::new(Moment::now()));
        for (name, discovery) in &world.discoveries {
            let Some(integration) = world.integrations.get(&discovery.settings.integration) else { continue };
            let same = former.remove(name).filter(|round| {
                round.discovery.settings == discovery.settings && Arc::ptr_eq(&round.integration, integration)
            });
            let round = same.map(|round| Round { discovery: Arc::clone(discovery), ..round });
            let round = round.unwrap_or_else(|| {
                let last = self.catalogue.listed_at(discovery);
                let wait = plan.first(phase(discovery), discovery.settings.list_every.get(), last);
                Round {
                    discovery: Arc::clone(discovery),
                    integration: Arc::clone(integration),
                    due: now + wait,
                    running: false,
                    failures: 0,
                    trouble: None,
                    finds_nothing: false,
                    held_back: None,
                }
            });
            self.rounds.insert(name.clone(), round);
        }
        self.show();
    }

    /// Lists what is due, and returns when a listing has ended. Cancel-safe.
    pub(super) async fn next(&mut self, shared: &Shared) -> Brings {
        loop {
            let now = Instant::now();
            self.start_due(shared, now);
            let waiting = self.rounds.values().filter(|round| !round.running).map(|round| round.due);
            let wake = waiting.filter(|due| *due > now).min().unwrap_or(now + IDLE);
            tokio::select! {
                Some(ended) = self.running.join_next() => match ended {
                    Ok(brings) => return brings,
                    // Nobody aborts it, and it cannot panic.
                    Err(_) => continue,
                },
                () = sleep_until(wake) => {}
            }
        }
    }

    fn start_due(&mut self, shared: &Shared, now: Instant) {
        let is_due = |round: &Round| !round.running && round.due <= now;
        if !self.rounds.values().any(is_due) {
            return;
        }
        let limit = shared.read().world.check_timeout;
        let due: Vec<String> =
            self.rounds.iter().filter(|(_, round)| is_due(round)).map(|(name, _)| name.clone()).collect();
        for name in due {
            let busy: Vec<_> = self.rounds.values().filter(|round| round.running).collect();
            let integration = &self.rounds[&name].integration;
            if busy.len() >= MOST_AT_ONCE || busy.iter().any(|it| it.integration.name == integration.name) {
                continue;
            }
            let rest = rest_of(shared, &integration.name);
            let Some(round) = self.rounds.get_mut(&name) else { continue };
            if let Some(rest) = rest {
                round.due = now + rest;
                continue;
            }
            round.running = true;
            let (discovery, integration) = (Arc::clone(&round.discovery), Arc::clone(&round.integration));
            let begun = round.held_back.take().unwrap_or_default();
            self.running.spawn(brings(discovery, integration, limit, begun));
        }
    }

    /// Takes in what a listing brings, and plans the next one; what becomes of what is watched.
    pub(super) fn take(&mut self, brings: Brings, world: &World, shared: &Shared) -> Option<Brought> {
        let Brings { discovery, integration, listing, took } = brings;
        let now = Moment::now();
        let name = &discovery.name;
        let round = self.rounds.get_mut(name)?;
        if round.discovery.settings != discovery.settings || !Arc::ptr_eq(&round.integration, &integration) {
            // It looked for something else, or with another identity. The one that is wanted now is planned.
            return None;
        }
        round.running = false;
        let mut news = self.catalogue.take(&discovery, &listing, now);
        let names = world.names_found(name);
        if listing.is_whole() {
            let denied_since = denied_since(shared, &names);
            self.catalogue.forget(&discovery, now, &mut news, denied_since);
        }
        let mut nothing = listing.nothing().filter(|_| self.catalogue.counts(&discovery).0 == 0);
        if std::mem::replace(&mut round.finds_nothing, nothing.is_some()) {
            nothing = None;
        }
        // What was not asked for says nothing.
        let trouble = match &listing.end {
            Ended::Failed(outcome) if outcome.held_back => round.trouble.clone(),
            _ => Trouble::of(&listing, news.too_many, &integration.provider_key),
        };
        let wait = round.plan(&listing, trouble.as_ref(), now);
        round.due = Instant::now() + wait;
        let before = std::mem::replace(&mut round.trouble, trouble.clone());
        let next = news.changes_what_is_watched().then(|| Arc::new(world.with_found(&self.catalogue)));
        let mut save = std::mem::take(&mut news.save);
        let named_now = next.as_ref().map(|next| next.names_found(name));
        let named_now = named_now.as_ref().unwrap_or(&names);
        tell::listed(&discovery, &news, &names, named_now, &listing, nothing, took);
        tell::events(&mut save.events, &discovery, &news, &names, named_now, now);
        tell::trouble(&mut save.events, &discovery, before.as_ref(), trouble.as_ref(), wait, now);
        let check = news.missing.iter().chain(&news.back).filter_map(|id| named_now.get(id));
        let check = check.map(|name| (*name).to_owned()).collect();
        if listing.is_held_back()
            && let Some(round) = self.rounds.get_mut(name)
        {
            round.held_back = Some(listing);
        }
        self.show();
        Some(Brought { world: next, check, save })
    }

    /// Everything that was found, to be written anew.
    pub(super) fn all(&self) -> Brought {
        Brought { world: None, check: Vec::new(), save: self.catalogue.save_all() }
    }

    /// Forgets what is not configured any more and has not been for as long as events are kept.
    pub(super) fn forget_unused(&mut self, world: &World, limit: Duration) -> Save {
        let is_used = |name: &str| world.discoveries.contains_key(name);
        self.catalogue.forget_unused(is_used, Moment::now(), limit)
    }

    fn show(&self) {
        let findings = self.rounds.values().map(|Round { discovery, trouble, .. }| {
            let (repositories, missing) = self.catalogue.counts(discovery);
            let problem = trouble.as_ref().and_then(Trouble::problem);
            let incomplete = match trouble {
                Some(Trouble::Incomplete(why)) => Some(why.clone()),
                _ => None,
            };
            Finding {
                name: discovery.name.clone(),
                integration: discovery.settings.integration.clone(),
                repositories,
                missing,
                listed_at: self.catalogue.listed_at(discovery),
                problem,
                incomplete,
            }
        });
        self.findings.send_replace(findings.collect());
    }
}

impl Round {
    /// How long it is until the next listing.
    fn plan(&mut self, listing: &Listing, trouble: Option<&Trouble>, now: Moment) -> Duration {
        let every = self.discovery.settings.list_every.get();
        let asked = match &listing.end {
            Ended::Failed(outcome) => outcome.retry_after_s.map(Duration::from_secs),
            _ => None,
        };
        if let Ended::Failed(outcome) = &listing.end
            && outcome.held_back
        {
            return asked.unwrap_or_default().clamp(PUT_OFF, IDLE);
        }
        let Some(Trouble::Failed(..)) = trouble else {
            self.failures = 0;
            return phase(&self.discovery).next(now, every, every / 2);
        };
        let wait = doubled(FIRST_WAIT, self.failures, every);
        self.failures += 1;
        wait.max(asked.unwrap_or_default().min(IDLE))
    }
}

impl Trouble {
    fn of(listing: &Listing, too_many: usize, provider: &str) -> Option<Self> {
        match &listing.end {
            Ended::Failed(outcome) => Some(Self::Failed(outcome.reason, outcome.detail.clone())),
            Ended::Unsupported => Some(Self::Unsupported(format!(
                "the plugin `{}` cannot list repositories: use a build that can, or configure them one by one",
                printable(provider, 100)
            ))),
            Ended::Incomplete(why) => Some(Self::Incomplete(why.clone())),
            Ended::Whole if too_many > 0 => Some(Self::Incomplete(format!(
                "{too_many} repositories found no room: narrow `include`, or make several discoveries"
            ))),
            Ended::Whole => None,
        }
    }

    /// Why a listing came to nothing.
    fn problem(&self) -> Option<String> {
        match self {
            Self::Failed(reason, detail) => Some(format!("{}: {detail}", reason.as_str())),
            Self::Unsupported(why) => Some(why.clone()),
            Self::Incomplete(_) => None,
        }
    }

    /// Whether it is the same, whatever the words are.
    fn is_like(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Failed(one, _), Self::Failed(other, _)) => one == other,
            _ => std::mem::discriminant(self) == std::mem::discriminant(other),
        }
    }
}

fn phase(discovery: &Discovery) -> Phase {
    Phase::of(&format!("discovery {}", discovery.name))
}

/// One listing. Ends in every case: a panic of the host's own is told like a plugin's.
async fn brings(
    discovery: Arc<Discovery>,
    integration: Arc<Integration>,
    limit: Duration,
    begun: Listing,
) -> Brings {
    let start = Instant::now();
    let listing = call::unattended(go_on(&discovery, &integration, limit, begun));
    let listing = AssertUnwindSafe(listing).catch_unwind().await;
    let listing = listing.unwrap_or_else(|_| {
        let detail = "the listing panicked, which is a fault of forgewatch: see its log, and report it";
        Listing::failed(Outcome::new(Reason::PluginFailed, detail))
    });
    Brings { took: start.elapsed(), discovery, integration, listing }
}

/// How long a forge still wants to be left alone.
fn rest_of(shared: &Shared, integration: &str) -> Option<Duration> {
    let until = shared.read().integrations.get(integration)?.held_until?;
    let rest = until.since(Moment::now()).min(LONGEST_REST);
    (!rest.is_zero()).then_some(rest)
}

/// Since when the repositories of a discovery have been denied by their own checks, by identity.
fn denied_since<'a>(
    shared: &'a Shared,
    names: &'a HashMap<String, &str>,
) -> impl Fn(&str) -> Option<Moment> + 'a {
    move |identity| {
        let ledger = shared.read();
        let (_, entry) = ledger.get(names.get(identity)?)?;
        let confirmed = entry.standing.confirmed?;
        (confirmed.reason.verdict() == Verdict::Denied).then_some(confirmed.since)
    }
}
