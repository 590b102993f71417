//! The file itself: permissions, schema, versions, and the locks beside it.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};
use sha2::{Digest, Sha256};

use super::StateError;
use super::migrations::{self, APPLICATION_ID, SCHEMA_VERSION};
use super::place::{FileId, Place};

const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Makes the folder (0700) and the file (0600) where they are missing.
pub(super) fn prepare(path: &Path) -> Result<(), StateError> {
    let unwritable = |error| StateError::from_io(path, error);
    if path.is_dir() {
        return Err(StateError::NotAStore { path: path.to_owned(), problem: "it is a folder".to_owned() });
    }
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(unwritable)?;
    }
    private_file(path).map(drop).map_err(unwritable)
}

/// Takes the store from everybody but its owner. SQLite gives the files that it puts beside it the same mode.
fn keep_private(path: &Path) -> io::Result<()> {
    for ending in ["", "-wal", "-shm"] {
        let file = beside(path, ending);
        match fs::metadata(&file) {
            Ok(found) if found.permissions().mode() & 0o077 != 0 => {
                fs::set_permissions(&file, Permissions::from_mode(0o600))?;
            }
            _ => {}
        }
    }
    Ok(())
}

/// A connection, and the files that it has open.
pub(super) struct Store {
    pub(super) connection: Connection,
    place: Place,
}

impl Store {
    /// Whether the path still leads to it.
    pub(super) fn is_at(&self, path: &Path) -> bool {
        self.place.is_at(path)
    }

    /// To be called before the path is opened anew, with this one still open.
    pub(super) fn remove_left_logs(&self, path: &Path) -> Result<(), StateError> {
        self.place.remove_left_logs().map_err(|error| StateError::from_io(path, error))
    }

    fn of(path: &Path, connection: Connection) -> Result<Self, StateError> {
        let place = Place::of(path).map_err(|error| StateError::from_io(path, error))?;
        Ok(Self { connection, place })
    }
}

/// The right to be the one that writes for a daemon.
pub(super) struct Claim(File);

impl Claim {
    const PURPOSE: &str = "daemon";

    pub(super) fn take(path: &Path) -> Result<Self, StateError> {
        let file = lock_file(path, Self::PURPOSE).map_err(|error| StateError::from_io(path, error))?;
        match file.try_lock() {
            Ok(()) => Ok(Self(file)),
            Err(TryLockError::WouldBlock) => Err(StateError::InUse { path: path.to_owned() }),
            Err(TryLockError::Error(error)) => Err(StateError::from_io(path, error)),
        }
    }

    /// Whether the lock's file is still where others look for it.
    pub(super) fn is_at(&self, path: &Path) -> bool {
        let named = FileId::at(&lock_path(path, Self::PURPOSE));
        named.is_ok_and(|named| FileId::of(&self.0).is_ok_and(|held| held == named))
    }
}

pub(super) fn open(path: &Path) -> Result<Store, StateError> {
    let failed = |error| StateError::from_sqlite(path, error);
    // Turning a new file into a store takes steps that SQLite's own locks do not wait for.
    let _alone = lock(path, "open").map_err(|error| StateError::from_io(path, error))?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags).map_err(failed)?;
    connection.busy_timeout(BUSY_TIMEOUT).map_err(failed)?;
    // The version comes first: a newer store is not touched, not even its journal mode.
    let version = version(path, &connection)?;
    // Nor is another program's file, which this may turn out to be.
    keep_private(path).map_err(|error| StateError::from_io(path, error))?;
    if version == 0 {
        // Only a file without a single page takes this, and WAL mode makes the first one.
        connection.execute_batch("PRAGMA auto_vacuum = INCREMENTAL").map_err(failed)?;
    }
    connection.execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;").map_err(failed)?;
    if version < SCHEMA_VERSION {
        migrations::apply(&mut connection).map_err(failed)?;
    }
    if version == 1 {
        // Such a file cannot be made smaller without being written anew, once. It serves as well if that fails.
        let anew = connection.execute_batch("PRAGMA auto_vacuum = INCREMENTAL; VACUUM;");
        anew.unwrap_or_else(|error| tracing::debug!("the state was not written anew: {error}"));
    }
    Store::of(path, connection)
}

