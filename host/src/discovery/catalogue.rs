//! Everything that was found, in memory as it is in the state.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use super::Discovery;
use super::listing::{Listing, Shown};
use crate::state::{DiscoveryRow, FoundKey, FoundRow, Save, State, StateError};
use crate::text::printable;
use crate::verdict::Moment;

/// Repositories that one discovery takes in. What is known of each takes memory.
pub const MOST_FOUND: usize = 200_000;
/// Characters of a name that is shown.
const LONGEST_SHOWN: usize = 500;

/// What tells a repository from the others of its integration: the forge's own id or, without one, project and name.
pub fn identity(project: Option<&str>, name: &str, external_id: Option<&str>) -> String {
    match external_id {
        Some(id) => format!("#{id}"),
        None => format!("{}/{name}", project.unwrap_or_default()),
    }
}

/// Everything that was found, by discovery, configured now or not.
#[derive(Clone, Debug, Default)]
pub struct Catalogue {
    discoveries: BTreeMap<String, Holdings>,
}

/// What one discovery has found.
#[derive(Clone, Debug, Default)]
struct Holdings {
    integration: String,
    wanted: String,
    listed_at: Option<Moment>,
    /// By identity.
    repositories: BTreeMap<String, Found>,
}

/// A repository that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Its project on the forge.
    pub project: Option<Box<str>>,
    /// Its name on the forge.
    pub name: Box<str>,
    /// The forge's own id.
    pub external_id: Option<Box<str>>,
    /// When it was shown first.
    pub first_seen: Moment,
    /// Since when no whole listing has shown it.
    pub missing_since: Option<Moment>,
}

/// What came of a listing, or of looking for what may be forgotten: identities, and what is to be saved.
#[derive(Debug, Default)]
pub struct News {
    /// Shown for the first time.
    pub found: Vec<String>,
    /// Shown under other names than before.
    pub renamed: Vec<Renamed>,
    /// Not shown any more, which says nothing about access yet.
    pub missing: Vec<String>,
    /// Shown again.
    pub back: Vec<String>,
    /// Not watched any more, and how they were called: shown under a name that is not wanted, or replaced by others of
    /// the same name.
    pub left: Vec<(String, String)>,
    /// Not watched any more, since they were missing and denied for long.
    pub forgotten: Vec<(String, String)>,
    /// How many found no more room.
    pub too_many: usize,
    /// What is to be saved.
    pub save: Save,
}

/// A repository that has another name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Renamed {
    /// Its identity.
    pub identity: String,
    /// How it was called.
    pub from: String,
}

impl News {
    /// Whether other repositories are to be watched, or the same under other names.
    pub fn changes_what_is_watched(&self) -> bool {
        let lists = [self.found.len(), self.renamed.len(), self.left.len(), self.forgotten.len()];
        lists.into_iter().any(|length| length > 0)
    }
}

impl Found {
    /// What it is called here, unless another is called so already. Safe to print.
    pub fn shown(&self, discovery: &str) -> String {
        let project = self.project.as_deref().map(|project| format!("{project}/")).unwrap_or_default();
        printable(&format!("{discovery}:{project}{}", self.name), LONGEST_SHOWN).into_owned()
    }

    fn is_called(&self, shown: &Shown) -> bool {
        self.project.as_deref() == shown.project.as_deref() && *self.name == *shown.name
    }

    fn of(shown: &Shown, now: Moment) -> Self {
        Self {
            project: shown.project.as_deref().map(Into::into),
            name: shown.name.as_str().into(),
            external_id: shown.external_id.as_deref().map(Into::into),
            first_seen: now,
            missing_since: None,
        }
    }

    /// Project and name, in which forges make no difference between upper and lower case.
    pub(crate) fn place(&self) -> (String, String) {
        (self.project.as_deref().unwrap_or_default().to_lowercase(), self.name.to_lowercase())
    }
}

