//! Judging a library file without running any of it.

use std::fmt;
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use forgewatch_plugin_api::abi::ABI_VERSION;
use forgewatch_plugin_api::manifest::{self, ELF_SECTION, MACHO_SECTION, Manifest, ManifestError};
use object::{Object, ObjectSection, ObjectSegment};
use regex::RegexSetBuilder;
use sha2::{Digest, Sha256};

/// Many times the size of any plugin: files are read into memory.
const LARGEST_FILE_BYTES: u64 = 256 * 1024 * 1024;
const MOST_PATTERNS: usize = 64;
/// What all URL patterns of one plugin may take when they are compiled.
const LARGEST_PATTERNS_BYTES: usize = 1 << 20;

/// A library file that holds a plugin which this host can load.
#[derive(Clone, Debug)]
pub struct PluginFile {
    /// Where it was found.
    pub path: PathBuf,
    /// What it says of itself.
    pub manifest: Manifest,
    /// SHA-256 of its bytes, in lower-case hexadecimal.
    pub sha256: String,
}

/// Why a file is not used as a plugin.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// The file cannot be read.
    #[error("cannot read `{}` ({source}): check that it exists and that this user may read it", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// Not a library at all, or a damaged one.
    #[error("`{}` is no intact library file ({problem}): install it again", file_name(.path))]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// A library for another kind of machine.
    #[error("`{}` is built for {found}, this host runs on {wanted}: install the build for {wanted}", file_name(.path))]
    Architecture {
        /// The file.
        path: PathBuf,
        /// What it is built for.
        found: String,
        /// What this host runs on.
        wanted: String,
    },
    /// A library without a manifest.
    #[error("`{}` is no Forgewatch plugin: it has no manifest", file_name(.path))]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// A manifest that cannot be one.
    #[error("`{}`: {source}: ask the plugin's author", file_name(.path))]
    Manifest {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: ManifestError,
    },
    /// Another version of the ABI.
    #[error(
        "`{}` needs plugin ABI {found}, this host speaks {ABI_VERSION}: {}",
        file_name(.path),
        if *.found > ABI_VERSION { "upgrade the host" } else { "install a newer build of the plugin" }
    )]
    Abi {
        /// The file.
        path: PathBuf,
        /// The version it was built for.
        found: u32,
    },
    /// Two files with one key.
    #[error("`{}` and `{}` are both plugins for `{key}`: remove one of them", .path.display(), .other.display())]
    Duplicate {
        /// The file.
        path: PathBuf,
        /// The other file.
        other: PathBuf,
        /// The key that they share.
        key: String,
    },
    /// Another build than the locked one.
    #[error(
        "`{}` is not the build that was locked: locked `sha256 {locked}`, found `{}`; if you replaced it on \
         purpose, run `forgewatch plugin lock {}`",
        .file.path.display(), .file.sha256, .file.manifest.key
    )]
    Changed {
        /// The file as it is now.
        file: Box<PluginFile>,
        /// The hash in the lock file.
        locked: String,
    },
    /// A plugin that the lock file does not have.
    #[error(
        "`{}` is not locked: if you trust it, run `forgewatch plugin lock {}`",
        .file.path.display(), .file.manifest.key
    )]
    Unlocked {
        /// The file.
        file: Box<PluginFile>,
    },
}

/// What kind of refusal it is, in one word for listings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusalState {
    /// It should be a plugin and cannot be used as it is.
    Broken,
    /// It is something else.
    Foreign,
    /// It is a plugin for another host.
    Incompatible,
    /// Another file has the same key.
    Duplicate,
    /// It is not the build that was locked.
    Changed,
    /// A lock file is in use and does not have it.
    Unlocked,
}

impl fmt::Display for RefusalState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Broken => "broken",
            Self::Foreign => "foreign",
            Self::Incompatible => "incompatible",
            Self::Duplicate => "duplicate",
            Self::Changed => "changed",
            Self::Unlocked => "unlocked",
        })
    }
}

impl Refusal {
    /// The kind of refusal.
    pub fn state(&self) -> RefusalState {
        match self {
            Self::Unreadable { .. } | Self::Damaged { .. } | Self::Manifest { .. } => RefusalState::Broken,
            Self::Foreign { .. } => RefusalState::Foreign,
            Self::Architecture { .. } | Self::Abi { .. } => RefusalState::Incompatible,
            Self::Duplicate { .. } => RefusalState::Duplicate,
            Self::Changed { .. } => RefusalState::Changed,
            Self::Unlocked { .. } => RefusalState::Unlocked,
        }
    }

    /// The file, when the lock file alone speaks against it.
    pub fn refused_by_lock(&self) -> Option<&PluginFile> {
        match self {
            Self::Changed { file, .. } | Self::Unlocked { file } => Some(file),
            _ => None,
        }
    }
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}

/// Reads a library file and judges it.
///
/// # Errors
///
/// See [`Refusal`].
pub fn read_plugin_file(path: &Path) -> Result<PluginFile, Refusal> {
    judge(path, &bytes_of(path)?)
}

