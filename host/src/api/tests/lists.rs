use std::sync::Arc;
use std::time::{Duration, SystemTime};

use forgewatch_plugin_api::Requirements;
use serde_json::json;

use super::fixture::{Fixture, at, names};
use crate::journal::{Cause, Incident};
use crate::state::IncidentRow;
use crate::sweep::{Probed, Who};
use crate::verdict::{Pending, Reason};

const ALL: [&str; 5] = ["Gamma/Übersicht web", "alpha", "beta", "delta", "epsilon"];

#[tokio::test]
async fn each_filter_takes_what_fits_and_all_have_to() {
    let api = Fixture::new();
    api.confirm("alpha", Reason::Granted, 10);
    api.confirm("beta", Reason::NotFound, 20);
    api.check("delta", Reason::Unreachable, 30);
    api.daemon.change(|ledger| ledger.entries[3].stale = true);
    let print = api.open_incident(Reason::NotFound, &["beta"], 20);
    let incident = format!("incident={print}");
    let cases: &[(&str, &[&str])] = &[
        ("", &ALL),
        ("verdict=granted", &["alpha"]),
        ("verdict=denied", &["beta"]),
        ("verdict=indeterminate", &["delta"]),
        ("verdict=unknown", &["Gamma/Übersicht web", "epsilon"]),
        ("reason=unreachable", &["delta"]),
        ("integration=acme", &ALL),
        ("integration=other", &[]),
        ("provider=vsts", &ALL),
        ("provider=github", &[]),
        ("label=team:payments", &["alpha", "beta"]),
        ("label=team:payments&label=tier:1", &["alpha"]),
        ("label=url:a%3Ab", &["Gamma/Übersicht web"]),
        ("label=team:", &[]),
        ("q=ÜBER", &["Gamma/Übersicht web"]),
        ("q=%C3%BCBER", &["Gamma/Übersicht web"]),
        ("q=LT", &["delta"]),
        ("q=.", &[]),
        ("q=", &ALL),
        (&incident, &["beta"]),
        ("incident=0", &[]),
        ("stale=true", &["delta"]),
        ("stale=true&verdict=granted", &[]),
        ("label=team:payments&verdict=denied&q=et", &["beta"]),
    ];
    for (query, expected) in cases {
        assert_eq!(api.names(query).await, *expected, "{query}");
    }
}

#[tokio::test]
async fn lists_are_sorted_and_what_is_missing_comes_first() {
    let api = Fixture::new();
    api.confirm("alpha", Reason::Granted, 30);
    api.confirm("beta", Reason::NotFound, 10);
    api.check("delta", Reason::Unreachable, 20);
    let cases: &[(&str, [&str; 5])] = &[
        ("name", ALL),
        ("-name", ["epsilon", "delta", "beta", "alpha", "Gamma/Übersicht web"]),
        ("checked_at", ["Gamma/Übersicht web", "epsilon", "beta", "delta", "alpha"]),
        ("-checked_at", ["alpha", "delta", "beta", "epsilon", "Gamma/Übersicht web"]),
        ("since", ["Gamma/Übersicht web", "delta", "epsilon", "beta", "alpha"]),
        ("-since", ["alpha", "beta", "epsilon", "delta", "Gamma/Übersicht web"]),
        ("verdict", ["Gamma/Übersicht web", "epsilon", "beta", "delta", "alpha"]),
        ("-verdict", ["alpha", "delta", "beta", "epsilon", "Gamma/Übersicht web"]),
    ];
    for (sort, expected) in cases {
        assert_eq!(api.names(&format!("sort={sort}")).await, expected, "{sort}");
        let mut paged = Vec::new();
        let mut cursor = String::new();
        loop {
            // A cursor keeps its order, so only the first page has to name one.
            let sort = if cursor.is_empty() { format!("sort={sort}") } else { format!("cursor={cursor}") };
            let page = api.get(&format!("/api/v1/repositories?limit=2&{sort}")).await.body;
            assert_eq!(page["total"], 5);
            paged.extend(names(&page));
            match page["next"].as_str() {
                Some(next) => next.clone_into(&mut cursor),
                None => break,
            }
        }
        assert_eq!(paged, expected, "{sort} in pages");
    }
}

