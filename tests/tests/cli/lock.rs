//! The lock file: a build that nobody chose is not opened, and a host is reached only when somebody approved it.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use forgewatch::plugins::{Lock, Registry, Room};
use forgewatch::services::for_plugin;
use forgewatch_tests::build;
use forgewatch_tests::fake::{Fake, World};
use forgewatch_tests::patch::patched;
use forgewatch_tests::sandbox::{Run, Sandbox};
use serde_json::Value;

use crate::plugin_files::{deadly, steps};
use crate::support::{
    CONTOSO, ODD, assert_harmless, assert_has, assert_nothing_sent, contoso_sandbox, misbehaving, redacted,
};

const LOCK: &str = "plugins.lock_file = \"forgewatch.lock\"\n";
const STOREFRONT: &str =
    "[repositories.storefront]\nintegration = \"contoso\"\nproject = \"Web Shop\"\nname = \"storefront\"\n";

/// A sandbox with the VSTS plugin, locked, and a repository that it grants.
fn locked() -> (Fake, Sandbox) {
    let fake = Fake::start_blocking(World::contoso());
    let sandbox = contoso_sandbox(&fake);
    sandbox.write("forgewatch.toml", format!("{LOCK}{CONTOSO}{STOREFRONT}"));
    sandbox.run(&["plugin", "lock"]).exits(0);
    (fake, sandbox)
}

/// A sandbox with the plugin that misbehaves as well, whose repository wants a host that is not the integration's.
fn wishing() -> (Fake, Sandbox) {
    let (fake, sandbox) = misbehaving(World::contoso());
    fake.serve_unknown_hosts(true);
    let repository =
        "identity = \"reader\"\n[repositories.far]\nintegration = \"odd\"\nname = \"foreign-host\"\n";
    sandbox.write("forgewatch.toml", format!("{LOCK}{CONTOSO}{ODD}{repository}"));
    (fake, sandbox)
}

fn lock_text(sandbox: &Sandbox) -> String {
    fs::read_to_string(sandbox.path("forgewatch.lock")).expect("the lock file is there")
}

fn sha256(sandbox: &Sandbox, path: &Path) -> String {
    let run = sandbox.run(&["plugin", "inspect", "--format=json", &path.to_string_lossy()]).exits(0);
    run.json()["sha256"].as_str().expect("a hash").to_owned()
}

fn vsts_path(sandbox: &Sandbox) -> std::path::PathBuf {
    sandbox.path("plugins").join(build::workspace().plugin("vsts").file_name().expect("it has a name"))
}

/// The entry of `path` in `plugin list`.
fn listed(sandbox: &Sandbox, path: &Path) -> Value {
    let listing = sandbox.run(&["plugin", "list", "--format=json"]).exits(0).json();
    let entries = listing["plugins"].as_array().expect("a list");
    let entry = entries.iter().find(|entry| entry["path"] == path.to_string_lossy().as_ref());
    entry.unwrap_or_else(|| panic!("no {} in {listing:#}", path.display())).clone()
}

fn lines(run: &Run) -> Vec<&str> {
    run.stdout.lines().map(str::trim).collect()
}

