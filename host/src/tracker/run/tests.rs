use std::path::Path;

use super::*;
use crate::config;
use crate::daemon::fake::{self, Fake};
use crate::journal::{Cause, Fingerprint, Incidents};
use crate::state::State;
use crate::verdict::Reason;

fn followed(state: &Path) -> Handle {
    let daemon = Fake::start(fake::ledger(fake::world([])));
    let settings = watch::Sender::new(Arc::new(Settings::of(&config::of_text(""))));
    Handle::restored(settings, Arc::new(daemon.handle), Arc::new(State::open(state).unwrap())).unwrap()
}

fn over(number: usize, days: u64) -> Incident {
    let print = Fingerprint::new("acme", Reason::NotFound, Cause::Repository, &number.to_string());
    let incident = Incidents::default().failed(&print, "gone", Moment::now()).1.clone();
    let since = -i64::try_from(days).unwrap() * 24 * 60 * 60 * 1_000;
    Incident { resolved_at: Some(Moment::now().shifted(since)), ..incident }
}

fn is_owed(record: &mut Record) {
    let issue = forgewatch_plugin_api::Issue::new("31", "x", "Bug", "New");
    record.issue = Some(super::super::record::Link::new("acme", &issue));
    record.owed.end = true;
}

#[tokio::test]
async fn what_a_tracker_is_still_to_be_told_is_not_forgotten_with_its_incident() {
    let folder = tempfile::tempdir().unwrap();
    let handle = followed(&folder.path().join("state.db"));
    let (told, owed, late) = (over(1, 0), over(2, 29), over(3, 31));
    handle.plant(&told, |_| {});
    handle.plant(&owed, is_owed);
    handle.plant(&late, is_owed);
    handle.shared.prune().unwrap();
    assert!(handle.get(&owed.id).is_some(), "its issue is open still");
    assert!(handle.get(&told.id).is_none() && handle.get(&late.id).is_none());
}
