//! Work items, their search and their hooks.

use std::time::Duration;

use hyper::Method;
use reqwest::RequestBuilder;
use serde_json::json;
use tokio::time::timeout;

use super::*;
use crate::fake::{Credential, Tracker};

const ITEMS: &str = "https://dev.azure.com/contoso/_apis/wit/workitems";
const PATCH: &str = "application/json-patch+json";

fn patch(request: RequestBuilder, body: &Value) -> RequestBuilder {
    as_reader(request).header("content-type", PATCH).body(body.to_string())
}

fn with_item(fake: &Fake) {
    fake.tracker("contoso", |tracker| tracker.add(contoso::WEB_SHOP_ID, "Bug", "The basket forgets"));
}

#[tokio::test]
async fn changes_are_made_as_a_whole_or_not_at_all() {
    let (fake, client) = contoso_by_proxy().await;
    with_item(&fake);
    let url = format!("{ITEMS}/31?api-version=7.1");
    let test = |rev: u64| json!({"op": "test", "path": "/rev", "value": rev});
    let state = |value: &str| json!({"op": "replace", "path": "/fields/System.State", "value": value});
    let comment = json!({"op": "add", "path": "/fields/System.History", "value": "said"});
    let assign = |who: &str| json!({"op": "replace", "path": "/fields/System.AssignedTo", "value": who});
    for (body, status, key) in [
        (json!([test(2), comment]), 412, "TestPatchOperationFailedException"),
        (json!([comment, state("Finished")]), 400, "RuleValidationException"),
        (json!([comment, assign("eve@elsewhere.example")]), 400, "RuleValidationException"),
        (json!([comment, {"op": "add", "path": "/id", "value": "7"}]), 400, "VssPropertyValidationException"),
        (json!({}), 400, "VssPropertyValidationException"),
    ] {
        let (came, answer) = send_json(patch(client.patch(&url), &body)).await;
        assert_eq!((came, answer["typeKey"].as_str()), (status, Some(key)), "{body}");
    }
    let item = fake.tracker("contoso", |tracker| tracker.item(31).clone());
    assert_eq!((item.rev, item.comments.len(), item.state()), (1, 0, "New"));

    let body = json!([test(1), state("active"), comment, assign("ada@contoso.example")]);
    let (status, answer) = send_json(patch(client.patch(&url), &body)).await;
    assert_eq!((status, answer["rev"].as_u64()), (200, Some(2)));
    assert_eq!(answer["fields"]["System.State"], "Active");
    assert_eq!(answer["fields"]["System.AssignedTo"]["uniqueName"], "ada@contoso.example");
    let (_, old) = send_json(as_reader(client.get(format!("{ITEMS}/31?api-version=4.1")))).await;
    assert_eq!(old["fields"]["System.AssignedTo"], "Ada Quill <ada@contoso.example>");
    let remove = json!([{"op": "remove", "path": "/fields/System.AssignedTo"}]);
    assert_eq!(send(patch(client.patch(&url), &remove)).await.0, 200);
    let item = fake.tracker("contoso", |tracker| tracker.item(31).clone());
    let changed = &item.history[1].changes["System.AssignedTo"];
    assert_eq!(*changed, (Some("Ada Quill <ada@contoso.example>".to_owned()), None));
    assert_eq!(send(as_reader(client.patch(&url)).body("[]")).await.0, 415);
}

#[tokio::test]
async fn what_is_not_there_or_not_for_you_is_not_found() {
    let (fake, client) = contoso_by_proxy().await;
    with_item(&fake);
    fake.world(|world| world.project_mut("Web Shop").readers = Some(vec!["auditor".to_owned()]));
    for (path, code) in [
        ("_apis/wit/workitems/31", "TF401232"),
        ("_apis/wit/workitems/99", "TF401232"),
        ("Tools/_apis/wit/workitemtypes/Story/states", "VS402323"),
        ("Web%20Shop/_apis/wit/workitemtypes/Bug/states", "TF200016"),
        ("_apis/hooks/subscriptions/7", "no subscription"),
    ] {
        let url = format!("https://dev.azure.com/contoso/{path}?api-version=7.1");
        let (status, body) = send(as_reader(client.get(&url))).await;
        assert!(status == 404 && body.contains(code), "{path}: {status} {body}");
    }
    let url = format!("{ITEMS}/31?api-version=7.1");
    assert_eq!(send(with_pat(client.get(&url), contoso::AUDITOR_PAT)).await.0, 200);
    assert_eq!(send(as_reader(client.request(Method::PUT, &url))).await.0, 405);
}

