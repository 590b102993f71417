//! Who is signed in: sessions, in memory alone and known by the digests of their ids.
//!
//! A session is as good as the token that it began with: it may what the token may at this moment, and ends for good when
//! that is taken away, when nobody used it for an hour, after twelve hours, and with the process.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use ring::rand::{SecureRandom, SystemRandom};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::api::Known;
use crate::text::hex;

/// Further ones end the one that was used longest ago.
pub(super) const MOST_SESSIONS: usize = 1_000;
/// The same of one token, so that whoever has one ends no sessions of others.
pub(super) const MOST_OF_TOKEN: usize = 50;
/// Pages of one session that are kept up to date at once.
pub(super) const MOST_LIVE: usize = 6;
/// How long a session lasts at most.
pub(super) const LONGEST: Duration = Duration::from_secs(12 * 60 * 60);
/// How long it lasts without being used.
pub(super) const LONGEST_IDLE: Duration = Duration::from_secs(60 * 60);

/// 256 random bits as text. It cannot be printed by accident.
#[derive(Clone)]
pub(super) struct Secret(String);

/// What a session is found by.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Key([u8; 32]);

/// One browser that is signed in.
pub(super) struct Session {
    /// The token that it began with.
    pub(super) token: Known,
    /// What its forms carry.
    pub(super) form_token: Secret,
    /// Places for its pages that are kept up to date.
    pub(super) live: Arc<Semaphore>,
    created: Instant,
    seen: Instant,
}

/// All of them.
#[derive(Default)]
pub(super) struct Sessions(HashMap<Key, Session>);

/// Whether a request shows that somebody is there.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Use {
    /// Somebody asked for it.
    Person,
    /// An open page did, by itself.
    Page,
}

impl Secret {
    /// # Panics
    ///
    /// The system has no random numbers, without which nothing here is safe.
    pub(super) fn random() -> Self {
        let mut bytes = [0; 32];
        SystemRandom::new().fill(&mut bytes).expect("the system has random numbers");
        Self(hex(&bytes))
    }

    pub(super) fn expose(&self) -> &str {
        &self.0
    }

    /// Whether it is this one; how long that takes does not tell how much of it is right.
    pub(super) fn is(&self, presented: &str) -> bool {
        self.0.as_bytes().ct_eq(presented.as_bytes()).into()
    }
}

impl Key {
    pub(super) fn of(id: &str) -> Self {
        Self(Sha256::digest(id).into())
    }
}

impl Sessions {
    /// Begins a session; its id.
    pub(super) fn begin(&mut self, token: Known, now: Instant) -> Secret {
        self.0.retain(|_, session| !session.is_over(now));
        self.make_room(MOST_OF_TOKEN, |session| session.token == token);
        self.make_room(MOST_SESSIONS, |_| true);
        let (id, form_token) = (Secret::random(), Secret::random());
        let live = Arc::new(Semaphore::new(MOST_LIVE));
        let session = Session { token, form_token, live, created: now, seen: now };
        self.0.insert(Key::of(id.expose()), session);
        id
    }

    /// Ends sessions of a kind until there may be one more.
    fn make_room(&mut self, most: usize, is_of_kind: impl Fn(&Session) -> bool) {
        let mut of_kind: Vec<_> = self.0.iter().filter(|(_, session)| is_of_kind(session)).collect();
        of_kind.sort_by_key(|(_, session)| session.seen);
        let too_many = (of_kind.len() + 1).saturating_sub(most);
        let oldest: Vec<_> = of_kind.into_iter().take(too_many).map(|(key, _)| *key).collect();
        oldest.iter().for_each(|key| drop(self.0.remove(key)));
    }

    /// A session that is not over.
    pub(super) fn find(&mut self, key: Key, by: Use, now: Instant) -> Option<&Session> {
        if self.0.get(&key)?.is_over(now) {
            self.0.remove(&key);
        }
        let session = self.0.get_mut(&key)?;
        if by == Use::Person {
            session.seen = now;
        }
        Some(session)
    }

    pub(super) fn end(&mut self, key: Key) {
        self.0.remove(&key);
    }

    #[cfg(test)]
    pub(super) fn count(&self) -> usize {
        self.0.len()
    }
}

impl Session {
    fn is_over(&self, now: Instant) -> bool {
        now.duration_since(self.created) >= LONGEST || now.duration_since(self.seen) >= LONGEST_IDLE
    }
}
