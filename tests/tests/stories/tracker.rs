//! Issues and what trackers tell of them: the real plugin, in a worker and in this process, before a fake forge.
//!
//! Nothing of the command line shows any of it yet, so these stories call what the daemon is to call.

mod events;
mod issues;
mod rows;
mod workers;
mod writes;

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use forgewatch::config::{Environment, Request, load};
use forgewatch::plugins::{Client, Provider, Room, SealedLibrary, WorkerSettings, open_in};
use forgewatch::prepare;
use forgewatch::services::for_plugin;
use forgewatch::state::State;
use forgewatch::sweep::Integration;
use forgewatch_plugin_api::abi::HostObject;
use forgewatch_plugin_api::{Failure, Reason};
use forgewatch_tests::build;
use forgewatch_tests::fake::{Fake, World, contoso};
use forgewatch_tests::patch::patched;
use forgewatch_tests::sandbox::Sandbox;

/// What the plugin needs to search and to write.
const ALLOWED: &str = "allow_write = true\nallow_hosts = [\"almsearch.dev.azure.com\"]\n";
/// The plugin's own key, and another of the same length.
const KEY: &str = "vsts";
const OTHER_KEY: &str = "vstx";

/// A client of the organisation `contoso`.
struct Desk {
    fake: Fake,
    sandbox: Sandbox,
    integration: Integration,
    client: Client,
    room: &'static str,
    // Kept for as long as its parts are in use.
    _world: prepare::World,
}

/// Opens a client whose `[providers.vsts]` has these lines, in a worker, where there is one for this key alone.
async fn in_worker_of(key: &str, fake: Fake, settings: &str) -> Desk {
    let program = build::workspace().forgewatch.clone();
    let worker = WorkerSettings { program, require_sandbox: false, stall: Duration::from_secs(5) };
    open(key, fake, settings, Room::Worker(worker), "worker").await
}

async fn open(key: &str, fake: Fake, settings: &str, room: Room, name: &'static str) -> Desk {
    let sandbox = Sandbox::with_fake(&fake);
    sandbox.keep_only(KEY);
    let library = std::fs::read(build::workspace().plugin(KEY)).expect("the library is there");
    let library = patched(&library, &format!("\0key={KEY}"), &format!("\0key={key}"));
    let library = sandbox.write(&format!("plugins/libforgewatch_{KEY}.so"), library);
    sandbox.write("pat.token", contoso::PAT);
    let config = format!(
        "plugins.isolation = \"in_process\"\nplugins.dirs = [\"plugins\"]\n[providers.{key}]\n{settings}\
         [identities.reader]\nkind = \"pat\"\ntoken = {{ file = \"pat.token\" }}\n\
         [integrations.contoso]\nprovider = \"{key}\"\nexternal_id = \"{}\"\n\
         domain_name = \"https://dev.azure.com/contoso/\"\nidentity = \"reader\"\n",
        contoso::ACCOUNT_ID
    );
    let files = vec![sandbox.path("base.toml"), sandbox.write("forgewatch.toml", config)];
    let (system_dir, working_dir) = (sandbox.path(""), sandbox.path(""));
    let environment = Environment { variables: Vec::new(), system_dir, working_dir };
    let loaded = load(&Request { config: files, profile: None, set: Vec::new(), environment });
    let state = Arc::new(State::open(&sandbox.path("state.db")).expect("a state"));
    let world = prepare::World::prepare(&loaded, state, None).await.expect("a valid configuration");
    let of_world = &world.integrations["contoso"];
    let sealed = SealedLibrary::of(&library, None).expect("a plugin");
    let integration = Integration {
        name: of_world.name.clone(),
        provider_key: of_world.provider_key.clone(),
        provider: open_in(room, sealed, None, for_plugin(key)).expect("it opens"),
        services: Arc::clone(&of_world.services),
        description: of_world.description.clone(),
        batches: of_world.batches,
    };
    let client = integration.connect(Duration::from_secs(30)).await;
    let client = client.unwrap_or_else(|outcome| panic!("no client: {outcome:?}"));
    Desk { fake, sandbox, integration, client, room: name, _world: world }
}

impl Desk {
    fn host(&self) -> HostObject {
        self.integration.services.host_object()
    }

    fn provider(&self) -> &Provider {
        &self.integration.provider
    }

    /// Requests to the organisation since this was asked last, as method and path.
    fn asked(&self) -> Vec<String> {
        let requests = self.fake.take_requests().into_iter().filter(|request| request.method != "CONNECT");
        requests.map(|request| format!("{} {}{}", request.method, request.host, request.path)).collect()
    }
}

/// Tells a story in both rooms, each with a forge of its own.
async fn in_both_rooms(world: impl Fn() -> World, settings: &str, story: impl AsyncFn(&Desk)) {
    let here = open(KEY, Fake::start(world()).await, settings, Room::InProcess, "in process").await;
    story(&here).await;
    let there = in_worker_of(KEY, Fake::start(world()).await, settings).await;
    story(&there).await;
    there.provider().close().await;
}

/// The failure of something that has to fail so, with all of these parts in its detail.
#[track_caller]
fn assert_fails<T: Debug>(result: Result<T, Failure>, reason: Reason, parts: &[&str]) -> Failure {
    let failure = result.expect_err("it fails");
    assert_eq!(failure.reason(), reason, "{failure}");
    for part in parts {
        assert!(failure.detail().contains(part), "no {part:?} in: {failure}");
    }
    failure
}
