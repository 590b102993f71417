//! What an answer's headers say of limits, in every spelling that forges have agreed upon. The numbers are a forge's
//! word: what makes no sense is left out, and nothing is waited for longer than [`LONGEST_WAIT`].

use std::time::{Duration, SystemTime};

use reqwest::header::{self, HeaderMap};

use crate::text::printable;

/// No limit has a longer window than an hour; the rest is for clocks and slow networks.
pub(super) const LONGEST_WAIT: Duration = Duration::from_secs(65 * 60);
/// What is waited where a limit is reached and its end is past or now: clocks have whole seconds.
const SHORTEST_WAIT: Duration = Duration::from_secs(1);
/// What is waited where a limit is reached and nobody says when it ends.
const USUAL_WAIT: Duration = Duration::from_secs(60);
/// A reset below that (in 2001) is a number of seconds; above, a Unix time.
const EARLIEST_TIME: f64 = 1e9;
/// More than any forge allows, and few enough to be counted exactly.
const MOST_REQUESTS: f64 = 1e12;
const LONGEST_NAME: usize = 64;

/// What an answer says of one of a forge's counters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Word {
    /// The counter's name; empty where the forge has but one.
    pub(super) name: String,
    /// How many requests it allows in a window of time.
    pub(super) limit: Option<u64>,
    /// How many of them are left.
    pub(super) remaining: u64,
    /// How long it is until all are there again.
    pub(super) resets_in: Duration,
    /// The same as a Unix time, where it was told so: one window has one end, however late an answer comes.
    pub(super) end: Option<u64>,
}

/// The parts of a word, as they are spelt.
struct Spelt<'a> {
    name: Option<&'a str>,
    limit: Option<&'a str>,
    remaining: &'a str,
    reset: Option<&'a str>,
}

/// What the headers say of a counter; `now` is for answers without a `Date`.
pub(super) fn word(headers: &HeaderMap, now: SystemTime) -> Option<Word> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    let spelt = ["x-ratelimit-", "ratelimit-"].into_iter().find_map(|prefix| {
        let of = |what: &str| text(&format!("{prefix}{what}"));
        let name = of("resource").or_else(|| of("name"));
        Some(Spelt { name, limit: of("limit"), remaining: of("remaining")?, reset: of("reset") })
    });
    let Spelt { name, limit, remaining, reset } = spelt.or_else(|| in_one(text("ratelimit")?))?;
    let limit = match limit.map(number) {
        // Switched off, or no number: then the rest means nothing either.
        Some(None) => return None,
        Some(Some(limit)) if limit < 1.0 => return None,
        Some(limit) => limit,
        None => None,
    };
    let remaining = number(remaining)?.clamp(0.0, limit.unwrap_or(MOST_REQUESTS));
    Some(Word {
        name: printable(name.unwrap_or_default(), LONGEST_NAME).into_owned(),
        limit: limit.map(|limit| limit as u64),
        // A part of a request is none.
        remaining: remaining as u64,
        end: reset.and_then(number).filter(|time| *time >= EARLIEST_TIME).map(|time| time as u64),
        resets_in: reset.map_or(USUAL_WAIT, |reset| resets_in(reset, forge_time(headers).unwrap_or(now))),
    })
}

/// All of it in one header, as drafts of the IETF had it: `limit=100, remaining=50, reset=30`.
fn in_one(text: &str) -> Option<Spelt<'_>> {
    let of = |wanted: &str| {
        let mut pairs = text.split([',', ';']).filter_map(|part| part.trim().split_once('='));
        pairs.find(|(name, _)| *name == wanted).map(|(_, value)| value)
    };
    Some(Spelt { name: None, limit: of("limit"), remaining: of("remaining")?, reset: of("reset") })
}

/// The `Retry-After` of an answer in seconds, between 1 s and 15 min; `None` when there is none to be read.
pub(in crate::services) fn retry_after_s(headers: &HeaderMap, now: SystemTime) -> Option<u64> {
    Some(retry_after(headers, now)?.clamp(1, 900))
}

/// The same as it was said, however long or short.
pub(in crate::services) fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<u64> {
    let text = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    let seconds = match text.bytes().all(|byte| byte.is_ascii_digit()) {
        true if text.is_empty() => return None,
        // More digits than fit are more than the cap, too.
        true => text.parse().unwrap_or(u64::MAX),
        false => {
            let at = httpdate::parse_http_date(text).ok()?;
            let wait = at.duration_since(forge_time(headers).unwrap_or(now)).unwrap_or_default();
            wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
        }
    };
    Some(seconds)
}

/// What time it is at the forge.
fn forge_time(headers: &HeaderMap) -> Option<SystemTime> {
    httpdate::parse_http_date(headers.get(header::DATE)?.to_str().ok()?.trim()).ok()
}

