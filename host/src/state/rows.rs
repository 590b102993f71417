//! One row at a time into the store, on whichever connection.

use rusqlite::{Connection, params};

use super::records::{DiscoveryRow, Event, FoundKey, FoundRow, IncidentRow, to_unix_ms};

const DAY_MS: i64 = 86_400_000;

/// A row with the same id and day makes room: the new one has a higher `seq`.
pub(super) fn append(connection: &Connection, event: &Event) -> rusqlite::Result<()> {
    let statement = "INSERT OR REPLACE INTO events \
                     (id, day, kind, at, integration, repository, fingerprint, payload) \
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
    let at = to_unix_ms(event.at);
    let row = params![
        event.id,
        at.div_euclid(DAY_MS),
        event.kind.name(),
        at,
        event.integration,
        event.repository,
        event.fingerprint,
        event.payload.to_string()
    ];
    connection.prepare_cached(statement)?.execute(row).map(drop)
}

/// Saves a repository's standing, or forgets the repository.
pub(super) fn put_standing(
    connection: &Connection,
    repository: &str,
    standing: Option<&str>,
) -> rusqlite::Result<()> {
    let save = "INSERT INTO standings (repository, standing) VALUES (?1, ?2) \
                ON CONFLICT (repository) DO UPDATE SET standing = excluded.standing";
    let forget = "DELETE FROM standings WHERE repository = ?1";
    match standing {
        Some(standing) => connection.prepare_cached(save)?.execute([repository, standing]),
        None => connection.prepare_cached(forget)?.execute([repository]),
    }
    .map(drop)
}

/// Saves a discovery, or forgets it.
pub(super) fn put_discovery(
    connection: &Connection,
    name: &str,
    row: Option<&DiscoveryRow>,
) -> rusqlite::Result<()> {
    let save = "INSERT OR REPLACE INTO discoveries (name, integration, wanted, listed_at) \
                VALUES (?1, ?2, ?3, ?4)";
    let forget = "DELETE FROM discoveries WHERE name = ?1";
    match row {
        Some(row) => connection.prepare_cached(save)?.execute(params![
            name,
            row.integration,
            row.wanted,
            row.listed_at.map(to_unix_ms)
        ]),
        None => connection.prepare_cached(forget)?.execute([name]),
    }
    .map(drop)
}

/// Saves a repository that was found, or forgets it.
pub(super) fn put_found(
    connection: &Connection,
    key: &FoundKey,
    row: Option<&FoundRow>,
) -> rusqlite::Result<()> {
    let save = "INSERT OR REPLACE INTO found \
                (discovery, identity, project, name, external_id, first_seen, missing_since) \
                VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
    let forget = "DELETE FROM found WHERE discovery = ?1 AND identity = ?2";
    match row {
        Some(row) => connection.prepare_cached(save)?.execute(params![
            key.discovery,
            key.identity,
            row.project,
            row.name,
            row.external_id,
            to_unix_ms(row.first_seen),
            row.missing_since.map(to_unix_ms)
        ]),
        None => connection.prepare_cached(forget)?.execute([&key.discovery, &key.identity]),
    }
    .map(drop)
}

/// Saves an incident in the place of its older row.
pub(super) fn put_incident(connection: &Connection, row: &IncidentRow) -> rusqlite::Result<()> {
    let statement = "INSERT INTO incidents (id, fingerprint, opened_at, resolved_at, incident) \
                     VALUES (?1, ?2, ?3, ?4, ?5) \
                     ON CONFLICT (id) DO UPDATE SET fingerprint = excluded.fingerprint, \
                     opened_at = excluded.opened_at, resolved_at = excluded.resolved_at, incident = excluded.incident";
    let row = params![
        row.id,
        row.fingerprint,
        to_unix_ms(row.opened_at),
        row.resolved_at.map(to_unix_ms),
        row.incident
    ];
    connection.prepare_cached(statement)?.execute(row).map(drop)
}
