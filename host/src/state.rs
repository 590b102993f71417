//! What outlives the process: one embedded SQLite file with saved metadata, refreshed identities and events.
//!
//! - A saved value applies only while the configured value that it came from is unchanged.
//! - Every write is one transaction that is on disk when the call returns.
//! - The file holds tokens, so it is its owner's alone (mode 0600).
//! - The calls block. Async callers on a hot path go through `spawn_blocking`.
//! - Of one event id on one day (UTC) there is one row: what is appended later replaces it, with a higher number.
//!
//! One-shot commands write through [`State`]. The daemon's own writes go through its [`Writer`], which never blocks
//! whoever submits, and goes on in memory while the file cannot be written.
//!
//! What standings, incidents and payloads mean is absent here: they are JSON that belongs to whoever made it.

mod alerts;
mod backlog;
mod backup;
mod error;
mod file;
mod inspect;
mod migrations;
mod place;
mod read;
mod records;
mod retention;
mod rows;
#[cfg(test)]
mod tests;
mod tracker;
mod writer;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use rusqlite::{Connection, OptionalExtension, params};

pub use alerts::AlertKey;
pub use backup::{BackupError, Existing};
pub use error::StateError;
pub use inspect::{Finding, Inspection, inspect};
pub use records::{
    DiscoveryRow, Event, EventFilter, EventKind, FoundKey, FoundRow, IncidentCursor, IncidentRow, Save,
    SavedIdentity, SavedMetadata, StoredEvent,
};
pub use retention::Retention;
pub use tracker::SubscriptionRow;
pub use writer::{Health, NotSaved, Writer};

use backlog::{Backlog, Bound};
use file::Store;
use records::{from_unix_ms, to_unix_ms};

/// The store. Safe to share between threads, and one file between processes.
pub struct State {
    path: PathBuf,
    /// `None` when there is nothing to read and nothing may be written.
    store: Option<Mutex<Store>>,
    read_only: bool,
}

impl State {
    /// Opens the store at `path`, making the file and its folder where they are missing.
    ///
    /// # Errors
    ///
    /// [`StateError::Unwritable`] when it cannot be made or written (callers may go on with
    /// [`State::open_read_only`]), and the other kinds for a file that this version must not touch.
    pub fn open(path: &Path) -> Result<Self, StateError> {
        file::prepare(path)?;
        let store = file::open(path)?;
        Ok(Self { path: path.to_owned(), store: Some(Mutex::new(store)), read_only: false })
    }

