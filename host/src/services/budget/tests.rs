use proptest::prelude::*;

use super::*;

const CORE: u64 = 1;
const SEARCH: u64 = 2;

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

fn told(name: &str, limit: u64, remaining: u64, resets_in: u64) -> Word {
    Word { name: name.to_owned(), limit: Some(limit), remaining, resets_in: seconds(resets_in), end: None }
}

/// What is known once a request was answered so.
fn after(word: &Word, now: Instant) -> Known {
    let mut known = Known::default();
    ask(&mut known, CORE, Some(word), 200, now);
    known
}

/// Sends a request that somebody waits for, and has it answered.
#[track_caller]
fn ask(known: &mut Known, kind: u64, word: Option<&Word>, status: u16, now: Instant) {
    let Taken::Yes(open) = known.take(kind, true, true, now) else { panic!("it may be sent") };
    known.close(&open, true);
    if let Some(word) = word {
        known.learn(&open, kind, word, status == 429, now);
    }
}

fn until(known: &mut Known, kind: u64, urgent: bool, now: Instant) -> Option<Instant> {
    match known.take(kind, urgent, true, now) {
        Taken::Yes(open) => {
            known.close(&open, true);
            None
        }
        Taken::Ahead => panic!("another request is ahead"),
        Taken::No(refusal) => Some(refusal.until),
    }
}

#[test]
fn a_tenth_is_kept_for_those_who_wait() {
    let kept: Vec<_> = [1, 9, 10, 19, 20, 60, 400, 5000, u64::MAX].map(reserve).into();
    assert_eq!(kept, [0, 0, 1, 1, 2, 6, 40, 500, u64::MAX / 10]);
    let now = Instant::now();
    let mut known = after(&told("core", 5000, 501, 60), now);
    assert_eq!(known.room(now), Room::Free);
    assert_eq!(until(&mut known, CORE, false, now), None);
    ask(&mut known, CORE, Some(&told("core", 5000, 500, 60)), 200, now);
    assert_eq!(known.room(now), Room::Until(now + seconds(60)));
    assert_eq!(until(&mut known, CORE, false, now), Some(now + seconds(60)));
    assert_eq!(until(&mut known, CORE, true, now), None);
    ask(&mut known, CORE, Some(&told("core", 5000, 0, 60)), 200, now);
    assert_eq!(until(&mut known, CORE, true, now), Some(now + seconds(60)));
}

#[test]
fn a_counter_that_is_used_up_holds_nobody_who_uses_another() {
    let now = Instant::now();
    let mut known = after(&told("core", 5000, 4000, 60), now);
    ask(&mut known, SEARCH, Some(&told("search", 30, 0, 30)), 200, now);
    assert_eq!(until(&mut known, SEARCH, true, now), Some(now + seconds(30)));
    assert_eq!(until(&mut known, CORE, false, now), None);
    // Of a third kind nobody knows.
    assert_eq!(until(&mut known, 3, false, now), None);
}

#[test]
fn a_rest_that_the_forge_asks_for_holds_everybody() {
    let now = Instant::now();
    let mut known = after(&told("core", 5000, 4000, 60), now);
    known.rest = Some(now + seconds(37));
    for kind in [CORE, SEARCH] {
        assert_eq!(until(&mut known, kind, true, now), Some(now + seconds(37)));
    }
    assert_eq!(known.room(now), Room::Until(now + seconds(37)));
    assert_eq!(known.room(now + seconds(37)), Room::Free);
}

#[test]
fn after_a_wait_one_request_goes_ahead_and_its_answer_decides() {
    let now = Instant::now();
    let mut known = after(&told("core", 60, 0, 30), now);
    let later = now + seconds(30);
    let Taken::Yes(open) = known.take(CORE, true, true, later) else { panic!("it may be sent") };
    assert!(matches!(known.take(CORE, true, true, later), Taken::Ahead));
    known.close(&open, true);
    known.learn(&open, CORE, &told("core", 60, 0, 20), true, later);
    assert_eq!(until(&mut known, CORE, true, later), Some(later + seconds(20)));
    let later = later + seconds(20);
    ask(&mut known, CORE, Some(&told("core", 60, 59, 3600)), 200, later);
    assert_eq!(until(&mut known, CORE, true, later), None);
}

