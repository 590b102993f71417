//! Looking through `plugins.dirs`, one level deep, in name order.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use super::file::{PluginFile, Refusal, read_plugin_file};
use super::lock::Lock;

/// What the directories hold.
#[derive(Debug, Default)]
pub struct Discovery {
    /// The usable plugins by key.
    pub plugins: BTreeMap<String, PluginFile>,
    /// Library files that are not used, and why.
    pub refused: Vec<Refused>,
}

/// A library file that is not used.
#[derive(Debug)]
pub struct Refused {
    /// Where it is.
    pub path: PathBuf,
    /// Why it is not used.
    pub refusal: Refusal,
}

impl Discovery {
    /// Looks through one more directory.
    ///
    /// Files that are no libraries by their name are passed over. A key that was found before makes both files
    /// refused: which of them would run must not depend on the order of names. A file that `lock` refuses claims
    /// no key: a stranger beside the locked plugin does not take it down.
    ///
    /// # Errors
    ///
    /// The directory cannot be listed.
    pub fn scan(&mut self, dir: &Path, lock: Option<&Lock>) -> io::Result<()> {
        let mut paths: Vec<PathBuf> =
            std::fs::read_dir(dir)?.map(|entry| Ok(entry?.path())).collect::<io::Result<_>>()?;
        paths.sort();
        for path in paths.into_iter().filter(|path| is_library(path)) {
            let judged = read_plugin_file(&path).and_then(|file| {
                lock.map_or(Ok(()), |lock| lock.judge(&file))?;
                Ok(file)
            });
            match judged {
                Ok(file) => self.add(file),
                Err(refusal) => self.refused.push(Refused { path, refusal }),
            }
        }
        Ok(())
    }

    /// Two of the files that claim `key`, when several do.
    pub fn duplicate_of(&self, key: &str) -> Option<(&Path, &Path)> {
        self.refused.iter().find_map(|refused| match &refused.refusal {
            Refusal::Duplicate { path, other, key: claimed } if claimed == key => {
                Some((path.as_path(), other.as_path()))
            }
            _ => None,
        })
    }

    /// The files with the key `key` that the lock file alone speaks against.
    pub fn refused_by_lock<'a>(&'a self, key: &'a str) -> impl Iterator<Item = &'a PluginFile> {
        let files = self.refused.iter().filter_map(|refused| refused.refusal.refused_by_lock());
        files.filter(move |file| file.manifest.key == key)
    }

    fn add(&mut self, file: PluginFile) {
        let key = file.manifest.key.clone();
        let first = self.plugins.remove(&key).map(|first| first.path);
        let other = match (&first, self.duplicate_of(&key)) {
            (Some(first), _) => first.clone(),
            (None, Some((path, _))) => path.to_owned(),
            (None, None) => {
                self.plugins.insert(key, file);
                return;
            }
        };
        if let Some(first) = first {
            self.refuse(first, file.path.clone(), key.clone());
        }
        self.refuse(file.path, other, key);
    }

    fn refuse(&mut self, path: PathBuf, other: PathBuf, key: String) {
        let refusal = Refusal::Duplicate { path: path.clone(), other, key };
        self.refused.push(Refused { path, refusal });
    }
}

fn is_library(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str());
    matches!(extension, Some("so" | "dylib")) && !path.is_dir()
}
