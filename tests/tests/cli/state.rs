//! The state file: shared, refused, missing, private, and whole after a sudden end.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Stdio;

use forgewatch_tests::fake::{Answer, Fake, Match, World, contoso};
use forgewatch_tests::sandbox::Sandbox;
use rusqlite::Connection;

use crate::support::{CONTOSO, assert_has, contoso_sandbox, finish};

const STOREFRONT: &str =
    "[repositories.storefront]\nurl = \"https://dev.azure.com/contoso/Web%20Shop/_git/storefront\"\n";

fn sandbox() -> (Fake, Sandbox) {
    let fake = Fake::start_blocking(World::contoso());
    let sandbox = contoso_sandbox(&fake);
    sandbox.write("forgewatch.toml", format!("{CONTOSO}{STOREFRONT}"));
    (fake, sandbox)
}

fn mode(path: &Path) -> u32 {
    let metadata = fs::metadata(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    metadata.permissions().mode() & 0o777
}

fn count(path: &Path, query: &str) -> i64 {
    let store = Connection::open(path).expect("the store opens");
    store.query_row(query, [], |row| row.get(0)).expect("an answer")
}

/// Integrations with a base URL that is looked up and saved, and a repository in each.
fn to_repair(names: impl Iterator<Item = String>) -> String {
    let one = |name: String| {
        format!(
            "[integrations.{name}]\nprovider = \"vsts\"\nexternal_id = \"{}\"\nidentity = \"reader\"\n\
             domain_name = \"contoso.visualstudio.com\"\n[repositories.{name}]\nintegration = \"{name}\"\n\
             project = \"Tools\"\nname = \"Tools\"\n",
            contoso::ACCOUNT_ID
        )
    };
    let identity = "[identities.reader]\nkind = \"pat\"\ntoken = { env = \"READER\" }\n\
                    [providers.vsts]\nallow_hosts = [\"app.vssps.visualstudio.com\", \"dev.azure.com\"]\n";
    identity.to_owned() + &names.map(one).collect::<String>()
}

#[test]
fn processes_that_share_a_store_lose_nothing() {
    const PROCESSES: usize = 3;
    const EACH: usize = 20;
    let fake = Fake::start_blocking(World::contoso());
    let sandbox = contoso_sandbox(&fake);
    let running: Vec<_> = (0..PROCESSES)
        .map(|process| {
            let file = format!("process-{process}.toml");
            sandbox.write(&file, to_repair((0..EACH).map(|it| format!("it-{process}-{it}"))));
            let mut command = sandbox.command(&["check", "--format", "json", "--config", &file]);
            command.stdout(Stdio::piped()).stderr(Stdio::piped());
            command.spawn().expect("the binary can be started")
        })
        .collect();
    for child in running {
        let output = child.wait_with_output().expect("it ends");
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    }
    let store = sandbox.path("state/forgewatch/state.db");
    let saved = "SELECT count(*) FROM metadata WHERE value = 'https://dev.azure.com/contoso/'";
    assert_eq!(count(&store, saved), (PROCESSES * EACH) as i64);
    let sweeps = "SELECT count(*) FROM events WHERE kind = 'transaction' AND repository IS NULL";
    assert_eq!(count(&store, sweeps), PROCESSES as i64);

    // What they saved is used: nobody is asked for the base URL again.
    fake.take_requests();
    sandbox.run(&["check", "--config", "process-1.toml"]).exits(0);
    let asked = fake.requests_to(|request| request.host == "app.vssps.visualstudio.com");
    assert!(asked.is_empty(), "{asked:?}");
}

#[test]
fn the_store_is_its_owners_alone_and_lies_where_the_rules_say() {
    let (_fake, sandbox) = sandbox();
    sandbox.run(&["check"]).exits(0);
    let folder = sandbox.path("state/forgewatch");
    assert_eq!(mode(&folder), 0o700);
    for entry in fs::read_dir(&folder).expect("the folder is there") {
        let path = entry.expect("an entry").path();
        assert_eq!(mode(&path), 0o600, "{}", path.display());
    }
    // A store that others may read is taken from them.
    fs::set_permissions(folder.join("state.db"), fs::Permissions::from_mode(0o644)).expect("its owner may");
    sandbox.run(&["check"]).exits(0);
    assert_eq!(mode(&folder.join("state.db")), 0o600);

    let mut command = sandbox.command(&["check"]);
    command.env("XDG_STATE_HOME", "not/absolute");
    finish(command).exits(0);
    assert!(sandbox.path("home/.local/state/forgewatch/state.db").is_file());
    sandbox.run(&["check", "--set", "state.path=here/it.db"]).exits(0);
    assert!(sandbox.path("here/it.db").is_file());
}

#[test]
fn what_is_no_store_of_this_version_is_refused_and_left_as_it_is() {
    let (fake, sandbox) = sandbox();
    sandbox.run(&["check", "--set", "state.path=good.db"]).exits(0);
    let good = fs::read(sandbox.path("good.db")).expect("the store is there");
    fake.take_requests();

    fs::copy(sandbox.path("good.db"), sandbox.path("newer.db")).expect("a copy");
    let newer = Connection::open(sandbox.path("newer.db")).expect("the store opens");
    newer
        .execute_batch("PRAGMA journal_mode = DELETE; PRAGMA user_version = 99;")
        .expect("the version can be set");
    drop(newer);
    let foreign = Connection::open(sandbox.path("foreign.db")).expect("a database");
    foreign.execute_batch("CREATE TABLE theirs (a)").expect("a table");
    drop(foreign);
    sandbox.write("text.db", "dear diary\n".repeat(100));
    sandbox.write("short.db", "dear diary");
    sandbox.write("header.db", [b"SQLite format 3\0", &[0xaa; 4096][..]].concat());
    sandbox.write("cut.db", &good[..good.len() / 2]);
    fs::create_dir(sandbox.path("folder.db")).expect("a folder");
    for (name, message) in [
        ("newer.db", "has schema 99, this version knows 5: upgrade, or choose another `state.path`"),
        ("foreign.db", "another program made this database"),
        ("text.db", "is no intact state of forgewatch"),
        ("short.db", "is no intact state of forgewatch"),
        ("header.db", "is no intact state of forgewatch"),
        ("cut.db", "is no intact state of forgewatch"),
        ("folder.db", "it is a folder"),
    ] {
        let path = sandbox.path(name);
        let before = fs::read(&path).ok();
        if path.is_file() {
            fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).expect("its owner may");
        }
        let run = sandbox.run(&["check", "--set", &format!("state.path={name}")]).exits(2);
        assert_has(
            &run.stderr,
            &["error: state.path: ", message, "\n  where: --set state.path\n", &*path.to_string_lossy()],
        );
        assert_eq!((run.stdout.as_str(), run.stderr.lines().count()), ("", 2), "{run:#?}");
        assert_eq!(fs::read(&path).ok(), before, "{name} was changed");
        if path.is_file() && name != "cut.db" {
            assert_eq!(mode(&path), 0o644, "{name}");
        }
    }
    assert!(fake.requests().is_empty());
}

