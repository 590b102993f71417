//! `forgewatch plugin new`: a whole crate or none, and nothing overwritten.

use std::fs;
use std::path::Path;

use forgewatch_tests::build;
use forgewatch_tests::sandbox::{Run, Sandbox};

use crate::support::assert_has;

fn new(sandbox: &Sandbox, arguments: &[&str]) -> Run {
    sandbox.run(&[&["plugin", "new"], arguments].concat())
}

/// The names in a folder.
fn names(folder: &Path) -> Vec<String> {
    let entries = folder.read_dir().expect("a folder").map(|entry| entry.expect("an entry").file_name());
    let mut names: Vec<_> = entries.map(|name| name.to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[test]
fn a_crate_is_written_under_its_own_name() {
    let sandbox = Sandbox::new();
    fs::create_dir(sandbox.path("work")).expect("a folder");
    let run = new(&sandbox, &["code_hub", "--dir", "work"]).exits(0);
    assert_has(
        &run.stdout,
        &[
            "`work/code_hub` is the crate of a plugin for the provider `code_hub`",
            "cd work/code_hub",
            "--plugin-api",
        ],
    );
    let folder = sandbox.path("work/code_hub");
    assert_eq!(names(&sandbox.path("work")), ["code_hub"]);
    assert_eq!(
        names(&folder),
        [
            ".gitignore",
            "Cargo.toml",
            "README.md",
            "ci.sh",
            "conformance.toml",
            "examples",
            "forgewatch.toml",
            "rustfmt.toml",
            "src"
        ]
    );
    let read = |name: &str| fs::read_to_string(folder.join(name)).expect("a file");
    let manifest: toml::Table = read("Cargo.toml").parse().expect("TOML");
    assert_eq!(manifest["package"]["name"].as_str(), Some("code_hub"));
    assert_eq!(manifest["dependencies"]["forgewatch-plugin-api"].as_str(), Some("1"));
    assert_has(
        &read("src/lib.rs"),
        &["key: \"code_hub\"", "name: \"Code Hub\"", r"^https://code-hub\.example/"],
    );
    assert_has(&read("ci.sh"), &["${CARGO_TARGET_DIR:-target}/release/libcode_hub.$extension"]);
    for (name, text) in names(&folder).iter().filter(|it| it.contains('.')).map(|name| (name, read(name))) {
        assert!(!text.to_lowercase().contains("my-forge") && !text.contains("My Forge"), "{name}: {text}");
    }
}

#[test]
fn where_the_interface_comes_from_is_written_down() {
    let sandbox = Sandbox::new();
    let plugin_api = build::root().join("plugin-api");
    let dependency = |name: &str| {
        let text = fs::read_to_string(sandbox.path(name).join("Cargo.toml")).expect("a manifest");
        let manifest: toml::Table = text.parse().expect("TOML");
        (
            manifest["dependencies"]["forgewatch-plugin-api"].clone(),
            manifest["dev-dependencies"]["forgewatch-plugin-api"].clone(),
        )
    };
    new(&sandbox, &["by-path", "--plugin-api", &plugin_api.to_string_lossy()]).exits(0);
    let (plain, testing) = dependency("by-path");
    assert_eq!(plain["path"].as_str(), plugin_api.to_str());
    assert_eq!(
        (testing["path"].as_str(), testing["features"][0].as_str()),
        (plugin_api.to_str(), Some("testing"))
    );
    new(&sandbox, &["by-version", "--plugin-api", "1.2"]).exits(0);
    let (plain, testing) = dependency("by-version");
    assert_eq!((plain.as_str(), testing["version"].as_str()), (Some("1.2"), Some("1.2")));
    for wrong in ["nowhere", ".", "\"1\""] {
        let run = new(&sandbox, &["not-at-all", "--plugin-api", wrong]).exits(2);
        assert_has(&run.stderr, &["neither a version like `1` nor the folder of forgewatch-plugin-api"]);
    }
    assert!(!sandbox.path("not-at-all").exists());
}

#[test]
fn nothing_is_overwritten_and_nothing_left_half_done() {
    let sandbox = Sandbox::new();
    fs::create_dir(sandbox.path("full")).expect("a folder");
    sandbox.write("full/mine.txt", "mine");
    sandbox.write("file", "mine");
    fs::create_dir(sandbox.path("empty")).expect("a folder");
    let before = names(&sandbox.path(""));
    for (arguments, told) in [
        (&["full"] as &[&str], "`full` is there already and not empty, and nothing is overwritten"),
        (&["file"], "`file` is there already and no folder"),
        (&["my-forge", "--dir", "nowhere"], "there is no folder `nowhere`: make it"),
        (&["my-forge", "--dir", "file"], "`file` is no folder: name one with --dir"),
        (&["Full"], "a provider's key has small letters; try `full`"),
        (&["a/b"], "it is a path, and the name alone goes here; write `b --dir a`"),
        (&["test"], "try `test-forge`"),
        (&["async"], "try `async-forge`"),
    ] {
        let run = new(&sandbox, arguments).exits(2);
        assert_has(&run.stderr, &[told]);
        assert_eq!((run.stdout.as_str(), names(&sandbox.path(""))), ("", before.clone()));
    }
    assert_eq!(fs::read_to_string(sandbox.path("full/mine.txt")).expect("the file"), "mine");
    new(&sandbox, &["empty"]).exits(0);
    assert!(sandbox.path("empty/src/lib.rs").exists());
    new(&sandbox, &["empty"]).exits(2);
}

/// Neither blank nor a comment.
fn code_lines(source: &str) -> usize {
    let is_code = |line: &&str| !line.trim().is_empty() && !line.trim_start().starts_with("//");
    source.lines().filter(is_code).count()
}

#[test]
fn a_whole_provider_is_forty_lines_and_the_readme_shows_the_very_same() {
    let sandbox = Sandbox::new();
    new(&sandbox, &["my-forge"]).exits(0);
    let source = fs::read_to_string(sandbox.path("my-forge/src/lib.rs")).expect("the source");
    let (provider, rest) = source.split_once("export_provider! {").expect("the manifest");
    assert!(code_lines(provider) <= 40, "{} lines:\n{provider}", code_lines(provider));
    let (manifest, _) = rest.split_once("#[cfg(test)]").expect("the tests");
    let whole = format!("{provider}export_provider! {{{manifest}");
    let whole = &whole[whole.find("#![forbid").expect("the attribute")..];
    let readme = fs::read_to_string(build::root().join("plugin-api/README.md")).expect("the README");
    assert!(
        readme.contains(&format!("```rust\n{}\n```", whole.trim_end())),
        "the README shows another provider"
    );
}

#[cfg(target_os = "linux")]
#[test]
fn a_folder_that_cannot_be_written_stays_as_it_was() {
    let sandbox = Sandbox::new();
    // Nobody writes there, not even the administrator.
    let run = new(&sandbox, &["my-forge", "--dir", "/proc"]).exits(2);
    assert_has(&run.stderr, &["cannot write `/proc/my-forge`"]);
}