/// Reads through the write-ahead log where it can be had; a store on a read-only file system has none that is
/// alive, and is read as it stands.
pub(super) fn open_read_only(path: &Path) -> Result<Option<Store>, StateError> {
    if !path.exists() {
        return Ok(None);
    }
    let opened = connect_read_only(path)
        .or_else(|error| if error.is_unwritable() { open_immutable(path) } else { Err(error) });
    let (connection, version) = opened?;
    if version == 0 { Ok(None) } else { Store::of(path, connection).map(Some) }
}

/// The store and its log, with the schema version.
pub(super) fn connect_read_only(path: &Path) -> Result<(Connection, i64), StateError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection =
        Connection::open_with_flags(path, flags).map_err(|error| StateError::from_sqlite(path, error))?;
    version(path, &connection).map(|version| (connection, version))
}

pub(super) fn open_immutable(path: &Path) -> Result<(Connection, i64), StateError> {
    let flags =
        OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_URI;
    let escaped = percent_encoding::percent_encode(
        path.as_os_str().as_encoded_bytes(),
        percent_encoding::NON_ALPHANUMERIC,
    );
    let uri = format!("file:{escaped}?immutable=1");
    let connection = Connection::open_with_flags(&uri, flags)
        .map_err(|error| StateError::from_sqlite(path, naming_the_path(error, &uri, path)))?;
    version(path, &connection).map(|version| (connection, version))
}

/// SQLite's words with the path that people know.
fn naming_the_path(error: rusqlite::Error, uri: &str, path: &Path) -> rusqlite::Error {
    match error {
        rusqlite::Error::SqliteFailure(code, Some(words)) => {
            rusqlite::Error::SqliteFailure(code, Some(words.replace(uri, &path.to_string_lossy())))
        }
        other => other,
    }
}

/// The schema version of a store, 0 for an empty file.
fn version(path: &Path, connection: &Connection) -> Result<i64, StateError> {
    // All three from one moment, since another process may be making the store.
    let ask = || {
        let moment = connection.unchecked_transaction()?;
        let ask = |query| moment.query_row(query, [], |row| row.get::<_, i64>(0));
        let tables = ask("SELECT count(*) FROM sqlite_schema")?;
        Ok((migrations::version(&moment)?, ask("PRAGMA application_id")?, tables))
    };
    let (found, application_id, tables) = ask().map_err(|error| StateError::from_sqlite(path, error))?;
    if found > SCHEMA_VERSION {
        return Err(StateError::Newer { path: path.to_owned(), found, known: SCHEMA_VERSION });
    }
    if application_id != APPLICATION_ID && (found != 0 || tables != 0) {
        return Err(StateError::Foreign { path: path.to_owned() });
    }
    Ok(found)
}

pub(super) fn lock(path: &Path, purpose: &str) -> io::Result<File> {
    let file = lock_file(path, purpose)?;
    file.lock()?;
    Ok(file)
}

/// Lock files are never removed: a process could hold the lock on a file that has lost its name.
fn lock_file(path: &Path, purpose: &str) -> io::Result<File> {
    private_file(&lock_path(path, purpose))
}

fn lock_path(path: &Path, purpose: &str) -> PathBuf {
    let short = crate::text::hex(&Sha256::digest(purpose.as_bytes())[..8]);
    beside(path, &format!("-{short}.lock"))
}

fn private_file(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)
}

pub(super) fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_opened_is_told_with_the_path_that_people_know() {
        let folder = tempfile::TempDir::new().unwrap();
        let path = folder.path().join("no such.db");
        let error = open_immutable(&path).map(drop).unwrap_err().to_string();
        assert!(error.contains("unable to open database file"), "{error}");
        assert!(!error.contains("immutable") && !error.contains("file:%"), "{error}");
    }
}
