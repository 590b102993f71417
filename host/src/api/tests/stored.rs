use std::sync::Arc;

use serde_json::json;
use tempfile::TempDir;

use super::fixture::at;
use super::lists::resolved;
use crate::api::stored::Stored;
use crate::state::{Event, EventFilter, EventKind, IncidentRow, Save, State, Writer};

#[tokio::test]
async fn what_the_daemon_has_written_can_be_read_while_it_goes_on() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("state.db");
    let writer = Writer::start(&path).unwrap();
    let open = IncidentRow { id: "still".to_owned(), resolved_at: None, ..resolved(9) };
    let events = ["alpha", "beta"].map(|repository| Event {
        id: format!("check-{repository}"),
        kind: EventKind::Error,
        at: at(1).into(),
        integration: Some("acme".to_owned()),
        repository: Some(repository.to_owned()),
        fingerprint: None,
        payload: json!({}),
    });
    let incidents = vec![resolved(1), resolved(2), open];
    writer.submit(Save { incidents, events: events.into(), ..Save::default() });
    writer.health().wait_for(|health| health.last_seq == 2).await.unwrap();

    let stored = Stored::new(Arc::new(State::open_read_only(&path).unwrap()));
    assert_eq!((stored.oldest_seq().await.unwrap(), stored.last_seq().await.unwrap()), (Some(1), 2));
    let beta = EventFilter { repository: Some("beta".to_owned()), ..EventFilter::default() };
    let seqs = |events: Vec<crate::state::StoredEvent>| events.iter().map(|it| it.seq).collect::<Vec<_>>();
    assert_eq!(seqs(stored.events(beta, None, None, 9).await.unwrap()), [2]);
    assert_eq!(seqs(stored.events(EventFilter::default(), None, Some(0), 1).await.unwrap()), [1]);
    assert_eq!(seqs(stored.events(EventFilter::default(), Some(2), None, 9).await.unwrap()), [1]);

    let newest = stored.resolved_incidents(None, 1).await.unwrap();
    assert_eq!(newest, [resolved(2)]);
    assert_eq!(stored.resolved_incidents(Some(newest[0].cursor()), 9).await.unwrap(), [resolved(1)]);
    assert_eq!(stored.incident("gone-1".to_owned()).await.unwrap(), Some(resolved(1)));
    assert_eq!(stored.incident("gone-\0".to_owned()).await.unwrap(), None);
}
