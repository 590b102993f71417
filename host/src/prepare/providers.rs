//! The plugins that a configuration leads to, and their settings.

use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;
use std::sync::Arc;

use super::PluginEntry;
use super::rooms::Rooms;
use super::{World, kept};
use crate::config::{Loaded, Problem, Source, nearest};
use crate::plugins::{Lock, PluginFile, Provider, Refusal, Registry, UnknownProvider, wished_hosts};
use crate::routing::{KnownProvider, server_roots};
use crate::services::{Approvals, ProviderPolicy, for_plugin};
use crate::text::printable;

pub(super) struct Providers {
    registry: Registry,
    rooms: Rooms,
    /// What routing knows of each plugin found.
    pub(super) known: BTreeMap<String, KnownProvider>,
    /// What each provider's plugin may do, for plugins found.
    pub(super) policies: BTreeMap<String, Arc<ProviderPolicy>>,
}

impl Providers {
    /// No library file at all.
    #[cfg(test)]
    pub(super) fn none() -> Self {
        let (registry, rooms) = (Registry::discover(&[], None), Rooms::in_process());
        Self { registry, rooms, known: BTreeMap::new(), policies: BTreeMap::new() }
    }

    /// Finds the plugins and judges their settings. Opens none; finds none without the lock file that is set. What
    /// `former` has is used on where nothing has changed.
    pub(super) fn find(loaded: &Loaded, former: Option<&World>, problems: &mut Vec<Problem>) -> Option<Self> {
        let config = &loaded.config;
        let rooms = Rooms::of(loaded, problems);
        let lock = Lock::of(loaded).map_err(|problem| problems.push(problem)).ok()?;
        let mut registry = Registry::discover(&config.plugins.dirs, lock);
        if let Some(former) = former {
            registry = registry.going_on_with(&former.providers);
        }
        for (dir, error) in registry.unlistable() {
            // The built-in folder need not be there.
            if loaded.source(&["plugins", "dirs"]) != Some(Source::Default) {
                let message = format!("cannot list `{}`: {error}", dir.display());
                let help = match error.kind() {
                    ErrorKind::NotADirectory => "name the folder, not a file in it",
                    _ => "correct the path, or make the folder and put plugins into it",
                };
                problems.push(loaded.problem(&["plugins", "dirs"], message, Some(help.to_owned())));
            }
        }
        let mut told = BTreeSet::new();
        for refused in &registry.discovery().refused {
            // Every one of several files for a key is refused; one line says so.
            if let Refusal::Duplicate { key, .. } = &refused.refusal
                && !told.insert(key)
            {
                continue;
            }
            tracing::warn!("{}", printable(&refused.refusal.to_string(), 500));
        }
        let mut providers = Self { registry, rooms, known: BTreeMap::new(), policies: BTreeMap::new() };
        for key in config.providers.keys() {
            if !providers.registry.discovery().plugins.contains_key(key) {
                let key = printable(key, 100);
                tracing::warn!("`providers.{key}` has settings, but there is no plugin `{key}`");
            }
        }
        let plugins: Vec<PluginFile> = providers.registry.discovery().plugins.values().cloned().collect();
        for plugin in plugins {
            providers.learn(loaded, &plugin, former, problems);
        }
        Some(providers)
    }

    fn learn(
        &mut self,
        loaded: &Loaded,
        plugin: &PluginFile,
        former: Option<&World>,
        problems: &mut Vec<Problem>,
    ) {
        let key = &plugin.manifest.key;
        let settings = loaded.config.providers.get(key).cloned().unwrap_or_default();
        let before = problems.len();
        check_options(loaded, plugin, &settings.options, problems);
        let roots: Vec<_> = server_roots(&settings.options).collect();
        let approvals = self.registry.lock().map(|lock| Approvals {
            approved: lock.approved_hosts(plugin),
            wished: wished_hosts(&plugin.manifest),
        });
        match ProviderPolicy::new(key, settings.allow_hosts, settings.allow_write, &roots) {
            Ok(policy) => {
                let concurrency = usize::from(loaded.config.http.concurrency);
                let policy = policy.with_approvals(approvals.unwrap_or_default()).with_share_of(concurrency);
                let former = former.and_then(|former| former.found.policies.get(key));
                self.policies.insert(key.clone(), kept(Arc::new(policy), former));
            }
            Err(error) if problems.len() == before => {
                let path = ["providers", key, "options", "server_roots"];
                problems.push(loaded.problem(&path, error.to_string(), None));
            }
            Err(_) => {}
        }
        let url_patterns = plugin.manifest.url_patterns.clone();
        self.known.insert(key.clone(), KnownProvider { url_patterns, options: settings.options });
    }

