//! `list_repositories`: everything that the identity is granted, a page at a time. Since 1.2.0, on a client.
//!
//! Discovery takes repositories from it, and checks of many repositories at once take verdicts: what a page shows is
//! an answer, what no page shows is asked for by itself. So a page holds what was *granted to the identity*, and not
//! what anybody may read.

use serde::{Deserialize, Serialize};

use super::json;
use super::verdict::Said;
use crate::types::{Access, Failure};

/// The extension's name.
pub const NAME: &str = "list_repositories";
/// The version described here.
pub const VERSION: u32 = 1;

/// Which page is wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ListRequest {
    cursor: Option<String>,
}

impl ListRequest {
    /// The first page.
    pub fn first() -> Self {
        Self::default()
    }

    /// The page that [`RepositoryPage::next`] named.
    pub fn after(cursor: &str) -> Self {
        Self { cursor: Some(cursor.to_owned()) }
    }

    /// What the page before said in [`RepositoryPage::with_next`]; none for the first.
    pub fn cursor(&self) -> Option<&str> {
        self.cursor.as_deref()
    }
}

/// One page.
#[derive(Clone, Debug, Default)]
pub struct RepositoryPage {
    repositories: Vec<ListedRepository>,
    next: Option<String>,
    requests_left: Option<u64>,
    incomplete: Option<String>,
}

/// A repository in a list, and what it being there says.
#[derive(Clone, Debug)]
pub struct ListedRepository {
    name: String,
    project: Option<String>,
    external_id: Option<String>,
    access: Result<Access, Failure>,
}

impl RepositoryPage {
    /// A page, which is the last unless [`with_next`](Self::with_next) says otherwise.
    pub fn new(repositories: Vec<ListedRepository>) -> Self {
        Self { repositories, ..Self::default() }
    }

    /// Says how the next page is asked for: any text of at most 16 KiB that makes sense to you, even on another
    /// worker. A cursor that came before ends the listing as a failure.
    #[must_use]
    pub fn with_next(mut self, cursor: impl Into<String>) -> Self {
        self.next = Some(cursor.into());
        self
    }

    /// Says how many requests the pages after this one will take, as far as that is known. The host gives a listing up
    /// where asking for each repository is cheaper.
    #[must_use]
    pub fn with_requests_left(mut self, requests: u64) -> Self {
        self.requests_left = Some(requests);
        self
    }

    /// Says that the list lacks something that the identity may well have, and why, in one sentence: repositories that
    /// are missing from it are no news.
    #[must_use]
    pub fn with_incomplete(mut self, why: impl Into<String>) -> Self {
        self.incomplete = Some(why.into());
        self
    }

    /// The repositories.
    pub fn repositories(&self) -> &[ListedRepository] {
        &self.repositories
    }

    /// The repositories.
    pub fn into_repositories(self) -> Vec<ListedRepository> {
        self.repositories
    }

    /// How the next page is asked for; none after the last.
    pub fn next(&self) -> Option<&str> {
        self.next.as_deref()
    }

    /// How many requests the pages after this one will take.
    pub fn requests_left(&self) -> Option<u64> {
        self.requests_left
    }

    /// Why the list lacks something; none for a whole one.
    pub fn incomplete(&self) -> Option<&str> {
        self.incomplete.as_deref()
    }
}

impl ListedRepository {
    /// A repository that the identity has access to, by its name on the forge.
    pub fn granted(name: impl Into<String>) -> Self {
        Self { name: name.into(), project: None, external_id: None, access: Ok(Access::granted()) }
    }

    /// Sets the project (group, namespace, owner) that it belongs to.
    #[must_use]
    pub fn with_project(mut self, project: impl Into<String>) -> Self {
        self.project = Some(project.into());
        self
    }

    /// Sets the forge's own id.
    #[must_use]
    pub fn with_external_id(mut self, id: impl Into<String>) -> Self {
        self.external_id = Some(id.into());
        self
    }

    /// Sets what [`Provider::has_repo_access`](crate::Provider::has_repo_access) would answer, where the list shows it.
    #[must_use]
    pub fn with_access(mut self, access: Result<Access, Failure>) -> Self {
        self.access = access;
        self
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The project.
    pub fn project(&self) -> Option<&str> {
        self.project.as_deref()
    }

    /// The forge's own id.
    pub fn external_id(&self) -> Option<&str> {
        self.external_id.as_deref()
    }

    /// What a check of it alone would answer.
    pub fn access(&self) -> &Result<Access, Failure> {
        &self.access
    }
}

#[derive(Serialize, Deserialize)]
struct Page {
    repositories: Vec<Listed>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    next: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    requests_left: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    incomplete: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct Listed {
    name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    project: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    external_id: Option<String>,
    /// Access where it is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    access: Option<Said>,
}

/// A request as the payload.
pub fn encode_request(request: &ListRequest) -> Vec<u8> {
    json::encode(request)
}

/// The request in a payload.
///
/// # Errors
///
/// [`Reason::PLUGIN_FAILED`](crate::Reason::PLUGIN_FAILED) for what is none.
pub fn decode_request(payload: &[u8]) -> Result<ListRequest, Failure> {
    json::decode(NAME, "payload", payload)
}

/// A page as the answer.
pub fn encode_page(page: RepositoryPage) -> Vec<u8> {
    let listed = page.repositories.into_iter().map(|listed| {
        let is_plain = listed.access.as_ref().is_ok_and(|access| access.detail().is_empty());
        Listed {
            access: (!is_plain).then(|| Said::from(&listed.access)),
            name: listed.name,
            project: listed.project,
            external_id: listed.external_id,
        }
    });
    json::encode(&Page {
        repositories: listed.collect(),
        next: page.next,
        requests_left: page.requests_left,
        incomplete: page.incomplete,
    })
}

/// The page in an answer.
///
/// # Errors
///
/// [`Reason::PLUGIN_FAILED`](crate::Reason::PLUGIN_FAILED) for what is none.
pub fn decode_page(answer: &[u8]) -> Result<RepositoryPage, Failure> {
    let page: Page = json::decode(NAME, "answer", answer)?;
    let listed = page.repositories.into_iter().map(|listed| ListedRepository {
        name: listed.name,
        project: listed.project,
        external_id: listed.external_id,
        access: listed.access.unwrap_or_default().into(),
    });
    Ok(RepositoryPage {
        repositories: listed.collect(),
        next: page.next,
        requests_left: page.requests_left,
        incomplete: page.incomplete,
    })
}
