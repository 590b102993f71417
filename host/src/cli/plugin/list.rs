//! `forgewatch plugin list`: every library file in `plugins.dirs`, and how the plugins do that run in workers.

use std::process::ExitCode;
use std::sync::Arc;

use anstyle::AnsiColor;
use futures_util::future::join_all;
use serde::Serialize;

use super::{Format, path_text, print_json};
use crate::cli::{print, tell};
use crate::config::{Config, Isolation};
use crate::plugins::{Lock, PluginFile, Refused, Registry, Room};
use crate::prepare::Rooms;
use crate::services::for_plugin;
use crate::text::printable;

/// The JSON shape of `plugin list`: a contract with users.
#[derive(Serialize)]
struct Listing {
    plugins: Vec<Entry>,
}

#[derive(Serialize)]
struct Entry {
    key: Option<String>,
    name: Option<String>,
    version: Option<String>,
    abi: Option<u32>,
    path: String,
    sha256: Option<String>,
    isolation: Option<Isolation>,
    sandbox: Option<String>,
    state: String,
    since: Option<String>,
    detail: String,
}

pub(super) async fn list(
    config: &Config,
    rooms: &Rooms,
    lock: Option<Arc<Lock>>,
    format: Format,
) -> ExitCode {
    let registry = Registry::discover(&config.plugins.dirs, lock);
    for (dir, error) in registry.unlistable() {
        tell(AnsiColor::Yellow, "warning", format_args!("cannot list `{}`: {error}", dir.display()));
    }
    let discovery = registry.discovery();
    let usable = discovery.plugins.values().map(|file| tried(config, rooms, &registry, file));
    let mut plugins = join_all(usable).await;
    plugins.extend(discovery.refused.iter().map(|refused| refused_entry(config, refused)));
    let listing = Listing { plugins };
    match format {
        Format::Json => print_json(&listing),
        Format::Table if listing.plugins.is_empty() => {
            let dirs: Vec<_> = config.plugins.dirs.iter().map(|dir| dir.display().to_string()).collect();
            print(&format!("no library files in {}", dirs.join(", ")))
        }
        Format::Table => print(&listing.plugins.iter().map(Entry::lines).collect::<String>()),
    }
}

/// How a plugin does. One that runs in a worker is started, since its sandbox holds it; any other is left alone.
async fn tried(config: &Config, rooms: &Rooms, registry: &Registry, file: &PluginFile) -> Entry {
    let key = &file.manifest.key;
    let entry = entry(config, file);
    let room = rooms.of_provider(key);
    if matches!(room, Room::InProcess) {
        return entry;
    }
    let provider = match registry.provider(key, room, || for_plugin(key)) {
        Ok(provider) => provider,
        Err(error) => return Entry { state: "refused".to_owned(), detail: error.to_string(), ..entry },
    };
    let detail = provider.ready().await.err().map(|failure| failure.to_string()).unwrap_or_default();
    let status = provider.status();
    Entry {
        sandbox: status.as_ref().and_then(|status| status.coverage()).map(ToString::to_string),
        state: status.as_ref().map_or("refused", |status| status.state()).to_owned(),
        since: status.map(|status| humantime::format_rfc3339_seconds(status.since).to_string()),
        detail: printable(&detail, 500).into_owned(),
        ..entry
    }
}

fn entry(config: &Config, file: &PluginFile) -> Entry {
    let own = config.providers.get(&file.manifest.key).and_then(|provider| provider.isolation);
    let isolation = own.unwrap_or(config.plugins.isolation);
    let shown = |text: &str| Some(printable(text, 200).into_owned());
    Entry {
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
fn refused_entry(config: &Config, refused: &Refused) -> Entry {
    let known = refused.refusal.refused_by_lock().map(|file| entry(config, file));
    let unknown = || Entry {
        key: None,
        name: None,
        version: None,
        abi: None,
        path: path_text(&refused.path),
        sha256: None,
        isolation: None,
        sandbox: None,
        state: String::new(),
        since: None,
        detail: String::new(),
    };
    Entry {
        state: refused.refusal.state().to_string(),
        detail: printable(&refused.refusal.to_string(), 500).into_owned(),
        ..known.unwrap_or_else(unknown)
    }
}

impl Entry {
    fn lines(&self) -> String {
        let key = self.key.as_deref().unwrap_or("-");
        let mut lines = format!("{:12}  {key:12}  {}\n", self.state, self.path);
        let name = [self.name.as_deref(), self.version.as_deref()].map(Option::unwrap_or_default).join(" ");
        let room = match (self.isolation, &self.sandbox) {
            (Some(Isolation::Process), Some(sandbox)) => format!("in a worker process, sandbox {sandbox}"),
            (Some(Isolation::Process), None) => "in a worker process".to_owned(),
            (Some(Isolation::InProcess), _) => "in the host's process, without a sandbox".to_owned(),
            (None, _) => String::new(),
        };
        for more in [name.trim(), &room, &self.detail] {
            if !more.is_empty() {
                lines.push_str(&format!("{:12}  {more}\n", ""));
            }
        }
        lines
    }
}