impl Catalogue {
    /// What the state holds.
    ///
    /// # Errors
    ///
    /// It cannot be read.
    pub fn stored(state: &State) -> Result<Self, StateError> {
        let mut catalogue = Self::default();
        for (name, row) in state.discoveries()? {
            let listed_at = row.listed_at.map(Moment::from);
            let (integration, wanted) = (row.integration, row.wanted);
            let holdings = Holdings { integration, wanted, listed_at, repositories: BTreeMap::new() };
            catalogue.discoveries.insert(name, holdings);
        }
        for (key, row) in state.found()? {
            if let Some(holdings) = catalogue.discoveries.get_mut(&key.discovery) {
                holdings.repositories.insert(key.identity, row.into());
            }
        }
        Ok(catalogue)
    }

    /// What a discovery has found and wants, each with its identity, the longest known first.
    pub fn of(&self, discovery: &Discovery) -> Vec<(&str, &Found)> {
        let wanted = |(_, found): &(&String, &Found)| discovery.wants(found.project.as_deref(), &found.name);
        let holdings = self.holdings(discovery).into_iter().flat_map(|holdings| &holdings.repositories);
        let mut found: Vec<_> = holdings.filter(wanted).map(|(id, found)| (id.as_str(), found)).collect();
        found.sort_by_key(|(_, found)| found.first_seen);
        found
    }

    /// How many repositories a discovery has found, and how many of them are missing.
    pub fn counts(&self, discovery: &Discovery) -> (usize, usize) {
        let found = self.of(discovery);
        (found.len(), found.iter().filter(|(_, found)| found.missing_since.is_some()).count())
    }

    /// When a discovery has listed everything that it wants for the last time.
    pub fn listed_at(&self, discovery: &Discovery) -> Option<Moment> {
        self.holdings(discovery).filter(|it| it.wanted == discovery.wanted())?.listed_at
    }

    fn holdings(&self, discovery: &Discovery) -> Option<&Holdings> {
        // Under the same name it may have searched elsewhere.
        self.discoveries.get(&discovery.name).filter(|it| it.integration == discovery.settings.integration)
    }

    /// Takes a listing in.
    pub fn take(&mut self, discovery: &Discovery, listing: &Listing, now: Moment) -> News {
        let mut news = News::default();
        let (name, integration) = (&discovery.name, &discovery.settings.integration);
        if let Some(former) = self.discoveries.remove(name) {
            if former.integration == *integration {
                self.discoveries.insert(name.clone(), former);
            } else {
                former.forget_all(name, &mut news.save);
            }
        }
        let holdings = self.discoveries.entry(name.clone()).or_default();
        let before = (holdings.integration.clone(), holdings.wanted.clone(), holdings.listed_at);
        holdings.integration.clone_from(integration);
        holdings.add(name, listing, now, &mut news);
        if listing.is_whole() {
            holdings.miss(name, listing, now, &mut news);
            holdings.listed_at = Some(now);
            holdings.wanted = discovery.wanted();
        }
        if before != (holdings.integration.clone(), holdings.wanted.clone(), holdings.listed_at) {
            news.save.discoveries.push((name.clone(), Some(holdings.row())));
        }
        news
    }

    /// Forgets what has been missing for as long as the discovery says, and denied for as long by its own checks:
    /// `denied_since` says so of an identity.
    pub fn forget(
        &mut self,
        discovery: &Discovery,
        now: Moment,
        news: &mut News,
        denied_since: impl Fn(&str) -> Option<Moment>,
    ) {
        let limit: Duration = discovery.settings.forget_after.get();
        let is_over = |since: Option<Moment>| since.is_some_and(|since| now.since(since) >= limit);
        let name = &discovery.name;
        let Some(holdings) = self.discoveries.get_mut(name) else { return };
        let gone = holdings.repositories.extract_if(.., |identity, found| {
            is_over(found.missing_since) && is_over(denied_since(identity))
        });
        for (identity, found) in gone {
            news.save.found.push((key(name, &identity), None));
            news.forgotten.push((identity, found.shown(name)));
        }
    }

