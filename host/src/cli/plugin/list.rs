//! `forgewatch plugin list`: every library file in `plugins.dirs`, and how the plugins do that run in workers.

use std::process::ExitCode;
use std::sync::Arc;

use anstyle::AnsiColor;
use futures_util::future::join_all;
use serde::Serialize;

use super::{Format, print_json};
use crate::cli::{print, tell};
use crate::config::{Config, Isolation};
use crate::plugins::{Lock, PluginFile, Registry, Room};
use crate::prepare::{PluginEntry, Rooms};
use crate::services::for_plugin;
use crate::text::printable;

/// The JSON shape of `plugin list`: a contract with users.
#[derive(Serialize)]
struct Listing {
    plugins: Vec<PluginEntry>,
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
    let usable = discovery.plugins.values().map(|file| tried(rooms, &registry, file));
    let mut plugins = join_all(usable).await;
    plugins.extend(discovery.refused.iter().map(|refused| PluginEntry::of_refused(rooms, refused)));
    let listing = Listing { plugins };
    match format {
        Format::Json => print_json(&listing),
        Format::Table if listing.plugins.is_empty() => {
            let dirs: Vec<_> = config.plugins.dirs.iter().map(|dir| dir.display().to_string()).collect();
            print(&format!("no library files in {}", dirs.join(", ")))
        }
        Format::Table => print(&listing.plugins.iter().map(lines).collect::<String>()),
    }
}

/// How a plugin does. One that runs in a worker is started, since its sandbox holds it; any other is left alone.
async fn tried(rooms: &Rooms, registry: &Registry, file: &PluginFile) -> PluginEntry {
    let key = &file.manifest.key;
    let entry = PluginEntry::of(rooms, file);
    let room = rooms.of_provider(key);
    if matches!(room, Room::InProcess) {
        return entry;
    }
    let provider = match registry.provider(key, room, || for_plugin(key)) {
        Ok(provider) => provider,
        Err(error) => {
            return PluginEntry { state: "refused".to_owned(), detail: error.to_string(), ..entry };
        }
    };
    let detail = provider.ready().await.err().map(|failure| failure.to_string()).unwrap_or_default();
    PluginEntry {
        detail: printable(&detail, 500).into_owned(),
        ..entry.with_status(provider.status().as_ref())
    }
}

fn lines(entry: &PluginEntry) -> String {
    let key = entry.key.as_deref().unwrap_or("-");
    let mut lines = format!("{:12}  {key:12}  {}\n", entry.state, entry.path);
    let name = [entry.name.as_deref(), entry.version.as_deref()].map(Option::unwrap_or_default).join(" ");
    let room = match (entry.isolation, &entry.sandbox) {
        (Some(Isolation::Process), Some(sandbox)) => format!("in a worker process, sandbox {sandbox}"),
        (Some(Isolation::Process), None) => "in a worker process".to_owned(),
        (Some(Isolation::InProcess), _) => "in the host's process, without a sandbox".to_owned(),
        (None, _) => String::new(),
    };
    for more in [name.trim(), &room, &entry.detail] {
        if !more.is_empty() {
            lines.push_str(&format!("{:12}  {more}\n", ""));
        }
    }
    lines
}
