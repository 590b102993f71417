//! What is told of a listing: in the log, and as events.

use std::collections::HashMap;
use std::time::Duration;

use serde_json::{Value, json};

use super::Trouble;
use crate::discovery::{Discovery, Listing, News};
use crate::journal::event;
use crate::state::Event;
use crate::text::printable;
use crate::verdict::Moment;

/// Repositories of one listing that are told one by one; of more it is told how many there are, with as many names.
const MOST_ONE_BY_ONE: usize = 100;

/// What repositories are called, by identity.
type Names<'a> = HashMap<String, &'a str>;

/// Says in the log what is different, or why `nothing` is found.
pub(super) fn listed(
    discovery: &Discovery,
    news: &News,
    before: &Names<'_>,
    now: &Names<'_>,
    listing: &Listing,
    nothing: Option<String>,
    took: Duration,
) {
    let name = printable(&discovery.name, 100);
    let counts = [
        (watched(news.found.iter(), now).len(), "found"),
        (news.renamed.len(), "renamed"),
        (watched(news.missing.iter(), now).len(), "not shown any more, to be checked"),
        (watched(news.back.iter(), now).len(), "shown again"),
        (watched(news.left.iter().map(|(id, _)| id), before).len(), "left, or were replaced"),
        (news.forgotten.len(), "dropped, since they were missing and denied for long"),
    ];
    let told: Vec<String> = counts
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{count} {what}"))
        .collect();
    let cost = format!("{} requests, {:.1} s", listing.requests, took.as_secs_f64());
    if let Some(why) = nothing {
        tracing::warn!(discovery = %name, "discovery `{name}` {why} ({cost})");
    } else if told.is_empty() {
        tracing::debug!(discovery = %name, "discovery `{name}`: nothing new ({cost})");
    } else {
        tracing::info!(discovery = %name, "discovery `{name}`: {} ({cost})", told.join(", "));
    }
}

/// Writes down what is different.
pub(super) fn events(
    events: &mut Vec<Event>,
    discovery: &Discovery,
    news: &News,
    before: &Names<'_>,
    now: &Names<'_>,
    at: Moment,
) {
    let mut teller = Teller { discovery, at, events };
    teller.each("repository_found", watched(news.found.iter(), now));
    teller.each("repository_missing", watched(news.missing.iter(), now));
    teller.each("repository_back", watched(news.back.iter(), now));
    teller.each("repository_left", watched(news.left.iter().map(|(id, _)| id), before));
    teller.each("repository_forgotten", watched(news.forgotten.iter().map(|(id, _)| id), before));
    for renamed in &news.renamed {
        if let Some(name) = now.get(&renamed.identity) {
            let from = before.get(&renamed.identity).map_or(&*renamed.from, |from| *from);
            teller.tell("repository_renamed", Some(name), json!({ "from": from }));
        }
    }
}

/// Says that a discovery is in trouble, that it is in another, or that it is over; each once.
pub(super) fn trouble(
    events: &mut Vec<Event>,
    discovery: &Discovery,
    before: Option<&Trouble>,
    now: Option<&Trouble>,
    wait: Duration,
    at: Moment,
) {
    let name = printable(&discovery.name, 100);
    let mut teller = Teller { discovery, at, events };
    match (before, now) {
        (Some(before), Some(now)) if before.is_like(now) => {}
        (_, Some(Trouble::Incomplete(why))) => {
            tracing::warn!(discovery = %name, "discovery `{name}` may miss something: {why}");
            teller.tell("discovery_incomplete", None, json!({ "detail": why }));
        }
        (_, Some(trouble)) => {
            let (why, wait) = (trouble.problem().unwrap_or_default(), Duration::from_secs(wait.as_secs()));
            tracing::warn!(
                discovery = %name,
                "discovery `{name}` cannot list: {why}; what was found stays watched, and it is tried again in {}",
                humantime::format_duration(wait)
            );
            teller.tell("discovery_failed", None, json!({ "detail": why }));
        }
        (Some(_), None) => {
            tracing::info!(discovery = %name, "discovery `{name}` lists everything again");
            teller.tell("discovery_recovered", None, json!({}));
        }
        (None, None) => {}
    }
}

/// Those that are watched here: what is configured too, or found by another discovery, is no news.
fn watched<'a, 'n>(ids: impl Iterator<Item = &'a String>, names: &Names<'n>) -> Vec<&'n str> {
    let mut watched: Vec<&str> = ids.filter_map(|id| names.get(id).copied()).collect();
    watched.sort_unstable();
    watched
}

struct Teller<'a> {
    discovery: &'a Discovery,
    at: Moment,
    events: &'a mut Vec<Event>,
}

impl Teller<'_> {
    fn each(&mut self, what: &str, names: Vec<&str>) {
        if names.len() <= MOST_ONE_BY_ONE {
            names.into_iter().for_each(|name| self.tell(what, Some(name), json!({})));
        } else {
            let some = &names[..MOST_ONE_BY_ONE];
            let more = json!({ "repositories": names.len(), "some": some });
            self.tell(what, None, more);
        }
    }

    fn tell(&mut self, what: &str, repository: Option<&str>, mut more: Value) {
        let name = printable(&self.discovery.name, 100);
        more["discovery"] = json!(name);
        let integration = &self.discovery.settings.integration;
        let mut event = event::generic(what, Some(integration), repository, self.at, more);
        if repository.is_none() {
            // Several discoveries may search one integration.
            event.id = format!("{what}-{:x}-{name}", self.at.unix_ms());
        }
        self.events.push(event);
    }
}
