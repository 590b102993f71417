//! The states of work items, and what they mean.

use forgewatch_plugin_api::{Failure, Issue, IssueState, StateCategory};
use forgewatch_plugin_support::{Shown, segment};
use serde::Deserialize;

use super::{failed, named, nonsense};
use crate::answer;
use crate::client::{Ask, Client};
use crate::verdict::{self, Area};

#[derive(Deserialize)]
struct States {
    value: Vec<State>,
}

#[derive(Deserialize)]
struct State {
    name: String,
    #[serde(default)]
    category: String,
}

/// The states of a type of work items.
pub(crate) async fn states(client: &Client, project: &str, kind: &str) -> Result<Vec<IssueState>, Failure> {
    let about = format!("the states of {} in {}", Shown(kind), Shown(client.integration()));
    let (project, kind) = (named(&about, "project", project)?, named(&about, "kind", kind)?);
    let path =
        format!("{}/_apis/wit/workitemtypes/{}/states", segment::encode(project), segment::encode(kind));
    let response = client.ask(&Ask::get(&path).or_preview()).await?;
    if let Some(fault) = verdict::fault_in(Area::WorkItems, &response) {
        return Err(failed(&response, &about, &fault));
    }
    let states: States =
        answer::object(&response).ok_or_else(|| nonsense(&response, &about, "no list of states"))?;
    Ok(states.value.into_iter().map(|state| IssueState::new(state.name, category(state.category))).collect())
}

fn category(word: String) -> StateCategory {
    match word.as_str() {
        "Proposed" => StateCategory::Open,
        "InProgress" => StateCategory::InProgress,
        "Resolved" => StateCategory::Resolved,
        // What old servers say.
        "Completed" | "Closed" => StateCategory::Completed,
        "Removed" => StateCategory::Removed,
        _ => StateCategory::Other(word),
    }
}

/// The state that an issue has to be brought to, to be done or not to be; none where it is so already.
pub(super) async fn other(client: &Client, issue: &Issue, is_done: bool) -> Result<Option<String>, Failure> {
    let states = states(client, issue.project().unwrap_or_default(), issue.kind()).await?;
    let now = states.iter().find(|state| state.name().eq_ignore_ascii_case(issue.state()));
    if now.is_some_and(|now| now.is_done() == is_done) {
        return Ok(None);
    }
    let wanted: &[StateCategory] = match is_done {
        true => &[StateCategory::Completed, StateCategory::Resolved],
        false => &[StateCategory::Open, StateCategory::InProgress],
    };
    let found = wanted.iter().find_map(|wanted| states.iter().find(|state| state.category() == wanted));
    match found {
        Some(state) => Ok(Some(state.name().to_owned())),
        None => Err(Failure::rejected(format!(
            "work item {} in {}: no state of {} says that it is {}: name the state",
            issue.key(),
            Shown(client.integration()),
            Shown(issue.kind()),
            if is_done { "done" } else { "not done" }
        ))),
    }
}
