//! A world with the tables that make look-ups quick. Made anew on every change, never changed in place.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

use super::world::{Credential, Organisation, Project, Reach, Repository, World};

pub(crate) struct Snapshot {
    pub(crate) world: World,
    tables: Vec<Tables>,
    credentials: HashMap<String, Arc<Credential>>,
    /// Bodies of lists, which cost megabytes to make in a large world.
    lists: Mutex<HashMap<ListKey, Bytes>>,
}

/// What the body of a list depends on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ListKey {
    pub(crate) base: String,
    pub(crate) project: Option<usize>,
    pub(crate) reader: String,
    pub(crate) with_disabled_field: bool,
}

#[derive(Default)]
struct Tables {
    projects: HashMap<String, usize>,
    repositories_by_id: HashMap<String, (usize, usize)>,
    repositories_by_name: Vec<HashMap<String, usize>>,
}

impl Snapshot {
    pub(crate) fn new(world: World) -> Self {
        let tables = world.organisations.iter().map(Tables::new).collect();
        let credentials = world
            .credentials
            .iter()
            .map(|credential| (credential.secret.clone(), Arc::new(credential.clone())))
            .collect();
        Self { world, tables, credentials, lists: Mutex::default() }
    }

    pub(crate) fn credential(&self, secret: &str) -> Option<&Arc<Credential>> {
        self.credentials.get(secret)
    }

    /// Position of the organisation with a name and an address form for which `reached` holds.
    pub(crate) fn organisation(&self, name: &str, reached: impl Fn(&Reach) -> bool) -> Option<usize> {
        self.world
            .organisations
            .iter()
            .position(|candidate| same(&candidate.name, name) && candidate.reach.iter().any(&reached))
    }

    /// Position of a project by name or id.
    pub(crate) fn project(&self, organisation: usize, name_or_id: &str) -> Option<usize> {
        self.tables[organisation].projects.get(&name_or_id.to_lowercase()).copied()
    }

    /// A repository by name or id within a project, or by id alone.
    pub(crate) fn repository(
        &self,
        organisation: usize,
        project: Option<usize>,
        name_or_id: &str,
    ) -> Option<(&Project, &Repository)> {
        let tables = &self.tables[organisation];
        let key = name_or_id.to_lowercase();
        let by_name = |project: usize| Some((project, *tables.repositories_by_name[project].get(&key)?));
        let by_id = || tables.repositories_by_id.get(&key).copied();
        let (found, at) = match project {
            Some(wanted) => by_name(wanted).or_else(|| by_id().filter(|&(found, _)| found == wanted))?,
            None => by_id()?,
        };
        let project = &self.world.organisations[organisation].projects[found];
        Some((project, &project.repositories[at]))
    }

    /// The body of a list, made by `make` the first time.
    pub(crate) fn list(&self, key: ListKey, make: impl FnOnce() -> Bytes) -> Bytes {
        let mut lists = self.lists.lock().unwrap_or_else(PoisonError::into_inner);
        lists.entry(key).or_insert_with(make).clone()
    }
}

impl Tables {
    fn new(organisation: &Organisation) -> Self {
        let mut tables = Self::default();
        for (p, project) in organisation.projects.iter().enumerate() {
            tables.projects.insert(project.name.to_lowercase(), p);
            tables.projects.insert(project.id.to_lowercase(), p);
            let mut names = HashMap::with_capacity(project.repositories.len());
            for (r, repository) in project.repositories.iter().enumerate() {
                names.insert(repository.name.to_lowercase(), r);
                tables.repositories_by_id.insert(repository.id.to_lowercase(), (p, r));
            }
            tables.repositories_by_name.push(names);
        }
        tables
    }
}

/// Whether two names are the same to the service.
pub(crate) fn same(one: &str, other: &str) -> bool {
    one.eq_ignore_ascii_case(other) || (!one.is_ascii() && one.to_lowercase() == other.to_lowercase())
}
