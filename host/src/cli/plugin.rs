//! `forgewatch plugin`: what there is, what it says of itself, whether it loads.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anstyle::AnsiColor;
use clap::{Args, Subcommand, ValueEnum};
use serde::Serialize;

use super::{GlobalArgs, USAGE, print, tell};
use crate::config::{Config, Isolation};
use crate::plugins::{PluginFile, Provider, Registry, load, read_plugin_file};
use crate::services::for_plugin;
use crate::text::printable;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// List the library files in `plugins.dirs`, those that are refused too; none is opened.
    List {
        /// How to print the list.
        #[arg(long, value_enum, default_value_t = Format::Table)]
        format: Format,
    },
    /// Print what a plugin says of itself, without running it.
    Inspect(One),
    /// Load a plugin as a check would, and say what each step found.
    ///
    /// Exit status: 0 it loads, 1 it does not, 2 wrong usage or configuration.
    Verify(One),
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

#[derive(Serialize)]
struct Inspection<'a> {
    key: &'a str,
    name: &'a str,
    version: &'a str,
    abi: u32,
    licence: &'a str,
    path: String,
    sha256: &'a str,
    url_patterns: &'a [String],
    /// Hosts that the plugin wishes to reach; a wish and no more.
    wished_hosts: &'a [String],
    options_schema: serde_json::Value,
}

#[derive(Serialize)]
struct Step {
    step: &'static str,
    ok: bool,
    detail: String,
}

impl Command {
    pub(super) fn run(self, global: &GlobalArgs) -> ExitCode {
        let loaded = match global.load() {
            Ok(loaded) => loaded,
            Err(status) => return status,
        };
        let config = &loaded.config;
        match self {
            Self::List { format } => list(config, format),
            Self::Inspect(One { plugin, format }) => match find(config, &plugin) {
                Ok(path) => inspect(&path, format),
                Err(status) => status,
            },
            Self::Verify(One { plugin, format }) => match find(config, &plugin) {
                Ok(path) => verify(&path, format),
                Err(status) => status,
            },
        }
    }
}

fn list(config: &Config, format: Format) -> ExitCode {
    let registry = Registry::discover(&config.plugins.dirs);
    for (dir, error) in registry.unlistable() {
        tell(AnsiColor::Yellow, "warning", format_args!("cannot list `{}`: {error}", dir.display()));
    }
    let discovery = registry.discovery();
    let usable = discovery.plugins.values().map(|file| entry(config, file));
    let refused = discovery.refused.iter().map(|refused| Entry {
        key: None,
        name: None,
        version: None,
        abi: None,
        path: path_text(&refused.path),
        sha256: None,
        isolation: None,
        sandbox: None,
        state: refused.refusal.state().to_string(),
        detail: printable(&refused.refusal.to_string(), 500).into_owned(),
    });
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

/// The file behind a path or a key. A path is recognised by its separator, its ending or by being there.
fn find(config: &Config, plugin: &str) -> Result<PathBuf, ExitCode> {
    let path = Path::new(plugin);
    let is_file_name = plugin.ends_with(".so") || plugin.ends_with(".dylib");
    if plugin.contains('/') || is_file_name || path.exists() {
        return Ok(path.to_owned());
    }
    let registry = Registry::discover(&config.plugins.dirs);
    let found = registry.discovery().plugins.get(plugin).map(|file| file.path.clone());
    found.ok_or_else(|| {
        let error = registry.missing(plugin);
        tell(AnsiColor::Red, "error", format_args!("{error}: {}", registry.ways_out(plugin)));
        ExitCode::from(USAGE)
    })
}

fn inspect(path: &Path, format: Format) -> ExitCode {
    let file = match read_plugin_file(path) {
        Ok(file) => file,
        Err(refusal) => {
            tell(AnsiColor::Red, "error", printable(&refusal.to_string(), 500));
            return ExitCode::from(1);
        }
    };
    let manifest = &file.manifest;
    let inspection = Inspection {
        key: &manifest.key,
        name: &manifest.name,
        version: &manifest.version,
        abi: manifest.abi,
        licence: &manifest.licence,
        path: path_text(path),
        sha256: &file.sha256,
        url_patterns: &manifest.url_patterns,
        wished_hosts: &manifest.hosts,
        options_schema: serde_json::from_str(&manifest.options_schema).unwrap_or_default(),
    };
    match format {
        Format::Json => print_json(&inspection),
        Format::Table => print(&inspection.lines()),
    }
}

impl Inspection<'_> {
    fn lines(&self) -> String {
        let list = |items: &[String]| {
            if items.is_empty() { "none".to_owned() } else { items.join("\n               ") }
        };
        let schema = match &self.options_schema {
            serde_json::Value::Null => "none".to_owned(),
            schema => format!("{schema:#}").replace('\n', "\n               "),
        };
        let rows = [
            ("key", self.key.to_owned()),
            ("name", self.name.to_owned()),
            ("version", self.version.to_owned()),
            ("plugin ABI", self.abi.to_string()),
            ("licence", self.licence.to_owned()),
            ("file", self.path.clone()),
            ("sha256", self.sha256.to_owned()),
            ("URL patterns", list(self.url_patterns)),
            ("wished hosts", list(self.wished_hosts)),
            ("options", schema),
        ];
        let shown =
            |text: &str| text.split('\n').map(|line| printable(line, 1000)).collect::<Vec<_>>().join("\n");
        rows.iter().map(|(name, value)| format!("{name:13}  {}\n", shown(value))).collect()
    }
}

fn verify(path: &Path, format: Format) -> ExitCode {
    let steps = steps(path);
    let ok = steps.iter().all(|step| step.ok);
    let printed = match format {
        Format::Json => print_json(&steps),
        Format::Table => print(&steps.iter().map(Step::line).collect::<String>()),
    };
    if printed == ExitCode::SUCCESS && !ok { ExitCode::from(1) } else { printed }
}

/// Every step up to and including the first that fails.
fn steps(path: &Path) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut note = |step, result: Result<String, String>| {
        let ok = result.is_ok();
        let detail = result.unwrap_or_else(|problem| problem);
        steps.push(Step { step, ok, detail: printable(&detail, 1000).into_owned() });
        ok
    };
    let file = read_plugin_file(path);
    let described = file.as_ref().map(|file| {
        let manifest = &file.manifest;
        let hosts = if manifest.hosts.is_empty() { "none".to_owned() } else { manifest.hosts.join(", ") };
        format!(
            "{} {} for `{}`, plugin ABI {}, wishes for hosts: {hosts}",
            manifest.name, manifest.version, manifest.key, manifest.abi
        )
    });
    let hash = file.as_ref().map(|file| file.sha256.clone()).unwrap_or_default();
    if !note("manifest", described.map_err(ToString::to_string)) {
        return steps;
    }
    note("sha256", Ok(hash));
    match load(path) {
        Ok(library) => {
            let key = library.file.manifest.key.clone();
            note("load", Ok("opened as an immutable copy; its types are laid out as this host's".to_owned()));
            let started = Provider::start(library, for_plugin(&key));
            note(
                "start",
                started.map(|_| "the provider is ready".to_owned()).map_err(|failure| failure.to_string()),
            );
        }
        Err(error) => {
            note("load", Err(error.to_string()));
        }
    }
    steps
}

impl Step {
    fn line(&self) -> String {
        format!("{:6}  {:8}  {}\n", if self.ok { "ok" } else { "failed" }, self.step, self.detail)
    }
}

fn path_text(path: &Path) -> String {
    printable(&path.to_string_lossy(), 4096).into_owned()
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
