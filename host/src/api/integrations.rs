//! The integrations, and how their repositories and their forges do.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;
use tokio::time::Instant;

use super::access::Scope;
use super::answer::{Found, Time};
use super::error::Error;
use super::input::Nothing;
use super::route::{Call, Operation, Routes};
use crate::daemon::{Entry, HeldFor, Ledger, Standby, expires_at};
use crate::services::budget::Left;
use crate::sweep;
use crate::text::{mask_url, printable};
use crate::verdict::{Moment, Reason, Verdict};

pub(super) fn add(routes: &mut Routes) {
    let scope = Some(Scope::Read);
    let summary = "All integrations, with counts of their repositories.";
    let operation = Operation { id: "list_integrations", summary, scope, errors: &[] };
    routes.get("/api/v1/integrations", operation, list);
    let summary = "One integration.";
    let operation = Operation { id: "get_integration", summary, scope, errors: &[] };
    routes.get("/api/v1/integrations/{name}", operation, get);
}

/// An installed account or organisation on a forge.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Integration {
    pub(crate) name: String,
    /// The provider's key.
    provider: String,
    /// The base URL that is in use, without user name and password.
    base_url: String,
    /// The name of its identity.
    identity: Option<String>,
    /// What is known of that identity; its forge is asked every hour, where its plugin has a way to ask.
    credential: Option<Credential>,
    /// How many repositories it has.
    repositories: usize,
    #[serde(flatten)]
    counts: Counts,
    /// Checks that run.
    running: usize,
    /// Checks that are due and wait for their turn.
    waiting: usize,
    /// Until when no regular check is made, since the forge wants or needs a rest.
    held_until: Option<Time>,
    /// Why, while none is made.
    held_for: Option<HeldFor>,
    /// What its forge lets its identity ask, as the forge said at last; none if it never did.
    rate_budget: Option<RateBudget>,
    /// Since when its forge has been in trouble, while it is.
    trouble_since: Option<Time>,
    /// Whether many repositories turned at once and the cause is being looked for.
    investigating: bool,
}

/// What is left of a limit. All integrations with one identity at one forge share it.
#[derive(Serialize, JsonSchema)]
struct RateBudget {
    /// How many requests it allows in a window of time, where that is told.
    limit: Option<u64>,
    /// How many of them are left.
    remaining: u64,
    /// When all are there again, where that is told.
    resets_at: Option<Time>,
}

/// What is known of an identity.
#[derive(Serialize, JsonSchema)]
struct Credential {
    name: String,
    kind: Option<String>,
    /// When the token that it has now ends, as far as that is known.
    expires_at: Option<Time>,
    /// Whether it gets a new one by itself.
    renews: bool,
    /// For whom it speaks, as the forge calls that.
    subject: Option<String>,
    /// What it may do, in the forge's words.
    scopes: Vec<String>,
    may: May,
    /// When the forge has said so.
    probed_at: Option<Time>,
}

/// What an identity may do; `null` where nobody knows.
#[derive(Default, Serialize, JsonSchema)]
struct May {
    read: Option<bool>,
    write: Option<bool>,
    webhooks: Option<bool>,
}

/// How many repositories there are of each verdict and of each reason.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub(super) struct Counts {
    verdicts: Verdicts,
    reasons: BTreeMap<Reason, usize>,
}

/// How many repositories there are of each verdict.
#[derive(Clone, Copy, Debug, Default, Serialize, JsonSchema)]
pub(super) struct Verdicts {
    granted: usize,
    denied: usize,
    indeterminate: usize,
    /// Of which nothing is believed yet.
    unknown: usize,
}

/// All integrations.
#[derive(Serialize, JsonSchema)]
struct IntegrationList {
    items: Vec<Integration>,
}

async fn list(call: Call<Nothing>) -> Result<Found<IntegrationList>, Error> {
    let items = call.shared.look(|ledger| all(ledger, None)).await?;
    Ok(Found(IntegrationList { items }))
}

