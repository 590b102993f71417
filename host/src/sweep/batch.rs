//! Checking many repositories of one integration with few requests.
//!
//! A batch never gives another verdict than checks one by one would:
//!
//! - What a plugin's batch or a listing shows is an answer. What they do not show is left to its own check.
//! - A failure is not multiplied: one repository is asked for by itself and, where it ends alike for a cause that is the
//!   whole integration's, all end so. Any other failure leaves every repository to its own check; so does a limit, or a
//!   listing that is longer than what a forge allows would never come to an answer.
//!
//! A batch by project costs one request or so for two repositories and more. A listing is read on for as long as its
//! further pages cost less than asking for what is still missing or, where nobody knows how many there are, until it has
//! cost as much as asking for each.

use std::collections::HashMap;
use std::future::ready;
use std::sync::Arc;
use std::time::Duration;

use forgewatch_plugin_api::{Extension, ListedRepository, Repository, RepositoryPage};
use tokio::time::timeout;
use tracing::Instrument;

use super::check::{Began, CheckResult, Connected, Integration, Spans, Target, complete, completed};
use super::listing::{Listed, ListingEnd, Pager};
use crate::plugins::Client;
use crate::services::call::{self, CallRecord, Seen};
use crate::text::printable;
use crate::verdict::{Outcome, Reason};

/// Repositories that a plugin is asked about at once; their names have to fit into one message.
pub const LARGEST_BATCH: usize = 2_000;

/// A listing may take so many times as long as one check; what it has not shown by then is checked by itself.
const LONGEST_LISTING: u32 = 5;

/// How the repositories of an integration can be asked for together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Means {
    /// Not at all.
    OneByOne,
    /// Those of one project.
    Project,
    /// All of them, by what the identity is granted.
    Listing,
}

impl Means {
    /// What the provider offers on this client, as far as it may be used. Cancel-safe.
    pub async fn of(integration: &Integration, connected: &Connected) -> Self {
        let (Ok(client), true) = (connected, integration.batches) else { return Self::OneByOne };
        let offers = async |it: Extension| {
            client.query_extension(it.name()).await.is_ok_and(|version| version.is_some())
        };
        if offers(Extension::CHECK_REPOSITORIES).await {
            Self::Project
        } else if offers(Extension::LIST_REPOSITORIES).await {
            Self::Listing
        } else {
            Self::OneByOne
        }
    }

    /// From how many repositories on it is cheaper than one by one. The first page of a listing may be for nothing.
    pub fn fewest(self) -> usize {
        match self {
            Self::OneByOne => usize::MAX,
            Self::Project => 2,
            Self::Listing => 3,
        }
    }

    /// How many repositories one batch may have.
    pub fn most(self) -> usize {
        match self {
            Self::OneByOne => 1,
            Self::Project => LARGEST_BATCH,
            Self::Listing => usize::MAX,
        }
    }
}

/// Repositories to be checked together.
pub struct Batch<'a> {
    /// The integration that all of them belong to.
    pub integration: &'a Integration,
    /// Its client.
    pub connected: &'a Connected,
    /// What to check; those whose plugin could not say what they are stay unanswered.
    pub targets: &'a [&'a Target],
    /// How long each call of the plugin may take.
    pub limit: Duration,
}

