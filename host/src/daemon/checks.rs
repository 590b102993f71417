//! The checks that the conductor starts: tasks that ask, and know nothing of what the answers mean.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::sync::mpsc::UnboundedSender;

use super::client::ClientOf;
use crate::prepare::World;
use crate::sweep::{Batch, CheckResult, Spans, Target};
use crate::text::printable;
use crate::verdict::{Outcome, Reason};

/// What is left to say when a check has ended, of one repository or of many.
pub(super) type Ended = Vec<Answer>;

/// What came of one repository's check.
pub(super) struct Answer {
    pub(super) asked: Asking,
    /// None where it has to be checked by itself.
    pub(super) result: Option<CheckResult>,
}

/// A repository in a check, as it was when the check began.
#[derive(Clone)]
pub(super) struct Asking {
    pub(super) world: Arc<World>,
    pub(super) index: usize,
    /// What the name stood for.
    pub(super) subject: u64,
    pub(super) client: Arc<ClientOf>,
}

impl Asking {
    pub(super) fn target(&self) -> &Target {
        &self.world.repositories[self.index].target
    }
}

/// Checks repositories, together if there are several. Ends in every case: a panic of the host's own is told like a
/// plugin's. What many get goes to `answers` as it comes, but for the first of them, with whom the check ends.
pub(super) async fn check(asked: Vec<Asking>, answers: UnboundedSender<Answer>) -> Ended {
    if asked.len() > 1 {
        return together(asked, &answers).await;
    }
    let mut answers = Vec::with_capacity(1);
    for asked in asked {
        let result = Some(alone(&asked).await);
        answers.push(Answer { asked, result });
    }
    answers
}

async fn together(asked: Vec<Asking>, answers: &UnboundedSender<Answer>) -> Ended {
    let mut open = vec![true; asked.len()];
    let mut own = None;
    if let Some(first) = asked.first()
        && let Some(means) = first.client.means()
    {
        let limit = first.world.check_timeout;
        let targets: Vec<&Target> = asked.iter().map(Asking::target).collect();
        let take = |place: usize, result| {
            open[place] = false;
            match place {
                0 => own = Some(result),
                // As many as are checked, and no more.
                _ => drop(answers.send(Answer { asked: asked[place].clone(), result: Some(result) })),
            }
        };
        let checks = async {
            let connected = first.client.get(limit).await;
            let integration = &first.client.integration;
            let batch = Batch { integration, connected: &connected, targets: &targets, limit };
            batch.check(means, take).await;
        };
        // What was answered until then counts.
        let _ = AssertUnwindSafe(checks).catch_unwind().await;
    }
    let left = asked.into_iter().zip(open).enumerate().filter(|(place, (_, open))| *place == 0 || *open);
    left.map(|(place, (asked, _))| Answer { asked, result: if place == 0 { own.take() } else { None } })
        .collect()
}

async fn alone(asked: &Asking) -> CheckResult {
    let (target, limit) = (asked.target(), asked.world.check_timeout);
    let check = target.check(asked.client.get(limit), limit);
    AssertUnwindSafe(check).catch_unwind().await.unwrap_or_else(|_| {
        let detail = "the check panicked, which is a fault of forgewatch: see its log, and report it";
        CheckResult {
            repository: target.name.clone(),
            integration: printable(&target.integration.name, 500).into_owned(),
            provider: target.integration.provider_key.clone(),
            base_url: String::new(),
            outcome: Outcome::new(Reason::PluginFailed, detail),
            checked_at: std::time::SystemTime::now(),
            duration: Duration::ZERO,
            requests: 0,
            spans: Spans::default(),
        }
    })
}
