//! What is owed to whom, as alerts keep it. Its JSON is theirs.

use rusqlite::{OptionalExtension, params};

use super::{State, StateError};

/// A target and an incident.
pub type AlertKey = (String, String);

/// What is owed: each with its JSON.
pub type AlertRows = Vec<(AlertKey, String)>;

impl State {
    /// All that is owed, and the number of the last event that was taken in for it, if any ever was.
    ///
    /// # Errors
    ///
    /// The store cannot be read.
    pub fn alerts(&self) -> Result<(Option<i64>, AlertRows), StateError> {
        self.read_current(|connection| {
            let seen =
                connection.query_row("SELECT seq FROM alerts_seen", [], |row| row.get(0)).optional()?;
            let mut statement = connection.prepare_cached("SELECT target, incident, alert FROM alerts")?;
            let rows = statement.query_map([], |row| Ok(((row.get(0)?, row.get(1)?), row.get(2)?)))?;
            Ok((seen, rows.collect::<rusqlite::Result<_>>()?))
        })
    }

    /// Saves what is owed, or forgets it, and which event was taken in last, as a whole.
    ///
    /// # Errors
    ///
    /// The store cannot be written; nothing of it is saved then.
    pub fn save_alerts(
        &self,
        seen: Option<i64>,
        rows: &[(AlertKey, Option<String>)],
    ) -> Result<(), StateError> {
        self.write(|connection| {
            let transaction = connection.unchecked_transaction()?;
            let put = "INSERT INTO alerts (target, incident, alert) VALUES (?1, ?2, ?3) \
                       ON CONFLICT (target, incident) DO UPDATE SET alert = excluded.alert";
            let forget = "DELETE FROM alerts WHERE target = ?1 AND incident = ?2";
            for ((target, incident), alert) in rows {
                match alert {
                    Some(alert) => transaction.prepare_cached(put)?.execute([target, incident, alert])?,
                    None => transaction.prepare_cached(forget)?.execute([target, incident])?,
                };
            }
            match seen {
                Some(seen) => transaction.execute(
                    "INSERT OR REPLACE INTO alerts_seen (only_one, seq) VALUES (1, ?1)",
                    params![seen],
                )?,
                None => transaction.execute("DELETE FROM alerts_seen", [])?,
            };
            transaction.commit()
        })
    }
}
