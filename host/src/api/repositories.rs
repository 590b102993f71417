//! The repositories and what is believed of them.

mod choose;
mod item;

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Shared;
use super::access::Scope;
use super::answer::Found;
use super::error::Error;
use super::events::Event;
use super::input::{Nothing, input};
use super::page::{Cursor, Limit};
use super::route::{Call, Operation, Routes};
use crate::state::EventFilter;

use crate::verdict::Reason;
use choose::{Sort, VerdictFilter};
use item::{Repository, Rules};

/// Events of a repository that are shown with it.
const HISTORY: usize = 50;

pub(super) fn add(routes: &mut Routes) {
    let scope = Some(Scope::Read);
    let summary = "The repositories that are watched, those that fit all filters, in pages.";
    routes.get(
        "/api/v1/repositories",
        Operation { id: "list_repositories", summary, scope, errors: &[] },
        list,
    );
    let summary = "One repository, with its rules and its latest events.";
    routes.get(
        "/api/v1/repositories/{*name}",
        Operation { id: "get_repository", summary, scope, errors: &[] },
        get,
    );
}

/// Which repositories, and in which order.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Query {
    /// What is believed of it; `unknown` before there was any clear answer.
    verdict: Option<VerdictFilter>,
    /// Why.
    reason: Option<Reason>,
    /// The integration's name.
    integration: Option<String>,
    /// The provider's key.
    provider: Option<String>,
    /// The name of the discovery that has found it.
    discovery: Option<String>,
    /// A label and its value, as `key:value`; all that are given have to fit.
    #[schemars(length(max = 20))]
    label: Vec<Label>,
    /// A part of the name, in upper or lower case.
    #[schemars(length(max = 200))]
    q: Option<String>,
    /// The fingerprint of the open incident that it belongs to.
    incident: Option<String>,
    /// Whether it has been long without a clear answer.
    stale: Option<bool>,
    /// The order; `-` turns it round.
    sort: Sort,
    /// How many at most.
    limit: Limit,
    /// The `next` of the page before this one. The list goes on in the order that it had there.
    cursor: Option<Cursor>,
}

input!(Query);

/// Text with a colon in it.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(inline)]
struct Label(#[schemars(regex(pattern = "^[^:]*:"))] String);

/// A page of repositories.
#[derive(Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(crate) struct RepositoryPage {
    items: Vec<Repository>,
    /// How many fit, on all pages.
    pub(crate) total: usize,
    /// The cursor of the next page, if there is one.
    next: Option<Cursor>,
}

/// A repository and when what is seen of it is believed.
#[derive(Serialize, JsonSchema)]
pub(crate) struct RepositoryWithRules {
    #[serde(flatten)]
    repository: Repository,
    rules: Rules,
}

/// A repository with everything about it.
#[derive(Serialize, JsonSchema)]
struct RepositoryDetail {
    #[serde(flatten)]
    found: RepositoryWithRules,
    /// Its latest events, newest first; `/api/v1/events` has the others.
    history: Vec<Event>,
}

async fn list(call: Call<Query>) -> Result<Found<RepositoryPage>, Error> {
    page(&call.shared, call.input).await.map(Found)
}

/// The page that was asked for.
pub(super) async fn page(shared: &Arc<Shared>, query: Query) -> Result<RepositoryPage, Error> {
    shared.look(move |ledger| choose::page(ledger, &query)).await?
}

/// A repository by its name.
pub(super) fn one(shared: &Shared, name: &str) -> Result<RepositoryWithRules, Error> {
    let found = shared.handle.read(|ledger| {
        let (watched, entry) = ledger.get(name)?;
        let (repository, rules) = (Repository::of(ledger, watched, entry), Rules::of(&watched.rules));
        Some(RepositoryWithRules { repository, rules })
    });
    found.ok_or_else(|| Error::not_found(format!("no repository `{name}` is watched")))
}

async fn get(call: Call<Nothing>) -> Result<Found<RepositoryDetail>, Error> {
    let found = one(&call.shared, &call.name)?;
    let filter = EventFilter { repository: Some(call.name), ..EventFilter::default() };
    let history = call.shared.stored.read(move |state| state.events(&filter, None, None, HISTORY)).await?;
    Ok(Found(RepositoryDetail { found, history: history.into_iter().map(Event::from).collect() }))
}
