//! What discoveries find for one sweep.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures_util::future::join_all;

use super::found::Occupied;
use super::repositories::{AmongFound, Configured, Wanted};
use crate::config::Problems;
use crate::discovery::{Catalogue, Discovery, Ended, Listing, News, identity, list};
use crate::state::{Save, State};
use crate::sweep::{CheckResult, Integration};
use crate::text::printable;
use crate::verdict::{Moment, Verdict};

/// What discoveries have found, and which of it is wanted.
pub struct Finds {
    state: Option<Arc<State>>,
    catalogue: Catalogue,
    discoveries: BTreeMap<String, Arc<Discovery>>,
    /// Those of the discoveries that may find what is wanted.
    meant: Vec<Arc<Discovery>>,
    /// What is taken by what is configured.
    occupied: Occupied,
    /// Whether everything is wanted.
    all: bool,
    among: Vec<AmongFound>,
    /// Whether they have to list: not all that is wanted is known by name.
    lists: bool,
    /// Why listings came to nothing or may have missed something, by discovery.
    cut: BTreeMap<String, String>,
    /// Whether nobody can say whether this is all that is wanted.
    unknown: bool,
    /// Whether a discovery has listed everything and found nothing.
    has_found_nothing: bool,
    /// Discovery and identity of what is wanted, by what it is called.
    identities: HashMap<String, (String, String)>,
}

impl Finds {
    /// With what the state holds, of a state that is there.
    pub(super) fn stored(state: Option<Arc<State>>) -> Self {
        let catalogue = state.as_deref().map(Catalogue::stored).transpose().unwrap_or_else(|error| {
            tracing::warn!("what was found before cannot be read: {error}");
            None
        });
        Self {
            state,
            catalogue: catalogue.unwrap_or_default(),
            discoveries: BTreeMap::new(),
            meant: Vec::new(),
            occupied: Occupied::default(),
            all: false,
            among: Vec::new(),
            lists: false,
            cut: BTreeMap::new(),
            unknown: false,
            has_found_nothing: false,
            identities: HashMap::new(),
        }
    }

    /// Looks beside what is configured.
    pub(super) fn look_beside(
        &mut self,
        configured: &Configured<'_>,
        discoveries: BTreeMap<String, Arc<Discovery>>,
    ) {
        for (_, wanted) in configured {
            self.occupied.add(&wanted.shown, &wanted.integration, wanted.repository.as_ref().ok());
        }
        self.discoveries = discoveries;
    }

    /// Looks for what `selectors` name and is `among` what was found.
    pub(super) fn narrow(&mut self, selectors: &[String], among: Vec<AmongFound>) {
        self.all = selectors.is_empty();
        let is_meant = |discovery: &str| self.all || among.iter().any(|it| it.may_mean(discovery));
        let meant = self.discoveries.values().filter(|discovery| is_meant(&discovery.name));
        self.meant = meant.cloned().collect();
        self.among = among;
        self.lists = !self.meant.is_empty() && !self.are_known_by_name();
    }

    /// How many discoveries list for what is wanted.
    pub fn listing(&self) -> usize {
        if self.lists { self.meant.len() } else { 0 }
    }

    /// The integrations of discoveries that may find what is wanted.
    pub(super) fn integrations(&self) -> impl Iterator<Item = &String> {
        self.meant.iter().map(|discovery| &discovery.settings.integration)
    }

    /// Has the discoveries list, unless all that is wanted is known by name; each page may take `limit`.
    pub(super) async fn list(&mut self, integrations: &BTreeMap<String, Arc<Integration>>, limit: Duration) {
        if !self.lists {
            return;
        }
        let mut by_integration: BTreeMap<&str, Vec<&Arc<Discovery>>> = BTreeMap::new();
        for discovery in &self.meant {
            by_integration.entry(&discovery.settings.integration).or_default().push(discovery);
        }
        let listings = by_integration.into_iter().filter_map(|(name, discoveries)| {
            let integration = integrations.get(name)?;
            Some(async move {
                let mut listings = Vec::new();
                for discovery in discoveries {
                    let listing = list(discovery, integration, limit).await;
                    listings.push((Arc::clone(discovery), listing, integration.provider_key.as_str()));
                }
                listings
            })
        });
        let listings = join_all(listings).await;
        let mut save = Save::default();
        for (discovery, listing, provider) in listings.into_iter().flatten() {
            let news = self.catalogue.take(&discovery, &listing, Moment::now());
            save.discoveries.extend(news.save.discoveries);
            save.found.extend(news.save.found);
            self.tell(&discovery, &listing, news.too_many, provider);
        }
        self.save(save);
    }

