//! A sweep over bad plugins, and what has to hold after every such sweep.
//!
//! Each bad plugin is a copy of a fixture under a key of its own, so each has its worker. Beside what it does wrong it
//! has innocent repositories, and beside all of them the VSTS plugin has its own.

mod process;

use std::fmt::Write;
use std::fs;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use forgewatch_tests::build;
use forgewatch_tests::fake::{Answer, Fake, Match, World, contoso};
use forgewatch_tests::patch::patched;
use forgewatch_tests::sandbox::{Run, Sandbox};
use serde_json::Value;

pub(crate) use process::{Watched, send};

/// A host that the fake plays for the fixtures.
pub(crate) const HOST: &str = "forge.example";
/// The most memory that the host may have used at any moment, in MiB; a debug build's code is half of it.
const MOST_HOST_MIB: u64 = 256;
/// How many repositories of a bad plugin are innocent.
const INNOCENTS: usize = 2;

const CONTOSO: &str = r#"
[identities.reader]
kind = "pat"
token = { env = "READER" }

[integrations.contoso]
provider = "vsts"
domain_name = "https://dev.azure.com/contoso/"
identity = "reader"

[repositories.contoso-1]
integration = "contoso"
project = "Web Shop"
name = "storefront"

[repositories.contoso-2]
url = "https://dev.azure.com/contoso/Web%20Shop/_git/storefront"
"#;

/// One thing that is done wrong, and what has to come of it.
pub(crate) struct Row {
    behaviour: String,
    shown: String,
    argument: Option<String>,
    settings: &'static str,
    at: At,
    reasons: &'static [&'static str],
    details: &'static [&'static str],
}

/// Where it is done.
#[derive(Clone, Copy, PartialEq, Eq)]
enum At {
    /// When a repository is checked.
    Check,
    /// Through the integration's external id: when its client is made or dropped.
    Client,
    /// When a repository's URL is taken apart.
    Parse,
}

impl Row {
    /// A check, known by the repository's name, that ends with `reason` and a detail with all of `details`.
    pub(crate) fn check(
        behaviour: &str,
        reason: &'static [&'static str],
        details: &'static [&'static str],
    ) -> Self {
        let (behaviour, shown) = (behaviour.to_owned(), behaviour.to_owned());
        Self { behaviour, shown, argument: None, settings: "", at: At::Check, reasons: reason, details }
    }

    /// The same for a whole integration, known by its external id.
    pub(crate) fn client(
        behaviour: &str,
        reason: &'static [&'static str],
        details: &'static [&'static str],
    ) -> Self {
        Self { at: At::Client, ..Self::check(behaviour, reason, details) }
    }

    /// The same for a repository that is configured by its URL.
    pub(crate) fn parse(
        behaviour: &str,
        reason: &'static [&'static str],
        details: &'static [&'static str],
    ) -> Self {
        Self { at: At::Parse, ..Self::check(behaviour, reason, details) }
    }

    /// With lines of the integration that [`Row::client`] makes.
    pub(crate) fn settings(self, settings: &'static str) -> Self {
        Self { settings, ..self }
    }

    /// With another name in the table.
    pub(crate) fn called(self, shown: &str) -> Self {
        Self { shown: shown.to_owned(), ..self }
    }

    /// With the external id of the repository.
    pub(crate) fn with(self, argument: impl Into<String>) -> Self {
        Self { argument: Some(argument.into()), ..self }
    }
}

/// A bad plugin.
pub(crate) struct Plugin {
    fixture: &'static str,
    bytes: Vec<u8>,
    rows: Vec<Row>,
    innocents: usize,
}

impl Plugin {
    /// The one that attacks.
    pub(crate) fn hostile() -> Self {
        Self::of("hostile", fs::read(build::hostile()).expect("the library is there"))
    }

    /// The one that attacks, with one of its markers set.
    pub(crate) fn marked(name: &str, value: &str) -> Self {
        Self::of("hostile", build::hostile_with(&[(name, value)]))
    }

    /// The one that misbehaves in safe code.
    pub(crate) fn misbehaving() -> Self {
        Self::of("misbehaving", fs::read(build::misbehaving()).expect("the library is there"))
    }

    fn of(fixture: &'static str, bytes: Vec<u8>) -> Self {
        Self { fixture, bytes, rows: Vec::new(), innocents: INNOCENTS }
    }

    #[must_use]
    pub(crate) fn row(mut self, row: Row) -> Self {
        self.rows.push(row);
        self
    }

    /// Changes the file.
    #[must_use]
    pub(crate) fn map(self, change: impl FnOnce(Vec<u8>) -> Vec<u8>) -> Self {
        Self { bytes: change(self.bytes), ..self }
    }

    /// Without innocent repositories: nothing of this plugin can have an answer.
    #[must_use]
    pub(crate) fn without_innocents(self) -> Self {
        Self { innocents: 0, ..self }
    }
}

