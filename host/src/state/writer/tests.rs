use std::fs;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::mpsc;

use rusqlite::Connection;
use serde_json::json;
use tempfile::TempDir;

use super::super::{Event, EventFilter, EventKind, Existing, IncidentRow, State, inspect};
use super::*;

/// Only flushes and full groups are written at once; what fails is tried again very soon.
const PACE: Pace = Pace {
    collect: Duration::from_secs(3600),
    rows: 2_000,
    retry: Duration::from_millis(20),
    tidy: Duration::from_secs(3600),
};
const PATIENCE: Duration = Duration::from_secs(60);

fn folder() -> (TempDir, PathBuf) {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("state.db");
    (folder, path)
}

fn event(id: &str, kind: EventKind) -> Event {
    Event {
        id: id.to_owned(),
        kind,
        at: SystemTime::now(),
        integration: Some("acme".to_owned()),
        repository: None,
        fingerprint: None,
        payload: json!({ "id": id }),
    }
}

fn events(ids: impl IntoIterator<Item = String>, kind: EventKind) -> Save {
    Save { events: ids.into_iter().map(|id| event(&id, kind)).collect(), ..Save::default() }
}

/// A group with one row for each table.
fn group(name: &str) -> Save {
    let incident = IncidentRow {
        id: name.to_owned(),
        fingerprint: "cause".to_owned(),
        opened_at: SystemTime::UNIX_EPOCH,
        resolved_at: None,
        incident: "{}".to_owned(),
    };
    Save {
        standings: vec![(name.to_owned(), Some(format!("\"{name}\"")))],
        incidents: vec![incident],
        events: vec![event(name, EventKind::Error)],
        ..Save::default()
    }
}

/// What is on disk: repositories, incidents and events, by their names.
fn on_disk(path: &Path) -> [Vec<String>; 3] {
    let state = State::open_read_only(path).unwrap();
    let standings = state.standings(|name, _| name.to_owned()).unwrap().into_iter();
    let incidents = state.incidents(true, None, 1_000_000).unwrap().into_iter().map(|row| row.id);
    let events = state.events(&EventFilter::default(), None, Some(0), 1_000_000).unwrap();
    let events = events.into_iter().map(|event| event.id);
    let mut all = [standings.collect(), incidents.collect(), events.collect::<Vec<_>>()];
    all.iter_mut().take(2).for_each(|names| names.sort());
    all
}

async fn until(writer: &Writer, wanted: impl FnMut(&Health) -> bool) -> Health {
    let mut health = writer.health();
    let waited = tokio::time::timeout(PATIENCE, health.wait_for(wanted)).await;
    match waited {
        Ok(reached) => reached.unwrap().clone(),
        Err(_) => panic!("never: {:?}", writer.health().borrow()),
    }
}

/// Does something on the writer's own connection.
fn on_connection<T: Send + 'static>(
    writer: &Writer,
    act: impl FnOnce(&Connection) -> T + Send + 'static,
) -> T {
    let (sender, receiver) = mpsc::channel();
    writer.shared.hook(Box::new(move |connection| {
        let _ = sender.send(act(connection));
    }));
    receiver.recv_timeout(PATIENCE).unwrap()
}

fn set(writer: &Writer, pragma: &'static str) {
    on_connection(writer, move |connection| {
        let mut statement = connection.prepare(pragma).unwrap();
        let mut rows = statement.query([]).unwrap();
        while rows.next().unwrap().is_some() {}
    });
}

#[tokio::test]
async fn what_is_submitted_together_soon_shares_a_commit() {
    let (_folder, path) = folder();
    let writer = Writer::start_at(&path, PACE).unwrap();
    for number in 0..500 {
        writer.submit(group(&number.to_string()));
    }
    writer.flush().await.unwrap();
    let health = until(&writer, |_| true).await;
    assert_eq!((health.commits, health.last_seq, health.waiting, health.persisting), (1, 500, 0, true));
    assert_eq!(on_disk(&path).map(|rows| rows.len()), [500; 3]);
    // An older row of the same repository, and of the same incident, made room.
    writer.submit(group("7"));
    writer.submit(Save { standings: vec![("8".to_owned(), None)], ..Save::default() });
    writer.close().await.unwrap();
    assert_eq!(on_disk(&path).map(|rows| rows.len()), [499, 500, 500]);
}

