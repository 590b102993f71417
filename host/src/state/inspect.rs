//! What can be said of a store without changing anything about it.

use std::fs::{self, Metadata};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use rusqlite::Connection;

use super::StateError;
use super::file::{self, beside};
use super::migrations::SCHEMA_VERSION;
use super::records::from_unix_ms;

/// Broken places that are listed at most. One is enough to know; a few show how far it goes.
const MOST_BREAKS: usize = 20;
/// All tables, in the order in which they are told.
const TABLES: [&str; 10] = [
    "standings",
    "incidents",
    "events",
    "alerts",
    "followed",
    "subscriptions",
    "discoveries",
    "found",
    "metadata",
    "identities",
];

/// What was found.
#[derive(Clone, Debug)]
pub struct Inspection {
    /// The file.
    pub path: PathBuf,
    /// The version of its schema; `None` where nothing was ever saved, or it cannot be told.
    pub schema: Option<i64>,
    /// Its size.
    pub size_bytes: u64,
    /// The size of the write-ahead log beside it.
    pub log_bytes: u64,
    /// The tables and how many rows they have, as far as they can be read.
    pub tables: Vec<(&'static str, u64)>,
    /// When the oldest and the newest event happened.
    pub events: Option<(SystemTime, SystemTime)>,
    /// What is wrong.
    pub findings: Vec<Finding>,
}

/// Something that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What.
    pub problem: String,
    /// What to do about it.
    pub help: String,
    /// Whether something is lost. Other findings are dangers.
    pub damage: bool,
}

impl Inspection {
    /// Whether something in the store is lost.
    pub fn is_damaged(&self) -> bool {
        self.findings.iter().any(|finding| finding.damage)
    }

    fn damaged(&mut self, problem: String) {
        let help = "stop what uses it, keep a copy, and put a backup in its place; without one, move it away: a new \
                    one is begun, and what was saved is lost"
            .to_owned();
        self.findings.push(Finding { problem, help, damage: true });
    }

    fn in_danger(&mut self, problem: String, help: &str) {
        self.findings.push(Finding { problem, help: help.to_owned(), damage: false });
    }
}

/// Looks at the store at `path`. Another process may be using it.
///
/// # Errors
///
/// There is none, it cannot be read, or this version does not know it.
pub fn inspect(path: &Path) -> Result<Inspection, StateError> {
    let metadata = fs::metadata(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => StateError::Missing { path: path.to_owned() },
        _ => unreadable(path, error.to_string()),
    })?;
    if !metadata.is_file() {
        return Err(unreadable(path, "it is no file".to_owned()));
    }
    let in_use = || beside(path, "-wal").exists();
    if !in_use() {
        let found = look(path, &metadata, file::open_immutable)?;
        // What somebody writes to meanwhile looks broken to one who does not look at the log.
        let now = fs::metadata(path).map_err(|error| unreadable(path, error.to_string()))?;
        let same = now.modified().ok() == metadata.modified().ok() && now.ino() == metadata.ino();
        if same && !in_use() {
            return Ok(found);
        }
    }
    look(path, &metadata, file::connect_read_only)
}

fn look(
    path: &Path,
    metadata: &Metadata,
    open: impl FnOnce(&Path) -> Result<(Connection, i64), StateError>,
) -> Result<Inspection, StateError> {
    let log = fs::metadata(beside(path, "-wal"));
    let mut found = Inspection {
        path: path.to_owned(),
        schema: None,
        size_bytes: metadata.len(),
        log_bytes: log.map_or(0, |log| log.len()),
        tables: Vec::new(),
        events: None,
        findings: Vec::new(),
    };
    look_outside(&mut found, metadata);
    match open(path) {
        Ok((_, 0)) => found.in_danger(
            "it is empty: nothing was ever saved, or it was lost".to_owned(),
            "if there was something in it, stop what uses it, and put a backup in its place",
        ),
        Ok((connection, version)) => {
            found.schema = Some(version);
            look_inside(&mut found, &connection);
        }
        Err(StateError::NotAStore { problem, .. }) => found.damaged(problem),
        Err(StateError::Unwritable { problem, .. }) => return Err(unreadable(path, problem)),
        Err(error) => return Err(error),
    }
    Ok(found)
}

/// The file as the system has it.
fn look_outside(found: &mut Inspection, metadata: &Metadata) {
    if let Ok(target) = fs::read_link(&found.path) {
        let problem = format!(
            "it is a symbolic link to `{}`: the locks beside it do not hold for who takes another way there",
            target.display()
        );
        found.in_danger(problem, "name the file itself in `state.path`");
    }
    let mode = metadata.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        let problem = format!("others may use it (mode {mode:04o}), and it holds tokens");
        found.in_danger(problem, "take it from them: `chmod 600`; the next start does that too");
    }
    let user = rustix::process::geteuid().as_raw();
    if metadata.uid() != user {
        let problem = format!("it belongs to user {}, this is user {user}", metadata.uid());
        found.in_danger(problem, "run forgewatch as its owner, or give it away: `chown`");
    }
}

fn look_inside(found: &mut Inspection, connection: &Connection) {
    if let Err(error) = look_for_breaks(found, connection) {
        found.damaged(format!("it cannot be looked through: {error}"));
    }
    for table in TABLES {
        match count(connection, table) {
            Ok(rows) => found.tables.extend(rows.map(|rows| (table, rows))),
            Err(error) => found.damaged(format!("the table `{table}` cannot be read: {error}")),
        }
    }
    match span_of_events(connection) {
        Ok(span) => found.events = span,
        Err(error) => found.damaged(format!("the events cannot be read: {error}")),
    }
    if found.schema.is_some_and(|schema| schema < SCHEMA_VERSION) {
        let problem = "an earlier version of forgewatch made it".to_owned();
        found.in_danger(problem, "nothing to do: the next start takes it up to this version");
    }
}

fn look_for_breaks(found: &mut Inspection, connection: &Connection) -> rusqlite::Result<()> {
    let mut statement = connection.prepare(&format!("PRAGMA integrity_check({MOST_BREAKS})"))?;
    let mut lines = statement.query([])?;
    while let Some(row) = lines.next()? {
        let report: String = row.get(0)?;
        // Several breaks may come as one text, under a heading with asterisks.
        let breaks = report.lines().filter(|line| !line.starts_with("***") && *line != "ok");
        breaks.for_each(|line| found.damaged(line.to_owned()));
    }
    Ok(())
}

/// Nothing for a table that the store's version does not have.
fn count(connection: &Connection, table: &str) -> rusqlite::Result<Option<u64>> {
    if !connection.table_exists(None, table)? {
        return Ok(None);
    }
    let rows =
        connection.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get::<_, i64>(0))?;
    Ok(u64::try_from(rows).ok())
}

fn span_of_events(connection: &Connection) -> rusqlite::Result<Option<(SystemTime, SystemTime)>> {
    let span: (Option<i64>, Option<i64>) =
        connection
            .query_row("SELECT min(at), max(at) FROM events", [], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(span.0.zip(span.1).map(|(oldest, newest)| (from_unix_ms(oldest), from_unix_ms(newest))))
}

fn unreadable(path: &Path, problem: String) -> StateError {
    StateError::Unreadable { path: path.to_owned(), problem }
}
