//! Incidents: what is wrong or was, one cause at a time; and who has it.

use axum::http::StatusCode;
use minijinja::{Value, context};
use serde::Serialize;

use super::headers::see_other;
use super::overview::Groups;
use super::render::{self, Frame, value};
use super::repositories::{Choices, encoded};
use super::visit::{Answered, Visit};
use crate::api::view::{Error, Suggestions};
use crate::state::EventFilter;
use crate::tracker::TrackerReport;

/// Entries of the journal that are shown with an incident.
const MOST_EVENTS: usize = 100;

pub(super) async fn list(visit: Visit) -> Answered {
    let query = visit.parameters()?;
    let page = visit.site.view.incidents(&encoded(&query)).await?;
    let are_open = !query.iter().any(|(name, value)| name == "state" && value == "resolved");
    let is_first = !query.iter().any(|(name, _)| name == "cursor");
    let groups = visit.site.view.look(Groups::of).await?;
    let content = context! {
        page => value(&page),
        are_open,
        is_first,
        groups => value(&groups.shown),
        groups_more => groups.more,
        open => groups.open,
    };
    let headline = format!("{} incidents are open", groups.open);
    visit.answer("incidents.html", Frame::of("incidents", "Incidents", headline), content).await
}

/// What somebody has asked for on the page of an incident, and what came of it.
#[derive(Default)]
struct Asked {
    /// The order that was done.
    done: String,
    /// Why one was not.
    problem: Option<Error>,
    integration: Option<String>,
    query: String,
    key: String,
    project: String,
}

/// An issue that a search has found.
#[derive(Serialize)]
struct FoundIssue {
    label: String,
    value: String,
    project: Option<String>,
}

pub(super) async fn show(visit: Visit) -> Answered {
    let mut asked = Asked::default();
    for (name, value) in visit.parameters()? {
        match name.as_str() {
            "done" => asked.done = value,
            "integration" => asked.integration = Some(value),
            "query" => asked.query = value,
            _ => {}
        }
    }
    answer(visit, asked).await
}

/// An order that a form of the page gives. What stands against it is shown on the page.
pub(super) async fn act(visit: Visit) -> Answered {
    visit.has_to_operate()?;
    let visit = visit.without_turn();
    let (view, id) = (&visit.site.view, visit.name.as_str());
    let text = |name: &str| visit.field(name).map(ToOwned::to_owned);
    let order = visit.field("order").unwrap_or_default();
    let done = match order {
        "assign" => view.assign(id, text("person")).await,
        "unlink" => view.unlink(id).await,
        "link" => {
            let (integration, key) = (text("integration").unwrap_or_default(), text("issue"));
            let key = key.ok_or_else(|| Error::bad_request("say which issue, by its number or key"))?;
            view.link(id, integration, key, text("project")).await
        }
        _ => return Err(Error::bad_request("there is no such order for an incident")),
    };
    match done {
        Ok(_) => Ok(see_other(&format!("/incidents/{}?done={order}", render::path(id)))),
        Err(problem) => {
            let asked = Asked {
                problem: Some(problem),
                integration: text("integration"),
                key: text("issue").unwrap_or_default(),
                project: text("project").unwrap_or_default(),
                ..Asked::default()
            };
            answer(visit, asked).await
        }
    }
}

/// The page of an incident.
async fn answer(visit: Visit, asked: Asked) -> Answered {
    let view = &visit.site.view;
    let incident = view.incident(&visit.name).await?;
    let filter = EventFilter { fingerprint: Some(incident.fingerprint.clone()), ..EventFilter::default() };
    let events = view.events(filter, MOST_EVENTS).await?;
    let people = view.people_for(&visit.name).await?;
    let integrations = view.look(Choices::of).await?.integrations;
    let chosen = match &asked.integration {
        Some(integration) => integration.clone(),
        None => likely(&view.trackers().await?, &incident.integration),
    };
    let is_searched = !asked.query.is_empty() && incident.issue.is_none() && visit.visitor.may_operate();
    // The page keeps what was found, so the tracker is not asked again by nobody.
    let (visit, found) = match is_searched && !visit.is_by_itself {
        true => {
            let visit = visit.without_turn();
            let found = visit.site.view.search_issues(&chosen, &asked.query).await;
            (visit, Some(found))
        }
        false => (visit, None),
    };
    let (found, trouble) = match found.transpose() {
        Ok(found) => (found.map(shown), None),
        Err(error) => (None, Some(error.message().to_owned())),
    };
    let status = asked.problem.as_ref().map_or(StatusCode::OK, |problem| problem.status);
    let headline = incident.headline();
    let content = context! {
        it => value(&incident), events => value(&events), most => MOST_EVENTS,
        people, integrations, chosen, found, trouble,
        done => asked.done, problem => asked.problem.map(|problem| problem.message().to_owned()),
        query => asked.query, key => asked.key, project => asked.project,
    };
    let frame = Frame::below("incidents", "Incident", headline);
    visit.answer_with(status, "incident.html", frame, content).await
}

/// In whose tracker the issue of an incident of `own` is looked for first: its own if issues are kept there, else the first
/// where they are.
fn likely(trackers: &[TrackerReport], own: &str) -> String {
    let with_issues = || trackers.iter().map(|tracker| tracker.integration.as_str());
    let first = with_issues().next().unwrap_or(own);
    with_issues().find(|name| *name == own).unwrap_or(first).to_owned()
}

fn shown(found: Suggestions) -> Value {
    let issues = found.items.into_iter();
    let issues = issues.map(|it| FoundIssue { label: it.label, value: it.value, project: it.project });
    context! { items => value(issues.collect::<Vec<_>>()), incomplete => found.incomplete }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_issue_is_looked_for_where_issues_are() {
        let tracker = |integration: &str| TrackerReport {
            integration: integration.to_owned(),
            trackers: Vec::new(),
            linked: 0,
            pending: 0,
            failing_since: None,
            problem: None,
            next_attempt_at: None,
        };
        let trackers = [tracker("acme"), tracker("globex")];
        for (trackers, own, expected) in
            [(&trackers[..], "globex", "globex"), (&trackers, "hub", "acme"), (&[], "hub", "hub")]
        {
            assert_eq!(likely(trackers, own), expected);
        }
    }
}
