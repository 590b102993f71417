//! Repositories that are found in place of being configured: what a listing shows and a discovery wants.
//!
//! - A listing adds what it shows, however it ends. Only a whole one says that something is missing, and nothing is
//!   dropped for that: what is missing is watched as before, and its own checks say whether access is lost.
//! - A repository is known by the forge's own id, so that it keeps its history when it is renamed. Where the forge gives
//!   none, project and name take its place.
//! - What the listing itself says is denied is not taken in: what never was granted is no loss.
//!
//! Who lists when, and who is told, is absent: that is the daemon's and `check`'s.

mod catalogue;
mod filter;
mod listing;
#[cfg(test)]
mod tests;

pub use catalogue::{Catalogue, Found, MOST_FOUND, News, Renamed, identity};
pub use filter::Filter;
pub use listing::{Ended, Listing, go_on, list};

use crate::config::{self, Config, Defaults};

/// A discovery of the configuration, ready to be used.
#[derive(Debug)]
pub struct Discovery {
    /// Its name in the configuration.
    pub name: String,
    /// What was configured.
    pub settings: config::Discovery,
    /// The rules of what it finds.
    pub rules: Defaults,
    filter: Filter,
}

impl Discovery {
    /// The discovery `name` of `config`.
    ///
    /// # Errors
    ///
    /// Its patterns are too much together.
    pub fn of(config: &Config, name: &str, settings: &config::Discovery) -> Result<Self, globset::Error> {
        let mut rules = config.defaults;
        if let Some(integration) = config.integrations.get(&settings.integration) {
            rules = rules.with(&integration.overrides);
        }
        Ok(Self {
            name: name.to_owned(),
            rules: rules.with(&settings.overrides),
            filter: Filter::new(&settings.include, &settings.exclude)?,
            settings: settings.clone(),
        })
    }

    /// Whether a repository is among those that are looked for.
    pub fn wants(&self, project: Option<&str>, name: &str) -> bool {
        self.filter.takes(project, name)
    }

    /// What it looks for, as text that is another when that is.
    fn wanted(&self) -> String {
        let patterns = |patterns: &[config::Pattern]| patterns.iter().map(ToString::to_string).collect();
        let both: [Vec<String>; 2] = [patterns(&self.settings.include), patterns(&self.settings.exclude)];
        serde_json::to_string(&both).unwrap_or_default()
    }
}
