//! The world's own answers: what each route says when no fault is in the way.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use hyper::Method;
use serde::Serialize;
use serde_json::{Value, json};
use url::form_urlencoded;

use super::access::{Purpose, admit};
use super::answers::Answer;
use super::gitlab;
use super::index::{ListKey, Snapshot, same};
use super::routes::{Ask, CORE_AREA, Place, Route, SEARCH_HOST, Target};
use super::tokens::Tokens;
use super::version::ApiVersion;
use super::views::{ProjectView, RepositoryView, remote_info};
use super::world::{Credential, Organisation, Project, Reach, Repository, UnknownAccount};

const SEARCH_AREA: &str = "ea48a0a1-269c-42d8-b8ad-ddc8fcdcf578";
const GIT_AREA: &str = "4e080c62-fa21-4fbc-8fef-2a10a2b38049";
const ZERO_ID: &str = "00000000-0000-0000-0000-000000000000";

/// Answers a request.
pub(crate) fn answer(snapshot: &Snapshot, tokens: &Tokens, ask: &Ask<'_>, target: &Target) -> Answer {
    let verb = if matches!(target, Target::Token(_)) { Method::POST } else { Method::GET };
    match target {
        Target::Nothing | Target::Github(_) => Answer::e12(),
        Target::GitLab(server, route) => {
            gitlab::answer(&snapshot.world.gitlabs[*server], tokens.gitlab(), ask, route)
        }
        _ if *ask.method != verb => Answer::e17(405).header("allow", verb.as_str()),
        Target::Token(flavour) => tokens.grant(&snapshot.world.apps, *flavour, ask),
        Target::AccountLookup => account(snapshot, ask),
        Target::Within(place, route) => {
            let service = Service { snapshot, tokens, ask, place };
            service.answer(route).unwrap_or_else(|refusal| refusal)
        }
    }
}

struct Service<'a> {
    snapshot: &'a Snapshot,
    tokens: &'a Tokens,
    ask: &'a Ask<'a>,
    place: &'a Place,
}

impl<'a> Service<'a> {
    fn answer(&self, route: &Route) -> Result<Answer, Answer> {
        match route {
            Route::Repository { project, name } => self.repository(project.as_deref(), name),
            Route::Repositories { project } => self.repositories(project.as_deref()),
            Route::Project { name } => self.project(name),
            Route::Projects => self.projects(),
            Route::ConnectionData => self.connection_data(),
            Route::ResourceAreas => self.version().map(|_| self.areas()),
            Route::ResourceArea { id } => self.version().map(|_| self.area(id)),
            Route::RemoteInfo { project, name } => self.remote_info(project, name),
            Route::Tracker(_) => Err(Answer::e12()),
        }
    }

    fn repository(&self, project: Option<&str>, name: &str) -> Result<Answer, Answer> {
        let caller = self.admit(Purpose::Read)?;
        let version = self.version()?;
        let (project, repository) = self.find(project, name, &caller)?;
        let view = RepositoryView::new(&self.place.base, project, repository, version.tells_disabled());
        Ok(Answer::json_bytes(200, bytes_of(&view)))
    }

    fn repositories(&self, project: Option<&str>) -> Result<Answer, Answer> {
        let caller = self.admit(Purpose::Read)?;
        let version = self.version()?;
        let project = project.map(|name| self.visible_project(name, &caller)).transpose()?;
        let key = ListKey {
            base: self.place.base.clone(),
            project,
            reader: caller.name.clone(),
            with_disabled_field: version.tells_disabled(),
        };
        let make = || self.repository_list(project, &caller, version.tells_disabled());
        Ok(Answer::json_bytes(200, self.snapshot.list(key, make)))
    }

    fn repository_list(
        &self,
        project: Option<usize>,
        caller: &Credential,
        with_disabled_field: bool,
    ) -> Bytes {
        let projects = &self.organisation().projects;
        let chosen = project.map_or(&projects[..], |at| &projects[at..=at]);
        let views: Vec<RepositoryView<'_>> = chosen
            .iter()
            .filter(|project| caller.may_read(project.readers.as_deref()))
            .flat_map(|project| project.repositories.iter().map(move |repository| (project, repository)))
            .filter(|(_, repository)| caller.may_read(repository.readers.as_deref()))
            .map(|(project, repository)| {
                RepositoryView::new(&self.place.base, project, repository, with_disabled_field)
            })
            .collect();
        bytes_of(&List { count: views.len(), value: views })
    }