#[tokio::test]
async fn a_group_is_written_by_itself_once_enough_wait_or_after_a_while() {
    let (_folder, path) = folder();
    let writer = Writer::start_at(&path, PACE).unwrap();
    for number in 0..2_000 {
        writer.submit(events([number.to_string()], EventKind::Transaction));
    }
    until(&writer, |health| health.last_seq == 2_000).await;
    writer.close().await.unwrap();

    let writer = Writer::start_at(&path, Pace { collect: Duration::from_millis(1), ..PACE }).unwrap();
    assert_eq!(until(&writer, |_| true).await.last_seq, 2_000);
    writer.submit(group("one"));
    until(&writer, |health| health.last_seq == 2_001).await;
}

#[tokio::test]
async fn what_cannot_be_written_waits_in_order_until_it_can() {
    let (_folder, path) = folder();
    let writer = Writer::start_at(&path, PACE).unwrap();
    set(&writer, "PRAGMA busy_timeout = 1");
    let other = Connection::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    writer.submit(group("a"));
    let problem = writer.flush().await.unwrap_err().problem;
    assert!(problem.ends_with("database is locked; end the process that keeps it locked"), "{problem}");
    let health = until(&writer, |health| health.problem.is_some()).await;
    assert_eq!((health.persisting, health.waiting, health.commits), (false, 3, 0));
    assert!(health.since.is_some());
    for name in ["b", "c", "a"] {
        writer.submit(group(name));
    }
    assert!(writer.flush().await.is_err());
    assert_eq!(on_disk(&path).map(|rows| rows.len()), [0; 3]);

    other.execute_batch("ROLLBACK").unwrap();
    let health = until(&writer, |health| health.persisting).await;
    assert_eq!((health.problem, health.since, health.waiting, health.last_seq), (None, None, 0, 4));
    let [standings, incidents, events] = on_disk(&path);
    assert_eq!(
        (standings, incidents),
        (vec!["a".into(), "b".into(), "c".into()], vec!["a".into(), "b".into(), "c".into()])
    );
    assert_eq!(events, ["b", "c", "a"]);
}

#[tokio::test]
async fn a_full_disk_is_waited_for() {
    let (_folder, path) = folder();
    let writer = Writer::start_at(&path, PACE).unwrap();
    set(&writer, "PRAGMA max_page_count = 1");
    let mut long = group("long");
    long.events[0].payload = json!("x".repeat(1 << 20));
    writer.submit(long);
    let problem = writer.flush().await.unwrap_err().problem;
    assert!(problem.ends_with("; make room on its disk"), "{problem}");
    writer.submit(group("short"));
    set(&writer, "PRAGMA max_page_count = 100000");
    until(&writer, |health| health.persisting && health.waiting == 0).await;
    assert_eq!(on_disk(&path)[2], ["long", "short"]);
}

#[tokio::test]
async fn a_file_that_was_removed_and_cannot_be_made_anew_is_told_with_the_way_out() {
    let (folder, _) = folder();
    let path = folder.path().join("kept/state.db");
    let writer = Writer::start_at(&path, PACE).unwrap();
    fs::remove_dir_all(folder.path().join("kept")).unwrap();
    fs::write(folder.path().join("kept"), "in its place").unwrap();
    writer.submit(group("a"));
    let problem = writer.flush().await.unwrap_err().problem;
    assert!(problem.starts_with("the state file was removed or replaced while in use: "), "{problem}");
    assert!(problem.ends_with("put the file or a backup back, or start this daemon again"), "{problem}");
}

