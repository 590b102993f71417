//! Projects and repositories as JSON, in the shape and spelling of the service.

use std::fmt::Display;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;
use serde_json::{Value, json};

use super::world::{Project, Repository};

const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A path segment with everything escaped that is not unreserved.
pub(crate) fn encode(segment: &str) -> impl Display + '_ {
    utf8_percent_encode(segment, SEGMENT)
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ProjectView<'a> {
    id: &'a str,
    name: &'a str,
    url: String,
    state: &'static str,
    revision: u32,
    visibility: &'static str,
    last_update_time: &'static str,
}

impl<'a> ProjectView<'a> {
    pub(crate) fn new(base: &str, project: &'a Project) -> Self {
        Self {
            id: &project.id,
            name: &project.name,
            url: format!("{base}_apis/projects/{}", project.id),
            state: "wellFormed",
            revision: 12,
            visibility: "private",
            last_update_time: "2025-06-01T09:30:00.25Z",
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RepositoryView<'a> {
    id: &'a str,
    name: &'a str,
    url: String,
    project: ProjectView<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    default_branch: Option<&'static str>,
    size: u64,
    remote_url: String,
    ssh_url: String,
    web_url: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    is_disabled: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    is_in_maintenance: Option<bool>,
}

impl<'a> RepositoryView<'a> {
    pub(crate) fn new(
        base: &str,
        project: &'a Project,
        repository: &'a Repository,
        with_disabled_field: bool,
    ) -> Self {
        let web_url = web_url(base, project, repository);
        Self {
            id: &repository.id,
            name: &repository.name,
            url: format!("{base}{}/_apis/git/repositories/{}", project.id, repository.id),
            project: ProjectView::new(base, project),
            default_branch: (!repository.empty).then_some("refs/heads/main"),
            size: if repository.empty { 0 } else { 48_213 },
            remote_url: web_url.clone(),
            ssh_url: format!("ssh://{}", web_url.split_once("://").map_or("", |(_, address)| address)),
            web_url,
            is_disabled: with_disabled_field.then_some(repository.disabled),
            is_in_maintenance: with_disabled_field.then_some(repository.in_maintenance),
        }
    }
}

/// What a clone URL points to. The state of a project is a number here.
pub(crate) fn remote_info(
    base: &str,
    organisation: (&str, &str),
    project: &Project,
    repository: &Repository,
) -> Value {
    let (id, name) = organisation;
    json!({
        "serverUrl": base.trim_end_matches('/'),
        "collection": {"id": id, "name": name, "url": format!("{base}_apis/projectCollections/{id}")},
        "repository": {
            "id": repository.id,
            "name": repository.name,
            "url": format!("{base}_apis/git/repositories/{}", repository.id),
            "project": {"id": project.id, "name": project.name, "state": 1, "revision": 12,
                        "url": format!("{base}_apis/projects/{}", project.id)},
            "remoteUrl": web_url(base, project, repository),
        },
    })
}

/// The address in a browser, which leaves the project out if the repository has its name.
fn web_url(base: &str, project: &Project, repository: &Repository) -> String {
    let name = encode(&repository.name);
    if project.name == repository.name {
        format!("{base}_git/{name}")
    } else {
        format!("{base}{}/_git/{name}", encode(&project.name))
    }
}
