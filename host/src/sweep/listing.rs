//! Reading a listing page by page, whatever a plugin or a forge makes of it.
//!
//! A listing is whole only where its last page was reached and nobody said that something is missing. One that goes
//! on for ever, comes back to a page that was there, or brings nothing new is ended here; what it showed until then was
//! shown all the same.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use forgewatch_plugin_api::{ListRequest, ListedRepository, RepositoryPage};
use tokio::time::timeout;

use super::check::{Integration, complete, timed_out};
use crate::plugins::Client;
use crate::services::call::{self, CallRecord, Seen};
use crate::text::printable;
use crate::verdict::{Outcome, Reason};

/// More pages than any account fills.
const MOST_PAGES: u32 = 20_000;
/// More repositories than are watched anywhere; what is known of each takes memory.
const MOST_REPOSITORIES: usize = 1_000_000;
/// Pages in a row without a repository that had not come before.
const MOST_IDLE_PAGES: u32 = 20;
/// A cursor goes back and forth with each page.
const LONGEST_CURSOR: usize = 16 * 1024;

/// How a listing ended.
#[derive(Clone, Debug)]
pub enum ListingEnd {
    /// Everything that is granted was shown.
    Whole,
    /// Something may be missing, and why.
    Incomplete(String),
    /// Whoever asked for it wanted no further page.
    GivenUp,
    /// The plugin has no listing.
    Unsupported,
    /// A page could not be had.
    Failed(Outcome),
}

/// How a listing ended and what it cost.
#[derive(Clone, Debug)]
pub struct Listed {
    /// How it ended.
    pub end: ListingEnd,
    /// How many requests it took, repeated ones included.
    pub requests: u32,
}

/// A listing, as far as it has come. After a page that could not be had it goes on with that page.
#[derive(Debug, Default)]
pub struct Pager {
    request: ListRequest,
    pages: u32,
    shown: Shown,
    incomplete: Option<String>,
}

impl Pager {
    /// Whether a page has been had.
    pub fn has_begun(&self) -> bool {
        self.pages > 0
    }

    /// Lists what the integration's identity is granted. `take` gets each page, with what was seen of its requests and
    /// those before, and says whether the next is wanted; a page may take `limit`. Cancel-safe: what was taken stays
    /// taken.
    pub async fn list(
        &mut self,
        integration: &Integration,
        client: &Client,
        limit: Duration,
        mut take: impl FnMut(&RepositoryPage, Seen) -> bool,
    ) -> Listed {
        let record = Arc::new(CallRecord::default());
        let end = self.pages(integration, client, limit, &record, &mut take).await;
        Listed { end, requests: record.seen().requests }
    }

    async fn pages(
        &mut self,
        integration: &Integration,
        client: &Client,
        limit: Duration,
        record: &Arc<CallRecord>,
        take: &mut impl FnMut(&RepositoryPage, Seen) -> bool,
    ) -> ListingEnd {
        while self.pages < MOST_PAGES {
            let call = client.list_repositories(integration.services.host_object(), &self.request);
            let page = match timeout(limit, call::scope(Arc::clone(record), call)).await {
                Ok(Ok(page)) => page,
                Ok(Err(failure)) if failure.is_unsupported() => return ListingEnd::Unsupported,
                Ok(Err(failure)) => return ListingEnd::Failed(complete(failure.into(), record)),
                Err(_) => return ListingEnd::Failed(timed_out("a page of the listing", limit)),
            };
            self.pages += 1;
            if let Some(why) = page.incomplete() {
                self.incomplete = Some(printable(why, 500).into_owned());
            }
            let is_wanted = take(&page, record.seen());
            let next = page.next().map(ToOwned::to_owned);
            if let Err(why) = self.shown.note(page) {
                return broken(&why);
            }
            let Some(next) = next else {
                return self.incomplete.take().map_or(ListingEnd::Whole, ListingEnd::Incomplete);
            };
            if !is_wanted {
                return ListingEnd::GivenUp;
            }
            if next.len() > LONGEST_CURSOR {
                return broken("a cursor of the listing is longer than 16 KiB");
            }
            self.request = ListRequest::after(&next);
        }
        broken(&format!("the listing does not end: it has more than {MOST_PAGES} pages"))
    }
}

fn broken(why: &str) -> ListingEnd {
    ListingEnd::Failed(Outcome::new(Reason::InvalidResponse, why))
}

/// What had come before, by fingerprint: the texts of a large account would take more memory than all else.
#[derive(Debug, Default)]
struct Shown {
    cursors: HashSet<u64>,
    repositories: HashSet<u64>,
    idle: u32,
}

impl Shown {
    fn note(&mut self, page: RepositoryPage) -> Result<(), String> {
        if let Some(next) = page.next()
            && !self.cursors.insert(fingerprint(&next))
        {
            return Err("the listing comes back to a page that was there before".to_owned());
        }
        let known = self.repositories.len();
        self.repositories.extend(page.into_repositories().iter().map(identity));
        self.idle = if self.repositories.len() == known { self.idle + 1 } else { 0 };
        if self.idle > MOST_IDLE_PAGES {
            return Err(format!("the listing has shown nothing new for {MOST_IDLE_PAGES} pages"));
        }
        if self.repositories.len() > MOST_REPOSITORIES {
            return Err(format!(
                "the listing does not end: it has more than {MOST_REPOSITORIES} repositories"
            ));
        }
        Ok(())
    }
}

fn identity(listed: &ListedRepository) -> u64 {
    fingerprint(&(listed.external_id(), listed.project(), listed.name()))
}

fn fingerprint(value: &impl std::hash::Hash) -> u64 {
    use std::hash::BuildHasher;
    foldhash::fast::FixedState::default().hash_one(value)
}
