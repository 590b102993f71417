//! A conformance run: a plugin's library in a worker, before a forge that is played to it.
//!
//! - Nothing reaches the network. Requests are judged by the policy that checks obey, and answered by a script
//!   (`script`).
//! - No provider is known by name. What holds for every forge is a rule here; what access looks like at one is a file
//!   of recorded answers ([`Replay`]), and without it the cases that need it are left out and say so.
//! - The run ends, whatever the plugin does: each case has a limit, and so have all together.

mod answers;
mod base_urls;
mod behaviour;
mod bodies;
mod extensions;
mod issues;
mod manifest;
mod replay;
mod report;
mod rules;
mod script;
mod subject;
mod success;
mod urls;

use std::time::Duration;

use crate::plugins::{Room, SealedLibrary, open_in};
use crate::services::ProviderPolicy;

pub use replay::{Replay, ReplayError};
pub use report::{Case, Fault, Report, Status};

use report::{Run, Stop};
use script::{Script, ScriptedHost};
use subject::Subject;

/// How long a worker may give no sign of life: a call is made twice before the plugin is blamed, within one case.
pub const STALL: Duration = Duration::from_secs(3);

/// What an author says beside the library.
#[derive(Default)]
pub struct Settings {
    /// URLs of repositories that the plugin has to know.
    pub urls: Vec<String>,
    /// The provider's options; those of the replay where there are none.
    pub options: Option<serde_json::Map<String, serde_json::Value>>,
    /// What access looks like.
    pub replay: Option<Replay>,
}

/// Runs every case. Cancel-safe.
pub async fn run(library: SealedLibrary, room: Room, settings: Settings) -> Report {
    let mut run = Run::new();
    let file = library.file.clone();
    let options = settings.options.clone();
    let options = options.or_else(|| settings.replay.as_ref().map(|replay| replay.options.clone()));
    let options = options.unwrap_or_default();
    manifest::cases(&mut run, &file.manifest, library.beyond_sandbox(), &options).await;

    let nobody = ProviderPolicy::of_no_plugin(&file.manifest.key);
    let quiet = ScriptedHost::new(nobody.into(), "", false, Script::never());
    let started = open_in(room, library, None, quiet.object());
    let provider = run
        .value("start", "the library loads and the provider is made", async {
            let provider = started.map_err(|problem| could_not_start(&problem))?;
            let status = provider.ready().await.map_err(|failure| could_not_start(failure.detail()))?;
            Ok((provider, status))
        })
        .await;
    let Some((provider, status)) = provider else {
        return run.end(file, None);
    };
    let coverage = status.as_ref().and_then(|status| status.coverage()).map(ToString::to_string);
    let subject = Subject::new(provider.clone(), &file.manifest, settings, &options).await;

    urls::cases(&mut run, &subject).await;
    answers::cases(&mut run, &subject).await;
    bodies::cases(&mut run, &subject).await;
    success::cases(&mut run, &subject).await;
    behaviour::cases(&mut run, &subject).await;
    base_urls::cases(&mut run, &subject).await;
    extensions::cases(&mut run, &subject).await;
    issues::cases(&mut run, &subject).await;
    provider.close().await;
    run.end(file, coverage)
}

fn could_not_start(problem: &str) -> Stop {
    Fault::new("a provider that is ready", problem, "see `forgewatch plugin verify`, which goes step by step")
        .into()
}
