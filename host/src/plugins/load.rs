//! Opening a library: this is the host's room for `unsafe` code of plugins in this process.
//!
//! What is opened is a copy that nobody can change any more, made of the very bytes that were hashed and judged:
//! constructors run at open, and a file that is overwritten while it is mapped would crash the process. The copy
//! stays open for the life of the process, since `dlopen` takes a reused descriptor's path for the first library.
#![expect(unsafe_code, reason = "opening a library runs code that the compiler knows nothing of")]

use std::error::Error;
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

use forgewatch_plugin_api::abi::abi_stable::library::{AbiHeaderRef, LibHeader, LibraryError};
use forgewatch_plugin_api::abi::{HEADER_SYMBOL, PluginModule};
use libloading::Library;

use super::file::{PluginFile, Refusal, bytes_of, judge};
use super::lock::Lock;
use super::needed::not_at_hand;

/// Why a library could not be opened as a plugin.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The file is refused before it is opened.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// No copy could be made.
    #[error("cannot copy `{}` into memory: {source}", .path.display())]
    Copy {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// The system's loader refuses it.
    #[error("cannot open plugin `{}`: {problem}", .path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// The loader's answer.
        problem: String,
    },
    /// It is a library of another abi_stable, or its types have another layout.
    #[error("plugin `{}` {problem}: ask its author for a build with a released forgewatch-plugin-api", .path.display())]
    Layout {
        /// The file.
        path: PathBuf,
        /// What differs, in a few words; the whole comparison is in the debug log.
        problem: &'static str,
    },
}

/// A library that is open for the rest of the process.
pub struct LoadedLibrary {
    /// The file and manifest of the bytes that were opened.
    pub file: PluginFile,
    pub(super) module: PluginModule,
}

/// A library that was judged, in a copy that nobody can change any more. Nothing of it has run.
pub struct SealedLibrary {
    /// The file and manifest of the bytes in the copy.
    pub file: PluginFile,
    /// Libraries that it needs and that a sandboxed worker will not open for it.
    pub not_at_hand: Vec<String>,
    pub(super) copy: Copy,
}

/// An immutable copy of a library.
pub(super) struct Copy {
    pub(super) file: File,
    /// Where it can be opened, as far as that is not through the descriptor.
    pub(super) path: Option<PathBuf>,
}

impl SealedLibrary {
    /// Reads, judges and copies the library at `path`. With a `lock`, only the build that is in it.
    ///
    /// # Errors
    ///
    /// See [`LoadError`]; each prints as one line.
    pub fn of(path: &Path, lock: Option<&Lock>) -> Result<Self, LoadError> {
        let bytes = bytes_of(path)?;
        let file = judge(path, &bytes)?;
        lock.map_or(Ok(()), |lock| lock.judge(&file))?;
        let copy = immutable_copy(&file, &bytes)
            .map_err(|source| LoadError::Copy { path: path.to_owned(), source })?;
        Ok(Self { file, not_at_hand: not_at_hand(&bytes), copy })
    }

    /// Why a sandboxed worker cannot open it and what to do, if it needs other libraries.
    pub fn beyond_sandbox(&self) -> Option<String> {
        let missing = self.not_at_hand.join(", ");
        (!missing.is_empty()).then(|| {
            format!(
                "the sandbox does not give it {missing}: link what it needs into it, or set `isolation = \
                 \"in_process\"` if you trust it"
            )
        })
    }

    /// Opens the library in this process, and compares its types with this host's.
    ///
    /// # Errors
    ///
    /// See [`LoadError`]; each prints as one line.
    pub fn open(self) -> Result<LoadedLibrary, LoadError> {
        let descriptor = || PathBuf::from(format!("/proc/self/fd/{}", self.copy.file.as_raw_fd()));
        let module = open_copy(&self.file.path, &self.copy.path.unwrap_or_else(descriptor))?;
        // A reused number would be taken for this library.
        std::mem::forget(self.copy.file);
        Ok(LoadedLibrary { file: self.file, module })
    }
}

/// Opens an immutable copy of the library at `path`. Its descriptor must stay open for as long as the process may
/// open another.
pub(super) fn open_copy(path: &Path, copy: &Path) -> Result<PluginModule, LoadError> {
    // SAFETY: the library's constructors run now. That is what opening a plugin means; where it may happen, and
    // behind what, is the caller's affair. The copy is sealed, so it stays what was judged.
    let library = unsafe { Library::new(copy) }.map_err(|error| {
        // The loader's own words, where it has any.
        let problem = error.source().map_or_else(|| error.to_string(), ToString::to_string);
        let problem = problem.replace(&*copy.to_string_lossy(), &path.to_string_lossy());
        LoadError::Open { path: path.to_owned(), problem }
    })?;
    let module = root_module(path, &library)?;
    // Nothing is ever unloaded: the module's functions and every object made by them point into the library.
    std::mem::forget(library);
    Ok(module)
}

fn root_module(path: &Path, library: &Library) -> Result<PluginModule, LoadError> {
    let layout = |problem| LoadError::Layout { path: path.to_owned(), problem };
    // SAFETY: a library whose manifest says ABI 1 exports its abi_stable header under this name. The header's
    // magic text and version are compared before anything behind it is read.
    let header = unsafe { library.get::<AbiHeaderRef>(HEADER_SYMBOL) }
        .map_err(|_| layout("exports no plugin header"))?;
    let explain = |error: LibraryError| {
        tracing::debug!(plugin = %path.display(), "layout comparison: {error}");
        layout(match error {
            LibraryError::InvalidAbiHeader(_) => "is built with another abi_stable",
            LibraryError::AbiInstability(_) => "has types of another layout",
            LibraryError::RootModule { .. } => "failed while it was set up",
            _ => "has another version of the plugin interface",
        })
    };
    header.upgrade().and_then(LibHeader::init_root_module::<PluginModule>).map_err(explain)
}

#[cfg(target_os = "linux")]
fn immutable_copy(file: &PluginFile, bytes: &[u8]) -> io::Result<Copy> {
    use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};
    use std::io::Write;

    let name = format!("forgewatch-{}", file.manifest.key);
    let mut copy = File::from(memfd_create(name, MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?);
    copy.write_all(bytes)?;
    let seals = SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE | SealFlags::SEAL;
    let mut attempts = 1..SEAL_ATTEMPTS;
    // The kernel refuses while it has a page of it in hand itself, as when it moves memory about; that does not last.
    while let Err(error) = fcntl_add_seals(&copy, seals) {
        if error != rustix::io::Errno::BUSY || attempts.next().is_none() {
            return Err(error.into());
        }
        std::thread::sleep(SEAL_PAUSE);
    }
    Ok(Copy { file: copy, path: None })
}

/// How often a copy is sealed that the kernel calls busy, and the pause in between: about a second altogether.
#[cfg(target_os = "linux")]
const SEAL_ATTEMPTS: u32 = 20;
#[cfg(target_os = "linux")]
const SEAL_PAUSE: std::time::Duration = std::time::Duration::from_millis(50);

#[cfg(not(target_os = "linux"))]
fn immutable_copy(file: &PluginFile, bytes: &[u8]) -> io::Result<Copy> {
    let dir = tempfile::Builder::new().prefix("forgewatch-").tempdir()?.keep();
    let path = dir.join(file.path.file_name().unwrap_or_default());
    std::fs::write(&path, bytes)?;
    let mut permissions = std::fs::metadata(&path)?.permissions();
    permissions.set_readonly(true);
    std::fs::set_permissions(&path, permissions)?;
    Ok(Copy { file: File::open(&path)?, path: Some(path) })
}
