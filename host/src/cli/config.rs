//! `forgewatch config`: is it valid, what is it, why is it so, and what may be in it.
//!
//! Nothing printed here holds a secret: values come masked from the configuration.

use std::{fmt::Write, process::ExitCode};

use anstyle::AnsiColor;
use clap::{Subcommand, ValueEnum};
use serde_json::Value;

use super::{GlobalArgs, USAGE, counted, print, tell, what_there_is};
use crate::config::{Explained, Loaded, schema::Schema};
use crate::text::printable;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Say whether the configuration is valid, or everything that is wrong with it. Plugins, URLs and secrets
    /// are tried by `forgewatch check --dry-run`, what only the daemon needs, such as targets of alerts, by
    /// `forgewatch run --dry-run`.
    Check,
    /// Print the merged configuration, with its defaults, masked.
    Show {
        /// How to print it.
        #[arg(long, value_enum, default_value_t = Format::Toml)]
        format: Format,
    },
    /// Print what every layer says about a key, or about each key of a table; `*` marks what holds.
    Explain {
        /// The key, like `http.timeout` or `integrations."my name".identity`.
        key: String,
    },
    /// Print the JSON schema of the configuration.
    Schema,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum Format {
    Toml,
    Json,
}

impl Command {
    pub(super) fn run(self, global: &GlobalArgs) -> ExitCode {
        match self.result(global) {
            Ok(text) => print(&text),
            Err(status) => status,
        }
    }

    /// What to print; problems are told already.
    fn result(self, global: &GlobalArgs) -> Result<String, ExitCode> {
        let fail = |message: String| {
            tell(AnsiColor::Red, "error", message);
            ExitCode::from(USAGE)
        };
        match self {
            Self::Check => Ok(summary(&global.load()?)),
            Self::Show { format } => show(global.load()?.effective(), format).map_err(fail),
            Self::Explain { key } => {
                let explained = global.load()?.explain(&key).map_err(|problem| fail(problem.to_string()))?;
                Ok(explanation(&explained))
            }
            Self::Schema => Ok(format!("{:#}", Schema::of_config().document())),
        }
    }
}

fn summary(loaded: &Loaded) -> String {
    let config = &loaded.config;
    let files: Vec<_> =
        loaded.files().map(|file| printable(&file.to_string_lossy(), 4096).into_owned()).collect();
    let files = match files.as_slice() {
        [] => "no configuration file was found".to_owned(),
        files => format!("read from {}", files.join(", ")),
    };
    format!(
        "configuration is valid: {}, {}, {}; {files}",
        counted(config.identities.len(), "identity", "identities"),
        counted(config.integrations.len(), "integration", "integrations"),
        what_there_is(config.repositories.len(), config.discovery.len()),
    )
}

fn show(mut settings: Value, format: Format) -> Result<String, String> {
    match format {
        Format::Json => Ok(format!("{settings:#}")),
        Format::Toml => {
            without_nulls(&mut settings);
            toml::to_string_pretty(&settings)
                .map_err(|error| format!("cannot be written as TOML, try --format json: {error}"))
        }
    }
}

/// TOML has no null; only a plugin's options can hold one.
fn without_nulls(value: &mut Value) {
    match value {
        Value::Object(values) => {
            values.retain(|_, value| !value.is_null());
            values.values_mut().for_each(without_nulls);
        }
        Value::Array(values) => {
            values.retain(|value| !value.is_null());
            values.iter_mut().for_each(without_nulls);
        }
        _ => {}
    }
}

fn explanation(explained: &[Explained]) -> String {
    let mut text = String::new();
    for setting in explained {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{}", setting.key);
        if setting.values.is_empty() {
            text.push_str("  not set\n");
        }
        let sources: Vec<_> = setting.values.iter().map(|(source, _)| source.to_string()).collect();
        let width = sources.iter().map(|source| source.chars().count()).max().unwrap_or_default();
        for (index, (source, (_, value))) in sources.iter().zip(&setting.values).enumerate() {
            let mark = if index + 1 == sources.len() { '*' } else { ' ' };
            let _ = writeln!(text, "{mark} {source:width$}  {value}");
        }
    }
    text
}
