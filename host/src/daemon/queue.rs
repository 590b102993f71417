//! Which check starts next.
//!
//! - A repository rests, waits for its turn, or runs; never two of them, so it never has two checks at once.
//! - Integrations take turns, each within its own limit, so that a slow one costs the others nothing.
//! - What somebody waits for goes before what is merely due.
//! - A repository may ride along with the check of another, which alone counts as running.
//!
//! Decides and counts, and does nothing else: no clock, no task.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::time::Duration;

use tokio::time::Instant;

use super::allowance::Allowance;
use super::gate::Gate;
use super::ledger::HeldFor;

/// How many checks may run at once.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) overall: usize,
    pub(super) integration: usize,
}

/// All repositories, by their index, and the lanes of their integrations.
pub(super) struct Queue {
    limits: Limits,
    /// Those that rest, soonest first. Entries of an older version count no more.
    due: BinaryHeap<Reverse<(Instant, u32, u32)>>,
    slots: Vec<Slot>,
    pub(super) lanes: Vec<Lane>,
    running: usize,
    /// The lane that has its turn next.
    turn: usize,
}

/// The checks of one integration.
#[derive(Default)]
pub(super) struct Lane {
    pub(super) gate: Gate,
    /// What of it may start that nobody waits for.
    pub(super) allowance: Allowance,
    /// Whether nothing but urgent checks may start.
    pub(super) only_urgent: bool,
    /// Whether one check at a time may run, until it is known how repositories are asked for.
    pub(super) only_one: bool,
    /// In the order of their turns. Who does not wait any more, or waits elsewhere, is passed over.
    waiting: VecDeque<u32>,
    urgent: VecDeque<u32>,
    /// How many wait.
    waits: usize,
    running: usize,
}

struct Slot {
    lane: u32,
    version: u32,
    due: Instant,
    place: Place,
    /// Whether it is to be checked once more after the check that runs.
    again: bool,
    /// Whether somebody waited for the check that was started last.
    urged: bool,
    /// Whether the check that runs is another's.
    rides: bool,
    /// Whether it is to be checked by itself.
    alone: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Resting,
    Waiting,
    Urgent,
    Running,
}

impl Lane {
    /// Checks that run.
    pub(super) fn running(&self) -> usize {
        self.running
    }

    /// Checks that wait for their turn.
    pub(super) fn waiting(&self) -> usize {
        self.waits
    }

    /// Until when no regular check starts, and why; or until when none did.
    pub(super) fn held(&self, now: Instant) -> Option<(Instant, HeldFor)> {
        let rests_until = self.allowance.rests_until().filter(|until| *until > now);
        let own = rests_until.map(|until| (until, HeldFor::RateBudget));
        let asked = self.gate.held_until().map(|until| (until, self.gate.held_for()));
        own.into_iter().chain(asked).max_by_key(|(until, _)| *until)
    }

    fn next(&mut self, slots: &[Slot], limit: usize, now: Instant) -> Option<u32> {
        let limit = if self.only_one { 1 } else { limit };
        if self.running >= self.gate.room(now).min(limit) {
            return None;
        }
        let next = |line: &mut VecDeque<u32>, place| {
            std::iter::from_fn(|| line.pop_front()).find(|index| slots[*index as usize].place == place)
        };
        let urgent = next(&mut self.urgent, Place::Urgent);
        urgent.or_else(|| {
            let may_start = !self.only_urgent && !self.waiting.is_empty() && self.allowance.permits(now);
            may_start.then(|| next(&mut self.waiting, Place::Waiting)).flatten()
        })
    }
}

impl Queue {
    /// A queue of resting repositories, of each the lane that it belongs to. None is due before it is planned.
    pub(super) fn new(
        lanes: usize,
        lane_of: impl Iterator<Item = usize>,
        limits: Limits,
        now: Instant,
    ) -> Self {
        let slot = |lane| Slot {
            lane: lane as u32,
            version: 0,
            due: now,
            place: Place::Resting,
            again: false,
            urged: false,
            rides: false,
            alone: false,
        };
        Self {
            limits,
            due: BinaryHeap::new(),
            slots: lane_of.map(slot).collect(),
            lanes: std::iter::repeat_with(Lane::default).take(lanes).collect(),
            running: 0,
            turn: 0,
        }
    }

    /// The lane of a repository.
    pub(super) fn lane_of(&self, index: usize) -> usize {
        self.slots[index].lane as usize
    }

    /// Plans the next check of a repository that rests; of one that does not, nothing changes.
    pub(super) fn plan(&mut self, index: usize, at: Instant) {
        let slot = &mut self.slots[index];
        if slot.place == Place::Resting {
            slot.version = slot.version.wrapping_add(1);
            slot.due = at;
            self.due.push(Reverse((at, index as u32, slot.version)));
        }
    }

