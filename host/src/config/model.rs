//! The typed configuration: every key that a file may hold, its default and its meaning.
//!
//! Keys are snake case; lengths of time are text with a unit; names given by the operator are table keys. The
//! published schema is generated from these types, so their documentation is what `config schema` prints.
//! Rules that need more than one value are not here but in `check`.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{
    alerts::Alerts,
    daemon::{Api, Breaker, Logging, Retention, Schedule},
    secret::SecretRef,
    tracker::{Person, Tracker},
    values::{Address, HostPort, HttpsUrl, Pattern, Period, ProxyUrl, PublicUrl, Timestamp},
};

/// The whole configuration.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(deny_unknown_fields, title = "Forgewatch configuration")]
pub struct Config {
    /// Whether this process may hold identities.
    pub silo_mode: SiloMode,
    /// Longest time that one check may take; longer than `http.timeout`.
    pub check_timeout: Period,
    /// Where plugins are found and how they run.
    pub plugins: Plugins,
    /// The host's HTTP client.
    pub http: Http,
    /// Where results are kept.
    pub state: State,
    /// When to check and when to believe it, for every repository.
    pub defaults: Defaults,
    /// How the daemon spreads and limits its checks.
    pub schedule: Schedule,
    /// When the daemon looks for one cause before it believes many losses at once.
    pub breaker: Breaker,
    /// The daemon's HTTP side.
    pub api: Api,
    /// Whom the daemon tells of incidents.
    pub alerts: Alerts,
    /// The address that people reach the daemon's page at, for links in messages.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub public_url: Option<PublicUrl>,
    /// How long the daemon remembers what is over.
    pub retention: Retention,
    /// The daemon's log.
    pub logging: Logging,
    /// Settings of one provider, by its key.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub providers: BTreeMap<String, Provider>,
    /// Credentials, by a name of your choice.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub identities: BTreeMap<String, Identity>,
    /// Installed accounts and organisations, by a name of your choice.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub integrations: BTreeMap<String, Integration>,
    /// Repositories to check, by a name of your choice.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub repositories: BTreeMap<String, Repository>,
    /// Repositories to find, by a name of your choice.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub discovery: BTreeMap<String, Discovery>,
    /// People who can have incidents, by a name of your choice.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub people: BTreeMap<String, Person>,
    /// Where issues are kept for incidents, by a name of your choice.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub trackers: BTreeMap<String, Tracker>,
    /// Named overlays, chosen with `--profile`: tables of the same settings.
    #[serde(skip_serializing)]
    pub profiles: BTreeMap<String, Map<String, Value>>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            silo_mode: SiloMode::Monolith,
            check_timeout: Period::from_secs(60),
            plugins: Plugins::default(),
            http: Http::default(),
            state: State::default(),
            defaults: Defaults::default(),
            schedule: Schedule::default(),
            breaker: Breaker::default(),
            api: Api::default(),
            alerts: Alerts::default(),
            public_url: None,
            retention: Retention::default(),
            logging: Logging::default(),
            providers: BTreeMap::new(),
            identities: BTreeMap::new(),
            integrations: BTreeMap::new(),
            repositories: BTreeMap::new(),
            discovery: BTreeMap::new(),
            people: BTreeMap::new(),
            trackers: BTreeMap::new(),
            profiles: BTreeMap::new(),
        }
    }
}

/// Whether this process may hold identities.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum SiloMode {
    /// Everything in one process.
    Monolith,
    /// Holds identities and state, and sends requests for regions.
    Control,
    /// Holds no identity.
    Region,
}

/// How a plugin's code runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum Isolation {
    /// In a sandboxed process of its own.
    Process,
    /// In the host's process.
    InProcess,
}