#[test]
fn a_changed_file_is_refused_with_both_hashes_and_not_opened() {
    let (fake, sandbox) = locked();
    sandbox.run(&["check"]).exits(0);
    let path = vsts_path(&sandbox);
    let before = sha256(&sandbox, &path);
    let library = fs::read(&path).expect("the library is there");
    // Whoever opens this one ends.
    fs::write(&path, deadly(&library)).expect("it can be replaced");
    let after = sha256(&sandbox, &path);
    assert_ne!(before, after);
    let told = format!(
        "`{}` is not the build that was locked: locked `sha256 {before}`, found `{after}`; if you replaced it on \
         purpose, run `forgewatch plugin lock vsts`",
        path.display()
    );
    let asked = fake.counters().connections();

    let run = sandbox.run(&["check", "--dry-run"]).exits(2);
    assert_has(&run.stderr, &[&format!("error: providers.vsts: the plugin `vsts` is not used: {told}")]);
    assert_eq!(run.stdout, "");
    // Its own repositories go without an answer, and nobody else's.
    let report = sandbox.run(&["check", "--format=json"]).exits(3).json();
    assert_eq!(report["results"][0]["reason"], "plugin_failed");
    assert_has(report["results"][0]["detail"].as_str().expect("text"), &[&told]);
    let route = sandbox.run(&["route", "https://dev.azure.com/contoso/_git/Tools"]);
    assert_ne!(route.status, None, "{route:?}");
    let entry = listed(&sandbox, &path);
    assert_eq!((&entry["state"], &entry["key"]), (&"changed".into(), &"vsts".into()));
    assert_eq!((&entry["sha256"], &entry["detail"]), (&after.into(), &told.clone().into()));
    for plugin in ["vsts", &path.to_string_lossy()] {
        let run = sandbox.run(&["plugin", "verify", plugin, "--format=json"]).exits(1);
        assert_eq!(steps(&run).last(), Some(&("lock".to_owned(), false)), "{}", run.stdout);
        assert_eq!(run.json()[3]["detail"], told);
    }
    let inspected = sandbox.run(&["plugin", "inspect", "vsts", "--format=json"]).exits(0).json();
    assert_eq!(inspected["lock"], "changed");
    assert_eq!(fake.counters().connections(), asked);

    // The library is as deadly as it was meant to be.
    sandbox.write("forgewatch.toml", format!("{CONTOSO}{STOREFRONT}"));
    let report = sandbox.run(&["check", "--format=json"]).exits(3).json();
    assert_has(report["results"][0]["detail"].as_str().expect("text"), &["it crashed"]);
}

#[tokio::test]
async fn a_file_that_changes_after_it_was_found_is_refused_when_it_is_opened() {
    let sandbox = Sandbox::new();
    sandbox.write("forgewatch.toml", LOCK);
    sandbox.run(&["plugin", "lock"]).exits(0);
    let lock = Arc::new(Lock::read(&sandbox.path("forgewatch.lock")).expect("a lock file"));
    let found = || Registry::discover(&[sandbox.path("plugins")], Some(Arc::clone(&lock)));
    let open = async |registry: &Registry| {
        let provider = registry.provider("vsts", Room::InProcess, || for_plugin("vsts"));
        provider.expect("it was found").ready().await
    };
    let [before, again] = [found(), found()];
    let path = vsts_path(&sandbox);
    let library = fs::read(&path).expect("the library is there");
    fs::write(&path, deadly(&library)).expect("it can be replaced");
    let refused = open(&before).await.err().expect("it is refused");
    assert_has(refused.detail(), &["is not the build that was locked"]);
    // With its own bytes back it opens.
    fs::write(&path, library).expect("it can be replaced");
    assert!(open(&again).await.is_ok());
}