    /// Has a repository checked before everything that is merely due. False if it is being checked at this moment;
    /// then it is once more.
    pub(super) fn urge(&mut self, index: usize, now: Instant) -> bool {
        let slot = &mut self.slots[index];
        let lane = &mut self.lanes[slot.lane as usize];
        match slot.place {
            Place::Running => {
                slot.again = true;
                return false;
            }
            Place::Urgent => return true,
            Place::Waiting => {}
            Place::Resting => {
                slot.version = slot.version.wrapping_add(1);
                slot.due = now;
                lane.waits += 1;
            }
        }
        slot.place = Place::Urgent;
        lane.urgent.push_back(index as u32);
        true
    }

    /// Whether certainly nothing can start now; found without asking any gate.
    pub(super) fn is_idle(&self, now: Instant) -> bool {
        let is_due = self.due.peek().is_some_and(|Reverse((at, ..))| *at <= now);
        let is_full = self.running >= self.limits.overall;
        !is_due && (is_full || self.lanes.iter().all(|lane| lane.waiting() == 0))
    }

    /// The next repository to check, which counts as running from here on, and how late it is.
    pub(super) fn start(&mut self, now: Instant) -> Option<(usize, Duration)> {
        self.take_due(now);
        if self.running >= self.limits.overall {
            return None;
        }
        let lanes = self.lanes.len();
        for offset in 0..lanes {
            let turn = (self.turn + offset) % lanes;
            if let Some(index) = self.lanes[turn].next(&self.slots, self.limits.integration, now) {
                self.turn = turn + 1;
                let (lane, slot) = (&mut self.lanes[turn], &mut self.slots[index as usize]);
                slot.urged = slot.place == Place::Urgent;
                let late_from = Some(lane.gate.late_from(slot.due)).max(lane.allowance.rests_until());
                let late_from = late_from.unwrap_or(now);
                lane.gate.started();
                self.take(index as usize);
                return Some((index as usize, now.saturating_duration_since(late_from)));
            }
        }
        None
    }

    /// Counts a repository as running whose check began before this queue was made; its own, or another's with which it
    /// `rides`.
    pub(super) fn resume(&mut self, index: usize, rides: bool) {
        match self.slots[index].place {
            Place::Resting if rides => self.ride(index),
            Place::Resting => self.take(index),
            _ => {}
        }
    }

    /// Whether a repository could ride along that is due until then at the latest. With a check that somebody waits for,
    /// only others that are waited for may.
    pub(super) fn may_ride(&self, index: usize, until: Instant, urged: bool) -> bool {
        let slot = &self.slots[index];
        match slot.place {
            Place::Resting => !urged && slot.due <= until,
            Place::Waiting => !urged && !slot.alone,
            Place::Urgent => urged && !slot.alone,
            Place::Running => false,
        }
    }

    /// Lets those of a lane that wait to be checked by themselves be checked together again: what kept them from it is
    /// over.
    pub(super) fn rejoin(&mut self, lane: usize) {
        for slot in self.slots.iter_mut().filter(|slot| slot.lane as usize == lane) {
            slot.alone &= slot.place != Place::Waiting;
        }
    }

    /// Who waits for a check, by index, and whether somebody waits for that; for the queue that takes the place of this.
    pub(super) fn in_line(&self) -> impl Iterator<Item = (usize, bool)> {
        self.slots.iter().enumerate().filter_map(|(index, slot)| match slot.place {
            Place::Urgent => Some((index, true)),
            Place::Running => slot.again.then_some((index, true)),
            Place::Waiting => Some((index, false)),
            Place::Resting => None,
        })
    }

    /// Has a repository ride along with the check of another that starts now.
    pub(super) fn ride(&mut self, index: usize) {
        let urged = self.slots[index].place == Place::Urgent;
        self.leave_line(index);
        let slot = &mut self.slots[index];
        slot.urged = urged;
        slot.version = slot.version.wrapping_add(1);
        slot.place = Place::Running;
        slot.rides = true;
    }

    /// Has a repository that rests checked by itself, before all others that are merely due.
    pub(super) fn check_alone(&mut self, index: usize, now: Instant) {
        let slot = &mut self.slots[index];
        // Perhaps somebody waits for it by now.
        slot.alone = true;
        if slot.place == Place::Resting {
            slot.version = slot.version.wrapping_add(1);
            slot.due = now;
            slot.place = Place::Waiting;
            let lane = &mut self.lanes[slot.lane as usize];
            lane.waits += 1;
            lane.waiting.push_front(index as u32);
        }
    }

    /// Whether a repository is to be checked by itself.
    pub(super) fn is_alone(&self, index: usize) -> bool {
        self.slots[index].alone
    }

