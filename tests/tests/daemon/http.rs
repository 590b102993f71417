//! The daemon's HTTP side before clients that mean no good, or that know no better.

mod connections;
mod orders;
mod requests;
mod streams;

use std::thread;

use forgewatch_tests::daemon::Daemon;
use forgewatch_tests::records::Records;
use forgewatch_tests::sandbox::Sandbox;
use forgewatch_tests::watchlist::Watchlist;

const OPERATE: &str = "planted0operate0token";
const READ: &str = "planted0read0token";
/// Longer than any test.
const NEVER: &str = r#""1000h""#;

/// Repositories that are checked once, and nobody is asked for a token.
fn quiet(repositories: usize) -> Watchlist {
    Watchlist::large(1, repositories).set("defaults.interval", NEVER)
}

/// With a token for each scope, from the variables `OPERATE` and `READ`.
fn guarded(list: Watchlist) -> Watchlist {
    list.table("api.tokens.operator", "token = { env = \"OPERATE\" }\nscopes = [\"operate\"]")
        .table("api.tokens.reader", "token = { env = \"READ\" }\nscopes = [\"read\"]")
}

fn bearer(token: &str) -> String {
    format!("authorization: Bearer {token}")
}

/// Everything that watches a daemon gets its answer.
#[track_caller]
fn assert_answers(daemon: &Daemon) {
    for path in ["/livez", "/readyz", "/metrics", "/api/v1/status", "/api/v1/repositories?limit=1"] {
        assert_eq!(daemon.get(path).status, 200, "{path}");
    }
}

/// Has a daemon make its state, and puts so many events before its own that happened so many days ago.
fn plant(sandbox: &Sandbox, events: u32, days: u32) {
    Daemon::start(sandbox).stop();
    let state = rusqlite::Connection::open(Records::of(sandbox).path()).expect("a state");
    let rows = format!(
        "INSERT INTO events (seq, id, day, kind, at, payload) \
         WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < {events}) \
         SELECT n, 'planted-' || n, unixepoch() / 86400 - {days}, 'generic', (unixepoch() - {days} * 86400) * 1000, \
         json_object('generic', printf('%.*c', 500, 'x')) FROM numbers"
    );
    state.execute("UPDATE events SET seq = seq + ?1", [events]).expect("it can be written");
    state.execute(&rows, []).expect("it can be written");
}

/// What each of so many clients gets that all come at once.
fn at_once<T: Send>(clients: usize, ask: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let ask = &ask;
    thread::scope(|scope| {
        let asking: Vec<_> = (0..clients).map(|client| scope.spawn(move || ask(client))).collect();
        asking.into_iter().map(|client| client.join().expect("it does not fail")).collect()
    })
}