#[test]
fn nobody_waits_for_a_request_that_had_no_answer() {
    let now = Instant::now();
    let mut known = Known::default();
    let Taken::Yes(open) = known.take(CORE, true, true, now) else { panic!("it may be sent") };
    assert!(matches!(known.take(CORE, true, true, now), Taken::Ahead));
    // Not for ever, either.
    assert!(matches!(known.take(CORE, true, false, now), Taken::Yes(_)));
    known.close(&open, false);
    assert!(matches!(known.take(CORE, true, true, now), Taken::Yes(_)));
}

#[test]
fn answers_out_of_order_do_not_bring_back_what_is_used() {
    let now = Instant::now();
    let mut known = after(&told("core", 60, 50, 60), now);
    let mut send = || match known.take(CORE, true, true, now) {
        Taken::Yes(open) => open,
        _ => panic!("it may be sent"),
    };
    let (first, second) = (send(), send());
    known.close(&second, true);
    known.learn(&second, CORE, &told("core", 60, 48, 60), false, now);
    known.close(&first, true);
    known.learn(&first, CORE, &told("core", 60, 49, 60), false, now);
    assert_eq!(known.counters["core"].left, Some(48));
    // One that was sent later knows more: a sliding window gives back what lies far enough behind.
    ask(&mut known, CORE, Some(&told("core", 60, 55, 60)), 200, now);
    assert_eq!(known.counters["core"].left, Some(55));
}

#[test]
fn an_answer_without_a_word_about_limits_means_nothing() {
    let now = Instant::now();
    let mut known = after(&told("", 200, 30, 60), now);
    for _ in 0..100 {
        ask(&mut known, CORE, None, 200, now);
    }
    assert_eq!(known.counters[""].left, Some(30));
    // Nor once the window is over, of which the forge tells no more.
    for _ in 0..1000 {
        ask(&mut known, CORE, None, 200, now + seconds(61));
    }
    assert_eq!(known.room(now + seconds(61)), Room::Free);
}

#[test]
fn a_counter_that_contradicts_itself_stops_nobody_for_ever() {
    let mut now = Instant::now();
    let nothing = told("core", 60, 0, 3900);
    let mut known = after(&nothing, now);
    for _ in 0..MOST_CONTRADICTIONS - 1 {
        assert_eq!(until(&mut known, CORE, true, now), Some(now + told::LONGEST_WAIT));
        now += told::LONGEST_WAIT;
        // Nothing is left, it says, and answers all the same.
        ask(&mut known, CORE, Some(&nothing), 200, now);
    }
    assert_eq!((until(&mut known, CORE, false, now), known.room(now)), (None, Room::Free));
    // Until it refuses.
    ask(&mut known, CORE, Some(&nothing), 429, now);
    assert_eq!(until(&mut known, CORE, true, now), Some(now + told::LONGEST_WAIT));
}

#[test]
fn a_limit_of_one_is_no_contradiction() {
    let mut now = Instant::now();
    let word = told("core", 1, 0, 10);
    let mut known = after(&word, now);
    for _ in 0..10 {
        assert_eq!(until(&mut known, CORE, true, now), Some(now + seconds(10)));
        now += seconds(10);
        ask(&mut known, CORE, Some(&word), 200, now);
    }
}

#[test]
fn checks_that_have_begun_count_before_they_ask() {
    let (budget, now) = (Arc::new(Budget::default()), Instant::now());
    *budget.known() = after(&told("core", 10, 3, 60), now);
    let first = budget.begin();
    assert_eq!(budget.room(now), Room::Free);
    let second = budget.begin();
    assert_eq!(budget.room(now), Room::Taken);
    drop((first, second));
    assert_eq!(budget.room(now), Room::Free);
}