#[tokio::test]
async fn memory_is_bounded_while_nothing_can_be_written() {
    let (_folder, path) = folder();
    let writer = Writer::start_at(&path, PACE).unwrap();
    set(&writer, "PRAGMA query_only = 1");
    writer.submit(group("first"));
    assert!(writer.flush().await.unwrap_err().problem.contains("make the file and its folder writable"));
    for round in 0..3 {
        let ids = |kind: &'static str, count: usize| (0..count).map(move |id| format!("{kind}-{round}-{id}"));
        writer.submit(events(ids("transaction", 7_000), EventKind::Transaction));
        writer.submit(events(ids("generic", 40_000), EventKind::Generic));
        let standings = (0..100).map(|it| (it.to_string(), Some(round.to_string()))).collect();
        writer.submit(Save { standings, ..Save::default() });
    }
    assert!(writer.flush().await.is_err());
    let health = until(&writer, |health| health.dropped_events > 0).await;
    let kept = 10_000 + 100_000;
    assert_eq!((health.waiting, health.dropped_events), (kept + 100 + 2, 11_000 + 20_001));

    set(&writer, "PRAGMA query_only = 0");
    until(&writer, |health| health.persisting).await;
    let [standings, incidents, written] = on_disk(&path);
    assert_eq!((standings.len(), incidents.len(), written.len()), (101, 1, kept));
    assert_eq!((written[0].as_str(), written[1].as_str()), ("first", "transaction-0-0"));
    let state = State::open_read_only(&path).unwrap();
    assert!(state.standings(|name, text| name == "99" && text == "2").unwrap().contains(&true));
    // A rush that can be written loses nothing.
    let rush = (0..15_000).map(|it| format!("rush-{it}"));
    writer.submit(events(rush, EventKind::Transaction));
    writer.flush().await.unwrap();
    assert_eq!(until(&writer, |_| true).await.last_seq, kept as i64 + 15_000);
}

#[tokio::test]
async fn a_write_that_does_not_end_is_told_and_bounded() {
    let (_folder, path) = folder();
    let writer = Writer::start_at(&path, PACE).unwrap();
    set(&writer, "PRAGMA busy_timeout = 600000");
    let other = Connection::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    writer.submit(events((0..2_000).map(|it| it.to_string()), EventKind::Transaction));
    let mut submitted = 0;
    while writer.health().borrow().persisting {
        writer.submit(events([format!("later-{submitted}")], EventKind::Transaction));
        submitted += 1;
        tokio::task::yield_now().await;
    }
    let health = until(&writer, |_| true).await;
    assert!(health.problem.unwrap().ends_with("a write to it does not end; look at its disk"));
    other.execute_batch("ROLLBACK").unwrap();
    writer.flush().await.unwrap();
    assert!(until(&writer, |_| true).await.persisting);
}

#[tokio::test]
async fn a_damaged_file_is_told_as_such_and_a_backup_in_its_place_is_used() {
    let (folder, path) = folder();
    let backup = folder.path().join("backup.db");
    let writer = Writer::start_at(&path, PACE).unwrap();
    writer.submit(group("saved"));
    writer.close().await.unwrap();
    State::open_read_only(&path).unwrap().backup(&backup, Existing::Keep).unwrap();
    let page = "SELECT 4096 * (rootpage - 1) FROM sqlite_schema WHERE name = 'events_by_kind'";
    let page: i64 = Connection::open(&path).unwrap().query_row(page, [], |row| row.get(0)).unwrap();
    let mut bytes = fs::read(&path).unwrap();
    bytes[page as usize..][..4096].fill(0xaa);
    fs::write(&path, bytes).unwrap();
    assert!(inspect(&path).unwrap().is_damaged());

    let writer = Writer::start_at(&path, PACE).unwrap();
    writer.submit(group("later"));
    let problem = writer.flush().await.unwrap_err().problem;
    assert!(problem.contains("is damaged: ") && problem.contains("`forgewatch state check`"), "{problem}");
    fs::rename(&backup, &path).unwrap();
    let health = until(&writer, |health| health.persisting).await;
    assert_eq!(health.reopened, 1);
    assert_eq!(on_disk(&path)[2], ["saved", "later"]);
    assert!(!inspect(&path).unwrap().is_damaged());
}

