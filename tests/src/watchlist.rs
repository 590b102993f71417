//! What a daemon is to watch, as a configuration in the making.

use std::collections::BTreeMap;
use std::fmt::Write;

use crate::fake::{Fake, contoso};
use crate::sandbox::Sandbox;

/// Settings, integrations and repositories. Integrations are Azure DevOps' with the identity `reader`, a personal
/// access token in the variable `PAT`, unless [`table`](Self::table) says otherwise.
#[derive(Clone)]
pub struct Watchlist {
    settings: BTreeMap<String, String>,
    tables: BTreeMap<String, String>,
    repositories: BTreeMap<String, String>,
    batches: bool,
}

impl Watchlist {
    /// With nothing on it, and settings that make a daemon quick.
    pub fn new() -> Self {
        let empty = Self {
            settings: BTreeMap::new(),
            tables: BTreeMap::new(),
            repositories: BTreeMap::new(),
            batches: false,
        };
        empty
            .set("api.listen", r#""127.0.0.1:0""#)
            .set("defaults.interval", r#""1s""#)
            .set("schedule.confirm_after", r#""200ms""#)
            .table("identities.reader", "kind = \"pat\"\ntoken = { env = \"PAT\" }")
    }

    /// The world [`large`](crate::fake::World::large): repositories named `p0-r0` and so on, of the integration
    /// `large`.
    pub fn large(projects: usize, repositories_per_project: usize) -> Self {
        let mut list = Self::new().integration("large", "https://dev.azure.com/large/", "");
        for p in 0..projects {
            for r in 0..repositories_per_project {
                let name = format!("p{p}-r{r}");
                list =
                    list.repository(&name, "large", &format!("project-{p}"), &format!("repository-{r}"), "");
            }
        }
        list
    }

    /// Sets a key to a TOML value.
    #[must_use]
    pub fn set(mut self, key: &str, value: &str) -> Self {
        self.settings.insert(key.to_owned(), value.to_owned());
        self
    }

    /// Has the repositories of a project asked for together. Otherwise each is asked for by itself, so that a fault of
    /// one is nobody else's.
    #[must_use]
    pub fn batches(mut self) -> Self {
        self.batches = true;
        self
    }

    /// Sets a whole table to lines of TOML.
    #[must_use]
    pub fn table(mut self, name: &str, lines: &str) -> Self {
        self.tables.insert(name.to_owned(), lines.to_owned());
        self
    }

    /// Adds an integration, or changes it.
    #[must_use]
    pub fn integration(self, name: &str, domain_name: &str, more: &str) -> Self {
        let lines =
            format!("provider = \"vsts\"\ndomain_name = {domain_name:?}\nidentity = \"reader\"\n{more}");
        self.table(&format!("integrations.{name}"), &lines)
    }

    /// Adds a repository, or changes it.
    #[must_use]
    pub fn repository(
        mut self,
        name: &str,
        integration: &str,
        project: &str,
        on_forge: &str,
        more: &str,
    ) -> Self {
        let lines =
            format!("integration = {integration:?}\nproject = {project:?}\nname = {on_forge:?}\n{more}");
        self.repositories.insert(name.to_owned(), lines);
        self
    }

    /// Without this repository.
    #[must_use]
    pub fn without(mut self, repository: &str) -> Self {
        self.repositories.remove(repository);
        self
    }

    /// Writes it to where the sandbox' binary reads its configuration.
    pub fn write(&self, sandbox: &Sandbox) {
        sandbox.write("forgewatch.toml", self.to_toml());
    }

    /// A sandbox with it behind the fake, and a good token in `PAT`.
    pub fn sandbox(&self, fake: &Fake) -> Sandbox {
        let mut sandbox = Sandbox::with_fake(fake);
        sandbox.set_variable("PAT", contoso::PAT);
        if !self.batches {
            sandbox.ask_one_by_one();
        }
        self.write(&sandbox);
        sandbox
    }

    fn to_toml(&self) -> String {
        let mut toml = String::new();
        for (key, value) in &self.settings {
            let _ = writeln!(toml, "{key} = {value}");
        }
        let repositories =
            self.repositories.iter().map(|(name, lines)| (format!("repositories.{name}"), lines));
        let tables = self.tables.iter().map(|(name, lines)| (name.clone(), lines));
        for (name, lines) in tables.chain(repositories) {
            let _ = writeln!(toml, "[{name}]\n{lines}");
        }
        toml
    }
}

impl Default for Watchlist {
    fn default() -> Self {
        Self::new()
    }
}
