//! What was found, among what is configured: nothing is taken in twice, and no two have one name.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use forgewatch_plugin_api as api;

use crate::discovery::{Catalogue, Discovery, Found};
use crate::text::printable;

/// What is taken already.
#[derive(Clone, Default)]
pub(super) struct Occupied {
    /// What repositories are called.
    names: HashSet<String>,
    /// Repositories by integration and id.
    ids: HashSet<(String, String)>,
    /// Repositories by integration, project and name.
    places: HashSet<(String, String, String)>,
}

/// A repository that was found and is not configured.
pub(super) struct FoundHere<'a> {
    /// What it is called. Safe to print.
    pub(super) shown: String,
    pub(super) discovery: &'a Arc<Discovery>,
    pub(super) repository: api::Repository,
}

impl Occupied {
    /// Takes what is configured.
    pub(super) fn add(&mut self, shown: &str, integration: &str, repository: Option<&api::Repository>) {
        self.names.insert(shown.to_owned());
        let Some(repository) = repository else { return };
        if let Some(id) = repository.external_id() {
            self.ids.insert((integration.to_owned(), id.to_lowercase()));
        }
        let project = repository.project().unwrap_or_default().to_lowercase();
        self.places.insert((integration.to_owned(), project, repository.name().to_lowercase()));
    }

    /// What was found beside it, in the order of discoveries: of two that find the same the first has it.
    pub(super) fn found<'a>(
        mut self,
        discoveries: &'a BTreeMap<String, Arc<Discovery>>,
        catalogue: &'a Catalogue,
    ) -> Vec<FoundHere<'a>> {
        let mut all = Vec::new();
        for discovery in discoveries.values() {
            let integration = &discovery.settings.integration;
            // Two that the same discovery has found are two, however alike they are called.
            let (mut ids, mut places) = (Vec::new(), Vec::new());
            for (identity, found) in catalogue.of(discovery) {
                let (project, name) = found.place();
                let place = (integration.clone(), project, name);
                let id = found.external_id.as_deref().map(|id| (integration.clone(), id.to_lowercase()));
                if self.places.contains(&place) || id.as_ref().is_some_and(|id| self.ids.contains(id)) {
                    continue;
                }
                ids.extend(id);
                places.push(place);
                let mut shown = found.shown(&discovery.name);
                while !self.names.insert(shown.clone()) {
                    shown = format!("{shown} ({})", printable(identity.trim_start_matches('#'), 100));
                }
                all.push(FoundHere { shown, discovery, repository: described(found) });
            }
            self.ids.extend(ids);
            self.places.extend(places);
        }
        all
    }
}

fn described(found: &Found) -> api::Repository {
    let mut repository = api::Repository::new(&*found.name);
    if let Some(project) = &found.project {
        repository = repository.with_project(&**project);
    }
    match &found.external_id {
        Some(id) => repository.with_external_id(&**id),
        None => repository,
    }
}