#[tokio::test]
async fn pages_go_on_where_they_were_whatever_changes_in_between() {
    let api = Fixture::new();
    for (second, name) in ALL.iter().enumerate() {
        api.confirm(name, Reason::Granted, second as u64 + 1);
    }
    let page = api.get("/api/v1/repositories?limit=2&sort=since").await.body;
    assert_eq!(names(&page), ALL[..2]);
    let cursor = page["next"].as_str().unwrap();
    // The last one that was shown turns and moves behind all others; the others are neither skipped nor repeated.
    api.confirm("alpha", Reason::NotFound, 100);
    assert_eq!(api.names(&format!("cursor={cursor}")).await, ["beta", "delta", "epsilon", "alpha"]);
    // It goes away altogether.
    let gone = format!("0{:016x}{}", 0, hex("c"));
    assert_eq!(api.names(&format!("cursor={gone}")).await, ["delta", "epsilon"]);
    let gone = format!("1{:016x}{}", 0, hex("c"));
    assert_eq!(api.names(&format!("cursor={gone}")).await, ["beta", "alpha", "Gamma/Übersicht web"]);
}

fn hex(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test]
async fn a_repository_says_what_is_known_of_it() {
    let api = Fixture::new();
    let path = "/api/v1/repositories/Gamma%2F%C3%9Cbersicht%20web";
    let name = "Gamma/Übersicht web";
    let nothing = api.get(path).await.body;
    let mut expected = json!({
        "name": name, "integration": "acme", "provider": "vsts", "project": "Payments", "repository": name,
        "external_id": null, "labels": { "team": "web", "url": "a:b" }, "discovery": null, "has_access": false, "verdict": null,
        "reason": null, "detail": "", "since": null, "pending": null, "stale": false, "last_check": null,
        "next_check": null, "incident": null,
        "rules": {
            "interval_s": 900.0, "failure_threshold": 2, "success_threshold": 1, "stale_after_s": 21600.0
        },
        "history": []
    });
    assert_eq!(nothing, expected);

    api.confirm(name, Reason::Granted, 0);
    api.check(name, Reason::NotFound, 1);
    let fingerprint = api.open_incident(Reason::NotFound, &[name], 1);
    let seq = api.journal.append(crate::state::EventKind::Error, name);
    api.journal.append(crate::state::EventKind::Error, "alpha");
    api.daemon.change(|ledger| {
        let entry = &mut ledger.entries[0];
        entry.standing.pending = Some(Pending { reason: Reason::NotFound, count: 1 });
        entry.next_check = Some(at(2));
    });
    let known = api.get("/api/v1/repositories/Gamma/%C3%9Cbersicht%20web").await.body;
    expected["has_access"] = json!(true);
    expected["verdict"] = json!("granted");
    expected["reason"] = json!("granted");
    expected["since"] = json!("1970-01-01T00:00:00.000Z");
    expected["pending"] = json!({ "reason": "not_found", "count": 1 });
    expected["last_check"] = json!({
        "at": "1970-01-01T00:00:01.000Z", "reason": "not_found", "detail": "as seen", "http_status": 200,
        "retry_after_s": null, "duration_ms": 1.5
    });
    expected["next_check"] = json!("1970-01-01T00:00:02.000Z");
    expected["incident"] = json!({ "id": format!("{fingerprint}-3e8"), "fingerprint": fingerprint });
    expected["history"] = json!([{
        "seq": seq, "id": "event-1", "kind": "error", "at": "1970-01-01T00:00:01.000Z", "integration": "acme",
        "repository": name, "fingerprint": null, "payload": { "note": "line\nbreak" }
    }]);
    assert_eq!(known, expected);

    let unknown = api.get("/api/v1/repositories/nobody").await;
    assert_eq!((unknown.status.as_u16(), &unknown.body["error"]["code"]), (404, &json!("not_found")));
}

#[tokio::test]
async fn integrations_count_their_repositories_and_show_no_password() {
    let api = Fixture::new();
    api.confirm("alpha", Reason::Granted, 1);
    api.confirm("beta", Reason::NotFound, 1);
    api.daemon.change(|ledger| {
        let standby = ledger.integrations.get_mut("acme").unwrap();
        standby.running = 3;
        standby.trouble_since = Some(at(1));
    });
    let one = api.get("/api/v1/integrations/acme").await.body;
    let expected = json!({
        "name": "acme", "provider": "vsts", "base_url": "https://dev.azure.com/acme/", "identity": "bot",
        "credential": {
            "name": "bot", "kind": "pat", "expires_at": null, "renews": false, "subject": null, "scopes": [],
            "may": { "read": null, "write": null, "webhooks": null }, "probed_at": null
        },
        "repositories": 5, "verdicts": { "granted": 1, "denied": 1, "indeterminate": 0, "unknown": 3 },
        "reasons": { "granted": 1, "not_found": 1 }, "running": 3, "waiting": 0, "held_until": null,
        "held_for": null, "rate_budget": null,
        "trouble_since": "1970-01-01T00:00:01.000Z", "investigating": false
    });
    assert_eq!(one, expected);
    assert_eq!(api.get("/api/v1/integrations").await.body, json!({ "items": [expected] }));
    assert_eq!(api.get("/api/v1/integrations/other").await.status, 404);
}

