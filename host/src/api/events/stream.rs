//! Events as they come, as server-sent events.
//!
//! A stream reads the journal when its client takes more, a page at a time: whoever reads slowly costs that page and
//! nothing else, and misses nothing. An event goes out once it is on disk.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use futures_util::stream::unfold;
use serde_json::json;
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::{Event, EventFilter};
use crate::api::Shared;
use crate::api::error::Error;
use crate::api::stored::Stored;
use crate::state::{Health, State, StoredEvent};

/// Events that are read at once.
const PAGE: usize = 100;
/// How long a connection is silent at most.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// How long to wait after the journal could not be read.
const PAUSE: Duration = Duration::from_secs(5);

struct Stream {
    stored: Stored,
    health: watch::Receiver<Health>,
    stop: CancellationToken,
    filter: EventFilter,
    /// The number that everything up to has been looked at.
    seen: i64,
    read: VecDeque<StoredEvent>,
    gap: Option<Bytes>,
    _place: OwnedSemaphorePermit,
}

/// The stream of what follows `from`, or of what is new.
///
/// # Errors
///
/// There are too many streams, or the journal cannot be read.
pub(super) async fn open(
    shared: &Arc<Shared>,
    filter: EventFilter,
    from: Option<i64>,
) -> Result<Body, Error> {
    let place = shared.stream()?;
    let health = shared.handle.health();
    let last = shared.stored.read(State::last_seq).await?;
    let (seen, gap) = match from {
        None => (last, None),
        Some(from) => start(from, shared.stored.read(State::oldest_seq).await?, last),
    };
    let stream = Stream {
        stored: shared.stored.clone(),
        health,
        stop: shared.stop.clone(),
        filter,
        seen,
        read: VecDeque::new(),
        gap,
        _place: place,
    };
    // The first comment makes the answer begin at once.
    let stream = unfold((stream, Some(Bytes::from_static(b":\n\n"))), |(mut stream, first)| async move {
        let frame = match first {
            Some(first) => first,
            None => stream.next().await?,
        };
        Some((Ok::<_, Infallible>(frame), (stream, None)))
    });
    Ok(Body::from_stream(stream))
}

/// Where to begin, and the event that tells of what is not there any more. A number that was never given comes from
/// another state, so everything here is unknown to the client.
fn start(from: i64, oldest: Option<i64>, last: i64) -> (i64, Option<Bytes>) {
    let oldest = oldest.unwrap_or(last + 1);
    if (oldest - 1..=last).contains(&from) {
        return (from, None);
    }
    let data = json!({ "requested": from, "oldest": oldest });
    (oldest - 1, Some(Bytes::from(format!("event: gap\ndata: {data}\n\n"))))
}

impl Stream {
    /// What is sent next; nothing when the daemon stops.
    async fn next(&mut self) -> Option<Bytes> {
        let stop = self.stop.clone();
        stop.run_until_cancelled(async {
            if let Some(gap) = self.gap.take() {
                return gap;
            }
            let event = timeout(KEEP_ALIVE, self.event()).await;
            event.map_or_else(|_| Bytes::from_static(b":\n\n"), |event| frame(event.into()))
        })
        .await
    }

    /// The next event. Cancel-safe.
    async fn event(&mut self) -> StoredEvent {
        loop {
            if let Some(event) = self.read.pop_front() {
                return event;
            }
            // From before the journal is read, so that nothing between the two is missed.
            let last = self.health.borrow_and_update().last_seq;
            let (filter, seen) = (self.filter.clone(), self.seen);
            match self.stored.read(move |state| state.events(&filter, None, Some(seen), PAGE)).await {
                Ok(events) if !events.is_empty() => {
                    self.seen = events.last().map_or(self.seen, |event| event.seq);
                    self.read = events.into();
                }
                Ok(_) => {
                    self.seen = self.seen.max(last);
                    self.grown().await;
                }
                Err(_) => tokio::time::sleep(PAUSE).await,
            }
        }
    }

    /// Waits until there may be more.
    async fn grown(&mut self) {
        while self.health.borrow_and_update().last_seq <= self.seen {
            if self.health.changed().await.is_err() {
                // The daemon has ended; the stop follows.
                std::future::pending::<()>().await;
            }
        }
    }
}

fn frame(event: Event) -> Bytes {
    // JSON has no line breaks outside of text, where they are escaped.
    let data = serde_json::to_string(&event).unwrap_or_default();
    Bytes::from(format!("id: {}\nevent: {}\ndata: {data}\n\n", event.seq, event.kind.name()))
}