#[test]
fn a_strangers_file_takes_no_plugin_down() {
    let (fake, sandbox) = locked();
    let before = lock_text(&sandbox);
    let library = fs::read(build::misbehaving()).expect("the library is there");
    let liar = patched(&library, "\0key=misbehaving", "\0key=vsts\0x=liar");
    // Before the real one by its name, and after it.
    let liars =
        ["a-liar.so", "z-liar.so"].map(|name| sandbox.write(&format!("plugins/{name}"), deadly(&liar)));
    let stranger = sandbox.write("plugins/stranger.so", deadly(&library));
    let run = sandbox.run(&["check", "--format=json"]).exits(0);
    assert_eq!(run.json()["results"][0]["reason"], "granted");
    assert!(fake.counters().connections() > 0);
    assert_eq!(run.stderr.matches(" WARN ").count(), 3, "{}", run.stderr);
    for path in &liars {
        assert_eq!(listed(&sandbox, path)["state"], "changed");
    }
    let entry = listed(&sandbox, &stranger);
    assert_eq!((&entry["state"], &entry["key"]), (&"unlocked".into(), &"misbehaving".into()));
    let told = "is not locked: if you trust it, run `forgewatch plugin lock misbehaving`";
    assert_has(entry["detail"].as_str().expect("text"), &[told]);
    assert_eq!(listed(&sandbox, &vsts_path(&sandbox))["state"], "ready");
    sandbox.run(&["plugin", "verify", "vsts"]).exits(0);
    let run = sandbox.run(&["plugin", "verify", "misbehaving"]).exits(1);
    assert_has(&run.stdout, &["\nfailed  lock      ", told]);

    // Locking anew keeps the real one, and says whom it leaves out.
    let run = sandbox.run(&["plugin", "lock", "vsts"]).exits(0);
    assert_has(&run.stdout, &["unchanged  vsts  sha256 ", "` is up to date"]);
    assert_eq!(run.stderr.matches("` is left out for `").count(), 2, "{}", run.stderr);
    assert_eq!(lock_text(&sandbox), before);

    // The real one twice is no reason to take a liar for it.
    let copy = sandbox.path("plugins/copy.so");
    fs::copy(vsts_path(&sandbox), &copy).expect("a copy");
    fs::remove_file(&liars[1]).expect("it is there");
    for (arguments, status) in [
        (&["check"][..], 3),
        (&["plugin", "lock"], 2),
        (&["plugin", "lock", "vsts"], 2),
        (&["plugin", "verify", "vsts"], 2),
    ] {
        let run = sandbox.run(arguments).exits(status);
        assert_has(
            &run.stderr,
            &[&*copy.to_string_lossy(), "are both plugins for `vsts`: remove one of them"],
        );
    }
    fs::remove_file(copy).expect("it is there");
    fs::copy(&liars[0], &liars[1]).expect("a copy");
    assert_eq!(lock_text(&sandbox), before);

    // Without the real one nothing stands in for it, and which of the liars was meant is not guessed.
    fs::remove_file(vsts_path(&sandbox)).expect("it is there");
    let run = sandbox.run(&["check"]).exits(3);
    assert_has(&run.stderr, &["is not the build that was locked"]);
    for arguments in [&["plugin", "lock"][..], &["plugin", "lock", "vsts"]] {
        let run = sandbox.run(arguments).exits(2);
        assert_has(
            &run.stderr,
            &["are both plugins for `vsts`, and neither is locked", "name the file you mean"],
        );
    }
    assert_eq!(lock_text(&sandbox), before);
}

#[test]
fn without_a_lock_file_two_files_with_one_key_are_told_apart_by_name() {
    let sandbox = Sandbox::new();
    sandbox.write("forgewatch.toml", LOCK);
    let mut library = fs::read(build::misbehaving()).expect("the library is there");
    let first = sandbox.write("plugins/first.so", &library);
    library.push(0);
    sandbox.write("plugins/second.so", &library);
    let run = sandbox.run(&["plugin", "lock", "plugins/first.so", "plugins/second.so"]).exits(2);
    assert_has(&run.stderr, &["are both plugins for `misbehaving`: name one of them"]);
    sandbox.run(&["plugin", "lock"]).exits(2);
    assert!(!sandbox.path("forgewatch.lock").exists());
    sandbox.run(&["plugin", "lock", "plugins/second.so"]).exits(0);
    let run = sandbox.run(&["plugin", "lock"]).exits(0);
    assert_has(&run.stdout, &["unchanged  misbehaving  ", "added      vsts  "]);
    assert_eq!(listed(&sandbox, &first)["state"], "changed");
    // Both are the locked build: which of them would run must not be chance.
    fs::write(&first, &library).expect("it can be replaced");
    assert_eq!(listed(&sandbox, &first)["state"], "duplicate");
    let run = sandbox.run(&["plugin", "lock"]).exits(2);
    assert_has(&run.stderr, &["are both plugins for `misbehaving`: remove one of them"]);
}

