use axum::body::Body;
use serde_json::{Value, json};

use super::fixture::{Fixture, LISTEN, at, request};
use crate::api::access::Access;
use crate::config::ApiAuth;
use crate::daemon::Reloads;

#[tokio::test]
async fn what_is_wrong_with_a_query_is_told_in_one_shape() {
    let api = Fixture::new();
    let cases = [
        ("repositories?limit=0", "limit"),
        ("repositories?limit=1001", "limit"),
        ("repositories?limit=99999999999999999999999", "limit"),
        ("repositories?limit=ten", "limit"),
        ("repositories?limit=", "limit"),
        ("repositories?limit=1&limit=1", "twice"),
        ("repositories?sort=size", "sort"),
        ("repositories?verdict=fine", "verdict"),
        ("repositories?reason=", "reason"),
        ("repositories?stale=maybe", "stale"),
        ("repositories?label=team", "label"),
        ("repositories?cursor=next", "cursor"),
        ("repositories?cursor=0", "cursor"),
        ("repositories?colour=red", "unknown parameter `colour`"),
        ("repositories?q=%FF", "UTF-8"),
        ("repositories?%FF=1", "UTF-8"),
        ("repositories/alpha?limit=1", "there is none"),
        ("repositories/%FF", "UTF-8"),
        ("status?verbose=1", "there is none"),
        ("incidents?state=closed", "state"),
        ("events?after=-1", "after"),
        ("events?after=9223372036854775808", "after"),
        ("events?kind=odd", "kind"),
    ];
    for (path, expected) in cases {
        let answer = api.get(&format!("/api/v1/{path}")).await;
        assert_eq!(answer.status, 400, "{path}: {}", answer.body);
        assert_eq!(answer.body["error"]["code"], "bad_request", "{path}");
        let message = answer.body["error"]["message"].as_str().unwrap();
        assert!(message.contains(expected), "{path}: {message}");
    }
    let long = "x".repeat(201);
    assert_eq!(api.get(&format!("/api/v1/repositories?q={long}")).await.status, 400);
    let labels = |number: usize| format!("/api/v1/repositories?{}", "label=team:payments&".repeat(number));
    assert_eq!(api.get(&labels(20)).await.status, 200);
    let answer = api.get(&labels(21)).await;
    assert_eq!((answer.status.as_u16(), &answer.body["error"]["code"]), (400, &json!("bad_request")));
    let message = answer.body["error"]["message"].as_str().unwrap();
    assert!(message.starts_with("`label`: ") && message.contains("more than 20 items"), "{message}");
    let odd = ["integration=%00", "q=%00%5C(", "label=%00:%00", "after=9223372036854775807"];
    for (path, query) in ["repositories", "repositories", "repositories", "events"].iter().zip(odd) {
        assert_eq!(api.get(&format!("/api/v1/{path}?{query}")).await.status, 200, "{query}");
    }
}

#[tokio::test]
async fn what_is_nowhere_and_what_takes_no_such_method_are_told_in_the_same_shape() {
    let api = Fixture::new();
    let cases = [
        ("GET", "/nowhere", 404, "not_found", None),
        ("GET", "/", 404, "not_found", None),
        ("GET", "/api/v1/repositories/", 404, "not_found", None),
        ("POST", "/livez", 405, "method_not_allowed", Some("GET,HEAD")),
        ("GET", "/-/reload", 405, "method_not_allowed", Some("POST")),
        ("DELETE", "/api/v1/repositories/alpha", 405, "method_not_allowed", Some("GET,HEAD")),
    ];
    for (method, path, status, code, allow) in cases {
        let answer = api.answer(request(method, path).body(Body::empty()).unwrap()).await;
        assert_eq!((answer.status.as_u16(), &answer.body["error"]["code"]), (status, &json!(code)), "{path}");
        assert_eq!(answer.headers.get("allow").map(|allow| allow.to_str().unwrap()), allow, "{path}");
    }
}

