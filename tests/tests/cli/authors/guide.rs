//! The author's guide is followed: every block marked `sh` is run, in order, in an empty folder outside of the
//! repository, and what the block after it shows has to come out.
//!
//! Only two things are not as a reader has them: the crate's `target` is a folder that stays warm between runs, and
//! the release build is not optimised, since that takes minutes and shows nothing.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::str::Lines;

use forgewatch_tests::build;
use forgewatch_tests::sandbox::Run;

/// Tells where the output of a block ends.
const MARK: &str = "@@ end of block";

/// A block that is run, and the lines that have to come out.
#[derive(Debug, Default)]
struct Step {
    script: String,
    shows: Vec<String>,
}

fn steps(guide: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut lines = guide.lines();
    while let Some(line) = lines.next() {
        match line {
            "```sh" => steps.push(Step { script: block(&mut lines).join("\n") + "\n", shows: Vec::new() }),
            "```text" => steps.last_mut().expect("what is shown comes from a step").shows = block(&mut lines),
            _ => {}
        }
    }
    steps
}

/// The lines up to the end of a block.
fn block(lines: &mut Lines<'_>) -> Vec<String> {
    lines.take_while(|line| *line != "```").map(str::to_owned).collect()
}

/// Whether a line of output shows what a line of the guide does; `…` stands for anything.
fn is_shown(expected: &str, line: &str) -> bool {
    let mut rest = line;
    expected.split('…').map(str::trim).all(|part| match rest.find(part) {
        Some(at) => {
            rest = &rest[at + part.len()..];
            true
        }
        None => false,
    })
}

#[test]
fn the_guide_leads_from_an_empty_folder_to_a_plugin_in_use() {
    let root = build::root();
    let guide = fs::read_to_string(root.join("plugin-api/GUIDE.md")).expect("the guide");
    let steps = steps(&guide);
    assert!(steps.len() >= 8, "{steps:#?}");
    let dir = tempfile::tempdir().expect("a folder");
    let warm = root.join("target/authors");
    fs::create_dir_all(&warm).expect("a folder");
    let mut script = "set -eu\nexec 2>&1\n".to_owned();
    for (number, step) in steps.iter().enumerate() {
        script += &step.script;
        if number == 0 {
            script += "ln -s \"$WARM\" target\n";
        }
        script += &format!("echo '{MARK}'\n");
    }
    // The crate lies elsewhere each time, so what was made of it would be left for good.
    script += "cd ../my-forge\ncargo clean --quiet -p my-forge\ncargo clean --quiet --release -p my-forge\n";
    let run = follow(&script, dir.path(), &warm);
    assert_eq!(run.status, Some(0), "{}", run.stdout);
    let outputs: Vec<_> = run.stdout.split(MARK).collect();
    for (step, output) in steps.iter().zip(outputs) {
        let mut lines = output.lines();
        for expected in &step.shows {
            assert!(
                lines.any(|line| is_shown(expected, line)),
                "{expected:?} does not come out of\n{}\nbut this:\n{output}",
                step.script
            );
        }
    }
    let lock = fs::read_to_string(dir.path().join("operator/forgewatch.lock")).expect("the lock file");
    assert!(lock.contains("my-forge"), "{lock}");
}

/// Runs a script as a reader's shell does.
fn follow(script: &str, dir: &Path, warm: &Path) -> Run {
    let binary = build::workspace().forgewatch.parent().expect("a folder").to_owned();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path =
        std::env::join_paths([binary].into_iter().chain(std::env::split_paths(&path))).expect("a PATH");
    let mut command = Command::new("sh");
    command.arg("-c").arg(script).current_dir(dir).stdin(Stdio::null());
    // What cargo set for this test must not reach the reader's.
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        let is_cargos = text.starts_with("CARGO_") && text != "CARGO_HOME" || text.starts_with("RUST");
        if is_cargos && text != "RUSTUP_HOME" && text != "RUSTUP_TOOLCHAIN" {
            command.env_remove(&name);
        }
    }
    command
        .env("PATH", path)
        .env("FORGEWATCH", build::root())
        .env("WARM", warm)
        .env("XDG_STATE_HOME", dir.join("state"))
        .env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "0")
        // What the crate depends on was fetched for the fixtures.
        .env("CARGO_NET_OFFLINE", "true");
    build::wrong();
    command.output().expect("a shell").into()
}
