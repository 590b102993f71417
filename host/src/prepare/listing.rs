//! Library files as lists show them: to people, to programs, and on the API.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use super::Rooms;
use crate::config::Isolation;
use crate::plugins::{PluginFile, Provider, Refused, Registry, Status};
use crate::text::{path_text, printable};

/// One library file. Its JSON form is a contract with users; all text in it is safe to print.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub struct PluginEntry {
    /// The provider's key.
    pub key: Option<String>,
    /// What the plugin calls itself.
    pub name: Option<String>,
    /// The plugin's own version.
    pub version: Option<String>,
    /// The version of the plugin ABI that it was built for.
    pub abi: Option<u32>,
    /// The file.
    pub path: String,
    /// The SHA-256 of its bytes.
    pub sha256: Option<String>,
    /// Where its code runs.
    pub isolation: Option<Isolation>,
    /// What holds it there, in words.
    pub sandbox: Option<String>,
    /// How it is: `available`, what its worker is doing, or why it is not used.
    pub state: String,
    /// Since when, in RFC 3339.
    pub since: Option<String>,
    /// Why it is so.
    pub detail: String,
}

impl PluginEntry {
    /// Everything that was found, with how those do that are open.
    pub fn all(rooms: &Rooms, registry: &Registry, opened: &BTreeMap<String, Provider>) -> Vec<Self> {
        let discovery = registry.discovery();
        let usable = discovery.plugins.iter().map(|(key, file)| {
            let status = opened.get(key).and_then(Provider::status);
            let entry = Self::of(rooms, file);
            match &status {
                Some(status) => {
                    let detail = printable(status.cause().unwrap_or_default(), 500).into_owned();
                    Self { detail, ..entry.with_status(Some(status)) }
                }
                None => entry,
            }
        });
        usable.chain(discovery.refused.iter().map(|refused| Self::of_refused(rooms, refused))).collect()
    }

    /// A file that can be used, as far as that can be told without opening it.
    pub fn of(rooms: &Rooms, file: &PluginFile) -> Self {
        let isolation = rooms.isolation_of(&file.manifest.key);
        let shown = |text: &str| Some(printable(text, 200).into_owned());
        Self {
            key: Some(file.manifest.key.clone()),
            name: shown(&file.manifest.name),
            version: shown(&file.manifest.version),
            abi: Some(file.manifest.abi),
            path: path_text(&file.path),
            sha256: Some(file.sha256.clone()),
            isolation: Some(isolation),
            sandbox: (isolation == Isolation::InProcess).then(|| "none".to_owned()),
            state: "available".to_owned(),
            since: None,
            detail: String::new(),
        }
    }

    /// A file that is not used. Of one that the lock file alone speaks against, everything is known.
    pub fn of_refused(rooms: &Rooms, refused: &Refused) -> Self {
        let known = refused.refusal.refused_by_lock().map(|file| Self::of(rooms, file));
        let unknown = || Self { path: path_text(&refused.path), ..Self::default() };
        Self {
            state: refused.refusal.state().to_string(),
            detail: printable(&refused.refusal.to_string(), 500).into_owned(),
            ..known.unwrap_or_else(unknown)
        }
    }

    /// The same with how its worker does; without a worker it could not be opened.
    #[must_use]
    pub fn with_status(self, status: Option<&Status>) -> Self {
        Self {
            sandbox: status.and_then(Status::coverage).map(ToString::to_string),
            state: status.map_or("refused", Status::state).to_owned(),
            since: status.map(|status| humantime::format_rfc3339_seconds(status.since).to_string()),
            ..self
        }
    }
}
