//! The one task that decides: which check starts, what its result means, what is written.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::allowance::Allowance;
use super::breaker::Breaker;
use super::checks::{Answer, Asking, Ended, check};
use super::client::ClientOf;
use super::gate::Gate;
use super::groups::Groups;
use super::handle::{Asked, Brought, Command, Shared};
use super::ledger::Ledger;
use super::probes::{Plan, Probes, Told};
use super::queue::Queue;
use super::settings::Settings;
use super::timing::CatchUp;
use crate::journal::{Journal, event};
use crate::metrics::Metrics;
use crate::prepare::World;
use crate::services::call;
use crate::state::Health;
use crate::sweep::Integration;
use crate::verdict::{Moment, Reason};

/// How often it is looked for repositories without a clear answer for long.
const LOOK_FOR_STALE: Duration = Duration::from_secs(10);

/// Answers that are taken in before somebody else has a turn.
const ANSWERS_AT_ONCE: usize = 500;

/// What the wall clock may drift between two looks without being taken for set.
const LARGEST_STEP_MS: u64 = 30_000;

/// The conductor.
pub(super) struct Conductor {
    pub(super) shared: Arc<Shared>,
    pub(super) settings: Settings,
    pub(super) queue: Queue,
    /// By lane.
    pub(super) integrations: Vec<InCharge>,
    pub(super) groups: Groups,
    pub(super) journal: Journal,
    pub(super) metrics: Metrics,
    checks: JoinSet<Ended>,
    probes: Probes,
    /// What comes of checks of many before they end.
    early: (mpsc::UnboundedSender<Answer>, mpsc::UnboundedReceiver<Answer>),
    /// What has come of checks, and was not looked at yet.
    answers: VecDeque<Answer>,
    /// The repositories of `checks` and `answers`, watched by now or not, and whether they ride along with another.
    in_flight: HashMap<String, bool>,
    /// Those of `in_flight` that had another name when their checks began, by that.
    renamed: HashMap<String, String>,
    /// The checks of the world as it is, so that it can be told when the last of them has ended.
    tracker: TaskTracker,
    commands: mpsc::Receiver<Command>,
    health: watch::Receiver<Health>,
    /// Both clocks when they were compared last.
    clocks: (Instant, Moment),
}

/// What the conductor keeps of an integration.
pub(super) struct InCharge {
    pub(super) client: Arc<ClientOf>,
    pub(super) breaker: Breaker,
    /// Fingerprint of the incident that canaries have found to be the whole integration's.
    pub(super) whole: Option<String>,
    /// What was seen of its forge's trouble at last, while checks rest for it.
    pub(super) trouble: Option<(Reason, String)>,
    probe: Plan,
}

impl InCharge {
    fn new(integration: Arc<Integration>) -> Self {
        let client = Arc::new(ClientOf::new(integration));
        Self { client, breaker: Breaker::default(), whole: None, trouble: None, probe: Plan::default() }
    }
}

impl Conductor {
    pub(super) fn new(
        shared: Arc<Shared>,
        settings: Settings,
        journal: Journal,
        metrics: Metrics,
        commands: mpsc::Receiver<Command>,
    ) -> Self {
        let health = journal.writer().health();
        let (now, limits) = (Instant::now(), settings.limits);
        let mut conductor = Self {
            shared,
            settings,
            queue: Queue::new(0, std::iter::empty(), limits, now),
            integrations: Vec::new(),
            groups: Groups::default(),
            journal,
            metrics,
            checks: JoinSet::new(),
            probes: Probes::default(),
            early: mpsc::unbounded_channel(),
            answers: VecDeque::new(),
            in_flight: HashMap::new(),
            renamed: HashMap::new(),
            tracker: TaskTracker::new(),
            commands,
            health,
            clocks: (now, Moment::now()),
        };
        conductor.take_over(None);
        conductor.close_abandoned_incidents();
        conductor.forget_unwatched();
        conductor.journal.submit();
        conductor
    }