    /// Opens what can be read at `path` and refuses every write. A missing file reads as an empty store.
    ///
    /// # Errors
    ///
    /// As [`State::open`], for a file that is there and is no store of this version.
    pub fn open_read_only(path: &Path) -> Result<Self, StateError> {
        Ok(Self {
            path: path.to_owned(),
            store: file::open_read_only(path)?.map(Mutex::new),
            read_only: true,
        })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Makes sure that a write would work now, by making one.
    ///
    /// # Errors
    ///
    /// [`StateError::Unwritable`] when it would not.
    pub fn ensure_writable(&self) -> Result<(), StateError> {
        self.write(|connection| {
            let probe =
                format!("BEGIN IMMEDIATE; PRAGMA user_version = {}; COMMIT", migrations::SCHEMA_VERSION);
            connection.execute_batch(&probe).inspect_err(|_| {
                // The connection must not stay inside the transaction; there may be none to leave.
                let _ = connection.execute_batch("ROLLBACK");
            })
        })
    }

    /// The saved value of `name`, if it came from the value that is `configured` now.
    ///
    /// # Errors
    ///
    /// The store cannot be read.
    pub fn metadata(
        &self,
        integration: &str,
        name: &str,
        configured: &str,
    ) -> Result<Option<String>, StateError> {
        let query = "SELECT value FROM metadata WHERE integration = ?1 AND name = ?2 AND configured = ?3";
        self.read(|connection| {
            connection
                .prepare_cached(query)?
                .query_row([integration, name, configured], |row| row.get(0))
                .optional()
        })
        .map(Option::flatten)
    }

    /// All values that are saved for an integration, whatever they came from.
    ///
    /// # Errors
    ///
    /// The store cannot be read.
    pub fn all_metadata(&self, integration: &str) -> Result<Vec<SavedMetadata>, StateError> {
        let query = "SELECT name, configured, value FROM metadata WHERE integration = ?1 ORDER BY name";
        self.read(|connection| {
            let mut statement = connection.prepare_cached(query)?;
            let rows = statement.query_map([integration], |row| {
                Ok(SavedMetadata { name: row.get(0)?, configured: row.get(1)?, value: row.get(2)? })
            })?;
            rows.collect()
        })
        .map(Option::unwrap_or_default)
    }

    /// Saves a value together with the configured one that it stands in for.
    ///
    /// # Errors
    ///
    /// The store cannot be written.
    pub fn save_metadata(&self, integration: &str, saved: &SavedMetadata) -> Result<(), StateError> {
        let statement = "INSERT OR REPLACE INTO metadata (integration, name, configured, value, saved_at) \
                         VALUES (?1, ?2, ?3, ?4, ?5)";
        let now = to_unix_ms(SystemTime::now());
        self.write(|connection| {
            connection.prepare_cached(statement)?.execute(params![
                integration,
                saved.name,
                saved.configured,
                saved.value,
                now
            ])
        })
        .map(drop)
    }

    /// The saved tokens of an identity, if its configured material still has this fingerprint.
    ///
    /// # Errors
    ///
    /// The store cannot be read.
    pub fn identity(&self, name: &str, fingerprint: &str) -> Result<Option<SavedIdentity>, StateError> {
        let query = "SELECT access_token, refresh_token, expires_at, saved_at FROM identities \
                     WHERE name = ?1 AND fingerprint = ?2";
        self.read(|connection| {
            connection
                .prepare_cached(query)?
                .query_row([name, fingerprint], |row| {
                    Ok(SavedIdentity {
                        access_token: row.get::<_, String>(0)?.into(),
                        refresh_token: row.get::<_, Option<String>>(1)?.map(Into::into),
                        expires_at: from_unix_ms(row.get(2)?),
                        saved_at: from_unix_ms(row.get(3)?),
                    })
                })
                .optional()
        })
        .map(Option::flatten)
    }

    /// Saves an identity's tokens with the fingerprint of the material that they came from.
    ///
    /// # Errors
    ///
    /// The store cannot be written.
    pub fn save_identity(
        &self,
        name: &str,
        fingerprint: &str,
        saved: &SavedIdentity,
    ) -> Result<(), StateError> {
        let statement = "INSERT OR REPLACE INTO identities \
                         (name, fingerprint, access_token, refresh_token, expires_at, saved_at) \
                         VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
        self.write(|connection| {
            connection.prepare_cached(statement)?.execute(params![
                name,
                fingerprint,
                saved.access_token(),
                saved.refresh_token(),
                to_unix_ms(saved.expires_at),
                to_unix_ms(saved.saved_at)
            ])
        })
        .map(drop)
    }

    /// Appends an event to the journal, in the place of one with the same id on the same day (UTC).
    ///
    /// # Errors
    ///
    /// The store cannot be written.
    pub fn append(&self, event: &Event) -> Result<(), StateError> {
        self.write(|connection| rows::append(connection, event))
    }

    /// Writes a group as a whole. A daemon's goes through its [`Writer`].
    ///
    /// # Errors
    ///
    /// The store cannot be written.
    pub fn save(&self, group: Save) -> Result<(), StateError> {
        let mut backlog = Backlog::default();
        backlog.add(group, Bound::Unlimited);
        self.write(|connection| {
            let transaction = connection.unchecked_transaction()?;
            backlog.write(&transaction)?;
            transaction.commit()
        })
    }

    /// Waits until no other process, nor any other handle in this one, holds the lock for `purpose`, and takes
    /// it. It is given back when the file is dropped.
    ///
    /// # Errors
    ///
    /// [`StateError::Unwritable`] when the lock's file, beside the store, cannot be made.
    pub fn exclusive(&self, purpose: &str) -> Result<File, StateError> {
        if self.read_only {
            return Err(StateError::read_only(&self.path));
        }
        file::lock(&self.path, purpose).map_err(|error| StateError::from_io(&self.path, error))
    }

    /// Makes every write from now on fail, as on a file system that has turned read-only.
    #[cfg(test)]
    pub(crate) fn freeze(&self) {
        let store = self.lock().unwrap().unwrap();
        store.connection.pragma_update(None, "query_only", true).unwrap();
    }

    fn read<T>(
        &self,
        query: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<Option<T>, StateError> {
        let Some(store) = self.lock()? else {
            return Ok(None);
        };
        let answer = query(&store.connection).map_err(|error| StateError::from_sqlite(&self.path, error))?;
        Ok(Some(answer))
    }

    fn write<T>(&self, change: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, StateError> {
        match self.lock()? {
            Some(store) if !self.read_only => {
                change(&store.connection).map_err(|error| StateError::from_sqlite(&self.path, error))
            }
            _ => Err(StateError::read_only(&self.path)),
        }
    }

    /// A panic while the lock was held leaves SQLite as it was: an open transaction is what it rolls back.
    fn lock(&self) -> Result<Option<MutexGuard<'_, Store>>, StateError> {
        let Some(store) = &self.store else {
            return Ok(None);
        };
        let mut store = store.lock().unwrap_or_else(PoisonError::into_inner);
        if !store.is_at(&self.path) {
            self.open_anew(&mut store)?;
        }
        Ok(Some(store))
    }

    /// Follows the path to another file than the one that was opened there.
    fn open_anew(&self, store: &mut Store) -> Result<(), StateError> {
        if !self.read_only {
            file::prepare(&self.path)?;
        }
        store.remove_left_logs(&self.path)?;
        if !self.read_only {
            *store = file::open(&self.path)?;
        } else if let Some(opened) = file::open_read_only(&self.path)? {
            *store = opened;
        }
        Ok(())
    }
}
