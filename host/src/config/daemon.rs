//! Settings that only the daemon reads: its schedule, its HTTP side, its log, and how long it remembers.

use std::{collections::BTreeMap, net::SocketAddr};

use clap::ValueEnum;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    secret::SecretRef,
    values::{HostPort, ListenAddress, Period},
};

/// How the daemon spreads and limits its checks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(inline, deny_unknown_fields)]
pub struct Schedule {
    /// Checks that run at once.
    #[schemars(range(min = 1, max = 1024))]
    pub concurrency: u16,
    /// Checks of one integration that run at once.
    #[schemars(range(min = 1, max = 1024))]
    pub integration_concurrency: u16,
    /// How soon a check that denies is repeated; never later than the repository's interval says.
    pub confirm_after: Period,
    /// How long running checks may still take once the daemon is told to stop.
    pub stop_grace: Period,
}

impl Default for Schedule {
    fn default() -> Self {
        Self {
            concurrency: 64,
            integration_concurrency: 32,
            confirm_after: Period::from_secs(30),
            stop_grace: Period::from_secs(20),
        }
    }
}

/// When the daemon looks for one cause before it believes many losses at once.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(inline, deny_unknown_fields)]
pub struct Breaker {
    /// Of the latest checks of an integration's repositories with access, the part that has to deny it, in percent.
    #[schemars(range(min = 1, max = 100))]
    pub share_percent: u8,
    /// How many denials that has to be at least.
    #[schemars(range(min = 2, max = 1_000_000))]
    pub minimum: u32,
    /// How far back the latest checks reach at most.
    pub window: Period,
}

impl Default for Breaker {
    fn default() -> Self {
        Self { share_percent: 50, minimum: 5, window: Period::from_secs(120) }
    }
}

/// How long the daemon remembers what is over.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(inline, deny_unknown_fields)]
pub struct Retention {
    /// Errors, transitions and everything else that is not a transaction.
    pub events: Period,
    /// Transactions of sweeps and checks.
    pub transactions: Period,
    /// Incidents after they were resolved.
    pub incidents: Period,
}

impl Default for Retention {
    fn default() -> Self {
        const DAY: u64 = 24 * 60 * 60;
        Self {
            events: Period::from_secs(90 * DAY),
            transactions: Period::from_secs(7 * DAY),
            incidents: Period::from_secs(365 * DAY),
        }
    }
}

/// The daemon's HTTP side.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(inline, deny_unknown_fields)]
pub struct Api {
    /// Address and port to listen on.
    pub listen: ListenAddress,
    /// Whether tokens are asked for. Without any, only a loopback address may be listened on.
    pub auth: ApiAuth,
    /// Names that the API is reached by besides the address that it listens on; requests for other hosts are refused.
    pub hosts: Vec<HostPort>,
    /// Whether `/metrics` has one series per repository.
    pub repository_metrics: bool,
    /// Who may use the API, by a name of your choice.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub tokens: BTreeMap<String, ApiToken>,
}

impl Default for Api {
    fn default() -> Self {
        Self {
            listen: ListenAddress::new(SocketAddr::from(([127, 0, 0, 1], 9477))),
            auth: ApiAuth::Tokens,
            hosts: Vec::new(),
            repository_metrics: false,
            tokens: BTreeMap::new(),
        }
    }
}

/// Whether the API asks for tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum ApiAuth {
    /// It does, once there are any; off loopback there have to be.
    Tokens,
    /// It never does: something in front of it decides who may use it.
    None,
}

/// A bearer token of the API.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct ApiToken {
    /// The token.
    pub token: SecretRef,
    /// What it allows.
    #[serde(default = "ApiToken::default_scopes")]
    #[schemars(length(min = 1))]
    pub scopes: Vec<ApiScope>,
}

impl ApiToken {
    fn default_scopes() -> Vec<ApiScope> {
        vec![ApiScope::Read]
    }
}

/// What a token of the API allows; the later includes the earlier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum ApiScope {
    /// Reading everything.
    Read = 1,
    /// Checking now and reloading; reading too.
    Operate = 2,
}

/// The daemon's log, on standard error.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(inline, deny_unknown_fields)]
pub struct Logging {
    /// How lines look.
    pub format: LogFormat,
    /// How much is logged, unless `--log-level` says.
    pub level: LogLevel,
}

impl Default for Logging {
    fn default() -> Self {
        Self { format: LogFormat::Pretty, level: LogLevel::Info }
    }
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum LogFormat {
    /// For people.
    Pretty,
    /// One JSON object a line.
    Json,
}

/// How much is logged.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema, ValueEnum,
)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum LogLevel {
    /// Only what failed.
    Error,
    /// And what is probably not meant.
    Warn,
    /// And what happens.
    Info,
    /// And why.
    Debug,
    /// And everything else.
    Trace,
}
