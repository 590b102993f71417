//! Rests that grow with failures.

use std::time::Duration;

/// The rest after `failures` earlier ones: `first`, twice that, and so on up to `longest`.
pub(crate) fn doubled(first: Duration, failures: u32, longest: Duration) -> Duration {
    first.saturating_mul(1_u32.checked_shl(failures).unwrap_or(u32::MAX)).min(longest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rests_double_up_to_a_bound_whatever_the_count() {
        let [first, longest] = [1, 300].map(Duration::from_secs);
        for (failures, seconds) in [(0, 1), (1, 2), (8, 256), (9, 300), (31, 300), (32, 300), (u32::MAX, 300)]
        {
            assert_eq!(doubled(first, failures, longest), Duration::from_secs(seconds), "{failures}");
        }
    }
}