/// Where plugins are found and how they run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(inline, deny_unknown_fields)]
pub struct Plugins {
    /// Folders searched for plugin files, not recursively.
    pub dirs: Vec<PathBuf>,
    /// How plugins run unless their provider says otherwise.
    pub isolation: Isolation,
    /// Whether to refuse plugins where this system cannot give them the whole sandbox.
    pub require_sandbox: bool,
    /// File that pins every plugin by its hash and records approved hosts; once it is set, no other plugin is
    /// opened. Written by `forgewatch plugin lock`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub lock_file: Option<PathBuf>,
}

impl Default for Plugins {
    fn default() -> Self {
        Self {
            dirs: vec!["/usr/lib/forgewatch/plugins".into()],
            isolation: Isolation::Process,
            require_sandbox: false,
            lock_file: None,
        }
    }
}

/// Settings of one provider.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(deny_unknown_fields)]
pub struct Provider {
    /// How this provider's plugin runs, if not as `plugins.isolation` says.
    pub isolation: Option<Isolation>,
    /// Hosts that the plugin may reach besides each integration's base URL.
    pub allow_hosts: Vec<HostPort>,
    /// Whether the plugin may send requests other than GET and HEAD.
    pub allow_write: bool,
    /// Whether many repositories may be asked for with one request, where the plugin can; the verdicts are the same.
    pub batch: bool,
    /// The plugin's own settings, checked against the schema that it brings.
    pub options: Map<String, Value>,
}

impl Default for Provider {
    fn default() -> Self {
        let (isolation, allow_hosts, allow_write) = (None, Vec::new(), false);
        Self { isolation, allow_hosts, allow_write, batch: true, options: Map::new() }
    }
}

/// The host's HTTP client.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(inline, deny_unknown_fields)]
pub struct Http {
    /// Longest time that one request may take.
    pub timeout: Period,
    /// PEM file with certificates trusted besides the system's.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub ca_file: Option<PathBuf>,
    /// Proxy for every request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proxy: Option<ProxyUrl>,
    /// What is asked without the proxy: hosts and domains with all below them, addresses, networks like `10.0.0.0/8`.
    #[schemars(inner(length(min = 1), regex(pattern = r"^[^,\s]+$")))]
    pub no_proxy: Vec<String>,
    /// Requests in flight at once.
    #[schemars(range(min = 1, max = 1024))]
    pub concurrency: u16,
    /// Longest answer that is read, in bytes.
    #[schemars(range(min = 1, max = 1_073_741_824))]
    pub max_response_bytes: u64,
}

impl Default for Http {
    fn default() -> Self {
        Self {
            timeout: Period::from_secs(10),
            ca_file: None,
            proxy: None,
            no_proxy: Vec::new(),
            concurrency: 64,
            max_response_bytes: 16 << 20,
        }
    }
}

/// Where results are kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(inline, deny_unknown_fields)]
pub struct State {
    /// The state file; by default `forgewatch/state.db` in `$XDG_STATE_HOME` or `~/.local/state`, and the path
    /// shown here where there is no home folder.
    #[schemars(length(min = 1))]
    pub path: PathBuf,
}

impl Default for State {
    fn default() -> Self {
        Self { path: "/var/lib/forgewatch/state.db".into() }
    }
}

/// When to check a repository and when to believe what was seen.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(inline, deny_unknown_fields)]
pub struct Defaults {
    /// Time between two checks of one repository.
    pub interval: Period,
    /// Denials in a row that confirm a loss of access.
    #[schemars(range(min = 1, max = 1000))]
    pub failure_threshold: u32,
    /// Grants in a row that confirm a recovery.
    #[schemars(range(min = 1, max = 1000))]
    pub success_threshold: u32,
    /// Time without a clear answer that opens an incident.
    pub stale_after: Period,
}

impl Default for Defaults {
    fn default() -> Self {
        Self {
            interval: Period::from_secs(15 * 60),
            failure_threshold: 2,
            success_threshold: 1,
            stale_after: Period::from_secs(6 * 60 * 60),
        }
    }
}

