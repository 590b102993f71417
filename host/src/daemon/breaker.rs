//! Many repositories that turn at once have one cause, which is looked for before anything is believed.
//!
//! When a large part of the repositories with access that were checked lately has lost it, nothing is confirmed for
//! a moment and a few others are asked: canaries, of which good is known. If they lost access too, so has the
//! integration, and everything that waits is confirmed at once for that one cause. If they have it, it is many
//! repositories and not all: each is confirmed by its own next check, but they belong together. If nobody can say,
//! the canaries are asked again. An end is found in the same way: when one of many gets access back, canaries among
//! the others tell whether the cause is gone.
//!
//! Only counts and decides; who the canaries are, and asking them, is the judge's.

use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

use tokio::time::Instant;

use crate::config;
use crate::verdict::{Reason, Verdict};

/// How many are asked before something is believed of all.
pub(super) const CANARIES: usize = 3;
/// How often others are asked when nobody can say.
const MOST_ROUNDS: u32 = 3;
/// Observations that are remembered; what they show does not get clearer with more.
const MOST_REMEMBERED: usize = 1000;

/// The breaker of one integration.
#[derive(Default)]
pub(super) struct Breaker {
    /// Checks of repositories with access, the last one of each: when, and whether they denied it.
    recent: VecDeque<(Instant, usize, bool)>,
    inquiry: Option<Inquiry>,
    /// How often canaries were asked since something was found out.
    round: u32,
    /// Until when losses that are confirmed belong together.
    together_until: Option<Instant>,
    /// No inquiry into losses before that, since what the last one was about is settled.
    losses_after: Option<Instant>,
    /// No inquiry into a recovery before that, since the last one found none. A loss that was just found out says
    /// nothing about how soon it is over.
    recoveries_after: Option<Instant>,
}

/// Canaries that are being asked.
pub(super) struct Inquiry {
    pub(super) about: About,
    /// Each with whether a check of it was under way: what that finds was seen before anybody asked.
    asked: Vec<(usize, bool)>,
    answers: Vec<Reason>,
}

/// What the canaries are asked about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum About {
    /// Whether the whole integration has lost access.
    Loss,
    /// Whether the cause of the incident with this fingerprint is gone.
    Recovery(String),
}

/// What the canaries said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Finding {
    /// All were denied, most of them for this reason.
    AllDenied(Reason),
    /// At least one still has access, and some may not.
    SomeGranted,
    /// All have access.
    AllGranted,
    /// Nobody could say.
    Unclear,
}

impl Breaker {
    /// A repository that had access was checked and gave a clear answer. True if that makes too many losses among the
    /// latest answers, however many of these are looked at: the good ones of before must not hide what begins now.
    pub(super) fn observe(
        &mut self,
        index: usize,
        lost: bool,
        now: Instant,
        settings: &config::Breaker,
    ) -> bool {
        // One repository that flaps is not many.
        self.recent.retain(|(_, other, _)| *other != index);
        self.recent.push_back((now, index, lost));
        let window = settings.window.get();
        while self.recent.len() > MOST_REMEMBERED
            || self.recent.front().is_some_and(|(at, ..)| now.duration_since(*at) > window)
        {
            self.recent.pop_front();
        }
        lost && self.are_too_many(settings) && self.may_ask(&About::Loss, now)
    }

    fn are_too_many(&self, settings: &config::Breaker) -> bool {
        let latest = self.recent.iter().rev().zip(1_usize..);
        let counted = latest.scan(0_usize, |losses, ((.., lost), answers)| {
            *losses += usize::from(*lost);
            Some((*losses, answers))
        });
        let (minimum, share) = (settings.minimum as usize, usize::from(settings.share_percent));
        counted.into_iter().any(|(losses, answers)| losses >= minimum && losses * 100 >= answers * share)
    }

    /// Whether an inquiry could begin.
    pub(super) fn may_ask(&self, about: &About, now: Instant) -> bool {
        let after = match about {
            About::Loss => self.losses_after,
            About::Recovery(_) => self.recoveries_after,
        };
        self.inquiry.is_none() && after.is_none_or(|after| after <= now)
    }

    /// How often canaries were asked since something was found out.
    pub(super) fn round(&self) -> u32 {
        self.round
    }

