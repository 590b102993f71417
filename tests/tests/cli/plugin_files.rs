//! Files that are no plugins, and what is said of those that are, mostly without opening them.

use std::fs;
use std::path::PathBuf;

use forgewatch_tests::build;
use forgewatch_tests::fake::{Fake, World};
use forgewatch_tests::patch::{patched, position};
use forgewatch_tests::sandbox::{Run, Sandbox};
use serde_json::Value;

use crate::support::{CONTOSO, ODD, assert_harmless, assert_has, contoso_sandbox, misbehaving};

#[test]
fn a_url_that_two_plugins_claim_is_ambiguous() {
    let (fake, sandbox) = misbehaving(World::contoso());
    let library = fs::read(build::misbehaving()).expect("the library is there");
    let other = patched(&library, "\0key=misbehaving", "\0key=misbehavior");
    sandbox.write("plugins/other.so", other);
    sandbox.write("forgewatch.toml", "[repositories.a]\nurl = \"https://misbehaving.example/fine\"\n");
    let route = sandbox.run(&["route", "--format=json", "https://misbehaving.example/fine"]);
    assert_eq!(route.exits(1).json()[0]["error"], "ambiguous");
    let told = sandbox.run(&["check"]).exits(2).stderr;
    assert_has(
        &told,
        &["error: repositories.a.url: several plugins claim this URL: misbehaving, misbehavior\n  where: "],
    );
    assert_eq!(fake.counters().connections(), 0);
}

/// Puts one file of every unusable kind beside the good plugin, as (name, state, part of the detail).
fn broken_files(sandbox: &Sandbox) -> Vec<(&'static str, &'static str, &'static str)> {
    let library = fs::read(build::misbehaving()).expect("the library is there");
    let write = |name: &str, bytes: &[u8]| sandbox.write(&format!("plugins/{name}"), bytes);
    let mut other_machine = library.clone();
    // `e_machine`: another one of the two that Forgewatch runs on.
    other_machine[18] = if cfg!(target_arch = "x86_64") { 183 } else { 62 };
    other_machine[19] = 0;
    let without_section = patched(&library, ".forgewatch\0", ".forgewitch\0");
    write("abi-2.so", &patched(&library, "\0abi=1\0key=misb", "\0abi=2\0key=misb"));
    write("abi-odd.so", &patched(&library, "\0abi=1\0key=misb", "\0abi=x\0key=misb"));
    write("no-key.so", &patched(&library, "\0key=misbehaving", "\0yek=misbehaving"));
    write("odd-key.so", &patched(&library, "\0key=misbehaving", "\0key=../behaving"));
    write("no-value.so", &patched(&library, "\0name=Misbehaving", "\0name_Misbehaving"));
    write("odd-pattern.so", &patched(&library, "\0url-pattern=^https", "\0url-pattern=(((((("));
    write("other-magic.so", &patched(&library, "forgewatch-plugin=1\0abi", "forgewatch-plugin=9\0abi"));
    let mut not_text = library.clone();
    let place = position(&not_text, "\0name=Misbehaving");
    not_text[place.end - 1] = 0xff;
    write("not-text.so", &not_text);
    write("other-machine.so", &other_machine);
    write("no-section.so", &without_section);
    write("text.so", b"#!/bin/sh\necho hello\n");
    write("empty.so", b"");
    for (name, cut) in [
        ("cut-1.so", 1),
        ("cut-20.so", 20),
        ("cut-63.so", 63),
        ("cut-64.so", 64),
        ("cut-half.so", library.len() / 2),
        ("cut-end.so", library.len() - 1),
    ] {
        write(name, &library[..cut]);
    }
    vec![
        ("abi-2.so", "incompatible", "needs plugin ABI 2, this host speaks 1: upgrade the host"),
        ("abi-odd.so", "broken", "no valid `abi`"),
        ("no-key.so", "broken", "no valid `key`"),
        ("odd-key.so", "broken", "no valid `key`"),
        ("no-value.so", "broken", "the manifest is damaged"),
        ("odd-pattern.so", "broken", "no valid `url-pattern`"),
        ("other-magic.so", "foreign", "is no Forgewatch plugin"),
        ("not-text.so", "broken", "the manifest is damaged"),
        ("other-machine.so", "incompatible", "is built for"),
        ("no-section.so", "foreign", "is no Forgewatch plugin"),
        ("text.so", "broken", "is no intact library file"),
        ("empty.so", "broken", "is no intact library file"),
        ("cut-1.so", "broken", "is no intact library file"),
        ("cut-20.so", "broken", "is no intact library file"),
        ("cut-63.so", "broken", "is no intact library file"),
        ("cut-64.so", "broken", "is no intact library file"),
        ("cut-half.so", "broken", "is no intact library file"),
        ("cut-end.so", "broken", "is no intact library file"),
    ]
}

