//! What a forge lets an identity ask: learned from its answers, shared by everybody who asks it with that identity.
//!
//! - A request takes its part before it is sent, and what is under way counts as used: many at once never take more than
//!   was told.
//! - A share is kept for what somebody waits for; checks that nobody waits for stop at it.
//! - Counters are told apart by their names: one that is used up holds nobody who uses another. `Retry-After` holds the
//!   whole identity.
//! - A forge's word is believed within bounds (`told`). After a wait one request goes ahead, and its answer decides.
//!
//! Nothing here waits for a limit to end: what may not be sent is refused with the time when it may.

mod told;

use std::cmp::Ordering;
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::hash::BuildHasher;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use foldhash::fast::FixedState;
use reqwest::header::HeaderMap;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};
use url::{Origin, Url};

use told::{Word, word};
pub(super) use told::{retry_after, retry_after_s};

/// What is kept for those who wait for an answer, in percent of a limit: at least one request of ten.
const RESERVE_PERCENT: u64 = 10;
/// How long others wait for the answer to the request that goes ahead of them.
const PATIENCE: Duration = Duration::from_secs(1);
/// Two ends of one window may be told so far apart, since forges count whole seconds.
const SAME_END: Duration = Duration::from_millis(1500);
/// How often in a row a counter may say that nothing is left, by answers that show the contrary, before it is ignored.
const MOST_CONTRADICTIONS: u32 = 3;
/// What is remembered of counters and of the requests that they count; no forge has so many.
const MOST_REMEMBERED: usize = 64;

/// What of a limit is not for checks that nobody waits for.
pub fn reserve(limit: u64) -> u64 {
    limit / 100 * RESERVE_PERCENT + (limit % 100 * RESERVE_PERCENT) / 100
}

/// The budgets of one identity, or of requests without any: one for each forge.
#[derive(Debug, Default)]
pub(super) struct Budgets(Mutex<HashMap<Origin, Arc<Budget>>>);

impl Budgets {
    pub(super) fn at(&self, origin: Origin) -> Arc<Budget> {
        let mut budgets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(budgets.entry(origin).or_default())
    }
}

/// What an identity may ask at one forge.
#[derive(Debug, Default)]
pub struct Budget {
    known: Mutex<Known>,
    /// Told when a request ends that others may wait for.
    went_ahead: Notify,
}

/// Whether a check that nobody waits for may begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Room {
    /// It may.
    Free,
    /// Those that run take all there is: once one has ended, it may.
    Taken,
    /// Not before that.
    Until(Instant),
}

/// What is left of a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Left {
    /// How many requests it allows in a window of time, where that is told.
    pub limit: Option<u64>,
    /// How many of them are left.
    pub remaining: u64,
    /// When all are there again; none where no answer has said so yet.
    pub resets_at: Option<Instant>,
}

/// Why a request may not be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) until: Instant,
    pub(super) why: Why,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Why {
    /// The forge has asked for a rest.
    RestAsked,
    /// All requests of a window are used.
    UsedUp { counter: String, limit: Option<u64> },
    /// What is left is not for checks that nobody waits for.
    Reserved { counter: String, limit: Option<u64> },
}

impl Why {
    /// In a sentence, of somebody at a forge.
    pub(super) fn told(&self, who: &str, forge: &str, until: &impl fmt::Display) -> String {
        let allowance = |counter: &str, limit: &Option<u64>| {
            let counter = if counter.is_empty() { String::new() } else { format!(" (`{counter}`)") };
            match limit {
                Some(limit) => format!("{limit} requests in a window of time{counter}"),
                None => format!("so many requests in a window of time{counter}"),
            }
        };
        match self {
            Self::RestAsked => {
                format!("`{forge}` wants no further request of {who} before {until}: nothing was sent")
            }
            Self::UsedUp { counter, limit } => format!(
                "`{forge}` allows {who} {}, and none is left until {until}: nothing was sent",
                allowance(counter, limit)
            ),
            Self::Reserved { counter, limit } => format!(
                "`{forge}` allows {who} {}, and what is left until {until} is kept for what somebody waits for: nothing \
                 was sent",
                allowance(counter, limit)
            ),
        }
    }
}

