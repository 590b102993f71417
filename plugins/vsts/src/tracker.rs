//! Work items as issues: found, read, made and changed.
//!
//! - The key of an issue is the work item's number, which is unique in the organisation, so that one which moves to
//!   another project is found all the same.
//! - What is written is sent once, and all changes of one issue in one document: the service makes all of them or none.
//! - Plain text is escaped on its way into a field, since fields are HTML.

pub(crate) mod fields;
mod patch;
pub(crate) mod person;
mod search;
mod states;

use forgewatch_plugin_api::{
    AssigneeTarget, Failure, Issue, IssueChange, IssueRef, ListRequest, Method, NewIssue, ProjectPage,
    Reason, Response, StateTarget, TrackerProject,
};
use forgewatch_plugin_support::{Shown, segment};

pub(crate) use search::search;
pub(crate) use states::states;

use crate::answer;
use crate::client::{Ask, Client};
use crate::many;
use crate::verdict::{self, Area};
use fields::WorkItem;
use patch::Patch;

const JSON_PATCH: &str = "application/json-patch+json";
/// What is read of a work item: its texts may be megabytes.
const FIELDS: &str =
    "?fields=System.TeamProject,System.WorkItemType,System.State,System.Title,System.AssignedTo&";

/// Reads a work item.
pub(crate) async fn get(client: &Client, issue: &IssueRef) -> Result<Issue, Failure> {
    let number = number(client, issue.key())?;
    let path = format!("_apis/wit/workitems/{number}");
    let response = client.ask(&Ask::get(&path).with_query(FIELDS)).await?;
    read(client, &response, &about(client, number), Some(number))
}

/// Makes a work item.
pub(crate) async fn create(client: &Client, issue: &NewIssue) -> Result<Issue, Failure> {
    let about = format!("a new {} in {}", Shown(issue.kind()), Shown(client.integration()));
    let (project, kind) = (named(&about, "project", issue.project())?, named(&about, "kind", issue.kind())?);
    let path = format!("{}/_apis/wit/workitems/${}", segment::encode(project), segment::encode(kind));
    addressed(&about, issue.assignee_email())?;
    let patch = Patch::of_new(issue);
    let response = client.ask(&Ask::send(Method::POST, &path, JSON_PATCH, patch.into_bytes())).await?;
    refused(&response, &about, issue.assignee_email())?;
    read(client, &response, &about, None)
}

/// Changes a work item with one request, after a look at it where that says what to change.
pub(crate) async fn update(
    client: &Client,
    issue: &IssueRef,
    change: &IssueChange,
) -> Result<Issue, Failure> {
    let number = number(client, issue.key())?;
    let about = about(client, number);
    let assigned = match change.assignee() {
        AssigneeTarget::Email(email) => Some(email.as_str()),
        _ => None,
    };
    addressed(&about, assigned)?;
    let mut patch = Patch::at_revision(change.expected_revision());
    patch.assign(change.assignee());
    let mut known = None;
    match change.state() {
        StateTarget::Leave => {}
        StateTarget::Name(name) => patch.state(name),
        target => {
            let issue = get(client, issue).await?;
            let is_done = *target == StateTarget::Done;
            if let Some(name) = states::other(client, &about, &issue, is_done).await? {
                patch.state(&name);
            }
            known = Some(issue);
        }
    }
    if let Some(comment) = change.comment() {
        patch.comment(comment);
    }
    if patch.changes_nothing() {
        let issue = match known {
            Some(issue) => issue,
            None => get(client, issue).await?,
        };
        return match change.expected_revision() {
            Some(expected) if issue.revision() != Some(expected) => Err(conflict(&about)),
            _ => Ok(issue),
        };
    }
    let path = format!("_apis/wit/workitems/{number}");
    let response = client.ask(&Ask::send(Method::PATCH, &path, JSON_PATCH, patch.into_bytes())).await?;
    if verdict::is_conflict(&response) {
        return Err(conflict(&about).with_http_status(response.status()));
    }
    refused(&response, &about, assigned)?;
    read(client, &response, &about, Some(number))
}

/// One page of the organisation's projects.
pub(crate) async fn projects(client: &Client, request: &ListRequest) -> Result<ProjectPage, Failure> {
    let skip = match request.cursor() {
        None => 0,
        Some(cursor) => cursor.parse().map_err(|error| {
            Failure::new(Reason::PLUGIN_FAILED, format!("the host came back with another cursor: {error}"))
        })?,
    };
    let found = many::projects(client, skip).await?;
    let (next, is_last) = (skip.saturating_add(found.len()), found.len() < many::PROJECTS);
    let page = ProjectPage::new(
        found.into_iter().map(|project| TrackerProject::new(project.id, project.name)).collect(),
    );
    Ok(if is_last { page } else { page.with_next(next.to_string()) })
}

fn about(client: &Client, number: u64) -> String {
    format!("work item {number} in {}", Shown(client.integration()))
}

/// The number that a key is.
fn number(client: &Client, key: &str) -> Result<u64, Failure> {
    answer::number_in(key).ok_or_else(|| {
        let detail = format!(
            "{} can be no work item in {}, so nothing was asked: work items are known by their numbers",
            Shown(key),
            Shown(client.integration())
        );
        Failure::new(Reason::NOT_FOUND, detail)
    })
}

/// A name that can be a segment of a path.
pub(crate) fn named<'a>(about: &str, what: &str, name: &'a str) -> Result<&'a str, Failure> {
    if segment::is_valid(name) {
        return Ok(name);
    }
    let detail = format!(
        "{about}: {} can be no {what} on Azure DevOps, so nothing was asked: correct it",
        Shown(name)
    );
    Err(Failure::new(Reason::NOT_FOUND, detail))
}

/// The work item in an answer, which has to be the one of this number.
fn read(client: &Client, response: &Response, about: &str, number: Option<u64>) -> Result<Issue, Failure> {
    const NONE: &str = "no such work item";
    let item: WorkItem = verdict::object(Area::WorkItems, response, about, NONE)?;
    match number.is_none_or(|number| number == item.id) {
        true => Ok(item.into_issue(client)),
        false => Err(verdict::nonsense(response, about, NONE)),
    }
}

/// An empty value would take the work item from whoever has it.
fn addressed(about: &str, email: Option<&str>) -> Result<(), Failure> {
    match email {
        Some(email) if email.trim().is_empty() => Err(Failure::rejected(format!(
            "{about}: nobody has a blank e-mail address, so nothing was changed: give the address of a member of the \
             project"
        ))),
        _ => Ok(()),
    }
}

fn conflict(about: &str) -> Failure {
    Failure::conflict(format!("{about}: somebody else has changed it meanwhile, so nothing was changed"))
}

/// What the service takes for wrong; `email` is whom it was asked to assign.
fn refused(response: &Response, about: &str, email: Option<&str>) -> Result<(), Failure> {
    if !verdict::is_rejection(response) {
        return Ok(());
    }
    let is_about_assignee = ["System.AssignedTo", "Assigned To"]
        .iter()
        .any(|name| response.text().is_some_and(|text| text.contains(name)));
    let what = match email {
        Some(email) if is_about_assignee => format!(
            "the service assigns it to nobody as {}, so nothing was changed: give the e-mail address of a member of the \
             project",
            Shown(email)
        ),
        _ => "the service refuses a value, so nothing was changed: correct it".to_owned(),
    };
    let detail = format!("{about}: {what}{}", answer::said(response));
    Err(Failure::rejected(detail).with_http_status(response.status()))
}