    /// Forgets discoveries that are not configured any more and have listed nothing for longer than `limit`.
    pub fn forget_unused(&mut self, is_used: impl Fn(&str) -> bool, now: Moment, limit: Duration) -> Save {
        let mut save = Save::default();
        let is_old = |holdings: &Holdings| holdings.listed_at.is_none_or(|at| now.since(at) > limit);
        let unused = self.discoveries.extract_if(.., |name, holdings| !is_used(name) && is_old(holdings));
        for (name, holdings) in unused {
            holdings.forget_all(&name, &mut save);
            save.discoveries.push((name, None));
        }
        save
    }

    /// Everything, to be saved anew.
    pub fn save_all(&self) -> Save {
        let mut save = Save::default();
        for (name, holdings) in &self.discoveries {
            save.discoveries.push((name.clone(), Some(holdings.row())));
            let rows = holdings.repositories.iter();
            save.found.extend(rows.map(|(identity, found)| (key(name, identity), Some(found.into()))));
        }
        save
    }
}

impl Holdings {
    /// Adds what a listing shows.
    fn add(&mut self, discovery: &str, listing: &Listing, now: Moment, news: &mut News) {
        for (identity, shown) in &listing.shown {
            let Some(found) = self.repositories.get_mut(identity) else {
                if !shown.is_granted {
                    continue;
                }
                if self.repositories.len() >= MOST_FOUND {
                    news.too_many += 1;
                    continue;
                }
                let found = Found::of(shown, now);
                news.save.found.push((key(discovery, identity), Some((&found).into())));
                news.found.push(identity.clone());
                self.repositories.insert(identity.clone(), found);
                continue;
            };
            let (is_back, is_called) = (found.missing_since.take().is_some(), found.is_called(shown));
            if !is_called {
                let from = found.shown(discovery);
                *found = Found { first_seen: found.first_seen, ..Found::of(shown, now) };
                news.renamed.push(Renamed { identity: identity.clone(), from });
            }
            if is_back {
                news.back.push(identity.clone());
            }
            if is_back || !is_called {
                news.save.found.push((key(discovery, identity), Some((&*found).into())));
            }
        }
    }

    /// Says of what a whole listing does not show that it is missing, unless it is known where it went.
    fn miss(&mut self, discovery: &str, listing: &Listing, now: Moment, news: &mut News) {
        let known = listing.shown.keys().filter_map(|identity| self.repositories.get(identity));
        let places: HashSet<_> = known.map(Found::place).collect();
        let left = self.repositories.extract_if(.., |identity, found| {
            let is_shown = listing.shown.contains_key(identity);
            !is_shown && (listing.shows_elsewhere(identity) || places.contains(&found.place()))
        });
        for (identity, found) in left {
            news.save.found.push((key(discovery, &identity), None));
            news.left.push((identity, found.shown(discovery)));
        }
        for (identity, found) in &mut self.repositories {
            if !listing.shown.contains_key(identity) && found.missing_since.is_none() {
                found.missing_since = Some(now);
                news.save.found.push((key(discovery, identity), Some((&*found).into())));
                news.missing.push(identity.clone());
            }
        }
    }

    fn forget_all(&self, discovery: &str, save: &mut Save) {
        save.found.extend(self.repositories.keys().map(|identity| (key(discovery, identity), None)));
    }

    fn row(&self) -> DiscoveryRow {
        DiscoveryRow {
            integration: self.integration.clone(),
            wanted: self.wanted.clone(),
            listed_at: self.listed_at.map(Into::into),
        }
    }
}

fn key(discovery: &str, identity: &str) -> FoundKey {
    FoundKey { discovery: discovery.to_owned(), identity: identity.to_owned() }
}

impl From<&Found> for FoundRow {
    fn from(found: &Found) -> Self {
        Self {
            project: found.project.as_deref().map(ToOwned::to_owned),
            name: found.name.to_string(),
            external_id: found.external_id.as_deref().map(ToOwned::to_owned),
            first_seen: found.first_seen.into(),
            missing_since: found.missing_since.map(Into::into),
        }
    }
}

impl From<FoundRow> for Found {
    fn from(row: FoundRow) -> Self {
        Self {
            project: row.project.map(Into::into),
            name: row.name.into(),
            external_id: row.external_id.map(Into::into),
            first_seen: row.first_seen.into(),
            missing_since: row.missing_since.map(Into::into),
        }
    }
}
