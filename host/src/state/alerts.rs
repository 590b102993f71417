//! What is owed to whom, as alerts keep it. Its JSON is theirs.

use super::{State, StateError};

/// A target and an incident.
pub type AlertKey = (String, String);

impl State {
    /// All that is owed, each with its JSON.
    ///
    /// # Errors
    ///
    /// The store cannot be read.
    pub fn alerts(&self) -> Result<Vec<(AlertKey, String)>, StateError> {
        self.read_current(|connection| {
            let mut statement = connection.prepare_cached("SELECT target, incident, alert FROM alerts")?;
            let rows = statement.query_map([], |row| Ok(((row.get(0)?, row.get(1)?), row.get(2)?)))?;
            rows.collect()
        })
    }

    /// Saves what is owed, or forgets it, as a whole; with `anew` in the place of all that was owed.
    ///
    /// # Errors
    ///
    /// The store cannot be written; nothing of it is saved then.
    pub fn save_alerts(&self, anew: bool, rows: &[(AlertKey, Option<String>)]) -> Result<(), StateError> {
        self.write(|connection| {
            let transaction = connection.unchecked_transaction()?;
            if anew {
                transaction.execute("DELETE FROM alerts", [])?;
            }
            let put = "INSERT INTO alerts (target, incident, alert) VALUES (?1, ?2, ?3) \
                       ON CONFLICT (target, incident) DO UPDATE SET alert = excluded.alert";
            let forget = "DELETE FROM alerts WHERE target = ?1 AND incident = ?2";
            for ((target, incident), alert) in rows {
                match alert {
                    Some(alert) => transaction.prepare_cached(put)?.execute([target, incident, alert])?,
                    None => transaction.prepare_cached(forget)?.execute([target, incident])?,
                };
            }
            transaction.commit()
        })
    }
}
