//! What is shared by two worlds, by what differs between their configurations.

use std::sync::Arc;
use std::time::Duration;

use forgewatch_plugin_api::{Authentication, Request};
use forgewatch_tests::fake::{App, Fake, Kind, World};

use super::{INTEGRATIONS, Place};

#[tokio::test]
async fn what_is_said_the_same_is_shared() {
    let all = |first: &[&'static str]| [first, &INTEGRATIONS].concat();
    type Change = fn(&mut Place);
    let cases: [(&str, Change, Vec<&str>); 13] = [
        ("nothing", |_| {}, vec![]),
        (
            "a label",
            |it| it.replace("api\", labels = { team = \"a\" }", "api\", labels = { team = \"b\" }"),
            vec![],
        ),
        ("a repository", |it| it.text.push_str("new = { integration = \"two\", name = \"new\" }\n"), vec![]),
        ("when to check", |it| it.replace("interval = \"10m\"", "interval = \"1m\""), vec![]),
        (
            "a token in a file",
            |it| drop(it.sandbox.write("pat.token", "the-second-pat")),
            vec!["identity pat", "integration one", "integration same"],
        ),
        (
            "a refreshed token's origin",
            |it| drop(it.sandbox.write("app.token", "the-second-app-token")),
            vec!["identity app", "integration two"],
        ),
        (
            "the kind of an identity",
            |it| it.replace("kind = \"pat\"", "kind = \"bearer\""),
            vec!["integration one", "integration same"],
        ),
        (
            "an integration",
            |it| {
                it.replace(
                    "one/\"\nidentity = \"pat\"\n\n",
                    "one/\"\nidentity = \"pat\"\nmetadata = { a = \"b\" }\n\n",
                );
            },
            vec!["integration one"],
        ),
        ("the client's settings", |it| it.replace("timeout = \"5s\"", "timeout = \"6s\""), all(&["client"])),
        (
            "the client's authorities",
            |it| {
                let more = rcgen::generate_simple_self_signed(["more.example".to_owned()]);
                it.sandbox.write("ca.pem", more.expect("a certificate").cert.pem());
            },
            all(&["client"]),
        ),
        ("the allowed hosts", |it| it.add("providers.vsts.allow_hosts = [\"look.example\"]"), all(&[])),
        (
            "the plugin's options",
            |it| it.add("providers.vsts.options.server_roots = [\"https://ado.example/tfs/\"]"),
            all(&[]),
        ),
        ("the time of a check", |it| it.add("check_timeout = \"8s\""), vec![]),
    ];
    for (what, change, expected) in cases {
        let mut place = Place::new();
        let former = place.world(None).await;
        change(&mut place);
        assert_eq!(place.anew(&former).await.1, expected, "{what}");
    }
}

#[tokio::test]
async fn a_third_world_takes_over_what_the_second_did() {
    let mut place = Place::new();
    let first = place.world(None).await;
    place.replace("timeout = \"5s\"", "timeout = \"6s\"");
    let (second, _) = place.anew(&first).await;
    first.retire(Some(&second)).await;
    drop(first);
    assert!(place.anew(&second).await.1.is_empty());
}

#[tokio::test]
async fn what_is_wrong_is_told_at_once_and_disturbs_nothing() {
    let mut place = Place::new();
    let former = place.world(None).await;
    let before = place.text.clone();
    place.add("providers.vsts.options.colour = \"red\"");
    place.replace("https://dev.azure.com/two/P/_git/page", "https://dev.azure.com/three/P/_git/page");
    place.replace("pat.token", "missing.token");
    place.replace("ca.pem", "pat.token");
    let mut problems = place.prepare(Some(&former)).await.err().expect("it is wrong");
    problems.sort();
    let expected =
        ["http.ca_file", "identities.pat.token", "providers.vsts.options.colour", "repositories.page.url"];
    assert_eq!(problems, expected);
    former.providers["vsts"].ready().await.expect("it is still there");
    place.text = before;
    assert!(place.anew(&former).await.1.is_empty());
}

#[tokio::test]
async fn repositories_have_their_own_rules_and_share_their_labels() {
    let mut place = Place::new();
    let world = place.world(None).await;
    let seen: Vec<_> = world
        .repositories
        .iter()
        .map(|it| {
            (it.target.name.as_str(), it.rules.interval.get().as_secs() / 60, it.rules.failure_threshold)
        })
        .collect();
    assert_eq!(seen, [("api", 10, 2), ("page", 10, 2), ("shop", 30, 5)]);
    let [api, page, shop] = &world.repositories[..] else { panic!("three repositories") };
    assert_eq!(api.labels["team"], "a");
    assert!(Arc::ptr_eq(&api.labels, &page.labels) && shop.labels.is_empty());
    assert!(Arc::ptr_eq(&page.target.integration, &world.integrations["two"]));
    assert_eq!(world.check_timeout, Duration::from_secs(60));

    let (integrations, _) = place.text.split_once("[repositories]").expect("it is there");
    place.text = integrations.to_owned();
    let world = place.world(Some(&world)).await;
    assert!(world.repositories.is_empty());
    assert_eq!(world.integrations.len(), 3);
}

#[tokio::test]
async fn a_call_that_outlives_its_identity_leaves_the_tokens_of_the_next_alone() {
    let app = App::entra("app", "the-app-secret").member_of("contoso");
    let fake = Fake::start(World::contoso().app(app.refresh_token("first").refresh_token("second"))).await;
    let mut place = Place::new();
    fake.write_ca(place.path("ca.pem")).expect("it can be written");
    place.replace("timeout = \"5s\"", &format!("proxy = \"{}\"", fake.proxy_url()));
    place.replace("issuer.example/token", "login.microsoftonline.com/app/oauth2/v2.0/token");
    place.replace(
        "access_token = { file = \"app.token\" }",
        "client_secret = { file = \"app.secret\" }\nrefresh_token = { file = \"app.token\" }",
    );
    place.sandbox.write("app.secret", "the-app-secret");
    place.sandbox.write("app.token", "first");
    let former = place.world(None).await;
    place.sandbox.write("app.token", "second");
    let (next, _) = place.anew(&former).await;
    former.replaced_by(&next);
    let call = async |world: &super::World| {
        let request =
            Request::get("https://dev.azure.com/two/").with_authentication(Authentication::bearer());
        world.integrations["two"].services.http(&request, None).await.expect("an answer");
        let state = rusqlite::Connection::open(place.path("state.db")).expect("a database");
        let query = "SELECT refresh_token FROM identities";
        state.query_row(query, [], |row| row.get::<_, String>(0)).expect("tokens")
    };
    let stored = call(&next).await;
    assert_eq!(call(&former).await, stored);
    assert_eq!(fake.counters().of(Kind::Token), 2);
}
