//! What states of issues mean, as their trackers say.
//!
//! What a tracker said counts for a while, so that a hundred changes are not a hundred questions. What it did not say is
//! not known: never taken for open, nor for done.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use forgewatch_plugin_api::IssueState;
use tokio::time::Instant;

use super::desk::{Desk, Refusal, RefusalKind};
use crate::text::printable;
use crate::verdict::{Outcome, Reason};

/// For how long it counts what a tracker said.
const FRESH: Duration = Duration::from_secs(10 * 60);
/// Kinds whose states are kept, and how many of each: more than anybody has.
const MOST_KINDS: usize = 200;
const MOST_STATES: usize = 200;
/// The kinds that are asked for where nobody knows an issue's own.
const USUAL_KINDS: [&str; 3] = ["Bug", "Issue", "Task"];
/// Characters of a state and of a project that are told.
const LONGEST_WORD: usize = 100;

/// The states of each kind of issues: by integration, project and kind.
#[derive(Debug, Default)]
pub(super) struct States {
    known: Mutex<HashMap<(String, String, String), Known>>,
}

#[derive(Clone, Debug)]
struct Known {
    at: Instant,
    states: Vec<IssueState>,
}

impl States {
    /// Whether an issue of this kind is done in this state. Where the kind is not known (empty), or has no such state,
    /// usual ones are asked for, one after the other.
    ///
    /// # Errors
    ///
    /// The tracker does not say; [`RefusalKind::Missing`] if it said all that it knows, and this state is not of that.
    pub(super) async fn is_done(
        &self,
        desk: &Desk,
        project: Option<&str>,
        kind: &str,
        state: &str,
    ) -> Result<bool, Refusal> {
        let Some(project) = project else {
            return Err(unknown("the tracker does not say which project the issue is of", state));
        };
        let usual = USUAL_KINDS.into_iter().filter(|usual| *usual != kind);
        let mut missing = None;
        for kind in Some(kind).filter(|kind| !kind.is_empty()).into_iter().chain(usual) {
            match self.of_kind(desk, project, kind, state).await {
                Ok(Some(is_done)) => return Ok(is_done),
                Ok(None) => {}
                Err(refusal) if refusal.kind == RefusalKind::Missing => missing = Some(refusal),
                Err(refusal) => return Err(refusal),
            }
        }
        let project = printable(project, LONGEST_WORD);
        let why = match missing {
            Some(refusal) => format!("no kind of issues of `{project}` has it ({refusal})"),
            None => format!("no kind of issues of `{project}` has it"),
        };
        Err(unknown(&why, state))
    }

    /// Whether this state of a kind is a done one; none where the kind has no such state.
    async fn of_kind(
        &self,
        desk: &Desk,
        project: &str,
        kind: &str,
        state: &str,
    ) -> Result<Option<bool>, Refusal> {
        let is_it = |known: &&IssueState| known.name().eq_ignore_ascii_case(state);
        let key = (desk.integration().to_owned(), project.to_owned(), kind.to_owned());
        let fresh = self.known().get(&key).filter(|known| known.at.elapsed() < FRESH).cloned();
        let fresh = fresh.and_then(|known| known.states.iter().find(is_it).map(IssueState::is_done));
        if fresh.is_some() {
            return Ok(fresh);
        }
        let mut states = desk.states(project, kind).await?;
        states.truncate(MOST_STATES);
        let is_done = states.iter().find(is_it).map(IssueState::is_done);
        let mut known = self.known();
        if known.len() >= MOST_KINDS {
            known.clear();
        }
        known.insert(key, Known { at: Instant::now(), states });
        Ok(is_done)
    }

    fn known(&self) -> MutexGuard<'_, HashMap<(String, String, String), Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn unknown(why: &str, state: &str) -> Refusal {
    let state = printable(state, LONGEST_WORD);
    let detail = format!("nobody knows whether the state `{state}` is a done one: {why}");
    Refusal::of(Outcome::new(Reason::ProviderError, detail), RefusalKind::Missing)
}
