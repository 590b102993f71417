//! What is said when the state cannot be written: the cause, and the way out.

use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use rusqlite::ErrorCode;

use super::super::StateError;
use super::NotSaved;

/// A time in which nothing could be written.
pub(super) struct Trouble {
    pub(super) since: SystemTime,
    pub(super) start: Instant,
    /// Events that had been dropped before it.
    pub(super) dropped_before: u64,
}

impl NotSaved {
    /// A commit failed.
    pub(super) fn because(path: &Path, error: &rusqlite::Error) -> Self {
        let way_out = match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => return damaged(path, error),
            Some(ErrorCode::DiskFull) => "make room on its disk",
            Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied | ErrorCode::CannotOpen) => {
                "make the file and its folder writable"
            }
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
                "end the process that keeps it locked"
            }
            _ => "look at its disk, and run `forgewatch state check`",
        };
        Self { problem: format!("the state `{}` cannot be written: {error}; {way_out}", path.display()) }
    }

    /// It was removed or replaced, and that cannot be followed.
    pub(super) fn replaced_by(path: &Path, error: &StateError) -> Self {
        let way_out = match error {
            StateError::Unwritable { .. } => {
                "; let forgewatch write there, put the file or a backup back, or start this daemon again"
            }
            // The others say it themselves.
            _ => "",
        };
        Self { problem: format!("{}, and it cannot be opened anew: {error}{way_out}", replaced(path)) }
    }
}

fn damaged(path: &Path, error: &rusqlite::Error) -> NotSaved {
    let problem = format!(
        "the state `{}` is damaged: {error}; see what `forgewatch state check` says, stop this daemon, and put a \
         backup in its place, or move it away",
        path.display()
    );
    NotSaved { problem }
}

pub(super) fn replaced(path: &Path) -> String {
    format!("the state file was removed or replaced while in use: `{}`", path.display())
}

pub(super) fn hangs(path: &Path) -> String {
    format!("the state `{}` cannot be written: a write to it does not end; look at its disk", path.display())
}

/// The thread is gone, which only a fault of its own explains.
pub(super) fn ended(path: &Path) -> NotSaved {
    let path = path.display();
    NotSaved {
        problem: format!(
            "the state `{path}` is not written any more, which is a fault of forgewatch: start it again"
        ),
    }
}

pub(super) fn left(path: &Path, patience: Duration) -> NotSaved {
    let path = path.display();
    NotSaved {
        problem: format!("the state `{path}` was not written within {patience:?}: what was left is lost"),
    }
}

pub(super) fn tell_dropped(path: &Path) {
    tracing::error!(
        "the state `{}` has not been written for so long that errors are dropped from its journal: see to it now",
        path.display()
    );
}
