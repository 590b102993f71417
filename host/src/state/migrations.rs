//! The schema as a list of steps, each of which takes a store from one version to the next.
//!
//! A store is taken up to the newest version in one transaction, an empty file through all steps. A step that was
//! released never changes.

#[cfg(test)]
mod tests;

use rusqlite::{Connection, TransactionBehavior};

/// The schema that this version reads and writes; kept in `user_version`.
pub(super) const SCHEMA_VERSION: i64 = STEPS.len() as i64;
/// "FWst": tells a store from any other SQLite file.
pub(super) const APPLICATION_ID: i64 = 0x4657_7374;

pub(super) const STEPS: [&str; 5] =
    [METADATA_IDENTITIES_AND_EVENTS, STANDINGS_AND_INCIDENTS, FOUND_REPOSITORIES, ALERTS, TRACKERS];

const METADATA_IDENTITIES_AND_EVENTS: &str = "
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

/// Events are unique by id and day from here on. Each index on them ends in `seq`, as every index ends in the
/// row's id, so that each of them reads newest first.
const STANDINGS_AND_INCIDENTS: &str = "
CREATE TABLE standings (
    repository TEXT PRIMARY KEY NOT NULL,
    standing   TEXT NOT NULL
) STRICT;
CREATE TABLE incidents (
    id          TEXT PRIMARY KEY NOT NULL,
    fingerprint TEXT NOT NULL,
    opened_at   INTEGER NOT NULL,
    resolved_at INTEGER,
    incident    TEXT NOT NULL
) STRICT;
CREATE INDEX incidents_open ON incidents (opened_at, id) WHERE resolved_at IS NULL;
CREATE INDEX incidents_resolved ON incidents (resolved_at, id) WHERE resolved_at IS NOT NULL;
CREATE TABLE unique_events (
    -- AUTOINCREMENT: no number is used twice, not even after the newest rows were deleted.
    seq         INTEGER PRIMARY KEY AUTOINCREMENT,
    id          TEXT NOT NULL,
    day         INTEGER NOT NULL,
    kind        TEXT NOT NULL CHECK (kind IN ('transaction', 'error', 'generic')),
    at          INTEGER NOT NULL,
    integration TEXT,
    repository  TEXT,
    fingerprint TEXT,
    payload     TEXT NOT NULL
) STRICT;
INSERT INTO unique_events SELECT * FROM journal ORDER BY seq;
DROP VIEW journal;
DROP TABLE events;
ALTER TABLE unique_events RENAME TO events;
CREATE UNIQUE INDEX events_by_id ON events (id, day);
CREATE INDEX events_by_kind ON events (kind);
CREATE INDEX events_by_age ON events (kind, at);
CREATE INDEX events_by_integration ON events (integration) WHERE integration IS NOT NULL;
CREATE INDEX events_by_repository ON events (repository) WHERE repository IS NOT NULL;
CREATE INDEX events_by_fingerprint ON events (fingerprint) WHERE fingerprint IS NOT NULL;
";

const FOUND_REPOSITORIES: &str = "
CREATE TABLE discoveries (
    name        TEXT PRIMARY KEY NOT NULL,
    integration TEXT NOT NULL,
    -- What a change of it calls for another listing.
    wanted      TEXT NOT NULL,
    -- The last listing that was whole.
    listed_at   INTEGER
) STRICT, WITHOUT ROWID;
CREATE TABLE found (
    discovery     TEXT NOT NULL,
    -- The forge's own id or, without one, project and name.
    identity      TEXT NOT NULL,
    project       TEXT,
    name          TEXT NOT NULL,
    external_id   TEXT,
    first_seen    INTEGER NOT NULL,
    -- Since when no whole listing has shown it.
    missing_since INTEGER,
    PRIMARY KEY (discovery, identity)
) STRICT, WITHOUT ROWID;
";

const ALERTS: &str = "
-- What is owed to whom.
CREATE TABLE alerts (
    target   TEXT NOT NULL,
    incident TEXT NOT NULL,
    alert    TEXT NOT NULL,
    PRIMARY KEY (target, incident)
) STRICT, WITHOUT ROWID;
";

const TRACKERS: &str = "
-- What incidents have to do with people and trackers.
CREATE TABLE followed (
    incident TEXT PRIMARY KEY NOT NULL,
    record   TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE subscriptions (
    number      INTEGER PRIMARY KEY,
    integration TEXT NOT NULL,
    -- None is all of them.
    project     TEXT,
    url         TEXT NOT NULL,
    secret      TEXT NOT NULL,
    -- The tracker's own; none until it has answered.
    id          TEXT,
    made_at     INTEGER NOT NULL
) STRICT;
";

/// Takes the store up to [`SCHEMA_VERSION`].
pub(super) fn apply(connection: &mut Connection) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let found = version(&transaction)?;
    for step in STEPS.iter().skip(usize::try_from(found).unwrap_or(0)) {
        transaction.execute_batch(step)?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", SCHEMA_VERSION)?;
    transaction.commit()
}

/// The schema version of an open store, 0 for an empty file.
pub(super) fn version(connection: &Connection) -> rusqlite::Result<i64> {
    connection.query_row("PRAGMA user_version", [], |row| row.get(0))
}