    /// Forgets repositories that have not been watched for as long as events are kept.
    fn forget_unwatched(&mut self) {
        let limit = self.settings.retention.events;
        for name in self.shared.write().forget_unwatched(Moment::now(), limit) {
            self.journal.standing(&name, None);
        }
    }

    /// Conducts until it is told to stop, and then for as long as running checks take, at most the grace.
    pub(super) async fn run(mut self, stop: CancellationToken) {
        let mut look_for_stale = tokio::time::interval(LOOK_FOR_STALE);
        look_for_stale.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut reopened = self.health.borrow().reopened;
        loop {
            self.start_checks();
            self.start_probe();
            let now = Instant::now();
            let probe = self.probes.wake(self.integrations.iter().map(|it| &it.probe));
            let wake = self.queue.wake(now).into_iter().chain(probe).min().unwrap_or(now + LOOK_FOR_STALE);
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                Some(command) = self.commands.recv() => self.obey(command).await,
                () = std::future::ready(()), if !self.answers.is_empty() => self.take_answers(),
                Some(answer) = self.early.1.recv() => {
                    self.answers.push_back(answer);
                    self.take_answers();
                }
                Some(ended) = self.checks.join_next() => self.take_ended(ended),
                Some(told) = self.probes.next() => self.take_told(told),
                _ = look_for_stale.tick() => {
                    self.compare_clocks();
                    self.tell_stale();
                }
                Ok(()) = self.health.changed() => {
                    let now = self.health.borrow_and_update().reopened;
                    if std::mem::replace(&mut reopened, now) != now {
                        self.save_all();
                    }
                }
                () = sleep_until(wake) => {}
            }
        }
        self.finish().await;
    }

    /// A wall clock that was set makes nothing any older than it is.
    fn compare_clocks(&mut self) {
        let (before, then) = std::mem::replace(&mut self.clocks, (Instant::now(), Moment::now()));
        let (now, moment) = self.clocks;
        let ahead_ms = moment.unix_ms() - then.after(now.duration_since(before)).unix_ms();
        if ahead_ms.unsigned_abs() < LARGEST_STEP_MS {
            return;
        }
        tracing::warn!("the clock was set by {} s", ahead_ms / 1_000);
        let shared = Arc::clone(&self.shared);
        let mut ledger = shared.write();
        for entry in &mut ledger.entries {
            let since = &mut entry.standing.unclear_since;
            *since = since.map(|since| since.shifted(ahead_ms));
        }
        for standby in ledger.integrations.values_mut() {
            standby.trouble_since = standby.trouble_since.map(|since| since.shifted(ahead_ms));
        }
    }

    /// Takes in all that has ended by now, so that one commit and one look at the lock is enough for many.
    fn take_ended(&mut self, ended: Result<Ended, tokio::task::JoinError>) {
        let mut next = Some(ended);
        while let Some(ended) = next {
            // The check itself cannot panic, and nobody aborts it before the end.
            self.answers.extend(ended.into_iter().flatten());
            next = self.checks.try_join_next();
        }
        self.take_answers();
    }

    /// Takes in as many answers as nobody is held up by.
    fn take_answers(&mut self) {
        self.answers.extend(std::iter::from_fn(|| self.early.1.try_recv().ok()));
        let answers = self.answers.len().min(ANSWERS_AT_ONCE);
        for answer in self.answers.drain(..answers).collect::<Vec<_>>() {
            if answer.result.as_ref().is_some_and(|result| result.outcome.reason == Reason::PluginFailed) {
                answer.asked.client.forget();
            }
            self.take_in(&answer);
        }
        let shared = Arc::clone(&self.shared);
        self.show_lanes(&mut shared.write());
        self.journal.submit();
    }

    fn take_in(&mut self, answer: &Answer) {
        let shared = Arc::clone(&self.shared);
        let mut ledger = shared.write();
        let name = &answer.asked.target().name;
        // What was found may have another name by now.
        let renamed = self.renamed.remove(name);
        let name = renamed.as_ref().unwrap_or(name);
        self.in_flight.remove(name);
        // Watched no more.
        let Some(index) = ledger.index(name) else { return };
        let now = Instant::now();
        self.queue.ended(index, now);
        let lane = self.queue.lane_of(index);
        let InCharge { client, probe, .. } = &mut self.integrations[lane];
        probe.look(client, now);
        self.queue.lanes[lane].only_one = client.means().is_none();
        if ledger.entries[index].subject != answer.asked.subject || !Arc::ptr_eq(client, &answer.asked.client)
        {
            // By now the name stands for another repository, or another identity asks for it.
            self.queue.plan(index, now);
            return;
        }
        match &answer.result {
            Some(result) if result.outcome.held_back && !self.queue.was_urged(index) => {
                self.put_off(&mut ledger, index, &result.outcome, now);
            }
            Some(result) => self.judge(&mut ledger, index, result),
            None => self.queue.check_alone(index, now),
        }
    }

    /// Has the forge asked about an identity, if one is due.
    fn start_probe(&mut self) {
        let due = self.probes.wake(self.integrations.iter().map(|it| &it.probe));
        if due.is_none_or(|due| due > Instant::now()) {
            return;
        }
        let limit = self.shared.read().world.check_timeout;
        let integrations = self.integrations.iter_mut().zip(&self.queue.lanes);
        let integrations = integrations.map(|(it, lane)| (&mut it.probe, &it.client, &lane.gate));
        self.probes.start(integrations, limit, &self.tracker);
    }

    fn take_told(&mut self, told: Told) {
        let mut integrations = self.integrations.iter_mut();
        // Another identity may be used by now, or another forge.
        let Some(InCharge { client, probe, .. }) =
            integrations.find(|it| Arc::ptr_eq(&it.client, &told.client))
        else {
            return;
        };
        let Some(probed) = probe.told(told) else { return };
        if let Some(standby) = self.shared.write().integrations.get_mut(&client.integration.name) {
            let former = standby.identity.as_ref().map(|(_, probed)| &**probed);
            standby.identity = Some((Moment::now(), Arc::new(probed.or(former))));
        }
    }

    /// Waits for the checks that run, and takes in what they say.
    async fn finish(&mut self) {
        let left = self.checks.len();
        let deadline = Instant::now() + self.settings.stop_grace;
        if left > 0 {
            tracing::info!("stopping: {left} checks are still running");
        }
        while let Ok(Some(ended)) = tokio::time::timeout_at(deadline, self.checks.join_next()).await {
            self.take_ended(ended);
        }
        if !self.checks.is_empty() {
            tracing::warn!(
                "{} checks did not end within {}; they are made again after the next start",
                self.checks.len(),
                humantime::format_duration(self.settings.stop_grace)
            );
            self.checks.shutdown().await;
        }
        self.take_answers();
        while !self.answers.is_empty() {
            self.take_answers();
        }
        self.journal.save(event::generic("stopped", None, None, Moment::now(), serde_json::json!({})));
        self.journal.submit();
    }

    fn start_checks(&mut self) {
        let now = Instant::now();
        if self.queue.is_idle(now) {
            return;
        }
        let shared = Arc::clone(&self.shared);
        let mut ledger = shared.write();
        let world = Arc::clone(&ledger.world);
        while let Some((index, lag)) = self.queue.start(now) {
            self.metrics.started(lag);
            let riders = self.riders(&ledger, index, now);
            for index in &riders {
                self.queue.ride(*index);
            }
            let lane = self.queue.lane_of(index);
            let client = Arc::clone(&self.integrations[lane].client);
            let urged = self.queue.was_urged(index);
            let begun = self.queue.lanes[lane].allowance.begin();
            let asked = std::iter::once(index).chain(riders).map(|index| {
                let entry = &mut ledger.entries[index];
                entry.next_check = None;
                let (world, client) = (Arc::clone(&world), Arc::clone(&client));
                Asking { subject: entry.subject, world, index, client }
            });
            let asked: Vec<Asking> = asked.collect();
            for (place, asked) in asked.iter().enumerate() {
                self.in_flight.insert(asked.target().name.clone(), place > 0);
            }
            let check = check(asked, self.early.0.clone());
            let check = async move {
                let _begun = begun;
                if urged { check.await } else { call::unattended(check).await }
            };
            self.checks.spawn(self.tracker.track_future(check));
        }
        self.show_lanes(&mut ledger);
    }

    /// Shows in the ledger how the integrations do.
    pub(super) fn show_lanes(&self, ledger: &mut Ledger) {
        let (now, moment) = (Instant::now(), Moment::now());
        for (lane, standby) in self.queue.lanes.iter().zip(ledger.integrations.values_mut()) {
            standby.running = lane.running();
            standby.waiting = lane.waiting();
            let held = lane.held(now);
            standby.held_until = held.map(|(until, _)| moment.after(until.saturating_duration_since(now)));
            standby.held_for = held.map(|(_, held_for)| held_for);
            standby.investigating = lane.only_urgent;
        }
    }

    async fn obey(&mut self, command: Command) {
        // Whoever does not wait for the answer any more needs none.
        match command {
            Command::CheckNow { repositories, answer } => drop(answer.send(self.check_now(repositories))),
            Command::Adopt { world, settings, answer } => {
                self.settings = settings;
                self.journal.writer().set_retention(self.settings.retention);
                self.adopt(world);
                let _ = answer.send(());
            }
            Command::Found { brought, answer } => {
                self.take_found(brought);
                let _ = answer.send(());
            }
            Command::Note { event } => {
                self.journal.save(event);
                self.journal.submit();
            }
            Command::Ping { answer } => {
                let _ = answer.send(());
            }
        }
    }

    fn check_now(&mut self, repositories: Vec<String>) -> Asked {
        let shared = Arc::clone(&self.shared);
        let ledger = shared.read();
        let mut asked = Asked::default();
        let now = Instant::now();
        for name in repositories {
            match ledger.index(&name) {
                Some(index) if self.queue.urge(index, now) => asked.accepted.push(name),
                Some(_) => asked.running.push(name),
                None => asked.unknown.push(name),
            }
        }
        asked
    }

    /// What was found and what it means for what is watched are written together.
    fn take_found(&mut self, brought: Brought) {
        self.journal.found(brought.save);
        if let Some(world) = brought.world {
            self.adopt(world);
        }
        let shared = Arc::clone(&self.shared);
        let mut ledger = shared.write();
        let news: Vec<usize> = brought.check.iter().filter_map(|name| ledger.index(name)).collect();
        self.plan_news(&mut ledger, &news, Instant::now());
        self.journal.submit();
    }

    /// Goes on with another world. What runs goes on and is judged when it ends; what is known stays known.
    fn adopt(&mut self, world: Arc<World>) {
        let shared = Arc::clone(&self.shared);
        let mut ledger = shared.write();
        let former = Arc::clone(&ledger.world);
        let next = Arc::clone(&world);
        let was_watched = ledger.entries.len();
        ledger.follow(world);
        let (is_watched, kept) = (ledger.entries.len(), ledger.unwatched());
        drop(ledger);
        if is_watched < was_watched {
            tracing::warn!(
                "{is_watched} repositories are watched, and {was_watched} were before; what is known of {kept} is kept"
            );
        }
        former.replaced_by(&next);
        self.take_over(Some(&former));
        self.close_abandoned_incidents();
        self.journal.submit();
        let checks = std::mem::take(&mut self.tracker);
        checks.close();
        tokio::spawn(async move {
            checks.wait().await;
            former.retire(Some(&next)).await;
        });
    }

    /// Plans everything anew for the world that is in the ledger. Who waits for a check in the `former` one waits on.
    fn take_over(&mut self, former: Option<&World>) {
        let shared = Arc::clone(&self.shared);
        let mut ledger = shared.write();
        let ledger = &mut *ledger;
        let world = Arc::clone(&ledger.world);
        let repositories = former.map_or(&[][..], |former| &former.repositories);
        let name_of =
            |(index, urged): (usize, bool)| Some((repositories.get(index)?.target.name.clone(), urged));
        let in_line: Vec<(String, bool)> = self.queue.in_line().filter_map(name_of).collect();
        let former = self.integrations.drain(..).zip(self.queue.lanes.drain(..));
        let mut former: HashMap<String, _> = former
            .map(|(in_charge, lane)| (in_charge.client.integration.name.clone(), (in_charge, lane.gate)))
            .collect();
        let lanes: HashMap<&str, usize> =
            world.integrations.keys().enumerate().map(|(lane, name)| (name.as_str(), lane)).collect();
        let now = Instant::now();
        let lane_of =
            world.repositories.iter().map(|watched| lanes[watched.target.integration.name.as_str()]);
        self.queue = Queue::new(lanes.len(), lane_of, self.settings.limits, now);
        for (lane, (name, integration)) in world.integrations.iter().enumerate() {
            // What was known of another forge or identity under this name says nothing about this one.
            let same = former.remove(name).filter(|(it, _)| Arc::ptr_eq(&it.client.integration, integration));
            let (in_charge, gate) = same.unwrap_or_else(|| {
                if let Some(standby) = ledger.integrations.get_mut(name) {
                    (standby.trouble_since, standby.identity) = (None, None);
                }
                (InCharge::new(Arc::clone(integration)), Gate::default())
            });
            self.queue.lanes[lane].gate = gate;
            self.queue.lanes[lane].allowance = Allowance::of(&integration.services);
            let until = now + self.settings.confirm_after * 2 + world.check_timeout;
            self.integrations.push(InCharge { breaker: in_charge.breaker.carried(until), ..in_charge });
        }
        let clients = self.integrations.iter().map(|it| &it.client);
        ledger.clients = clients.map(|it| (it.integration.name.clone(), Arc::clone(it))).collect();
        for (former, index) in ledger.take_renamed() {
            if ledger.index(&former).is_none() {
                self.journal.standing(&former, None);
                self.follow_name(&former, &world.repositories[index].target.name);
            }
            self.keep(ledger, index);
        }
        for (name, rides) in &self.in_flight {
            if let Some(index) = ledger.index(name) {
                self.queue.resume(index, *rides);
            }
        }
        for (lane, in_charge) in self.queue.lanes.iter_mut().zip(&self.integrations) {
            lane.only_one = in_charge.client.means().is_none();
        }
        self.groups = Groups::of(&world);
        self.plan_all(&world, ledger, now);
        for (name, urged) in in_line {
            let Some(index) = ledger.index(&name) else { continue };
            if urged {
                self.queue.urge(index, now);
            } else {
                self.queue.plan(index, now);
            }
        }
        self.show_lanes(ledger);
    }

    /// Has the check of a repository that runs count for its new name.
    fn follow_name(&mut self, former: &str, name: &str) {
        if let Some(rides) = self.in_flight.remove(former) {
            self.in_flight.insert(name.to_owned(), rides);
            let first = self.renamed.iter().find(|(_, now)| *now == former).map(|(first, _)| first.clone());
            self.renamed.insert(first.unwrap_or_else(|| former.to_owned()), name.to_owned());
        }
    }

    fn plan_all(&mut self, world: &World, ledger: &mut Ledger, now: Instant) {
        let moment = Moment::now();
        let mut plan = CatchUp::new(moment);
        for (index, watched) in world.repositories.iter().enumerate() {
            let entry = &mut ledger.entries[index];
            let interval = watched.rules.interval.get();
            let mut wait = plan.first(self.phase(index), interval, entry.seen.as_ref().map(|seen| seen.at));
            if entry.standing.pending.is_some() {
                wait = wait.min(self.settings.confirm_after);
            }
            if !self.queue.is_running(index) {
                self.queue.plan(index, now + wait);
                entry.next_check = Some(moment.after(wait));
            }
        }
    }

    /// Has everything written that is known, since what had been is gone.
    fn save_all(&mut self) {
        let shared = Arc::clone(&self.shared);
        let ledger = shared.read();
        for (watched, entry) in ledger.iter().filter(|(_, entry)| entry.seen.is_some()) {
            self.journal.standing(&watched.target.name, Some(entry.to_text()));
        }
        for incident in ledger.incidents.open() {
            self.journal.incident(None, incident, Moment::now());
        }
        self.journal.submit();
    }
}