#[tokio::test]
async fn an_integration_shows_what_its_forge_says_of_the_identity() {
    let api = Fixture::new();
    let end = SystemTime::UNIX_EPOCH + Duration::from_secs(4_000_000_000);
    let who = Who {
        subject: Some("deploy-bot".to_owned()),
        expires_at: Some(end),
        scopes: vec!["repo".to_owned(), "read:org".to_owned()],
    };
    let may = Requirements::unknown().with_read(true).with_webhooks(false);
    api.daemon.change(|ledger| {
        let probed = Probed { who: Some(who), may: Some(may) };
        ledger.integrations.get_mut("acme").unwrap().identity = Some((at(7), Arc::new(probed)));
    });
    let one = api.get("/api/v1/integrations/acme").await.body;
    let expected = json!({
        "name": "bot", "kind": "pat", "expires_at": "2096-10-02T07:06:40.000Z", "renews": false,
        "subject": "deploy-bot", "scopes": ["repo", "read:org"],
        "may": { "read": true, "write": null, "webhooks": false }, "probed_at": "1970-01-01T00:00:07.000Z"
    });
    assert_eq!((&one["identity"], &one["credential"]), (&json!("bot"), &expected));
    let status = api.get("/api/v1/status").await.body;
    let expected = json!([{ "name": "bot", "expires_at": "2096-10-02T07:06:40.000Z", "renews": false }]);
    assert_eq!(status["identities"], expected);
}

#[tokio::test]
async fn open_incidents_come_from_the_ledger_and_resolved_ones_from_the_state() {
    let api = Fixture::new();
    let names = ["alpha", "beta", "delta"];
    let prints: Vec<_> =
        (1..).zip(names).map(|(second, name)| api.open_incident(Reason::NotFound, &[name], second)).collect();
    let mut expected: Vec<_> =
        prints.iter().zip(1..).map(|(print, s)| format!("{print}-{:x}", s * 1000)).collect();
    expected.reverse();
    assert_eq!(in_pages(&api, "open").await, expected);
    let one = api.get(&format!("/api/v1/incidents/{}", expected[0])).await.body;
    assert_eq!(
        (&one["state"], &one["affected"], &one["cause"]),
        (&json!("open"), &json!(1), &json!("repository"))
    );

    api.journal.keep((1..=3).map(resolved).collect()).await;
    assert_eq!(in_pages(&api, "resolved").await, ["gone-3", "gone-2", "gone-1"]);
    let one = api.get("/api/v1/incidents/gone-1").await.body;
    assert_eq!(
        (&one["state"], &one["resolved_at"]),
        (&json!("resolved"), &json!("1970-01-01T00:00:01.000Z"))
    );
    assert_eq!(api.get("/api/v1/incidents/nothing").await.status, 404);
}

async fn in_pages(api: &Fixture, state: &str) -> Vec<String> {
    let mut ids = Vec::new();
    let mut path = format!("/api/v1/incidents?state={state}&limit=2");
    loop {
        let page = api.get(&path).await.body;
        ids.extend(page["items"].as_array().unwrap().iter().map(|it| it["id"].as_str().unwrap().to_owned()));
        let Some(next) = page["next"].as_str() else { return ids };
        path = format!("/api/v1/incidents?state={state}&limit=2&cursor={next}");
    }
}

pub(super) fn resolved(second: u64) -> IncidentRow {
    let incident = Incident {
        id: format!("gone-{second}"),
        fingerprint: "print".to_owned(),
        integration: "acme".to_owned(),
        repository: None,
        reason: Reason::Unreachable,
        cause: Cause::Forge,
        detail: String::new(),
        first_seen: at(0),
        last_seen: at(0),
        resolved_at: Some(at(second)),
        count: 1,
        affected: 0,
        most_affected: 1,
    };
    IncidentRow {
        id: incident.id.clone(),
        fingerprint: incident.fingerprint.clone(),
        opened_at: at(0).into(),
        resolved_at: Some(at(second).into()),
        incident: serde_json::to_string(&incident).unwrap(),
    }
}
