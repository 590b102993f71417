//! Whether the files that a connection has open are still those at their path. SQLite writes on into a file that was
//! removed, without a word.

use std::fs::{self, File, Metadata};
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::file::beside;

/// A file, whatever its name. A number is not used again for as long as anybody has the file open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FileId {
    device: u64,
    inode: u64,
}

impl FileId {
    pub(super) fn at(path: &Path) -> io::Result<Self> {
        fs::metadata(path).map(Self::from)
    }

    pub(super) fn of(file: &File) -> io::Result<Self> {
        file.metadata().map(Self::from)
    }
}

impl From<Metadata> for FileId {
    fn from(metadata: Metadata) -> Self {
        Self { device: metadata.dev(), inode: metadata.ino() }
    }
}

/// The files of an open store.
#[derive(Debug)]
pub(super) struct Place {
    store: FileId,
    /// The write-ahead log and its index, as far as they are there.
    logs: Vec<(PathBuf, FileId)>,
}

impl Place {
    pub(super) fn of(path: &Path) -> io::Result<Self> {
        // SQLite puts them beside the file that a link leads to.
        let file = fs::canonicalize(path)?;
        let log = |ending| {
            let log = beside(&file, ending);
            FileId::at(&log).ok().map(|id| (log, id))
        };
        Ok(Self { store: FileId::at(path)?, logs: ["-wal", "-shm"].into_iter().filter_map(log).collect() })
    }

    /// Whether the store is what its path leads to. What cannot be told is taken for a yes.
    pub(super) fn is_at(&self, path: &Path) -> bool {
        match FileId::at(path) {
            Ok(found) => found == self.store,
            Err(error) => !matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory),
        }
    }

    /// Removes the log that the store left behind when it lost its name. SQLite would take it for that of whatever
    /// is there now, and write it into that.
    ///
    /// The store must still be open.
    pub(super) fn remove_left_logs(&self) -> io::Result<()> {
        for (log, id) in &self.logs {
            if FileId::at(log).is_ok_and(|found| found == *id) {
                fs::remove_file(log)?;
            }
        }
        Ok(())
    }
}
