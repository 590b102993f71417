//! `forgewatch plugin list`: every library file in `plugins.dirs`, unopened.

use std::process::ExitCode;
use std::sync::Arc;

use anstyle::AnsiColor;
use serde::Serialize;

use super::{Format, path_text, print_json};
use crate::cli::{print, tell};
use crate::config::{Config, Isolation};
use crate::plugins::{Lock, PluginFile, Refused, Registry};
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
    sandbox: Option<&'static str>,
    state: String,
    detail: String,
}

pub(super) fn list(config: &Config, lock: Option<Arc<Lock>>, format: Format) -> ExitCode {
    let registry = Registry::discover(&config.plugins.dirs, lock);
    for (dir, error) in registry.unlistable() {
        tell(AnsiColor::Yellow, "warning", format_args!("cannot list `{}`: {error}", dir.display()));
    }
    let discovery = registry.discovery();
    let usable = discovery.plugins.values().map(|file| entry(config, file));
    let refused = discovery.refused.iter().map(|refused| refused_entry(config, refused));
    let listing = Listing { plugins: usable.chain(refused).collect() };
    match format {
        Format::Json => print_json(&listing),
        Format::Table if listing.plugins.is_empty() => {
            let dirs: Vec<_> = config.plugins.dirs.iter().map(|dir| dir.display().to_string()).collect();
            print(&format!("no library files in {}", dirs.join(", ")))
        }
        Format::Table => print(&listing.plugins.iter().map(Entry::lines).collect::<String>()),
    }
}

fn entry(config: &Config, file: &PluginFile) -> Entry {
    let own = config.providers.get(&file.manifest.key).and_then(|provider| provider.isolation);
    let shown = |text: &str| Some(printable(text, 200).into_owned());
    Entry {
        key: Some(file.manifest.key.clone()),
        name: shown(&file.manifest.name),
        version: shown(&file.manifest.version),
        abi: Some(file.manifest.abi),
        path: path_text(&file.path),
        sha256: Some(file.sha256.clone()),
        isolation: Some(own.unwrap_or(config.plugins.isolation)),
        sandbox: Some("none"),
        state: "available".to_owned(),
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
        for more in [name.trim(), &self.detail] {
            if !more.is_empty() {
                lines.push_str(&format!("{:12}  {more}\n", ""));
            }
        }
        lines
    }
}
