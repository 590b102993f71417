//! The fake GitLab: strict rotation, pages that end, and what strangers are told.

use super::*;
use crate::fake::gitlab::{self, App, Project};

const API: &str = "https://git.example.org/gitlab/api/v4/";

async fn by_proxy(world: World) -> (Fake, Client) {
    let fake = Fake::start(world).await;
    let client = proxied(&fake);
    (fake, client)
}

fn get(client: &Client, path: &str) -> RequestBuilder {
    client.get(format!("{API}{path}"))
}

#[tokio::test]
async fn a_refresh_ends_both_tokens_of_the_pair_before_it() {
    let (fake, client) = by_proxy(World::contoso_gitlab()).await;
    let app: fn(&mut World) -> &mut App = |world| &mut world.gitlabs[1].apps[0];
    fake.world(|world| app(world).redirect_uri = Some(gitlab::REDIRECT_URI.to_owned()));
    let refresh = |token: &str, uri: &str| {
        let fields = [
            ("grant_type", "refresh_token"),
            ("refresh_token", token),
            ("client_id", gitlab::CLIENT_ID),
            ("client_secret", gitlab::CLIENT_SECRET),
            ("redirect_uri", uri),
        ];
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        client.post("https://git.example.org/gitlab/oauth/token").body(body)
    };
    let user = |token: &str| send(get(&client, "user").bearer_auth(token));
    assert_eq!(user(gitlab::ACCESS_TOKEN).await.0, 200);
    let (status, refused) = send_json(refresh(gitlab::REFRESH_TOKEN, "https://other.example/")).await;
    assert_eq!((status, &refused["error"]), (400, &"invalid_grant".into()));

    let (status, first) = send_json(refresh(gitlab::REFRESH_TOKEN, gitlab::REDIRECT_URI)).await;
    assert_eq!((status, &first["expires_in"]), (200, &7200.into()));
    let (access, next) = (first["access_token"].as_str().unwrap(), first["refresh_token"].as_str().unwrap());
    assert_eq!((user(gitlab::ACCESS_TOKEN).await.0, user(access).await.0), (401, 200));
    assert_eq!(send(refresh(gitlab::REFRESH_TOKEN, gitlab::REDIRECT_URI)).await.0, 400);
    let (status, _) = send_json(refresh(next, gitlab::REDIRECT_URI)).await;
    assert_eq!((status, user(access).await.0), (200, 401));
}

#[tokio::test]
async fn pages_are_linked_until_there_is_none() {
    let mut world = World::contoso_gitlab();
    for id in 0..250 {
        let project = Project::new(&format!("contoso/many/p{id}"));
        world.gitlabs[1].projects.insert(10_000 + id, project);
    }
    let (_fake, client) = by_proxy(world).await;
    let mut next = format!("{API}projects?membership=true&min_access_level=20&order_by=id&per_page=100");
    let (mut pages, mut ids) = (0, Vec::new());
    loop {
        let response = client.get(&next).header("private-token", gitlab::TOKEN).send().await.unwrap();
        let link = response.headers().get("link").map(|link| link.to_str().unwrap().to_owned());
        let listed: Vec<Value> = serde_json::from_str(&response.text().await.unwrap()).unwrap();
        ids.extend(listed.iter().map(|project| project["id"].as_u64().unwrap()));
        pages += 1;
        let Some(link) = link else { break };
        next = link[1..link.find('>').unwrap()].to_owned();
    }
    // Those of `contoso`, the one with a role of its own, and those that are shared.
    assert_eq!((pages, ids.len()), (3, 250 + 5 + 3));
    assert!(ids.is_sorted());
}

#[tokio::test]
async fn strangers_see_what_is_public_and_are_told_little() {
    let (_fake, client) = by_proxy(World::contoso_gitlab()).await;
    let (status, seen) = send_json(get(&client, "projects/fabrikam%2Fpublic")).await;
    assert_eq!((status, &seen["visibility"], &seen["permissions"]), (200, &"public".into(), &Value::Null));
    assert_eq!(send(get(&client, "projects/fabrikam%2Finternal")).await.0, 404);
    let (_, seen) = send_json(get(&client, "projects/4721").header("private-token", gitlab::TOKEN)).await;
    assert_eq!(seen["permissions"]["group_access"], Value::Null);
    assert!(seen["permissions"].is_object());
}
