//! Counts by verdict as a bar: what share of the whole each one has.

use serde::Serialize;

/// Units of the whole bar.
const WHOLE: f64 = 1000.0;
/// So much is shown of what is there at all: three of a hundred thousand are what somebody looks for.
const LEAST: f64 = 12.0;

/// One verdict's part of the bar.
#[derive(Debug, PartialEq, Serialize)]
pub(super) struct Share {
    verdict: &'static str,
    count: usize,
    x: f64,
    width: f64,
}

/// The parts, denied first. Verdicts that no repository has are left out.
pub(super) fn shares(counts: [(&'static str, usize); 4]) -> Vec<Share> {
    let total: usize = counts.iter().map(|(_, count)| count).sum();
    let there = || counts.into_iter().filter(|(_, count)| *count > 0);
    let wanted = |count: usize| (count as f64 / total as f64 * WHOLE).max(LEAST);
    let too_much: f64 = there().map(|(_, count)| wanted(count)).sum();
    let mut x = 0.0;
    let shares = there().map(|(verdict, count)| {
        let width = wanted(count) / too_much * WHOLE;
        let share = Share { verdict, count, x: rounded(x), width: rounded(width) };
        x += width;
        share
    });
    shares.collect()
}

fn rounded(number: f64) -> f64 {
    (number * 10.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_fill_the_bar_and_the_smallest_is_seen() {
        let shares = shares([("denied", 3), ("indeterminate", 0), ("unknown", 0), ("granted", 99_997)]);
        let verdicts: Vec<_> = shares.iter().map(|share| (share.verdict, share.count)).collect();
        assert_eq!(verdicts, [("denied", 3), ("granted", 99_997)]);
        assert!(shares[0].width > 10.0, "{shares:?}");
        assert!((shares[1].x + shares[1].width - WHOLE).abs() < 0.5, "{shares:?}");
    }

    #[test]
    fn nothing_is_no_bar() {
        assert_eq!(shares([("denied", 0), ("indeterminate", 0), ("unknown", 0), ("granted", 0)]), []);
    }
}
