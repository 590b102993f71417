//! Whom the daemon tells of incidents, when, and how.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    secret::SecretRef,
    values::{HttpUrl, Pattern, Period, TimeOfDay, Timestamp},
};

/// Whom the daemon tells of incidents.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(inline, deny_unknown_fields)]
pub struct Alerts {
    /// How long a message waits for others that belong with it.
    pub group_wait: Period,
    /// The labels that those share which are told in one message.
    pub group_by: Vec<String>,
    /// Time after which it is told again that an incident goes on.
    pub remind_after: Period,
    /// Time after which a message that its target does not take is given up.
    pub give_up_after: Period,
    /// How bad incidents are, by what is behind them.
    pub severities: Severities,
    /// Names of the targets that hear of incidents which no route takes.
    pub default: Vec<String>,
    /// Who can be told, by a name of your choice.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub targets: BTreeMap<String, AlertTarget>,
    /// Who is told of what, by a name of your choice. Every route that fits counts.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub routes: BTreeMap<String, AlertRoute>,
    /// Times at which nobody is told, by a name of your choice.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub maintenance: BTreeMap<String, Maintenance>,
}

impl Default for Alerts {
    fn default() -> Self {
        const HOUR: u64 = 60 * 60;
        Self {
            group_wait: Period::from_secs(15),
            group_by: vec!["integration".to_owned()],
            remind_after: Period::from_secs(4 * HOUR),
            give_up_after: Period::from_secs(72 * HOUR),
            severities: Severities::default(),
            default: Vec::new(),
            targets: BTreeMap::new(),
            routes: BTreeMap::new(),
            maintenance: BTreeMap::new(),
        }
    }
}

/// How bad something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum Severity {
    /// For the record.
    Info,
    /// Somebody should look at it.
    Warning,
    /// Somebody has to look at it now.
    Critical,
}

impl Severity {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Info, Self::Warning, Self::Critical];

    /// The word for people and machines.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

/// How bad incidents are, by what is behind them; a label `severity` of the integration or the repository wins.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(inline, deny_unknown_fields)]
pub struct Severities {
    /// The integration's credential is dead.
    pub identity: Severity,
    /// Many of the integration's repositories at once, and not for its credential.
    pub integration: Severity,
    /// The forge cannot be reached, or makes no sense.
    pub forge: Severity,
    /// The plugin fails.
    pub plugin: Severity,
    /// One repository alone.
    pub repository: Severity,
}

impl Default for Severities {
    fn default() -> Self {
        Self {
            identity: Severity::Critical,
            integration: Severity::Critical,
            forge: Severity::Warning,
            plugin: Severity::Warning,
            repository: Severity::Warning,
        }
    }
}

/// Somebody who can be told.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[schemars(deny_unknown_fields)]
pub enum AlertTarget {
    /// A program that takes JSON by POST.
    Webhook(WebhookTarget),
    /// Slack, or a chat with incoming webhooks that are compatible with it, such as Mattermost.
    Slack(SlackTarget),
    /// Prometheus' Alertmanager.
    Alertmanager(AlertmanagerTarget),
    /// People with mailboxes.
    Email(EmailTarget),
}

impl AlertTarget {
    /// Its secrets.
    pub(super) fn secrets(&self) -> impl Iterator<Item = &SecretRef> {
        let secrets = match self {
            Self::Webhook(WebhookTarget { url, secret, authorization, .. }) => {
                [Some(url), secret.as_ref(), authorization.as_ref()]
            }
            Self::Slack(target) => [Some(&target.url), None, None],
            Self::Alertmanager(target) => [target.authorization.as_ref(), None, None],
            Self::Email(target) => [target.password.as_ref(), None, None],
        };
        secrets.into_iter().flatten()
    }

    /// The word for its kind.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Webhook(_) => "webhook",
            Self::Slack(_) => "slack",
            Self::Alertmanager(_) => "alertmanager",
            Self::Email(_) => "email",
        }
    }
}

/// A program that takes JSON by POST.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct WebhookTarget {
    /// Its address, which often is its password too.
    pub url: SecretRef,
    /// What messages are signed with, as Standard Webhooks has it: `whsec_` and 24 to 64 bytes in base64.
    pub secret: Option<SecretRef>,
    /// The value of the header `Authorization`, like `Bearer …`.
    pub authorization: Option<SecretRef>,
    /// The body, a Jinja template that makes JSON; without one it has everything.
    #[schemars(length(min = 1, max = 65_536))]
    pub template: Option<String>,
    /// Whether an address with plain `http://` is accepted.
    #[serde(default)]
    pub allow_insecure_http: bool,
}

/// An incoming webhook of Slack or of what is compatible with it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct SlackTarget {
    /// Its address, which is its password too.
    pub url: SecretRef,
    /// Whether an address with plain `http://` is accepted.
    #[serde(default)]
    pub allow_insecure_http: bool,
}

/// An Alertmanager with its API, version 2.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct AlertmanagerTarget {
    /// Its address, without `/api/v2`.
    pub url: HttpUrl,
    /// The value of the header `Authorization`, like `Bearer …`.
    pub authorization: Option<SecretRef>,
    /// Whether an address with plain `http://` is accepted.
    #[serde(default)]
    pub allow_insecure_http: bool,
}

/// People with mailboxes, and the server that takes mail for them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct EmailTarget {
    /// The mail server's name or address.
    #[schemars(length(min = 1))]
    pub host: String,
    /// Its port; by default 587, with `tls = "implicit"` 465, with `tls = "none"` 25.
    #[schemars(range(min = 1))]
    pub port: Option<u16>,
    /// How the connection is protected.
    #[serde(default)]
    pub tls: MailTls,
    /// Who signs in, if anybody does.
    pub username: Option<String>,
    /// The password of `username`.
    pub password: Option<SecretRef>,
    /// Whom the mail is from, like `Forgewatch <forgewatch@example.org>`.
    pub from: String,
    /// Whom it is for.
    #[schemars(length(min = 1))]
    pub to: Vec<String>,
}

/// How the connection to a mail server is protected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum MailTls {
    /// By STARTTLS, without which nothing is sent.
    #[default]
    Starttls,
    /// By TLS from the first byte.
    Implicit,
    /// Not at all, which only a server on this machine may be asked for.
    None,
}

/// Who is told of what.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct AlertRoute {
    /// Patterns that an incident's labels have to fit, all of them; none fits everything.
    #[serde(default, rename = "match")]
    pub matches: BTreeMap<String, Pattern>,
    /// Names of the targets that are told.
    #[schemars(length(min = 1))]
    pub targets: Vec<String>,
}

/// A time at which nobody is told: `from` and `until` once, `weekly` again and again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Maintenance {
    /// Patterns that an incident's labels have to fit, all of them; none fits everything.
    #[serde(default, rename = "match")]
    pub matches: BTreeMap<String, Pattern>,
    /// When it begins.
    pub from: Option<Timestamp>,
    /// When it is over.
    pub until: Option<Timestamp>,
    /// The same every week.
    pub weekly: Option<Weekly>,
}

/// A time of every week, in UTC.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(inline, deny_unknown_fields)]
pub struct Weekly {
    /// On which days it begins; none means every day.
    #[serde(default)]
    pub days: Vec<Weekday>,
    /// When it begins, like "22:30".
    pub from: TimeOfDay,
    /// How long it goes on, a day at most.
    #[serde(rename = "for")]
    pub length: Period,
}

/// A day of the week.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
#[expect(missing_docs, reason = "there is nothing to say of them")]
pub enum Weekday {
    Mon,
    Tue,
    Wed,
    Thu,
    Fri,
    Sat,
    Sun,
}