    /// Opens the plugin of every integration.
    pub(super) fn open_all(&self, loaded: &Loaded, problems: &mut Vec<Problem>) {
        let mut told = Vec::new();
        for (name, integration) in &loaded.config.integrations {
            let key = integration.provider.as_str();
            if told.contains(&key) {
                continue;
            }
            let opened = self.registry.provider(key, self.rooms.of_provider(key), || for_plugin(key));
            if let Err(error) = opened
                && !loaded.lacks(&["plugins"])
            {
                let path = ["integrations", name, "provider"];
                problems.push(loaded.problem(&path, shown(&error), Some(self.registry.ways_out(key))));
            }
            told.push(key);
        }
    }

    /// Opens a plugin, or gives it again.
    pub(super) fn open(&self, key: &str) -> Result<Provider, Problem> {
        self.registry.provider(key, self.rooms.of_provider(key), || for_plugin(key)).map_err(|error| {
            Problem {
                key: "plugins.dirs".to_owned(),
                source: None,
                message: shown(&error),
                help: Some(self.registry.ways_out(key)),
            }
        })
    }

    /// Everything that was opened, by key.
    pub(super) fn opened(&self) -> BTreeMap<String, Provider> {
        self.registry.opened()
    }

    /// Every library file that was found, with how those of `opened` do.
    pub(super) fn entries(&self, opened: &BTreeMap<String, Provider>) -> Vec<PluginEntry> {
        PluginEntry::all(&self.rooms, &self.registry, opened)
    }

    /// The options of a provider, a JSON object as text.
    pub(super) fn options(&self, key: &str) -> String {
        let options = self.known.get(key).map(|provider| provider.options.clone()).unwrap_or_default();
        serde_json::Value::Object(options).to_string()
    }
}

impl Registry {
    /// What to do about a key that no plugin has.
    pub fn ways_out(&self, key: &str) -> String {
        let discovery = self.discovery();
        if let Some(near) = nearest(key, discovery.plugins.keys().map(String::as_str)) {
            return format!("did you mean `{near}`?");
        }
        let found: Vec<_> = discovery.plugins.keys().map(String::as_str).collect();
        let found = if found.is_empty() { "none".to_owned() } else { found.join(", ") };
        let refused = match discovery.refused.len() {
            0 => String::new(),
            count => format!(" ({count} more are refused, see `forgewatch plugin list`)"),
        };
        let dirs: Vec<_> = self.dirs().iter().map(|dir| format!("`{}`", dir.display())).collect();
        let place = match dirs.as_slice() {
            [] => "a folder, and name it in `plugins.dirs`, which is empty".to_owned(),
            dirs => format!(
                "{}, or name its folder in `plugins.dirs`; plugins found there: {found}{refused}",
                dirs.join(" or ")
            ),
        };
        format!("put its library file into {place}")
    }
}

fn shown(error: &UnknownProvider) -> String {
    printable(&error.to_string(), 500).into_owned()
}

fn check_options(
    loaded: &Loaded,
    plugin: &PluginFile,
    options: &serde_json::Map<String, serde_json::Value>,
    problems: &mut Vec<Problem>,
) {
    let key = &plugin.manifest.key;
    let path = ["providers", key, "options"];
    if plugin.manifest.options_schema.is_empty() {
        if !options.is_empty() {
            problems.push(loaded.problem(&path, format!("the plugin `{key}` takes no options"), None));
        }
        return;
    }
    let schema = serde_json::from_str(&plugin.manifest.options_schema).unwrap_or(serde_json::Value::Null);
    match loaded.validate(&path, &serde_json::Value::Object(options.clone()), &schema) {
        Ok(found) => problems.extend(found),
        Err(error) => {
            tracing::warn!("the options of plugin `{key}` are not checked, its schema is unusable: {error}");
        }
    }
}