/// The bytes of a library file. A pipe would be waited for and a device might never end, so neither is opened
/// for reading.
pub(super) fn bytes_of(path: &Path) -> Result<Vec<u8>, Refusal> {
    let unreadable = |source| Refusal::Unreadable { path: path.to_owned(), source };
    let damaged = |problem: &str| Refusal::Damaged { path: path.to_owned(), problem: problem.to_owned() };
    // Opening a pipe would wait for somebody to write into it.
    let mut options = std::fs::OpenOptions::new();
    let file = options.read(true).custom_flags(libc::O_NONBLOCK).open(path).map_err(unreadable)?;
    if !file.metadata().map_err(unreadable)?.is_file() {
        return Err(damaged("it is not a regular file"));
    }
    let mut bytes = Vec::new();
    file.take(LARGEST_FILE_BYTES + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > LARGEST_FILE_BYTES {
        return Err(damaged("it is too large"));
    }
    Ok(bytes)
}

pub(super) fn judge(path: &Path, bytes: &[u8]) -> Result<PluginFile, Refusal> {
    let manifest = manifest_of(path, bytes)?;
    let sha256 = crate::text::hex(&Sha256::digest(bytes));
    Ok(PluginFile { path: path.to_owned(), manifest, sha256 })
}

fn manifest_of(path: &Path, bytes: &[u8]) -> Result<Manifest, Refusal> {
    let damaged = |problem: String| Refusal::Damaged { path: path.to_owned(), problem };
    let file = object::File::parse(bytes).map_err(|error| damaged(error.to_string().to_lowercase()))?;
    if !matches!(file.kind(), object::ObjectKind::Dynamic) {
        return Err(damaged("it is not a shared library".to_owned()));
    }
    // Opening a library whose segments reach past its end would end the process with SIGBUS.
    let length = bytes.len() as u64;
    let fits = |(start, size): (u64, u64)| start.checked_add(size).is_some_and(|end| end <= length);
    if !file.segments().all(|segment| fits(segment.file_range())) {
        return Err(damaged("it is cut off".to_owned()));
    }
    check_architecture(path, &file)?;
    let section = [ELF_SECTION, MACHO_SECTION].into_iter().find_map(|name| file.section_by_name(name));
    let foreign = || Refusal::Foreign { path: path.to_owned() };
    let data = section.ok_or_else(foreign)?.data().map_err(|error| damaged(error.to_string()))?;
    let manifest = manifest::parse(data).map_err(|source| match source {
        ManifestError::Foreign => foreign(),
        source => Refusal::Manifest { path: path.to_owned(), source },
    })?;
    if manifest.abi != ABI_VERSION {
        return Err(Refusal::Abi { path: path.to_owned(), found: manifest.abi });
    }
    // Judged here, so that one plugin's mistake is that plugin's alone.
    let invalid = |name| Refusal::Manifest { path: path.to_owned(), source: ManifestError::Entry(name) };
    let patterns = RegexSetBuilder::new(&manifest.url_patterns).size_limit(LARGEST_PATTERNS_BYTES).build();
    if manifest.url_patterns.len() > MOST_PATTERNS || patterns.is_err() {
        return Err(invalid("url-pattern"));
    }
    let schema = &manifest.options_schema;
    if !schema.is_empty() && serde_json::from_str::<serde_json::Map<_, serde_json::Value>>(schema).is_err() {
        return Err(invalid("options-schema"));
    }
    Ok(manifest)
}

fn check_architecture(path: &Path, file: &object::File<'_>) -> Result<(), Refusal> {
    // The `object` crate and the compiler call the machines that Forgewatch runs on by the same names.
    let found = format!("{:?}", file.architecture()).to_lowercase();
    let wanted = std::env::consts::ARCH;
    let format =
        if cfg!(target_vendor = "apple") { object::BinaryFormat::MachO } else { object::BinaryFormat::Elf };
    if found == wanted && file.format() == format && file.is_little_endian() == cfg!(target_endian = "little")
    {
        return Ok(());
    }
    let described = |machine: &str, format: object::BinaryFormat| format!("{machine} {format:?}");
    Err(Refusal::Architecture {
        path: path.to_owned(),
        found: described(&found, file.format()),
        wanted: described(wanted, format),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_regular_file_is_not_read() {
        let folder = tempfile::TempDir::new().unwrap();
        let [pipe, device] = ["pipe.so", "device.so"].map(|name| folder.path().join(name));
        let made = std::process::Command::new("mkfifo").arg(&pipe).status();
        assert!(made.unwrap().success());
        std::os::unix::fs::symlink("/dev/zero", &device).unwrap();
        for path in [pipe, device] {
            let refusal = read_plugin_file(&path).unwrap_err();
            assert!(refusal.to_string().contains("it is not a regular file"), "{refusal}");
        }
    }
}
