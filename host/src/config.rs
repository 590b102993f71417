//! The configuration: layers of files, variables and flags, merged, validated and typed.
//!
//! Later layers win: built-in defaults; the system's files and the user's or, in their place, those named with
//! `--config`; the chosen profile of these files; `FORGEWATCH_*` variables; `--set`. Tables merge key by key,
//! lists are replaced. The working directory is never read unasked.
//!
//! Loading reads the files and nothing else of the world: what it needs to know about the process comes in an
//! [`Environment`]. Secrets are never read here; the configuration holds references to them. All problems are
//! found in one pass.

mod alerts;
mod check;
mod daemon;
pub(crate) mod doubts;
mod entries;
mod files;
mod inputs;
mod layers;
mod lines;
mod model;
mod pieces;
mod problem;
mod provenance;
pub mod schema;
mod secret;
mod sentences;
mod strict;
mod syntax;
#[cfg(test)]
mod tests;
mod tracker;
mod values;
mod watch;

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    ffi::OsString,
    path::{Path, PathBuf},
    sync::Arc,
};

use serde_json::Value;

pub use self::{
    alerts::{
        AlertRoute, AlertTarget, AlertmanagerTarget, Alerts, EmailTarget, MailTls, Maintenance, Severities,
        Severity, SlackTarget, WebhookTarget, Weekday, Weekly,
    },
    daemon::{Api, ApiAuth, ApiScope, ApiToken, Breaker, LogFormat, LogLevel, Logging, Retention, Schedule},
    inputs::TOKEN_VARIABLE,
    model::{
        Config, Defaults, Discovery, Entra, GithubApp, Http, Identity, Integration, Isolation, Oauth2,
        Overrides, Plugins, Provider, Repository, SiloMode, State,
    },
    problem::{Problem, Problems, Source, dotted, nearest},
    provenance::Explained,
    secret::SecretRef,
    tracker::{Person, Tracker},
    values::{
        Address, EmailAddress, HostPort, HttpUrl, HttpsUrl, ListenAddress, Pattern, Period, ProxyUrl,
        PublicUrl, TimeOfDay, Timestamp, ValueError,
    },
    watch::FilesWatch,
};

use self::{
    entries::{Entries, REPOSITORIES},
    layers::{Layer, Layers, Merged},
    schema::{Finding, Schema, SchemaError},
    watch::Stamp,
};

/// The tables that more is found out about after loading.
const TABLES: [&str; 11] = [
    "alerts",
    "api",
    "plugins",
    "providers",
    "state",
    "identities",
    "integrations",
    "repositories",
    "discovery",
    "people",
    "trackers",
];

/// What to load.
#[derive(Clone, Debug)]
pub struct Request {
    /// Files and folders to read in place of the system's and the user's; in order.
    pub config: Vec<PathBuf>,
    /// The profile to lay over the files.
    pub profile: Option<String>,
    /// `KEY=VALUE` settings that win over everything, in order.
    pub set: Vec<String>,
    /// What to know about the process.
    pub environment: Environment,
}

/// What loading knows about the process and the system.
#[derive(Clone, Debug)]
pub struct Environment {
    /// Environment variables.
    pub variables: Vec<(OsString, OsString)>,
    /// The system's configuration, `/etc/forgewatch`.
    pub system_dir: PathBuf,
    /// What relative paths of the command line and of variables start from.
    pub working_dir: PathBuf,
}

impl Environment {
    /// The environment of this process.
    pub fn of_process() -> Self {
        Self {
            variables: std::env::vars_os().collect(),
            system_dir: "/etc/forgewatch".into(),
            working_dir: std::env::current_dir().unwrap_or_else(|_| "/".into()),
        }
    }

    /// A folder of the XDG base directory rules; a relative one counts as unset, as these rules say.
    fn xdg_dir(&self, variable: &str, below_home: &str) -> Option<PathBuf> {
        let absolute = |name: &str| {
            let (_, value) = self.variables.iter().find(|(key, _)| key == name)?;
            Some(PathBuf::from(value)).filter(|path| path.is_absolute())
        };
        absolute(variable).or_else(|| absolute("HOME").map(|home| home.join(below_home)))
    }
}

/// A configuration, and where it comes from.
#[derive(Debug)]
pub struct Loaded {
    /// The settings; without the faulty ones, if there are problems.
    pub config: Config,
    /// Everything that is wrong.
    pub problems: Vec<Problem>,
    /// What is not wrong but probably not meant.
    pub warnings: Vec<Problem>,
    layers: Layers,
    /// Where files were looked for, and what was there before it was read.
    looked_at: Vec<(PathBuf, Stamp)>,
    /// Tables that may lack what was configured, since it was faulty.
    lacking: BTreeSet<String>,
}

