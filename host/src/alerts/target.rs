//! Somebody who can be told, ready to be told something.
//!
//! - What can be wrong with a target's settings is found when it is prepared, all of it at once; its secrets are read
//!   then and appear nowhere but in what is sent to it.
//! - A message is sent once and within a bounded time, after which nothing of it goes on. Trying again is its sender's business, and so is order.

mod alertmanager;
mod answer;
mod apart;
mod email;
mod quote;
mod reader;
mod sample;
mod secrets;
mod signature;
mod slack;
mod template;
mod webhook;
mod words;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::message::Message;
use crate::config::{AlertTarget, Loaded, Problem};
use crate::prepare::{http_problem, http_settings};
use crate::services::http::Messenger;

use alertmanager::Alertmanager;
use apart::{Failure, apart};
use email::Email;
use reader::Reader;
pub(crate) use sample::test_message;
use slack::Slack;
use webhook::Webhook;

/// Why a message was not taken. Safe to print; holds no secret and no address that is one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The target cannot be reached, or takes nothing at the moment: it may take all of it later.
    #[error("{detail}")]
    Unavailable {
        /// What was seen, and what to do.
        detail: String,
        /// When it wants to be asked again, if it says so.
        retry_after: Option<Duration>,
    },
    /// It answers, and does not take this message.
    #[error("{detail}")]
    Refused {
        /// What was seen, and what to do.
        detail: String,
    },
}

/// Somebody who can be told. Cheap to clone.
#[derive(Clone)]
pub struct Target {
    kind: &'static str,
    way: Arc<Way>,
    messenger: Arc<Messenger>,
}

enum Way {
    Webhook(Box<Webhook>),
    Slack(Slack),
    Alertmanager(Alertmanager),
    Email(Box<Email>),
}

impl Target {
    /// The targets of a configuration, by name, as far as they can be used. Reads their secrets and certificates and
    /// tries their templates; asks nobody.
    pub async fn prepare_all(loaded: &Loaded, problems: &mut Vec<Problem>) -> BTreeMap<String, Self> {
        let mut targets = BTreeMap::new();
        if !loaded.config.alerts.targets.is_empty() {
            let messenger = messenger(loaded, problems);
            for (name, target) in &loaded.config.alerts.targets {
                let prepared = Self::of(loaded, name, target, messenger.as_ref(), problems).await;
                targets.extend(prepared.map(|target| (name.clone(), target)));
            }
        }
        targets
    }

    /// One of them, in the same way.
    pub async fn prepare(
        loaded: &Loaded,
        name: &str,
        target: &AlertTarget,
        problems: &mut Vec<Problem>,
    ) -> Option<Self> {
        let messenger = messenger(loaded, problems);
        Self::of(loaded, name, target, messenger.as_ref(), problems).await
    }

    async fn of(
        loaded: &Loaded,
        name: &str,
        target: &AlertTarget,
        messenger: Option<&Arc<Messenger>>,
        problems: &mut Vec<Problem>,
    ) -> Option<Self> {
        let mut reader = Reader { loaded, name, problems };
        let way = Way::prepare(target, &mut reader, messenger.map(Arc::as_ref)).await?;
        Some(Self { kind: target.kind(), way: Arc::new(way), messenger: Arc::clone(messenger?) })
    }

    /// The word for its kind.
    pub fn kind(&self) -> &'static str {
        self.kind
    }

    /// Tells it something, within a bounded time. Cancelling it may leave the message delivered or not.
    ///
    /// # Errors
    ///
    /// It did not take it.
    pub async fn send(&self, message: &Message) -> Result<(), Refusal> {
        let (target, message) = (self.clone(), message.clone());
        let limit = match &*self.way {
            Way::Email(email) => email.limit(),
            Way::Webhook(_) | Way::Slack(_) | Way::Alertmanager(_) => self.messenger.timeout(),
        };
        let sent = apart(limit, async move { target.way.send(&message, &target.messenger).await });
        let detail = match sent.await {
            Ok(outcome) => return outcome,
            Err(Failure::TimedOut) => format!("timed out after {} s", limit.as_secs_f64()),
            Err(Failure::NoRuntime(error)) => format!("nothing can be sent: {error}"),
        };
        Err(Refusal::Unavailable { detail, retry_after: None })
    }

    /// How many incidents one message may hold.
    pub fn most_incidents(&self) -> usize {
        match *self.way {
            Way::Webhook(_) => 100,
            Way::Alertmanager(_) => 500,
            // One message to people, however many there are; it names the first of them.
            Way::Slack(_) | Way::Email(_) => 100_000,
        }
    }

    /// How often it wants to hear of what is still open, beside reminders; none where it remembers.
    pub fn refresh_every(&self) -> Option<Duration> {
        matches!(*self.way, Way::Alertmanager(_)).then_some(alertmanager::REFRESH)
    }
}

impl Way {
    async fn prepare(
        target: &AlertTarget,
        reader: &mut Reader<'_>,
        messenger: Option<&Messenger>,
    ) -> Option<Self> {
        Some(match target {
            AlertTarget::Webhook(target) => Self::Webhook(Box::new(Webhook::prepare(target, reader).await?)),
            AlertTarget::Slack(target) => Self::Slack(Slack::prepare(target, reader).await?),
            AlertTarget::Alertmanager(target) => {
                Self::Alertmanager(Alertmanager::prepare(target, reader).await?)
            }
            AlertTarget::Email(target) => {
                Self::Email(Box::new(Email::prepare(target, reader, messenger).await?))
            }
        })
    }

    async fn send(&self, message: &Message, messenger: &Messenger) -> Result<(), Refusal> {
        match self {
            Self::Webhook(webhook) => webhook.send(message, messenger).await,
            Self::Slack(slack) => slack.send(message, messenger).await,
            Self::Alertmanager(alertmanager) => alertmanager.send(message, messenger).await,
            Self::Email(email) => email.send(message).await,
        }
    }
}

/// What all requests go through; the client of the plugins may have the same fault, which is told once.
fn messenger(loaded: &Loaded, problems: &mut Vec<Problem>) -> Option<Arc<Messenger>> {
    let tell = |error| {
        let problem = http_problem(loaded, &error);
        if !problems.contains(&problem) {
            problems.push(problem);
        }
    };
    Messenger::new(&http_settings(loaded)).map_err(tell).map(Arc::new).ok()
}