impl Defaults {
    /// These values, with whatever `overrides` sets in their place.
    #[must_use]
    pub fn with(self, overrides: &Overrides) -> Self {
        Self {
            interval: overrides.interval.unwrap_or(self.interval),
            failure_threshold: overrides.failure_threshold.unwrap_or(self.failure_threshold),
            success_threshold: overrides.success_threshold.unwrap_or(self.success_threshold),
            stale_after: overrides.stale_after.unwrap_or(self.stale_after),
        }
    }
}

/// Settings of `defaults` that an integration, a repository or a discovery sets for itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Overrides {
    /// Overrides `defaults.interval`.
    pub interval: Option<Period>,
    /// Overrides `defaults.failure_threshold`.
    #[schemars(range(min = 1, max = 1000))]
    pub failure_threshold: Option<u32>,
    /// Overrides `defaults.success_threshold`.
    #[schemars(range(min = 1, max = 1000))]
    pub success_threshold: Option<u32>,
    /// Overrides `defaults.stale_after`.
    pub stale_after: Option<Period>,
}

/// A credential, held by the host alone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[schemars(deny_unknown_fields)]
pub enum Identity {
    /// A personal access token.
    Pat {
        /// The token.
        token: SecretRef,
    },
    /// A bearer token.
    Bearer {
        /// The token.
        token: SecretRef,
    },
    /// User name and password.
    Basic {
        /// The user name.
        username: String,
        /// The password.
        password: SecretRef,
    },
    /// A token in a header of its own.
    Header {
        /// The header's name.
        #[schemars(regex(pattern = r"^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$"))]
        header: String,
        /// The header's value.
        token: SecretRef,
    },
    /// An OAuth 2.0 client that refreshes its access token.
    Oauth2(Oauth2),
    /// A Microsoft Entra application.
    Entra(Entra),
    /// One installation of an app of GitHub's kind, which signs for itself with a private key.
    GithubApp(GithubApp),
}

impl Identity {
    /// Its secrets.
    pub(super) fn secrets(&self) -> impl Iterator<Item = &SecretRef> {
        let secrets = match self {
            Self::Pat { token } | Self::Bearer { token } | Self::Header { token, .. } => {
                [Some(token), None, None]
            }
            Self::Basic { password, .. } => [Some(password), None, None],
            Self::Oauth2(client) => {
                [&client.client_secret, &client.access_token, &client.refresh_token].map(Option::as_ref)
            }
            Self::Entra(application) => [Some(&application.client_secret), None, None],
            Self::GithubApp(app) => [Some(&app.private_key), None, None],
        };
        secrets.into_iter().flatten()
    }
}

/// An OAuth 2.0 client that refreshes its access token.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Oauth2 {
    /// Where tokens are refreshed.
    pub token_url: HttpsUrl,
    /// The client's id.
    pub client_id: String,
    /// The client's secret, unless it is a public client.
    pub client_secret: Option<SecretRef>,
    /// Scopes to ask for, separated by spaces.
    pub scope: Option<String>,
    /// An access token known already.
    pub access_token: Option<SecretRef>,
    /// Until when `access_token` is good.
    pub expires_at: Option<Timestamp>,
    /// The refresh token; without it an expired access token stays expired.
    pub refresh_token: Option<SecretRef>,
    /// The redirect URI of the sign-in that the refresh token came from, for forges that want it with each refresh.
    #[schemars(length(min = 1))]
    pub redirect_uri: Option<String>,
}

/// A Microsoft Entra application that signs in with its own secret.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Entra {
    /// The directory's id or domain.
    #[schemars(length(min = 1))]
    pub tenant: String,
    /// The application's id.
    pub client_id: String,
    /// The application's secret.
    pub client_secret: SecretRef,
    /// Scope to ask for; by default everything the application may do on Azure DevOps.
    #[serde(default = "Entra::default_scope")]
    pub scope: String,
    /// Where tokens are asked for, if not at the tenant's public end point.
    pub token_url: Option<HttpsUrl>,
}

impl Entra {
    fn default_scope() -> String {
        "499b84ac-1321-427f-aa17-267ca6975798/.default".into()
    }
}