#[test]
fn an_approved_host_is_reached_and_a_wish_alone_is_not() {
    let (fake, sandbox) = wishing();
    let sent =
        || fake.requests_to(|request| request.method == "GET" && request.host == "attacker.example").len();
    let detail = || {
        let report = sandbox.run(&["check", "--format=json"]).json();
        report["results"][0]["detail"].as_str().expect("a detail").to_owned()
    };
    let run = sandbox.run(&["plugin", "lock"]).exits(0);
    assert_has(&run.stdout, &["host attacker.example: not approved (`--approve attacker.example` would)"]);
    assert!(!lock_text(&sandbox).contains("attacker"));
    assert_has(
        &detail(),
        &["write `allow_hosts = [\"attacker.example\"]` under `[providers.misbehaving]`, or run \
           `forgewatch plugin lock misbehaving --approve attacker.example`"],
    );
    assert_eq!(sent(), 0);

    let run = sandbox.run(&["plugin", "lock", "misbehaving", "--approve", "Attacker.Example"]).exits(0);
    assert_has(&run.stdout, &["host attacker.example: approved now", "wrote `"]);
    detail();
    assert_eq!(sent(), 1);
    let inspected = sandbox.run(&["plugin", "inspect", "misbehaving", "--format=json"]).exits(0).json();
    assert_eq!(
        (&inspected["lock"], &inspected["hosts"][0]["allowed_by"]),
        (&"matches".into(), &"lock_file".into())
    );
    let verified = sandbox.run(&["plugin", "verify", "misbehaving"]).exits(0).stdout;
    assert_has(&verified, &["ok      hosts     wishes for attacker.example (approved in the lock file)"]);
    let by_hand =
        ["--set", "providers.misbehaving.allow_hosts=attacker.example", "plugin", "inspect", "misbehaving"];
    assert_has(&sandbox.run(&by_hand).stdout, &["attacker.example (allowed by `allow_hosts`)"]);

    sandbox.run(&["plugin", "lock", "--revoke", "attacker.example"]).exits(0);
    assert_has(&detail(), &["--approve attacker.example"]);
    assert_eq!(sent(), 1);
    // The plugin that wishes for it gets it, and no other; what it does not wish for has no effect.
    let text = lock_text(&sandbox);
    sandbox.write(
        "forgewatch.lock",
        text.replace("approved_hosts = []", "approved_hosts = [\"elsewhere.example\"]"),
    );
    assert_has(&detail(), &["--approve attacker.example"]);
    let run = sandbox.run(&["plugin", "lock", "--approve-all"]).exits(0);
    assert_has(&run.stdout, &["host elsewhere.example: dropped", "host attacker.example: approved now"]);
    assert_eq!(lock_text(&sandbox).matches("attacker.example").count(), 1);
    assert!(!lock_text(&sandbox).contains("elsewhere"));
}

#[test]
fn hosts_that_nobody_wishes_for_are_a_slip() {
    let (_fake, sandbox) = wishing();
    sandbox.run(&["plugin", "lock"]).exits(0);
    let before = lock_text(&sandbox);
    for (arguments, expected) in [
        (
            &["--approve", "other.example"][..],
            "(misbehaving, vsts) wishes for `other.example`; wished hosts: a",
        ),
        (
            &["vsts", "--approve", "attacker.example"],
            "(vsts) wishes for `attacker.example`; wished hosts: almsearch.dev.azure.com, app.vssps",
        ),
        (&["--approve", "attacker.example:8443"], "wishes for `attacker.example:8443`"),
        (
            &["--revoke", "attacker.example"],
            "nothing to revoke: `attacker.example` is approved for no plugin among",
        ),
        (&["--approve", "https://attacker.example/"], "is not a host or host:port"),
    ] {
        let run = sandbox.run(&[&["plugin", "lock"], arguments].concat()).exits(2);
        assert_has(&run.stderr, &[expected]);
        assert_eq!(lock_text(&sandbox), before);
    }
}

