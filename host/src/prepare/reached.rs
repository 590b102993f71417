//! One integration, for a command that asks its forge something and ends.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::parts::Beginning;
use super::{opened, read_state};
use crate::config::{Loaded, Problems};
use crate::services::Services;
use crate::state::State;
use crate::sweep::Integration;

/// One integration, with what it is asked with.
pub struct Reached {
    /// The integration.
    pub integration: Arc<Integration>,
    /// The state, for writing.
    pub state: Arc<State>,
    /// How long each question may take.
    pub limit: Duration,
    /// What its plugin uses; to be finished at the end.
    pub services: Services,
}

impl Reached {
    /// The integration of that name, if there is one. Its repositories are not looked at, and no secret but its own is
    /// read.
    ///
    /// # Errors
    ///
    /// Everything that is wrong, in one go.
    pub async fn prepare(loaded: &Loaded, name: &str) -> Result<Option<Self>, Problems> {
        let mut problems = loaded.problems.clone();
        let state = match problems.as_slice() {
            [] => opened(loaded, &mut problems, State::open(&loaded.config.state.path)),
            // Nothing will be asked, and the path may not be the one that was meant.
            _ => read_state(loaded, &mut problems),
        };
        let parts = Beginning::of(loaded, state, None, problems).end(BTreeSet::from([name])).await?;
        let mut integrations = parts.integrations(std::iter::once(&name.to_owned()))?;
        let limit = loaded.config.check_timeout.get();
        let reached = integrations.remove(name);
        Ok(reached.map(|integration| Self {
            integration,
            state: parts.state,
            limit,
            services: parts.services,
        }))
    }
}
