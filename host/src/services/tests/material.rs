use forgewatch_plugin_api::{Authentication, Reason};
use secrecy::SecretString;

use super::identity::{CLIENT_SECRET, JSON, entra, oauth2, past};
use super::server::{Server, answer};
use super::*;

#[tokio::test]
async fn a_token_end_points_answer_decides_the_reason() {
    let reasons = [
        (400, r#"{"error": "invalid_grant"}"#, Reason::IDENTITY_INVALID),
        (400, r#"{"Error": "invalid_grant", "ErrorDescription": "x"}"#, Reason::IDENTITY_INVALID),
        (400, r#"{"error": "invalid_client"}"#, Reason::IDENTITY_INVALID),
        (401, "<html>", Reason::IDENTITY_INVALID),
        (
            400,
            r#"{"error": "invalid_request", "error_description": "The access token is not valid"}"#,
            Reason::IDENTITY_INVALID,
        ),
        (400, r#"{"error": "invalid_request", "error_description": "x"}"#, Reason::PROVIDER_ERROR),
        (400, r#"{"error": "unauthorized_client"}"#, Reason::PROVIDER_ERROR),
        (403, r#"{"error": ["odd"]}"#, Reason::PROVIDER_ERROR),
        (429, "", Reason::RATE_LIMITED),
        (503, "", Reason::PROVIDER_ERROR),
        (302, "", Reason::PROVIDER_ERROR),
        (200, "<html>", Reason::PROVIDER_ERROR),
        (200, r#"{"expires_in": 3599}"#, Reason::PROVIDER_ERROR),
        (200, r#"{"access_token": "t"}"#, Reason::PROVIDER_ERROR),
        (200, r#"{"access_token": "t", "expires_in": "soon"}"#, Reason::PROVIDER_ERROR),
        (200, r#"{"access_token": "t", "expires_in": 0}"#, Reason::PROVIDER_ERROR),
        (200, r#"{"access_token": "t\n", "expires_in": 9}"#, Reason::PROVIDER_ERROR),
    ];
    for (status, body, reason) in reasons {
        let server = Server::start_tls(move |_, _| answer(status, &["retry-after: 77"], body)).await;
        let fixture = Fixture::new().trusting(&server);
        let integration = fixture.integration(&server.url(""), Some(entra(&server)));
        // The second answer is remembered.
        for _ in 0..2 {
            let failure = integration.http(&authenticated(&server.url("api")), None).await.unwrap_err();
            assert_eq!(failure.reason(), reason, "{status} {body}");
            assert!(failure.detail().contains(&format!("HTTP {status}")), "{failure}");
            assert_eq!(failure.retry_after_s(), Some(77));
        }
        assert_eq!(server.requests().len(), 1, "{status} {body}");
    }
}

#[tokio::test]
async fn an_end_points_words_are_shown_without_secrets() {
    let server = Server::start_tls(|request, _| {
        let body = request.split("\r\n\r\n").nth(1).unwrap();
        let text = format!("\u{1b}[31mno: {CLIENT_SECRET} {body} {}", "x".repeat(1000));
        let body = serde_json::json!({ "error": "invalid_client", "error_description": text });
        answer(400, JSON, body.to_string())
    })
    .await;
    let fixture = Fixture::new().trusting(&server);
    let identity = oauth2(&server, Some("refresh-token-0"), past());
    let integration = fixture.integration(&server.url(""), Some(identity));
    let failure = integration.http(&authenticated(&server.url("api")), None).await.unwrap_err();
    let detail = failure.detail();
    assert!(detail.contains("HTTP 400 (invalid_client): \\u{1b}[31mno: *** grant_type="), "{detail}");
    assert!(!detail.contains(CLIENT_SECRET) && !detail.contains("refresh-token-0") && detail.len() < 700);
}

#[tokio::test]
async fn a_secret_is_sent_as_asked_or_in_the_identitys_own_form() {
    let server = Server::start(|request, _| answer(200, &[], request)).await;
    let fixture = Fixture::new();
    let token = || SecretString::from(TOKEN);
    let basic = || Material::Basic { username: "me".to_owned(), password: token() };
    let header = || Material::Header { header: "X-Key".to_owned(), value: token() };
    let bearer = Authentication::bearer();
    let cases = [
        (
            Material::Pat { token: token() },
            Authentication::basic(""),
            "authorization: Basic OnRoZS12ZXJ5LXNlY3JldC10b2tlbg==",
        ),
        (Material::Bearer { token: token() }, bearer.clone(), "authorization: Bearer the-very-secret-token"),
        (
            Material::Pat { token: token() },
            Authentication::header("Private-Token"),
            "private-token: the-very-secret-token",
        ),
        (basic(), bearer.clone(), "authorization: Basic bWU6dGhlLXZlcnktc2VjcmV0LXRva2Vu"),
        (header(), bearer, "x-key: the-very-secret-token"),
        (header(), Authentication::none(), "x-plain: 1"),
    ];
    for (number, (material, authentication, expected)) in cases.into_iter().enumerate() {
        assert!(!format!("{material:?}").contains(TOKEN));
        let identity = Identity::new("bot", material).unwrap();
        let integration = fixture.integration(&server.url(""), Some(identity));
        let request =
            Request::get(server.url("")).with_authentication(authentication).with_header("x-plain", "1");
        let response = integration.http(&request, None).await.unwrap();
        let sent = &server.requests()[number];
        assert!(sent.contains(expected), "{sent}");
        assert_eq!(sent.contains("secret") || sent.contains("Basic"), number < 5, "{sent}");
        assert!(!response.text().unwrap().contains("secret"), "{sent}");
    }
}

#[tokio::test]
async fn the_word_of_a_token_is_known_as_soon_as_the_token_is() {
    const WORD: &str = "ghs_";
    let token = || SecretString::from("ghs_0123456789abcdefghijklmnop");
    let server = Server::start_tls(move |request, _| match request.starts_with("POST /token") {
        true => answer(
            200,
            JSON,
            format!(r#"{{"access_token": "{WORD}0123456789abcdefghij", "expires_in": 99}}"#),
        ),
        false => answer(200, &[], ""),
    })
    .await;
    let fixture = Fixture::new().trusting(&server);
    let of = |material| {
        let identity = Identity::new("bot", material).unwrap();
        fixture.integration(&server.url(""), Some(identity)).token_prefix()
    };
    assert_eq!(of(Material::Pat { token: token() }).as_deref(), Some(WORD));
    assert_eq!(of(Material::Header { header: "x-key".to_owned(), value: token() }).as_deref(), Some(WORD));
    assert_eq!(of(Material::Basic { username: "me".to_owned(), password: token() }), None);
    assert_eq!(of(Material::Pat { token: TOKEN.into() }), None);
    assert_eq!(fixture.integration(&server.url(""), None).token_prefix(), None);

    let renewed = fixture.integration(&server.url(""), Some(entra(&server)));
    assert_eq!(renewed.token_prefix(), None);
    renewed.http(&authenticated(&server.url("api")), None).await.unwrap();
    assert_eq!(renewed.token_prefix().as_deref(), Some(WORD));
}

#[test]
fn material_that_cannot_work_is_refused() {
    let entra = |token_url: &str| Material::Entra {
        token_url: token_url.to_owned(),
        client_id: String::new(),
        client_secret: "x".into(),
        scope: String::new(),
    };
    let cases = [
        (Material::Pat { token: "".into() }, "identities.bot.token"),
        (Material::Bearer { token: "a\nb".into() }, "identities.bot.token"),
        (Material::Header { header: "Host".to_owned(), value: "x".into() }, "identities.bot.header"),
        (entra("http://login.example/token"), "identities.bot.token_url"),
        (entra("https://me:pw@login.example/token"), "identities.bot.token_url"),
    ];
    for (material, expected) in cases {
        let error = Identity::new("bot", material).unwrap_err().to_string();
        assert!(error.contains(expected) && !error.contains("pw"), "{error}");
    }
}

#[test]
fn identities_are_the_same_while_all_of_their_material_is() {
    let oauth2 = |client_secret: Option<&str>, refresh_token: Option<&str>| Material::OAuth2 {
        token_url: "https://issuer.example/token".to_owned(),
        client_id: "client".to_owned(),
        client_secret: client_secret.map(Into::into),
        scope: None,
        access_token: None,
        expires_at: None,
        refresh_token: refresh_token.map(Into::into),
        redirect_uri: None,
    };
    let basic = |username: &str, password: &str| Material::Basic {
        username: username.to_owned(),
        password: password.into(),
    };
    let header = |header: &str| Material::Header { header: header.to_owned(), value: "a".into() };
    let materials = [
        Material::Pat { token: "a".into() },
        Material::Pat { token: "b".into() },
        basic("u", "a"),
        basic("v", "a"),
        basic("u", "b"),
        header("x-one"),
        header("x-two"),
        oauth2(None, None),
        oauth2(Some("a"), None),
        oauth2(None, Some("a")),
    ];
    let identity = |name: &str, material: &Material| Identity::new(name, material.clone()).unwrap();
    for (index, material) in materials.iter().enumerate() {
        for (other, material_of_other) in materials.iter().enumerate() {
            let is_same = identity("bot", material) == identity("bot", material_of_other);
            assert_eq!(is_same, index == other, "{index} {other}");
        }
        assert_ne!(identity("bot", material), identity("app", material));
    }
}
