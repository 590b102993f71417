//! The tracker's answers to requests.

use std::sync::Arc;

use hyper::Method;
use hyper::header::CONTENT_TYPE;
use serde_json::{Value, json};

use super::items::{ASSIGNED_TO, WorkItem};
use super::{People, Post, Route, Tracker, delivery, faults, hooks, items, patch, search, views};
use crate::fake::access::{Purpose, admit};
use crate::fake::answers::Answer;
use crate::fake::index::Snapshot;
use crate::fake::routes::{Ask, Place};
use crate::fake::server::State;
use crate::fake::service::{is_guid, query_value};
use crate::fake::version::ApiVersion;
use crate::fake::world::{Credential, Organisation, Project};

/// Answers a request.
pub(crate) fn answer(
    state: &State,
    snapshot: &Snapshot,
    ask: &Ask<'_>,
    place: &Place,
    route: &Route,
) -> Answer {
    Service { state, snapshot, ask, place }.answer(route).unwrap_or_else(|refusal| refusal)
}

/// Changes a work item without anybody's leave, and has it told.
pub(crate) fn change(
    state: &State,
    organisation: &Organisation,
    id: u64,
    values: Vec<(String, Option<String>)>,
) {
    let numbers = state.trackers.with(&organisation.id, |tracker| {
        let item = tracker.items.get_mut(&id).unwrap_or_else(|| panic!("no work item {id} in this tracker"));
        item.revise(values);
        let project = item.project.clone();
        let project = organisation.projects.iter().find(|known| known.id == project);
        let project = project.unwrap_or_else(|| panic!("the project of work item {id} is gone"));
        delivery::make(tracker, &organisation.id, id, project)
    });
    post(state, organisation, numbers);
}

fn post(state: &State, organisation: &Organisation, numbers: Vec<usize>) {
    for number in numbers {
        // While the fake stops nobody waits for it.
        let _ = state.postman.send(Post { organisation: organisation.id.clone(), number });
    }
}

struct Service<'a> {
    state: &'a State,
    snapshot: &'a Snapshot,
    ask: &'a Ask<'a>,
    place: &'a Place,
}

impl<'a> Service<'a> {
    fn answer(&self, route: &Route) -> Result<Answer, Answer> {
        match (route, self.ask.method.clone()) {
            (Route::WorkItem { id }, Method::GET) => self.work_item(id),
            (Route::WorkItem { id }, Method::PATCH) => self.change(id),
            (Route::NewWorkItem { project, kind }, Method::POST) => self.create(project, kind),
            (Route::States { project, kind }, Method::GET) => self.states(project, kind),
            (Route::Search { project }, Method::POST) => self.search(project.as_deref()),
            (Route::Subscriptions, Method::GET) => self.subscriptions(),
            (Route::Subscriptions, Method::POST) => self.subscribe(),
            (Route::Subscription { id }, Method::GET) => {
                self.enter(Purpose::ReadWork)?;
                self.with(|tracker| Ok(self.hook(hooks::find(tracker, id)?)))
            }
            (Route::Subscription { id }, Method::DELETE) => {
                self.enter(Purpose::ReadWork)?;
                self.with(|tracker| hooks::remove(tracker, id)).map(|()| Answer::status(204))
            }
            _ => Err(Answer::e17(405)),
        }
    }

    fn work_item(&self, id: &str) -> Result<Answer, Answer> {
        let (caller, form) = self.enter(Purpose::ReadWork)?;
        let id = number(id)?;
        self.with(|tracker| {
            let (item, project) = self.find(tracker, id, &caller)?;
            let wanted = query_value(self.ask, "fields");
            let fields = views::fields(item, project, form, wanted.as_deref());
            Ok(Answer::json(200, &views::work_item(&self.place.base, id, item, fields)))
        })
    }

    fn change(&self, id: &str) -> Result<Answer, Answer> {
        let (caller, form) = self.enter(Purpose::WriteWork)?;
        let id = number(id)?;
        self.is_patch()?;
        let (answer, numbers) = self.with(|tracker| {
            let (item, project) = self.find(tracker, id, &caller)?;
            let (kind, rev) = (item.kind.clone(), item.rev);
            let values = patch::read(tracker, &kind, Some(rev), self.ask.body)?;
            if let Some(item) = tracker.items.get_mut(&id) {
                item.revise(values);
            }
            let numbers = delivery::make(tracker, &self.organisation().id, id, project);
            Ok((self.shown(tracker, id, project, form), numbers))
        })?;
        post(self.state, self.organisation(), numbers);
        Ok(answer)
    }

    fn create(&self, project: &str, kind: &str) -> Result<Answer, Answer> {
        let (caller, form) = self.enter(Purpose::WriteWork)?;
        let project = self.project(project, &caller)?;
        self.is_patch()?;
        self.with(|tracker| {
            let kind = tracker.kind(kind).ok_or_else(|| faults::no_kind(kind))?.name.clone();
            let values = patch::read(tracker, &kind, None, self.ask.body)?;
            if !values.iter().any(|(name, value)| name == items::TITLE && value.is_some()) {
                return Err(faults::bad_value(items::TITLE, "nothing"));
            }
            let id = tracker.add(&project.id, &kind, "");
            if let Some(item) = tracker.items.get_mut(&id) {
                item.revise(values);
                item.rev = 1;
                item.history.clear();
            }
            Ok(self.shown(tracker, id, project, form))
        })
    }

