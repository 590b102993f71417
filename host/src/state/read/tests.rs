use serde_json::json;
use tempfile::TempDir;

use super::super::{Event, Save, Writer};
use super::*;

fn event(id: usize, kind: EventKind, repository: Option<&str>, fingerprint: Option<&str>) -> Event {
    Event {
        id: id.to_string(),
        kind,
        at: from_unix_ms(1_000 + id as i64),
        integration: Some(if id.is_multiple_of(2) { "acme" } else { "other" }.to_owned()),
        repository: repository.map(str::to_owned),
        fingerprint: fingerprint.map(str::to_owned),
        payload: json!({ "id": id }),
    }
}

/// Events 1 to 9: an error with a cause and a repository for each third, else transactions.
async fn store(save: Save) -> (TempDir, State) {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("state.db");
    let writer = Writer::start(&path).unwrap();
    let events = (1..10).map(|id| match id % 3 {
        0 => event(id, EventKind::Error, Some("web"), Some("cause")),
        _ => event(id, EventKind::Transaction, None, None),
    });
    writer.submit(Save { events: events.collect(), ..save });
    writer.close().await.unwrap();
    let state = State::open_read_only(&path).unwrap();
    (folder, state)
}

fn filters() -> Vec<EventFilter> {
    let any = EventFilter::default();
    vec![
        any.clone(),
        EventFilter { kind: Some(EventKind::Error), ..any.clone() },
        EventFilter { integration: Some("acme".to_owned()), ..any.clone() },
        EventFilter { repository: Some("web".to_owned()), ..any.clone() },
        EventFilter { fingerprint: Some("cause".to_owned()), ..any.clone() },
        EventFilter { kind: Some(EventKind::Error), integration: Some("acme".to_owned()), ..any },
    ]
}

#[tokio::test]
async fn events_are_read_in_pages_forwards_and_backwards() {
    let (_folder, state) = store(Save::default()).await;
    let read = |filter: &EventFilter, before, after, limit| -> Vec<i64> {
        let events = state.events(filter, before, after, limit).unwrap();
        events.into_iter().map(|event| event.seq).collect()
    };
    let expected: [&[i64]; 6] =
        [&[9, 8, 7, 6, 5, 4, 3, 2, 1], &[9, 6, 3], &[8, 6, 4, 2], &[9, 6, 3], &[9, 6, 3], &[6]];
    for (filter, expected) in filters().iter().zip(expected) {
        assert_eq!(read(filter, None, None, 100), expected, "{filter:?}");
        let upwards: Vec<_> = expected.iter().rev().copied().filter(|seq| *seq > 3).collect();
        assert_eq!(read(filter, None, Some(3), 100), upwards, "{filter:?}");
        let further: Vec<_> = expected.iter().copied().filter(|seq| *seq < 9).take(2).collect();
        assert_eq!(read(filter, Some(9), None, 2), further, "{filter:?}");
    }
    assert_eq!(read(&EventFilter::default(), Some(6), Some(2), 2), [3, 4]);
    let first = state.events(&EventFilter::default(), None, Some(2), 1).unwrap().remove(0);
    let expected = StoredEvent {
        seq: 3,
        id: "3".to_owned(),
        kind: EventKind::Error,
        at: from_unix_ms(1_003),
        integration: Some("other".to_owned()),
        repository: Some("web".to_owned()),
        fingerprint: Some("cause".to_owned()),
        payload: json!({ "id": 3 }),
    };
    assert_eq!(first, expected);
    assert_eq!((state.oldest_seq().unwrap(), state.last_seq().unwrap()), (Some(1), 9));
}

#[tokio::test]
async fn every_page_is_served_by_an_index() {
    let (_folder, state) = store(Save::default()).await;
    let mut queries: Vec<_> =
        filters().iter().map(|filter| (page(filter, Some(5), None, 3).0, filter.clone())).collect();
    queries.extend([OPEN_INCIDENTS, RESOLVED_INCIDENTS].map(|it| (it.to_owned(), EventFilter::default())));
    for (query, filter) in queries {
        let plan = state
            .read(|connection| {
                let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {query}"))?;
                let places = statement.parameter_count();
                let rows =
                    statement.query_map(params_from_iter(vec![0; places]), |row| row.get::<_, String>(3))?;
                rows.collect::<rusqlite::Result<Vec<_>>>()
            })
            .unwrap()
            .unwrap();
        assert!(plan.len() == 1 && plan[0].starts_with("SEARCH"), "{filter:?}: {plan:?}");
    }
}

#[tokio::test]
async fn incidents_are_read_open_or_resolved_newest_first() {
    let row = |id: &str, opened_at: i64, resolved_at: Option<i64>| IncidentRow {
        id: id.to_owned(),
        fingerprint: "cause".to_owned(),
        opened_at: from_unix_ms(opened_at),
        resolved_at: resolved_at.map(from_unix_ms),
        incident: format!("{{\"id\":\"{id}\"}}"),
    };
    let rows = [("a", 1, None), ("b", 2, Some(9)), ("c", 3, None), ("d", 3, None), ("e", 4, Some(5))];
    let incidents: Vec<_> = rows.map(|(id, opened, resolved)| row(id, opened, resolved)).into();
    let standings = vec![("web".to_owned(), Some("{}".to_owned()))];
    let (_folder, state) = store(Save { incidents, standings, ..Save::default() }).await;
    let pages = |open| {
        let (mut ids, mut cursor) = (Vec::new(), None);
        loop {
            let page = state.incidents(open, cursor.as_ref(), 1).unwrap();
            let Some(last) = page.last() else { return ids.concat() };
            ids.extend(page.iter().map(|row| row.id.clone()));
            cursor = Some(last.cursor());
        }
    };
    assert_eq!((pages(true), pages(false)), ("dca".to_owned(), "be".to_owned()));
    assert_eq!(state.incidents(false, None, 1).unwrap(), [row("b", 2, Some(9))]);
    assert_eq!(
        state.standings(|name, text| (name.to_owned(), text.to_owned())).unwrap(),
        [("web".to_owned(), "{}".to_owned())]
    );
}

#[tokio::test]
async fn numbers_are_not_used_twice_after_the_newest_were_deleted() {
    let (_folder, reader) = store(Save::default()).await;
    let state = State::open(reader.path()).unwrap();
    state.write(|connection| connection.execute("DELETE FROM events", [])).unwrap();
    assert_eq!((reader.oldest_seq().unwrap(), reader.last_seq().unwrap()), (None, 9));
    state.append(&event(1, EventKind::Generic, None, None)).unwrap();
    assert_eq!((reader.oldest_seq().unwrap(), reader.last_seq().unwrap()), (Some(10), 10));
}