#[test]
fn locking_again_keeps_approvals_and_says_what_changed() {
    let (_fake, sandbox) = wishing();
    let run = sandbox.run(&["plugin", "lock", "--check", "--approve-all"]).exits(1);
    assert_has(
        &run.stdout,
        &["added      misbehaving  sha256 ", "added      vsts  sha256 ", "` would change\n"],
    );
    assert!(!sandbox.path("forgewatch.lock").exists());
    sandbox.run(&["plugin", "lock", "--approve-all"]).exits(0);
    let first = lock_text(&sandbox);
    sandbox.run(&["plugin", "lock", "--check"]).exits(0);
    let run = sandbox.run(&["plugin", "lock"]).exits(0);
    assert_has(&run.stdout, &["unchanged  misbehaving", "unchanged  vsts", "attacker.example: approved\n"]);
    assert_eq!(lock_text(&sandbox), first);

    // Another build that wishes for the same, under another name.
    let path = sandbox.path("plugins").join(build::misbehaving().file_name().expect("it has a name"));
    let before = sha256(&sandbox, &path);
    let mut library = fs::read(&path).expect("it is there");
    library.push(0);
    fs::remove_file(&path).expect("it is there");
    let path = sandbox.write("plugins/renamed.so", &library);
    let after = sha256(&sandbox, &path);
    let changed = format!("changed    misbehaving  sha256 {after}, was {before}");
    let run = sandbox.run(&["plugin", "lock", "misbehaving", "--check"]).exits(1);
    assert_has(&run.stdout, &[&changed]);
    assert!(!run.stdout.contains("vsts"), "{}", run.stdout);
    assert_eq!(lock_text(&sandbox), first);
    let run = sandbox.run(&["plugin", "lock", "misbehaving"]).exits(0);
    assert_has(&run.stdout, &[&changed, "host attacker.example: approved\n"]);
    let second = lock_text(&sandbox);
    let old_name = build::misbehaving().file_name().expect("a name").to_string_lossy();
    assert_eq!(second, first.replace(&before, &after).replace(&*old_name, "renamed.so"));
    sandbox.run(&["plugin", "list"]).exits(0);

    // A build that wishes for something else.
    sandbox
        .write("plugins/renamed.so", patched(&library, "\0host=attacker.example", "\0host=innocent.example"));
    let run = sandbox.run(&["plugin", "lock"]).exits(0);
    assert_has(&run.stdout, &["attacker.example: dropped", "innocent.example: not approved"]);
    assert!(!lock_text(&sandbox).contains("example"), "{}", lock_text(&sandbox));

    // A file that is cut off keeps its place; one that is gone does not, unless others were asked for.
    sandbox.write("plugins/renamed.so", "cut");
    let run = sandbox.run(&["plugin", "lock"]).exits(0);
    assert_has(&run.stderr, &["warning: not locked: `renamed.so` is no intact library file"]);
    assert_has(&lock_text(&sandbox), &["[plugins.misbehaving]"]);
    fs::remove_file(path).expect("it is there");
    sandbox.run(&["plugin", "lock", "vsts"]).exits(0);
    assert_has(&lock_text(&sandbox), &["[plugins.misbehaving]"]);
    let run = sandbox.run(&["plugin", "lock"]).exits(0);
    assert_eq!(lines(&run)[0], "removed    misbehaving  its file is gone");
    assert!(!lock_text(&sandbox).contains("misbehaving"));
    assert_harmless(&run.stdout);
}

#[test]
fn a_lock_file_is_there_and_valid_or_nothing_runs() {
    let (fake, sandbox) = locked();
    let before = fake.counters().connections();
    let good = lock_text(&sandbox);
    let hash = "0".repeat(64);
    let entry = |more: &str| {
        format!("version = 1\n[plugins.x]\nsha256 = \"{hash}\"\nversion = \"1\"\nfile = \"x\"\n{more}")
    };
    for (text, line, problem) in [
        ("version = 2\nnew = true\n".to_owned(), 1, "is of version 2, this host knows version 1"),
        (String::new(), 1, "missing field `version`"),
        ("version = 1\n\nplugins = 3\n".to_owned(), 3, "invalid type"),
        (format!("{good}\n[plugins.vsts]\n"), good.lines().count() + 2, "duplicate key"),
        (good.replace("sha256 = \"", "sha256 = \"A"), 7, "`sha256` must be 64 of 0-9 and a-f"),
        (entry("approved_hosts = [\"a b\"]"), 6, "is not a host or host:port"),
        (entry("approved_hosts = []\ncolour = \"\u{202e}red\""), 7, "unknown field `colour`"),
        ("\u{1b}[31m".to_owned(), 1, "not a valid lock file"),
    ] {
        sandbox.write("forgewatch.lock", &text);
        for arguments in
            [&["check"][..], &["route", "https://x/"], &["plugin", "list"], &["plugin", "verify", "vsts"]]
        {
            let run = sandbox.run(arguments).exits(2);
            let place =
                format!("\n  where: [dir]/forgewatch.lock:{line}\n  fix: restore it, or move it away");
            let told = redacted(&sandbox, &run.stderr);
            assert_has(&told, &["error: plugins.lock_file: not a valid lock file: ", problem, &place]);
            assert!(run.stdout.is_empty() && run.stderr.matches("error: ").count() == 1, "{run:#?}");
            assert_harmless(&run.stderr);
        }
        let run = sandbox.run(&["plugin", "lock"]).exits(2);
        assert_has(
            &run.stderr,
            &[&format!("forgewatch.lock`, line {line}, is not a valid lock file: "), problem],
        );
        assert_eq!(lock_text(&sandbox), text, "it is left as it was");
    }
    fs::remove_file(sandbox.path("forgewatch.lock")).expect("it is there");
    let run = sandbox.run(&["check"]).exits(2);
    assert_eq!(
        redacted(&sandbox, &run.stderr),
        "error: plugins.lock_file: there is no lock file `[dir]/forgewatch.lock`\n  where: [dir]/forgewatch.toml:1\n  \
         fix: write it with `forgewatch plugin lock`, or correct the path\n"
    );
    fs::create_dir(sandbox.path("forgewatch.lock")).expect("a folder");
    let run = sandbox.run(&["check"]).exits(2);
    assert_has(&run.stderr, &["error: plugins.lock_file: cannot read the lock file `"]);
    assert_eq!(fake.counters().connections(), before);
}

