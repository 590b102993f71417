//! Where plugins run: in this process or in workers, as the configuration says.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use crate::config::{Isolation, Loaded, Problem};
use crate::plugins::{Room, WorkerSettings};

/// How long a worker may give no sign of life: less where checks have less time, so that they can be repeated, and
/// never so little that a busy machine looks like a plugin that hangs.
const SHORTEST_STALL: Duration = Duration::from_secs(2);
const LONGEST_STALL: Duration = Duration::from_secs(5);

/// Where each provider's plugin runs.
pub struct Rooms {
    default: Isolation,
    own: BTreeMap<String, Isolation>,
    workers: WorkerSettings,
}

impl Rooms {
    /// As the configuration has it.
    pub fn of(loaded: &Loaded, problems: &mut Vec<Problem>) -> Self {
        let plugins = &loaded.config.plugins;
        let own = loaded.config.providers.iter();
        let own: BTreeMap<_, _> =
            own.filter_map(|(key, provider)| Some((key.clone(), provider.isolation?))).collect();
        if plugins.require_sandbox {
            let settings = std::iter::once((vec!["plugins", "isolation"], plugins.isolation))
                .chain(own.iter().map(|(key, isolation)| (vec!["providers", key, "isolation"], *isolation)));
            for (path, _) in settings.filter(|(_, isolation)| *isolation == Isolation::InProcess) {
                let message =
                    "there is no sandbox in the host's process, and `plugins.require_sandbox` is set";
                let help = "set it to \"process\", or take `require_sandbox` out".to_owned();
                problems.push(loaded.problem(&path, message, Some(help)));
            }
        }
        let workers = WorkerSettings {
            program: own_program(),
            require_sandbox: plugins.require_sandbox,
            stall: (loaded.config.check_timeout.get() / 4).clamp(SHORTEST_STALL, LONGEST_STALL),
        };
        Self { default: plugins.isolation, own, workers }
    }

    /// A worker with as much of the sandbox as this system has, without any configuration.
    pub fn worker(stall: Duration) -> Room {
        Room::Worker(WorkerSettings { program: own_program(), require_sandbox: false, stall })
    }

    #[cfg(test)]
    pub(super) fn in_process() -> Self {
        let workers =
            WorkerSettings { program: own_program(), require_sandbox: false, stall: SHORTEST_STALL };
        Self { default: Isolation::InProcess, own: BTreeMap::new(), workers }
    }

    /// What is configured for the plugin of a provider.
    pub fn isolation_of(&self, key: &str) -> Isolation {
        self.own.get(key).copied().unwrap_or(self.default)
    }

    /// Where the plugin of a provider runs.
    pub fn of_provider(&self, key: &str) -> Room {
        match self.isolation_of(key) {
            Isolation::InProcess => Room::InProcess,
            Isolation::Process => Room::Worker(self.workers.clone()),
        }
    }
}

/// This program, as it was started, even if its file has been replaced since.
fn own_program() -> PathBuf {
    let linux = PathBuf::from("/proc/self/exe");
    if cfg!(target_os = "linux") { linux } else { std::env::current_exe().unwrap_or(linux) }
}
