//! `forgewatch plugin verify`: the way from a file to a plugin that runs, step by step, up to the first that fails.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use serde::Serialize;

use super::{Format, Wish, print_json, wishes};
use crate::cli::print;
use crate::config::Loaded;
use crate::plugins::{Lock, PluginFile, Refusal, Room, SealedLibrary, open_in, read_plugin_file};
use crate::prepare::Rooms;
use crate::services::for_plugin;
use crate::text::printable;

#[derive(Serialize)]
struct Step {
    step: &'static str,
    ok: bool,
    detail: String,
}

pub(super) async fn verify(
    loaded: &Loaded,
    rooms: &Rooms,
    lock: Option<Arc<Lock>>,
    path: &Path,
    format: Format,
) -> ExitCode {
    let mut steps = Steps(Vec::new());
    // What fails is told by its step.
    let _ = steps.take(loaded, rooms, lock, path).await;
    let steps = steps.0;
    let ok = steps.iter().all(|step| step.ok);
    let printed = match format {
        Format::Json => print_json(&steps),
        Format::Table => print(&steps.iter().map(Step::line).collect::<String>()),
    };
    if printed == ExitCode::SUCCESS && !ok { ExitCode::from(1) } else { printed }
}

/// A step failed; it is noted.
struct Failed;

struct Steps(Vec<Step>);

impl Steps {
    /// Every step up to and including the first that fails. None of the plugin's code runs before `start`.
    async fn take(
        &mut self,
        loaded: &Loaded,
        rooms: &Rooms,
        lock: Option<Arc<Lock>>,
        path: &Path,
    ) -> Result<(), Failed> {
        let file = self.judge(path)?;
        self.good("sha256", file.sha256.clone());
        let key = &file.manifest.key;
        match lock.as_ref().map(|lock| lock.judge(&file)) {
            None => self.good("lock", "not in use: `plugins.lock_file` is not set"),
            Some(Ok(())) => self.good("lock", format!("matches what is locked for `{key}`")),
            Some(Err(refusal)) => return Err(self.bad("lock", refusal)),
        }
        self.good("hosts", hosts(&wishes(&loaded.config, lock.as_deref(), &file)));
        let library = SealedLibrary::of(path, lock.as_deref()).map_err(|error| self.bad("copy", error))?;
        let room = rooms.of_provider(key);
        self.libraries(&library, &room)?;
        let provider =
            open_in(room, library, lock, for_plugin(key)).map_err(|error| self.bad("start", error))?;
        let status = provider.ready().await.map_err(|failure| self.bad("start", failure))?;
        match status.as_ref().and_then(|status| status.coverage()) {
            None => self.good("start", "the provider is ready, in this process: nothing holds it back"),
            Some(coverage) => {
                self.good("sandbox", coverage);
                self.good("start", "the provider is ready, in a worker process");
            }
        }
        Ok(())
    }

    fn libraries(&mut self, library: &SealedLibrary, room: &Room) -> Result<(), Failed> {
        match (room, library.beyond_sandbox()) {
            (_, None) => self.good("needs", "no libraries but those of the host"),
            (Room::InProcess, Some(_)) => {
                let others = library.not_at_hand.join(", ");
                self.good("needs", format!("also: {others}; they are opened unverified"));
            }
            (Room::Worker(_), Some(problem)) => return Err(self.bad("needs", problem)),
        }
        Ok(())
    }

    /// The steps `file` and `manifest`.
    fn judge(&mut self, path: &Path) -> Result<PluginFile, Failed> {
        let judged = read_plugin_file(path);
        if let Err(
            refusal @ (Refusal::Unreadable { .. } | Refusal::Damaged { .. } | Refusal::Architecture { .. }),
        ) = judged
        {
            return Err(self.bad("file", refusal));
        }
        self.good("file", format!("readable, an intact library for {}", std::env::consts::ARCH));
        let file = judged.map_err(|refusal| self.bad("manifest", refusal))?;
        let manifest = &file.manifest;
        let options =
            if manifest.options_schema.is_empty() { "no options" } else { "a schema of its options" };
        let described = format!(
            "{} {} for `{}`, plugin ABI {}, URL patterns: {}, {options}",
            manifest.name,
            manifest.version,
            manifest.key,
            manifest.abi,
            manifest.url_patterns.len()
        );
        self.good("manifest", described);
        Ok(file)
    }

    fn good(&mut self, step: &'static str, detail: impl ToString) {
        self.note(step, true, &detail.to_string());
    }

    fn bad(&mut self, step: &'static str, problem: impl ToString) -> Failed {
        self.note(step, false, &problem.to_string());
        Failed
    }

    fn note(&mut self, step: &'static str, ok: bool, detail: &str) {
        self.0.push(Step { step, ok, detail: printable(detail, 1000).into_owned() });
    }
}

fn hosts(wishes: &[Wish]) -> String {
    let wishes: Vec<_> = wishes.iter().map(ToString::to_string).collect();
    if wishes.is_empty() { "wishes for none".to_owned() } else { format!("wishes for {}", wishes.join(", ")) }
}

impl Step {
    fn line(&self) -> String {
        format!("{:6}  {:8}  {}\n", if self.ok { "ok" } else { "failed" }, self.step, self.detail)
    }
}
