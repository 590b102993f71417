//! Reading standings, incidents, what was found, and the journal, in pages that an index serves.
//!
//! A store that was never taken up to this version has none of them.

#[cfg(test)]
mod tests;

use rusqlite::types::{ToSqlOutput, Type};
use rusqlite::{Connection, OptionalExtension, Row, params, params_from_iter};

use super::records::{
    DiscoveryRow, EventFilter, EventKind, FoundKey, FoundRow, IncidentCursor, IncidentRow, StoredEvent,
    from_unix_ms, to_unix_ms,
};
use super::{State, StateError, migrations};

impl State {
    /// What `read` makes of each repository's name and standing; the text of all would be large.
    ///
    /// # Errors
    ///
    /// The store cannot be read; as everywhere in here.
    pub fn standings<T>(&self, mut read: impl FnMut(&str, &str) -> T) -> Result<Vec<T>, StateError> {
        self.read_current(|connection| {
            let mut statement = connection.prepare_cached("SELECT repository, standing FROM standings")?;
            let rows = statement
                .query_map([], |row| Ok(read(row.get_ref(0)?.as_str()?, row.get_ref(1)?.as_str()?)))?;
            rows.collect()
        })
    }

    /// Every discovery that has listed something, configured or not.
    ///
    /// # Errors
    ///
    /// The store cannot be read.
    pub fn discoveries(&self) -> Result<Vec<(String, DiscoveryRow)>, StateError> {
        self.read_current(|connection| {
            let query = "SELECT name, integration, wanted, listed_at FROM discoveries";
            let mut statement = connection.prepare_cached(query)?;
            let rows = statement.query_map([], |row| {
                let discovery = DiscoveryRow {
                    integration: row.get(1)?,
                    wanted: row.get(2)?,
                    listed_at: row.get::<_, Option<i64>>(3)?.map(from_unix_ms),
                };
                Ok((row.get(0)?, discovery))
            })?;
            rows.collect()
        })
    }

    /// Every repository that was found.
    ///
    /// # Errors
    ///
    /// The store cannot be read.
    pub fn found(&self) -> Result<Vec<(FoundKey, FoundRow)>, StateError> {
        self.read_current(|connection| {
            let query = "SELECT discovery, identity, project, name, external_id, first_seen, missing_since FROM found";
            let mut statement = connection.prepare_cached(query)?;
            let rows = statement.query_map([], |row| {
                let key = FoundKey { discovery: row.get(0)?, identity: row.get(1)? };
                let found = FoundRow {
                    project: row.get(2)?,
                    name: row.get(3)?,
                    external_id: row.get(4)?,
                    first_seen: from_unix_ms(row.get(5)?),
                    missing_since: row.get::<_, Option<i64>>(6)?.map(from_unix_ms),
                };
                Ok((key, found))
            })?;
            rows.collect()
        })
    }

    /// At most `limit` events that `filter` lets through: those that follow `after`, oldest first, or else those
    /// before `before`, newest first; without either, the newest.
    ///
    /// # Errors
    ///
    /// The store cannot be read.
    pub fn events(
        &self,
        filter: &EventFilter,
        before: Option<i64>,
        after: Option<i64>,
        limit: usize,
    ) -> Result<Vec<StoredEvent>, StateError> {
        let (query, values) = page(filter, before, after, limit);
        self.read_current(|connection| {
            let mut statement = connection.prepare_cached(&query)?;
            let rows = statement.query_map(params_from_iter(&values), event)?;
            rows.collect()
        })
    }

    /// At most `limit` incidents after the place `before`, or from the start: open ones, last opened first, or
    /// resolved ones, last resolved first.
    ///
    /// # Errors
    ///
    /// The store cannot be read.
    pub fn incidents(
        &self,
        open: bool,
        before: Option<&IncidentCursor>,
        limit: usize,
    ) -> Result<Vec<IncidentRow>, StateError> {
        let query = if open { OPEN_INCIDENTS } else { RESOLVED_INCIDENTS };
        let at = before.map_or(i64::MAX, |cursor| to_unix_ms(cursor.at));
        let id = before.map_or("", |cursor| cursor.id.as_str());
        self.read_current(|connection| {
            let mut statement = connection.prepare_cached(query)?;
            let rows = statement.query_map(params![at, id, rows_at_most(limit)], incident)?;
            rows.collect()
        })
    }

    /// An incident by its id, open or resolved.
    ///
    /// # Errors
    ///
    /// The store cannot be read.
    pub fn incident(&self, id: &str) -> Result<Option<IncidentRow>, StateError> {
        self.read_current(|connection| {
            let query =
                "SELECT id, fingerprint, opened_at, resolved_at, incident FROM incidents WHERE id = ?1";
            connection.prepare_cached(query)?.query_row([id], incident).optional()
        })
    }