    /// Whether others may be asked, since nobody could say. A forge that answers neither way must not keep losses
    /// from being believed for ever.
    pub(super) fn may_ask_others(&self) -> bool {
        self.round < MOST_ROUNDS
    }

    /// Begins an inquiry of canaries, each with whether a check of it is under way.
    pub(super) fn ask(&mut self, about: About, canaries: Vec<(usize, bool)>) {
        self.round += 1;
        self.inquiry = Some(Inquiry { about, asked: canaries, answers: Vec::new() });
    }

    /// What is being asked about.
    pub(super) fn asking(&self) -> Option<&About> {
        self.inquiry.as_ref().map(|inquiry| &inquiry.about)
    }

    /// A canary's check has ended, as any other's may. When it was the last one: what it was about, and what was found.
    pub(super) fn answered(&mut self, index: usize, reason: Reason) -> Option<(About, Finding)> {
        let inquiry = self.inquiry.as_mut()?;
        let position = inquiry.asked.iter().position(|(asked, _)| *asked == index)?;
        if std::mem::take(&mut inquiry.asked[position].1) {
            return None;
        }
        inquiry.asked.swap_remove(position);
        inquiry.answers.push(reason);
        if !inquiry.asked.is_empty() {
            return None;
        }
        let inquiry = self.inquiry.take()?;
        Some((inquiry.about, finding(&inquiry.answers)))
    }

    /// Forgets what was seen: what it led to is settled. This is not asked about again before `quiet` is over.
    pub(super) fn settle(&mut self, about: &About, now: Instant, quiet: Duration) {
        self.recent.clear();
        self.round = 0;
        let after = match about {
            About::Loss => &mut self.losses_after,
            About::Recovery(_) => &mut self.recoveries_after,
        };
        *after = Some(now + quiet);
    }

    /// Goes on with the same integration in another world, where repositories have other indices: canaries are not
    /// waited for, and what they were asked about belongs together until `until`.
    pub(super) fn carried(self, until: Instant) -> Self {
        let was_asking = self.inquiry.is_some();
        let together_until = if was_asking { Some(until) } else { self.together_until };
        Self { recent: VecDeque::new(), inquiry: None, round: 0, together_until, ..self }
    }

    /// From now on and for a while, confirmed losses belong together.
    pub(super) fn gather(&mut self, until: Instant) {
        self.together_until = Some(until);
    }

    /// Whether a loss that is confirmed now belongs to the others.
    pub(super) fn gathers(&self, now: Instant) -> bool {
        self.together_until.is_some_and(|until| now < until)
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AllDenied(reason) => write!(f, "all are denied access ({})", reason.as_str()),
            Self::SomeGranted => f.write_str("some have access"),
            Self::AllGranted => f.write_str("all have access"),
            Self::Unclear => f.write_str("nobody can say"),
        }
    }
}

