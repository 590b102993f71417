//! The plugins of one process, opened on first use.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use forgewatch_plugin_api::abi::HostObject;
use forgewatch_plugin_api::{Failure, Reason};

use super::discover::{Discovery, Refused};
use super::file::{PluginFile, Refusal, RefusalState};
use super::load::SealedLibrary;
use super::lock::Lock;
use super::provider::{Opened, Provider};
use super::watch::Watch;
use super::worker::WorkerSettings;

/// Every plugin found, and those that were opened.
pub struct Registry {
    dirs: Vec<PathBuf>,
    lock: Option<Arc<Lock>>,
    discovery: Discovery,
    unlistable: Vec<(PathBuf, io::Error)>,
    opened: Mutex<BTreeMap<String, Provider>>,
    /// What another registry opened, to be used on.
    former: BTreeMap<String, Provider>,
}

/// Where a plugin's code runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Room {
    /// In this process.
    InProcess,
    /// In a worker process.
    Worker(WorkerSettings),
}

/// No file has a key.
#[derive(Debug, thiserror::Error)]
#[error("there is no plugin for provider `{key}`")]
pub struct UnknownProvider {
    /// The key.
    pub key: String,
}

impl Registry {
    /// Looks through `dirs`. Nothing is opened. With a lock, nothing but what is in it will be.
    pub fn discover(dirs: &[PathBuf], lock: Option<Arc<Lock>>) -> Self {
        let mut discovery = Discovery::default();
        let unlistable =
            dirs.iter().filter_map(|dir| Some((dir.clone(), discovery.scan(dir, lock.as_deref()).err()?)));
        let unlistable = unlistable.collect();
        let (opened, former) = (Mutex::default(), BTreeMap::new());
        Self { dirs: dirs.to_vec(), lock, discovery, unlistable, opened, former }
    }

    /// Goes on with what another registry opened, where neither the plugin's place has changed nor the build that is
    /// locked: what is in use survives that its file cannot be read for a while.
    #[must_use]
    pub fn going_on_with(mut self, former: &BTreeMap<String, Provider>) -> Self {
        for (key, provider) in former {
            let Some(opened) = provider.living().filter(|opened| self.locks_as_before(opened)) else {
                continue;
            };
            let in_its_place = |refused: &Refused| {
                refused.path == opened.file.path && refused.refusal.state() != RefusalState::Duplicate
            };
            if self.discovery.refused.iter().any(in_its_place) {
                self.discovery.plugins.entry(key.clone()).or_insert_with(|| opened.file.clone());
            }
        }
        Self { former: former.clone(), ..self }
    }