    /// The check of a repository has ended; it rests until it is planned, unless it was to be checked once more.
    pub(super) fn ended(&mut self, index: usize, now: Instant) {
        let slot = &mut self.slots[index];
        if !std::mem::take(&mut slot.rides) {
            self.running -= 1;
            self.lanes[slot.lane as usize].running -= 1;
        }
        slot.alone = false;
        slot.place = Place::Resting;
        if std::mem::take(&mut slot.again) {
            self.urge(index, now);
        }
    }

    /// Whether a check of the repository runs.
    pub(super) fn is_running(&self, index: usize) -> bool {
        self.slots[index].place == Place::Running
    }

    /// Whether somebody waited for the check of the repository that was started last.
    pub(super) fn was_urged(&self, index: usize) -> bool {
        self.slots[index].urged
    }

    /// When to look again, if nothing else happens.
    pub(super) fn wake(&mut self, now: Instant) -> Option<Instant> {
        while let Some(Reverse((_, index, version))) = self.due.peek() {
            let slot = &self.slots[*index as usize];
            if slot.place == Place::Resting && slot.version == *version {
                break;
            }
            self.due.pop();
        }
        let due = self.due.peek().map(|Reverse((at, ..))| *at);
        let waiting = self.lanes.iter().filter(|lane| lane.waiting() > 0);
        let held = waiting.flat_map(|lane| [lane.gate.held_until(), lane.allowance.rests_until()]).flatten();
        due.into_iter().chain(held.filter(|until| *until > now)).min()
    }

    fn take_due(&mut self, now: Instant) {
        while let Some(Reverse((at, index, version))) = self.due.peek().copied()
            && at <= now
        {
            self.due.pop();
            let slot = &mut self.slots[index as usize];
            if slot.place == Place::Resting && slot.version == version {
                slot.place = Place::Waiting;
                let lane = &mut self.lanes[slot.lane as usize];
                lane.waits += 1;
                lane.waiting.push_back(index);
            }
        }
    }

    fn leave_line(&mut self, index: usize) {
        let slot = &self.slots[index];
        if matches!(slot.place, Place::Waiting | Place::Urgent) {
            let lane = &mut self.lanes[slot.lane as usize];
            lane.waits -= 1;
            // Nobody looks at a line without anybody in it, so it would keep those who left it.
            if lane.waits == 0 {
                lane.waiting.clear();
                lane.urgent.clear();
            }
        }
    }

