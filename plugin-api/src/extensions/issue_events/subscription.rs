//! Subscriptions to what becomes of issues.

use serde::{Deserialize, Serialize};

/// A subscription that is to be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewSubscription {
    url: String,
    secret: String,
    #[serde(default)]
    project: Option<String>,
}

impl NewSubscription {
    /// Deliveries to `url`, with what stands for the secret that shall come with them.
    pub fn new(url: impl Into<String>, secret: impl Into<String>) -> Self {
        Self { url: url.into(), secret: secret.into(), project: None }
    }

    /// For the issues of one project alone, by its name or id.
    #[must_use]
    pub fn with_project(mut self, project: impl Into<String>) -> Self {
        self.project = Some(project.into());
        self
    }

    /// Where events are to be delivered.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// What stands for the secret. Write it into the request's body, where the forge wants the secret: on its way to the
    /// integration's base URL the host puts the secret into its place. It is made of letters, digits, `-` and `_`, as the
    /// secret is, and so needs no escapes.
    pub fn secret(&self) -> &str {
        &self.secret
    }

    /// The project; none for all.
    pub fn project(&self) -> Option<&str> {
        self.project.as_deref()
    }
}

/// How a subscription does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum SubscriptionStatus {
    /// It delivers.
    Enabled,
    /// It delivers, and is about to be switched off, since deliveries fail.
    OnProbation,
    /// It delivers nothing.
    #[serde(other)]
    Disabled,
}

/// A subscription.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subscription {
    id: String,
    status: SubscriptionStatus,
    #[serde(default)]
    detail: String,
}

impl Subscription {
    /// A subscription by the tracker's own id.
    pub fn new(id: impl Into<String>, status: SubscriptionStatus) -> Self {
        Self { id: id.into(), status, detail: String::new() }
    }

    /// Says in one sentence why it is as it is.
    #[must_use]
    pub fn with_detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = detail.into();
        self
    }

    /// The tracker's own id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// How it does.
    pub fn status(&self) -> SubscriptionStatus {
        self.status
    }

    /// Why; empty where there is nothing to say.
    pub fn detail(&self) -> &str {
        &self.detail
    }
}
