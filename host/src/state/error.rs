//! What can be wrong with a store, told apart by what a caller or an operator does about it.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;

/// Why the store cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// A later version made it.
    #[error(
        "the state `{}` has schema {found}, this version knows {known}: upgrade, or choose another `state.path`",
        .path.display()
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// The schema version in the file.
        found: i64,
        /// The newest schema version that is known here.
        known: i64,
    },
    /// It is damaged, or something else altogether.
    #[error(
        "`{}` is no intact state of forgewatch: {problem}; move it away, put a backup in its place, or choose another `state.path`",
        .path.display()
    )]
    NotAStore {
        /// The file.
        path: PathBuf,
        /// What was seen.
        problem: String,
    },
    /// Another program's.
    #[error("`{}` is no state of forgewatch: another program made this database; choose another `state.path`", .path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// There is none.
    #[error("there is no state at `{}`: nothing was saved yet, or `state.path` leads elsewhere", .path.display())]
    Missing {
        /// Where it should be.
        path: PathBuf,
    },
    /// It cannot be read.
    #[error("the state `{}` cannot be read: {problem}; run forgewatch as its owner", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What was seen.
        problem: String,
    },
    /// It cannot be written: permissions, a read-only file system, a full disk, a lock that is never released.
    #[error("the state `{}` cannot be written: {problem}", .path.display())]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// What was seen.
        problem: String,
    },
    /// Another daemon writes to it.
    #[error("another daemon uses `{}`: stop it, or give this one a `state.path` of its own", .path.display())]
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// Anything else.
    #[error("the state `{}` failed: {problem}", .path.display())]
    Failed {
        /// The file.
        path: PathBuf,
        /// What was seen.
        problem: String,
    },
}

impl StateError {
    /// Whether a caller may go on without saving.
    pub fn is_unwritable(&self) -> bool {
        matches!(self, Self::Unwritable { .. })
    }

    pub(super) fn read_only(path: &Path) -> Self {
        Self::Unwritable { path: path.to_owned(), problem: "it was opened for reading alone".to_owned() }
    }

    pub(super) fn from_io(path: &Path, error: io::Error) -> Self {
        let owner = (error.kind() == io::ErrorKind::PermissionDenied).then(|| ownership(path)).flatten();
        let problem = owner.map_or_else(|| error.to_string(), |owner| format!("{error}; {owner}"));
        Self::Unwritable { path: path.to_owned(), problem }
    }

    pub(super) fn from_sqlite(path: &Path, error: rusqlite::Error) -> Self {
        let path = path.to_owned();
        let problem = error.to_string();
        match error.sqlite_error_code() {
            Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => Self::NotAStore { path, problem },
            Some(
                ErrorCode::ReadOnly
                | ErrorCode::CannotOpen
                | ErrorCode::PermissionDenied
                | ErrorCode::DiskFull
                | ErrorCode::SystemIoFailure
                | ErrorCode::DatabaseBusy
                | ErrorCode::DatabaseLocked,
            ) => Self::Unwritable { path, problem },
            _ => Self::Failed { path, problem },
        }
    }
}

/// Whose the path is, or the folder where it would be, and the way out; nothing where that cannot be seen.
fn ownership(path: &Path) -> Option<String> {
    let (place, found) = path.ancestors().find_map(|place| Some((place, fs::metadata(place).ok()?)))?;
    Some(way_out(place, found.uid(), found.mode(), rustix::process::geteuid().as_raw()))
}

fn way_out(place: &Path, owner: u32, mode: u32, user: u32) -> String {
    let place = place.display();
    if owner == user {
        let mode = mode & 0o777;
        return format!(
            "`{place}` is this user's, with mode {mode:04o}: `chmod u+rwX` it, or see what else forbids it"
        );
    }
    format!(
        "`{place}` belongs to user {owner}, this is user {user}: run forgewatch as its owner, or give it away: `chown`"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_may_not_write_hears_whose_it_is() {
        let folder = tempfile::TempDir::new().unwrap();
        let (path, user) = (folder.path().join("not/there/state.db"), rustix::process::geteuid().as_raw());
        let error = StateError::from_io(&path, io::ErrorKind::PermissionDenied.into()).to_string();
        assert!(error.contains(&format!("`{}` is this user's", folder.path().display())), "{error}");
        let other = way_out(folder.path(), user + 1, 0o755, user);
        assert!(other.contains(&format!("user {}, this is user {user}: run", user + 1)), "{other}");
        let full = StateError::from_io(&path, io::ErrorKind::StorageFull.into()).to_string();
        assert!(!full.contains("user"), "{full}");
    }
}