#[tokio::test]
async fn a_file_that_was_removed_or_replaced_is_followed() {
    let (folder, path) = folder();
    let backup = folder.path().join("backup.db");
    let writer = Writer::start_at(&path, PACE).unwrap();
    let state = State::open(&path).unwrap();
    let last = || state.events(&EventFilter::default(), None, None, 1).unwrap().pop().unwrap().id;
    writer.submit(group("a"));
    writer.flush().await.unwrap();
    state.backup(&backup, Existing::Keep).unwrap();
    writer.submit(group("only in the log"));
    writer.flush().await.unwrap();
    assert_eq!(last(), "only in the log");

    // The log that is left beside it belongs to the old file, and must not get into the new one.
    fs::rename(&backup, &path).unwrap();
    writer.submit(group("b"));
    writer.flush().await.unwrap();
    assert_eq!(until(&writer, |_| true).await.reopened, 1);
    assert_eq!(on_disk(&path)[2], ["a", "b"]);
    assert_eq!(last(), "b");

    fs::remove_file(&path).unwrap();
    writer.submit(group("c"));
    writer.flush().await.unwrap();
    assert_eq!(until(&writer, |_| true).await.reopened, 2);
    assert_eq!(on_disk(&path)[2], ["c"]);
    state.append(&event("d", EventKind::Generic)).unwrap();
    assert_eq!(on_disk(&path)[2], ["c", "d"]);
    assert!(!inspect(&path).unwrap().is_damaged());

    // With the whole folder, its lock goes too; another writer may not come in between.
    let moved = folder.path().join("moved");
    fs::create_dir(&moved).unwrap();
    for entry in fs::read_dir(folder.path()).unwrap().map(Result::unwrap) {
        if entry.path() != moved {
            fs::rename(entry.path(), moved.join(entry.file_name())).unwrap();
        }
    }
    writer.submit(group("e"));
    writer.flush().await.unwrap();
    assert_eq!(on_disk(&path)[2], ["e"]);
    assert!(matches!(Writer::start(&path), Err(StateError::InUse { .. })));
}

#[tokio::test]
async fn what_takes_the_files_place_and_is_no_state_is_told_and_left_alone() {
    let (folder, path) = folder();
    let writer = Writer::start_at(&path, PACE).unwrap();
    let text = folder.path().join("text");
    fs::write(&text, "dear diary\n".repeat(1000)).unwrap();
    fs::rename(&text, &path).unwrap();
    writer.submit(group("a"));
    let problem = writer.flush().await.unwrap_err().problem;
    assert!(problem.starts_with("the state file was removed or replaced while in use: "), "{problem}");
    assert!(
        problem.contains("cannot be opened anew: ") && problem.contains("is no intact state"),
        "{problem}"
    );
    assert!(fs::read_to_string(&path).unwrap().starts_with("dear diary"));
    fs::remove_file(&path).unwrap();
    until(&writer, |health| health.persisting && health.reopened == 1).await;
    assert_eq!(on_disk(&path)[2], ["a"]);
}

#[tokio::test]
async fn there_is_one_writer_at_a_time() {
    let (_folder, path) = folder();
    let first = Writer::start(&path).unwrap();
    let error = Writer::start(&path).err().unwrap().to_string();
    let expected = format!(
        "another daemon uses `{}`: stop it, or give this one a `state.path` of its own",
        path.display()
    );
    assert_eq!(error, expected);
    first.submit(group("a"));
    first.close().await.unwrap();
    let second = Writer::start(&path).unwrap();
    second.submit(group("b"));
    drop(second);
    let _third = Writer::start(&path).unwrap();
    assert_eq!(on_disk(&path)[2], ["a", "b"]);
}

#[tokio::test]
async fn a_writer_that_is_gone_says_so() {
    let (_folder, path) = folder();
    let writer = Writer::start_at(&path, PACE).unwrap();
    writer.shared.hook(Box::new(|_| panic!("as a test wants it")));
    let health = until(&writer, |health| !health.persisting).await;
    assert!(health.problem.unwrap().contains("a fault of forgewatch"));
    writer.submit(group("a"));
    assert!(writer.flush().await.is_err());
    assert!(writer.close().await.is_err());
}

#[tokio::test]
async fn what_is_too_old_goes_and_what_is_submitted_does_not_wait_for_that() {
    let (_folder, path) = folder();
    let writer = Writer::start_at(&path, PACE).unwrap();
    let mut old = events((0..5_000).map(|it| format!("old-{it}")), EventKind::Transaction);
    old.events.iter_mut().for_each(|event| event.at = SystemTime::UNIX_EPOCH);
    writer.submit(old);
    writer.submit(group("new"));
    let day = Duration::from_secs(86_400);
    writer.flush().await.unwrap();
    writer.set_retention(Retention { events: day, transactions: day, incidents: day });
    for number in 0.. {
        writer.submit(group(&format!("meanwhile-{number}")));
        writer.flush().await.unwrap();
        if !on_disk(&path)[2].iter().any(|id| id.starts_with("old")) {
            break;
        }
    }
    assert_eq!(on_disk(&path)[2][0], "new");
    assert!(on_disk(&path)[1].contains(&"new".to_owned()));
}

const CHILD: &str = "FORGEWATCH_TEST_STATE";

