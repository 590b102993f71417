//! `forgewatch plugin lock`: writes down which builds are meant and which hosts they may reach. Runs none of them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Display};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anstyle::AnsiColor;
use clap::Args;

use super::{file_for, is_path};
use crate::cli::{USAGE, print, tell};
use crate::config::{HostPort, Loaded, Source};
use crate::plugins::{
    Lock, LockError, Locked, PluginFile, Refusal, Registry, read_plugin_file, wished_hosts,
};
use crate::text::printable;

/// Write the file that pins plugins by hash and records approved hosts; nothing of any plugin is run.
///
/// Without arguments it locks every plugin in `plugins.dirs`, and drops those that are gone. What was approved
/// stays approved for as long as the plugin wishes for it.
///
/// Exit status: 0 the file is written or needs no change, 1 it would change (with `--check`), 2 it cannot be done.
#[derive(Args, Debug)]
pub(in crate::cli) struct Arguments {
    /// Keys of plugins, or paths of their files; all plugins in `plugins.dirs` if none.
    #[arg(value_name = "KEY|FILE")]
    plugins: Vec<String>,
    /// The file to write, in place of `plugins.lock_file`.
    #[arg(long, value_name = "FILE")]
    lock_file: Option<PathBuf>,
    /// Let the plugins reach a host that they wish for; may be repeated.
    #[arg(long, value_name = "HOST")]
    approve: Vec<HostPort>,
    /// Let the plugins reach every host that they wish for.
    #[arg(long)]
    approve_all: bool,
    /// Take an approval back, whatever else is approved; may be repeated.
    #[arg(long, value_name = "HOST")]
    revoke: Vec<HostPort>,
    /// Write nothing: say what would change.
    #[arg(long)]
    check: bool,
}

impl Arguments {
    pub(super) fn run(&self, loaded: &Loaded) -> Result<ExitCode, ExitCode> {
        self.relock(loaded).map_err(|problem| {
            tell(AnsiColor::Red, "error", problem);
            ExitCode::from(USAGE)
        })
    }

    fn relock(&self, loaded: &Loaded) -> Result<ExitCode, String> {
        let configured = loaded.config.plugins.lock_file.as_ref();
        let path = self.lock_file.as_ref().or(configured).ok_or(
            "no lock file is configured: set `plugins.lock_file` to a path, or give --lock-file FILE",
        )?;
        let old = read(path)?;
        let before = old.clone().unwrap_or_default();
        let choice = self.choose(loaded, &before)?;
        self.check_hosts(&before, &choice.files)?;
        let after = self.updated(&before, &choice);
        let differs = old.is_none_or(|old| old != after);
        if differs && !self.check {
            let wrong = |error| format!("cannot write the lock file `{}`: {error}", path.display());
            after.write(path).map_err(wrong)?;
        }
        let mut report: String = changes(&before, &after, &choice).iter().map(ToString::to_string).collect();
        let path = path.display();
        report += &match (differs, self.check) {
            (false, true) if !choice.unusable.is_empty() => format!("`{path}` would stay as it is"),
            (false, _) => format!("`{path}` is up to date"),
            (true, true) => format!("`{path}` would change"),
            (true, false) => format!("wrote `{path}`"),
        };
        if configured.is_none() {
            report += "; it is not in use before `plugins.lock_file` names it";
        }
        let lines: Vec<_> = report.lines().map(|line| printable(line, 5000)).collect();
        let printed = print(&lines.join("\n"));
        let has_come_apart = differs || !choice.unusable.is_empty();
        Ok(if printed == ExitCode::SUCCESS && has_come_apart && self.check {
            ExitCode::from(1)
        } else {
            printed
        })
    }

