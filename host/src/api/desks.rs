//! Trackers, as whoever asks here is told of them.
//!
//! - What a tracker refuses is told with its reason, and is never a fault of ours.
//! - Those who wait for a tracker have turns of their own, so that nobody who asks for what is known waits behind them; and
//!   those who wait for one that is slow leave turns to the others.
//! - So many wait and no more, since each keeps a connection for as long as a tracker takes: else one client who asks for
//!   enough at once would keep out everybody, probes too.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use axum::http::StatusCode;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::Shared;
use super::error::Error;
use crate::text::printable;
use crate::tracker::{Desk, Refusal, RefusalKind};
use crate::verdict::Reason;

/// Statuses of the errors that are made of refusals, beside those that every route has.
pub(super) const ERRORS: &[u16] = &[501, 502];

/// Characters of what somebody has sent that are shown to them.
pub(super) const LONGEST_NAME: usize = 200;

/// Requests for which a tracker is asked at once, and for which one and the same is.
const MOST_AT_ONCE: usize = 16;
const MOST_OF_ONE: usize = 4;
/// The same with those that wait.
const MOST: usize = 64;
const MOST_FOR_ONE: usize = 32;

/// Turns of those who wait for trackers.
pub(super) struct Turns {
    all: Room,
    of_one: Mutex<HashMap<String, Room>>,
}

/// Room for some, and for some more who wait.
#[derive(Clone)]
struct Room {
    places: Arc<Semaphore>,
    turns: Arc<Semaphore>,
}

/// A turn, as long as it is there.
pub(super) struct Turn {
    _permits: [Option<OwnedSemaphorePermit>; 4],
}

impl Default for Turns {
    fn default() -> Self {
        Self { all: Room::new(MOST, MOST_AT_ONCE), of_one: Mutex::default() }
    }
}

impl Room {
    fn new(places: usize, turns: usize) -> Self {
        Self { places: Arc::new(Semaphore::new(places)), turns: Arc::new(Semaphore::new(turns)) }
    }

    fn place(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.places).try_acquire_owned().ok()
    }

    async fn turn(&self) -> Option<OwnedSemaphorePermit> {
        // Nobody closes the semaphore.
        Arc::clone(&self.turns).acquire_owned().await.ok()
    }

    /// Whether nobody is in it, or about to be.
    fn is_unused(&self) -> bool {
        Arc::strong_count(&self.places) == 1
    }
}

impl Turns {
    /// Waits until there is room for one more request for which the tracker of an integration is asked.
    ///
    /// # Errors
    ///
    /// Too many wait already.
    async fn next(&self, integration: &str) -> Result<Turn, Error> {
        let room = {
            let mut rooms = self.of_one.lock().unwrap_or_else(PoisonError::into_inner);
            rooms.retain(|_, room| !room.is_unused());
            let room = rooms.entry(integration.to_owned());
            room.or_insert_with(|| Room::new(MOST_FOR_ONE, MOST_OF_ONE)).clone()
        };
        let (Some(place), Some(of_all)) = (room.place(), self.all.place()) else {
            return Err(Error::unavailable("too many wait for trackers already: ask for less at once"));
        };
        let (turn, turn_of_all) = (room.turn().await, self.all.turn().await);
        Ok(Turn { _permits: [Some(place), Some(of_all), turn, turn_of_all] })
    }
}

impl Shared {
    /// Waits until there is room for one more request for which the tracker of an integration is asked.
    ///
    /// # Errors
    ///
    /// Too many wait already.
    pub(super) async fn turn_of_tracker(&self, integration: &str) -> Result<Turn, Error> {
        self.of_trackers.next(integration).await
    }

    /// The tracker of an integration.
    ///
    /// # Errors
    ///
    /// There is no such integration.
    pub(super) async fn desk(&self, integration: &str) -> Result<Desk, Error> {
        self.tracker.desk(integration).await.ok_or_else(|| {
            Error::not_found(format!("there is no integration `{}`", printable(integration, LONGEST_NAME)))
        })
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        let (outcome, message) = (&refusal.outcome, refusal.to_string());
        let is_for_later =
            matches!(outcome.reason, Reason::RateLimited | Reason::Unreachable | Reason::TimedOut);
        let (status, code) = match refusal.kind {
            RefusalKind::Unsupported => (StatusCode::NOT_IMPLEMENTED, "unsupported"),
            _ if outcome.held_back || is_for_later => {
                (StatusCode::SERVICE_UNAVAILABLE, outcome.reason.as_str())
            }
            _ => (StatusCode::BAD_GATEWAY, outcome.reason.as_str()),
        };
        Self::new(status, code, message).with_retry_after(outcome.retry_after_s)
    }
}

#[cfg(test)]
mod tests {
    use futures_util::poll;

    use super::*;

    #[tokio::test]
    async fn whoever_asks_for_much_at_once_is_refused_and_nobody_else() {
        let turns = Turns::default();
        let mut held = Vec::new();
        for _ in 0..MOST_OF_ONE {
            held.push(turns.next("slow").await.map_err(|error| error.status).expect("a turn"));
        }
        let waiting = (MOST_OF_ONE..MOST_FOR_ONE).map(|_| Box::pin(turns.next("slow")));
        let mut waiting: Vec<_> = waiting.collect();
        for one in &mut waiting {
            assert!(poll!(one).is_pending());
        }
        let refused = turns.next("slow").await.map(drop).map_err(|error| error.status);
        assert_eq!(refused, Err(StatusCode::SERVICE_UNAVAILABLE));
        assert!(turns.next("other").await.is_ok(), "another tracker is not slow");
        held.pop();
        assert!(waiting.remove(0).await.is_ok(), "whoever waits comes next");
        drop((held, waiting));
        assert!(turns.next("other").await.is_ok());
        assert_eq!(turns.of_one.lock().unwrap().len(), 1, "nothing is kept of who has gone");
    }
}
