//! `forgewatch plugin`: what there is, what it says of itself, whether it loads, what is locked, and the author's kit.

mod inspect;
mod list;
mod lock;
mod new;
mod test;
mod verify;

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anstyle::AnsiColor;
use clap::{Args, Subcommand, ValueEnum};
use serde::Serialize;

use super::{GlobalArgs, USAGE, print, refuse, runtime, tell};
use crate::config::{Config, HostPort, Loaded, Problems};
use crate::plugins::{Lock, PluginFile, RefusalState, Refused, Registry, UnknownProvider};
use crate::prepare::Rooms;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    #[command(flatten)]
    Configured(Configured),
    New(new::Arguments),
    Test(test::Arguments),
}

/// What goes by the configuration.
#[derive(Debug, Subcommand)]
pub(super) enum Configured {
    /// List the library files in `plugins.dirs`, those that are refused too.
    ///
    /// Plugins that run in worker processes are started and say how they do; none is opened in this process.
    List {
        /// How to print the list.
        #[arg(long, value_enum, default_value_t = Format::Table)]
        format: Format,
    },
    /// Print what a plugin says of itself and which hosts it may reach, without running it.
    Inspect(One),
    /// Load a plugin as a check would, and say what each step found.
    ///
    /// Exit status: 0 it loads, 1 it does not, 2 wrong usage or configuration.
    Verify(One),
    Lock(lock::Arguments),
}

#[derive(Args, Debug)]
pub(super) struct One {
    /// The plugin's key, or the path of its file.
    #[arg(value_name = "KEY|FILE")]
    plugin: String,
    /// How to print it.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum Format {
    Table,
    Json,
}

impl Command {
    pub(super) fn run(self, global: &GlobalArgs) -> ExitCode {
        match self {
            // An author needs no configuration.
            Self::New(arguments) => arguments.run(),
            Self::Test(arguments) => arguments.run().unwrap_or_else(|status| status),
            Self::Configured(command) => {
                global.load().and_then(|loaded| command.run_on(&loaded)).unwrap_or_else(|status| status)
            }
        }
    }
}

impl Configured {
    fn run_on(self, loaded: &Loaded) -> Result<ExitCode, ExitCode> {
        let config = &loaded.config;
        let lock = || Lock::of(loaded).map_err(|problem| refuse(&Problems(vec![problem])));
        match self {
            Self::List { format } => {
                let (lock, rooms) = (lock()?, rooms(loaded)?);
                on_runtime(list::list(config, &rooms, lock, format))
            }
            Self::Inspect(One { plugin, format }) => {
                let lock = lock()?;
                let path = find(config, lock.clone(), &plugin)?;
                Ok(inspect::inspect(config, lock.as_deref(), &path, format))
            }
            Self::Verify(One { plugin, format }) => {
                let lock = lock()?;
                let path = find(config, lock.clone(), &plugin)?;
                let rooms = rooms(loaded)?;
                on_runtime(verify::verify(loaded, &rooms, lock, &path, format))
            }
            Self::Lock(arguments) => arguments.run(loaded),
        }
    }
}

fn rooms(loaded: &Loaded) -> Result<Rooms, ExitCode> {
    let mut problems = Vec::new();
    let rooms = Rooms::of(loaded, &mut problems);
    if problems.is_empty() { Ok(rooms) } else { Err(refuse(&Problems(problems))) }
}

fn on_runtime(work: impl Future<Output = ExitCode>) -> Result<ExitCode, ExitCode> {
    let runtime = runtime()?;
    let status = runtime.block_on(work);
    // A plugin that blocks its thread must not hold the process.
    runtime.shutdown_background();
    Ok(status)
}

/// Whether an argument is a path and no key, by its separator, its ending or by being a file here.
fn is_path(plugin: &str) -> bool {
    let is_file_name = plugin.ends_with(".so") || plugin.ends_with(".dylib");
    plugin.contains('/') || is_file_name || Path::new(plugin).is_file()
}

/// The file behind a path or a key; one that the lock file alone speaks against is found by its key as well.
fn find(config: &Config, lock: Option<Arc<Lock>>, plugin: &str) -> Result<PathBuf, ExitCode> {
    if is_path(plugin) {
        return Ok(plugin.into());
    }
    let registry = Registry::discover(&config.plugins.dirs, lock);
    let is_broken = |refused: &&Refused| {
        matches!(
            refused.refusal.state(),
            RefusalState::Broken | RefusalState::Foreign | RefusalState::Incompatible
        )
    };
    match file_for(&registry, plugin) {
        Ok(file) => Ok(file.path),
        // What is wrong with it is for the command to say.
        Err(_) if let Some(refused) = registry.refused(plugin).filter(is_broken) => Ok(refused.path.clone()),
        Err(problem) => {
            tell(AnsiColor::Red, "error", problem);
            Err(ExitCode::from(USAGE))
        }
    }
}

/// The file with a key: the usable one, or else the only one that the lock file refuses.
fn file_for(registry: &Registry, key: &str) -> Result<PluginFile, String> {
    let discovery = registry.discovery();
    if let Some(file) = discovery.plugins.get(key) {
        return Ok(file.clone());
    }
    let refused: Vec<_> = discovery.refused_by_lock(key).collect();
    match refused.as_slice() {
        // The locked build is there more than once: no other stands in for it.
        _ if discovery.duplicate_of(key).is_some() => Err(because(registry.refused(key))),
        [] => Err(format!("{}: {}", UnknownProvider { key: key.to_owned() }, registry.ways_out(key))),
        [file] => Ok((*file).clone()),
        [first, second, ..] => Err(format!(
            "`{}` and `{}` are both plugins for `{key}`, and neither is locked: remove one, or name the file you mean",
            first.path.display(),
            second.path.display()
        )),
    }
}

fn because(refused: Option<&Refused>) -> String {
    refused.map(|refused| refused.refusal.to_string()).unwrap_or_default()
}

/// A host that a plugin wishes for, as its manifest has it, and what allows it.
#[derive(Serialize)]
struct Wish {
    host: String,
    allowed_by: Option<AllowedBy>,
}

#[derive(Clone, Copy, Serialize)]
#[serde(rename_all = "snake_case")]
enum AllowedBy {
    AllowHosts,
    LockFile,
}

fn wishes(config: &Config, lock: Option<&Lock>, file: &PluginFile) -> Vec<Wish> {
    let allowed = config.providers.get(&file.manifest.key).map(|provider| provider.allow_hosts.as_slice());
    let approved = lock.map(|lock| lock.approved_hosts(file)).unwrap_or_default();
    let allowed_by = |host: HostPort| match allowed {
        Some(allowed) if allowed.contains(&host) => Some(AllowedBy::AllowHosts),
        _ => approved.contains(&host).then_some(AllowedBy::LockFile),
    };
    let wish =
        |host: &String| Wish { host: host.clone(), allowed_by: host.parse().ok().and_then(allowed_by) };
    file.manifest.hosts.iter().map(wish).collect()
}

impl fmt::Display for Wish {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.allowed_by {
            Some(AllowedBy::AllowHosts) => "allowed by `allow_hosts`",
            Some(AllowedBy::LockFile) => "approved in the lock file",
            None => "not allowed",
        };
        write!(f, "{} ({state})", self.host)
    }
}

fn print_json(value: &impl Serialize) -> ExitCode {
    match serde_json::to_string_pretty(value) {
        Ok(text) => print(&text),
        Err(error) => {
            tell(AnsiColor::Red, "error", error);
            ExitCode::from(USAGE)
        }
    }
}
