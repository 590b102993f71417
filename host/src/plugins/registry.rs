//! The plugins of one process, opened on first use.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use forgewatch_plugin_api::Failure;
use forgewatch_plugin_api::abi::HostObject;

use super::discover::Discovery;
use super::file::Refusal;
use super::load::{LoadError, load};
use super::lock::Lock;
use super::provider::Provider;

/// Every plugin found, and those that were opened.
pub struct Registry {
    dirs: Vec<PathBuf>,
    lock: Option<Arc<Lock>>,
    discovery: Discovery,
    unlistable: Vec<(PathBuf, io::Error)>,
    opened: Mutex<BTreeMap<String, Provider>>,
}

/// Why there is no provider for a key.
#[derive(Debug, thiserror::Error)]
pub enum ProviderError {
    /// No file has this key.
    #[error("there is no plugin for provider `{key}`")]
    Unknown {
        /// The key.
        key: String,
    },
    /// Several files have this key.
    #[error(transparent)]
    Duplicate(Refusal),
    /// The library does not open.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The file was replaced by another provider's since it was found.
    #[error("`{}` was a plugin for `{key}` when it was found and is one for `{now}` now", .path.display())]
    Replaced {
        /// The file.
        path: PathBuf,
        /// The key that it was found with.
        key: String,
        /// The key that it has now.
        now: String,
    },
    /// The plugin failed while it was set up.
    #[error("plugin `{key}` does not start: {failure}")]
    Start {
        /// The key.
        key: String,
        /// What the plugin said.
        failure: Failure,
    },
}

impl Registry {
    /// Looks through `dirs`. Nothing is opened. With a lock, nothing but what is in it will be.
    pub fn discover(dirs: &[PathBuf], lock: Option<Arc<Lock>>) -> Self {
        let mut discovery = Discovery::default();
        let unlistable =
            dirs.iter().filter_map(|dir| Some((dir.clone(), discovery.scan(dir, lock.as_deref()).err()?)));
        let unlistable = unlistable.collect();
        Self { dirs: dirs.to_vec(), lock, discovery, unlistable, opened: Mutex::default() }
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

    /// The provider for `key`, opened now if it was not before; `host` gives it its log.
    ///
    /// # Errors
    ///
    /// See [`ProviderError`].
    pub fn provider(&self, key: &str, host: impl FnOnce() -> HostObject) -> Result<Provider, ProviderError> {
        let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(provider) = opened.get(key) {
            return Ok(provider.clone());
        }
        let Some(file) = self.discovery.plugins.get(key) else {
            return Err(self.missing(key));
        };
        let library = load(&file.path, self.lock())?;
        if library.file.manifest.key != key {
            let now = library.file.manifest.key;
            return Err(ProviderError::Replaced { path: file.path.clone(), key: key.to_owned(), now });
        }
        let provider = Provider::start(library, host())
            .map_err(|failure| ProviderError::Start { key: key.to_owned(), failure })?;
        opened.insert(key.to_owned(), provider.clone());
        Ok(provider)
    }

    /// Why there is no plugin for `key`.
    pub fn missing(&self, key: &str) -> ProviderError {
        if let Some((path, other)) = self.discovery.duplicate_of(key) {
            return ProviderError::Duplicate(Refusal::Duplicate {
                path: path.to_owned(),
                other: other.to_owned(),
                key: key.to_owned(),
            });
        }
        let by_lock = self.discovery.refused_by_lock(key).next();
        match by_lock.and_then(|file| self.lock()?.judge(file).err()) {
            Some(refusal) => ProviderError::Load(refusal.into()),
            None => ProviderError::Unknown { key: key.to_owned() },
        }
    }
}
