//! Noticing that files have changed, whether they were overwritten, renamed into place or linked anew.
//!
//! Paths are looked at again and again, every link followed: that works alike on every file system, on mounted
//! volumes that are swapped as a whole, and for what is not there yet. Nothing is read here.

use std::ffi::OsString;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep_until};

/// How often paths are looked at.
const EVERY: Duration = Duration::from_secs(1);

/// Files and folders that are looked at again and again.
#[derive(Debug)]
pub struct FilesWatch {
    paths: Arc<[PathBuf]>,
    /// As they were when they were last read.
    known: Vec<Stamp>,
    /// As they were at the last look.
    seen: Vec<Stamp>,
    /// The next look, so that whoever stops waiting and comes back does not put it off.
    next: Option<Instant>,
}

/// What changes with what there is to read at a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Stamp {
    Nothing,
    File {
        device: u64,
        inode: u64,
        size: u64,
        modified: (i64, i64),
        changed: (i64, i64),
    },
    /// The names in it but for hidden ones, which are those of half-written files.
    Folder(Vec<OsString>),
}

impl Stamp {
    pub(super) fn of(path: &Path) -> Self {
        match std::fs::metadata(path) {
            Ok(it) if it.is_dir() => Self::Folder(names_in(path)),
            Ok(it) => Self::File {
                device: it.dev(),
                inode: it.ino(),
                size: it.size(),
                modified: (it.mtime(), it.mtime_nsec()),
                changed: (it.ctime(), it.ctime_nsec()),
            },
            Err(_) => Self::Nothing,
        }
    }
}

fn names_in(folder: &Path) -> Vec<OsString> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let names = entries.map(|entry| entry.file_name());
    let mut names: Vec<_> = names.filter(|name| !name.as_encoded_bytes().starts_with(b".")).collect();
    names.sort();
    names
}

impl FilesWatch {
    /// Watches a path from its present state on. Looks at it, so it blocks for a moment.
    pub(crate) fn of_file(path: PathBuf) -> Self {
        let stamp = Stamp::of(&path);
        Self::since([(path, stamp)])
    }

    /// Watches paths from earlier states on.
    pub(super) fn since(paths: impl IntoIterator<Item = (PathBuf, Stamp)>) -> Self {
        let (paths, known): (Vec<_>, Vec<_>) = paths.into_iter().unzip();
        Self { paths: paths.into(), seen: known.clone(), known, next: None }
    }

    /// What is watched.
    pub fn paths(&self) -> &[PathBuf] {
        &self.paths
    }

    /// Whether there was something at each path at the last look.
    pub(crate) fn all_are_there(&self) -> bool {
        !self.seen.contains(&Stamp::Nothing)
    }

    /// Notes that the last change has been taken up: it is no news any more.
    pub(crate) fn taken(&mut self) {
        self.known.clone_from(&self.seen);
    }

    /// Waits until something is otherwise than it was when it was read, and has been for a moment: who writes should
    /// have ended. What has changed and changed back is no change. Answers every second until a newer watch takes its
    /// place. Cancel-safe.
    pub async fn changed(&mut self) {
        loop {
            sleep_until(*self.next.get_or_insert_with(|| Instant::now() + EVERY)).await;
            let paths = Arc::clone(&self.paths);
            let looked = spawn_blocking(move || paths.iter().map(|path| Stamp::of(path)).collect()).await;
            self.next = None;
            // Only the end of the runtime keeps it from looking.
            let Ok(now) = looked else { continue };
            let is_settled = now == self.seen;
            self.seen = now;
            if is_settled && self.seen != self.known {
                return;
            }
        }
    }
}