impl Batch<'_> {
    /// Checks them, giving `each` the place among `targets` and the result of every one that was answered, as it comes.
    /// The others are to be checked by themselves. Cancel-safe.
    pub async fn check(&self, means: Means, mut each: impl FnMut(usize, CheckResult)) {
        let Ok(client) = self.connected else { return };
        let name = printable(&self.integration.name, 500);
        let span = tracing::error_span!("batch", integration = %name, repositories = self.targets.len());
        match means {
            Means::OneByOne => {}
            Means::Project => self.ask(client, &mut each).instrument(span).await,
            Means::Listing => self.list(client, &mut each).instrument(span).await,
        }
    }

    async fn ask(&self, client: &Client, each: &mut impl FnMut(usize, CheckResult)) {
        let (began, record) = (Began::now(), Arc::new(CallRecord::default()));
        let asked: Vec<(usize, &Repository)> = self.described().collect();
        let repositories: Vec<&Repository> = asked.iter().map(|(_, repository)| *repository).collect();
        let call = client.check_repositories(self.integration.services.host_object(), &repositories);
        match timeout(self.limit, call::scope(Arc::clone(&record), call)).await {
            Ok(Ok(answers)) => {
                let mut requests = record.seen().requests;
                let spans = Spans { requests: record.seen().waited, ..Spans::default() };
                for ((place, _), answer) in asked.into_iter().zip(answers) {
                    if let Some(answer) = answer {
                        let outcome = complete(answer.into(), &record);
                        let requests = std::mem::take(&mut requests);
                        each(place, self.targets[place].result(outcome, began, requests, spans));
                    }
                }
            }
            Ok(Err(failure)) => {
                let open: Vec<usize> = asked.iter().map(|(place, _)| *place).collect();
                self.failed(&complete(failure.into(), &record), &open, each).await;
            }
            Err(_) => tracing::debug!("the batch took too long; its repositories are checked one by one"),
        }
    }

    async fn list(&self, client: &Client, each: &mut impl FnMut(usize, CheckResult)) {
        let began = Began::now();
        let mut wanted = Wanted::new(self.described());
        let (mut counted, singles) = (0, wanted.left as u64);
        let take = |page: &RepositoryPage, seen: Seen| {
            let mut new = seen.requests - std::mem::replace(&mut counted, seen.requests);
            for listed in page.repositories() {
                for place in wanted.take(listed) {
                    let outcome = completed(listed.access().clone().into(), seen);
                    let result = self.targets[place].result(
                        outcome,
                        began,
                        std::mem::take(&mut new),
                        Spans::default(),
                    );
                    each(place, result);
                }
            }
            let left = wanted.left as u64;
            match page.requests_left() {
                Some(requests) => requests < left,
                None => left > 0 && u64::from(seen.requests) < singles,
            }
        };
        let mut pager = Pager::default();
        let listing = pager.list(self.integration, client, self.limit, take);
        let limit = self.limit.saturating_mul(LONGEST_LISTING);
        if let Ok(Listed { end: ListingEnd::Failed(outcome), .. }) = timeout(limit, listing).await {
            self.failed(&outcome, &wanted.open(), each).await;
        }
    }

    /// What a batch that failed means for the repositories that it left open.
    async fn failed(&self, outcome: &Outcome, open: &[usize], each: &mut impl FnMut(usize, CheckResult)) {
        let Some((first, others)) = open.split_first() else { return };
        if !is_of_integration(outcome.reason) {
            return;
        }
        let began = Began::now();
        let canary = self.targets[*first].check(ready(self.connected), self.limit).await;
        let seen = canary.outcome.clone();
        each(*first, canary);
        if seen.reason == outcome.reason {
            for place in others {
                each(*place, self.targets[*place].result(seen.clone(), began, 0, Spans::default()));
            }
        }
    }

    fn described(&self) -> impl Iterator<Item = (usize, &Repository)> {
        let repositories = self.targets.iter().map(|target| target.repository.as_ref().ok());
        repositories.enumerate().filter_map(|(place, repository)| Some((place, repository?)))
    }
}

/// Whether one repository's answer is everybody's.
fn is_of_integration(reason: Reason) -> bool {
    matches!(reason, Reason::Unauthorized | Reason::IdentityInvalid | Reason::Unreachable)
}

/// The repositories that a listing has not shown yet, by id where that is configured, else by name.
#[derive(Default)]
struct Wanted<'a> {
    by_id: HashMap<&'a str, Vec<usize>>,
    by_name: HashMap<&'a str, Vec<(Option<&'a str>, usize)>>,
    left: usize,
}

impl<'a> Wanted<'a> {
    fn new(described: impl Iterator<Item = (usize, &'a Repository)>) -> Self {
        let mut wanted = Self::default();
        for (place, repository) in described {
            match repository.external_id() {
                Some(id) => wanted.by_id.entry(id).or_default().push(place),
                None => {
                    let namesakes = wanted.by_name.entry(repository.name()).or_default();
                    namesakes.push((repository.project(), place));
                }
            }
            wanted.left += 1;
        }
        wanted
    }

    /// Those that this is. A name in another case may be another repository on some forge, so it is left to its own
    /// check.
    fn take(&mut self, listed: &ListedRepository) -> Vec<usize> {
        let by_id = listed.external_id().and_then(|id| self.by_id.remove(id));
        let mut found = by_id.unwrap_or_default();
        if let Some(namesakes) = self.by_name.get_mut(listed.name()) {
            let same = namesakes.extract_if(.., |(project, _)| *project == listed.project());
            found.extend(same.map(|(_, place)| place));
        }
        self.left -= found.len();
        found
    }

    fn open(&self) -> Vec<usize> {
        let by_name = self.by_name.values().flatten().map(|(_, place)| place);
        let mut open: Vec<usize> = self.by_id.values().flatten().chain(by_name).copied().collect();
        open.sort_unstable();
        open
    }
}
