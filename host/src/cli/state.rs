//! `forgewatch state`: a copy of the state, and what condition it is in. Neither changes anything about it.

use std::fmt::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::SystemTime;

use anstyle::AnsiColor;
use clap::{Args, Subcommand, ValueEnum};
use indicatif::HumanBytes;
use serde::Serialize;
use serde_json::{Map, Value};

use super::{GlobalArgs, USAGE, print, tell};
use crate::state::{Existing, Finding, Inspection, State, inspect};
use crate::text::printable;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    Backup(Backup),
    /// Look the state through for damage and dangers, without changing anything. It may be in use.
    ///
    /// Exit status: 0 nothing is damaged, 1 something is, 2 it is not there or cannot be opened, or wrong usage or
    /// configuration.
    Check {
        /// How to print what was found.
        #[arg(long, value_enum, default_value_t = Format::Table)]
        format: Format,
    },
}

/// Write a copy of the state into a file. It may be in use.
///
/// The copy holds tokens, as the state does, and is yours alone to read. To go back to it: stop the daemon, remove
/// the state file and those beside it that have the same name with `-wal` and `-shm` at its end, and put the copy in
/// its place.
#[derive(Args, Debug)]
pub(super) struct Backup {
    /// The file to write.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Replace the file if it is there.
    #[arg(long)]
    force: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum Format {
    Table,
    Json,
}

impl Command {
    pub(super) fn run(self, global: &GlobalArgs) -> ExitCode {
        let path = match global.load() {
            Ok(loaded) => loaded.config.state.path.clone(),
            Err(status) => return status,
        };
        match self {
            Self::Backup(Backup { file, force }) => {
                let existing = if force { Existing::Replace } else { Existing::Keep };
                let state = State::open_read_only(&path).map_err(Into::into);
                match state.and_then(|state| state.backup(&file, existing)) {
                    Ok(copy) => print(&written(&copy)),
                    Err(error) => fail(&error),
                }
            }
            Self::Check { format } => match inspect(&path) {
                Ok(found) => tell_findings(&found, format),
                Err(error) => fail(&error),
            },
        }
    }
}

fn fail(error: &dyn std::error::Error) -> ExitCode {
    tell(AnsiColor::Red, "error", error);
    ExitCode::from(USAGE)
}

fn written(copy: &Inspection) -> String {
    let rows: Vec<_> = copy.tables.iter().map(|(table, rows)| format!("{table} {rows}")).collect();
    format!("wrote {}: {}; {}", shown(copy), HumanBytes(copy.size_bytes), rows.join(", "))
}

fn tell_findings(found: &Inspection, format: Format) -> ExitCode {
    let printed = match format {
        Format::Table => print(&table(found)),
        Format::Json => match serde_json::to_string_pretty(&Document::from(found)) {
            Ok(text) => print(&text),
            Err(error) => fail(&error),
        },
    };
    if printed == ExitCode::SUCCESS && found.is_damaged() { ExitCode::from(1) } else { printed }
}

fn table(found: &Inspection) -> String {
    let mut text = String::new();
    let mut line = |name: &str, value: &str| {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{name:11}  {value}");
    };
    line("file", &shown(found));
    let schema = found.schema.map_or("none".to_owned(), |schema| schema.to_string());
    line("schema", &schema);
    line("size", &format!("{}, log {}", HumanBytes(found.size_bytes), HumanBytes(found.log_bytes)));
    for (table, rows) in &found.tables {
        let span = found.events.filter(|_| *table == "events");
        let span = span.map(|(oldest, newest)| format!(", {} to {}", timestamp(oldest), timestamp(newest)));
        line(table, &format!("{rows}{}", span.unwrap_or_default()));
    }
    for alike in found.findings.chunk_by(|one, next| one.help == next.help) {
        for Finding { problem, damage, .. } in alike {
            line(if *damage { "damaged" } else { "danger" }, &printable(problem, 500));
        }
        line("", &printable(&alike[0].help, 500));
    }
    text + if found.is_damaged() { "the state is damaged" } else { "nothing is damaged" }
}

/// The JSON shape of `state check`: a contract with users.
#[derive(Serialize)]
struct Document {
    path: String,
    damaged: bool,
    schema: Option<i64>,
    size_bytes: u64,
    log_bytes: u64,
    tables: Map<String, Value>,
    oldest_event: Option<String>,
    newest_event: Option<String>,
    findings: Vec<Value>,
}

impl From<&Inspection> for Document {
    fn from(found: &Inspection) -> Self {
        let finding = |it: &Finding| {
            serde_json::json!({
                "problem": printable(&it.problem, 500), "help": it.help, "damage": it.damage
            })
        };
        Self {
            path: shown(found),
            damaged: found.is_damaged(),
            schema: found.schema,
            size_bytes: found.size_bytes,
            log_bytes: found.log_bytes,
            tables: found.tables.iter().map(|(table, rows)| ((*table).to_owned(), (*rows).into())).collect(),
            oldest_event: found.events.map(|(oldest, _)| timestamp(oldest)),
            newest_event: found.events.map(|(_, newest)| timestamp(newest)),
            findings: found.findings.iter().map(finding).collect(),
        }
    }
}

fn shown(found: &Inspection) -> String {
    printable(&found.path.to_string_lossy(), 4096).into_owned()
}

fn timestamp(time: SystemTime) -> String {
    humantime::format_rfc3339_seconds(time).to_string()
}
