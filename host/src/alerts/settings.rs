//! Alerts as one configuration has them: made as a whole, found good before anything changes, and then in use.

use std::collections::BTreeMap;

use url::Url;

use super::plan::Plan;
use super::target::Target;
use crate::config::{Loaded, Problem};

/// Who can be told, and who is told of what.
pub struct Settings {
    pub(super) plan: Plan,
    pub(super) targets: BTreeMap<String, Target>,
    /// The page of the daemon, for links.
    pub(super) page: Option<Url>,
}

impl Settings {
    /// As the configuration has it; `None` after telling of everything that is wrong. Reads secrets, so it may run
    /// commands and take a while.
    pub async fn prepare(loaded: &Loaded, problems: &mut Vec<Problem>) -> Option<Self> {
        let before = problems.len();
        let plan = Plan::of(loaded, problems);
        let targets = Target::prepare_all(loaded, problems).await;
        let page = loaded.config.public_url.as_ref().map(|url| url.get().clone());
        (problems.len() == before).then_some(Self { plan, targets, page })
    }
}
