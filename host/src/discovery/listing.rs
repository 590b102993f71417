//! One listing, as far as a discovery wants it.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use forgewatch_plugin_api::{ListedRepository, RepositoryPage};

use super::Discovery;
use super::catalogue::{MOST_FOUND, identity};
use crate::sweep::{Integration, ListingEnd, Pager};
use crate::text::printable;
use crate::verdict::Outcome;

/// Bytes of a name, a project or an id. No forge has longer ones.
const LONGEST_NAME: usize = 1_000;
/// Bytes of all of them together that one discovery may keep: several times what real names take.
const MOST_BYTES: usize = 64 << 20;

/// What a listing showed.
#[derive(Debug)]
pub struct Listing {
    /// What is wanted of it, by identity.
    pub(super) shown: HashMap<String, Shown>,
    /// Identities of what was shown and is not wanted.
    pub(super) unwanted: HashSet<u64>,
    /// How many were shown that no forge has.
    pub(super) unusable: usize,
    /// How it ended.
    pub end: Ended,
    /// How many requests it took.
    pub requests: u32,
    /// Bytes of the texts in `shown`.
    bytes: usize,
    /// How far it has come.
    pager: Pager,
}

/// How a listing ended.
#[derive(Clone, Debug)]
pub enum Ended {
    /// Everything was shown.
    Whole,
    /// Something may be missing, and why.
    Incomplete(String),
    /// It broke off, and why. What it showed until then was shown all the same.
    Failed(Outcome),
    /// The plugin has no listing.
    Unsupported,
}

/// A repository in a listing.
#[derive(Clone, Debug)]
pub(super) struct Shown {
    pub(super) project: Option<String>,
    pub(super) name: String,
    pub(super) external_id: Option<String>,
    /// What is denied is known to exist, and not taken in.
    pub(super) is_granted: bool,
}

/// Lists what the discovery's integration is granted; making the client and each page may take `limit`. Cancel-safe.
pub async fn list(discovery: &Discovery, integration: &Integration, limit: Duration) -> Listing {
    go_on(discovery, integration, limit, Listing::default()).await
}

/// The same for a listing that was held back: it goes on with the page that it could not have.
pub async fn go_on(
    discovery: &Discovery,
    integration: &Integration,
    limit: Duration,
    mut listing: Listing,
) -> Listing {
    let client = match integration.connect(limit).await {
        Ok(client) => client,
        Err(outcome) => return Listing { end: Ended::Failed(outcome), ..listing },
    };
    let mut pager = std::mem::take(&mut listing.pager);
    let listed = pager.list(integration, &client, limit, |page, _| listing.take(discovery, page)).await;
    listing.pager = pager;
    listing.requests += listed.requests;
    listing.end = match listed.end {
        ListingEnd::Whole if listing.unusable > 0 => Ended::Incomplete(format!(
            "{} repositories have no name, or one of more than {LONGEST_NAME} bytes",
            listing.unusable
        )),
        ListingEnd::Whole => Ended::Whole,
        ListingEnd::Incomplete(why) => Ended::Incomplete(why),
        ListingEnd::GivenUp => Ended::Incomplete(format!(
            "more than {MOST_FOUND} repositories, or more than {MOST_BYTES} bytes of names, fit `discovery.{}.include`: narrow it, or make several discoveries",
            printable(&discovery.name, 100)
        )),
        ListingEnd::Unsupported => Ended::Unsupported,
        ListingEnd::Failed(outcome) => Ended::Failed(outcome),
    };
    listing
}

impl Default for Listing {
    fn default() -> Self {
        Self {
            shown: HashMap::new(),
            unwanted: HashSet::new(),
            unusable: 0,
            end: Ended::Whole,
            requests: 0,
            bytes: 0,
            pager: Pager::default(),
        }
    }
}

impl Listing {
    /// A page; whether there is room for another.
    pub(super) fn take(&mut self, discovery: &Discovery, page: &RepositoryPage) -> bool {
        for listed in page.repositories() {
            if !is_usable(listed) {
                self.unusable += 1;
                continue;
            }
            let (project, id) = (listed.project(), listed.external_id());
            let identity = identity(project, listed.name(), id);
            if discovery.wants(project, listed.name()) {
                let shown = Shown {
                    project: project.map(ToOwned::to_owned),
                    name: listed.name().to_owned(),
                    external_id: id.map(ToOwned::to_owned),
                    is_granted: listed.access().is_ok(),
                };
                self.bytes +=
                    [project, id].into_iter().flatten().map(str::len).sum::<usize>() + shown.name.len();
                self.shown.insert(identity, shown);
            } else {
                self.unwanted.insert(fingerprint(&identity));
            }
        }
        self.shown.len() <= MOST_FOUND && self.bytes <= MOST_BYTES
    }

    /// One that broke off before it had begun.
    pub fn failed(outcome: Outcome) -> Self {
        Self { end: Ended::Failed(outcome), ..Self::default() }
    }

    /// Whether it waits for what the forge allows, and goes on then.
    pub fn is_held_back(&self) -> bool {
        matches!(&self.end, Ended::Failed(outcome) if outcome.held_back) && self.pager.has_begun()
    }

    /// Whether everything was shown.
    pub fn is_whole(&self) -> bool {
        matches!(self.end, Ended::Whole)
    }

    /// Whether it was shown under a name that is not wanted.
    pub(super) fn shows_elsewhere(&self, identity: &str) -> bool {
        self.unwanted.contains(&fingerprint(identity))
    }
}

fn is_usable(listed: &ListedRepository) -> bool {
    let texts = [Some(listed.name()), listed.project(), listed.external_id()];
    !listed.name().is_empty() && texts.into_iter().flatten().all(|text| text.len() <= LONGEST_NAME)
}

/// The texts of all that a large account has and nobody wants would take more memory than all else.
fn fingerprint(identity: &str) -> u64 {
    use std::hash::BuildHasher;
    foldhash::fast::FixedState::default().hash_one(identity)
}