impl Loaded {
    /// The configuration, if nothing is wrong with it.
    ///
    /// # Errors
    ///
    /// Everything that is wrong, in one go.
    pub fn into_valid(mut self) -> Result<Self, Problems> {
        match std::mem::take(&mut self.problems) {
            problems if problems.is_empty() => Ok(self),
            problems => Err(Problems(problems)),
        }
    }

    /// The files that were read, in order.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        self.layers.below.iter().filter_map(|layer| match &layer.source {
            Source::File { path, .. } => Some(path.as_path()),
            _ => None,
        })
    }

    /// Watches everything that another load and preparation would read: the files and folders of the configuration,
    /// there or not, and the files that it names but for plugins, which are watched where they run. To be called before
    /// those are read, so that no change is missed. Looks at them, so it blocks for a moment.
    pub fn watch(&self) -> FilesWatch {
        let named: BTreeSet<&PathBuf> = named_files(&self.config).collect();
        let named = named.into_iter().map(|path| (path.clone(), Stamp::of(path)));
        FilesWatch::since(self.looked_at.iter().cloned().chain(named))
    }

    /// Whether something that was configured in one of these tables may be missing from [`Loaded::config`]: what
    /// cannot be found there is then no problem of its own.
    pub fn lacks(&self, tables: &[&str]) -> bool {
        tables.iter().any(|table| self.lacking.contains(*table))
    }

    /// What set `path` or, if nothing did, the nearest table above it. May parse the files again.
    pub fn source(&self, path: &[&str]) -> Option<Source> {
        self.layers.source(path)
    }

    /// A problem with the setting at `path`. The message must not quote a value that could be a secret.
    pub fn problem(&self, path: &[&str], message: impl Into<String>, help: Option<String>) -> Problem {
        Problem { key: dotted(path), source: self.source(path), message: message.into(), help }
    }

    /// Checks the value at `path` against a schema that is not the configuration's, such as a plugin's for
    /// `providers.<key>.options`.
    ///
    /// # Errors
    ///
    /// The schema itself cannot be used.
    pub fn validate(
        &self,
        path: &[&str],
        value: &Value,
        schema: &Value,
    ) -> Result<Vec<Problem>, SchemaError> {
        let findings = Schema::new(schema.clone())?.validate(value);
        let absolute = |finding: Finding| Finding {
            path: path.iter().map(ToString::to_string).chain(finding.path).collect(),
            ..finding
        };
        Ok(findings.into_iter().map(|finding| located(&self.layers, absolute(finding))).collect())
    }

    /// The merged settings as a document, defaults included and profiles left out, masked for showing.
    pub fn effective(&self) -> Value {
        self.layers.effective()
    }

    /// What every layer says about the setting `key`, or about each setting of the table `key`; masked.
    ///
    /// # Errors
    ///
    /// There is no such setting.
    pub fn explain(&self, key: &str) -> Result<Vec<Explained>, Problem> {
        self.layers.explain(key)
    }
}

/// The files that are read because a setting names them, plugins aside.
fn named_files(config: &Config) -> impl Iterator<Item = &PathBuf> {
    let used = config.integrations.values().filter(|_| config.silo_mode != SiloMode::Region);
    let used = used.filter_map(|integration| config.identities.get(integration.identity.as_ref()?));
    let tokens = config.api.tokens.values().map(|token| &token.token);
    let targets = config.alerts.targets.values().flat_map(AlertTarget::secrets);
    let secrets =
        used.flat_map(Identity::secrets).chain(tokens).chain(targets).filter_map(|secret| match secret {
            SecretRef::File(path) => Some(path),
            SecretRef::Env(_) | SecretRef::Command(_) => None,
        });
    config.plugins.lock_file.iter().chain(&config.http.ca_file).chain(secrets)
}

/// Loads, merges and validates the configuration. Faulty settings are left out of it and told in
/// [`Loaded::problems`], so that a caller with more to find fault with can tell everything at once.
pub fn load(request: &Request) -> Loaded {
    let (mut problems, mut warnings) = (Vec::new(), Vec::new());
    let (mut layers, looked_at) = gather(request, &mut problems, &mut warnings);
    let Merged { mut settings, repositories } = layers.merge(&mut problems);
    // What stands in a file that cannot be read may belong anywhere.
    let unread = if problems.is_empty() { &[][..] } else { &TABLES };
    let mut lacking: BTreeSet<String> = unread.iter().map(ToString::to_string).collect();
    let schema = Schema::of_config();
    let chosen = layers.profile.as_deref();
    let mut findings = schema.validate(&settings);
    // The chosen profile's faults show in the merged settings already.
    findings
        .retain(|it| !(it.path.len() > 2 && it.path[0] == "profiles" && Some(it.path[1].as_str()) == chosen));
    findings.extend(check::findings(&settings));
    let repositories = typed(repositories, &settings, schema, &mut findings);
    for finding in &findings {
        lacking.extend(finding.path.first().cloned());
        prune(&mut settings, &finding.path);
    }
    problems.extend(findings.into_iter().map(|finding| located(&layers, finding)));
    let config = repositories
        .and_then(|repositories| Ok(Config { repositories, ..serde_json::from_value(settings)? }));
    let config = config.unwrap_or_else(|_| {
        // The error may quote a value. The schema and the types agree, so only a fault of ours leads here.
        let message = "a valid setting cannot be read: this is a fault of forgewatch".into();
        problems.push(Problem { key: String::new(), source: None, message, help: None });
        lacking.extend(TABLES.map(ToOwned::to_owned));
        Config::default()
    });
    if !lacking.contains("api") {
        problems.extend(check::unprotected(&config.api).map(|finding| located(&layers, finding)));
    }
    if problems.is_empty() {
        warnings.extend(without_effect(&config).into_iter().map(|finding| located(&layers, finding)));
        layers.forget_lines();
    }
    Loaded { config, problems, warnings, layers, looked_at, lacking }
}