async fn get(call: Call<Nothing>) -> Result<Found<Integration>, Error> {
    let name = call.name.clone();
    let found = call.shared.look(move |ledger| all(ledger, Some(&name))).await?.pop();
    found.map(Found).ok_or_else(|| Error::not_found(format!("there is no integration `{}`", call.name)))
}

/// All integrations, or one.
pub(super) fn all(ledger: &Ledger, only: Option<&str>) -> Vec<Integration> {
    let mut counts: BTreeMap<&str, Counts> = BTreeMap::new();
    for (watched, entry) in ledger.iter() {
        let name = watched.target.integration.name.as_str();
        if only.is_none_or(|only| only == name) {
            counts.entry(name).or_default().add(entry);
        }
    }
    let wanted = ledger.world.integrations.values().filter(|it| only.is_none_or(|only| only == it.name));
    let integrations = wanted.map(|integration| {
        let counts = counts.remove(integration.name.as_str()).unwrap_or_default();
        Integration::of(ledger, integration, counts)
    });
    integrations.collect()
}

impl Integration {
    /// How many repositories it has of each verdict, by its word.
    pub(crate) fn verdicts(&self) -> [(&'static str, usize); 4] {
        let Verdicts { granted, denied, indeterminate, unknown } = self.counts.verdicts;
        [("denied", denied), ("indeterminate", indeterminate), ("unknown", unknown), ("granted", granted)]
    }

    fn of(ledger: &Ledger, integration: &sweep::Integration, counts: Counts) -> Self {
        let standby = ledger.integrations.get(&integration.name).cloned().unwrap_or_default();
        let base_url = integration.services.domain_name();
        Self {
            name: integration.name.clone(),
            provider: integration.provider_key.clone(),
            base_url: printable(&mask_url(&base_url), 500).into_owned(),
            identity: integration.services.identity_name().map(str::to_owned),
            credential: Credential::of(integration, &standby),
            repositories: counts.verdicts.total(),
            counts,
            running: standby.running,
            waiting: standby.waiting,
            held_until: standby.held_until.map(Time::from),
            held_for: standby.held_for,
            rate_budget: RateBudget::of(integration),
            trouble_since: standby.trouble_since.map(Time::from),
            investigating: standby.investigating,
        }
    }
}

impl RateBudget {
    fn of(integration: &sweep::Integration) -> Option<Self> {
        let (now, moment) = (Instant::now(), Moment::now());
        let Left { limit, remaining, resets_at } = integration.services.budget()?.left(now)?;
        let resets_at = resets_at.map(|at| moment.after(at.saturating_duration_since(now)).into());
        Some(Self { limit, remaining, resets_at })
    }
}

impl Credential {
    fn of(integration: &sweep::Integration, standby: &Standby) -> Option<Self> {
        let identity = integration.services.default_identity()?;
        let (who, probed) = (standby.who(), standby.identity.as_ref());
        let may = probed.and_then(|(_, probed)| probed.may).unwrap_or_default();
        Some(Self {
            name: identity.name().to_owned(),
            kind: integration.description.identity_kind().map(str::to_owned),
            expires_at: expires_at(integration, standby).map(|at| Moment::from(at).into()),
            renews: identity.renews(),
            subject: who.and_then(|who| who.subject.clone()),
            scopes: who.map(|who| who.scopes.clone()).unwrap_or_default(),
            may: May { read: may.read(), write: may.write(), webhooks: may.webhooks() },
            probed_at: probed.map(|(at, _)| Time::from(*at)),
        })
    }
}

impl Counts {
    fn add(&mut self, entry: &Entry) {
        self.verdicts.add(entry);
        if let Some(reason) = entry.reason() {
            *self.reasons.entry(reason).or_default() += 1;
        }
    }
}

impl Verdicts {
    pub(super) fn add(&mut self, entry: &Entry) {
        let count = match entry.verdict() {
            Some(Verdict::Granted) => &mut self.granted,
            Some(Verdict::Denied) => &mut self.denied,
            Some(Verdict::Indeterminate) => &mut self.indeterminate,
            None => &mut self.unknown,
        };
        *count += 1;
    }

    pub(super) fn total(&self) -> usize {
        self.granted + self.denied + self.indeterminate + self.unknown
    }
}