#[tokio::test]
async fn every_answer_says_how_browsers_treat_it() {
    let api = Fixture::new();
    for path in ["/livez", "/nowhere", "/api/v1/status", "/api/v1/status?x=1"] {
        let headers = api.get(path).await.headers;
        for (name, value) in [("x-content-type-options", "nosniff"), ("cache-control", "no-store")] {
            assert_eq!(headers[name], value, "{path}");
        }
        assert!(headers["content-security-policy"].to_str().unwrap().starts_with("default-src 'none'"));
    }
}

#[tokio::test]
async fn readiness_is_the_daemons_and_no_forges() {
    let api = Fixture::new();
    assert_eq!(api.get("/readyz").await.status, 200);
    api.ready.send_replace(false);
    let stopping = api.get("/readyz").await;
    let error = json!({ "code": "not_ready", "message": "the daemon is stopping" });
    assert_eq!((stopping.status.as_u16(), &stopping.body["error"]), (503, &error));
    assert_eq!(api.get("/livez").await.status, 200);
    api.ready.send_replace(true);
    api.stop.cancel();
    assert_eq!(api.get("/readyz").await.status, 503);
}

#[tokio::test]
async fn checks_are_asked_for_by_name() {
    let api = Fixture::new();
    let asked = api.post("/api/v1/check", r#"{"repositories": ["beta", "nobody", "alpha", "beta"]}"#).await;
    assert_eq!(asked.status, 202);
    assert_eq!(asked.body, json!({ "accepted": ["alpha", "beta"], "running": [], "unknown": ["nobody"] }));
    let unknown = api.post("/api/v1/check", r#"{"repositories": ["nobody", "else"]}"#).await;
    assert_eq!(
        (unknown.status.as_u16(), &unknown.body["error"]["details"]),
        (404, &json!(["else", "nobody"]))
    );
    let many = json!({ "repositories": vec!["a"; 1001] }).to_string();
    let wrong = [
        "",
        "{",
        "null",
        "[]",
        "{}",
        r#"{"repositories": []}"#,
        r#"{"repositories": "alpha"}"#,
        r#"{"repositories": [1]}"#,
        r#"{"repositories": ["alpha"], "force": true}"#,
        &many,
    ];
    for body in wrong {
        let answer = api.post("/api/v1/check", body).await;
        assert_eq!(
            (answer.status.as_u16(), &answer.body["error"]["code"]),
            (400, &json!("bad_request")),
            "{body}"
        );
    }
}

#[tokio::test]
async fn a_body_is_json_and_not_too_large() {
    let api = Fixture::new();
    let send = |media: Option<&str>, body: String| {
        let request = request("POST", "/api/v1/check");
        let request = media.into_iter().fold(request, |request, media| request.header("content-type", media));
        api.answer(request.body(Body::from(body)).unwrap())
    };
    let good = || r#"{"repositories": ["alpha"]}"#.to_owned();
    assert_eq!(send(Some("application/json; charset=utf-8"), good()).await.status, 202);
    for media in
        [None, Some("text/plain"), Some("application/x-www-form-urlencoded"), Some("application/jsonx")]
    {
        assert_eq!(send(media, good()).await.status, 415, "{media:?}");
    }
    let large = send(Some("application/json"), " ".repeat(64 * 1024) + &good()).await;
    assert_eq!((large.status.as_u16(), &large.body["error"]["code"]), (413, &json!("too_large")));
}

#[tokio::test]
async fn a_reload_says_what_is_wrong() {
    let api = Fixture::new();
    let reloaded = api.post("/-/reload", "").await;
    assert_eq!((reloaded.status.as_u16(), &reloaded.body["successful"]), (200, &json!(true)));
    let problems = vec!["api.listen: is wrong".to_owned()];
    api.daemon
        .reloads
        .send_modify(|it| *it = Reloads { successful: false, problems, at: at(1), ..it.clone() });
    let refused = api.post("/-/reload", "").await;
    assert_eq!(refused.status, 422);
    assert_eq!(refused.body["error"]["details"], json!(["api.listen: is wrong"]));
    assert_eq!(refused.body["error"]["code"], "invalid_configuration");
    assert_eq!(api.get("/api/v1/status").await.body["config"]["successful"], false);
}

#[tokio::test]
async fn the_status_sums_up() {
    let api = Fixture::new();
    api.confirm("alpha", crate::verdict::Reason::Granted, 1);
    api.open_incident(crate::verdict::Reason::NotFound, &["beta"], 1);
    api.daemon.change(|ledger| {
        ledger.entries[4].stale = true;
        ledger.entries[4].next_check = Some(at(1));
        ledger.integrations.get_mut("acme").unwrap().waiting = 2;
    });
    api.daemon.health.send_modify(|health| {
        health.persisting = false;
        health.problem = Some("the disk is full".to_owned());
    });
    let status = api.get("/api/v1/status").await.body;
    assert_eq!(
        status["repositories"],
        json!({ "total": 5, "granted": 1, "denied": 0, "indeterminate": 0, "unknown": 4, "stale": 1 })
    );
    assert_eq!(status["incidents_open"], 1);
    assert_eq!(status["state"]["problem"], "the disk is full");
    assert_eq!(status["schedule"]["waiting"], 2);
    assert!(status["schedule"]["lag_s"].as_f64().unwrap() > 1e9, "{}", status["schedule"]);
    assert_eq!(status["version"], env!("CARGO_PKG_VERSION"));
}

#[tokio::test]
async fn the_numbers_of_events_that_the_document_allows_are_taken() {
    let api = Fixture::new();
    let document = api.get("/api/v1/openapi.json").await.body;
    let parameters = document["paths"]["/api/v1/events"]["get"]["parameters"].as_array().unwrap();
    let highest = |name: &str| {
        let parameter = parameters.iter().find(|parameter| parameter["name"] == name).unwrap();
        parameter["schema"]["maximum"].as_i64().unwrap()
    };
    for name in ["after", "before"] {
        let answer = api.get(&format!("/api/v1/events?{name}={}", highest(name))).await;
        assert_eq!(answer.status, 200, "{name}: {}", answer.body);
    }
    let with_id = |id: u64| {
        let request = request("GET", "/api/v1/events").header("last-event-id", id.to_string());
        api.answer(request.body(Body::empty()).unwrap())
    };
    let highest = highest("Last-Event-ID").unsigned_abs();
    assert_eq!(
        (with_id(highest).await.status.as_u16(), with_id(highest + 1).await.status.as_u16()),
        (200, 400)
    );
}

/// The keys of an object that its schema does not have, and those that it wants in vain; through all of the value.
#[tokio::test]
async fn answers_are_as_the_document_says() {
    let api = Fixture::listening(LISTEN, Access::with(ApiAuth::None, &[], &[]));
    api.confirm("alpha", crate::verdict::Reason::Granted, 1);
    api.open_incident(crate::verdict::Reason::NotFound, &["beta"], 1);
    api.journal.append(crate::state::EventKind::Error, "alpha");
    let document = api.get("/api/v1/openapi.json").await.body;
    let paths = [
        ("/api/v1/status", "/api/v1/status"),
        ("/api/v1/repositories", "/api/v1/repositories?limit=1"),
        ("/api/v1/repositories/{name}", "/api/v1/repositories/alpha"),
        ("/api/v1/integrations", "/api/v1/integrations"),
        ("/api/v1/integrations/{name}", "/api/v1/integrations/acme"),
        ("/api/v1/plugins", "/api/v1/plugins"),
        ("/api/v1/incidents", "/api/v1/incidents"),
        ("/api/v1/events", "/api/v1/events"),
    ];
    for (path, url) in paths {
        let responses = &document["paths"][path]["get"]["responses"];
        let schema = &responses["200"]["content"]["application/json"]["schema"];
        assert!(schema.is_object(), "{path}");
        let answer = api.get(url).await.body;
        assert_fits(&document, schema, &answer, path);
    }
    let wrong = api.get("/api/v1/status?x=1").await.body;
    let schema = &document["paths"]["/api/v1/status"]["get"]["responses"]["400"]["content"]["application/json"]
        ["schema"];
    assert_fits(&document, schema, &wrong, "an error");
}

fn assert_fits(document: &Value, schema: &Value, answer: &Value, what: &str) {
    let mut whole = schema.clone();
    whole["components"] = document["components"].clone();
    let validator = jsonschema::validator_for(&whole).unwrap();
    let errors: Vec<_> = validator.iter_errors(answer).map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "{what}: {errors:?}");
}
