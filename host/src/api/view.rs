//! What pages for people are made of: the very projections that the API serializes, so that the two never say different
//! things, and the limits that hold for both.
//!
//! What pages are is not known here: whoever makes them gets a [`View`] and gives [`Pages`].

use std::sync::Arc;

use axum::Router;
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio_util::sync::CancellationToken;

pub(crate) use super::Peer;
pub(crate) use super::error::Error;
pub(crate) use super::events::Event;
pub(crate) use super::input::{form_of_body, pairs};

use super::access::Gate;
use super::incidents::orders::{self, Wanted};
use super::incidents::{self, Incident, IncidentPage};
use super::input;
use super::integrations;
pub(crate) use super::integrations::Integration;
use super::repositories::{self, RepositoryPage, RepositoryWithRules};
use super::search;
pub(crate) use super::search::Suggestions;
use super::{Shared, commands, plugins, status};
use crate::alerts::TargetReport;
use crate::daemon::{Asked, Ledger, Report};
use crate::prepare::PluginEntry;
use crate::state::{EventFilter, Health};
use crate::tracker::{SubscriptionReport, TrackerReport};

/// Pages beside the API, behind the same guard and within the same limits.
pub(crate) struct Pages {
    /// Their routes.
    pub(crate) routes: Router,
    /// What goes around everything, the guard included: how refusals look to people.
    pub(crate) around: Box<dyn FnOnce(Router) -> Router + Send>,
}

/// What there is to show, and to ask for.
#[derive(Clone)]
pub(crate) struct View(pub(super) Arc<Shared>);

impl View {
    /// Who may come in.
    pub(crate) fn gate(&self) -> &Gate {
        &self.0.gate
    }

    /// Waits until there is room for one more request.
    pub(crate) async fn turn(&self) -> Option<OwnedSemaphorePermit> {
        self.0.turn().await
    }

    /// Looks at all of the ledger, on a thread that may be busy for a while.
    ///
    /// # Errors
    ///
    /// A fault of our own.
    pub(crate) async fn look<T: Send + 'static>(
        &self,
        look: impl FnOnce(&Ledger) -> T + Send + 'static,
    ) -> Result<T, Error> {
        self.0.look(look).await
    }

    /// The daemon at a glance.
    ///
    /// # Errors
    ///
    /// A fault of our own.
    pub(crate) async fn status(&self) -> Result<Report, Error> {
        status::of(&self.0).await
    }

    /// A page of repositories, as a query of the API asks for it.
    ///
    /// # Errors
    ///
    /// There is no such query.
    pub(crate) async fn repositories(&self, query: &str) -> Result<RepositoryPage, Error> {
        repositories::page(&self.0, input::of_query(query)?).await
    }

    /// One repository with its rules.
    ///
    /// # Errors
    ///
    /// It is not watched.
    pub(crate) fn repository(&self, name: &str) -> Result<RepositoryWithRules, Error> {
        repositories::one(&self.0, name)
    }

    /// Entries of the journal, at most `limit`, newest first.
    ///
    /// # Errors
    ///
    /// The state cannot be read.
    pub(crate) async fn events(&self, filter: EventFilter, limit: usize) -> Result<Vec<Event>, Error> {
        let found = self.0.stored.read(move |state| state.events(&filter, None, None, limit)).await?;
        Ok(found.into_iter().map(Event::from).collect())
    }

    /// A page of incidents, as a query of the API asks for it.
    ///
    /// # Errors
    ///
    /// There is no such query, or the state cannot be read.
    pub(crate) async fn incidents(&self, query: &str) -> Result<IncidentPage, Error> {
        incidents::page(&self.0, input::of_query(query)?).await
    }

    /// One incident.
    ///
    /// # Errors
    ///
    /// There is none, or the state cannot be read.
    pub(crate) async fn incident(&self, id: &str) -> Result<Incident, Error> {
        incidents::one(&self.0, id).await
    }

    /// The names of those who can have an incident.
    ///
    /// # Errors
    ///
    /// As for [`View::incident`].
    pub(crate) async fn people_for(&self, id: &str) -> Result<Vec<String>, Error> {
        incidents::people_for(&self.0, id).await
    }

    /// Gives an incident to somebody, or to nobody.
    ///
    /// # Errors
    ///
    /// There is no such incident, or they cannot have it.
    pub(crate) async fn assign(&self, id: &str, person: Option<String>) -> Result<Incident, Error> {
        orders::assign(&self.0, id, person).await
    }

    /// Makes an issue an incident's own. May take long.
    ///
    /// # Errors
    ///
    /// There is no such incident, it cannot have the issue, or the tracker does not show that.
    pub(crate) async fn link(
        &self,
        id: &str,
        integration: String,
        issue: String,
        project: Option<String>,
    ) -> Result<Incident, Error> {
        orders::link(&self.0, id, Wanted { integration, issue, project }).await
    }

    /// Parts an incident from its issue.
    ///
    /// # Errors
    ///
    /// There is no such incident, or it has no issue.
    pub(crate) async fn unlink(&self, id: &str) -> Result<Incident, Error> {
        orders::unlink(&self.0, id).await
    }

    /// Looks for issues in an integration's tracker. May take long.
    ///
    /// # Errors
    ///
    /// There is no such integration, or its tracker refuses.
    pub(crate) async fn search_issues(&self, integration: &str, text: &str) -> Result<Suggestions, Error> {
        search::issues_of(&self.0, integration, text).await
    }

    /// All integrations, in name order.
    ///
    /// # Errors
    ///
    /// A fault of our own.
    pub(crate) async fn integrations(&self) -> Result<Vec<Integration>, Error> {
        self.0.look(|ledger| integrations::all(ledger, None)).await
    }

    /// All targets of alerts, in name order.
    ///
    /// # Errors
    ///
    /// A fault of our own.
    pub(crate) async fn alerts(&self) -> Result<Vec<TargetReport>, Error> {
        super::alerts::of(&self.0).await
    }

    /// How trackers do, in name order of their integrations.
    ///
    /// # Errors
    ///
    /// A fault of our own.
    pub(crate) async fn trackers(&self) -> Result<Vec<TrackerReport>, Error> {
        super::tracking::of(&self.0).await
    }

    /// All subscriptions to what becomes of issues, in the order in which they were made.
    pub(crate) fn subscriptions(&self) -> Vec<SubscriptionReport> {
        self.0.tracker.subscriptions()
    }

    /// All library files.
    ///
    /// # Errors
    ///
    /// A fault of our own.
    pub(crate) async fn plugins(&self) -> Result<Vec<PluginEntry>, Error> {
        plugins::all(&self.0).await
    }

    /// Has a repository checked as soon as there is room.
    ///
    /// # Errors
    ///
    /// It is not watched, or the daemon is stopping.
    pub(crate) async fn check(&self, name: String) -> Result<Asked, Error> {
        commands::check_all(&self.0, vec![name]).await
    }

    /// How the state does; changes with every commit.
    pub(crate) fn health(&self) -> watch::Receiver<Health> {
        self.0.handle.health()
    }

    /// When everything ends.
    pub(crate) fn stop(&self) -> &CancellationToken {
        &self.0.stop
    }
}
