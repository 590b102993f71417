//! Building what the tests drive. `cargo test` builds neither the host's binary nor plugin libraries, so cargo is
//! asked for them here, and its answer says where they are.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use crate::patch;

/// Files that cargo built.
pub struct Built {
    /// The host's binary.
    pub forgewatch: PathBuf,
    /// The libraries of the plugins in the workspace.
    pub plugins: Vec<PathBuf>,
    /// `plugin-api` as plugins are compiled with it, its dependencies in the folder `deps` beside it.
    pub plugin_api: PathBuf,
}

impl Built {
    /// The library of one plugin.
    ///
    /// # Panics
    /// If the workspace has no such plugin.
    pub fn plugin(&self, key: &str) -> &Path {
        let name = format!("forgewatch_{key}.");
        let found = self.plugins.iter().find(|path| path.to_string_lossy().contains(&name));
        found.unwrap_or_else(|| panic!("the workspace builds no plugin `{key}`: {:?}", self.plugins))
    }
}

/// The host's binary and the workspace's plugins, built once in a process, in this build's own profile.
///
/// # Panics
/// If they cannot be built.
pub fn workspace() -> &'static Built {
    static BUILT: OnceLock<Built> = OnceLock::new();
    BUILT.get_or_init(|| {
        let artifacts = cargo_build(&root().join("Cargo.toml"), &["--workspace", "--lib", "--bins"], None);
        let forgewatch = artifacts.iter().filter_map(|artifact| artifact["executable"].as_str());
        let forgewatch =
            forgewatch.map(PathBuf::from).find(|path| path.file_stem() == Some("forgewatch".as_ref()));
        let files = artifacts.iter().filter_map(|artifact| artifact["filenames"].as_array()).flatten();
        let mut files = files.filter_map(serde_json::Value::as_str).map(PathBuf::from);
        let plugin_api = files.find(|path| path.ends_with("libforgewatch_plugin_api.rlib"));
        Built {
            forgewatch: forgewatch.expect("cargo built the binary"),
            plugins: libraries(&artifacts),
            plugin_api: plugin_api.expect("cargo built the library"),
        }
    })
}

/// The library of the plugin that misbehaves on request in safe code.
///
/// # Panics
/// If it cannot be built.
pub fn misbehaving() -> &'static Path {
    fixture("misbehaving")
}

/// The library of the plugin whose listings go wrong.
///
/// # Panics
/// If it cannot be built.
pub fn listing() -> &'static Path {
    fixture("listing")
}

/// The library of the plugin that attacks on request. Most of what it does needs a sandbox: see its source first.
///
/// # Panics
/// If it cannot be built.
pub fn hostile() -> &'static Path {
    fixture("hostile")
}

/// The library of the plugin with the faults that providers have: its option `fault` names one.
///
/// # Panics
/// If it cannot be built.
pub fn wrong() -> &'static Path {
    fixture("wrong")
}

/// The bytes of [`hostile`] with some of its markers set, as pairs of name and value:
///
/// - `constructor`: what it does when it is opened (`none`);
/// - `answer`: what its usual answer says after `answer=` (`A`);
/// - `default`: whether `Provider::default` is `fine` or a `panic`.
///
/// # Panics
/// If it cannot be built, has no such marker, or the value is too long.
pub fn hostile_with(markers: &[(&str, &str)]) -> Vec<u8> {
    let library = fs::read(hostile()).expect("the library is there");
    markers.iter().fold(library, |library, (name, value)| patch::marked(&library, name, value))
}

/// One of the plugins that do what plugins should not, built once in a process, like a stranger's: in a workspace
/// and a target directory of their own.
fn fixture(key: &str) -> &'static Path {
    static BUILT: OnceLock<Vec<PathBuf>> = OnceLock::new();
    let built = BUILT.get_or_init(|| {
        let manifest = root().join("tests/fixtures/Cargo.toml");
        let target = root().join("target/fixtures");
        libraries(&cargo_build(&manifest, &["--workspace", "--locked"], Some(&target)))
    });
    let name = format!("forgewatch_{key}.");
    let found = built.iter().find(|path| path.to_string_lossy().contains(&name));
    found.unwrap_or_else(|| panic!("the fixtures build no plugin `{key}`: {built:?}"))
}

/// The library of `examples/git-provider`, built once in a process, as the third party would that it plays.
///
/// # Panics
/// If it cannot be built.
pub fn git_provider() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let manifest = root().join("examples/git-provider/Cargo.toml");
        let artifacts = cargo_build(&manifest, &["--locked"], Some(&root().join("target/fixtures")));
        libraries(&artifacts).pop().expect("cargo built the library")
    })
}

/// Files built on ABI 1 as it was when it was fixed, in a workspace of their own.
pub struct Baseline {
    /// The library of a provider that uses all of version 1.
    pub provider: PathBuf,
    /// A host in small. Its arguments are told in its source.
    pub loader: PathBuf,
}

/// The old provider and the old host, built once in a process.
///
/// # Panics
/// If they cannot be built.
pub fn baseline() -> &'static Baseline {
    static BUILT: OnceLock<Baseline> = OnceLock::new();
    BUILT.get_or_init(|| {
        let manifest = root().join("tests/fixtures/abi-1/Cargo.toml");
        let artifacts = cargo_build(&manifest, &["--locked"], Some(&root().join("target/fixtures")));
        let mut executables = artifacts.iter().filter_map(|artifact| artifact["executable"].as_str());
        Baseline {
            provider: libraries(&artifacts).pop().expect("cargo built the library"),
            loader: executables.next().map(PathBuf::from).expect("cargo built the loader"),
        }
    })
}

/// The root of the repository.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate lies in the workspace").to_owned()
}

fn libraries(artifacts: &[serde_json::Value]) -> Vec<PathBuf> {
    let cdylib = |artifact: &&serde_json::Value| {
        artifact["target"]["crate_types"]
            .as_array()
            .is_some_and(|types| types.iter().any(|kind| kind == "cdylib"))
    };
    let files = artifacts.iter().filter(cdylib).flat_map(|artifact| artifact["filenames"].as_array());
    let paths = files.flatten().filter_map(serde_json::Value::as_str).map(PathBuf::from);
    paths.filter(|path| path.extension().is_some_and(|it| it == "so" || it == "dylib")).collect()
}

/// Cargo's artifact messages.
fn cargo_build(manifest: &Path, arguments: &[&str], target_dir: Option<&Path>) -> Vec<serde_json::Value> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let mut command = Command::new(cargo);
    command.args(["build", "--quiet", "--message-format=json-render-diagnostics", "--manifest-path"]);
    command.arg(manifest).args(arguments).stderr(Stdio::inherit());
    if !cfg!(debug_assertions) {
        command.arg("--release");
    }
    if let Some(dir) = target_dir {
        command.arg("--target-dir").arg(dir);
    }
    // What cargo set for this test's own package must not reach another package's build.
    for (name, _) in env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
            command.env_remove(&name);
        }
    }
    let output = command.output().expect("cargo can be started");
    assert!(output.status.success(), "cargo cannot build {}", manifest.display());
    let lines = output.stdout.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    lines.map(|line| serde_json::from_slice(line).expect("cargo answers in JSON")).collect()
}