/// A key that no other process has a worker for, as long as the fixture's own, which it takes the place of.
fn unique_key(fixture: &str) -> String {
    static LAST: AtomicU32 = AtomicU32::new(0);
    let number = LAST.fetch_add(1, Ordering::Relaxed);
    let digits = |number: u32, count: u32| {
        let digit = move |place| char::from_digit(number / 36_u32.pow(place) % 36, 36).expect("a digit");
        (0..count).map(digit).collect::<String>()
    };
    format!("{}{}{}", &fixture[..fixture.len() - 6], digits(std::process::id(), 4), digits(number, 2))
}

/// A sweep over bad plugins.
pub(crate) struct Sweep {
    pub(crate) fake: Fake,
    pub(crate) sandbox: Sandbox,
    config: String,
    expected: Vec<Expected>,
    keys: Vec<String>,
}

struct Expected {
    repository: String,
    behaviour: String,
    reasons: &'static [&'static str],
    details: &'static [&'static str],
}

/// What a sweep left.
pub(crate) struct Swept {
    pub(crate) run: Run,
    pub(crate) results: Vec<Value>,
    pub(crate) fake: Fake,
}

impl Sweep {
    /// With the checks of the VSTS plugin and nothing else so far.
    pub(crate) fn new(check_timeout: &str) -> Self {
        let fake = Fake::start_blocking(World::contoso());
        fake.serve_unknown_hosts(true);
        for host in [HOST, "rich.example"] {
            fake.fault(Match::any().host(host), Answer::status(200));
        }
        let mut sandbox = Sandbox::with_fake(&fake);
        sandbox.set_variable("READER", contoso::PAT);
        let config = format!("check_timeout = \"{check_timeout}\"\nhttp.timeout = \"3s\"\n{CONTOSO}");
        let expected = ["contoso-1", "contoso-2"].map(|name| Expected {
            repository: name.to_owned(),
            behaviour: "(the other plugin)".to_owned(),
            reasons: &["granted"],
            details: &[],
        });
        Self { fake, sandbox, config, expected: expected.into(), keys: Vec::new() }
    }

    /// Adds a plugin with its rows.
    #[must_use]
    pub(crate) fn plugin(mut self, plugin: Plugin) -> Self {
        let key = unique_key(plugin.fixture);
        let own = format!("\0key={}", plugin.fixture);
        // A file that is damaged may have lost its own.
        let has_key = plugin.bytes.windows(own.len()).any(|window| window == own.as_bytes());
        let bytes =
            if has_key { patched(&plugin.bytes, &own, &format!("\0key={key}")) } else { plugin.bytes };
        self.sandbox.write(&format!("plugins/libforgewatch_{key}.so"), bytes);
        self.integration(&key, &key, "identity = \"reader\"\n");
        for number in 0..plugin.innocents {
            self.repository(&format!("{key}-innocent-{number}"), &key, "fine", None);
            self.expect(&format!("{key}-innocent-{number}"), "(innocent)", &["granted"], &[]);
        }
        for (number, row) in plugin.rows.into_iter().enumerate() {
            self.row(&key, plugin.fixture, number, row);
        }
        self.keys.push(key);
        self
    }

    fn row(&mut self, key: &str, fixture: &str, number: usize, row: Row) {
        let repository = format!("{key}-{number}");
        let argument = row.argument.as_deref();
        match row.at {
            At::Check => self.repository(&repository, key, &row.behaviour, argument),
            At::Client => {
                let lines = format!("external_id = {:?}\n{}", row.behaviour, row.settings);
                self.integration(&repository, key, &lines);
                self.repository(&repository, &repository, "fine", argument);
            }
            At::Parse => {
                let url = format!("https://{fixture}.example/{}", row.behaviour);
                let _ = writeln!(
                    self.config,
                    "[repositories.{repository}]\nintegration = {key:?}\nurl = {url:?}"
                );
            }
        }
        self.expect(&repository, &row.shown, row.reasons, row.details);
    }

