//! The fake GitHub: who gets in, what is there for them, and how much of it.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::rand::SystemRandom;
use ring::rsa::KeyPair;
use ring::signature::RSA_PKCS1_SHA256;
use serde_json::json;
use std::time::{Duration, SystemTime};

use super::{Client, Fake, RequestBuilder, Value, World, direct, proxied, send, send_json};
use crate::fake::Kind;
use crate::fake::github::{Github, Installation, Permission, Repository, Token, contoso};

const API: &str = "https://api.github.com/";

async fn github() -> (Fake, Client) {
    let fake = Fake::start(World::default().github(Github::contoso())).await;
    let client = proxied(&fake);
    (fake, client)
}

fn get(client: &Client, url: &str, token: &str) -> RequestBuilder {
    client.get(url).bearer_auth(token).header("user-agent", "tests")
}

fn now() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs()
}

fn signed(claims: &Value) -> String {
    let pem: String = contoso::APP_KEY.lines().filter(|line| !line.starts_with('-')).collect();
    let key = KeyPair::from_der(&STANDARD.decode(pem).unwrap()).unwrap();
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let text = format!("{}.{}", part(&json!({"alg": "RS256", "typ": "JWT"})), part(claims));
    let mut signature = vec![0; key.public().modulus_len()];
    key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), text.as_bytes(), &mut signature).unwrap();
    format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature))
}

fn claims(issuer: Value, issued: u64, expires: u64) -> Value {
    json!({"iss": issuer, "iat": issued, "exp": expires})
}

fn access_tokens(client: &Client, installation: u64, jwt: &str) -> RequestBuilder {
    let url = format!("{API}app/installations/{installation}/access_tokens");
    client.post(url).bearer_auth(jwt).header("user-agent", "tests")
}

#[tokio::test]
async fn an_application_gets_tokens_for_its_installations() {
    let (fake, client) = github().await;
    let jwt = signed(&claims(contoso::APP_ID.into(), now() - 60, now() + 500));
    let (status, body) = send_json(access_tokens(&client, contoso::INSTALLATION, &jwt)).await;
    assert_eq!(status, 201, "{body}");
    assert!(body["expires_at"].as_str().unwrap().ends_with('Z'), "{body}");
    let token = body["token"].as_str().unwrap();
    let (status, body) = send_json(get(&client, &format!("{API}repos/contoso/storefront"), token)).await;
    assert_eq!((status, &body["id"]), (200, &json!(contoso::STOREFRONT_ID)));
    assert_eq!(send(get(&client, &format!("{API}repos/contoso/vault"), token)).await.0, 404);
    let (_, list) = send_json(get(&client, &format!("{API}installation/repositories"), token)).await;
    assert_eq!((&list["total_count"], &list["repository_selection"]), (&json!(3), &json!("selected")));
    fake.expire_installation_tokens();
    assert_eq!(send(get(&client, &format!("{API}repos/contoso/storefront"), token)).await.0, 401);
    assert_eq!(fake.counters().of(Kind::Token), 1);
}

#[tokio::test]
async fn what_is_no_good_gets_no_token() {
    let (fake, client) = github().await;
    let good = signed(&claims(contoso::CLIENT_ID.into(), now() - 60, now() + 500));
    let (signed_part, _) = good.rsplit_once('.').unwrap();
    let other_signature = signed(&claims(contoso::APP_ID.into(), now() - 50, now() + 500));
    let other_signature = other_signature.rsplit_once('.').unwrap().1;
    fake.world(|world| {
        world.github.installations.push(Installation::new(1, 99, "contoso"));
    });
    for (name, installation, jwt, expected) in [
        ("good", contoso::INSTALLATION, good.clone(), 201),
        ("suspended", contoso::SUSPENDED, good.clone(), 403),
        ("removed", 12345, good.clone(), 404),
        ("of another application", 1, good.clone(), 404),
        ("foreign signature", contoso::INSTALLATION, format!("{signed_part}.{other_signature}"), 401),
        ("unknown issuer", contoso::INSTALLATION, signed(&claims("x".into(), now(), now() + 60)), 401),
        ("past", contoso::INSTALLATION, signed(&claims(contoso::APP_ID.into(), now() - 600, now() - 1)), 401),
        ("too long", contoso::INSTALLATION, signed(&claims(contoso::APP_ID.into(), now(), now() + 700)), 401),
        (
            "not yet",
            contoso::INSTALLATION,
            signed(&claims(contoso::APP_ID.into(), now() + 300, now() + 400)),
            401,
        ),
        ("no token", contoso::INSTALLATION, "abc".to_owned(), 401),
    ] {
        let (status, body) = send(access_tokens(&client, installation, &jwt)).await;
        assert_eq!(status, expected, "{name}: {body}");
    }
}

