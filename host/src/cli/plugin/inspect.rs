//! `forgewatch plugin inspect`: what a plugin says of itself, and what the operator allows it. Nothing of it runs.

use std::path::Path;
use std::process::ExitCode;

use anstyle::AnsiColor;
use serde::Serialize;

use super::{Format, Wish, print_json, wishes};
use crate::cli::{print, tell};
use crate::config::Config;
use crate::plugins::{Lock, read_plugin_file};
use crate::text::{path_text, printable};

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
    /// The same hosts, and what allows each.
    hosts: Vec<Wish>,
    /// Nothing without a lock file.
    lock: Option<String>,
    options_schema: serde_json::Value,
}

pub(super) fn inspect(config: &Config, lock: Option<&Lock>, path: &Path, format: Format) -> ExitCode {
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
        hosts: wishes(config, lock, &file),
        lock: lock.map(|lock| match lock.judge(&file) {
            Ok(()) => "matches".to_owned(),
            Err(refusal) => refusal.state().to_string(),
        }),
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
            ("lock", self.lock.clone().unwrap_or_else(|| "not in use".to_owned())),
            ("URL patterns", list(self.url_patterns)),
            ("wished hosts", list(&self.hosts.iter().map(ToString::to_string).collect::<Vec<_>>())),
            ("options", schema),
        ];
        let shown =
            |text: &str| text.split('\n').map(|line| printable(line, 1000)).collect::<Vec<_>>().join("\n");
        rows.iter().map(|(name, value)| format!("{name:13}  {}\n", shown(value))).collect()
    }
}
