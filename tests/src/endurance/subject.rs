//! The daemon, its forge and its folder.

use std::fmt::Write as _;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::Options;
use super::metrics::Metrics;
use super::state::State;
use crate::fake::{Fake, Kind, Standing, World, contoso};
use crate::process::Process;
use crate::receivers::{Alertmanager, MailServer, MailSettings, Receiver};
use crate::running::Running;
use crate::sandbox::{Run, Sandbox};

const KEY: &str = "vsts";
const PROJECTS: usize = 100;
/// Repositories that the configuration gains while the daemon runs.
const MORE: usize = 1_000;
/// Repositories that come and go, checked far more often than the others so that it is seen soon.
pub(super) const LIVELY: usize = 100;
/// How long anything is waited for that is not judged by its time.
const PATIENCE: Duration = Duration::from_secs(1_200);

/// What is tried.
pub(super) struct Subject {
    pub(super) fake: Arc<Fake>,
    pub(super) repositories: usize,
    interval: String,
    sandbox: Sandbox,
    listen: SocketAddr,
    running: Option<Running>,
    pub(super) told: Told,
}

/// Everybody who is told of incidents.
pub(super) struct Told {
    hook: Receiver,
    chat: Receiver,
    alertmanager: Alertmanager,
    mail: MailServer,
}

impl Told {
    fn start() -> Self {
        Self {
            hook: Receiver::start(),
            chat: Receiver::start(),
            alertmanager: Alertmanager::start(),
            mail: MailServer::start(&MailSettings::default()),
        }
    }

    /// The settings, with a time that is long enough to be killed in.
    fn settings(&self) -> String {
        format!(
            "[alerts]\ndefault = [\"hook\", \"chat\", \"prometheus\", \"mail\"]\ngroup_wait = \"10s\"\n\
             [alerts.targets]\n\
             hook = {{ kind = \"webhook\", url = {{ file = \"hook.url\" }}, allow_insecure_http = true }}\n\
             chat = {{ kind = \"slack\", url = {{ file = \"chat.url\" }}, allow_insecure_http = true }}\n\
             prometheus = {{ kind = \"alertmanager\", url = {:?}, allow_insecure_http = true }}\n\
             mail = {{ kind = \"email\", host = \"127.0.0.1\", port = {}, tls = \"none\", \
             from = \"watch@example.org\", to = [\"ops@example.org\"] }}\n",
            self.alertmanager.url(),
            self.mail.port(),
        )
    }

    /// Messages about whole integrations that webhook, chat and mailbox have, and alerts that Alertmanager shows.
    pub(super) fn counts(&self) -> [usize; 4] {
        let of_all = self.hook.requests();
        let of_all = of_all.iter().filter(|it| it.json()["incidents"][0]["repository"].is_null()).count();
        let is_of_all = |text: &str| text.contains("unauthorized at ");
        let chat = self.chat.requests();
        let chat = chat.iter().filter(|it| is_of_all(&it.body)).count();
        let mail = self.mail.mails().iter().filter(|mail| is_of_all(&mail.body)).count();
        let alerts = self.alertmanager.alerts("/api/v2/alerts");
        let alerts = alerts.iter().filter(|alert| alert["labels"]["cause"] == "identity").count();
        [of_all, chat, mail, alerts]
    }
}