#[tokio::test]
async fn each_repository_has_its_fate() {
    let (fake, client) = github().await;
    for (path, token, expected) in [
        ("repos/Contoso/Storefront", contoso::CLASSIC, 200),
        ("repositories/1296269", contoso::CLASSIC, 200),
        ("repos/contoso/storefront/", contoso::CLASSIC, 404),
        ("repos/contoso/vault", contoso::CLASSIC, 404),
        ("repos/contoso/showcase", contoso::CLASSIC, 200),
        ("repos/contoso/wiki", contoso::CLASSIC, 200),
        ("repos/contoso/moved", contoso::CLASSIC, 301),
        ("repos/contoso/new-home", contoso::CLASSIC, 200),
        ("repos/contoso/taken-down", contoso::CLASSIC, 451),
        ("repos/contoso/against-terms", contoso::CLASSIC, 403),
        ("repos/contoso/attic", contoso::FINE_GRAINED, 404),
        ("repos/fabrikam/robots", contoso::WITHOUT_SIGN_ON, 403),
        ("repos/contoso/storefront", contoso::REVOKED, 401),
        ("repos/contoso/storefront", "nobody", 401),
    ] {
        let (status, body) = send(get(&client, &format!("{API}{path}"), token)).await;
        assert_eq!(status, expected, "{path}: {body}");
        let local = direct(&fake);
        let enterprise = format!("{}api/v3/{path}", fake.http_base());
        assert_eq!(send(get(&local, &enterprise, token)).await.0, expected, "{enterprise}");
    }
    let anonymous = client.get(format!("{API}repos/contoso/storefront")).bearer_auth(contoso::CLASSIC);
    assert_eq!(send(anonymous).await.0, 403, "without a User-Agent");
}

#[tokio::test]
async fn lists_come_in_pages() {
    let (fake, client) = github().await;
    fake.world(|world| {
        let many = (0..250).map(|n| Repository::new(n, "bulk", &format!("r{n:03}")));
        world.github.repositories.extend(many.map(|it| it.grant("lister", Permission::Pull)));
        world.github.tokens.push(Token::classic("lister", "ghp_lister", &["repo"]));
    });
    let mut url = format!("{API}user/repos?per_page=100&affiliation=owner");
    let mut sizes = Vec::new();
    loop {
        let response = get(&client, &url, "ghp_lister").send().await.unwrap();
        let link = response.headers().get("link").map(|link| link.to_str().unwrap().to_owned());
        let page: Vec<Value> = serde_json::from_str(&response.text().await.unwrap()).unwrap();
        sizes.push(page.len());
        let Some(link) = link else { break };
        assert!(link.contains("rel=\"last\"") && link.contains("affiliation=owner"), "{link}");
        url = link.split(['<', '>']).nth(1).unwrap().to_owned();
    }
    assert_eq!(sizes, [100, 100, 50]);
    let response = get(&client, &format!("{API}user/repos"), contoso::WITHOUT_SIGN_ON).send().await.unwrap();
    assert!(response.headers()["x-github-sso"].to_str().unwrap().starts_with("partial-results"));
    let apps_only = get(&client, &format!("{API}installation/repositories"), contoso::CLASSIC);
    assert_eq!(send(apps_only).await.0, 403);
}

#[tokio::test]
async fn a_limit_counts_what_has_changed() {
    let (fake, client) = github().await;
    fake.world(|world| world.github = Github::contoso().limited(3, Duration::from_secs(3600)));
    let url = format!("{API}repos/contoso/storefront");
    let first = get(&client, &url, contoso::CLASSIC).send().await.unwrap();
    let etag = first.headers()["etag"].clone();
    assert_eq!(first.headers()["x-ratelimit-remaining"], "2");
    for _ in 0..5 {
        let again = get(&client, &url, contoso::CLASSIC).header("if-none-match", &etag).send().await.unwrap();
        assert_eq!(
            (again.status().as_u16(), &again.headers()["x-ratelimit-remaining"]),
            (304, &"2".parse().unwrap())
        );
    }
    let statuses = [(); 4].map(|()| send(get(&client, &url, contoso::CLASSIC)));
    let mut seen = Vec::new();
    for status in statuses {
        seen.push(status.await.0);
    }
    assert_eq!(seen, [200, 200, 403, 403]);
    fake.world(|world| world.github.repository_mut("storefront").archived = true);
    let changed = get(&client, &url, contoso::CLASSIC).header("if-none-match", &etag);
    assert_eq!(send(changed).await.0, 403);
}