    fn states(&self, project: &str, kind: &str) -> Result<Answer, Answer> {
        let (caller, _) = self.enter(Purpose::ReadWork)?;
        self.project(project, &caller)?;
        self.with(|tracker| {
            let kind = tracker.kind(kind).ok_or_else(|| faults::no_kind(kind))?;
            let state = |(name, category): &(String, String)| json!({"name": name, "color": "b2b2b2", "category": category});
            let states: Vec<Value> = kind.states.iter().map(state).collect();
            Ok(Answer::json(200, &json!({"count": states.len(), "value": states})))
        })
    }

    fn search(&self, project: Option<&str>) -> Result<Answer, Answer> {
        let (caller, _) = self.enter(Purpose::ReadWork)?;
        let wanted = project.map(|project| self.project(project, &caller)).transpose()?;
        self.with(|tracker| {
            search::answer(tracker, &self.place.base, self.ask.body, |item: &WorkItem| {
                let project = self.project_of(item, &caller)?;
                wanted.is_none_or(|wanted| wanted.id == project.id).then_some(project)
            })
        })
    }

    fn subscriptions(&self) -> Result<Answer, Answer> {
        self.enter(Purpose::ReadWork)?;
        self.with(|tracker| {
            let shown = |it| views::subscription(&self.place.base, it);
            let hooks: Vec<Value> = tracker.subscriptions.iter().map(shown).collect();
            Ok(Answer::json(200, &json!({"count": hooks.len(), "value": hooks})))
        })
    }

    fn subscribe(&self) -> Result<Answer, Answer> {
        self.enter(Purpose::ReadWork)?;
        self.with(|tracker| hooks::make(tracker, self.ask.body).map(|made| self.hook(&made)))
    }

    fn hook(&self, subscription: &super::Subscription) -> Answer {
        Answer::json(200, &views::subscription(&self.place.base, subscription))
    }

    fn shown(&self, tracker: &Tracker, id: u64, project: &Project, form: People) -> Answer {
        let item = tracker.item(id);
        let fields = views::fields(item, project, form, None);
        Answer::json(200, &views::work_item(&self.place.base, id, item, fields))
    }

    fn find<'t>(
        &self,
        tracker: &'t Tracker,
        id: u64,
        caller: &Credential,
    ) -> Result<(&'t WorkItem, &'a Project), Answer> {
        let item = tracker.items.get(&id).ok_or_else(|| faults::no_work_item(id))?;
        let project = self.project_of(item, caller).ok_or_else(|| faults::no_work_item(id))?;
        Ok((item, project))
    }

    fn project_of(&self, item: &WorkItem, caller: &Credential) -> Option<&'a Project> {
        let project = self.organisation().projects.iter().find(|project| project.id == item.project);
        project.filter(|project| caller.may_read(project.readers.as_deref()))
    }

    fn project(&self, name: &str, caller: &Credential) -> Result<&'a Project, Answer> {
        let found = self.snapshot.project(self.place.organisation, name);
        found
            .map(|at| &self.organisation().projects[at])
            .filter(|project| caller.may_read(project.readers.as_deref()))
            .ok_or_else(|| if is_guid(name) { Answer::e11(name) } else { Answer::e10(name) })
    }

    /// Who is asking, and the form of people in the version that is asked for.
    fn enter(&self, purpose: Purpose) -> Result<(Arc<Credential>, People), Answer> {
        let name = &self.organisation().name;
        let caller = admit(self.snapshot, &self.state.tokens, self.ask.headers, name, purpose)?;
        let version = ApiVersion::of(self.ask, self.organisation().newest_version)?;
        Ok((caller, if version.has_identities() { People::Objects } else { People::Text }))
    }

    fn is_patch(&self) -> Result<(), Answer> {
        let media_type = self.ask.headers.get(CONTENT_TYPE).map(hyper::header::HeaderValue::as_bytes);
        let is_one = media_type.is_some_and(|it| it.starts_with(b"application/json-patch+json"));
        if is_one { Ok(()) } else { Err(Answer::e17(415)) }
    }

    fn organisation(&self) -> &'a Organisation {
        &self.snapshot.world.organisations[self.place.organisation]
    }

    fn with<T>(&self, work: impl FnOnce(&mut Tracker) -> T) -> T {
        self.state.trackers.with(&self.organisation().id, work)
    }
}

fn number(id: &str) -> Result<u64, Answer> {
    id.parse().map_err(|_| Answer::e16("a work item is known by its number"))
}

/// Values of fields as tests give them: people by their mail.
pub(crate) fn values(tracker: &Tracker, given: &[(&str, Option<&str>)]) -> Vec<(String, Option<String>)> {
    let written = |name: &str, value: &str| match tracker.person(value).filter(|_| name == ASSIGNED_TO) {
        Some((name, mail)) => format!("{name} <{mail}>"),
        None => value.to_owned(),
    };
    given.iter().map(|(name, value)| ((*name).to_owned(), value.map(|value| written(name, value)))).collect()
}
