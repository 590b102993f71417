//! Deleting what is too old, in steps so small that nobody who waits for a commit notices.

#[cfg(test)]
mod tests;

use std::time::{Duration, SystemTime};

use rusqlite::{Connection, params};

use super::records::{EventKind, to_unix_ms};

/// How long things are kept. Open incidents are kept for as long as they are open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Events other than transactions, since they happened.
    pub events: Duration,
    /// Transactions, since they happened.
    pub transactions: Duration,
    /// Incidents, since they were resolved.
    pub incidents: Duration,
}

/// Rows that one step deletes at most: some tens of milliseconds of work.
pub(super) const STEP_ROWS: usize = 2_000;
/// Pages that one step gives back at most: 4 MiB.
const STEP_PAGES: i64 = 1_000;
/// How long the last step waits for readers, so that the log can start over from the front.
const PATIENCE: Duration = Duration::from_millis(250);

/// Does one step; whether there may be more to do.
pub(super) fn step(connection: &Connection, retention: &Retention) -> rusqlite::Result<bool> {
    let now = SystemTime::now();
    let limit = |kept: Duration| now.checked_sub(kept).map_or(0, to_unix_ms);
    let events = "DELETE FROM events WHERE seq IN \
                  (SELECT seq FROM events INDEXED BY events_by_age WHERE kind = ?3 AND at < ?1 LIMIT ?2)";
    for kind in EventKind::ALL {
        let kept = if kind == EventKind::Transaction { retention.transactions } else { retention.events };
        let row = params![limit(kept), STEP_ROWS as i64, kind.name()];
        if connection.prepare_cached(events)?.execute(row)? > 0 {
            return Ok(true);
        }
    }
    let incidents = "DELETE FROM incidents WHERE rowid IN (SELECT rowid FROM incidents \
                     WHERE resolved_at IS NOT NULL AND resolved_at < ?1 LIMIT ?2)";
    let row = params![limit(retention.incidents), STEP_ROWS as i64];
    if connection.prepare_cached(incidents)?.execute(row)? > 0 {
        return Ok(true);
    }
    Ok(give_pages_back(connection)? || start_log_over(connection)?)
}

/// Makes the file smaller when more than a quarter of it is free. The rest stays: the next events use it.
fn give_pages_back(connection: &Connection) -> rusqlite::Result<bool> {
    let ask = |query| connection.query_row(query, [], |row| row.get::<_, i64>(0));
    let (free, pages) = (ask("PRAGMA freelist_count")?, ask("PRAGMA page_count")?);
    if free < STEP_PAGES || free <= pages / 4 {
        return Ok(false);
    }
    let mut statement = connection.prepare(&format!("PRAGMA incremental_vacuum({STEP_PAGES})"))?;
    let mut given = statement.query([])?;
    while given.next()?.is_some() {}
    // A file that could not be made ready for this stays as it is.
    Ok(ask("PRAGMA freelist_count")? < free)
}

/// Commits write the log back by and by, but only a moment without readers makes it short again.
fn start_log_over(connection: &Connection) -> rusqlite::Result<bool> {
    let before = connection.query_row("PRAGMA busy_timeout", [], |row| row.get::<_, u32>(0))?;
    connection.busy_timeout(PATIENCE)?;
    let done = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
    connection.busy_timeout(Duration::from_millis(before.into()))?;
    done.map(|()| false)
}
