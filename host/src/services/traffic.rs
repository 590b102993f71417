//! How many requests went to forges, and what came of them.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// The classes of answers; the last one is for requests without an answer.
const CLASSES: [&str; 6] = ["1xx", "2xx", "3xx", "4xx", "5xx", "error"];

/// Counts requests by provider. Cheap to clone; all clones count together.
#[derive(Clone, Debug, Default)]
pub struct Traffic {
    providers: Arc<Mutex<BTreeMap<String, Arc<Requests>>>>,
}

/// The requests to one provider's forges, repeated ones included.
#[derive(Debug, Default)]
pub(super) struct Requests([AtomicU64; CLASSES.len()]);

impl Traffic {
    /// The requests so far, by provider and class of status (`1xx` to `5xx`, and `error` for no answer).
    pub fn requests(&self) -> BTreeMap<String, Vec<(&'static str, u64)>> {
        let providers = self.providers.lock().unwrap_or_else(PoisonError::into_inner);
        let counts = |requests: &Requests| {
            CLASSES.into_iter().zip(requests.0.iter().map(|count| count.load(Ordering::Relaxed))).collect()
        };
        providers.iter().map(|(provider, requests)| (provider.clone(), counts(requests))).collect()
    }

    pub(super) fn of_provider(&self, provider: &str) -> Arc<Requests> {
        let mut providers = self.providers.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(providers.entry(provider.to_owned()).or_default())
    }
}

impl Requests {
    /// Counts one; without a status it had no answer.
    pub(super) fn ended(&self, status: Option<u16>) {
        let error = CLASSES.len() - 1;
        let class = status.map_or(error, |status| usize::from(status / 100).clamp(1, error) - 1);
        self.0[class].fetch_add(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_counted_by_provider_and_class() {
        let traffic = Traffic::default();
        for status in [Some(200), Some(204), Some(429), Some(503), Some(999), None] {
            traffic.clone().of_provider("a").ended(status);
        }
        traffic.of_provider("b").ended(Some(100));
        let expected = [("1xx", 0), ("2xx", 2), ("3xx", 0), ("4xx", 1), ("5xx", 2), ("error", 1)];
        assert_eq!(traffic.requests()["a"], expected);
        assert_eq!(traffic.requests()["b"][0], ("1xx", 1));
    }
}
