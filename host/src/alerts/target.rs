//! Somebody who can be told, ready to be told something.
//!
//! - What can be wrong with a target's settings is found when it is prepared, all of it at once; its secrets are read
//!   then and appear nowhere but in what is sent to it.
//! - A message is sent once and within a bounded time. Trying again is its sender's business, and so is order.

mod alertmanager;
mod answer;
mod email;
mod quote;
mod sample;
mod settings;
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
use email::Email;
pub(crate) use sample::test_message;
use settings::Settings;
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

/// Somebody who can be told.
pub struct Target {
    way: Way,
    messenger: Arc<Messenger>,
}

enum Way {
    Webhook(Box<Webhook>),
    Slack(Slack),
    Alertmanager(Alertmanager),
    Email(Box<Email>),
}

impl Target {
    /// The targets with these names, as far as they can be used. Reads their secrets and certificates and tries their
    /// templates; asks nobody.
    pub async fn prepare<'a>(
        loaded: &'a Loaded,
        names: impl IntoIterator<Item = &'a str>,
        problems: &mut Vec<Problem>,
    ) -> BTreeMap<String, Self> {
        let configured = &loaded.config.alerts.targets;
        let chosen: Vec<_> =
            names.into_iter().filter_map(|name| Some((name, configured.get(name)?))).collect();
        if chosen.is_empty() {
            return BTreeMap::new();
        }
        let messenger = match Messenger::new(&http_settings(loaded)) {
            Ok(messenger) => Some(Arc::new(messenger)),
            Err(error) => {
                // The client of the plugins has the same fault.
                let problem = http_problem(loaded, &error);
                if !problems.contains(&problem) {
                    problems.push(problem);
                }
                None
            }
        };
        let mut targets = BTreeMap::new();
        for (name, target) in chosen {
            let mut settings = Settings { loaded, name, problems: &mut *problems };
            let way = Way::prepare(target, &mut settings, messenger.as_deref()).await;
            if let (Some(way), Some(messenger)) = (way, &messenger) {
                targets.insert(name.to_owned(), Self { way, messenger: Arc::clone(messenger) });
            }
        }
        targets
    }

    /// Tells it something, within a bounded time. Cancelling it may leave the message delivered or not.
    ///
    /// # Errors
    ///
    /// It did not take it.
    pub async fn send(&self, message: &Message) -> Result<(), Refusal> {
        let messenger = &self.messenger;
        match &self.way {
            Way::Webhook(webhook) => webhook.send(message, messenger).await,
            Way::Slack(slack) => slack.send(message, messenger).await,
            Way::Alertmanager(alertmanager) => alertmanager.send(message, messenger).await,
            Way::Email(email) => email.send(message).await,
        }
    }

    /// How many incidents one message may hold.
    pub fn most_incidents(&self) -> usize {
        match self.way {
            Way::Webhook(_) => 100,
            Way::Alertmanager(_) => 500,
            // One message to people, however many there are; it names the first of them.
            Way::Slack(_) | Way::Email(_) => 100_000,
        }
    }

    /// How often it wants to hear of what is still open, beside reminders; none where it remembers.
    pub fn refresh_every(&self) -> Option<Duration> {
        matches!(self.way, Way::Alertmanager(_)).then_some(alertmanager::REFRESH)
    }
}

impl Way {
    async fn prepare(
        target: &AlertTarget,
        settings: &mut Settings<'_>,
        messenger: Option<&Messenger>,
    ) -> Option<Self> {
        Some(match target {
            AlertTarget::Webhook(target) => {
                Self::Webhook(Box::new(Webhook::prepare(target, settings).await?))
            }
            AlertTarget::Slack(target) => Self::Slack(Slack::prepare(target, settings).await?),
            AlertTarget::Alertmanager(target) => {
                Self::Alertmanager(Alertmanager::prepare(target, settings).await?)
            }
            AlertTarget::Email(target) => {
                Self::Email(Box::new(Email::prepare(target, settings, messenger).await?))
            }
        })
    }
}
