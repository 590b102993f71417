//! The bodies of answers.
//!
//! Only what a verdict rests on is read, and strictly; the rest may have any shape, since versions differ.

use forgewatch_plugin_api::{BodyState, Response};
use serde::Deserialize;
use serde_json::value::RawValue;

/// A repository, alone or in a list.
#[derive(Debug, Deserialize)]
pub(crate) struct Found {
    pub(crate) id: u64,
    /// `owner/name`
    full_name: String,
    private: Option<bool>,
    /// Old servers do not say.
    visibility: Option<String>,
    #[serde(default)]
    pub(crate) archived: bool,
    #[serde(default)]
    pub(crate) disabled: bool,
    #[serde(default)]
    permissions: Permissions,
}

/// What the identity may do; for a public repository anybody may pull.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Permissions {
    admin: bool,
    maintain: bool,
    push: bool,
    triage: bool,
    pull: bool,
}

impl Found {
    pub(crate) fn owner(&self) -> &str {
        self.full_name.split_once('/').map_or("", |(owner, _)| owner)
    }

    pub(crate) fn name(&self) -> &str {
        self.full_name.split_once('/').map_or("", |(_, name)| name)
    }

    pub(crate) fn is_public(&self) -> bool {
        match &self.visibility {
            Some(visibility) => visibility == "public",
            None => self.private == Some(false),
        }
    }

    pub(crate) fn may_pull(&self) -> bool {
        self.permissions.pull
    }

    pub(crate) fn may_push(&self) -> bool {
        self.permissions.push
    }

    /// Whether its permissions alone show that something is granted to the identity.
    pub(crate) fn proves_a_grant(&self) -> bool {
        let Permissions { admin, maintain, push, triage, pull } = self.permissions;
        admin || maintain || push || triage || (pull && !self.is_public())
    }

    fn makes_sense(&self) -> bool {
        let says_who_sees_it = self.private.is_some() || self.visibility.is_some();
        says_who_sees_it && !self.owner().is_empty() && !self.name().is_empty()
    }
}

/// The repositories in one answer of a list.
pub(crate) struct List {
    pub(crate) repositories: Vec<Found>,
    /// How many entries there were that are no repositories.
    pub(crate) unreadable: usize,
    /// How many there are on all pages, where the list says so.
    pub(crate) total: Option<u64>,
}

/// What an installation can see. An entry is kept as it is written until it is known to be one.
#[derive(Deserialize)]
struct Installed {
    total_count: u64,
    repositories: Vec<Box<RawValue>>,
}

/// The refusal in an answer.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct Refusal {
    pub(crate) message: String,
    pub(crate) block: Option<Block>,
}

/// Why a repository is kept from everybody.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct Block {
    pub(crate) reason: String,
}

#[derive(Deserialize)]
struct User {
    login: String,
}

/// The repository in a whole answer.
pub(crate) fn repository(response: &Response) -> Option<Found> {
    object(response).filter(Found::makes_sense)
}

/// The list in a whole answer.
pub(crate) fn list(response: &Response) -> Option<List> {
    let (entries, total) = if begins_with(response, b"[") {
        (whole::<Vec<Box<RawValue>>>(response)?, None)
    } else {
        let installed: Installed = object(response)?;
        (installed.repositories, Some(installed.total_count))
    };
    let count = entries.len();
    let read = |entry: Box<RawValue>| serde_json::from_str(entry.get()).ok().filter(Found::makes_sense);
    let repositories: Vec<Found> = entries.into_iter().filter_map(read).collect();
    Some(List { unreadable: count - repositories.len(), repositories, total })
}

/// Whom a user's token belongs to.
pub(crate) fn login(response: &Response) -> Option<String> {
    object(response).map(|user: User| user.login).filter(|login| !login.is_empty())
}

/// The refusal in an answer, if it is one of GitHub's own.
pub(crate) fn refusal(response: &Response) -> Option<Refusal> {
    object(response)
}

fn object<'a, T: Deserialize<'a>>(response: &'a Response) -> Option<T> {
    // An array would be read as the fields in their order.
    begins_with(response, b"{").then(|| whole(response))?
}

fn whole<'a, T: Deserialize<'a>>(response: &'a Response) -> Option<T> {
    let is_whole = response.body_state() == BodyState::COMPLETE;
    is_whole.then(|| serde_json::from_slice(response.body()).ok())?
}

fn begins_with(response: &Response, start: &[u8]) -> bool {
    response.body().trim_ascii_start().starts_with(start)
}
