//! When identities are asked about: once their integration's client is there, and every hour from then on.
//!
//! One is asked about at a time, beside the checks and never in their place: no incident comes of it, a forge that wants
//! a rest has it, and a plugin that has no way to ask is not called again before another build of it runs.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};
use tokio_util::task::TaskTracker;

use super::client::ClientOf;
use super::gate::Gate;
use super::timing::Phase;
use crate::services::call;
use crate::sweep::{Probe, Probed};
use crate::verdict::Moment;

/// Each integration has a place of its own in it, by its name.
const INTERVAL: Duration = Duration::from_secs(60 * 60);

/// When one integration's identity is asked about next.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// None until its client has been made.
    due: Option<Instant>,
    /// How often the plugin had been replaced when it was found to have no way to ask.
    cannot_at: Option<u64>,
}

/// The question under way, if there is one.
#[derive(Default)]
pub(super) struct Probes(JoinSet<Told>);

/// What came of a question.
pub(super) struct Told {
    pub(super) client: Arc<ClientOf>,
    replacements: u64,
    probe: Probe,
}

impl Plan {
    /// Its client may be there now.
    pub(super) fn look(&mut self, client: &ClientOf, now: Instant) {
        let has_identity = || client.integration.services.default_identity().is_some();
        if self.due.is_none() && client.is_made() && has_identity() {
            self.due = Some(now);
        }
    }

    /// When to wake up for it.
    pub(super) fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Whether to ask now. Otherwise it is put off.
    fn begins(&mut self, client: &ClientOf, gate: &Gate, now: Instant) -> bool {
        if self.due.is_none_or(|due| due > now) {
            return false;
        }
        if let Some(until) = gate.held_until().filter(|until| *until > now) {
            self.due = Some(until);
            return false;
        }
        let phase = Phase::of(&client.integration.name);
        self.due = Some(now + phase.next(Moment::now(), INTERVAL, INTERVAL / 2));
        self.cannot_at != Some(client.integration.provider.replacements())
    }

    /// Takes in what came of asking, and gives what is news.
    pub(super) fn told(&mut self, told: Told) -> Option<Probed> {
        self.cannot_at = (told.probe == Probe::Unsupported).then_some(told.replacements);
        match told.probe {
            Probe::Said(probed) => Some(probed),
            Probe::Silent | Probe::Unsupported => None,
        }
    }
}

impl Probes {
    /// When the first of these is due, none while one is under way: its end wakes whoever waits for it.
    pub(super) fn wake<'a>(&self, plans: impl Iterator<Item = &'a Plan>) -> Option<Instant> {
        if self.0.is_empty() { plans.filter_map(Plan::due).min() } else { None }
    }

    /// Begins the next question that is due, with none under way.
    pub(super) fn start<'a>(
        &mut self,
        integrations: impl Iterator<Item = (&'a mut Plan, &'a Arc<ClientOf>, &'a Gate)>,
        limit: Duration,
        tracker: &TaskTracker,
    ) {
        let now = Instant::now();
        for (plan, client, gate) in integrations {
            if plan.begins(client, gate, now) {
                let ask = call::unattended(ask(Arc::clone(client), limit));
                self.0.spawn(tracker.track_future(ask));
                return;
            }
        }
    }

    /// What has come of a question, none while none is under way.
    pub(super) async fn next(&mut self) -> Option<Told> {
        // Nobody aborts it, and it cannot panic.
        self.0.join_next().await?.ok()
    }
}

/// Asks. Ends within `limit`, whatever a plugin does.
async fn ask(client: Arc<ClientOf>, limit: Duration) -> Told {
    let replacements = client.integration.provider.replacements();
    let asked = async {
        match &*client.get(limit).await {
            Ok(connected) => client.integration.probe(connected, limit).await,
            Err(_) => Probe::Silent,
        }
    };
    let asked = AssertUnwindSafe(timeout(limit, asked)).catch_unwind().await;
    let probe = asked.ok().and_then(Result::ok).unwrap_or(Probe::Silent);
    Told { client, replacements, probe }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::daemon::fake;
    use crate::verdict::{Outcome, Reason};

    fn client() -> Arc<ClientOf> {
        let world = fake::world([]);
        let integration = Arc::clone(&world.integrations["acme"]);
        Arc::new(ClientOf::new(integration))
    }

    fn told(client: &Arc<ClientOf>, probe: Probe) -> Told {
        Told { client: Arc::clone(client), replacements: 0, probe }
    }

    #[tokio::test(start_paused = true)]
    async fn an_identity_is_asked_about_every_hour_and_not_before_its_client_is_there() {
        let (client, mut plan, gate, start) = (client(), Plan::default(), Gate::default(), Instant::now());
        client.get(Duration::from_secs(1)).await;
        plan.look(&client, start);
        assert!(plan.due().is_none() && !plan.begins(&client, &gate, start), "there is no client");
        plan.due = Some(start);
        assert!(plan.begins(&client, &gate, start));
        let next = plan.due().unwrap();
        assert!((INTERVAL / 2..=INTERVAL * 3 / 2).contains(&(next - start)), "{:?}", next - start);
        assert!(!plan.begins(&client, &gate, start + INTERVAL / 4));
        assert!(plan.begins(&client, &gate, next));
    }

    #[tokio::test(start_paused = true)]
    async fn a_plugin_without_a_way_to_ask_is_left_alone_and_a_silent_forge_is_not() {
        let (client, mut plan, gate) = (client(), Plan::default(), Gate::default());
        let ask = |plan: &mut Plan| plan.begins(&client, &gate, plan.due().unwrap());
        plan.due = Some(Instant::now());
        assert!(ask(&mut plan));
        assert_eq!(plan.told(told(&client, Probe::Silent)), None);
        assert!(ask(&mut plan));
        let probed = Probed::default();
        assert_eq!(plan.told(told(&client, Probe::Said(probed.clone()))), Some(probed));
        assert!(ask(&mut plan));
        assert_eq!(plan.told(told(&client, Probe::Unsupported)), None);
        for _ in 0..3 {
            assert!(!ask(&mut plan));
        }
        // As after another build has taken the place of the plugin.
        plan.cannot_at = Some(7);
        assert!(ask(&mut plan));
    }

    #[tokio::test(start_paused = true)]
    async fn a_forge_that_rests_is_not_asked() {
        let (client, mut plan, mut gate, now) = (client(), Plan::default(), Gate::default(), Instant::now());
        let outcome = Outcome { retry_after_s: Some(90), ..Outcome::new(Reason::RateLimited, "") };
        gate.ended(&outcome, now);
        plan.due = Some(now);
        assert!(!plan.begins(&client, &gate, now));
        assert_eq!(plan.due(), gate.held_until());
        assert!(plan.begins(&client, &gate, gate.held_until().unwrap()));
    }
}