    fn take(&mut self, index: usize) {
        self.leave_line(index);
        let slot = &mut self.slots[index];
        slot.place = Place::Running;
        self.running += 1;
        self.lanes[slot.lane as usize].running += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verdict::{Outcome, Reason};

    const LIMITS: Limits = Limits { overall: 3, integration: 2 };

    fn seconds(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    /// Two lanes: even repositories and odd ones.
    fn queue(repositories: usize, now: Instant) -> Queue {
        Queue::new(2, (0..repositories).map(|index| index % 2), LIMITS, now)
    }

    fn started(queue: &mut Queue, now: Instant) -> Vec<usize> {
        std::iter::from_fn(|| queue.start(now)).map(|(index, _)| index).collect()
    }

    #[test]
    fn integrations_take_turns_within_both_limits() {
        let now = Instant::now();
        let mut queue = queue(8, now);
        for index in [0, 2, 4, 6, 1, 3] {
            queue.plan(index, now);
        }
        assert_eq!(started(&mut queue, now), [0, 1, 2]);
        // What is due meanwhile waits, and is no reason to look again before a check ends.
        queue.plan(5, now);
        assert!(!queue.is_idle(now) && queue.start(now).is_none());
        assert!(queue.is_idle(now) && queue.wake(now).is_none());
        queue.ended(1, now);
        assert_eq!(started(&mut queue, now), [3]);
        queue.ended(3, now);
        assert_eq!(started(&mut queue, now), [5]);
        queue.ended(5, now);
        // The even lane is at its own limit.
        assert!(started(&mut queue, now).is_empty());
        queue.ended(0, now);
        assert_eq!(started(&mut queue, now), [4]);
    }

    #[test]
    fn nothing_starts_before_it_is_due_and_lateness_is_told() {
        let now = Instant::now();
        let mut queue = queue(2, now);
        queue.plan(0, now + seconds(10));
        queue.plan(1, now + seconds(20));
        assert!(queue.start(now + seconds(9)).is_none());
        assert_eq!(queue.wake(now), Some(now + seconds(10)));
        assert_eq!(queue.start(now + seconds(12)), Some((0, seconds(2))));
        assert_eq!(queue.wake(now), Some(now + seconds(20)));
    }

    #[test]
    fn a_repository_never_has_two_checks_at_once() {
        let now = Instant::now();
        let mut queue = queue(1, now);
        queue.plan(0, now);
        assert_eq!(started(&mut queue, now), [0]);
        queue.plan(0, now);
        assert!(!queue.urge(0, now));
        assert!(!queue.urge(0, now));
        assert!(started(&mut queue, now).is_empty());
        queue.ended(0, now);
        assert_eq!(started(&mut queue, now), [0]);
        queue.ended(0, now);
        assert!(started(&mut queue, now).is_empty());
    }

    #[test]
    fn what_is_planned_anew_is_not_checked_at_the_old_time_too() {
        let now = Instant::now();
        let mut queue = queue(1, now);
        queue.plan(0, now + seconds(100));
        queue.plan(0, now + seconds(1));
        assert_eq!(started(&mut queue, now + seconds(200)), [0]);
        queue.ended(0, now + seconds(200));
        queue.plan(0, now + seconds(900));
        assert!(started(&mut queue, now + seconds(300)).is_empty());
        assert_eq!(queue.wake(now), Some(now + seconds(900)));
    }

    #[test]
    fn what_somebody_waits_for_comes_first() {
        let now = Instant::now();
        let mut queue = queue(6, now);
        for index in [0, 2, 4] {
            queue.plan(index, now);
        }
        assert_eq!(queue.start(now).unwrap().0, 0);
        queue.lanes[0].only_urgent = true;
        assert!(started(&mut queue, now).is_empty());
        assert!(queue.urge(4, now));
        assert_eq!(started(&mut queue, now), [4]);
        queue.ended(0, now);
        queue.lanes[0].only_urgent = false;
        assert_eq!(started(&mut queue, now), [2]);
    }

    #[test]
    fn who_rides_along_counts_for_nobody_and_waits_no_more() {
        let now = Instant::now();
        let mut queue = queue(8, now);
        for index in [0, 2, 4] {
            queue.plan(index, now);
        }
        queue.plan(6, now + seconds(100));
        assert_eq!(queue.start(now).unwrap().0, 0);
        assert!(queue.may_ride(2, now, false) && queue.may_ride(6, now + seconds(100), false));
        assert!(!queue.may_ride(0, now, false) && !queue.may_ride(6, now + seconds(99), false));
        // Whoever waits for one check does not wait for all.
        assert!(!queue.may_ride(2, now, true) && !queue.may_ride(6, now + seconds(100), true));
        for index in [2, 6] {
            queue.ride(index);
        }
        assert_eq!((queue.lanes[0].running(), queue.lanes[0].waiting()), (1, 1));
        assert_eq!(started(&mut queue, now), [4]);
        for index in [0, 2, 6] {
            queue.ended(index, now);
        }
        assert_eq!((queue.lanes[0].running(), queue.lanes[0].waiting()), (1, 0));
        // Who had no answer is checked by itself, before what has become due meanwhile.
        queue.plan(0, now);
        queue.check_alone(2, now);
        assert!(queue.is_alone(2) && !queue.may_ride(2, now + seconds(999), false));
        queue.rejoin(1);
        assert!(queue.is_alone(2));
        queue.rejoin(0);
        assert!(!queue.is_alone(2));
        assert_eq!(queue.in_line().collect::<Vec<_>>(), [(2, false)]);
        assert_eq!(started(&mut queue, now), [2]);
        queue.ended(2, now);
        assert!(!queue.is_alone(2));
        assert_eq!(started(&mut queue, now), [0]);
        queue.ended(4, now);
        queue.ended(0, now);
        assert!(queue.is_idle(now) && queue.wake(now).is_none());
    }

    #[test]
    fn a_lane_may_be_kept_to_one_check() {
        let now = Instant::now();
        let mut queue = queue(8, now);
        queue.lanes[0].only_one = true;
        for index in [0, 2, 1, 3] {
            queue.plan(index, now);
        }
        assert_eq!(started(&mut queue, now), [0, 1, 3]);
        queue.ended(1, now);
        queue.lanes[0].only_one = false;
        assert_eq!(started(&mut queue, now), [2]);
    }

    #[test]
    fn a_forge_at_rest_is_asked_by_one_check_and_then_by_all() {
        let now = Instant::now();
        let mut queue = queue(8, now);
        for index in [0, 2, 4] {
            queue.plan(index, now);
        }
        let limited = Outcome { retry_after_s: Some(60), ..Outcome::new(Reason::RateLimited, "") };
        queue.lanes[0].gate.ended(&limited, now);
        assert!(started(&mut queue, now).is_empty());
        assert_eq!(queue.wake(now), Some(now + seconds(60)));
        let later = now + seconds(61);
        // Not later than the forge wanted.
        assert_eq!(queue.start(later), Some((0, seconds(1))));
        assert!(queue.start(later).is_none());
        queue.ended(0, later);
        queue.lanes[0].gate.ended(&Outcome::new(Reason::Granted, ""), later);
        assert_eq!(queue.start(later), Some((2, Duration::ZERO)));
        assert_eq!(started(&mut queue, later), [4]);
    }
}
