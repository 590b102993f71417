//! A limit on what one credential may ask, as forges have them: so many requests in a window, told in the headers of every
//! answer in one spelling or another, and a refusal for each request beyond it.
//!
//! Windows are short and lie on whole seconds of the fake's clock, which may be another than that of this machine. Token
//! endpoints, proxies and requests without a credential are not counted.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use hyper::header::AUTHORIZATION;

use super::answers::Answer;
use super::recording::Kind;
use super::routes::Ask;

/// How a forge tells of its limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spelling {
    /// `x-ratelimit-limit`, `-remaining`, `-reset`, `-used` and `-resource`; a refusal says no more than that.
    XRateLimit,
    /// `RateLimit-Limit`, `-Remaining`, `-Reset`, `-Observed` and `-Name`; a refusal has a `Retry-After`, too.
    RateLimit,
    /// `X-RateLimit-*` and `Retry-After` only where less than a fifth is left.
    WhenNear,
}

/// A limit for each credential.
#[derive(Clone, Debug)]
pub struct RateLimit {
    spelling: Spelling,
    requests: u32,
    window_s: u64,
    refused_with: u16,
    ahead_s: i64,
}

impl RateLimit {
    /// So many requests in each window of so many seconds; refusals are 429.
    pub fn new(spelling: Spelling, requests: u32, window_s: u64) -> Self {
        Self { spelling, requests, window_s, refused_with: 429, ahead_s: 0 }
    }

    /// Refuses with another status.
    #[must_use]
    pub fn refused_with(mut self, status: u16) -> Self {
        self.refused_with = status;
        self
    }

    /// By a clock that is so many seconds ahead of this machine's, in `Date` as well.
    #[must_use]
    pub fn with_clock_ahead(mut self, seconds: i64) -> Self {
        self.ahead_s = seconds;
        self
    }

    fn now(&self) -> u64 {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        since.as_secs().saturating_add_signed(self.ahead_s)
    }
}

#[derive(Default)]
pub(crate) struct Limits {
    current: Mutex<Option<(RateLimit, HashMap<String, Used>)>>,
}

#[derive(Clone, Copy, Default)]
struct Used {
    window: u64,
    requests: u32,
}

/// What the limit has to say about a request.
pub(crate) struct Counted {
    limit: RateLimit,
    used: u32,
    now: u64,
    end: u64,
}

impl Limits {
    pub(crate) fn set(&self, limit: Option<RateLimit>) {
        *self.current() = limit.map(|limit| (limit, HashMap::new()));
    }

    /// Counts a request, if there is a limit for it.
    pub(crate) fn count(&self, kind: Kind, ask: &Ask<'_>) -> Option<Counted> {
        if matches!(kind, Kind::Token | Kind::Connect) {
            return None;
        }
        let credential = ask.headers.get(AUTHORIZATION)?.to_str().ok()?.to_owned();
        let mut current = self.current();
        let (limit, used) = current.as_mut()?;
        let now = limit.now();
        let window = now / limit.window_s;
        let used = used.entry(credential).or_default();
        if used.window != window {
            *used = Used { window, requests: 0 };
        }
        used.requests += 1;
        let end = (window + 1) * limit.window_s;
        Some(Counted { limit: limit.clone(), used: used.requests, now, end })
    }

    fn current(&self) -> MutexGuard<'_, Option<(RateLimit, HashMap<String, Used>)>> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Counted {
    pub(crate) fn is_refused(&self) -> bool {
        self.used > self.limit.requests
    }

    pub(crate) fn refusal(&self) -> Answer {
        Answer::status(self.limit.refused_with).body("Retry later\n")
    }

    /// The answer with what the forge says of its limit.
    pub(crate) fn told_in(&self, answer: Answer) -> Answer {
        let RateLimit { spelling, requests, .. } = self.limit;
        let left = requests.saturating_sub(self.used);
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(self.now);
        let answer = answer.header("date", &httpdate::fmt_http_date(time));
        let (prefix, name) = match spelling {
            Spelling::XRateLimit => ("x-ratelimit", ("resource", "core")),
            Spelling::RateLimit => ("RateLimit", ("Name", "throttle_authenticated_api")),
            Spelling::WhenNear if left * 5 >= requests => return answer,
            Spelling::WhenNear => ("X-RateLimit", ("Resource", "Fake/Throughput/User")),
        };
        let header =
            |answer: Answer, what: &str, value: &str| answer.header(&format!("{prefix}-{what}"), value);
        let mut answer = header(answer, "limit", &requests.to_string());
        answer = header(answer, "remaining", &left.to_string());
        answer = header(answer, "reset", &self.end.to_string());
        answer = header(answer, name.0, name.1);
        match spelling {
            Spelling::XRateLimit => header(answer, "used", &self.used.to_string()),
            Spelling::RateLimit if !self.is_refused() => header(answer, "observed", &self.used.to_string()),
            Spelling::RateLimit | Spelling::WhenNear => answer.retry_after(self.end - self.now),
        }
    }
}