impl Subject {
    /// The forge, and the configuration of a daemon that does not run yet.
    pub(super) fn new(options: &Options) -> Self {
        let each = (options.repositories + MORE).div_ceil(PROJECTS);
        let fake = Fake::start_blocking(World::large(PROJECTS, each));
        fake.record(false);
        let mut sandbox = Sandbox::with_fake(&fake);
        sandbox.set_variable("PAT", contoso::PAT);
        // Single checks are the harder way.
        sandbox.ask_one_by_one();
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|listener| listener.local_addr());
        let subject = Self {
            fake: Arc::new(fake),
            repositories: options.repositories,
            interval: options.interval.clone(),
            sandbox,
            listen: free.expect("loopback has a free port"),
            running: None,
            told: Told::start(),
        };
        subject.sandbox.write("hook.url", subject.told.hook.url("/"));
        subject.sandbox.write("chat.url", subject.told.chat.url("/"));
        subject.configure(subject.repositories, "");
        subject
    }

    /// Writes the configuration of so many repositories, the first of which has this label too.
    pub(super) fn configure(&self, repositories: usize, label: &str) {
        let mut config = format!(
            "state.path = \"state.db\"\napi.listen = \"{}\"\nschedule.confirm_after = \"5s\"\n\
             defaults.interval = \"{}\"\n[identities.reader]\nkind = \"pat\"\ntoken = {{ env = \"PAT\" }}\n\
             [integrations.large]\nprovider = \"{KEY}\"\ndomain_name = \"https://dev.azure.com/large/\"\n\
             identity = \"reader\"\n{}[repositories]\n",
            self.listen,
            self.interval,
            self.told.settings(),
        );
        for number in 0..repositories {
            let (project, repository) = (number % PROJECTS, number / PROJECTS);
            let often = if number < LIVELY { "interval = \"5s\", " } else { "" };
            let label = if number == 0 { label } else { "" };
            // Writing to a text does not fail.
            let _ = writeln!(
                config,
                "{} = {{ integration = \"large\", project = \"project-{project}\", \
                 name = \"repository-{repository}\", {often}\
                 labels = {{ team = \"team-{}\", tier = \"{}\"{label} }} }}",
                name(number),
                number % 40,
                number % 3,
            );
        }
        self.sandbox.write("forgewatch.toml", config);
    }

    /// Takes the configuration away from under the daemon.
    pub(super) fn break_configuration(&self) {
        self.sandbox.write("forgewatch.toml", "integration = 1\n");
    }

    /// Starts the daemon; how long it took until it was ready.
    pub(super) fn start(&mut self) -> Duration {
        let start = Instant::now();
        self.running = Some(Running::start(self.sandbox.command(&["--log-level", "info", "run"])));
        self.wait_for("the daemon to be ready", || self.running().told_since("ready:", 0));
        start.elapsed()
    }

    pub(super) fn running(&self) -> &Running {
        self.running.as_ref().expect("it was started")
    }

    pub(super) fn host(&self) -> Process {
        self.running().process()
    }

    pub(super) fn workers(&self) -> Vec<Process> {
        self.host().workers(KEY)
    }

    /// Ends the daemon by a signal; how long it took.
    pub(super) fn end(&mut self, signal: Signal) -> (Run, Duration) {
        let start = Instant::now();
        self.host().signal(signal);
        let run = self.running.take().expect("it was started").end();
        (run, start.elapsed())
    }

    pub(super) fn state(&self) -> State {
        State::open(&self.state_file(""))
    }

    /// Bytes of the state's file, and of its write-ahead log.
    pub(super) fn state_bytes(&self) -> [u64; 2] {
        ["", "-wal"].map(|ending| self.state_file(ending).metadata().map_or(0, |file| file.len()))
    }

    pub(super) fn metrics(&self) -> Option<Metrics> {
        Metrics::scrape(self.listen)
    }

    /// Checks that have come to the forge.
    pub(super) fn asked(&self) -> u64 {
        self.fake.counters().of(Kind::Repository)
    }

    /// Whether the forge takes the identity.
    pub(super) fn revoke(&self, revoked: bool) {
        let standing = if revoked { Standing::Expired } else { Standing::Valid };
        self.fake.world(|world| world.credentials[0].standing = standing);
    }

    /// Takes these of the lively repositories away, or gives them back.
    pub(super) fn disable(&self, numbers: &[usize], disabled: bool) {
        self.fake.world(|world| {
            for number in numbers {
                let project = &mut world.organisations[0].projects[number % PROJECTS];
                project.repositories[number / PROJECTS].disabled = disabled;
            }
        });
    }

    /// Waits as long as it takes, within reason.
    ///
    /// # Panics
    /// If that was not long enough, or the daemon is gone.
    pub(super) fn wait_for<T>(&self, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
        let start = Instant::now();
        loop {
            if let Some(found) = look() {
                return found;
            }
            let running = self.running();
            assert!(running.process().is_alive(), "the daemon has ended:\n{}", running.errors());
            assert!(start.elapsed() < PATIENCE, "waited in vain for {what}:\n{}", tail(&running.errors()));
            thread::sleep(Duration::from_millis(2));
        }
    }

    /// How long it takes until the state is like this.
    ///
    /// # Panics
    /// Like [`wait_for`](Self::wait_for).
    pub(super) fn take_time(&self, what: &str, is_so: impl Fn(&State) -> bool) -> Duration {
        let (start, state) = (Instant::now(), self.state());
        self.wait_for(what, || {
            // Looking costs the daemon some of its processor.
            thread::sleep(Duration::from_millis(200));
            is_so(&state).then_some(())
        });
        start.elapsed()
    }

    fn state_file(&self, ending: &str) -> PathBuf {
        self.sandbox.path(&format!("state.db{ending}"))
    }

    /// How many repositories are watched after the configuration has grown.
    pub(super) fn grown(&self) -> usize {
        self.repositories + MORE
    }
}

/// What the configuration calls a repository.
pub(super) fn name(number: usize) -> String {
    format!("large-r{number:06}")
}

fn tail(text: &str) -> String {
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(20)..].join("\n")
}