fn finding(answers: &[Reason]) -> Finding {
    let count = |verdict| answers.iter().filter(|reason| reason.verdict() == verdict).count();
    let (granted, denied) = (count(Verdict::Granted), count(Verdict::Denied));
    let commonest = answers
        .iter()
        .filter(|reason| reason.verdict() == Verdict::Denied)
        .max_by_key(|reason| answers.iter().filter(|other| other == reason).count());
    match commonest {
        _ if granted == answers.len() && granted > 0 => Finding::AllGranted,
        _ if granted > 0 => Finding::SomeGranted,
        // One that could not say does not speak against those that could.
        Some(reason) if denied * 2 > answers.len() => Finding::AllDenied(*reason),
        _ => Finding::Unclear,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Reason::{Granted, NotFound, Unauthorized, Unreachable};

    fn settings() -> config::Breaker {
        config::Breaker::default()
    }

    #[test]
    fn many_losses_among_few_checks_are_too_many() {
        let (mut breaker, now) = (Breaker::default(), Instant::now());
        let tripped: Vec<bool> = (0..6).map(|n| breaker.observe(n, true, now, &settings())).collect();
        assert_eq!(tripped, [false, false, false, false, true, true]);
    }

    #[test]
    fn losses_among_many_good_checks_are_not() {
        let (mut breaker, now) = (Breaker::default(), Instant::now());
        for n in 0..300 {
            assert!(!breaker.observe(n, n % 3 == 0, now, &settings()), "{n}");
        }
    }

    #[test]
    fn good_checks_of_before_do_not_hide_a_loss() {
        let (mut breaker, now) = (Breaker::default(), Instant::now());
        assert!(!(0..300).any(|n| breaker.observe(n + 1000, false, now, &settings())));
        let tripped: Vec<bool> = (0..5).map(|n| breaker.observe(n, true, now, &settings())).collect();
        assert_eq!(tripped, [false, false, false, false, true]);
    }

    #[test]
    fn one_repository_that_flaps_is_not_many() {
        let (mut breaker, now) = (Breaker::default(), Instant::now());
        assert!(!(0..100).any(|n| breaker.observe(7, n % 2 == 0, now, &settings())));
    }

    #[test]
    fn nobody_is_asked_for_ever() {
        let mut breaker = Breaker::default();
        for _ in 0..MOST_ROUNDS {
            assert!(breaker.may_ask_others());
            breaker.ask(About::Loss, vec![(1, false)]);
            assert!(breaker.answered(1, Unreachable).is_some());
        }
        assert!(!breaker.may_ask_others());
    }

    #[test]
    fn what_lies_back_does_not_count() {
        let (mut breaker, now) = (Breaker::default(), Instant::now());
        for n in 0..20 {
            let at = now + settings().window.get() / 3 * n;
            assert!(!breaker.observe(n as usize, true, at, &settings()), "{n}");
        }
    }

    #[test]
    fn canaries_are_heard_once_each_and_all_of_them() {
        let mut breaker = Breaker::default();
        breaker.ask(About::Loss, [7, 8, 9].map(|canary| (canary, false)).into());
        assert!(!breaker.may_ask(&About::Loss, Instant::now()));
        assert_eq!(breaker.answered(5, Granted), None);
        assert_eq!(breaker.answered(8, Unauthorized), None);
        assert_eq!(breaker.answered(8, Unauthorized), None);
        assert_eq!(breaker.answered(7, NotFound), None);
        let found = Finding::AllDenied(Unauthorized);
        assert_eq!(breaker.answered(9, Unauthorized), Some((About::Loss, found)));
        assert!(breaker.may_ask(&About::Loss, Instant::now()));
    }

    #[test]
    fn what_canaries_say() {
        assert_eq!(finding(&[Granted, Granted]), Finding::AllGranted);
        assert_eq!(finding(&[Granted, NotFound, NotFound]), Finding::SomeGranted);
        assert_eq!(finding(&[Granted, Unreachable]), Finding::SomeGranted);
        assert_eq!(finding(&[NotFound, NotFound, Unreachable]), Finding::AllDenied(NotFound));
        assert_eq!(finding(&[NotFound, Unreachable, Unreachable]), Finding::Unclear);
        assert_eq!(finding(&[Unreachable]), Finding::Unclear);
    }

    #[test]
    fn after_a_false_alarm_there_is_quiet() {
        let (mut breaker, now) = (Breaker::default(), Instant::now());
        breaker.settle(&About::Loss, now, Duration::from_secs(30));
        for n in 0..20 {
            assert!(!breaker.observe(n, true, now, &settings()));
        }
        assert!(breaker.observe(99, true, now + Duration::from_secs(30), &settings()));
    }

    #[test]
    fn a_loss_that_was_just_found_out_may_be_over_at_once() {
        let (mut breaker, now) = (Breaker::default(), Instant::now());
        breaker.settle(&About::Loss, now, Duration::from_secs(120));
        let recovery = About::Recovery("print".to_owned());
        assert!(breaker.may_ask(&recovery, now) && !breaker.may_ask(&About::Loss, now));
        breaker.settle(&recovery, now, Duration::from_secs(30));
        assert!(!breaker.may_ask(&recovery, now));
        assert!(breaker.may_ask(&recovery, now + Duration::from_secs(30)));
    }

    #[test]
    fn what_a_canary_saw_before_it_was_asked_is_no_answer() {
        let mut breaker = Breaker::default();
        breaker.ask(About::Loss, vec![(1, true), (2, false)]);
        for index in [1, 2] {
            assert_eq!(breaker.answered(index, Reason::Unauthorized), None);
        }
        assert_eq!(breaker.answered(1, Reason::Granted), Some((About::Loss, Finding::SomeGranted)));
    }
}
