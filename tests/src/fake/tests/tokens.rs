//! Token endpoints: both flavours, rotation, refusals.

use super::*;
use crate::fake::{Answer, ExpiresIn, Match, Rotation, TokenError};

const ENTRA: &str = "https://login.microsoftonline.com/common/oauth2/v2.0/token";
const CLASSIC: &str = "https://app.vssps.visualstudio.com/oauth2/token";
const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
const SCOPE: &str = "499b84ac-1321-427f-aa17-267ca6975798/.default";

fn form(client: &Client, url: &str, fields: &[(&str, &str)]) -> RequestBuilder {
    let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
    client.post(url).header("content-type", "application/x-www-form-urlencoded").body(body)
}

fn refresh(client: &Client, secret: &str, token: &str) -> RequestBuilder {
    form(
        client,
        ENTRA,
        &[
            ("grant_type", "refresh_token"),
            ("refresh_token", token),
            ("client_id", contoso::CLIENT_ID),
            ("client_secret", secret),
        ],
    )
}

fn classic_refresh(client: &Client, secret: &str, token: &str) -> RequestBuilder {
    form(
        client,
        CLASSIC,
        &[
            ("grant_type", "refresh_token"),
            ("client_assertion_type", ASSERTION_TYPE),
            ("client_assertion", secret),
            ("assertion", token),
        ],
    )
}

fn token<'a>(body: &'a Value, field: &str) -> &'a str {
    body[field].as_str().unwrap_or_else(|| panic!("no {field} in {body}"))
}

#[tokio::test]
async fn refresh_tokens_rotate_and_access_tokens_open_doors() {
    let (fake, client) = contoso_by_proxy().await;
    let (status, first) = send_json(refresh(&client, contoso::CLIENT_SECRET, contoso::REFRESH_TOKEN)).await;
    assert_eq!((status, &first["expires_in"]), (200, &3600.into()));
    let door = || client.get(storefront()).bearer_auth(token(&first, "access_token"));
    assert_eq!(send(door()).await.0, 200);

    let (status, body) = send_json(refresh(&client, contoso::CLIENT_SECRET, contoso::REFRESH_TOKEN)).await;
    assert_eq!((status, &body["error"]), (400, &"invalid_grant".into()));
    let next = token(&first, "refresh_token");
    let (status, second) = send_json(refresh(&client, contoso::CLIENT_SECRET, next)).await;
    assert_eq!(status, 200);
    assert_ne!(second["access_token"], first["access_token"]);

    fake.expire_access_tokens();
    assert_eq!(send(door()).await.0, 203);
    fake.revoke_refresh_tokens();
    let spent = token(&second, "refresh_token");
    assert_eq!(send(refresh(&client, contoso::CLIENT_SECRET, spent)).await.0, 400);
}

#[tokio::test]
async fn the_classic_endpoint_speaks_its_own_dialect() {
    let (_fake, client) = contoso_by_proxy().await;
    let good = classic_refresh(&client, contoso::CLASSIC_SECRET, contoso::CLASSIC_REFRESH_TOKEN);
    let again = good.try_clone().unwrap();
    let (status, body) = send_json(good).await;
    assert_eq!((status, &body["expires_in"]), (200, &"3600".into()));
    assert_eq!(send(client.get(storefront()).bearer_auth(token(&body, "access_token"))).await.0, 200);
    let (status, body) = send_json(again).await;
    assert_eq!((status, &body["Error"]), (400, &"invalid_grant".into()));
    assert_eq!(send(classic_refresh(&client, "wrong", "any")).await.0, 401);
}

#[tokio::test]
async fn client_credentials_give_no_refresh_token() {
    let (fake, client) = contoso_by_proxy().await;
    let ask = |id: &str, secret: &str, scope: &str| {
        let fields = [
            ("grant_type", "client_credentials"),
            ("client_id", id),
            ("client_secret", secret),
            ("scope", scope),
        ];
        form(&client, "https://login.microsoftonline.com/a-tenant/oauth2/v2.0/token", &fields)
    };
    let (id, secret) = (contoso::CLIENT_ID, contoso::CLIENT_SECRET);
    fake.world(|world| world.apps[0].expires_in = ExpiresIn::Text("4187".to_owned()));
    let (status, body) = send_json(ask(id, secret, SCOPE)).await;
    assert_eq!((status, &body["expires_in"]), (200, &"4187".into()));
    assert!(body.get("refresh_token").is_none(), "{body}");
    for (request, status, error) in [
        (ask("another", secret, SCOPE), 400, "unauthorized_client"),
        (ask(id, "wrong", SCOPE), 401, "invalid_client"),
        (ask(id, "", SCOPE), 401, "invalid_client"),
        (ask(id, secret, "vso.code"), 400, "invalid_scope"),
        (
            form(&client, ENTRA, &[("client_id", id), ("client_secret", secret)]),
            400,
            "unsupported_grant_type",
        ),
        (client.post(ENTRA).body("{}"), 400, "invalid_request"),
    ] {
        let (got, body) = send_json(request).await;
        assert_eq!((got, &body["error"]), (status, &error.into()));
    }
}

#[tokio::test]
async fn old_refresh_tokens_can_be_kept() {
    let (fake, client) = contoso_by_proxy().await;
    fake.world(|world| world.apps[0].rotation = Rotation::OldKept);
    for _ in 0..2 {
        let (status, _) = send(refresh(&client, contoso::CLIENT_SECRET, contoso::REFRESH_TOKEN)).await;
        assert_eq!(status, 200);
    }
}

#[tokio::test]
async fn refusals_can_be_forced() {
    let (fake, client) = contoso_by_proxy().await;
    for refusal in TokenError::ALL {
        fake.fault(Match::token_endpoint().once(), refusal.answer());
        let (status, body) = send_json(refresh(&client, contoso::CLIENT_SECRET, "unused")).await;
        assert!(matches!(status, 400 | 401 | 503), "{refusal:?}");
        assert!(body.get("error").or(body.get("Error")).is_some(), "{refusal:?}: {body}");
    }
    fake.fault(Match::token_endpoint().once(), Answer::claimed_json(200, "{\"token_type\":\"Bearer\"}"));
    assert_eq!(send(refresh(&client, contoso::CLIENT_SECRET, contoso::REFRESH_TOKEN)).await.0, 200);
    assert!(fake.requests().last().unwrap().contains(contoso::REFRESH_TOKEN));
}
