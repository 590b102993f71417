//! The file itself: permissions, schema, versions, and the locks beside it.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, TransactionBehavior};
use sha2::{Digest, Sha256};

use super::StateError;

/// The schema that this version reads and writes; kept in `user_version`.
pub(super) const SCHEMA_VERSION: i64 = 1;
/// "FWst": tells a store from any other SQLite file.
const APPLICATION_ID: i64 = 0x4657_7374;
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

const SCHEMA: &str = "
CREATE TABLE metadata (
    integration TEXT NOT NULL,
    name        TEXT NOT NULL,
    configured  TEXT NOT NULL,
    value       TEXT NOT NULL,
    saved_at    INTEGER NOT NULL,
    PRIMARY KEY (integration, name)
) STRICT, WITHOUT ROWID;
CREATE TABLE identities (
    name          TEXT PRIMARY KEY NOT NULL,
    fingerprint   TEXT NOT NULL,
    access_token  TEXT NOT NULL,
    refresh_token TEXT,
    expires_at    INTEGER NOT NULL,
    saved_at      INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE events (
    seq         INTEGER PRIMARY KEY,
    id          TEXT NOT NULL,
    day         INTEGER NOT NULL,
    kind        TEXT NOT NULL CHECK (kind IN ('transaction', 'error', 'generic')),
    at          INTEGER NOT NULL,
    integration TEXT,
    repository  TEXT,
    fingerprint TEXT,
    payload     TEXT NOT NULL
) STRICT;
CREATE INDEX events_by_id ON events (id, day);
-- What counts: of one id on one day the row that was appended last.
CREATE VIEW journal AS SELECT * FROM events
    WHERE seq IN (SELECT max(seq) FROM events GROUP BY id, day);
";

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

pub(super) fn open(path: &Path) -> Result<Connection, StateError> {
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
    connection.execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;").map_err(failed)?;
    if version == 0 {
        create_schema(&mut connection).map_err(failed)?;
    }
    Ok(connection)
}

/// Reads through the write-ahead log where it can be had; a store on a read-only file system has none that is
/// alive, and is read as it stands.
pub(super) fn open_read_only(path: &Path) -> Result<Option<Connection>, StateError> {
    if !path.exists() {
        return Ok(None);
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let open = || {
        let connection =
            Connection::open_with_flags(path, flags).map_err(|error| StateError::from_sqlite(path, error))?;
        version(path, &connection).map(|version| (connection, version))
    };
    let opened =
        open().or_else(|error| if error.is_unwritable() { open_immutable(path) } else { Err(error) });
    let (connection, version) = opened?;
    Ok((version != 0).then_some(connection))
}

pub(super) fn open_immutable(path: &Path) -> Result<(Connection, i64), StateError> {
    let flags =
        OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_URI;
    let escaped = percent_encoding::percent_encode(
        path.as_os_str().as_encoded_bytes(),
        percent_encoding::NON_ALPHANUMERIC,
    );
    let connection = Connection::open_with_flags(format!("file:{escaped}?immutable=1"), flags)
        .map_err(|error| StateError::from_sqlite(path, error))?;
    version(path, &connection).map(|version| (connection, version))
}

/// The schema version of a store, 0 for an empty file.
fn version(path: &Path, connection: &Connection) -> Result<i64, StateError> {
    // All three from one moment, since another process may be making the store.
    let ask = || {
        let moment = connection.unchecked_transaction()?;
        let ask = |query| moment.query_row(query, [], |row| row.get::<_, i64>(0));
        let tables = ask("SELECT count(*) FROM sqlite_schema")?;
        Ok((ask("PRAGMA user_version")?, ask("PRAGMA application_id")?, tables))
    };
    let (found, application_id, tables) = ask().map_err(|error| StateError::from_sqlite(path, error))?;
    if found > SCHEMA_VERSION {
        return Err(StateError::Newer { path: path.to_owned(), found, known: SCHEMA_VERSION });
    }
    if application_id != APPLICATION_ID && (found != 0 || tables != 0) {
        return Err(StateError::NotAStore {
            path: path.to_owned(),
            problem: "another program made this database".to_owned(),
        });
    }
    Ok(found)
}

fn create_schema(connection: &mut Connection) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    transaction.execute_batch(SCHEMA)?;
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", SCHEMA_VERSION)?;
    transaction.commit()
}

/// Lock files are never removed: a process could hold the lock on a file that has lost its name.
pub(super) fn lock(path: &Path, purpose: &str) -> io::Result<File> {
    let digest = Sha256::digest(purpose.as_bytes());
    let short: String = digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    let file = private_file(&beside(path, &format!("-{short}.lock")))?;
    file.lock()?;
    Ok(file)
}

fn private_file(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}
