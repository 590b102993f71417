//! A month of a repository's life, written into a state behind its daemon's back: nobody waits for a picture of one.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rusqlite::{Connection, params};
use serde_json::{Value, json};

use crate::daemon::Daemon;
use crate::records::Records;
use crate::sandbox::Sandbox;

const HOUR: Duration = Duration::from_secs(3_600);
/// How many hours ago what was believed, and why.
const TURNS: [(u32, &str, &str); 9] = [
    (690, "granted", "granted"),
    (600, "denied", "not_found"),
    (588, "granted", "granted"),
    (420, "denied", "forbidden"),
    (330, "denied", "disabled"),
    (300, "granted", "granted"),
    (96, "denied", "unauthorized"),
    (90, "granted", "granted"),
    (30, "denied", "not_found"),
];

/// Has a daemon make its state and gives the repository of this name a past in it.
pub(super) fn plant(sandbox: &Sandbox, integration: &str, repository: &str) {
    Daemon::start(sandbox).stop();
    let state = Connection::open(Records::of(sandbox).path()).expect("a state");
    let mut from = json!({ "verdict": null, "reason": null });
    for (hours, verdict, reason) in TURNS {
        let to = json!({ "verdict": verdict, "reason": reason });
        let detail = format!("the forge said so {hours} hours ago");
        let payload = json!({ "generic": "transition", "from": from, "to": to, "detail": detail });
        insert(&state, hours, integration, repository, &payload);
        from = to;
    }
}

fn insert(state: &Connection, hours: u32, integration: &str, repository: &str, payload: &Value) {
    let at = SystemTime::now() - HOUR * hours;
    let at = at.duration_since(UNIX_EPOCH).expect("it is later").as_millis() as i64;
    let row = "INSERT INTO events (id, day, kind, at, integration, repository, payload) \
               VALUES (?1, ?2, 'generic', ?3, ?4, ?5, ?6)";
    let id = format!("transition-{at:x}-{repository}");
    let values = params![id, at.div_euclid(86_400_000), at, integration, repository, payload.to_string()];
    state.execute(row, values).expect("it can be written");
}