/// Run by another test in a process of its own: tells each flush that was answered.
#[tokio::test]
#[ignore = "it runs until it is killed"]
async fn a_process_that_writes_until_it_is_killed() {
    let Some(path) = std::env::var_os(CHILD) else {
        return;
    };
    let writer = Writer::start(Path::new(&path)).unwrap();
    for number in 0.. {
        writer.submit(group(&number.to_string()));
        if number % 3 == 0 {
            writer.flush().await.unwrap();
            println!("\nflushed {number}");
        }
    }
}

/// Run by the next test in a process of its own, where nobody else logs.
#[tokio::test]
#[ignore = "its log is for another test"]
async fn a_process_that_cannot_write_for_a_while() {
    let Some(path) = std::env::var_os(CHILD) else {
        return;
    };
    tracing_subscriber::fmt().with_ansi(false).init();
    let writer = Writer::start_at(Path::new(&path), PACE).unwrap();
    set(&writer, "PRAGMA query_only = 1");
    for _ in 0..3 {
        writer.submit(events((0..40_000).map(|it| it.to_string()), EventKind::Generic));
        assert!(writer.flush().await.is_err());
    }
    writer.submit(events(["one more".to_owned()], EventKind::Generic));
    set(&writer, "PRAGMA query_only = 0");
    until(&writer, |health| health.persisting).await;
}

#[test]
fn trouble_is_logged_when_it_begins_when_it_becomes_bad_and_when_it_ends() {
    let (_folder, path) = folder();
    let output = alone("a_process_that_cannot_write_for_a_while", &path).output().unwrap();
    let output = String::from_utf8(output.stdout).unwrap();
    let told: Vec<_> = output.lines().filter(|line| line.contains("the state `")).collect();
    let once = [
        ("ERROR", "a readonly database; make the file and its folder writable; checking goes on"),
        ("ERROR", "errors are dropped from its journal: see to it now"),
        ("WARN", "; 20001 events were dropped"),
    ];
    assert_eq!(told.len(), once.len(), "{output}");
    for (line, (level, text)) in told.iter().zip(once) {
        assert!(line.contains(level) && line.contains(text), "{line}");
    }
}

/// One test of these in a process of its own.
fn alone(test: &str, path: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args([&format!("state::writer::tests::{test}"), "--exact", "--ignored", "--nocapture"]);
    command.env(CHILD, path).stdout(Stdio::piped()).stderr(Stdio::null());
    command
}

#[test]
fn after_a_sudden_end_all_that_was_flushed_is_there_and_nothing_is_half_there() {
    for lines in [1, 20, 60] {
        let (_folder, path) = folder();
        let mut child = alone("a_process_that_writes_until_it_is_killed", &path).spawn().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let flushed = output.filter_map(|line| line.strip_prefix("flushed ")?.parse::<usize>().ok());
        let last = flushed.take(lines).last().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();

        let [mut standings, mut incidents, events] = on_disk(&path);
        assert!(events.len() > last, "{} of {last}", events.len());
        let expected: Vec<_> = (0..events.len()).map(|number| number.to_string()).collect();
        assert_eq!(events, expected);
        for names in [&mut standings, &mut incidents] {
            names.sort_by_key(|name| name.parse::<usize>().unwrap());
            assert_eq!(names, &expected);
        }
        assert!(!inspect(&path).unwrap().is_damaged());
    }
}

#[test]
fn a_backup_while_others_write_is_whole_and_of_one_moment() {
    let (folder, path) = folder();
    let writer = Writer::start_at(&path, PACE).unwrap();
    let state = State::open_read_only(&path).unwrap();
    let mut written = 0;
    for round in 0..5 {
        let copy = folder.path().join(format!("copy-{round}.db"));
        let before = written;
        std::thread::scope(|scope| {
            let backup = scope.spawn(|| state.backup(&copy, Existing::Keep).unwrap());
            while !backup.is_finished() {
                writer.submit(group(&written.to_string()));
                written += 1;
                let (answer, answered) = oneshot::channel();
                writer.shared.flush(answer);
                answered.blocking_recv().unwrap().unwrap();
            }
            assert!(!backup.join().unwrap().is_damaged());
        });
        let [standings, incidents, events] = on_disk(&copy);
        assert!((before..=written).contains(&events.len()));
        assert_eq!(standings, incidents);
        assert_eq!(standings.len(), events.len());
    }
}