    fn project(&self, name: &str) -> Result<Answer, Answer> {
        let caller = self.admit(Purpose::Read)?;
        self.version()?;
        let at = self.visible_project(name, &caller)?;
        let view = ProjectView::new(&self.place.base, &self.organisation().projects[at]);
        Ok(Answer::json_bytes(200, bytes_of(&view)))
    }

    fn projects(&self) -> Result<Answer, Answer> {
        let caller = self.admit(Purpose::Read)?;
        self.version()?;
        let visible: Vec<&Project> = self
            .organisation()
            .projects
            .iter()
            .filter(|project| caller.may_read(project.readers.as_deref()))
            .collect();
        let top = self.number("$top")?.unwrap_or(100);
        let from = match self.number("continuationToken")? {
            Some(token) => token,
            None => self.number("$skip")?.unwrap_or(0),
        };
        let from = from.min(visible.len());
        let to = from.saturating_add(top).min(visible.len());
        let views: Vec<ProjectView<'_>> =
            visible[from..to].iter().map(|project| ProjectView::new(&self.place.base, project)).collect();
        let answer = Answer::json_bytes(200, bytes_of(&List { count: views.len(), value: views }));
        Ok(if to < visible.len() { answer.header("x-ms-continuationtoken", &to.to_string()) } else { answer })
    }

    fn connection_data(&self) -> Result<Answer, Answer> {
        let caller = self.admit(Purpose::Introduce)?;
        self.version()?.preview_only()?;
        let user = json!({
            "id": "c0470500-5e1f-4b0a-9c3d-0000000d0001",
            "providerDisplayName": caller.name,
            "isActive": true,
        });
        Ok(Answer::json(
            200,
            &json!({
                "authenticatedUser": user,
                "authorizedUser": user,
                "instanceId": self.organisation().id,
                "deploymentType": if self.place.on_premises { "onPremises" } else { "hosted" },
                "locationServiceData": {"defaultAccessMappingMoniker": "PublicAccessMapping"},
            }),
        ))
    }

    /// All areas that the fake knows; a server on-premises knows none.
    fn areas(&self) -> Answer {
        let areas: Vec<Value> = if self.place.on_premises {
            Vec::new()
        } else {
            let own = [(CORE_AREA, "core"), (GIT_AREA, "git")];
            let own = own.map(|(id, name)| area(id, name, &self.place.base));
            own.into_iter().chain([area(SEARCH_AREA, "search", &self.search_location())]).collect()
        };
        Answer::json(200, &json!({"count": areas.len(), "value": areas}))
    }

    fn area(&self, id: &str) -> Answer {
        match id.to_ascii_lowercase().as_str() {
            CORE_AREA if !self.place.on_premises => {
                Answer::json(200, &area(CORE_AREA, "core", &self.place.base))
            }
            GIT_AREA if !self.place.on_premises => {
                Answer::json(200, &area(GIT_AREA, "git", &self.place.base))
            }
            SEARCH_AREA if !self.place.on_premises => {
                Answer::json(200, &area(SEARCH_AREA, "search", &self.search_location()))
            }
            _ => Answer::claimed_json(200, "null"),
        }
    }

    fn search_location(&self) -> String {
        format!("https://{SEARCH_HOST}/{}/", super::views::encode(&self.organisation().name))
    }

    fn remote_info(&self, project: &str, name: &str) -> Result<Answer, Answer> {
        let caller = self.admit(Purpose::Read)?;
        let (project, repository) = self.find(Some(project), name, &caller)?;
        let organisation = self.organisation();
        let about = (organisation.id.as_str(), organisation.name.as_str());
        Ok(Answer::json(200, &remote_info(&self.place.base, about, project, repository)))
    }