/// One installation of an app: the app signs for itself, and is given tokens of this installation that last an hour.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct GithubApp {
    /// The app's id or its client id, as text, like "123456" or "Iv23li0123456789abcd".
    #[schemars(regex(pattern = r"^[A-Za-z0-9._-]+$"))]
    pub app_id: String,
    /// The id of the installation, as text: the number at the end of the address of its settings page.
    #[schemars(regex(pattern = r"^[0-9]+$"))]
    pub installation_id: String,
    /// The app's private key: the PEM file that the forge made for it.
    pub private_key: SecretRef,
    /// The API that gives the tokens, if not the public one; an Enterprise Server's ends in `/api/v3/`.
    pub api_url: Option<HttpsUrl>,
}

impl GithubApp {
    /// Where tokens of the installation are asked for.
    pub fn token_url(&self) -> String {
        let base = self.api_url.as_ref().map_or("https://api.github.com/", |url| url.expose().as_str());
        let (base, installation) = (base.trim_end_matches('/'), &self.installation_id);
        format!("{base}/app/installations/{installation}/access_tokens")
    }
}

/// One installed account or organisation on a provider.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Integration {
    /// The provider's key, like `vsts`.
    #[schemars(length(min = 1))]
    pub provider: String,
    /// The forge's id of the account, used to look the base URL up.
    pub external_id: Option<String>,
    /// The base URL; a malformed one is repaired at the first check, if the forge knows a better one.
    pub domain_name: Address,
    /// Name of the identity to use; without one every check is `identity_invalid`.
    pub identity: Option<String>,
    /// Whether a plain `http://` base URL is accepted, for on-premises hosts.
    #[serde(default)]
    pub allow_insecure_http: bool,
    /// Anything else that the provider wants to know.
    #[serde(default)]
    pub metadata: BTreeMap<String, String>,
    /// Labels of its incidents, for the routes of alerts; a repository's own win for that repository.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// Its own values for `defaults`.
    #[serde(flatten)]
    pub overrides: Overrides,
}

/// One repository to check, named by `url`, or by `integration` and `name`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Repository {
    /// Name of the integration that it belongs to; with `url`, it settles which one.
    pub integration: Option<String>,
    /// The project within the integration.
    pub project: Option<String>,
    /// The repository's name at the forge.
    pub name: Option<String>,
    /// The forge's own id, which survives a rename.
    pub external_id: Option<String>,
    /// The repository's address, in place of `project` and `name`.
    pub url: Option<Address>,
    /// Labels for filters and reports.
    // Shared by all repositories that have the same, since a map for each weighs more than all the rest of it.
    #[serde(default)]
    pub labels: Arc<BTreeMap<String, String>>,
    /// Its own values for `defaults`.
    #[serde(flatten)]
    pub overrides: Overrides,
}

/// Repositories to find: everything that the integration's identity can list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Discovery {
    /// Name of the integration to search.
    pub integration: String,
    /// Patterns of what to take in, like `Payments/*`; they see `project/name`, or `name` alone.
    #[schemars(length(min = 1))]
    pub include: Vec<Pattern>,
    /// Patterns of what to leave out all the same.
    #[serde(default)]
    pub exclude: Vec<Pattern>,
    /// Time between two listings of what there is.
    #[serde(default = "Discovery::default_list_every")]
    pub list_every: Period,
    /// How long a repository has to be missing from listings, and denied by its own checks, before it is dropped.
    #[serde(default = "Discovery::default_forget_after")]
    pub forget_after: Period,
    /// Labels of what it finds.
    #[serde(default)]
    pub labels: Arc<BTreeMap<String, String>>,
    /// Its own values for `defaults`, for what it finds.
    #[serde(flatten)]
    pub overrides: Overrides,
}

impl Discovery {
    fn default_list_every() -> Period {
        Period::from_secs(60 * 60)
    }

    fn default_forget_after() -> Period {
        Period::from_secs(7 * 24 * 60 * 60)
    }
}
