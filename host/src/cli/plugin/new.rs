//! `forgewatch plugin new`: a provider plugin's crate, whole or not at all.
//!
//! What it is made of are the files of a real crate, `new/my-forge`, in which the name and the dependency on
//! forgewatch-plugin-api stand for those that are asked for.

mod name;

use std::fmt::Write;
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anstyle::AnsiColor;
use clap::Args;

use crate::cli::{USAGE, print, tell};
use crate::text::path_text;

/// The version of forgewatch-plugin-api that the crate asks for by itself.
const DEFAULT_VERSION: &str = "1";
const EXECUTABLE: u32 = 0o111;

/// A file of the crate: its path, what is in it, and whether it is run.
struct Template(&'static str, &'static str, bool);

const TEMPLATES: &[Template] = &[
    Template(".gitignore", include_str!("new/my-forge/gitignore"), false),
    Template("Cargo.toml", include_str!("new/my-forge/Cargo.toml.template"), false),
    Template("README.md", include_str!("new/my-forge/README.md"), false),
    Template("ci.sh", include_str!("new/my-forge/ci.sh"), true),
    Template("conformance.toml", include_str!("new/my-forge/conformance.toml"), false),
    Template("examples/demo.rs", include_str!("new/my-forge/examples/demo.rs"), false),
    Template("forgewatch.toml", include_str!("new/my-forge/forgewatch.toml"), false),
    Template("rustfmt.toml", include_str!("new/my-forge/rustfmt.toml"), false),
    Template("src/lib.rs", include_str!("new/my-forge/src/lib.rs"), false),
    Template("src/tests.rs", include_str!("new/my-forge/src/tests.rs"), false),
];

/// Write the crate of a new provider plugin, with tests, recorded answers and a script for CI.
///
/// It is written whole or not at all, and nothing is overwritten.
///
/// Exit status: 0 it is there, 2 it is not.
#[derive(Args, Debug)]
pub(in crate::cli) struct Arguments {
    /// The name of the crate and the key of its provider, like `my-forge`.
    #[arg(value_name = "NAME")]
    name: String,
    /// The folder in which the crate's own folder is made [default: this one].
    #[arg(long, value_name = "PATH")]
    dir: Option<PathBuf>,
    /// Where forgewatch-plugin-api comes from: its folder in Forgewatch's repository, or a version [default: 1].
    #[arg(long, value_name = "PATH_OR_VERSION")]
    plugin_api: Option<String>,
}

/// Where forgewatch-plugin-api comes from.
enum PluginApi {
    Version(String),
    /// The absolute path of its folder.
    Path(String),
}

impl Arguments {
    pub(super) fn run(&self) -> ExitCode {
        match self.make() {
            Ok(told) => print(&told),
            Err(problem) => {
                tell(AnsiColor::Red, "error", problem);
                ExitCode::from(USAGE)
            }
        }
    }

    fn make(&self) -> Result<String, String> {
        name::judge(&self.name)?;
        let plugin_api = PluginApi::of(self.plugin_api.as_deref())?;
        let target = self.dir.as_ref().map_or_else(|| PathBuf::from(&self.name), |dir| dir.join(&self.name));
        let parent = self.dir.clone().unwrap_or_else(|| PathBuf::from("."));
        is_free(&parent, &target)?;
        write_whole(&parent, &target, |folder| self.fill(folder, &plugin_api))
            .map_err(|error| not_written(&parent, &target, &error))?;
        Ok(self.told(&target, &plugin_api))
    }

    fn fill(&self, folder: &Path, plugin_api: &PluginApi) -> io::Result<()> {
        for Template(path, text, is_run) in TEMPLATES {
            let path = folder.join(path);
            fs::create_dir_all(path.parent().unwrap_or(folder))?;
            fs::write(&path, self.filled_in(text, plugin_api))?;
            if *is_run {
                let mode = fs::metadata(&path)?.permissions().mode();
                fs::set_permissions(&path, Permissions::from_mode(mode | EXECUTABLE & (mode >> 2)))?;
            }
        }
        Ok(())
    }

    fn filled_in(&self, text: &str, plugin_api: &PluginApi) -> String {
        let names = name::Names::of(&self.name);
        let (plain, testing) = plugin_api.dependencies();
        let dependencies = [
            ("forgewatch-plugin-api = \"1\"", format!("forgewatch-plugin-api = {plain}")),
            (
                "forgewatch-plugin-api = { version = \"1\", features = [\"testing\"] }",
                format!("forgewatch-plugin-api = {testing}"),
            ),
        ];
        // The name first: a path may have it in it.
        dependencies.iter().fold(names.put_into(text), |text, (old, new)| text.replace(old, new))
    }