#[test]
fn what_is_remembered_is_bounded() {
    let now = Instant::now();
    let mut known = Known::default();
    for n in 0..1000 {
        ask(&mut known, n, Some(&told(&format!("counter-{n}"), 60, 50, 60)), 200, now);
    }
    assert!(known.counters.len() <= MOST_REMEMBERED && known.counted_by.len() <= MOST_REMEMBERED);
}

#[test]
fn kinds_of_requests() {
    let of = |path: &str| kind(&Url::parse(&format!("https://forge.example{path}")).unwrap());
    assert_eq!(of("/repos/acme/shop"), of("/repos/other/web?page=2"));
    assert_ne!(of("/repos/acme/shop"), of("/search/repositories"));
    assert_ne!(of("/api/v4/projects"), of("/api/v4/projects/acme%2Fshop"));
}

/// A forge that counts in fixed windows, whose clock has whole seconds where it is told.
struct Forge {
    limit: u64,
    window_ms: u64,
    /// Of this machine's zero, by the forge's clock.
    ahead_ms: u64,
    used: u64,
    window: u64,
}

impl Forge {
    /// Counts a request at this time; what its answer says.
    fn count(&mut self, now_ms: u64) -> Word {
        let now_ms = self.ahead_ms + now_ms;
        let window = now_ms / self.window_ms;
        if window != self.window {
            (self.window, self.used) = (window, 0);
        }
        self.used += 1;
        assert!(self.used <= self.limit, "a request too many");
        let end = ((window + 1) * self.window_ms).div_ceil(1000);
        Word {
            name: "core".to_owned(),
            limit: Some(self.limit),
            remaining: self.limit - self.used,
            resets_in: seconds(end - now_ms / 1000).max(seconds(1)),
            end: Some(end),
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Send {
        urgent: bool,
    },
    /// The forge counts one of the requests that are on their way to it.
    Count(usize),
    /// One of the answers arrives.
    Arrive(usize),
    /// One of the answers does not.
    Lose(usize),
    Pass(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => any::<bool>().prop_map(|urgent| Step::Send { urgent }),
        3 => (0_usize..100).prop_map(Step::Count),
        3 => (0_usize..100).prop_map(Step::Arrive),
        1 => (0_usize..100).prop_map(Step::Lose),
        1 => (0_u64..4000).prop_map(Step::Pass),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    /// Whatever is sent at once, counted and answered in whatever order: the forge never counts more than it allows.
    #[test]
    fn never_more_than_was_told(
        limit in 1_u64..30,
        window_s in 4_u64..12,
        ahead_ms in 0_u64..100_000,
        steps in prop::collection::vec(step(), 1..400),
    ) {
        let mut forge = Forge { limit, window_ms: window_s * 1000, ahead_ms, used: 0, window: 0 };
        let (mut known, start, mut now_ms) = (Known::default(), Instant::now(), 0);
        let (mut under_way, mut answers) = (Vec::new(), Vec::new());
        for step in steps {
            let now = start + Duration::from_millis(now_ms);
            match step {
                Step::Send { urgent } => {
                    if let Taken::Yes(open) = known.take(CORE, urgent, true, now) {
                        under_way.push(open);
                    }
                }
                Step::Count(nth) if !under_way.is_empty() => {
                    let open = under_way.swap_remove(nth % under_way.len());
                    answers.push((open, forge.count(now_ms)));
                }
                Step::Arrive(nth) | Step::Lose(nth) if !answers.is_empty() => {
                    let (open, word) = answers.swap_remove(nth % answers.len());
                    // Who has nothing to go by cannot but ask.
                    let is_known = known.counters.get("core").is_some_and(|counter| !counter.is_assumed);
                    let is_lost = matches!(step, Step::Lose(_)) && is_known;
                    known.turn(now);
                    known.close(&open, !is_lost);
                    if !is_lost {
                        known.learn(&open, CORE, &word, false, now);
                    }
                }
                Step::Pass(ms) => now_ms += ms,
                _ => {}
            }
        }
    }
}
