//! Which of it a path leads to.

use crate::fake::recording::Kind;

/// What is asked of an organisation's tracker.
pub(crate) enum Route {
    WorkItem { id: String },
    NewWorkItem { project: String, kind: String },
    States { project: String, kind: String },
    Search { project: Option<String> },
    Subscriptions,
    Subscription { id: String },
}

impl Route {
    pub(crate) fn kind(&self) -> Kind {
        match self {
            Self::WorkItem { .. } | Self::NewWorkItem { .. } | Self::States { .. } => Kind::WorkItems,
            Self::Search { .. } => Kind::Search,
            Self::Subscriptions | Self::Subscription { .. } => Kind::Hooks,
        }
    }
}

/// The route of what stands after `_apis`; `project` is what stands before it.
pub(crate) fn route(project: Option<&str>, api: &[&str]) -> Option<Route> {
    let lower: Vec<String> = api.iter().map(|segment| segment.to_lowercase()).collect();
    let words: Vec<&str> = lower.iter().map(String::as_str).collect();
    let owned = |text: &str| text.to_owned();
    match (project, words.as_slice()) {
        (Some(project), ["wit", "workitems", kind]) if kind.starts_with('$') => {
            Some(Route::NewWorkItem { project: owned(project), kind: owned(&api[2][1..]) })
        }
        (_, ["wit", "workitems", id]) => Some(Route::WorkItem { id: owned(id) }),
        (Some(project), ["wit", "workitemtypes", _, "states"]) => {
            Some(Route::States { project: owned(project), kind: owned(api[2]) })
        }
        (project, ["search", "workitemsearchresults"]) => Some(Route::Search { project: project.map(owned) }),
        (None, ["hooks", "subscriptions"]) => Some(Route::Subscriptions),
        (None, ["hooks", "subscriptions", id]) => Some(Route::Subscription { id: owned(id) }),
        _ => None,
    }
}