    fn told(&self, target: &Path, plugin_api: &PluginApi) -> String {
        let library =
            format!("target/release/lib{}.{}", self.name.replace('-', "_"), std::env::consts::DLL_EXTENSION);
        let mut told = format!(
            "`{folder}` is the crate of a plugin for the provider `{name}`. Go on with:\n\n  \
             cd {folder}\n  \
             cargo test\n  \
             cargo build --release\n  \
             forgewatch plugin verify {library}\n  \
             forgewatch plugin test {library} --replay conformance.toml\n",
            folder = path_text(target),
            name = self.name,
        );
        // Writing to a text does not fail.
        let _ = match plugin_api {
            PluginApi::Path(path) => writeln!(told, "\nIt is built with forgewatch-plugin-api in `{path}`."),
            PluginApi::Version(version) => writeln!(
                told,
                "\nIt asks cargo for forgewatch-plugin-api {version}. Where no registry of yours has that, give the \
                 folder `plugin-api` of Forgewatch's repository with --plugin-api, or write in Cargo.toml, twice: \
                 path = \"…/plugin-api\" in place of the version."
            ),
        };
        told
    }
}

impl PluginApi {
    fn of(wanted: Option<&str>) -> Result<Self, String> {
        let Some(wanted) = wanted else { return Ok(Self::Version(DEFAULT_VERSION.to_owned())) };
        let is_version = wanted.starts_with(|first: char| first.is_ascii_digit() || "^~=".contains(first))
            && wanted.chars().all(|char| char.is_ascii_alphanumeric() || ".-+^~=".contains(char));
        if is_version && !Path::new(wanted).exists() {
            return Ok(Self::Version(wanted.to_owned()));
        }
        let shown = path_text(Path::new(wanted));
        let manifest = fs::read_to_string(Path::new(wanted).join("Cargo.toml"));
        let manifest = manifest.ok().and_then(|text| text.parse::<toml::Table>().ok());
        let name = manifest.as_ref().and_then(|manifest| manifest.get("package")?.get("name")?.as_str());
        if name != Some("forgewatch-plugin-api") {
            return Err(format!(
                "`{shown}` is neither a version like `1` nor the folder of forgewatch-plugin-api: name the folder \
                 `plugin-api` of Forgewatch's repository"
            ));
        }
        let path = fs::canonicalize(wanted).map_err(|error| format!("cannot find `{shown}`: {error}"))?;
        let path = path.to_str().ok_or_else(|| format!("`{shown}` has a path that is no text: move it"))?;
        Ok(Self::Path(path.to_owned()))
    }

    /// The dependency, and the one of the tests.
    fn dependencies(&self) -> (String, String) {
        let quoted = |text: &str| toml::Value::from(text).to_string();
        match self {
            Self::Version(version) => {
                let version = quoted(version);
                (version.clone(), format!("{{ version = {version}, features = [\"testing\"] }}"))
            }
            Self::Path(path) => {
                let path = quoted(path);
                (format!("{{ path = {path} }}"), format!("{{ path = {path}, features = [\"testing\"] }}"))
            }
        }
    }
}

/// Whether nothing is there that would be in the way; an empty folder is not.
fn is_free(parent: &Path, target: &Path) -> Result<(), String> {
    let shown = path_text(target);
    let way_out = "choose another name, or another place with --dir";
    match fs::symlink_metadata(target) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(not_written(parent, target, &error)),
        Ok(there) if there.is_dir() => match fs::read_dir(target).map(|mut entries| entries.next().is_none())
        {
            Ok(true) => Ok(()),
            Ok(false) => Err(format!(
                "`{shown}` is there already and not empty, and nothing is overwritten: {way_out}"
            )),
            Err(error) => Err(format!("cannot look into `{shown}`: {error}")),
        },
        Ok(_) => Err(format!("`{shown}` is there already and no folder: {way_out}")),
    }
}

/// Fills a folder beside the target and puts it in its place; whatever goes wrong before that leaves nothing.
fn write_whole(parent: &Path, target: &Path, fill: impl FnOnce(&Path) -> io::Result<()>) -> io::Result<()> {
    let beside = tempfile::Builder::new().prefix(".forgewatch-new-").tempdir_in(parent)?;
    // A folder in the temporary one, since that is closed to everybody else.
    let folder = beside.path().join("crate");
    fs::create_dir(&folder)?;
    fill(&folder)?;
    fs::rename(&folder, target)
}

fn not_written(parent: &Path, target: &Path, error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound if !parent.exists() => {
            format!("there is no folder `{}`: make it, or name another one with --dir", path_text(parent))
        }
        io::ErrorKind::NotADirectory => format!("`{}` is no folder: name one with --dir", path_text(parent)),
        _ => format!("cannot write `{}`: {error}", path_text(target)),
    }
}