#[test]
fn what_cannot_be_written_is_told_and_leaves_nothing() {
    let sandbox = Sandbox::new();
    let run = sandbox.run(&["plugin", "lock"]).exits(2);
    assert_has(
        &run.stderr,
        &["no lock file is configured: set `plugins.lock_file` to a path, or give --lock-file FILE"],
    );
    sandbox.write("file", "");
    let names = || {
        let entries = fs::read_dir(sandbox.path("")).expect("a folder");
        let mut names: Vec<_> = entries.map(|entry| entry.expect("an entry").file_name()).collect();
        names.sort();
        names
    };
    let before = names();
    for path in ["missing/forgewatch.lock", "file/forgewatch.lock", "/proc/forgewatch.lock"] {
        let run = sandbox.run(&["plugin", "lock", "--lock-file", path]).exits(2);
        assert_has(&run.stderr, &[&format!("the lock file `{path}`: ")]);
        assert_eq!((run.stdout.as_str(), names()), ("", before.clone()));
    }
    let run = sandbox.run(&["plugin", "lock", "--lock-file", "other.lock"]).exits(0);
    let last = "wrote `other.lock`; it is not in use before `plugins.lock_file` names it";
    assert_eq!(lines(&run).last(), Some(&last));
    assert_eq!(names().len(), before.len() + 1);
    sandbox.run(&["--set", "plugins.lock_file=other.lock", "plugin", "verify", "vsts"]).exits(0);

    // Folders that cannot be listed may hold plugins: nothing is dropped for that.
    let elsewhere = "plugins.dirs=[\"/nowhere\"]";
    let run = sandbox.run(&["--set", elsewhere, "plugin", "lock", "--lock-file", "other.lock"]).exits(2);
    assert_has(&run.stderr, &["cannot list `/nowhere`"]);
    let run = sandbox.run(&["plugin", "lock", "nothing", "--lock-file", "other.lock"]).exits(2);
    assert_has(&run.stderr, &["there is no plugin for provider `nothing`"]);
    let run = sandbox.run(&["plugin", "lock", "./file", "--lock-file", "other.lock"]).exits(2);
    assert_has(&run.stderr, &["`file` is no intact library file"]);
}

#[test]
fn locking_runs_nothing() {
    let fake = Fake::start_blocking(World::contoso());
    let sandbox = contoso_sandbox(&fake);
    sandbox.write("forgewatch.toml", LOCK);
    let path = vsts_path(&sandbox);
    let library = fs::read(&path).expect("the library is there");
    fs::write(&path, deadly(&library)).expect("it can be replaced");
    sandbox.run(&["plugin", "lock"]).exits(0);
    sandbox.run(&["plugin", "lock", "vsts", "--approve-all"]).exits(0);
    sandbox.run(&["plugin", "lock", "--check"]).exits(0);
    assert_has(&sandbox.run(&["plugin", "verify", "vsts"]).exits(1).stdout, &["it crashed"]);
    assert_nothing_sent(&fake);
    // What people read and review.
    let hash = sha256(&sandbox, &path);
    let name = path.file_name().expect("a name").to_string_lossy();
    let text = lock_text(&sandbox).replace(&hash, "[hash]").replace(&*name, "[file]");
    insta::assert_snapshot!("lock_file", text.replace(env!("CARGO_PKG_VERSION"), "[version]"));
}