    fn choose(&self, loaded: &Loaded, before: &Lock) -> Result<Choice, String> {
        let registry = Registry::discover(&loaded.config.plugins.dirs, Some(Arc::new(before.clone())));
        let mut choice =
            if self.plugins.is_empty() { everything(loaded, &registry)? } else { Choice::default() };
        for plugin in &self.plugins {
            let file = match is_path(plugin) {
                true => read_plugin_file(Path::new(plugin)).map_err(|refusal| refusal.to_string())?,
                false => file_for(&registry, plugin)?,
            };
            choice.add(file)?;
        }
        for file in choice.files.values() {
            for other in registry.discovery().refused_by_lock(&file.manifest.key) {
                if other.path != file.path && other.sha256 != file.sha256 {
                    let (other, file) = (other.path.display(), file.path.display());
                    tell(AnsiColor::Yellow, "warning", format_args!("`{other}` is left out for `{file}`"));
                }
            }
        }
        Ok(choice)
    }

    /// A host that nobody wishes for, or that nobody was granted, is a slip of the pen.
    fn check_hosts(&self, before: &Lock, files: &BTreeMap<String, PluginFile>) -> Result<(), String> {
        let keys = || files.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
        let wished: BTreeSet<_> = files.values().flat_map(|file| wished_hosts(&file.manifest)).collect();
        if let Some(host) = self.approve.iter().find(|host| !wished.contains(host)) {
            let wished: Vec<_> = wished.iter().map(ToString::to_string).collect();
            let wished = if wished.is_empty() { "none".to_owned() } else { wished.join(", ") };
            return Err(format!(
                "nothing to approve: no plugin among these ({}) wishes for `{host}`; wished hosts: {wished}",
                keys()
            ));
        }
        let locked = files.keys().filter_map(|key| before.plugins.get(key));
        let granted: Vec<_> = locked.flat_map(|locked| &locked.approved_hosts).collect();
        match self.revoke.iter().find(|host| !granted.contains(host)) {
            Some(host) => {
                Err(format!("nothing to revoke: `{host}` is approved for no plugin among these ({})", keys()))
            }
            None => Ok(()),
        }
    }

    fn updated(&self, before: &Lock, choice: &Choice) -> Lock {
        let mut after = before.clone();
        if self.plugins.is_empty() {
            after.plugins.retain(|_, locked| choice.unusable.contains(&locked.file));
        }
        for (key, file) in &choice.files {
            let old =
                before.plugins.get(key).map(|locked| locked.approved_hosts.as_slice()).unwrap_or_default();
            let mut approved_hosts = wished_hosts(&file.manifest);
            approved_hosts.retain(|host| {
                (self.approve_all || old.contains(host) || self.approve.contains(host))
                    && !self.revoke.contains(host)
            });
            let locked = Locked {
                sha256: file.sha256.clone(),
                version: printable(&file.manifest.version, 100).into_owned(),
                file: file_name(&file.path),
                approved_hosts,
            };
            after.plugins.insert(key.clone(), locked);
        }
        after
    }
}

