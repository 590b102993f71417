//! Noticing that a library file has new bytes, whether it was renamed into place or overwritten.

use std::path::{Path, PathBuf};

use crate::config::FilesWatch;

/// Looks at one file again and again.
pub(super) struct Watch {
    path: PathBuf,
    file: FilesWatch,
}

impl Watch {
    /// Watches `path` from its present state on. Looks at the file, so it blocks for a moment.
    pub(super) fn new(path: PathBuf) -> Self {
        Self { file: FilesWatch::of_file(path.clone()), path }
    }

    /// The file.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Notes that the bytes of the last change have been read: they are no news any more.
    pub(super) fn taken(&mut self) {
        self.file.taken();
    }

    /// Waits until the file is another one than before, and has been for a moment: who writes into it should have
    /// ended. A file that is gone is waited for. Gives its path. Cancel-safe.
    pub(super) async fn changed(&mut self) -> &Path {
        loop {
            self.file.changed().await;
            if self.file.all_are_there() {
                return &self.path;
            }
        }
    }
}