#[derive(Debug, Default)]
struct Known {
    counters: BTreeMap<String, Counter>,
    /// The counter that requests of a kind were counted by.
    counted_by: HashMap<u64, String>,
    /// The counter that was told of last.
    latest: Option<String>,
    /// Until when the forge wants not to be asked at all.
    rest: Option<Instant>,
    /// Requests under way of which nobody knows by what they will be counted.
    uncounted: u64,
    /// Checks that have begun and may still ask.
    checks: u64,
    /// Counts what happens, so that it is known which request was sent after which answer.
    clock: u64,
    progress: Progress,
}

/// Whether the forge has answered since nothing was known, or since a limit ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Progress {
    #[default]
    Unasked,
    /// One request is on its way, and others wait a little for its answer.
    Asking,
    Answered,
}

/// One of a forge's counters.
#[derive(Clone, Debug)]
struct Counter {
    limit: Option<u64>,
    /// How many requests were left when the forge said so at last; none where nobody can say.
    left: Option<u64>,
    /// Whether it has not said so since its last window ended; then the whole limit is taken to be there.
    is_assumed: bool,
    resets_at: Instant,
    /// The same as the forge has it.
    end: Option<u64>,
    told_at: u64,
    under_way: u64,
    /// Requests without an answer: until one that was sent later has one, they may have been counted or not.
    lost: u64,
    lost_at: u64,
    contradictions: u32,
}

/// What a request may count on.
enum Taken {
    Yes(Open),
    /// After another one's answer.
    Ahead,
    No(Refusal),
}

/// A request's part of a budget, from before it is sent until it is answered.
pub(super) struct Pass {
    budget: Arc<Budget>,
    open: Mutex<Option<Open>>,
    kind: u64,
}

#[derive(Clone, Debug)]
struct Open {
    counter: Option<String>,
    sent_at: u64,
    /// Whether it goes ahead of others.
    leads: bool,
}

/// A check that has begun; it counts until this is dropped.
#[derive(Debug)]
pub struct Begun(Arc<Budget>);

impl Drop for Begun {
    fn drop(&mut self) {
        let mut known = self.0.known();
        known.checks = known.checks.saturating_sub(1);
    }
}

impl Budget {
    /// A request's part, if it may be sent; `urgent` for what somebody waits for. Waits for nothing but the first answer
    /// after a while without any, and for that at most a second. Cancel-safe.
    pub(super) async fn pass(self: &Arc<Self>, url: &Url, urgent: bool) -> Result<Pass, Refusal> {
        let kind = kind(url);
        let deadline = Instant::now() + PATIENCE;
        loop {
            let mut answered = pin!(self.went_ahead.notified());
            answered.as_mut().enable();
            let now = Instant::now();
            let taken = self.known().take(kind, urgent, now < deadline, now);
            match taken {
                Taken::Yes(open) => {
                    return Ok(Pass { budget: Arc::clone(self), open: Mutex::new(Some(open)), kind });
                }
                Taken::No(refusal) => return Err(refusal),
                Taken::Ahead => drop(timeout_at(deadline, answered).await),
            }
        }
    }

    /// Whether a check that nobody waits for may begin.
    pub fn room(&self, now: Instant) -> Room {
        self.known().room(now)
    }

    /// Counts a check that begins.
    pub fn begin(self: &Arc<Self>) -> Begun {
        self.known().checks += 1;
        Begun(Arc::clone(self))
    }

