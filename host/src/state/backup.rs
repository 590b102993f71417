//! A copy of a store that is in use: whole, of one moment, and looked through before it gets its name.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use rusqlite::Connection;
use tempfile::NamedTempFile;

use super::file::beside;
use super::inspect::{Inspection, inspect};
use super::place::FileId;
use super::{State, StateError};

/// What becomes of a file that has the backup's name already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existing {
    /// It stays, and there is no backup.
    Keep,
    /// The backup takes its place.
    Replace,
}

/// Why there is no backup.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// There is a file already.
    #[error("`{}` is there already: choose another name, or replace it with `--force`", .path.display())]
    Exists {
        /// Where the backup should have gone.
        path: PathBuf,
    },
    /// The backup would take the place of what it is a backup of.
    #[error("`{}` belongs to the state itself: choose another file", .path.display())]
    Itself {
        /// Where the backup should have gone.
        path: PathBuf,
    },
    /// The copy cannot be written.
    #[error("the backup `{}` cannot be written: {problem}", .path.display())]
    Target {
        /// Where the backup should have gone.
        path: PathBuf,
        /// What was seen.
        problem: String,
    },
    /// The store cannot be read.
    #[error(transparent)]
    State(#[from] StateError),
}

impl State {
    /// Writes a copy to `to` (mode 0600) and says what is in it. Others may write to the store meanwhile.
    ///
    /// # Errors
    ///
    /// Nothing was written, and what was at `to` is still there.
    pub fn backup(&self, to: &Path, existing: Existing) -> Result<Inspection, BackupError> {
        if is_part_of(self.path(), to) {
            return Err(BackupError::Itself { path: to.to_owned() });
        }
        if existing == Existing::Keep && fs::symlink_metadata(to).is_ok() {
            return Err(BackupError::Exists { path: to.to_owned() });
        }
        let unwritten = |error: io::Error| target(to, error.to_string());
        let copy = NamedTempFile::new_in(folder(to)).map_err(unwritten)?;
        self.copy_into(copy.path(), to)?;
        let copied = inspect(copy.path())?;
        if let Some(damage) = copied.findings.iter().find(|finding| finding.damage) {
            return Err(target(to, format!("the copy is damaged: {}", damage.problem)));
        }
        copy.as_file().sync_all().map_err(unwritten)?;
        let named = match existing {
            Existing::Keep => copy.persist_noclobber(to),
            Existing::Replace => copy.persist(to),
        };
        named.map_err(|error| match error.error.kind() {
            io::ErrorKind::AlreadyExists => BackupError::Exists { path: to.to_owned() },
            _ => unwritten(error.error),
        })?;
        File::open(folder(to)).and_then(|folder| folder.sync_all()).map_err(unwritten)?;
        Ok(Inspection { path: to.to_owned(), ..copied })
    }

    /// Unlike page by page, in this way nobody who writes makes it start over, and free pages are left behind.
    fn copy_into(&self, copy: &Path, to: &Path) -> Result<(), BackupError> {
        let name = copy.to_str().ok_or_else(|| target(to, "its name is no text".to_owned()))?;
        let vacuum = |connection: &Connection| Ok(connection.execute("VACUUM INTO ?1", [name]));
        match self.read(vacuum)? {
            None => Err(StateError::Missing { path: self.path().to_owned() }.into()),
            Some(Ok(_)) => Ok(()),
            // SQLite does not say which of the two files it speaks of, unless it is damaged.
            Some(Err(error)) => match StateError::from_sqlite(self.path(), error) {
                damaged @ StateError::NotAStore { .. } => Err(damaged.into()),
                StateError::Unwritable { problem, .. } | StateError::Failed { problem, .. } => {
                    Err(target(to, problem))
                }
                other => Err(other.into()),
            },
        }
    }
}

/// Whether a file is the store, or one of those that SQLite would take for a part of it.
fn is_part_of(store: &Path, file: &Path) -> bool {
    let Ok(store) = fs::canonicalize(store) else {
        return false;
    };
    let named = || Some(fs::canonicalize(folder(file)).ok()?.join(file.file_name()?));
    let named = named();
    ["", "-wal", "-shm", "-journal"].iter().any(|ending| {
        let part = beside(&store, ending);
        named.as_ref() == Some(&part)
            || FileId::at(&part).is_ok_and(|part| FileId::at(file).ok() == Some(part))
    })
}

fn folder(file: &Path) -> &Path {
    match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

fn target(path: &Path, problem: String) -> BackupError {
    BackupError::Target { path: path.to_owned(), problem }
}