#[test]
fn files_that_are_no_plugins_are_listed_and_left_alone() {
    let fake = Fake::start_blocking(World::contoso());
    let sandbox = contoso_sandbox(&fake);
    sandbox.write(
        "forgewatch.toml",
        format!("{CONTOSO}[repositories.storefront]\nintegration = \"contoso\"\nproject = \"Web Shop\"\nname = \"storefront\"\n"),
    );
    let broken = broken_files(&sandbox);
    fs::create_dir(sandbox.path("plugins/folder.so")).expect("a folder");
    sandbox.write("plugins/notes.txt", "not looked at");
    std::os::unix::fs::symlink("nowhere", sandbox.path("plugins/dangling.so")).expect("a link");
    let listing = sandbox.run(&["plugin", "list", "--format", "json"]).exits(0).json();
    let entries = listing["plugins"].as_array().expect("a list");
    let find = |name: &str| {
        let path = sandbox.path(&format!("plugins/{name}"));
        let found = entries.iter().find(|entry| entry["path"] == path.to_string_lossy().as_ref());
        found.unwrap_or_else(|| panic!("no {name} in {listing:#}"))
    };
    let dangling = ("dangling.so", "broken", "check that it exists");
    for &(name, state, detail) in broken.iter().chain([&dangling]) {
        let entry = find(name);
        assert_eq!(entry["state"], state, "{entry:#}");
        let told = entry["detail"].as_str().expect("a detail is text");
        assert_has(told, &[detail]);
        assert!(!told.contains('\n') && told.len() < 400, "{told}");
    }
    let keys: Vec<_> = entries[0].as_object().expect("an object").keys().cloned().collect();
    let expected = [
        "key",
        "name",
        "version",
        "abi",
        "path",
        "sha256",
        "isolation",
        "sandbox",
        "state",
        "since",
        "detail",
    ];
    assert_eq!(keys, expected);
    let good: Vec<_> = entries.iter().filter(|entry| entry["state"] == "ready").collect();
    assert_eq!(good.len(), 1, "{listing:#}");
    assert_eq!(
        (&good[0]["key"], &good[0]["abi"], &good[0]["isolation"]),
        (&"vsts".into(), &1.into(), &"process".into())
    );
    assert_eq!(entries.len(), broken.len() + 2, "{listing:#}");

    // Each is said to be broken when it is looked at alone, and none hinders a check.
    for &(name, _, detail) in &broken {
        let path = format!("plugins/{name}");
        for command in ["inspect", "verify"] {
            let run = sandbox.run(&["plugin", command, &path]).exits(1);
            assert_has(&format!("{}{}", run.stdout, run.stderr), &[detail]);
        }
    }
    let run = sandbox.run(&["check"]).exits(0);
    assert_eq!(run.stderr.matches(" WARN ").count(), broken.len() + 1, "{}", run.stderr);
    assert_harmless(&run.stderr);
}

#[test]
fn two_files_with_one_key_are_both_refused() {
    let (fake, sandbox) = misbehaving(World::contoso());
    let first: PathBuf = sandbox.install(build::misbehaving());
    let second = sandbox.path("plugins/a-second.so");
    fs::copy(&first, &second).expect("a copy");
    sandbox.write(
        "forgewatch.toml",
        format!("{CONTOSO}{ODD}[repositories.a]\nintegration = \"odd\"\nname = \"fine\"\n"),
    );
    let both = |text: &str| {
        assert_has(
            text,
            &[
                &*first.to_string_lossy(),
                &*second.to_string_lossy(),
                "are both plugins for `misbehaving`: remove one of them",
            ],
        );
    };
    let run = sandbox.run(&["check"]).exits(3);
    both(&run.stderr);
    both(&run.stdout);
    assert_eq!(run.stderr.matches("are both plugins").count(), 1, "{}", run.stderr);
    both(&sandbox.run(&["check", "--dry-run"]).exits(2).stderr);
    both(&sandbox.run(&["plugin", "inspect", "misbehaving"]).exits(2).stderr);
    let listing = sandbox.run(&["plugin", "list", "--format=json"]).exits(0).json();
    let duplicates = listing["plugins"].as_array().expect("a list").iter();
    let duplicates = duplicates.filter(|entry| entry["state"] == "duplicate").count();
    assert_eq!(duplicates, 2, "{listing:#}");
    assert_eq!(fake.counters().connections(), 0);

    // A link to the same file is a second path with one key as well; in place of the file it is fine.
    fs::remove_file(&second).expect("it is there");
    fs::rename(&first, sandbox.path("real-name")).expect("it is there");
    std::os::unix::fs::symlink("../real-name", &first).expect("a link");
    sandbox.run(&["check"]).exits(0);
}

pub(crate) fn steps(run: &Run) -> Vec<(String, bool)> {
    let steps = run.json();
    let steps = steps.as_array().expect("a list").iter();
    let step = |step: &Value| (step["step"].as_str().map(str::to_owned), step["ok"].as_bool());
    let steps = steps.map(step);
    steps.map(|(name, ok)| (name.expect("a name"), ok.expect("true or false"))).collect()
}