/// How long it is until a reset, by the clock that it was told by.
fn resets_in(text: &str, now: SystemTime) -> Duration {
    let since_1970 = |time: SystemTime| time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let wait = match number(text) {
        Some(seconds) if seconds < EARLIEST_TIME => seconds,
        Some(time) => time - since_1970(now).as_secs_f64(),
        None => match httpdate::parse_http_date(text) {
            Ok(time) => since_1970(time).as_secs_f64() - since_1970(now).as_secs_f64(),
            Err(_) => return USUAL_WAIT,
        },
    };
    let longest = LONGEST_WAIT.as_secs_f64();
    Duration::from_secs_f64(wait.clamp(0.0, longest)).max(SHORTEST_WAIT)
}

/// A number, whole or not; of a list, or one with parameters, the first.
fn number(text: &str) -> Option<f64> {
    let text = text.split([',', ';']).next()?.trim();
    let digits = text.strip_prefix('-').unwrap_or(text);
    // Words like `inf` are numbers to Rust.
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    text.parse::<f64>().ok().filter(|_| is_number).map(|number| number.min(MOST_REQUESTS))
}

#[cfg(test)]
mod tests {
    use reqwest::header::{HeaderName, HeaderValue};

    use super::*;

    /// Wed, 12 Feb 2025 09:20:00 GMT.
    const FORGE: u64 = 1_739_352_000;

