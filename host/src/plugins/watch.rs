//! Noticing that a library file has new bytes, whether it was renamed into place or overwritten, or that it is gone.

use std::path::{Path, PathBuf};

use crate::config::FilesWatch;

/// Looks at one file again and again.
pub(super) struct Watch {
    path: PathBuf,
    file: FilesWatch,
}

/// What became of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// There is another one, or one again.
    Other,
    /// There is none. This is said once.
    Gone,
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

    /// What to say of a file that is gone.
    pub(super) fn absence(&self) -> String {
        let path = self.path.display();
        format!(
            "`{path}` is gone; the plugin goes on as it is, and cannot be started again once this process has ended"
        )
    }

    /// Waits until the file is another one than before, or gone, and has been for a moment: who writes into it should
    /// have ended. Cancel-safe.
    pub(super) async fn changed(&mut self) -> Change {
        self.file.changed().await;
        if self.file.all_are_there() {
            return Change::Other;
        }
        self.file.taken();
        Change::Gone
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::time::Duration;

    use tempfile::TempDir;
    use tokio::time::timeout;

    use super::*;

    /// What it says in the time of several looks; the clock is not the wall's.
    async fn said(watch: &mut Watch) -> Option<Change> {
        timeout(Duration::from_secs(10), watch.changed()).await.ok()
    }

    #[tokio::test(start_paused = true)]
    async fn a_file_that_is_gone_is_told_once_and_again_when_it_is_back() {
        let folder = TempDir::new().unwrap();
        let (path, aside) = (folder.path().join("plugin.so"), folder.path().join("aside"));
        fs::write(&path, "bytes").unwrap();
        let mut watch = Watch::new(path.clone());
        assert_eq!(said(&mut watch).await, None);
        fs::rename(&path, &aside).unwrap();
        assert_eq!(said(&mut watch).await, Some(Change::Gone));
        assert_eq!(said(&mut watch).await, None);
        fs::rename(&aside, &path).unwrap();
        assert_eq!(said(&mut watch).await, Some(Change::Other));
        watch.taken();
        assert_eq!(said(&mut watch).await, None);
    }
}
