//! Running a sweep: a fixed number of workers take work off one list, and may put more on it.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, OnceCell, mpsc};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::batch::{Batch, Means};
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
    list: List,
    /// By integration name.
    clients: HashMap<String, OnceCell<Connected>>,
    cancelled: CancellationToken,
}

/// Something to do, by places among the targets.
enum Work {
    /// All of one integration: how is not known yet.
    Integration(Vec<usize>),
    /// To be checked together.
    Together(Means, Vec<usize>),
    /// To be checked by itself.
    Alone(usize),
}

/// What there is to do, and how much of it is not done.
struct List {
    state: Mutex<(VecDeque<Work>, usize)>,
    changed: Notify,
}

impl List {
    fn new(work: VecDeque<Work>) -> Self {
        let open = work.len();
        Self { state: Mutex::new((work, open)), changed: Notify::new() }
    }

    /// The next piece; none once everything is done.
    async fn next(&self) -> Option<Work> {
        loop {
            let changed = self.changed.notified();
            {
                let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some(work) = state.0.pop_front() {
                    return Some(work);
                }
                if state.1 == 0 {
                    return None;
                }
            }
            changed.await;
        }
    }

    /// A piece is done, and has left this.
    fn done(&self, left: impl IntoIterator<Item = Work>) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let before = state.0.len();
        state.0.extend(left);
        state.1 = state.1 + state.0.len() - before - 1;
        let is_news = state.0.len() > before || state.1 == 0;
        drop(state);
        if is_news {
            self.changed.notify_waiters();
        }
    }
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
        let list = List::new(self.first_work());
        let shared = Arc::new(Shared { sweep: self, list, clients, cancelled });
        let (sender, mut receiver) = mpsc::unbounded_channel();
        let mut tasks = JoinSet::new();
        for _ in 0..workers {
            tasks.spawn(work(Arc::clone(&shared), sender.clone()));
        }
        drop(sender);
        // As many as there are targets, and no more.
        while let Some(result) = receiver.recv().await {
            each(&result);
            results.push(result);
        }
        results.sort_by(|one, other| one.repository.cmp(&other.repository));
        results
    }

    /// The list's order, in which those of one integration that can be checked together stand where the first of them does.
    fn first_work(&self) -> VecDeque<Work> {
        let mut places: HashMap<&str, Vec<usize>> = HashMap::new();
        for (place, target) in self.targets.iter().enumerate().filter(|(_, it)| it.integration.batches) {
            places.entry(&target.integration.name).or_default().push(place);
        }
        places.retain(|_, places| places.len() > 1);
        let together: HashSet<&str> = places.keys().copied().collect();
        let work = self.targets.iter().enumerate().filter_map(|(place, target)| {
            let name = target.integration.name.as_str();
            if together.contains(name) {
                places.remove(name).map(Work::Integration)
            } else {
                Some(Work::Alone(place))
            }
        });
        work.collect()
    }
}

async fn work(shared: Arc<Shared>, results: mpsc::UnboundedSender<CheckResult>) {
    let next = async || {
        let work = shared.list.next().await?;
        Some(shared.carry_out(work, &results).await)
    };
    while let Some(Some(left)) = shared.cancelled.run_until_cancelled(next()).await {
        shared.list.done(left);
    }
}

impl Shared {
    /// Does a piece of work; what is left of it.
    async fn carry_out(&self, work: Work, results: &mpsc::UnboundedSender<CheckResult>) -> Vec<Work> {
        match work {
            Work::Integration(places) => self.divide(places).await,
            Work::Together(means, places) => self.check_together(means, &places, results).await,
            Work::Alone(place) => {
                // Whoever does not receive it has no use for it.
                let _ = results.send(self.check(place).await);
                Vec::new()
            }
        }
    }

    /// Takes an integration's repositories apart into what is checked together and what is not.
    async fn divide(&self, places: Vec<usize>) -> Vec<Work> {
        let target = |place: usize| &self.sweep.targets[place];
        let integration = &target(places[0]).integration;
        let means = Means::of(integration, self.client(places[0]).await).await;
        let mut groups: BTreeMap<Option<&str>, Vec<usize>> = BTreeMap::new();
        let mut work = Vec::new();
        for place in places {
            match &target(place).repository {
                Ok(repository) if means == Means::Project => {
                    groups.entry(repository.project()).or_default().push(place);
                }
                Ok(_) if means == Means::Listing => groups.entry(None).or_default().push(place),
                _ => work.push(Work::Alone(place)),
            }
        }
        for group in groups.into_values() {
            for group in group.chunks(means.most()) {
                if group.len() < means.fewest() {
                    work.extend(group.iter().copied().map(Work::Alone));
                } else {
                    work.push(Work::Together(means, group.to_vec()));
                }
            }
        }
        work
    }

    async fn check_together(
        &self,
        means: Means,
        places: &[usize],
        results: &mpsc::UnboundedSender<CheckResult>,
    ) -> Vec<Work> {
        let targets: Vec<&Target> = places.iter().map(|place| &self.sweep.targets[*place]).collect();
        let batch = Batch {
            integration: &targets[0].integration,
            connected: self.client(places[0]).await,
            targets: &targets,
            limit: self.sweep.check_timeout,
        };
        let mut is_open = vec![true; places.len()];
        batch
            .check(means, |place, result| {
                is_open[place] = false;
                let _ = results.send(result);
            })
            .await;
        let open = places.iter().zip(is_open).filter(|(_, is_open)| *is_open);
        open.map(|(place, _)| Work::Alone(*place)).collect()
    }

    async fn check(&self, place: usize) -> CheckResult {
        self.sweep.targets[place].check(self.client(place), self.sweep.check_timeout).await
    }

    async fn client(&self, place: usize) -> &Connected {
        let integration = &self.sweep.targets[place].integration;
        let client = &self.clients[&integration.name];
        client.get_or_init(|| integration.connect(self.sweep.check_timeout)).await
    }
}