/// The repositories that nothing is wrong with, validated one by one.
fn typed(
    repositories: Entries,
    settings: &Value,
    schema: &Schema,
    findings: &mut Vec<Finding>,
) -> serde_json::Result<BTreeMap<String, Repository>> {
    let (mut typed, mut labels) = (BTreeMap::new(), HashSet::new());
    for (name, entry) in repositories.into_values() {
        // The whole way down from the top, so that findings say where they are.
        let mut document = serde_json::json!({ REPOSITORIES: { &name: entry } });
        let known = findings.len();
        findings.extend(schema.validate(&document));
        let entry = document[REPOSITORIES][&name].take();
        findings.extend(check::findings_of(&name, &entry, settings));
        if findings.len() == known {
            let mut repository: Repository = serde_json::from_value(entry)?;
            match labels.get(&repository.labels) {
                Some(known) => repository.labels = Arc::clone(known),
                None => drop(labels.insert(Arc::clone(&repository.labels))),
            }
            typed.insert(name, repository);
        }
    }
    Ok(typed)
}

/// Takes a faulty setting out, so that the rest can be read: of a named table the whole entry, since what would be
/// left of it may be none.
fn prune(merged: &mut Value, path: &[String]) {
    let Some((table, rest)) = path.split_first() else { return };
    let Some(settings) = merged.as_object_mut() else { return };
    match (rest.first(), settings.get_mut(table)) {
        (Some(name), Some(Value::Object(entries))) => drop(entries.shift_remove(name)),
        _ => drop(settings.shift_remove(table)),
    }
}

/// Settings that are valid but change nothing.
fn without_effect(config: &Config) -> Vec<Finding> {
    let finding = |path: &[&str], message: &str| Finding {
        path: path.iter().map(ToString::to_string).collect(),
        message: message.into(),
        help: None,
    };
    let mut found = Vec::new();
    if config.silo_mode == SiloMode::Region && !config.identities.is_empty() {
        found.push(finding(&["identities"], "a region holds no identity: these are not used"));
    }
    found.extend(doubts::of_alerts(config));
    found.extend(doubts::of_trackers(config));
    found
}

/// Collects the layers, unmerged, and where files were looked for.
fn gather(
    request: &Request,
    problems: &mut Vec<Problem>,
    warnings: &mut Vec<Problem>,
) -> (Layers, Vec<(PathBuf, Stamp)>) {
    let environment = &request.environment;
    let mut below = vec![defaults(environment)];
    let (files, looked_at) = files::read(&request.config, environment, problems, warnings);
    below.extend(files);
    let mut above =
        vec![inputs::environment(&environment.variables, &environment.working_dir, problems, warnings)];
    for text in &request.set {
        match inputs::set(text, &environment.working_dir) {
            Ok(layer) => above.push(layer),
            Err(problem) => problems.push(problem),
        }
    }
    (Layers { below, profile: request.profile.clone(), above }, looked_at)
}

fn defaults(environment: &Environment) -> Layer {
    let mut config = Config::default();
    if let Some(home) = environment.xdg_dir("XDG_STATE_HOME", ".local/state") {
        config.state.path = home.join(Path::new("forgewatch/state.db"));
    }
    let values = figment::value::Value::serialize(config).ok().and_then(figment::value::Value::into_dict);
    Layer::of_values(Source::Default, values.unwrap_or_default())
}

fn located(layers: &Layers, finding: Finding) -> Problem {
    let Finding { path, message, help } = finding;
    Problem { key: dotted(&path), source: layers.source(&path), message, help }
}

/// A valid configuration, in TOML.
#[cfg(test)]
pub(crate) fn of_text(text: &str) -> Loaded {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("forgewatch.toml");
    std::fs::write(&path, text).unwrap();
    let environment =
        Environment { variables: Vec::new(), system_dir: "/nonexistent".into(), working_dir: "/".into() };
    let loaded = load(&Request { config: vec![path], profile: None, set: Vec::new(), environment });
    assert_eq!(loaded.problems, []);
    loaded
}
