//! What the stories share: writing configurations, reading results, looking into the state.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::PathBuf;

use forgewatch_tests::fake::{Fake, Recorded, contoso};
use forgewatch_tests::sandbox::{Run, Sandbox};
use serde_json::Value;

/// The base URL that most stories use.
pub(crate) const BASE_URL: &str = "https://dev.azure.com/contoso/";
/// What a malformed base URL needs to be repaired, and the answer to be believed.
pub(crate) const ALLOWED: &str =
    "[providers.vsts]\nallow_hosts = [\"app.vssps.visualstudio.com\", \"dev.azure.com\"]\n";

/// A configuration in the making, as TOML.
#[derive(Clone, Default)]
pub(crate) struct Config(String);

impl Config {
    /// With the identity `reader`, a personal access token in the variable `PAT`.
    pub(crate) fn with_reader() -> Self {
        Self::default().reader()
    }

    pub(crate) fn reader(self) -> Self {
        self.toml("[identities.reader]\nkind = \"pat\"\ntoken = { env = \"PAT\" }\n")
    }

    pub(crate) fn toml(mut self, text: &str) -> Self {
        self.0.push_str(text);
        self.0.push('\n');
        self
    }

    /// An integration of the organisation `contoso` with a base URL and an identity.
    pub(crate) fn integration(self, name: &str, domain_name: &str, identity: &str) -> Self {
        let account = contoso::ACCOUNT_ID;
        self.toml(&format!(
            "[integrations.{name}]\nprovider = \"vsts\"\nexternal_id = \"{account}\"\n\
             domain_name = {domain_name:?}\nidentity = {identity:?}\n"
        ))
    }

    /// A repository of the project `Web Shop`.
    pub(crate) fn repository(self, name: &str, integration: &str, on_forge: &str) -> Self {
        self.toml(&format!(
            "[repositories.{name:?}]\nintegration = \"{integration}\"\nproject = \"Web Shop\"\nname = {on_forge:?}\n"
        ))
    }

    /// The same, with the forge's own id.
    pub(crate) fn repository_with_id(self, name: &str, integration: &str, on_forge: &str, id: &str) -> Self {
        self.repository(name, integration, on_forge).toml(&format!("external_id = \"{id}\"\n"))
    }

    pub(crate) fn write(&self, sandbox: &Sandbox) {
        sandbox.write("forgewatch.toml", &self.0);
    }

    /// A sandbox with this configuration behind the fake, and a good token in `PAT`. What one answer does is shown one
    /// by one.
    pub(crate) fn sandbox(&self, fake: &Fake) -> Sandbox {
        let mut sandbox = Sandbox::with_fake(fake);
        sandbox.ask_one_by_one();
        sandbox.set_variable("PAT", contoso::PAT);
        self.write(&sandbox);
        sandbox
    }
}

/// The results of a sweep, by repository.
pub(crate) struct Results(BTreeMap<String, Value>);

impl Results {
    pub(crate) fn of(run: &Run) -> Self {
        let document = run.json();
        let results = document["results"].as_array().expect("results").iter();
        Self(results.map(|result| (text(result, "repository"), result.clone())).collect())
    }

    /// Checks all of them.
    pub(crate) fn check(sandbox: &Sandbox) -> Self {
        Self::of(&sandbox.run(&["check", "--format", "json"]))
    }

    #[track_caller]
    pub(crate) fn get(&self, repository: &str) -> &Value {
        self.0.get(repository).unwrap_or_else(|| panic!("no result for `{repository}`: {:?}", self.0.keys()))
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.0.iter().map(|(name, result)| (name.as_str(), result))
    }

    #[track_caller]
    pub(crate) fn reason(&self, repository: &str) -> String {
        text(self.get(repository), "reason")
    }

    #[track_caller]
    pub(crate) fn detail(&self, repository: &str) -> String {
        text(self.get(repository), "detail")
    }

    #[track_caller]
    pub(crate) fn base_url(&self, repository: &str) -> String {
        text(self.get(repository), "base_url")
    }

    /// One line for each: what a dashboard would go by.
    pub(crate) fn lines(&self) -> String {
        let mut lines = String::new();
        for (name, result) in &self.0 {
            let (verdict, access) = verdict_of(&text(result, "reason"));
            assert_eq!(result["verdict"], verdict, "{result}");
            assert_eq!(result["has_access"], access, "{result}");
            assert!(access || !text(result, "detail").trim().is_empty(), "{result}");
            let line = line(
                name,
                &text(result, "reason"),
                result["http_status"].as_u64(),
                result["retry_after_s"].as_u64(),
            );
            let _ = writeln!(lines, "{line}");
        }
        lines
    }
}

/// A line of [`Results::lines`].
pub(crate) fn line(name: &str, reason: &str, status: Option<u64>, retry_after_s: Option<u64>) -> String {
    let shown = |number: Option<u64>| number.map_or("-".to_owned(), |number| number.to_string());
    format!("{name}: {reason} {} {}", shown(status), shown(retry_after_s))
}

/// Verdict and access that belong to a reason.
fn verdict_of(reason: &str) -> (&'static str, bool) {
    match reason {
        "granted" => ("granted", true),
        "unauthorized" | "forbidden" | "not_found" | "disabled" | "identity_invalid" => ("denied", false),
        "rate_limited"
        | "unreachable"
        | "provider_error"
        | "invalid_response"
        | "base_url_unresolved"
        | "timed_out"
        | "plugin_failed" => ("indeterminate", false),
        other => panic!("no such reason: {other}"),
    }
}

#[track_caller]
fn text(value: &Value, key: &str) -> String {
    value[key].as_str().unwrap_or_else(|| panic!("no text at `{key}`: {value}")).to_owned()
}

/// Where the state lies.
pub(crate) fn state_file(sandbox: &Sandbox) -> PathBuf {
    sandbox.path("state/forgewatch/state.db")
}

/// The state, opened behind the binary's back.
pub(crate) fn state(sandbox: &Sandbox) -> rusqlite::Connection {
    rusqlite::Connection::open(state_file(sandbox)).expect("a state")
}

/// The rows of a query with one column of text.
pub(crate) fn column(sandbox: &Sandbox, query: &str) -> Vec<String> {
    let state = state(sandbox);
    let mut statement = state.prepare(query).expect("a query");
    let rows = statement.query_map([], |row| row.get(0)).expect("rows");
    rows.map(|row| row.expect("text")).collect()
}

/// The base URLs that are saved.
pub(crate) fn saved_base_urls(sandbox: &Sandbox) -> Vec<String> {
    column(sandbox, "SELECT value FROM metadata WHERE name = 'domain_name'")
}

/// Requests other than the opening of tunnels.
pub(crate) fn real_requests(fake: &Fake) -> Vec<Recorded> {
    fake.requests_to(|request| request.method.as_str() != "CONNECT")
}