    fn expect(
        &mut self,
        repository: &str,
        behaviour: &str,
        reasons: &'static [&'static str],
        details: &'static [&'static str],
    ) {
        let (repository, behaviour) = (repository.to_owned(), behaviour.to_owned());
        self.expected.push(Expected { repository, behaviour, reasons, details });
    }

    fn integration(&mut self, name: &str, key: &str, lines: &str) {
        let domain = if lines.contains("domain_name") {
            String::new()
        } else {
            format!("domain_name = \"https://{HOST}/\"\n")
        };
        let _ = writeln!(self.config, "[integrations.{name}]\nprovider = {key:?}\n{domain}{lines}");
    }

    fn repository(&mut self, name: &str, integration: &str, on_forge: &str, external_id: Option<&str>) {
        let id = external_id.map(|id| format!("external_id = {id:?}\n")).unwrap_or_default();
        let _ = writeln!(
            self.config,
            "[repositories.{name}]\nintegration = {integration:?}\nname = {on_forge:?}\n{id}"
        );
    }

    /// Lines at the end of the configuration.
    #[must_use]
    pub(crate) fn toml(mut self, lines: &str) -> Self {
        self.config.push_str(lines);
        self
    }

    pub(crate) fn write_configuration(&self) {
        self.sandbox.write("forgewatch.toml", &self.config);
    }

    /// Runs the sweep and checks all that has to hold after one, within `limit`.
    #[track_caller]
    pub(crate) fn run(self, limit: Duration, status: i32) -> Swept {
        self.run_with(limit, status, |_| {})
    }

    /// The same, while `meddle` is called again and again with the workers of the bad plugins.
    #[track_caller]
    pub(crate) fn run_with(self, limit: Duration, status: i32, mut meddle: impl FnMut(&[u32])) -> Swept {
        self.write_configuration();
        let Self { fake, sandbox, expected, keys, .. } = self;
        let start = Instant::now();
        let command = sandbox.command(&["check", "--format=json"]);
        let watched = Watched::run(command, limit, || meddle(&process::workers(&keys)));
        let took = start.elapsed();
        let stderr = told(&watched.run.stderr, &keys);
        println!("\n{}", table(&watched, took, &expected, &keys));
        println!("standard error:\n{stderr}");
        watched.assert_nothing_left(&keys);
        let memory = watched.memory_mib;
        assert!((1..=MOST_HOST_MIB).contains(&memory), "the host's memory was {memory} MiB");
        let run = watched.run.exits(status);
        let results = results(&run);
        let wrong: Vec<String> = expected.iter().filter_map(|expected| expected.wrong(&results)).collect();
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
        assert_eq!(results.len(), expected.len());
        assert_readable(&run.stderr);
        Swept { run, results, fake }
    }
}

impl Expected {
    fn wrong(&self, results: &[Value]) -> Option<String> {
        let Some(result) = find(results, &self.repository) else {
            return Some(format!("{}: no result", self.behaviour));
        };
        let (reason, detail) = (text(result, "reason"), text(result, "detail"));
        let is_right = self.reasons.contains(&reason) && self.details.iter().all(|part| one_of(part, detail));
        (!is_right).then(|| {
            format!(
                "{}: {reason}: {detail}\n  expected {:?} {:?}",
                self.behaviour, self.reasons, self.details
            )
        })
    }
}

/// Whether the detail has one of the alternatives in `part`, which `|` separates.
fn one_of(part: &str, detail: &str) -> bool {
    part.split('|').any(|part| detail.contains(part))
}

fn results(run: &Run) -> Vec<Value> {
    run.json()["results"].as_array().expect("results are a list").clone()
}

pub(crate) fn find<'a>(results: &'a [Value], repository: &str) -> Option<&'a Value> {
    results.iter().find(|result| result["repository"] == repository)
}

pub(crate) fn text<'a>(result: &'a Value, key: &str) -> &'a str {
    result[key].as_str().unwrap_or_else(|| panic!("no text at `{key}`: {result}"))
}

/// The rows as a person reads them; the innocents that had their answer are counted.
fn table(watched: &Watched, took: Duration, expected: &[Expected], keys: &[String]) -> String {
    let run = &watched.run;
    let mut table = format!(
        "{took:.1?}, exit status {:?}, host's peak memory {} MiB, {} processes, {} lines on standard error\n",
        run.status,
        watched.memory_mib,
        watched.seen,
        run.stderr.lines().count()
    );
    let document: Value = serde_json::from_str(&run.stdout).unwrap_or_default();
    let results = document["results"].as_array().cloned().unwrap_or_default();
    for row in expected {
        let Some(result) = find(&results, &row.repository) else { continue };
        let detail = told(text(result, "detail"), keys);
        let _ = writeln!(table, "{:24} {:14} {detail}", row.behaviour, text(result, "reason"));
    }
    table
}

/// Text without the keys of this run.
fn told(text: &str, keys: &[String]) -> String {
    keys.iter().fold(text.to_owned(), |text, key| text.replace(key.as_str(), "KEY"))
}

/// Nobody can read thousands of lines, or lines without end.
#[track_caller]
fn assert_readable(stderr: &str) {
    let lines = stderr.lines().count();
    assert!(lines < 400, "{lines} lines on standard error");
    let longest = stderr.lines().map(str::len).max().unwrap_or_default();
    assert!(longest < 1_000, "a line of {longest} bytes");
    assert!(!stderr.contains(|char: char| char.is_control() && char != '\n'), "{stderr:?}");
    assert!(!stderr.contains(contoso::PAT), "a secret");
}
