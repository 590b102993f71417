//! What incidents have to do with trackers, as the tracker's room keeps it, whose JSON that is; and subscriptions.

use std::time::SystemTime;

use rusqlite::params;
use secrecy::{ExposeSecret, SecretString};

use super::records::{from_unix_ms, to_unix_ms};
use super::{State, StateError};

/// A subscription to what becomes of issues.
#[derive(Clone, Debug)]
pub struct SubscriptionRow {
    /// Its own number in the state.
    pub number: i64,
    /// The integration whose tracker tells.
    pub integration: String,
    /// The project; none for all.
    pub project: Option<String>,
    /// Where it delivers.
    pub url: String,
    /// What proves a delivery.
    pub secret: SecretString,
    /// The tracker's own id; none while nobody knows whether the tracker has it.
    pub id: Option<String>,
    /// When it was asked for.
    pub made_at: SystemTime,
}

impl State {
    /// All that is followed, by the incidents' ids, each with its JSON.
    ///
    /// # Errors
    ///
    /// The store cannot be read.
    pub fn followed(&self) -> Result<Vec<(String, String)>, StateError> {
        self.read_current(|connection| {
            let mut statement = connection.prepare_cached("SELECT incident, record FROM followed")?;
            let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
            rows.collect()
        })
    }

    /// Saves what is followed, or forgets it, as a whole; with `anew` in the place of all that was.
    ///
    /// # Errors
    ///
    /// The store cannot be written; nothing of it is saved then.
    pub fn save_followed(&self, anew: bool, rows: &[(String, Option<String>)]) -> Result<(), StateError> {
        self.write(|connection| {
            let transaction = connection.unchecked_transaction()?;
            if anew {
                transaction.execute("DELETE FROM followed", [])?;
            }
            let put = "INSERT INTO followed (incident, record) VALUES (?1, ?2) \
                       ON CONFLICT (incident) DO UPDATE SET record = excluded.record";
            let forget = "DELETE FROM followed WHERE incident = ?1";
            for (incident, record) in rows {
                match record {
                    Some(record) => transaction.prepare_cached(put)?.execute([incident, record])?,
                    None => transaction.prepare_cached(forget)?.execute([incident])?,
                };
            }
            transaction.commit()
        })
    }

    /// All subscriptions, in the order in which they were made.
    ///
    /// # Errors
    ///
    /// The store cannot be read.
    pub fn subscriptions(&self) -> Result<Vec<SubscriptionRow>, StateError> {
        let query = "SELECT number, integration, project, url, secret, id, made_at FROM subscriptions \
                     ORDER BY number";
        self.read_current(|connection| {
            let mut statement = connection.prepare_cached(query)?;
            let rows = statement.query_map([], |row| {
                Ok(SubscriptionRow {
                    number: row.get(0)?,
                    integration: row.get(1)?,
                    project: row.get(2)?,
                    url: row.get(3)?,
                    secret: row.get::<_, String>(4)?.into(),
                    id: row.get(5)?,
                    made_at: from_unix_ms(row.get(6)?),
                })
            })?;
            rows.collect()
        })
    }

    /// Saves a new subscription, whatever its number, and gives it one.
    ///
    /// # Errors
    ///
    /// The store cannot be written.
    pub fn add_subscription(&self, row: &SubscriptionRow) -> Result<i64, StateError> {
        let add = "INSERT INTO subscriptions (integration, project, url, secret, id, made_at) \
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
        self.write(|connection| {
            let SubscriptionRow { integration, project, url, secret, id, made_at, .. } = row;
            let values = params![integration, project, url, secret.expose_secret(), id, to_unix_ms(*made_at)];
            connection.prepare_cached(add)?.execute(values)?;
            Ok(connection.last_insert_rowid())
        })
    }

    /// Saves the tracker's own id of a subscription; whether that is still there.
    ///
    /// # Errors
    ///
    /// The store cannot be written.
    pub fn confirm_subscription(&self, number: i64, id: &str) -> Result<bool, StateError> {
        let statement = "UPDATE subscriptions SET id = ?2 WHERE number = ?1";
        let changed =
            self.write(|connection| connection.prepare_cached(statement)?.execute(params![number, id]));
        changed.map(|rows| rows > 0)
    }

    /// Forgets a subscription.
    ///
    /// # Errors
    ///
    /// The store cannot be written.
    pub fn forget_subscription(&self, number: i64) -> Result<(), StateError> {
        let statement = "DELETE FROM subscriptions WHERE number = ?1";
        self.write(|connection| connection.prepare_cached(statement)?.execute([number])).map(drop)
    }
}
