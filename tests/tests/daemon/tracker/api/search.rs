//! Searches, by the numbers of their rows.

use forgewatch_tests::fake::{Answer, Match, World};
use serde_json::json;

use super::{SEARCH, Scene, refusal};

fn searched() -> Match {
    Match::any().host(SEARCH).path_contains("/search/")
}

#[test]
fn row_8_1_an_integration_that_is_not_there() {
    let scene = Scene::new(&[]);
    for name in ["nobody", "large%2Fsearch", "p0-r0"] {
        let path = format!("/api/v1/integrations/{name}/search?field=externalIssue&query=x");
        let reply = scene.ask("GET", &path, super::READ, "");
        assert_eq!(refusal(&reply).0, 404, "{name}: {reply:?}");
    }
    let path = "/api/v1/integrations/large/search?field=externalIssue&query=x";
    assert_eq!(scene.ask("GET", path, "planted0wrong0token", "").status, 401);
    scene.daemon.stop();
}

#[test]
fn rows_8_4_to_8_6_and_8_9_issues_are_found_as_labels_and_values() {
    let scene =
        Scene::new(&["Voucher is lost", "<script>voucher</script> \u{202e}x", "Something else", "voucher"]);
    scene.fake.tracker("large", |tracker| {
        tracker.items.get_mut(&34).expect("it is there").fields.remove("System.Title");
    });
    scene.fake.take_requests();
    let found = scene.search("field=externalIssue&query=Voucher");
    let expected = json!({ "items": [
        { "label": "(31) Voucher is lost", "value": "31" },
        { "label": "(32) <script>voucher</script> \\u{202e}x", "value": "32" },
    ], "incomplete": null });
    assert_eq!((found.status, found.json()), (200, expected));
    let posts = scene.fake.requests_to(|request| request.method == "POST");
    assert!(posts.len() == 1 && posts[0].host == SEARCH, "{posts:#?}");
    // 8.9
    let bare = scene.search("field=externalIssue&query=34&project=project-0");
    assert_eq!(bare.json()["items"], json!([{ "label": "(34)", "value": "34" }]));
    let nowhere = refusal(&scene.search("field=externalIssue&query=x&project=project-4711"));
    assert_eq!((nowhere.0, nowhere.1.as_str()), (404, "unknown_project"), "{nowhere:?}");
    // 8.6
    let none = scene.search("field=externalIssue&query=nothing+like+it");
    assert_eq!((none.status, none.json()), (200, json!({ "items": [], "incomplete": null })));
    scene.fake.tracker("large", |tracker| tracker.search_info_code = 1);
    let unready = scene.search("field=externalIssue&query=Voucher").json();
    assert!(unready["incomplete"].as_str().is_some_and(|why| why.contains("indexing")), "{unready}");
    scene.daemon.stop();
}

#[test]
fn more_than_anybody_looks_through_is_cut_and_said() {
    let titles: Vec<_> = (0..120).map(|number| format!("voucher {number}")).collect();
    let scene = Scene::new(&titles.iter().map(String::as_str).collect::<Vec<_>>());
    let found = scene.search("field=externalIssue&query=voucher").json();
    assert_eq!(found["items"].as_array().map(Vec::len), Some(100));
    assert!(found["incomplete"].as_str().is_some_and(|why| why.contains("more than 100")), "{found}");
    scene.daemon.stop();
}

#[test]
fn row_8_7_names_of_projects_are_completed_over_all_pages() {
    let scene = Scene::new(&[]);
    scene.fake.world(|world| {
        let many = World::large(250, 0).organisations.remove(0).projects;
        world.organisations[0].projects.extend(many.into_iter().skip(1));
        "Übersicht \u{202e}".clone_into(&mut world.project_mut("project-249").name);
    });
    let one = scene.search("field=project&query=PROJECT-24").json();
    let labels: Vec<_> = one["items"].as_array().expect("a list").iter().map(|it| &it["label"]).collect();
    let expected: Vec<_> =
        [24].into_iter().chain(240..249).map(|number| format!("project-{number}")).collect();
    assert_eq!(labels, expected.iter().collect::<Vec<_>>());
    assert_eq!(one["items"][0]["value"], format!("1a46e000-0000-4000-8000-{:012x}", 24));
    let odd = scene.search("field=project&query=%C3%BCBER").json();
    assert_eq!(odd["items"][0]["label"], "Übersicht \\u{202e}");
    let all = scene.search("field=project&query=o").json();
    assert_eq!(all["items"].as_array().map(Vec::len), Some(100));
    assert!(all["incomplete"].is_string(), "{}", all["incomplete"]);
    assert_eq!(scene.search("field=externalissue&query=x").status, 400);
    scene.daemon.stop();
}

#[test]
fn row_8_8_what_the_provider_refuses_is_its_reason() {
    let scene = Scene::new(&["voucher"]);
    for (answer, status, code) in [
        (Answer::e21(500), 502, "provider_error"),
        (Answer::e1(), 502, "unauthorized"),
        (Answer::e8(), 502, "forbidden"),
        (Answer::e22(), 502, "invalid_response"),
        (Answer::cut_off("{\"results\":", 900), 502, "invalid_response"),
        (Answer::reset(), 503, "unreachable"),
        (Answer::e19(), 503, "rate_limited"),
    ] {
        scene.fake.clear_faults();
        scene.fake.fault(searched(), answer);
        let reply = scene.search("field=externalIssue&query=voucher");
        let (came, word, message) = refusal(&reply);
        println!("8.8 {came} {word}: {message}");
        assert_eq!((came, word.as_str()), (status, code), "{message}");
        assert_eq!(reply.header("retry-after").is_some(), status == 503, "{}", reply.head);
    }
    scene.fake.clear_faults();
    let log = scene.daemon.stop().stderr;
    assert!(!log.contains("a request of the API failed"), "{log}");
}

#[test]
fn a_search_that_is_not_allowed_says_what_would_allow_it() {
    let scene = Scene::new(&[]);
    super::list().table("providers.vsts", "allow_write = true").write(&scene.sandbox);
    scene.daemon.reload();
    let reply = scene.search("field=externalIssue&query=voucher");
    let (status, code, message) = refusal(&reply);
    assert_eq!((status, code.as_str()), (503, "unreachable"), "{message}");
    assert!(message.contains("allow_hosts"), "{message}");
    scene.daemon.stop();
}