    fn headers(lines: &str) -> HeaderMap {
        let pairs = lines.lines().filter_map(|line| line.trim().split_once(": "));
        let header = |(name, value): (&str, &str)| {
            (HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_str(value).unwrap())
        };
        pairs.map(header).collect()
    }

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    /// Name, limit, remaining and seconds until the reset.
    type Row<'a> = (&'a str, Option<(&'a str, Option<u64>, u64, u64)>);

    #[track_caller]
    fn check(rows: &[Row<'_>]) {
        for (lines, expected) in rows {
            let found = word(&headers(lines), at(FORGE));
            let found =
                found.as_ref().map(|it| (it.name.as_str(), it.limit, it.remaining, it.resets_in.as_secs()));
            assert_eq!(found, *expected, "{lines}");
        }
    }

    #[test]
    fn what_forges_say_is_understood() {
        check(&[
            (
                "date: Wed, 12 Feb 2025 09:20:00 GMT\nx-ratelimit-limit: 5000\nx-ratelimit-remaining: 4999\n\
                 x-ratelimit-reset: 1739353800\nx-ratelimit-used: 1\nx-ratelimit-resource: core",
                Some(("core", Some(5000), 4999, 1800)),
            ),
            (
                "date: Wed, 12 Feb 2025 09:20:00 GMT\nRateLimit-Limit: 400\nRateLimit-Name: throttle_authenticated_api\n\
                 RateLimit-Observed: 1\nRateLimit-Remaining: 399\nRateLimit-Reset: 1739352060",
                Some(("throttle_authenticated_api", Some(400), 399, 60)),
            ),
            (
                "Retry-After: 37\nX-RateLimit-Resource: AzureDevOps/ResourceUtilization/User\nX-RateLimit-Delay: 4.217\n\
                 X-RateLimit-Limit: 200\nX-RateLimit-Remaining: 0\nX-RateLimit-Reset: 1739352360",
                Some(("AzureDevOps/ResourceUtilization/User", Some(200), 0, 360)),
            ),
            (
                "x-ratelimit-limit: 200\nx-ratelimit-remaining: 12.75\nx-ratelimit-reset: 1739352001",
                Some(("", Some(200), 12, 1)),
            ),
            (
                "ratelimit-limit: 100, 100;w=60\nratelimit-remaining: 50\nratelimit-reset: 30",
                Some(("", Some(100), 50, 30)),
            ),
            ("RateLimit: limit=100, remaining=50, reset=30", Some(("", Some(100), 50, 30))),
            ("x-ratelimit-remaining: 41", Some(("", None, 41, 60))),
            ("content-type: application/json", None),
            ("x-ratelimit-limit: 5000", None),
        ]);
    }

    #[test]
    fn the_end_of_a_limit_goes_by_the_clock_of_the_forge() {
        let limit = "x-ratelimit-limit: 60\nx-ratelimit-remaining: 0\n";
        let told = |rest: &str| format!("{limit}{rest}");
        check(&[
            // Two hours behind this machine, and a day ahead of it.
            (
                &told("date: Wed, 12 Feb 2025 07:20:00 GMT\nx-ratelimit-reset: 1739344860"),
                Some(("", Some(60), 0, 60)),
            ),
            (
                &told("date: Thu, 13 Feb 2025 09:20:00 GMT\nx-ratelimit-reset: 1739438460"),
                Some(("", Some(60), 0, 60)),
            ),
            (&told("date: nonsense\nx-ratelimit-reset: 1739352060"), Some(("", Some(60), 0, 60))),
            (
                &told(
                    "date: Wed, 12 Feb 2025 09:20:00 GMT\nx-ratelimit-reset: Wed, 12 Feb 2025 09:21:00 GMT",
                ),
                Some(("", Some(60), 0, 60)),
            ),
        ]);
    }

    #[test]
    fn a_forge_that_lies_is_not_believed_beyond_measure() {
        check(&[
            // More than there is, less than nothing, nothing at all, and no numbers.
            (
                "x-ratelimit-limit: 60\nx-ratelimit-remaining: 5000\nx-ratelimit-reset: 1739352060",
                Some(("", Some(60), 60, 60)),
            ),
            (
                "x-ratelimit-limit: 60\nx-ratelimit-remaining: -3\nx-ratelimit-reset: 1739352060",
                Some(("", Some(60), 0, 60)),
            ),
            ("x-ratelimit-limit: -1\nx-ratelimit-remaining: -1", None),
            ("RateLimit-Limit: 0\nRateLimit-Remaining: 0\nRateLimit-Reset: 1739352060", None),
            ("x-ratelimit-limit: many\nx-ratelimit-remaining: 5", None),
            ("x-ratelimit-limit: 60\nx-ratelimit-remaining: NaN", None),
            ("x-ratelimit-limit: inf\nx-ratelimit-remaining: inf", None),
            ("x-ratelimit-limit: 60\nx-ratelimit-remaining: ", None),
            ("x-ratelimit-limit: 60\nx-ratelimit-remaining: 1.2.3", None),
            (
                "x-ratelimit-limit: 99999999999999999999999999\nx-ratelimit-remaining: 99999999999999999999999999",
                Some(("", Some(1_000_000_000_000), 1_000_000_000_000, 60)),
            ),
            // A reset that is past, in a year, at the end of time, and none.
            (
                "x-ratelimit-limit: 60\nx-ratelimit-remaining: 0\nx-ratelimit-reset: 1739352000",
                Some(("", Some(60), 0, 1)),
            ),
            (
                "x-ratelimit-limit: 60\nx-ratelimit-remaining: 0\nx-ratelimit-reset: 1139352000",
                Some(("", Some(60), 0, 1)),
            ),
            (
                "x-ratelimit-limit: 60\nx-ratelimit-remaining: 0\nx-ratelimit-reset: -5",
                Some(("", Some(60), 0, 1)),
            ),
            (
                "x-ratelimit-limit: 60\nx-ratelimit-remaining: 0\nx-ratelimit-reset: 1770888000",
                Some(("", Some(60), 0, 3900)),
            ),
            (
                "x-ratelimit-limit: 60\nx-ratelimit-remaining: 0\nx-ratelimit-reset: 9999999999999999999999",
                Some(("", Some(60), 0, 3900)),
            ),
            (
                "x-ratelimit-limit: 60\nx-ratelimit-remaining: 0\nx-ratelimit-reset: soon",
                Some(("", Some(60), 0, 60)),
            ),
            (
                "x-ratelimit-limit: 60\nx-ratelimit-remaining: 0\nx-ratelimit-reset: 86400",
                Some(("", Some(60), 0, 3900)),
            ),
        ]);
    }

    #[test]
    fn a_name_is_short_and_printable() {
        let lines = format!("x-ratelimit-remaining: 1\nx-ratelimit-resource: {}", "x".repeat(500));
        assert!(word(&headers(&lines), at(FORGE)).unwrap().name.chars().count() <= LONGEST_NAME);
    }

    #[test]
    fn retry_after_is_seconds_or_a_date_of_the_forge() {
        for (lines, expected) in [
            ("retry-after: 37", Some(37)),
            ("retry-after: 0", Some(1)),
            ("retry-after: 86400", Some(900)),
            ("retry-after: 99999999999999999999999999", Some(900)),
            ("retry-after: ", None),
            ("retry-after: -5", None),
            ("retry-after: soon", None),
            ("retry-after: Wed, 12 Feb 2025 09:20:37 GMT", Some(37)),
            // The forge is two hours behind.
            ("date: Wed, 12 Feb 2025 07:20:00 GMT\nretry-after: Wed, 12 Feb 2025 07:20:37 GMT", Some(37)),
            ("retry-after: Wed, 12 Feb 2025 07:20:37 GMT", Some(1)),
        ] {
            assert_eq!(retry_after_s(&headers(lines), at(FORGE)), expected, "{lines}");
        }
    }
}
