//! What was found, among what is configured: nothing is taken in twice, and no two have one name.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use forgewatch_plugin_api as api;
use sha2::Digest;

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
                let shown = self.name(found.shown(&discovery.name), identity);
                all.push(FoundHere { shown, discovery, repository: described(found) });
            }
            self.ids.extend(ids);
            self.places.extend(places);
        }
        all
    }

    /// A name that nothing else has: with the identity behind it where it is taken, and with a fingerprint of all of it
    /// where that is not enough. A forge that wants names alike must not have many tries made for each.
    fn name(&mut self, shown: String, identity: &str) -> String {
        let own = identity.trim_start_matches('#');
        let digest = || sha2::Sha256::digest(own.as_bytes());
        let print = || digest().iter().take(16).fold(String::new(), |text, byte| format!("{text}{byte:02x}"));
        let with_id = |id: &str| format!("{shown} ({id})");
        let tries: [&dyn Fn() -> String; 3] =
            [&|| shown.clone(), &|| with_id(&printable(own, 100)), &|| with_id(&print())];
        for name in tries {
            let name = name();
            if self.names.insert(name.clone()) {
                return name;
            }
        }
        // Somebody has configured just that name.
        (1_u64..)
            .map(|nth| format!("{shown} ({}-{nth})", print()))
            .find(|name| self.names.insert(name.clone()))
            .unwrap_or(shown)
    }
}

fn described(found: &Found) -> api::Repository {
    let mut repository = api::Repository::new(&found.name);
    if let Some(project) = &found.project {
        repository = repository.with_project(project);
    }
    match &found.external_id {
        Some(id) => repository.with_external_id(id),
        None => repository,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::state::{DiscoveryRow, FoundKey, FoundRow, Save, State};

    /// What discoveries, all of one integration, have found: `(discovery, id, project, name)`, the longest known first.
    fn found(rows: &[(&str, &str, &str, &str)], occupied: Occupied) -> Vec<String> {
        let folder = tempfile::TempDir::new().unwrap();
        let state = State::open(&folder.path().join("state.db")).unwrap();
        let (mut save, mut discoveries) = (Save::default(), BTreeMap::new());
        for ((discovery, id, project, name), second) in rows.iter().zip(1..) {
            let settings = serde_json::from_str(r#"{ "integration": "acme", "include": ["*"] }"#).unwrap();
            let prepared = Discovery::of(&Config::default(), discovery, &settings).unwrap();
            discoveries.insert((*discovery).to_owned(), Arc::new(prepared));
            let row = DiscoveryRow { integration: "acme".to_owned(), wanted: String::new(), listed_at: None };
            save.discoveries.push(((*discovery).to_owned(), Some(row)));
            let key = FoundKey { discovery: (*discovery).to_owned(), identity: format!("#{id}") };
            let row = FoundRow {
                project: Some((*project).to_owned()),
                name: (*name).to_owned(),
                external_id: Some((*id).to_owned()),
                first_seen: std::time::UNIX_EPOCH + std::time::Duration::from_secs(second),
                missing_since: None,
            };
            save.found.push((key, Some(row)));
        }
        state.save(save).unwrap();
        let catalogue = Catalogue::stored(&state).unwrap();
        occupied.found(&discoveries, &catalogue).into_iter().map(|found| found.shown).collect()
    }

    fn configured(shown: &str, repository: &api::Repository) -> Occupied {
        let mut occupied = Occupied::default();
        occupied.add(shown, "acme", Some(repository));
        occupied
    }

    #[test]
    fn what_is_configured_is_not_taken_in_again() {
        let rows = [("d", "7", "P", "api")];
        let named = |name: &str| api::Repository::new(name).with_project("p");
        assert!(found(&rows, configured("x", &named("API"))).is_empty());
        assert!(found(&rows, configured("x", &named("former").with_external_id("7"))).is_empty());
        assert_eq!(found(&rows, configured("x", &named("web"))), ["d:P/api"]);
        // One of the same name elsewhere.
        let mut elsewhere = Occupied::default();
        elsewhere.add("x", "globex", Some(&named("api")));
        assert_eq!(found(&rows, elsewhere), ["d:P/api"]);
    }

    #[test]
    fn the_first_discovery_by_name_has_what_two_find() {
        let rows = [("b", "1", "P", "api"), ("a", "1", "P", "api"), ("b", "2", "P", "web")];
        assert_eq!(found(&rows, Occupied::default()), ["a:P/api", "b:P/web"]);
    }

    #[test]
    fn no_two_are_called_alike() {
        let rows = [
            ("d", "9", "P", "api"),
            ("d", "3", "P", "api"),
            ("d", "4", "P", "a\nb"),
            ("d", "5", "P", "a\\nb"),
        ];
        let occupied = configured("d:P/api", &api::Repository::new("other"));
        let expected = ["d:P/api (9)", "d:P/api (3)", "d:P/a\\nb", "d:P/a\\nb (5)"];
        assert_eq!(found(&rows, occupied), expected);
    }

    #[test]
    fn names_that_a_forge_makes_alike_are_told_apart_at_once() {
        let mut occupied = Occupied::default();
        let ids = (0..20_000).map(|nth| format!("#{}{nth}", "a".repeat(110)));
        let names: HashSet<String> = ids.map(|id| occupied.name("d:x".to_owned(), &id)).collect();
        assert_eq!(names.len(), 20_000);
        assert!(names.iter().all(|name| name.len() < 120));
    }
}
