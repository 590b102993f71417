//! chromedriver as a process: a port, a folder for all that it and its browsers leave, and an end.

use std::io;
use std::process::{Command, Stdio};

use rustix::process::Signal;
use tempfile::TempDir;

use crate::process::{eventually, wait_for};
use crate::running::Running;

/// What to do where there is none.
pub(super) const INSTALL: &str = "Debian has it in the packages chromium and chromium-driver";

/// A running chromedriver. It and its browsers are killed when it is dropped.
pub(super) struct Driver {
    running: Running,
    port: u16,
    /// Removed at last, when nobody writes there any more.
    _folder: TempDir,
}

impl Driver {
    pub(super) fn start() -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        let mut command = Command::new("chromedriver");
        // Neither a proxy of the environment nor anybody's profile has a part in this.
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
        for home in ["HOME", "TMPDIR", "XDG_CONFIG_HOME", "XDG_CACHE_HOME"] {
            command.env(home, folder.path());
        }
        command.arg("--port=0").current_dir(folder.path()).stdin(Stdio::null());
        let running = Running::try_start(command).unwrap_or_else(|error| refuse(&error));
        let port = eventually(|| {
            let output = running.output();
            let told = output.split_once("started successfully on port ")?.1;
            told.split_once('.')?.0.parse().ok()
        });
        let port = port.unwrap_or_else(|| panic!("no port in:\n{}{}", running.output(), running.errors()));
        Self { running, port, _folder: folder }
    }

    pub(super) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        let leader = self.running.process();
        leader.signal_group(Signal::KILL);
        wait_for("an end of the browser", || leader.group().iter().all(|it| !it.is_alive()).then_some(()));
    }
}

fn refuse(error: &io::Error) -> ! {
    panic!("cannot start `chromedriver`: {error}: {INSTALL}");
}