    /// What is left of the limit that answers have told of last.
    pub fn left(&self, now: Instant) -> Option<Left> {
        let mut known = self.known();
        known.turn(now);
        let counter = known.latest_counter()?;
        let resets_at = (!counter.is_assumed).then_some(counter.resets_at);
        Some(Left { limit: counter.limit, remaining: counter.left?, resets_at })
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn take(&mut self, kind: u64, urgent: bool, patient: bool, now: Instant) -> Taken {
        self.turn(now);
        if let Some(until) = self.rest {
            return Taken::No(Refusal { until, why: Why::RestAsked });
        }
        if self.progress == Progress::Asking && patient {
            return Taken::Ahead;
        }
        let name = self.counter_of(kind);
        let uncounted = self.uncounted;
        if let Some((name, counter)) = name.as_ref().and_then(|name| Some((name, self.counters.get(name)?)))
            && let Some(why) = counter.refusal(name, urgent, uncounted)
        {
            return Taken::No(Refusal { until: counter.until(now), why });
        }
        let leads = self.progress == Progress::Unasked;
        if leads {
            self.progress = Progress::Asking;
        }
        Taken::Yes(self.open(name, leads))
    }

    fn room(&mut self, now: Instant) -> Room {
        self.turn(now);
        if let Some(until) = self.rest {
            return Room::Until(until);
        }
        let (uncounted, checks) = (self.uncounted, self.checks);
        let Some(counter) = self.latest_counter() else { return Room::Free };
        let Some(left) = counter.left else { return Room::Free };
        let free = left.saturating_sub(counter.reserve());
        match free {
            0 => Room::Until(counter.until(now)),
            _ if checks == 0 && counter.under_way == 0 => Room::Free,
            // Most checks take one request, which is counted as soon as it is on its way.
            _ if free <= checks.max(counter.under_way + uncounted) + counter.lost => Room::Taken,
            _ => Room::Free,
        }
    }

    /// Ends what is over by now.
    fn turn(&mut self, now: Instant) {
        if self.rest.is_some_and(|until| until <= now) {
            self.rest = None;
            self.ask_again();
        }
        let mut reopened = false;
        let is_over = |counter: &&mut Counter| !counter.is_assumed && counter.resets_at <= now;
        for counter in self.counters.values_mut().filter(is_over) {
            reopened |= counter.left.is_some_and(|left| left <= counter.reserve());
            counter.left = counter.limit;
            counter.is_assumed = true;
            counter.told_at = self.clock;
        }
        if reopened {
            self.ask_again();
        }
    }

    fn ask_again(&mut self) {
        if self.progress == Progress::Answered {
            self.progress = Progress::Unasked;
        }
    }

    /// Counts a request as under way.
    fn open(&mut self, counter: Option<String>, leads: bool) -> Open {
        match counter.as_ref().and_then(|name| self.counters.get_mut(name)) {
            Some(counter) => counter.under_way += 1,
            None => self.uncounted += 1,
        }
        self.clock += 1;
        Open { counter, sent_at: self.clock, leads }
    }

    /// A request is not under way any more. (An answer that says nothing of a limit means nothing.)
    fn close(&mut self, open: &Open, is_answered: bool) {
        match open.counter.as_ref().and_then(|name| self.counters.get_mut(name)) {
            Some(counter) => {
                counter.under_way = counter.under_way.saturating_sub(1);
                if !is_answered {
                    (counter.lost, counter.lost_at) = (counter.lost + 1, self.clock);
                }
            }
            None => self.uncounted = self.uncounted.saturating_sub(1),
        }
        if open.leads {
            self.progress = Progress::Answered;
        }
    }

    /// Takes in what an answer says.
    fn learn(&mut self, open: &Open, kind: u64, word: &Word, is_refusal: bool, now: Instant) {
        self.clock += 1;
        if self.counters.len() >= MOST_REMEMBERED && !self.counters.contains_key(&word.name) {
            // Names that never come again: whatever counts will be told anew.
            self.counters.retain(|_, counter| counter.under_way > 0);
        }
        if self.counted_by.len() >= MOST_REMEMBERED {
            self.counted_by.clear();
        }
        self.counted_by.insert(kind, word.name.clone());
        self.latest = Some(word.name.clone());
        let told_at = self.clock;
        let counter = self.counters.entry(word.name.clone()).or_insert_with(|| Counter {
            limit: word.limit,
            left: None,
            is_assumed: true,
            resets_at: now,
            end: None,
            told_at: 0,
            under_way: 0,
            lost: 0,
            lost_at: 0,
            contradictions: 0,
        });
        counter.contradictions = match word.remaining {
            0 if is_refusal => 0,
            // Of one request there may well be none left.
            0 if open.leads && word.limit.is_none_or(|limit| limit > 1) => counter.contradictions + 1,
            0 => counter.contradictions,
            _ => 0,
        };
        if counter.contradictions >= MOST_CONTRADICTIONS {
            (counter.left, counter.is_assumed) = (None, true);
            return;
        }
        counter.hear(word, now + word.resets_in, open.sent_at, told_at);
    }

    /// What a request of this kind will be counted by, as far as can be said before it is sent.
    fn counter_of(&self, kind: u64) -> Option<String> {
        let only = || (self.counters.len() == 1).then(|| self.counters.keys().next()).flatten();
        self.counted_by.get(&kind).or_else(only).cloned()
    }

    fn latest_counter(&self) -> Option<&Counter> {
        self.counters.get(self.latest.as_ref()?)
    }
}

impl Counter {
    /// Takes in what was told by the answer to a request that was sent then.
    fn hear(&mut self, word: &Word, resets_at: Instant, sent_at: u64, told_at: u64) {
        let order = match (word.end, self.end) {
            _ if self.is_assumed => Ordering::Greater,
            (Some(end), Some(known)) => end.cmp(&known),
            _ if resets_at > self.resets_at + SAME_END => Ordering::Greater,
            _ if resets_at + SAME_END < self.resets_at => Ordering::Less,
            _ => Ordering::Equal,
        };
        if sent_at <= self.told_at && order != Ordering::Greater {
            // It may have been counted before what is known: then it says less.
            if order == Ordering::Equal && self.left.is_some_and(|left| left > word.remaining) {
                (self.left, self.told_at) = (Some(word.remaining), told_at);
            }
            return;
        }
        // Of one end, told twice in whole seconds, neither is too early.
        self.resets_at = if order == Ordering::Equal { resets_at.min(self.resets_at) } else { resets_at };
        self.left = Some(word.remaining);
        self.limit = word.limit;
        self.end = word.end;
        self.is_assumed = false;
        self.told_at = told_at;
        if sent_at > self.lost_at {
            self.lost = 0;
        }
    }