#[test]
fn a_store_that_cannot_be_written_is_a_warning() {
    let (_fake, sandbox) = sandbox();
    sandbox.write("file", "");
    for path in ["file/state.db", "/proc/nobody/state.db", "/dev/null/state.db"] {
        let run = sandbox.run(&["check", "--format=json", "--set", &format!("state.path={path}")]);
        let run = run.exits(0);
        assert_eq!(run.json()["summary"]["granted"], 1);
        assert_has(&run.stderr, &[" WARN ", "cannot be written", "checking goes on, but nothing is saved"]);
    }
}

#[test]
fn a_store_is_whole_after_a_sudden_end() {
    let fake = Fake::start_blocking(World::contoso());
    let sandbox = contoso_sandbox(&fake);
    let names = |count: usize| (0..count).map(|it| format!("it-{it:02}"));
    let hanging =
        "[repositories.zz]\nintegration = \"it-00\"\nproject = \"Web Shop\"\nname = \"storefront\"\n";
    sandbox.write("forgewatch.toml", to_repair(names(20)) + hanging);
    fake.fault(Match::any().path_contains("storefront"), Answer::hang());
    // Killed after ever more results.
    for lines in [1, 4, 9, 19] {
        let mut command = sandbox.command(&["check", "--format", "ndjson", "--set", "http.concurrency=2"]);
        command.stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().expect("the binary can be started");
        let output = BufReader::new(child.stdout.take().expect("it is piped"));
        let read = output.lines().take(lines).map_while(Result::ok).count();
        assert_eq!(read, lines);
        child.kill().expect("it runs");
        child.wait().expect("it ends");
    }
    fake.clear_faults();
    let run = sandbox.run(&["check"]).exits(0);
    assert_eq!(run.stderr, "");
    let store = sandbox.path("state/forgewatch/state.db");
    let sound = "SELECT count(*) FROM pragma_integrity_check WHERE integrity_check = 'ok'";
    assert_eq!(count(&store, sound), 1);
    assert_eq!(count(&store, "SELECT count(*) FROM metadata"), 20);
}
