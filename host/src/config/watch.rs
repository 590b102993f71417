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

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write;
    use std::os::unix::fs::symlink;

    use tempfile::TempDir;
    use tokio::time::timeout;

    use super::*;

    fn watch(paths: &[PathBuf]) -> FilesWatch {
        FilesWatch::since(paths.iter().map(|path| (path.clone(), Stamp::of(path))))
    }

    /// Whether it sees a change in the time of several looks; the clock is not the wall's.
    async fn sees(watch: &mut FilesWatch) -> bool {
        timeout(5 * EVERY, watch.changed()).await.is_ok()
    }

    /// Points a link elsewhere in one step.
    fn relink(link: &Path, target: &str) {
        let new = link.with_file_name("new");
        symlink(target, &new).unwrap();
        fs::rename(new, link).unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn every_way_to_change_a_file_is_seen() {
        type Change = fn(&Path);
        let cases: [(&str, bool, Change); 9] = [
            ("nothing", false, |_| {}),
            ("read", false, |root| drop(fs::read(root.join("file")).unwrap())),
            ("overwritten", true, |root| fs::write(root.join("file"), "longer than before").unwrap()),
            ("renamed into place", true, |root| {
                fs::write(root.join("new"), "same").unwrap();
                fs::rename(root.join("new"), root.join("file")).unwrap();
            }),
            ("removed", true, |root| fs::remove_file(root.join("file")).unwrap()),
            ("put where nothing was", true, |root| fs::write(root.join("absent"), "").unwrap()),
            ("linked anew", true, |root| relink(&root.join("link"), "other")),
            // As Kubernetes replaces all files of a mounted volume at once.
            ("swapped with its folder", true, |root| relink(&root.join("..data"), "..2")),
            ("another file beside it", false, |root| fs::write(root.join("beside"), "").unwrap()),
        ];
        for (what, is_seen, change) in cases {
            let folder = TempDir::new().unwrap();
            let root = folder.path();
            for name in ["file", "linked", "other"] {
                fs::write(root.join(name), "same").unwrap();
            }
            for (version, token) in [("..1", "old"), ("..2", "new")] {
                fs::create_dir(root.join(version)).unwrap();
                fs::write(root.join(version).join("token"), token).unwrap();
            }
            symlink("linked", root.join("link")).unwrap();
            symlink("..1", root.join("..data")).unwrap();
            symlink("..data/token", root.join("token")).unwrap();
            let paths = ["file", "absent", "link", "token"].map(|name| root.join(name));
            let mut watch = watch(&paths);
            change(root);
            assert_eq!(sees(&mut watch).await, is_seen, "{what}");
            // Until it is taken up, it is news.
            assert_eq!(sees(&mut watch).await, is_seen, "{what}");
            watch.taken();
            assert!(!sees(&mut watch).await, "{what}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_folder_changes_with_the_names_in_it() {
        let folder = TempDir::new().unwrap();
        fs::write(folder.path().join("10.toml"), "").unwrap();
        let mut watch = watch(&[folder.path().to_owned()]);
        fs::write(folder.path().join(".10.toml.swp"), "").unwrap();
        assert!(!sees(&mut watch).await);
        fs::write(folder.path().join("20.toml"), "").unwrap();
        assert!(sees(&mut watch).await);
        watch.taken();
        fs::remove_file(folder.path().join("10.toml")).unwrap();
        assert!(sees(&mut watch).await);
    }

    #[tokio::test(start_paused = true)]
    async fn a_file_that_is_being_written_is_waited_for_by_whoever_comes_back() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("file");
        let mut file = fs::File::create(&path).unwrap();
        let mut watch = watch(&[path]);
        let less_than_a_look = EVERY * 9 / 10;
        for _ in 0..20 {
            file.write_all(b"more").unwrap();
            assert!(timeout(less_than_a_look, watch.changed()).await.is_err());
        }
        let mut is_seen = false;
        for _ in 0..4 {
            is_seen |= timeout(less_than_a_look, watch.changed()).await.is_ok();
        }
        assert!(is_seen);
    }
}