#[test]
fn plugins_are_inspected_unopened_and_verified_step_by_step() {
    let (_fake, sandbox) = misbehaving(World::contoso());
    let run = sandbox.run(&["plugin", "inspect", "misbehaving", "--format", "json"]);
    let said = run.exits(0).json();
    assert_eq!(said["key"], "misbehaving");
    assert_eq!(said["abi"], 1);
    assert_eq!(said["version"], "1.0.0");
    assert_eq!(said["licence"], "MIT OR Apache-2.0");
    assert_eq!(said["wished_hosts"], serde_json::json!(["attacker.example"]));
    let hosts = serde_json::json!([{"host": "attacker.example", "allowed_by": null}]);
    assert_eq!((&said["hosts"], &said["lock"]), (&hosts, &Value::Null));
    assert_eq!(said["options_schema"], Value::Null);
    assert_eq!(said["sha256"].as_str().map(str::len), Some(64));
    let table = sandbox.run(&["plugin", "inspect", "vsts"]).exits(0).stdout;
    assert_has(&table, &["key            vsts\n", "server_roots"]);

    let ok = |names: &[&str]| names.iter().map(|name| ((*name).to_owned(), true)).collect::<Vec<_>>();
    let run = sandbox.run(&["plugin", "verify", "vsts", "--format=json"]).exits(0);
    assert_eq!(
        steps(&run),
        ok(&["file", "manifest", "sha256", "lock", "hosts", "needs", "sandbox", "start"])
    );

    // A file fails at the step that it fails at.
    for (name, bytes, failed) in [
        ("text.so", &b"text"[..], vec!["file"]),
        ("gone.so", &b""[..], vec!["file"]),
        (
            "foreign.so",
            &patched(&fs::read(build::misbehaving()).expect("it is there"), ".forgewatch\0", ".forgewitch\0"),
            vec!["file", "manifest"],
        ),
    ] {
        let path = sandbox.write(name, bytes);
        if name == "gone.so" {
            fs::remove_file(path).expect("it is there");
        }
        let run = sandbox.run(&["plugin", "verify", &format!("./{name}"), "--format=json"]).exits(1);
        let steps = steps(&run);
        assert_eq!(steps.iter().map(|(step, _)| step.as_str()).collect::<Vec<_>>(), failed, "{}", run.stdout);
        assert_eq!(steps.iter().filter(|(_, ok)| !ok).count(), 1, "{}", run.stdout);
    }

    // A library whose header is missing under its name passes as far as nothing is opened.
    let library = fs::read(build::misbehaving()).expect("the library is there");
    let broken = String::from_utf8_lossy(&library).matches("forgewatch_plugin_v1").count();
    assert!(broken > 0);
    let mut bytes = library.clone();
    while let Some(at) = bytes.windows(20).position(|window| window == b"forgewatch_plugin_v1") {
        bytes[at..at + 20].copy_from_slice(b"forgewitch_plugin_v1");
    }
    sandbox.write("headless.so", &bytes);
    sandbox.run(&["plugin", "inspect", "./headless.so"]).exits(0);
    let run = sandbox.run(&["plugin", "verify", "./headless.so", "--format=json"]).exits(1);
    assert_eq!(steps(&run).last(), Some(&("start".to_owned(), false)), "{}", run.stdout);
    let lines = sandbox.run(&["plugin", "verify", "./headless.so"]).exits(1).stdout;
    assert_eq!(lines.lines().count(), 7, "{lines}");
    assert_has(&lines, &["\nfailed  start     ", "plugin `./headless.so` "]);

    // Opening this one would end the process: its constructors lead to nowhere. Inspecting it opens nothing.
    sandbox.write("deadly.so", deadly(&library));
    sandbox.run(&["plugin", "inspect", "./deadly.so"]).exits(0);
    let verified = sandbox.run(&["plugin", "verify", "./deadly.so"]);
    assert_ne!(verified.status, Some(0), "the library was meant to be deadly: {verified:?}");
}

/// The library with an initialiser that points to an address that nobody has.
pub(crate) fn deadly(library: &[u8]) -> Vec<u8> {
    let mut bytes = library.to_vec();
    let number =
        |bytes: &[u8], at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"));
    // The program headers of a 64-bit ELF file; the dynamic table among them holds `DT_INIT`.
    let (headers, size) = (number(&bytes, 32) as usize, usize::from(bytes[54]));
    let count = usize::from(bytes[56]);
    let dynamic =
        (0..count).map(|index| headers + index * size).find(|&at| bytes[at] == 2).expect("a dynamic table");
    let (start, length) = (number(&bytes, dynamic + 8) as usize, number(&bytes, dynamic + 32) as usize);
    const DT_INIT: u64 = 12;
    let entry = (start..start + length)
        .step_by(16)
        .find(|&at| number(&bytes, at) == DT_INIT)
        .expect("an initialiser");
    bytes[entry + 8..entry + 16].copy_from_slice(&0x10_u64.to_le_bytes());
    bytes
}
