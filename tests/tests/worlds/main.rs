//! What a configuration that is loaded again takes over from the one before: everything that it says the same.
//!
//! Plugins run in this process. Where one is to run in a worker, none gets ready, as this binary has no command for
//! it, but its handle can be compared.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use forgewatch::config::{Environment, Request, load};
use forgewatch::prepare::World;
use forgewatch::state::State;
use forgewatch_tests::sandbox::Sandbox;

mod batches;
mod plugins;
mod taking_over;

const CONFIG: &str = r#"
plugins.isolation = "in_process"
plugins.dirs = ["plugins"]

[http]
timeout = "5s"
ca_file = "ca.pem"

[defaults]
interval = "10m"

[identities.pat]
kind = "pat"
token = { file = "pat.token" }

[identities.app]
kind = "oauth2"
token_url = "https://issuer.example/token"
client_id = "app"
access_token = { file = "app.token" }

[integrations.one]
provider = "vsts"
domain_name = "https://dev.azure.com/one/"
identity = "pat"

[integrations.same]
provider = "vsts"
domain_name = "https://dev.azure.com/one/"
identity = "pat"
failure_threshold = 5
interval = "20m"

[integrations.two]
provider = "vsts"
domain_name = "https://dev.azure.com/two/"
identity = "app"

[repositories]
api = { integration = "one", project = "P", name = "api", labels = { team = "a" } }
page = { url = "https://dev.azure.com/two/P/_git/page", labels = { team = "a" } }
shop = { integration = "same", project = "P", name = "shop", interval = "30m" }
"#;

/// Where the configuration lies, and the state that all worlds have.
struct Place {
    sandbox: Sandbox,
    state: Arc<State>,
    text: String,
}

impl Place {
    fn new() -> Self {
        let sandbox = Sandbox::new();
        let state = Arc::new(State::open(&sandbox.path("state.db")).expect("a state"));
        sandbox.write("pat.token", "the-first-pat");
        sandbox.write("app.token", "the-first-app-token");
        let authority = rcgen::generate_simple_self_signed(["authority.example".to_owned()]);
        sandbox.write("ca.pem", authority.expect("a certificate").cert.pem());
        Self { sandbox, state, text: CONFIG.to_owned() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.sandbox.path(name)
    }

    /// Puts a setting into the place of another.
    #[track_caller]
    fn replace(&mut self, old: &str, new: &str) {
        assert_eq!(self.text.matches(old).count(), 1, "{old}");
        self.text = self.text.replace(old, new);
    }

    fn add(&mut self, settings: &str) {
        self.text = format!("{settings}\n{}", self.text);
    }

    /// The world of the configuration as it is now, or every problem's key.
    async fn prepare(&self, former: Option<&World>) -> Result<World, Vec<String>> {
        let file = self.sandbox.write("forgewatch.toml", &self.text);
        let root = self.path("");
        let environment = Environment { variables: Vec::new(), system_dir: root.clone(), working_dir: root };
        let loaded = load(&Request { config: vec![file], profile: None, set: Vec::new(), environment });
        let prepared = World::prepare(&loaded, Arc::clone(&self.state), former).await;
        prepared.map_err(|problems| problems.0.into_iter().map(|problem| problem.key).collect())
    }

    async fn world(&self, former: Option<&World>) -> World {
        self.prepare(former).await.expect("a valid configuration")
    }

    /// The next world, and what it has not taken over.
    async fn anew(&self, former: &World) -> (World, Vec<String>) {
        let next = self.world(Some(former)).await;
        let anew = anew(former, &next);
        (next, anew)
    }
}

/// What is there in both worlds and not shared by them.
fn anew(former: &World, next: &World) -> Vec<String> {
    let mut anew = Vec::new();
    if !former.services.client().is(next.services.client()) {
        anew.push("client".to_owned());
    }
    for (name, identity) in &former.identities {
        if next.identities.get(name).is_some_and(|it| !Arc::ptr_eq(it, identity)) {
            anew.push(format!("identity {name}"));
        }
    }
    for (name, integration) in &former.integrations {
        if next.integrations.get(name).is_some_and(|it| !Arc::ptr_eq(it, integration)) {
            anew.push(format!("integration {name}"));
        }
    }
    for (key, provider) in &former.providers {
        if next.providers.get(key).is_some_and(|it| !it.is(provider)) {
            anew.push(format!("plugin {key}"));
        }
    }
    anew
}

const INTEGRATIONS: [&str; 3] = ["integration one", "integration same", "integration two"];

/// Puts another file into the place of one, as an installation does.
fn install(path: &Path, content: impl AsRef<[u8]>) {
    let new = path.with_extension("new");
    fs::write(&new, content).expect("it can be written");
    fs::rename(new, path).expect("it can be renamed");
}
