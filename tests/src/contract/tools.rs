//! The tools, run as programs.

use std::error::Error;
use std::ffi::OsStr;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use super::Finding;

/// What is installed where there is no schemathesis.
const SCHEMATHESIS: &str = "schemathesis~=4.32";
/// Its file of settings: what a tracker refuses is told as a gateway tells it, and is no fault of the daemon.
const SETTINGS: &str = r#"
[[operations]]
include-operation-id = ["search_integration", "link_incident"]
checks.not_a_server_error.expected-statuses = ["2xx", "3xx", "4xx", 501, 502, 503]
"#;
/// How long one answer may take, in seconds.
const LONGEST_ANSWER: &str = "20";
/// Characters of a line of theirs that are shown.
const LONGEST_LINE: usize = 300;

/// Asks an API many questions and compares the answers with its document.
pub(super) struct Schemathesis {
    program: PathBuf,
    folder: PathBuf,
    examples: u32,
}

impl Schemathesis {
    /// The one that is installed, or one that is installed into `folder` now.
    pub(super) fn find(folder: &Path, examples: u32) -> Result<Self, Box<dyn Error>> {
        let own = folder.join("venv/bin/schemathesis");
        let program = if is_installed("schemathesis") { PathBuf::from("schemathesis") } else { own };
        if !is_installed(&program) {
            eprintln!("installing {SCHEMATHESIS} into {} …", folder.display());
            succeed(Command::new("python3").args(["-m", "venv"]).arg(folder.join("venv")))?;
            let mut pip = Command::new(folder.join("venv/bin/pip"));
            succeed(pip.args(["install", "--quiet", SCHEMATHESIS]))?;
        }
        fs::write(folder.join("schemathesis.toml"), SETTINGS)?;
        Ok(Self { program, folder: folder.to_owned(), examples })
    }

    /// Judges the API at `url`.
    pub(super) fn run(
        &self,
        who: &str,
        document: &Path,
        url: &str,
        token: Option<&str>,
    ) -> Result<Finding, Box<dyn Error>> {
        let mut command = Command::new(&self.program);
        command.arg("run").arg(document).args(["--url", url, "--checks", "all", "--no-color"]);
        command.args(["--max-examples", &self.examples.to_string(), "--request-timeout", LONGEST_ANSWER]);
        command.args(["--continue-on-failure", "--generation-database", "none"]);
        if let Some(token) = token {
            command.args(["--header", &format!("Authorization: Bearer {token}")]);
        }
        // Both keep files in the working directory unless they are told where.
        command.current_dir(&self.folder).env("HYPOTHESIS_STORAGE_DIRECTORY", self.folder.join("hypothesis"));
        let output = command.stdin(Stdio::null()).output()?;
        let passed = output.status.success();
        let text = text_of(&output);
        let summary = if passed { from_title(&text, " SUMMARY ") } else { from_title(&text, "====") };
        Ok(Finding { what: format!("schemathesis {who}"), summary: shortened(summary), passed })
    }
}

/// What follows the first line with this title.
fn from_title<'a>(text: &'a str, title: &str) -> &'a str {
    text.find(title).and_then(|at| text[at..].find('\n').map(|end| &text[at + end..])).unwrap_or(text)
}

/// Without empty lines, and without the ends of lines that show whole files.
fn shortened(text: &str) -> String {
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    lines.map(|line| line.chars().take(LONGEST_LINE).chain(['\n']).collect::<String>()).collect()
}

/// Has promtool judge something, in `folder`.
pub(super) fn promtool(folder: &Path, arguments: &[&str], input: &str) -> Result<Finding, Box<dyn Error>> {
    let mut command = Command::new("promtool");
    command.args(arguments).current_dir(folder);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn()?;
    // It reads all of it before it writes.
    child.stdin.take().ok_or("its input is piped")?.write_all(input.as_bytes())?;
    let output = child.wait_with_output()?;
    let what = format!("promtool {}", arguments.join(" "));
    Ok(Finding { what, summary: shortened(&text_of(&output)), passed: output.status.success() })
}

/// Whether the program can be run.
pub(super) fn is_installed(program: impl AsRef<OsStr>) -> bool {
    let mut command = Command::new(program);
    command.arg("--version").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

fn succeed(command: &mut Command) -> Result<(), Box<dyn Error>> {
    let status = command.status()?;
    if status.success() { Ok(()) } else { Err(format!("{command:?} ended with {status}").into()) }
}

fn text_of(output: &Output) -> String {
    [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned()).concat()
}
