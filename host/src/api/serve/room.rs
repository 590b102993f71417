//! Room for so many connections.
//!
//! Who comes when there is none takes the place of whoever has let us wait longest: connections that say nothing, say it
//! slowly or do not take what they asked for must not keep others out, probes least of all. A request that is being
//! answered keeps its place, a stream of events as well.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use hyper::body::{Body, Frame, SizeHint};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

pub(super) struct Room {
    places: Arc<Semaphore>,
    idle: Mutex<Idle>,
    /// There is one more to choose from.
    more_idle: Notify,
}

/// Connections that wait for their clients, numbered in the order in which they began to.
#[derive(Default)]
struct Idle {
    last: u64,
    by_number: BTreeMap<u64, CancellationToken>,
}

/// One connection's place.
pub(super) struct Place {
    room: Arc<Room>,
    number: Mutex<Option<u64>>,
    lost: CancellationToken,
    _permit: OwnedSemaphorePermit,
}

/// Who has to do something for a connection to go on.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Ours,
    Theirs,
}

impl Room {
    pub(super) fn new(places: usize) -> Arc<Self> {
        let places = Arc::new(Semaphore::new(places));
        Arc::new(Self { places, idle: Mutex::default(), more_idle: Notify::new() })
    }

    /// A place, for a client that is to begin. Waits while all others are being answered.
    pub(super) async fn place(self: &Arc<Self>) -> Arc<Place> {
        loop {
            // Nobody closes the semaphore.
            let free = Arc::clone(&self.places).acquire_owned();
            let is_full = self.places.available_permits() == 0;
            let is_freed = is_full && self.take_from_longest_idle();
            tokio::select! {
                biased;
                Ok(permit) = free => return self.taken(permit),
                () = self.more_idle.notified(), if is_full && !is_freed => {}
            }
        }
    }

    fn taken(self: &Arc<Self>, permit: OwnedSemaphorePermit) -> Arc<Place> {
        let (room, lost) = (Arc::clone(self), CancellationToken::new());
        let place = Arc::new(Place { room, number: Mutex::default(), lost, _permit: permit });
        place.turn(Side::Theirs);
        place
    }

    fn take_from_longest_idle(&self) -> bool {
        let longest = self.idle().by_number.pop_first();
        longest.is_some_and(|(_, lost)| {
            lost.cancel();
            true
        })
    }

    fn idle(&self) -> MutexGuard<'_, Idle> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// Says who is to do something from now on.
    pub(super) fn turn(&self, side: Side) {
        let mut number = self.number.lock().unwrap_or_else(PoisonError::into_inner);
        let mut idle = self.room.idle();
        if let Some(number) = number.take() {
            idle.by_number.remove(&number);
        }
        if side == Side::Theirs && !self.lost.is_cancelled() {
            idle.last += 1;
            *number = Some(idle.last);
            let last = idle.last;
            idle.by_number.insert(last, self.lost.clone());
            self.room.more_idle.notify_one();
        }
    }

    /// Returns when somebody else needs it.
    pub(super) async fn lost(&self) {
        self.lost.cancelled().await;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.turn(Side::Ours);
    }
}

/// A body after which it is the other side's turn.
pub(super) struct Until<B> {
    body: B,
    place: Arc<Place>,
    then: Side,
}

impl<B> Until<B> {
    pub(super) fn new(body: B, place: &Arc<Place>, then: Side) -> Self {
        Self { body, place: Arc::clone(place), then }
    }
}

impl<B> Drop for Until<B> {
    fn drop(&mut self) {
        self.place.turn(self.then);
    }
}

impl<B: Body + Unpin> Body for Until<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    async fn is_full(room: &Arc<Room>) -> bool {
        timeout(Duration::from_secs(1), room.place()).await.is_err()
    }

    #[tokio::test(start_paused = true)]
    async fn who_has_let_us_wait_longest_makes_room() {
        let room = Room::new(3);
        let (one, two, three) = (room.place().await, room.place().await, room.place().await);
        one.turn(Side::Ours);
        one.turn(Side::Theirs);
        assert!(is_full(&room).await, "it was not waited for who has the place");
        assert!(two.lost.is_cancelled() && !one.lost.is_cancelled() && !three.lost.is_cancelled());
        drop(two);
        let four = room.place().await;
        assert!(!three.lost.is_cancelled() && !four.lost.is_cancelled());
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_being_answered_keeps_the_place_until_the_answer_is_there() {
        let room = Room::new(2);
        let (one, two) = (room.place().await, room.place().await);
        one.turn(Side::Ours);
        two.turn(Side::Ours);
        assert!(is_full(&room).await);
        assert!(!one.lost.is_cancelled() && !two.lost.is_cancelled());
        let answer = Until::new(String::new(), &two, Side::Theirs);
        let waiting = tokio::spawn({
            let room = Arc::clone(&room);
            async move { room.place().await }
        });
        assert!(is_full(&room).await);
        drop((answer, one));
        drop(two);
        waiting.await.unwrap();
    }
}