    fn tell(&mut self, discovery: &Discovery, listing: &Listing, too_many: usize, provider: &str) {
        let name = printable(&discovery.name, 100);
        let (known, _) = self.catalogue.counts(discovery);
        if let Some(why) = listing.nothing().filter(|_| known == 0) {
            self.has_found_nothing = true;
            tracing::warn!("discovery `{name}` {why}");
        }
        let why = match &listing.end {
            Ended::Whole if too_many == 0 => return,
            Ended::Whole => format!("{too_many} repositories found no room: narrow `include`"),
            Ended::Incomplete(why) => why.clone(),
            Ended::Failed(outcome) => format!("{}: {}", outcome.reason.as_str(), outcome.detail),
            Ended::Unsupported => format!("the plugin `{}` has no listing", printable(provider, 100)),
        };
        let was_whole = self.catalogue.listed_at(discovery).is_some();
        self.unknown |= !was_whole;
        let checked = if was_whole {
            format!("the {known} repositories that are known are checked")
        } else {
            format!(
                "it has never listed everything, and the {known} repositories that it has shown are checked"
            )
        };
        if matches!(listing.end, Ended::Whole | Ended::Incomplete(_)) {
            tracing::warn!("discovery `{name}` may miss something: {why}; {checked}");
        } else {
            tracing::warn!("discovery `{name}` cannot list: {why}; {checked}");
        }
        self.cut.insert(discovery.name.clone(), why);
    }

    fn are_known_by_name(&self) -> bool {
        if self.all {
            return false;
        }
        let found = self.occupied.clone().found(&self.discoveries, &self.catalogue);
        let names: HashSet<&str> = found.iter().map(|found| found.shown.as_str()).collect();
        self.among.iter().all(|among| names.contains(among.text()))
    }

    /// What was found of what is wanted. What may mean something that a listing has missed is left out, and told.
    ///
    /// # Errors
    ///
    /// What means nothing, configured or found.
    pub(super) fn wanted(&mut self) -> Result<Vec<Wanted>, Problems> {
        let occupied = std::mem::take(&mut self.occupied);
        let mut found = occupied.found(&self.discoveries, &self.catalogue);
        let (matched, unmatched): (Vec<_>, Vec<_>) = std::mem::take(&mut self.among)
            .into_iter()
            .partition(|among| found.iter().any(|it| among.is_for(&it.shown)));
        let (unclear, unmatched): (Vec<_>, Vec<_>) =
            unmatched.into_iter().partition(|among| self.cut.keys().any(|name| among.may_mean(name)));
        let problems: Vec<_> = unmatched.into_iter().filter_map(AmongFound::into_problem).collect();
        if !problems.is_empty() {
            return Err(Problems(problems));
        }
        unclear.iter().for_each(|among| self.tell_unclear(among));
        self.unknown |= !unclear.is_empty();
        found.retain(|it| self.all || matched.iter().any(|among| among.is_for(&it.shown)));
        let identities = found.iter().map(|it| {
            let (project, name, id) =
                (it.repository.project(), it.repository.name(), it.repository.external_id());
            (it.shown.clone(), (it.discovery.name.clone(), identity(project, name, id)))
        });
        self.identities = identities.collect();
        let wanted = found.into_iter().map(|found| Wanted {
            shown: found.shown,
            integration: found.discovery.settings.integration.clone(),
            repository: Ok(found.repository),
        });
        Ok(wanted.collect())
    }

    fn tell_unclear(&self, among: &AmongFound) {
        let text = printable(among.text(), 300);
        for (name, why) in self.cut.iter().filter(|(name, _)| among.may_mean(name)) {
            let name = printable(name, 100);
            tracing::warn!(
                "whether `{text}` is there cannot be told: `{name}` could not list everything: {why}"
            );
        }
    }

    /// Whether nobody can say that what is wanted is all there is: a discovery has never listed everything, or has
    /// found nothing where nothing else was `checked`.
    pub fn are_unknown(&self, checked: usize) -> bool {
        self.unknown || (checked == 0 && self.has_found_nothing)
    }

    /// Forgets what has been missing for as long as its discovery says, and is denied by its own check too.
    pub fn forget(&mut self, results: &[CheckResult]) {
        let denied = results.iter().filter(|result| result.outcome.reason.verdict() == Verdict::Denied);
        let denied: HashSet<_> =
            denied.filter_map(|result| self.identities.get(&result.repository)).collect();
        let mut news = News::default();
        for discovery in &self.meant {
            // One check is all there is: how long it has been missing says how long it has been so.
            let denied_since = |identity: &str| {
                let key = (discovery.name.clone(), identity.to_owned());
                denied.contains(&key).then(|| Moment::from(SystemTime::UNIX_EPOCH))
            };
            self.catalogue.forget(discovery, Moment::now(), &mut news, denied_since);
        }
        for (_, name) in &news.forgotten {
            tracing::warn!("`{name}` has been missing and denied for long: it is not checked any more");
        }
        self.save(news.save);
    }

    fn save(&self, save: Save) {
        let saved = self.state.as_ref().filter(|_| !save.is_empty()).map(|state| state.save(save));
        if let Some(Err(error)) = saved {
            tracing::warn!("what was found is not saved: {error}");
        }
    }
}
