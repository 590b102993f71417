//! Looking through `plugins.dirs`, one level deep, in name order.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::io;
use std::path::{Path, PathBuf};

use super::file::{PluginFile, Refusal, read_plugin_file};

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
    /// refused: which of them would run must not depend on the order of names.
    ///
    /// # Errors
    ///
    /// The directory cannot be listed.
    pub fn scan(&mut self, dir: &Path) -> io::Result<()> {
        let mut paths: Vec<PathBuf> = std::fs::read_dir(dir)?
            .map(|entry| Ok(entry?.path()))
            .collect::<io::Result<_>>()?;
        paths.sort();
        for path in paths.into_iter().filter(|path| is_library(path)) {
            match read_plugin_file(&path) {
                Ok(file) => self.add(file),
                Err(refusal) => self.refused.push(Refused { path, refusal }),
            }
        }
        Ok(())
    }

    /// The files that claim `key` and are refused for it.
    pub fn duplicates_of<'a>(&'a self, key: &'a str) -> impl Iterator<Item = &'a Refused> {
        self.refused.iter().filter(
            move |refused| matches!(&refused.refusal, Refusal::Duplicate { key: other, .. } if other == key),
        )
    }

    fn add(&mut self, file: PluginFile) {
        let key = file.manifest.key.clone();
        let earlier = self
            .duplicates_of(&key)
            .next()
            .map(|refused| refused.path.clone());
        let other = match self.plugins.entry(key.clone()) {
            Entry::Occupied(found) => found.remove().path,
            Entry::Vacant(free) => match earlier {
                None => {
                    free.insert(file);
                    return;
                }
                Some(path) => return self.refuse(file.path, path, key),
            },
        };
        self.refuse(other.clone(), file.path.clone(), key.clone());
        self.refuse(file.path, other, key);
    }

    fn refuse(&mut self, path: PathBuf, other: PathBuf, key: String) {
        let refusal = Refusal::Duplicate {
            path: path.clone(),
            other,
            key,
        };
        self.refused.push(Refused { path, refusal });
    }
}

fn is_library(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str());
    matches!(extension, Some("so" | "dylib")) && !path.is_dir()
}
