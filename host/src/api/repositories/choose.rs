//! Choosing a page of repositories out of very many, while the ledger waits.
//!
//! One pass over all of them compares and copies nothing but numbers; only what the page shows is put together.

use regex::{Regex, RegexBuilder};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::item::Repository;
use super::{Label, Query, RepositoryPage};
use crate::api::error::Error;
use crate::api::page::Cursor;
use crate::daemon::{Entry, Ledger};
use crate::prepare::Watched;
use crate::verdict::{Moment, Verdict};

/// A verdict, or that there is none yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum VerdictFilter {
    Granted,
    Denied,
    Indeterminate,
    Unknown,
}

impl VerdictFilter {
    fn verdict(self) -> Option<Verdict> {
        match self {
            Self::Granted => Some(Verdict::Granted),
            Self::Denied => Some(Verdict::Denied),
            Self::Indeterminate => Some(Verdict::Indeterminate),
            Self::Unknown => None,
        }
    }
}

/// An order. Where it says nothing, names do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(super) enum Sort {
    #[default]
    #[serde(rename = "name")]
    Name,
    #[serde(rename = "-name")]
    NameDown,
    #[serde(rename = "checked_at")]
    CheckedAt,
    #[serde(rename = "-checked_at")]
    CheckedAtDown,
    #[serde(rename = "since")]
    Since,
    #[serde(rename = "-since")]
    SinceDown,
    #[serde(rename = "verdict")]
    Verdict,
    #[serde(rename = "-verdict")]
    VerdictDown,
}

impl Sort {
    /// All of them, as cursors number them.
    const ALL: [Self; 8] = [
        Self::Name,
        Self::NameDown,
        Self::CheckedAt,
        Self::CheckedAtDown,
        Self::Since,
        Self::SinceDown,
        Self::Verdict,
        Self::VerdictDown,
    ];

    fn is_down(self) -> bool {
        matches!(self, Self::NameDown | Self::CheckedAtDown | Self::SinceDown | Self::VerdictDown)
    }

    /// What comes first is small; what there is not comes before all else.
    fn key(self, entry: &Entry) -> u64 {
        match self {
            Self::Name | Self::NameDown => 0,
            Self::CheckedAt | Self::CheckedAtDown => key_of(entry.seen.as_ref().map(|seen| seen.at)),
            Self::Since | Self::SinceDown => key_of(entry.standing.confirmed.map(|it| it.since)),
            Self::Verdict | Self::VerdictDown => match entry.verdict() {
                None => 0,
                Some(Verdict::Denied) => 1,
                Some(Verdict::Indeterminate) => 2,
                Some(Verdict::Granted) => 3,
            },
        }
    }
}

fn key_of(moment: Option<Moment>) -> u64 {
    moment.map_or(0, |moment| u64::try_from(moment.unix_ms()).unwrap_or(0).saturating_add(1))
}

/// The page that was asked for.
pub(super) fn page(ledger: &Ledger, query: &Query) -> Result<RepositoryPage, Error> {
    let filter = Filter::of(query)?;
    let sort = query.cursor.as_ref().map_or(query.sort, |cursor| Sort::ALL[usize::from(cursor.order)]);
    let start = query.cursor.as_ref().map(|cursor| Start::of(ledger, cursor));
    let limit = query.limit.get();
    let mut total = 0;
    let mut left: Vec<(u64, usize)> = Vec::new();
    for (index, (watched, entry)) in ledger.iter().enumerate() {
        if !filter.takes(watched, entry) {
            continue;
        }
        total += 1;
        let place = (sort.key(entry), index);
        if start.as_ref().is_none_or(|start| start.is_before(place, sort.is_down())) {
            left.push(place);
        }
    }
    let are_more = left.len() > limit;
    let chosen = first(&mut left, limit, sort.is_down());
    let next = chosen.last().filter(|_| are_more).map(|(key, index)| {
        let name = ledger.world.repositories[*index].target.name.as_bytes().to_vec();
        Cursor { order: Sort::ALL.iter().position(|it| *it == sort).unwrap_or(0) as u8, key: *key, name }
    });
    let items = chosen.iter().map(|(_, index)| {
        Repository::of(ledger, &ledger.world.repositories[*index], &ledger.entries[*index])
    });
    Ok(RepositoryPage { items: items.collect(), total, next })
}

/// The first of them, in order.
fn first(places: &mut [(u64, usize)], limit: usize, is_down: bool) -> &[(u64, usize)] {
    let order = |one: &(u64, usize), other: &(u64, usize)| {
        if is_down { other.cmp(one) } else { one.cmp(other) }
    };
    let chosen = if places.len() > limit {
        places.select_nth_unstable_by(limit, order);
        &mut places[..limit]
    } else {
        places
    };
    chosen.sort_unstable_by(order);
    chosen
}

/// Where the page starts: after a place that need not be there any more.
struct Start {
    key: u64,
    /// How many names come before its name.
    before: usize,
    /// Whether there is one with its name.
    is_there: bool,
}

impl Start {
    fn of(ledger: &Ledger, cursor: &Cursor) -> Self {
        let repositories = &ledger.world.repositories;
        let place = repositories.binary_search_by(|watched| watched.target.name.as_bytes().cmp(&cursor.name));
        Self { key: cursor.key, before: place.unwrap_or_else(|place| place), is_there: place.is_ok() }
    }

    fn is_before(&self, (key, index): (u64, usize), is_down: bool) -> bool {
        let is_itself = self.is_there && index == self.before;
        let is_name_after = index >= self.before && !is_itself;
        match (key == self.key, is_down) {
            (true, false) => is_name_after,
            (true, true) => !is_name_after && !is_itself,
            (false, false) => key > self.key,
            (false, true) => key < self.key,
        }
    }
}

struct Filter<'a> {
    query: &'a Query,
    labels: Vec<(&'a str, &'a str)>,
    part: Option<Regex>,
}

impl<'a> Filter<'a> {
    fn of(query: &'a Query) -> Result<Self, Error> {
        let part = query.q.as_deref().filter(|part| !part.is_empty()).map(|part| {
            let pattern = RegexBuilder::new(&regex::escape(part)).case_insensitive(true).build();
            pattern.map_err(|error| Error::bad_request(format!("`q`: {error}")))
        });
        let labels = query.label.iter().filter_map(|Label(label)| label.split_once(':')).collect();
        Ok(Self { query, labels, part: part.transpose()? })
    }

    fn takes(&self, watched: &Watched, entry: &Entry) -> bool {
        let Query { verdict, reason, integration, provider, discovery, incident, stale, .. } = self.query;
        let of = &watched.target.integration;
        verdict.is_none_or(|verdict| verdict.verdict() == entry.verdict())
            && reason.is_none_or(|reason| entry.reason() == Some(reason))
            && integration.as_ref().is_none_or(|name| *name == of.name)
            && provider.as_ref().is_none_or(|key| *key == of.provider_key)
            && discovery
                .as_ref()
                .is_none_or(|name| watched.discovery.as_ref().is_some_and(|it| it.name == *name))
            && incident.as_ref().is_none_or(|print| entry.incident.as_deref() == Some(print))
            && stale.is_none_or(|stale| stale == entry.stale)
            && self.labels.iter().all(|(key, value)| watched.labels.get(*key).is_some_and(|it| it == value))
            && self.part.as_ref().is_none_or(|part| part.is_match(&watched.target.name))
    }
}