#[tokio::test]
async fn scopes_are_of_reading_and_of_writing() {
    let (fake, client) = contoso_by_proxy().await;
    with_item(&fake);
    let url = format!("{ITEMS}/31?api-version=7.1");
    let comment = json!([{"op": "add", "path": "/fields/System.History", "value": "said"}]);
    for (lacks, expected) in [
        (vec![], (200, 200)),
        (vec!["vso.work"], (200, 200)),
        (vec!["vso.work_write"], (200, 403)),
        (vec!["vso.work", "vso.work_write"], (403, 403)),
    ] {
        fake.world(|world| {
            let pat = Credential::pat("reader", contoso::PAT).member_of("contoso");
            world.credentials[0] = lacks.iter().fold(pat, |pat, scope| pat.without_scope(scope));
        });
        let read = send(as_reader(client.get(&url))).await.0;
        let written = send(patch(client.patch(&url), &comment)).await.0;
        assert_eq!((read, written), expected, "{lacks:?}");
    }
    assert_eq!(send(client.get(&url).header("x-tfs-fedauthredirect", "Suppress")).await.0, 401);
}

#[tokio::test]
async fn the_search_has_hosts_of_its_own() {
    let (fake, client) = contoso_by_proxy().await;
    with_item(&fake);
    let query = |top: u32| json!({"searchText": "BASKET", "$skip": 0, "$top": top}).to_string();
    let path = "_apis/search/workitemsearchresults?api-version=7.1";
    let search = |root: &str| as_reader(client.post(format!("{root}{path}"))).body(query(50));
    for root in ["https://almsearch.dev.azure.com/contoso/", "https://contoso.almsearch.visualstudio.com/"] {
        let (status, found) = send_json(search(root)).await;
        assert_eq!((status, &found["count"], &found["infoCode"]), (200, &json!(1), &json!(0)));
        assert_eq!(found["results"][0]["fields"]["system.id"], "31");
        assert_eq!(found["results"][0]["project"]["name"], "Web Shop");
    }
    let in_tools = "https://almsearch.dev.azure.com/contoso/Tools/";
    assert_eq!(send_json(search(in_tools)).await.1["count"], 0);
    fake.tracker("contoso", |tracker| tracker.search_info_code = 6);
    let (_, indexing) = send_json(search("https://almsearch.dev.azure.com/contoso/")).await;
    assert_eq!((&indexing["infoCode"], &indexing["results"]), (&json!(6), &json!([])));
    let large = as_reader(client.post(format!("{in_tools}{path}"))).body(query(1001));
    assert_eq!(send(large).await.0, 400);
    let other =
        as_reader(client.get("https://almsearch.dev.azure.com/contoso/_apis/projects?api-version=7.1"));
    assert_eq!(send(other).await.0, 404);
}

#[tokio::test]
async fn hooks_keep_their_headers_to_themselves_and_end_when_deliveries_fail() {
    let (fake, client) = contoso_by_proxy().await;
    with_item(&fake);
    let hooks = "https://dev.azure.com/contoso/_apis/hooks/subscriptions";
    // Nobody listens there.
    let body = json!({
        "publisherId": "tfs", "eventType": "workitem.updated", "resourceVersion": "1.0",
        "consumerId": "webHooks", "consumerActionId": "httpRequest", "publisherInputs": {},
        "consumerInputs": {"url": "http://127.0.0.1:9/", "httpHeaders": "shared-secret: s3cret\nx-more:1"},
    });
    let post = as_reader(client.post(format!("{hooks}?api-version=7.1"))).body(body.to_string());
    let (status, text) = send(post).await;
    assert!(status == 200 && !text.contains("s3cret") && text.contains("********"), "{text}");
    let headers = fake.tracker("contoso", |tracker| tracker.subscriptions[0].headers.clone());
    assert_eq!(headers[0], ("shared-secret".to_owned(), "s3cret".to_owned()));

    let attempts =
        |tracker: &mut Tracker| tracker.deliveries.iter().map(|it| it.answers.len()).sum::<usize>();
    for expected in ["onProbation", "onProbation", "disabledBySystem"] {
        let before = fake.tracker("contoso", attempts);
        let title = format!("title {before}");
        fake.change_work_item("contoso", 31, &[("System.Title", Some(&title))]);
        let attempted = async {
            while fake.tracker("contoso", attempts) == before {
                tokio::task::yield_now().await;
            }
        };
        timeout(Duration::from_secs(20), attempted).await.expect("an attempt");
        let status = fake.tracker("contoso", |tracker| tracker.subscriptions[0].status.clone());
        assert_eq!(status, expected);
    }
    fake.change_work_item("contoso", 31, &[("System.Title", Some("nobody hears"))]);
    assert_eq!(fake.tracker("contoso", |tracker| tracker.deliveries.len()), 3);
    let body = body.to_string().replace("workitem.updated", "git.push");
    let odd = as_reader(client.post(format!("{hooks}?api-version=7.1"))).body(body);
    assert_eq!(send(odd).await.0, 400);
}