    /// A repository that can be asked for by itself: readable and not disabled.
    fn find(
        &self,
        project: Option<&str>,
        name: &str,
        caller: &Credential,
    ) -> Result<(&'a Project, &'a Repository), Answer> {
        let project = match project {
            Some(project) => Some(self.visible_project(project, caller)?),
            None if !is_guid(name) => return Err(Answer::e16("a repository's name needs its project")),
            None => None,
        };
        self.snapshot
            .repository(self.place.organisation, project, name)
            .filter(|(project, repository)| {
                !repository.disabled
                    && caller.may_read(project.readers.as_deref())
                    && caller.may_read(repository.readers.as_deref())
            })
            .ok_or_else(|| Answer::e9(name))
    }

    fn visible_project(&self, name: &str, caller: &Credential) -> Result<usize, Answer> {
        self.snapshot
            .project(self.place.organisation, name)
            .filter(|&at| caller.may_read(self.organisation().projects[at].readers.as_deref()))
            .ok_or_else(|| if is_guid(name) { Answer::e11(name) } else { Answer::e10(name) })
    }

    fn organisation(&self) -> &'a Organisation {
        &self.snapshot.world.organisations[self.place.organisation]
    }

    fn admit(&self, purpose: Purpose) -> Result<Arc<Credential>, Answer> {
        admit(self.snapshot, self.tokens, self.ask.headers, &self.organisation().name, purpose)
    }

    fn version(&self) -> Result<ApiVersion, Answer> {
        ApiVersion::of(self.ask, self.organisation().newest_version)
    }

    fn number(&self, parameter: &str) -> Result<Option<usize>, Answer> {
        query_value(self.ask, parameter)
            .map(|text| text.parse().map_err(|_| Answer::e16(&format!("{parameter} is no number"))))
            .transpose()
    }
}

/// From an account's name or id to its base URL; open to everybody.
fn account(snapshot: &Snapshot, ask: &Ask<'_>) -> Answer {
    // A misspelt parameter that a well-known client sends, and that the service puts up with.
    if query_value(ask, "api-preview").is_none()
        && let Err(refusal) = ApiVersion::of(ask, (7, 1))
    {
        return refusal;
    }
    let (id, name) = (query_value(ask, "hostId"), query_value(ask, "accountName"));
    let found = snapshot.world.organisations.iter().find(|organisation| {
        id.as_ref().is_some_and(|id| same(id, &organisation.id))
            || name.as_ref().is_some_and(|name| same(name, &organisation.name))
    });
    match (found.and_then(location), snapshot.world.unknown_account) {
        (Some(url), _) => Answer::json(200, &area(CORE_AREA, "core", &url)),
        (None, UnknownAccount::NotFound) => Answer::e12(),
        (None, UnknownAccount::Null) => Answer::claimed_json(200, "null"),
        (None, UnknownAccount::EmptyId) => Answer::json(200, &json!({"id": ZERO_ID, "name": ""})),
    }
}

fn location(organisation: &Organisation) -> Option<String> {
    organisation.location_url.clone().or_else(|| {
        let name = super::views::encode(&organisation.name);
        organisation.reach.iter().find_map(|reach| match reach {
            Reach::DevAzure => Some(format!("https://dev.azure.com/{name}/")),
            Reach::VisualStudio => Some(format!("https://{name}.visualstudio.com/")),
            Reach::OnPremises { .. } => None,
        })
    })
}

fn area(id: &str, name: &str, location: &str) -> Value {
    json!({"id": id, "name": name, "locationUrl": location})
}

pub(crate) fn query_value<'a>(ask: &Ask<'a>, name: &str) -> Option<Cow<'a, str>> {
    form_urlencoded::parse(ask.query.as_bytes())
        .find(|(given, _)| given.eq_ignore_ascii_case(name))
        .map(|(_, value)| value)
}

/// Whether a name has the form of an id.
pub(crate) fn is_guid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

#[derive(Serialize)]
struct List<T> {
    count: usize,
    value: Vec<T>,
}

fn bytes_of(value: &impl Serialize) -> Bytes {
    serde_json::to_vec(value).expect("text and numbers serialise").into()
}
