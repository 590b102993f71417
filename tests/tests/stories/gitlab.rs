//! GitLab: its whole error space, what is granted to whom, and where its URLs lead; on gitlab.com and on a server with a
//! relative root.

mod access;
mod error_space;
mod listing;
mod refresh;
mod routes;

use forgewatch_tests::fake::{Fake, gitlab};
use forgewatch_tests::sandbox::{Run, Sandbox};

use crate::support::{Config, Results};

const CLOUD: &str = "https://gitlab.com/";
/// Nothing that is printed may hold one of these.
const SECRETS: [&str; 9] = [
    gitlab::TOKEN,
    gitlab::ADMIN_TOKEN,
    gitlab::ENDED_TOKEN,
    gitlab::REVOKED_TOKEN,
    gitlab::GIT_TOKEN,
    gitlab::CLIENT_SECRET,
    gitlab::ACCESS_TOKEN,
    gitlab::REFRESH_TOKEN,
    "fakegitlabaccess0001",
];

/// With the identity `bot`, whose token is in the variable `BOT`, and an integration of gitlab.com and one of the
/// server with a relative root. What one answer does is shown one by one.
fn config() -> Config {
    integrations(Config::default().toml("[providers.gitlab]\nbatch = false"))
}

fn integrations(config: Config) -> Config {
    let config = identity(config, "bot", "BOT");
    integration(integration(config, "cloud", CLOUD, "bot"), "own", gitlab::OWN_BASE_URL, "bot")
}

fn identity(config: Config, name: &str, variable: &str) -> Config {
    config.toml(&format!("[identities.{name}]\nkind = \"pat\"\ntoken = {{ env = \"{variable}\" }}"))
}

fn integration(config: Config, name: &str, domain_name: &str, identity: &str) -> Config {
    config.toml(&format!(
        "[integrations.{name}]\nprovider = \"gitlab\"\ndomain_name = {domain_name:?}\nidentity = {identity:?}"
    ))
}

/// A repository by the path of its group and its name.
fn repository(config: Config, name: &str, integration: &str, path: &str) -> Config {
    let (groups, last) = path.rsplit_once('/').expect("a group and a name");
    config.toml(&format!(
        "[repositories.{name:?}]\nintegration = {integration:?}\nproject = {groups:?}\nname = {last:?}"
    ))
}

fn sandbox(config: &Config, fake: &Fake) -> Sandbox {
    let mut sandbox = config.sandbox(fake);
    for (name, value) in [
        ("BOT", gitlab::TOKEN),
        ("ADMIN", gitlab::ADMIN_TOKEN),
        ("ENDED", gitlab::ENDED_TOKEN),
        ("REVOKED", gitlab::REVOKED_TOKEN),
        ("GIT", gitlab::GIT_TOKEN),
        ("WRONG", "glpat-fake0nobody0jjjjjjj"),
        ("CLIENT_SECRET", gitlab::CLIENT_SECRET),
        ("ACCESS", gitlab::ACCESS_TOKEN),
        ("REFRESH", gitlab::REFRESH_TOKEN),
    ] {
        sandbox.set_variable(name, value);
    }
    sandbox
}

/// Checks all of them, and that nothing printed has a secret in it.
#[track_caller]
fn check(sandbox: &Sandbox) -> Results {
    let run: Run = sandbox.run(&["check", "--format", "json", "--log-level", "debug"]);
    for secret in SECRETS {
        assert!(!format!("{run:?}").contains(secret), "{secret} was printed");
    }
    Results::of(&run)
}
