//! A place of its own for one run of the host: home, configuration, plugins and state, and nothing inherited.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

use crate::build;
use crate::fake::Fake;

/// A folder with a configuration and plugins, in which the real binary runs.
pub struct Sandbox {
    dir: TempDir,
    environment: Vec<(String, String)>,
    arguments: Vec<String>,
}

/// What a run left.
#[derive(Debug)]
pub struct Run {
    /// The exit status; `None` when a signal ended it.
    pub status: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl From<Output> for Run {
    fn from(output: Output) -> Self {
        Self {
            status: output.status.code(),
            stdout: String::from_utf8(output.stdout).expect("standard output is text"),
            stderr: String::from_utf8(output.stderr).expect("standard error is text"),
        }
    }
}

impl Run {
    /// Standard output as JSON.
    ///
    /// # Panics
    /// If it is none.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("no JSON ({error}): {self:?}"))
    }

    /// Checks the exit status.
    ///
    /// # Panics
    /// If it is another one.
    #[track_caller]
    pub fn exits(self, status: i32) -> Self {
        assert_eq!(self.status, Some(status), "{self:#?}");
        self
    }
}

impl Sandbox {
    /// A sandbox with the workspace's plugins and an empty configuration.
    ///
    /// # Panics
    /// If it cannot be made, as everywhere in here.
    pub fn new() -> Self {
        let sandbox = Self {
            dir: TempDir::new().expect("a temporary folder"),
            environment: Vec::new(),
            arguments: Vec::new(),
        };
        fs::create_dir(sandbox.path("plugins")).expect("a folder");
        for plugin in &build::workspace().plugins {
            sandbox.install(plugin);
        }
        sandbox
    }

    /// A sandbox whose HTTP goes through a fake forge, which plays every host.
    pub fn with_fake(fake: &Fake) -> Self {
        let sandbox = Self::new();
        fake.write_ca(sandbox.path("ca.pem")).expect("the CA can be written");
        let proxy = fake.proxy_url();
        sandbox.write("base.toml", format!("[http]\nproxy = \"{proxy}\"\nca_file = \"ca.pem\"\n"));
        sandbox
    }

    /// A path inside.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Writes a file.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, content).expect("a file can be written");
        path
    }

    /// Copies a library into the plugin folder.
    pub fn install(&self, library: &Path) -> PathBuf {
        let name = library.file_name().expect("a library has a name");
        let path = self.path("plugins").join(name);
        fs::copy(library, &path).expect("the library can be copied");
        path
    }

    /// Takes the workspace's plugins away, all but one: for what is about plugins, however many there are.
    pub fn keep_only(&self, key: &str) {
        let kept = build::workspace().plugin(key);
        for plugin in build::workspace().plugins.iter().filter(|plugin| *plugin != kept) {
            let name = plugin.file_name().expect("a library has a name");
            fs::remove_file(self.path("plugins").join(name)).expect("it was installed");
        }
    }

    /// Sets a variable for every run.
    pub fn set_variable(&mut self, name: &str, value: &str) {
        self.environment.push((name.to_owned(), value.to_owned()));
    }

    /// Has every run ask for each repository by itself, so that a fault of one is nobody else's.
    pub fn ask_one_by_one(&mut self) {
        self.arguments.extend(["--set".to_owned(), "providers.vsts.batch=false".to_owned()]);
    }

    /// The binary with this sandbox's configuration, not started yet: `base.toml` and `forgewatch.toml`, as far
    /// as they are there, and after them nothing of the system's.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&build::workspace().forgewatch);
        command.env_clear().current_dir(self.dir.path()).stdin(Stdio::null());
        command.env("HOME", self.path("home")).env("XDG_STATE_HOME", self.path("state"));
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        for name in ["base.toml", "forgewatch.toml"] {
            if self.path(name).exists() {
                command.arg("--config").arg(self.path(name));
            }
        }
        let plugins = format!("plugins.dirs=[{:?}]", self.path("plugins"));
        command.args(["--set", &plugins]).args(&self.arguments).args(arguments);
        command
    }

    /// Runs the binary to its end.
    pub fn run(&self, arguments: &[&str]) -> Run {
        self.command(arguments).output().expect("the binary can be started").into()
    }
}

impl Default for Sandbox {
    fn default() -> Self {
        Self::new()
    }
}