    /// Everything that was opened, by key.
    pub fn opened(&self) -> BTreeMap<String, Provider> {
        self.opened.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The directories that were looked through.
    pub fn dirs(&self) -> &[PathBuf] {
        &self.dirs
    }

    /// The lock that is in use, if one is.
    pub fn lock(&self) -> Option<&Lock> {
        self.lock.as_deref()
    }

    /// What was found.
    pub fn discovery(&self) -> &Discovery {
        &self.discovery
    }

    /// The directories that could not be listed.
    pub fn unlistable(&self) -> impl Iterator<Item = (&Path, &io::Error)> {
        self.unlistable.iter().map(|(dir, error)| (dir.as_path(), error))
    }

    /// The provider for `key`, opened now in `room` if it was not before; `host` gives it its log. Needs a runtime.
    ///
    /// A plugin that cannot be opened costs its own answers and nothing else: its provider fails every call and says
    /// why.
    ///
    /// # Errors
    ///
    /// No file has this key, nor a name that says so.
    pub fn provider(
        &self,
        key: &str,
        room: Room,
        host: impl FnOnce() -> HostObject,
    ) -> Result<Provider, UnknownProvider> {
        let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(provider) = opened.get(key) {
            return Ok(provider.clone());
        }
        let nowhere = |problem: String| {
            let detail = format!("the plugin `{key}` is not used: {problem}");
            Provider::nowhere(Failure::new(Reason::PLUGIN_FAILED, detail))
        };
        let provider = match (self.discovery.plugins.get(key), self.refused(key)) {
            (Some(file), _) if let Some(former) = self.former(file, &room) => former,
            (Some(file), _) => self.open(file, room, host()).unwrap_or_else(|problem| {
                tracing::error!(plugin = key, "the plugin `{key}` is not used: {problem}");
                nowhere(problem)
            }),
            (None, Some(refused)) => nowhere(refused.refusal.to_string()),
            (None, None) => return Err(UnknownProvider { key: key.to_owned() }),
        };
        opened.insert(key.to_owned(), provider.clone());
        Ok(provider)
    }

    /// The provider that was opened before and can stay as it is. New bytes are the business of whoever runs it. In this
    /// process a library stays whatever is locked by now: it could not be replaced before a restart.
    fn former(&self, file: &PluginFile, room: &Room) -> Option<Provider> {
        let former = self.former.get(&file.manifest.key)?;
        let opened = former.living()?;
        let may_stay = *room == Room::InProcess || self.locks_as_before(opened);
        (may_stay && opened.file.path == file.path && opened.room == *room).then(|| former.clone())
    }

    fn locks_as_before(&self, opened: &Opened) -> bool {
        match &self.lock {
            Some(lock) => opened.is_locked && lock.judge(&opened.file).is_ok(),
            None => !opened.is_locked,
        }
    }

    fn open(&self, file: &PluginFile, room: Room, host: HostObject) -> Result<Provider, String> {
        // From before the bytes are read, so that no change is missed.
        let watch = Watch::new(file.path.clone());
        let library = SealedLibrary::of(&file.path, self.lock()).map_err(|error| error.to_string())?;
        let (wanted, now) = (&file.manifest.key, &library.file.manifest.key);
        if wanted != now {
            let path = file.path.display();
            return Err(format!(
                "`{path}` was a plugin for `{wanted}` when it was found and is one for `{now}` now"
            ));
        }
        open(room, library, watch, self.lock.clone(), host)
    }

    /// The refused file that is probably meant by `key`: of most refused files nothing is known but the name.
    pub fn refused(&self, key: &str) -> Option<&Refused> {
        let names = |path: &Path| {
            let stem = path.file_stem().unwrap_or_default().to_string_lossy();
            stem.strip_suffix(key).is_some_and(|rest| rest.is_empty() || rest.ends_with(['_', '-']))
        };
        let claims = |refused: &&Refused| match &refused.refusal {
            Refusal::Duplicate { key: claimed, .. } => claimed == key,
            refusal => refusal.refused_by_lock().is_some_and(|file| file.manifest.key == key),
        };
        let refused = &self.discovery.refused;
        let duplicate = |refused: &&Refused| matches!(refused.refusal, Refusal::Duplicate { .. });
        let claiming = || refused.iter().filter(claims);
        let named = || refused.iter().find(|refused| names(&refused.path) && !duplicate(refused));
        claiming().find(duplicate).or_else(|| claiming().next()).or_else(named)
    }
}

/// Opens a judged library in `room`. With `lock`, only a build that is in it may replace it later. Needs a runtime.
///
/// # Errors
///
/// In one line, why the library cannot be opened in this process; a worker says so later.
pub fn open_in(
    room: Room,
    library: SealedLibrary,
    lock: Option<Arc<Lock>>,
    host: HostObject,
) -> Result<Provider, String> {
    let watch = Watch::new(library.file.path.clone());
    open(room, library, watch, lock, host)
}

fn open(
    room: Room,
    library: SealedLibrary,
    watch: Watch,
    lock: Option<Arc<Lock>>,
    host: HostObject,
) -> Result<Provider, String> {
    let opened = Opened { file: library.file.clone(), room: room.clone(), is_locked: lock.is_some() };
    let provider = match room {
        Room::InProcess => {
            let library = library.open().map_err(|error| error.to_string())?;
            let provider = Provider::in_process(library, host).map_err(|failure| failure.to_string())?;
            provider.watched(watch, lock)
        }
        Room::Worker(settings) => Provider::in_worker(library, watch, lock, settings, host),
    };
    Ok(provider.opened_from(opened))
}