    /// The number of the oldest event that is still there.
    ///
    /// # Errors
    ///
    /// The store cannot be read.
    pub fn oldest_seq(&self) -> Result<Option<i64>, StateError> {
        self.read_current(|connection| {
            connection.query_row("SELECT min(seq) FROM events", [], |row| row.get(0))
        })
    }

    /// The number of the event that was appended last, whether or not it is still there; 0 before the first.
    ///
    /// # Errors
    ///
    /// The store cannot be read.
    pub fn last_seq(&self) -> Result<i64, StateError> {
        self.read_current(last_seq)
    }

    pub(super) fn read_current<T: Default>(
        &self,
        query: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StateError> {
        let answer = self.read(|connection| match migrations::version(connection)? {
            migrations::SCHEMA_VERSION => query(connection),
            _ => Ok(T::default()),
        })?;
        Ok(answer.unwrap_or_default())
    }
}

const OPEN_INCIDENTS: &str = "SELECT id, fingerprint, opened_at, resolved_at, incident FROM incidents \
                              INDEXED BY incidents_open \
                              WHERE resolved_at IS NULL AND (opened_at, id) < (?1, ?2) \
                              ORDER BY opened_at DESC, id DESC LIMIT ?3";
const RESOLVED_INCIDENTS: &str = "SELECT id, fingerprint, opened_at, resolved_at, incident FROM incidents \
                                  INDEXED BY incidents_resolved \
                                  WHERE resolved_at IS NOT NULL AND (resolved_at, id) < (?1, ?2) \
                                  ORDER BY resolved_at DESC, id DESC LIMIT ?3";

pub(super) fn last_seq(connection: &Connection) -> rusqlite::Result<i64> {
    let query = "SELECT seq FROM sqlite_sequence WHERE name = 'events'";
    let last = connection.prepare_cached(query)?.query_row([], |row| row.get(0)).optional()?;
    Ok(last.unwrap_or(0))
}

type Values<'a> = Vec<ToSqlOutput<'a>>;

/// The query for a page of events, and the values in it. SQLite keeps no statistics here, so the index is named:
/// the one that fewest rows share.
pub(super) fn page(
    filter: &EventFilter,
    before: Option<i64>,
    after: Option<i64>,
    limit: usize,
) -> (String, Values<'_>) {
    let wanted = [
        ("fingerprint", filter.fingerprint.as_deref()),
        ("repository", filter.repository.as_deref()),
        ("integration", filter.integration.as_deref()),
        ("kind", filter.kind.map(EventKind::name)),
    ];
    let wanted: Vec<_> = wanted.into_iter().filter_map(|(column, value)| Some((column, value?))).collect();
    let index = wanted.first().map(|(column, _)| format!(" INDEXED BY events_by_{column}"));
    let mut conditions: Vec<_> = wanted.iter().map(|(column, _)| format!("{column} = ?")).collect();
    let mut values: Values<'_> = wanted.iter().map(|(_, value)| ToSqlOutput::from(*value)).collect();
    for (condition, bound) in [("seq < ?", before), ("seq > ?", after)] {
        if let Some(bound) = bound {
            conditions.push(condition.to_owned());
            values.push(bound.into());
        }
    }
    values.push(rows_at_most(limit).into());
    let conditions =
        if conditions.is_empty() { String::new() } else { format!(" WHERE {}", conditions.join(" AND ")) };
    let order = if after.is_some() { "" } else { " DESC" };
    let query = format!(
        "SELECT seq, id, kind, at, integration, repository, fingerprint, payload FROM events{}{conditions} \
         ORDER BY seq{order} LIMIT ?",
        index.unwrap_or_default()
    );
    (query, values)
}

fn rows_at_most(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

fn event(row: &Row<'_>) -> rusqlite::Result<StoredEvent> {
    let kind: String = row.get(2)?;
    let unknown =
        || rusqlite::Error::FromSqlConversionFailure(2, Type::Text, format!("no kind: {kind}").into());
    let kind = EventKind::ALL.into_iter().find(|it| it.name() == kind).ok_or_else(unknown)?;
    let no_json = |error| rusqlite::Error::FromSqlConversionFailure(7, Type::Text, Box::new(error));
    let payload = serde_json::from_str(row.get_ref(7)?.as_str()?).map_err(no_json)?;
    Ok(StoredEvent {
        seq: row.get(0)?,
        id: row.get(1)?,
        kind,
        at: from_unix_ms(row.get(3)?),
        integration: row.get(4)?,
        repository: row.get(5)?,
        fingerprint: row.get(6)?,
        payload,
    })
}

fn incident(row: &Row<'_>) -> rusqlite::Result<IncidentRow> {
    Ok(IncidentRow {
        id: row.get(0)?,
        fingerprint: row.get(1)?,
        opened_at: from_unix_ms(row.get(2)?),
        resolved_at: row.get::<_, Option<i64>>(3)?.map(from_unix_ms),
        incident: row.get(4)?,
    })
}
