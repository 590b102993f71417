//! What tells an open page that it may be out of date: server-sent events that say nothing else.
//!
//! The page fetches itself anew then, through the same doors as ever. A stream ends with the session. There are so many for
//! all pages and so many for one session, whatever streams the API has.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::StatusCode;
use bytes::Bytes;
use futures_util::stream::unfold;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{Instant, sleep_until, timeout};

use super::Site;
use super::headers::dressed;
use super::sessions::{Key, MOST_LIVE, Use};
use super::visit::{Answered, Visit};
use crate::api::response;
use crate::api::view::Error;
use crate::state::Health;

/// Pages that are kept up to date at once.
pub(super) const MOST: usize = 64;
/// Two events are so far apart at least.
pub(super) const CALM: Duration = Duration::from_secs(2);
/// How long a connection is silent at most. What changes without reaching the disk is seen then.
pub(super) const LONGEST_SILENCE: Duration = Duration::from_secs(15);

struct Stream {
    site: Arc<Site>,
    session: Option<Key>,
    health: watch::Receiver<Health>,
    /// Before that nothing is told.
    calm_until: Instant,
    _places: Places,
}

/// What a stream holds while it lasts.
struct Places {
    _of_session: Option<OwnedSemaphorePermit>,
    _of_all: OwnedSemaphorePermit,
}

pub(super) async fn open(visit: Visit) -> Answered {
    let Visit { site, visitor, .. } = visit;
    let (places, mut health) = (site.places(visitor.session)?, site.view.health());
    health.mark_unchanged();
    let stream =
        Stream { session: visitor.session, health, calm_until: Instant::now(), _places: places, site };
    // The first comment makes the answer begin at once.
    let first = Some(Bytes::from_static(b"retry: 5000\n\n"));
    let stream = unfold((stream, first), |(mut stream, first)| async move {
        let frame = match first {
            Some(first) => first,
            None => stream.next().await?,
        };
        Some((Ok::<_, Infallible>(frame), (stream, None)))
    });
    Ok(dressed(response(StatusCode::OK, "text/event-stream", Body::from_stream(stream))))
}

impl Site {
    /// # Errors
    ///
    /// There are too many.
    fn places(&self, session: Option<Key>) -> Result<Places, Error> {
        let live = session.and_then(|key| {
            let mut sessions = self.sessions();
            sessions.find(key, Use::Page, Instant::now()).map(|session| Arc::clone(&session.live))
        });
        let of_session = live.map(|live| place(&live, MOST_LIVE, "of this session")).transpose()?;
        Ok(Places { _of_session: of_session, _of_all: place(&self.live, MOST, "in all")? })
    }
}

fn place(places: &Arc<Semaphore>, most: usize, whose: &str) -> Result<OwnedSemaphorePermit, Error> {
    let place = Arc::clone(places).try_acquire_owned();
    place.map_err(|_| {
        Error::unavailable(format!("{most} pages {whose} are kept up to date already: close one"))
    })
}

impl Stream {
    /// What is sent next; nothing when the session or the daemon ends.
    async fn next(&mut self) -> Option<Bytes> {
        let stop = self.site.view.stop().clone();
        stop.run_until_cancelled(async {
            sleep_until(self.calm_until).await;
            // No answer within that time is one as well: somebody else may have changed what is shown.
            let _ = timeout(LONGEST_SILENCE, self.health.changed()).await;
            self.calm_until = Instant::now() + CALM;
        })
        .await?;
        self.is_let_in().then(|| Bytes::from_static(b"event: changed\ndata: 1\n\n"))
    }

    fn is_let_in(&self) -> bool {
        let gate = self.site.view.gate();
        if gate.is_open() {
            return true;
        }
        let Some(key) = self.session else { return false };
        let mut sessions = self.site.sessions();
        let token = sessions.find(key, Use::Page, Instant::now()).map(|session| session.token);
        token.is_some_and(|token| gate.scope(&token).is_some())
    }
}
