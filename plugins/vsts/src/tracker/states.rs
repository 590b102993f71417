//! The states of work items, and what they mean.

use forgewatch_plugin_api::{Failure, Issue, IssueState, Reason, StateCategory};
use forgewatch_plugin_support::{Shown, segment};
use serde::Deserialize;

use super::named;
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
    let states: States = verdict::object(Area::WorkItems, &response, &about, "no list of states")?;
    if states.value.is_empty() {
        let detail = format!("{about}: the service shows none, as for a type that is not in use");
        return Err(Failure::new(Reason::NOT_FOUND, detail).with_http_status(response.status()));
    }
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
pub(super) async fn other(
    client: &Client,
    about: &str,
    issue: &Issue,
    is_done: bool,
) -> Result<Option<String>, Failure> {
    let known = states(client, issue.project().unwrap_or_default(), issue.kind()).await;
    let states = known.map_err(|failure| {
        let detail = format!("{about}: {}", failure.detail());
        // Otherwise it would be the issue that is missing.
        let reason = match failure.reason() {
            Reason::NOT_FOUND => Reason::PROVIDER_ERROR,
            reason => reason,
        };
        failure.with_reason(reason).with_detail(detail)
    })?;
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
            "{about}: no state of {} says that it is {}: name the state",
            Shown(issue.kind()),
            if is_done { "done" } else { "not done" }
        ))),
    }
}