    /// Until when nothing more is to be had of it.
    fn until(&self, now: Instant) -> Instant {
        // While all of it is under way, the next answer says more.
        if self.is_assumed { now + PATIENCE } else { self.resets_at }
    }

    fn reserve(&self) -> u64 {
        self.limit.map_or(0, reserve)
    }

    fn refusal(&self, name: &str, urgent: bool, uncounted: u64) -> Option<Why> {
        let under_way = self.under_way + uncounted;
        if self.is_assumed && under_way == 0 {
            return None;
        }
        let free = self.left?.saturating_sub(under_way + self.lost);
        let (counter, limit) = (name.to_owned(), self.limit);
        match free {
            0 => Some(Why::UsedUp { counter, limit }),
            _ if !urgent && free <= self.reserve() => Some(Why::Reserved { counter, limit }),
            _ => None,
        }
    }
}

impl Pass {
    /// The request goes out, perhaps once more.
    pub(super) fn sent(&self) {
        let (mut known, mut open) = (self.budget.known(), self.open());
        match &mut *open {
            Some(open) => {
                known.clock += 1;
                open.sent_at = known.clock;
            }
            None => {
                let counter = known.counter_of(self.kind);
                *open = Some(known.open(counter, false));
            }
        }
    }

    /// It was answered. How long the forge will answer no further request like it, if it says so.
    pub(super) fn answered(&self, status: u16, headers: &HeaderMap) -> Option<Duration> {
        let (now, clock) = (Instant::now(), SystemTime::now());
        let (word, rest) = (word(headers, clock), retry_after_s(headers, clock).map(Duration::from_secs));
        let mut known = self.budget.known();
        let open = self.open().take()?;
        known.close(&open, true);
        let is_refusal = matches!(status, 403 | 429 | 503);
        let used_up =
            word.as_ref().filter(|word| is_refusal && word.remaining == 0).map(|word| word.resets_in);
        if let Some(word) = &word {
            known.learn(&open, self.kind, word, is_refusal, now);
        }
        if let Some(rest) = rest {
            known.rest = known.rest.max(Some(now + rest));
        }
        drop(known);
        self.ended(&open);
        rest.or(used_up)
    }

    fn ended(&self, open: &Open) {
        if open.leads {
            self.budget.went_ahead.notify_waiters();
        }
    }

    fn open(&self) -> MutexGuard<'_, Option<Open>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        let open = self.open().take();
        if let Some(open) = open {
            self.budget.known().close(&open, false);
            self.ended(&open);
        }
    }
}

/// Requests whose paths have one form are counted by one counter, as far as anybody can tell: by the number of segments
/// and the first of them.
fn kind(url: &Url) -> u64 {
    let path = url.path().trim_matches('/');
    FixedState::default().hash_one((path.split('/').count(), path.split('/').next()))
}

#[cfg(test)]
mod tests;