/// The lock file as it is, if it is there.
fn read(path: &Path) -> Result<Option<Lock>, String> {
    match Lock::read(path) {
        Ok(lock) => Ok(Some(lock)),
        Err(LockError::Unreadable { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
            Ok(None)
        }
        Err(error @ LockError::Unreadable { .. }) => Err(error.to_string()),
        Err(error) => Err(format!("{error}: restore it, or move it away")),
    }
}

/// The plugins to lock.
#[derive(Default)]
struct Choice {
    files: BTreeMap<String, PluginFile>,
    /// Names of files that are there and cannot be judged now: their plugins are not gone.
    unusable: BTreeSet<String>,
}

impl Choice {
    fn add(&mut self, file: PluginFile) -> Result<(), String> {
        let path = file.path.clone();
        match self.files.insert(file.manifest.key.clone(), file) {
            Some(other) if other.path != path => Err(format!(
                "`{}` and `{}` are both plugins for `{}`: name one of them",
                other.path.display(),
                path.display(),
                other.manifest.key
            )),
            _ => Ok(()),
        }
    }
}

/// Every plugin in the configured folders. Two with one key are an error, unless one of them is the locked one.
fn everything(loaded: &Loaded, registry: &Registry) -> Result<Choice, String> {
    for (dir, error) in registry.unlistable() {
        // The built-in folder need not be there. Any other may hold plugins, which would be dropped.
        let is_optional = error.kind() == std::io::ErrorKind::NotFound
            && loaded.source(&["plugins", "dirs"]) == Some(Source::Default);
        if !is_optional {
            return Err(format!("cannot list `{}`: {error}: correct `plugins.dirs`", dir.display()));
        }
    }
    let discovery = registry.discovery();
    let mut keys: BTreeSet<&str> = discovery.plugins.keys().map(String::as_str).collect();
    let mut choice = Choice::default();
    for refused in &discovery.refused {
        match (&refused.refusal, refused.refusal.refused_by_lock()) {
            (_, Some(file)) => drop(keys.insert(&file.manifest.key)),
            (Refusal::Duplicate { key, .. }, _) => drop(keys.insert(key)),
            (refusal, _) => {
                tell(AnsiColor::Yellow, "warning", format_args!("not locked: {refusal}"));
                choice.unusable.insert(file_name(&refused.path));
            }
        }
    }
    for key in keys {
        choice.add(file_for(registry, key)?)?;
    }
    Ok(choice)
}

fn file_name(path: &Path) -> String {
    printable(&path.file_name().unwrap_or(path.as_os_str()).to_string_lossy(), 255).into_owned()
}

/// What becomes of one plugin.
struct Change<'a> {
    what: &'static str,
    key: &'a str,
    detail: String,
    hosts: Vec<String>,
}

fn changes<'a>(before: &'a Lock, after: &'a Lock, choice: &Choice) -> Vec<Change<'a>> {
    let keys: BTreeSet<_> = before.plugins.keys().chain(after.plugins.keys()).collect();
    let change = |key: &'a String| {
        let (old, new) = (before.plugins.get(key), after.plugins.get(key));
        let (what, detail) = difference(old, new)?;
        let file = choice.files.get(key);
        if file.is_none() && new.is_some() {
            // Not chosen, and so left as it was.
            return None;
        }
        let hosts = file.map(|file| host_lines(file, old, new)).unwrap_or_default();
        Some(Change { what, key, detail, hosts })
    };
    keys.into_iter().filter_map(change).collect()
}

fn difference(old: Option<&Locked>, new: Option<&Locked>) -> Option<(&'static str, String)> {
    Some(match (old, new) {
        (None, None) => return None,
        (None, Some(new)) => ("added", format!("sha256 {}", new.sha256)),
        (Some(_), None) => ("removed", "its file is gone".to_owned()),
        (Some(old), Some(new)) if old.sha256 != new.sha256 => {
            ("changed", format!("sha256 {}, was {}", new.sha256, old.sha256))
        }
        (Some(old), Some(new)) if old.file != new.file => {
            ("renamed", format!("`{}`, was `{}`", new.file, old.file))
        }
        (Some(_), Some(new)) => ("unchanged", format!("sha256 {}", new.sha256)),
    })
}

fn host_lines(file: &PluginFile, old: Option<&Locked>, new: Option<&Locked>) -> Vec<String> {
    let has =
        |locked: Option<&Locked>, host: &HostPort| locked.is_some_and(|it| it.approved_hosts.contains(host));
    let wished = wished_hosts(&file.manifest);
    let line = |host: &HostPort| {
        let state = match (has(old, host), has(new, host)) {
            (true, true) => "approved",
            (false, true) => "approved now",
            (true, false) => "revoked",
            (false, false) => return format!("{host}: not approved (`--approve {host}` would)"),
        };
        format!("{host}: {state}")
    };
    let dropped = old.into_iter().flat_map(|old| &old.approved_hosts).filter(|host| !wished.contains(host));
    let dropped = dropped.map(|host| format!("{host}: dropped, the plugin does not wish for it any more"));
    wished.iter().map(line).chain(dropped).collect()
}

impl Display for Change<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:9}  {}  {}", self.what, self.key, self.detail)?;
        self.hosts.iter().try_for_each(|host| writeln!(f, "{:9}  host {host}", ""))
    }
}
