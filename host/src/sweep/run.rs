//! Running a sweep: a fixed number of workers take repositories off one list.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{OnceCell, mpsc};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::check::{CheckResult, Connected, Target};
use crate::verdict::Verdict;

/// A list of repositories and the limits within which to check them.
pub struct Sweep {
    /// What to check.
    pub targets: Vec<Target>,
    /// How many checks run at once, at least one.
    pub concurrency: usize,
    /// How long each may take.
    pub check_timeout: Duration,
}

/// How many results there are of each verdict.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Summary {
    /// All of them.
    pub total: usize,
    /// With access.
    pub granted: usize,
    /// Without.
    pub denied: usize,
    /// Nobody could say.
    pub indeterminate: usize,
}

impl Summary {
    /// Counts results.
    pub fn of(results: &[CheckResult]) -> Self {
        let mut summary = Self { total: results.len(), ..Self::default() };
        for result in results {
            match result.outcome.reason.verdict() {
                Verdict::Granted => summary.granted += 1,
                Verdict::Denied => summary.denied += 1,
                Verdict::Indeterminate => summary.indeterminate += 1,
            }
        }
        summary
    }
}

struct Shared {
    sweep: Sweep,
    next: AtomicUsize,
    /// By integration name.
    clients: HashMap<String, OnceCell<Connected>>,
    cancelled: CancellationToken,
}

impl Sweep {
    /// Checks everything, calling `each` with every result as it ends, and gives all results in name order.
    ///
    /// When `cancelled` is triggered, running checks are dropped and what has ended is given back.
    pub async fn run(
        self,
        cancelled: CancellationToken,
        mut each: impl FnMut(&CheckResult),
    ) -> Vec<CheckResult> {
        let workers = self.concurrency.min(self.targets.len()).max(1);
        let names = self.targets.iter().map(|target| target.integration.name.clone());
        let clients = names.map(|name| (name, OnceCell::new())).collect();
        let mut results = Vec::with_capacity(self.targets.len());
        let shared = Arc::new(Shared { sweep: self, next: AtomicUsize::new(0), clients, cancelled });
        let (sender, mut receiver) = mpsc::channel(workers * 2);
        let mut tasks = JoinSet::new();
        for _ in 0..workers {
            tasks.spawn(work(Arc::clone(&shared), sender.clone()));
        }
        drop(sender);
        while let Some(result) = receiver.recv().await {
            each(&result);
            results.push(result);
        }
        results.sort_by(|one, other| one.repository.cmp(&other.repository));
        results
    }
}

async fn work(shared: Arc<Shared>, results: mpsc::Sender<CheckResult>) {
    let next = || shared.sweep.targets.get(shared.next.fetch_add(1, Ordering::Relaxed));
    while let Some(target) = next() {
        let check = check(&shared, target);
        let Some(result) = shared.cancelled.run_until_cancelled(check).await else {
            return;
        };
        if results.send(result).await.is_err() {
            return;
        }
    }
}

async fn check(shared: &Shared, target: &Target) -> CheckResult {
    let limit = shared.sweep.check_timeout;
    let integration = &target.integration;
    let client = &shared.clients[&integration.name];
    target.check(client.get_or_init(|| integration.connect(limit)), limit).await
}
