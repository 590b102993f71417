//! What comes and goes while the fake GitHub runs: tokens of installations, and what everybody has asked.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::jwt::now_unix_s;
use super::world::RateLimit;

#[derive(Default)]
pub(crate) struct Sessions(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    count: u64,
    issued: HashMap<String, Issued>,
    windows: HashMap<String, Window>,
}

struct Issued {
    installation: u64,
    ends: Instant,
}

#[derive(Clone, Copy)]
struct Window {
    ends_unix_s: u64,
    used: u64,
}

/// Where somebody stands with their limit.
#[derive(Clone, Copy)]
pub(super) struct Budget {
    pub(super) limit: u64,
    pub(super) used: u64,
    pub(super) reset_unix_s: u64,
    pub(super) is_exceeded: bool,
}

impl Sessions {
    /// A new token of an installation.
    pub(super) fn issue(&self, installation: u64, lifetime: Duration) -> String {
        let mut inner = self.lock();
        inner.count += 1;
        let token = format!("ghs_fakeinstallation0{:06}0rrrrrrrrrrrr", inner.count);
        inner.issued.insert(token.clone(), Issued { installation, ends: Instant::now() + lifetime });
        token
    }

    /// The installation that a token belongs to, unless it has ended.
    pub(super) fn installation(&self, token: &str) -> Option<u64> {
        let inner = self.lock();
        inner
            .issued
            .get(token)
            .filter(|issued| Instant::now() < issued.ends)
            .map(|issued| issued.installation)
    }

    pub(crate) fn expire(&self) {
        self.lock().issued.clear();
    }

    /// Where `who` stands, after one request more if it `counts`.
    pub(super) fn budget(&self, who: &str, limit: RateLimit, counts: bool) -> Budget {
        let now = now_unix_s();
        let mut inner = self.lock();
        let window = inner.windows.entry(who.to_owned()).or_insert(Window { ends_unix_s: 0, used: 0 });
        if window.ends_unix_s <= now {
            *window = Window { ends_unix_s: now + limit.window.as_secs().max(1), used: 0 };
        }
        let is_exceeded = window.used >= limit.requests;
        if counts && !is_exceeded {
            window.used += 1;
        }
        Budget { limit: limit.requests, used: window.used, reset_unix_s: window.ends_unix_s, is_exceeded }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
