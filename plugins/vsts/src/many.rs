//! Many repositories with few requests: the service has a list of an organisation and one of each project, whole and
//! unpaged.
//!
//! A list shows disabled repositories as such, so it says more than a single request does. What it does not show is
//! never called missing here: the single request tells a missing project from a missing repository.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use forgewatch_plugin_api::{
    BatchAnswer, BodyState, Failure, ListRequest, ListedRepository, Reason, Repository, RepositoryPage,
    Response,
};
use forgewatch_plugin_support::{Shown, segment};
use serde::{Deserialize, Serialize};

use crate::answer::{self, Found, FoundProject};
use crate::client::{Ask, Client};
use crate::target::{self, Listed, Target};
use crate::verdict::{self, Area};

/// Projects that are asked for at once; a cursor carries the rest of them.
pub(crate) const PROJECTS: usize = 100;

/// Where a listing by project goes on.
#[derive(Default, Serialize, Deserialize)]
struct Cursor {
    /// Projects before the next page of projects.
    skip: usize,
    /// Ids of projects that are to be listed before that page.
    projects: Vec<String>,
    /// Whether that page exists.
    more: bool,
}

/// One page: the whole organisation or, where that is too large for one answer, one project.
pub(crate) async fn list(client: &Client, request: &ListRequest) -> Result<RepositoryPage, Failure> {
    let mut cursor = match request.cursor() {
        Some(cursor) => serde_json::from_str(cursor).map_err(|error| {
            Failure::new(Reason::PLUGIN_FAILED, format!("the host came back with another cursor: {error}"))
        })?,
        None => {
            if !client.is_large.load(Ordering::Relaxed) {
                let response = client.repositories_of(None).await?;
                if response.body_state() != BodyState::TOO_LARGE {
                    return Ok(RepositoryPage::new(entries(found(client, &response)?)));
                }
                client.is_large.store(true, Ordering::Relaxed);
            }
            Cursor { more: true, ..Cursor::default() }
        }
    };
    if cursor.projects.is_empty() && cursor.more {
        next_projects(client, &mut cursor).await?;
    }
    let page = match cursor.projects.pop() {
        Some(project) => {
            let response = client.repositories_of(Some(&project)).await?;
            match verdict::fault(&response) {
                // The project went away meanwhile, or is hidden though it was listed.
                Some(fault) if matches!(fault.reason, Reason::NOT_FOUND | Reason::FORBIDDEN) => {
                    RepositoryPage::default()
                        .with_incomplete(format!("a project could not be listed: {}", fault.seen))
                }
                _ => RepositoryPage::new(entries(found(client, &response)?)),
            }
        }
        None => RepositoryPage::default(),
    };
    if cursor.projects.is_empty() && !cursor.more {
        return Ok(page);
    }
    let left = cursor.projects.len() as u64;
    // A cursor is plain data: there is nothing that could fail.
    Ok(page.with_requests_left(left).with_next(serde_json::to_string(&cursor).unwrap_or_default()))
}

/// At most [`PROJECTS`] projects, from a place in their list on.
pub(crate) async fn projects(client: &Client, skip: usize) -> Result<Vec<FoundProject>, Failure> {
    let query = format!("?$top={PROJECTS}&$skip={skip}&");
    let response = client.ask(&Ask::get("_apis/projects").with_query(&query)).await?;
    let about = about(client);
    verdict::succeeded(Area::Code, &response, &about)?;
    answer::projects(&response).ok_or_else(|| verdict::nonsense(&response, &about, "no list of projects"))
}

async fn next_projects(client: &Client, cursor: &mut Cursor) -> Result<(), Failure> {
    let projects = projects(client, cursor.skip).await?;
    cursor.more = projects.len() >= PROJECTS;
    cursor.skip += projects.len();
    // The last one is listed first. What would lead elsewhere is no project's id.
    let ids = projects.into_iter().rev().map(|project| project.id);
    cursor.projects = ids.filter(|id| segment::is_valid(id)).collect();
    Ok(())
}

/// The answers about repositories that the lists of their projects show.
pub(crate) async fn check(client: &Client, repositories: &[Repository]) -> Result<Vec<BatchAnswer>, Failure> {
    let mut answers: Vec<BatchAnswer> = vec![None; repositories.len()];
    let mut projects: BTreeMap<Option<Cow<'_, str>>, Vec<(usize, Target<'_>)>> = BTreeMap::new();
    for (index, repository) in repositories.iter().enumerate() {
        match Target::of(repository, client.integration()) {
            Ok(target) => {
                let project = target.project.map(|project| project.to_lowercase().into());
                projects.entry(project).or_default().push((index, target));
            }
            Err(failure) => answers[index] = Some(Err(failure)),
        }
    }
    for targets in projects.values().filter(|targets| targets.len() > 1) {
        let project = targets[0].1.project;
        let response = client.repositories_of(project).await?;
        // One request each is still to be had.
        if response.body_state() == BodyState::TOO_LARGE {
            continue;
        }
        let found = found(client, &response)?;
        let listed = Listed::new(&found, project.is_some());
        for (index, target) in targets {
            answers[*index] = target.find(&listed);
        }
    }
    Ok(answers)
}

fn found(client: &Client, response: &Response) -> Result<Vec<Found>, Failure> {
    let about = about(client);
    verdict::succeeded(Area::Code, response, &about)?;
    let found = answer::list(response);
    let mut found = found.ok_or_else(|| verdict::nonsense(response, &about, "no list of repositories"))?;
    // Asked for by itself, such a one would make no sense either.
    found.retain(|found| !found.id.is_empty() && !found.name.is_empty());
    Ok(found)
}

fn about(client: &Client) -> String {
    format!("the list of {}", Shown(client.integration()))
}

fn entries(found: Vec<Found>) -> Vec<ListedRepository> {
    let entry = |found: Found| {
        let mut entry = ListedRepository::granted(&*found.name).with_external_id(&*found.id);
        if let Some(project) = found.project() {
            entry = entry.with_project(project);
        }
        if found.is_disabled() {
            entry = entry.with_access(Err(target::disabled(&Shown(&found.name), 200)));
        }
        entry
    };
    found.into_iter().map(entry).collect()
}
