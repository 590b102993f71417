//! Looking something up in an integration's tracker while somebody types: issues, and projects by their names.
//!
//! There are never more answers than somebody looks at; that there is more is said.

use axum::http::StatusCode;
use forgewatch_plugin_api::{FoundIssue, IssueQuery, ListRequest, TrackerProject};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Shared;
use super::access::Scope;
use super::answer::Found;
use super::desks::ERRORS;
use super::error::Error;
use super::input::input;
use super::route::{Call, Operation, Routes};
use crate::text::printable;
use crate::tracker::{Desk, Refusal, RefusalKind};

/// More than anybody looks through.
const MOST_ITEMS: u32 = 100;
/// Pages of projects that are looked through.
const MOST_PAGES: usize = 50;
/// Characters of a label.
const LONGEST_LABEL: usize = 300;
/// Characters of a reason why there may be more.
const LONGEST_WHY: usize = 500;

pub(super) fn add(routes: &mut Routes) {
    let summary = "Looks for issues in an integration's tracker, or completes the name of a project. What the tracker \
                   refuses is told with its reason as the code: 503 where the same may do later, else 502; 501 where \
                   there is no tracker.";
    let operation = Operation { id: "search_integration", summary, scope: Some(Scope::Read), errors: ERRORS };
    routes.get("/api/v1/integrations/{name}/search", operation, search);
}

/// What is looked for.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Query {
    /// What the answers are to be: issues, or projects.
    field: Field,
    /// What somebody has typed.
    #[schemars(length(max = 400), regex(pattern = r"\S"))]
    query: String,
    /// Looks for issues of one project alone, by its name or id.
    #[serde(default)]
    #[schemars(length(min = 1, max = 200))]
    project: Option<String>,
}

input!(Query);

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
enum Field {
    ExternalIssue,
    Project,
}

/// What there is to choose from.
#[derive(Default, Serialize, JsonSchema)]
pub(crate) struct Suggestions {
    pub(crate) items: Vec<Suggestion>,
    /// Why there may well be more; none where this is all.
    pub(crate) incomplete: Option<String>,
}

/// One to choose.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Suggestion {
    /// What people are shown.
    pub(crate) label: String,
    /// What the tracker knows it by.
    pub(crate) value: String,
    /// The project of an issue.
    #[serde(skip)]
    pub(crate) project: Option<String>,
}

async fn search(call: Call<Query>) -> Result<Found<Suggestions>, Error> {
    let (shared, name, Query { field, query, project }) = call.without_turn();
    let _turn = shared.turn_of_tracker(&name).await?;
    let desk = shared.desk(&name).await?;
    let text = query.trim();
    let found = match field {
        Field::ExternalIssue => issues(&desk, text, project.as_deref()).await,
        Field::Project => projects(&desk, text).await,
    };
    found.map(Found).map_err(|refusal| match project {
        Some(_) if refusal.kind == RefusalKind::Missing => {
            Error::new(StatusCode::NOT_FOUND, "unknown_project", refusal.to_string())
        }
        _ => refusal.into(),
    })
}

/// Issues of an integration's tracker that fit a text.
pub(super) async fn issues_of(shared: &Shared, integration: &str, text: &str) -> Result<Suggestions, Error> {
    let _turn = shared.turn_of_tracker(integration).await?;
    let desk = shared.desk(integration).await?;
    Ok(issues(&desk, text, None).await?)
}

/// Issues that fit a text.
async fn issues(desk: &Desk, text: &str, project: Option<&str>) -> Result<Suggestions, Refusal> {
    // One more than is shown tells whether there are more.
    let query = IssueQuery::new(text, MOST_ITEMS + 1);
    let query = match project {
        Some(project) => query.with_project(project),
        None => query,
    };
    let found = desk.search(&query).await?;
    let incomplete = found.incomplete().map(|why| printable(why, LONGEST_WHY).into_owned());
    Ok(Suggestions { items: found.issues().iter().map(Suggestion::from).collect(), incomplete }.cut())
}

/// Projects whose name has a text in it, in whatever case.
async fn projects(desk: &Desk, text: &str) -> Result<Suggestions, Refusal> {
    let wanted = text.to_lowercase();
    let fits = |project: &&TrackerProject| project.name().to_lowercase().contains(&wanted);
    let (mut found, mut request) = (Suggestions::default(), ListRequest::first());
    for _ in 0..MOST_PAGES {
        let page = desk.projects(&request).await?;
        found.items.extend(page.projects().iter().filter(fits).map(Suggestion::from));
        match page.next() {
            Some(next) if found.items.len() <= MOST_ITEMS as usize => request = ListRequest::after(next),
            _ => return Ok(found.cut()),
        }
    }
    let why =
        format!("the tracker has more than {MOST_PAGES} pages of projects, and no more are looked through");
    Ok(Suggestions { incomplete: Some(why), ..found })
}

impl Suggestions {
    /// No more of them than anybody looks through.
    fn cut(mut self) -> Self {
        if self.items.len() > MOST_ITEMS as usize {
            self.items.truncate(MOST_ITEMS as usize);
            let why = || format!("more than {MOST_ITEMS} fit: look for something that fewer have");
            self.incomplete.get_or_insert_with(why);
        }
        self
    }
}

impl From<&FoundIssue> for Suggestion {
    fn from(issue: &FoundIssue) -> Self {
        let label = format!("({}) {}", issue.key(), issue.title());
        Self {
            label: printable(label.trim_end(), LONGEST_LABEL).into_owned(),
            value: issue.key().to_owned(),
            project: issue.project().map(ToOwned::to_owned),
        }
    }
}

impl From<&TrackerProject> for Suggestion {
    fn from(project: &TrackerProject) -> Self {
        let label = printable(project.name(), LONGEST_LABEL).into_owned();
        Self { label, value: project.id().to_owned(), project: None }
    }
}
