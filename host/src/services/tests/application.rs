//! Applications that sign for themselves, before end points of every mood. The keys in `keys` are known to everybody.

use std::time::{Duration, SystemTime};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use forgewatch_plugin_api::Reason;
use ring::signature::{KeyPair, RSA_PKCS1_2048_8192_SHA256, RsaKeyPair, UnparsedPublicKey};
use rustls::pki_types::PrivatePkcs1KeyDer;
use rustls::pki_types::pem::PemObject;
use serde_json::{Value, json};

use super::server::{Reply, Server, answer};
use super::*;
use crate::services::identity::KeyError;

const KEY: &str = include_str!("keys/pkcs1.pem");
const SAME_KEY: &str = include_str!("keys/pkcs8.pem");
const SMALL_KEY: &str = include_str!("keys/small.pem");
const PATH: &str = "POST /api/v3/app/installations/42/access_tokens ";

fn material(server: &Server, key: &str) -> Material {
    Material::Application {
        token_url: server.url("api/v3/app/installations/42/access_tokens"),
        app_id: "7".to_owned(),
        private_key: key.into(),
    }
}

fn app(server: &Server, key: &str) -> Arc<Identity> {
    Identity::new("app", material(server, key)).unwrap()
}

fn text(at: SystemTime) -> String {
    humantime::format_rfc3339_seconds(at).to_string()
}

fn in_an_hour() -> SystemTime {
    SystemTime::now() + Duration::from_secs(3600)
}

fn granted(token: &str, end: SystemTime) -> Reply {
    answer(201, &[], json!({ "token": token, "expires_at": text(end), "permissions": {} }).to_string())
}

/// What the bearer token of a request says, once its signature is found to be right.
fn word(request: &str) -> (Value, Value) {
    let (_, bearer) = request.split_once("authorization: Bearer ").unwrap();
    let bearer = bearer.split("\r\n").next().unwrap();
    let (signed, signature) = bearer.rsplit_once('.').unwrap();
    let decoded = |part: &str| URL_SAFE_NO_PAD.decode(part).unwrap();
    let key = PrivatePkcs1KeyDer::from_pem_slice(KEY.as_bytes()).unwrap();
    let key = RsaKeyPair::from_der(key.secret_pkcs1_der()).unwrap();
    let public = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key.public_key().as_ref());
    public.verify(signed.as_bytes(), &decoded(signature)).unwrap();
    let (header, claims) = signed.split_once('.').unwrap();
    let json = |part| serde_json::from_slice(&decoded(part)).unwrap();
    (json(header), json(claims))
}

async fn failure(server: &Server) -> forgewatch_plugin_api::Failure {
    let fixture = Fixture::new().trusting(server);
    let integration = fixture.integration(&server.url(""), Some(app(server, KEY)));
    integration.http(&authenticated(&server.url("api")), None).await.unwrap_err()
}

#[tokio::test]
async fn an_application_signs_for_itself_and_its_token_outlives_the_process() {
    let server = Server::start_tls(|request, _| match request.starts_with(PATH) {
        true => granted("ghs_installation-token", in_an_hour()),
        false => answer(200, &[], request),
    })
    .await;
    let fixture = Fixture::new().trusting(&server);
    let before = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    for _ in 0..2 {
        let integration = fixture.integration(&server.url(""), Some(app(&server, KEY)));
        for _ in 0..2 {
            let response = integration.http(&authenticated(&server.url("api")), None).await.unwrap();
            assert!(response.text().unwrap().contains("authorization: Bearer ***\r\n"), "{response:?}");
        }
    }
    let requests = server.requests();
    assert_eq!(requests.len(), 5, "{requests:?}");
    assert!(requests[1].contains("Bearer ghs_installation-token"));
    assert!(requests[0].ends_with("\r\n\r\n"), "it has no body: {}", requests[0]);
    let (header, claims) = word(&requests[0]);
    assert_eq!(header, json!({ "alg": "RS256", "typ": "JWT" }));
    assert_eq!(claims["iss"], "7");
    let (made, ends) = (claims["iat"].as_u64().unwrap(), claims["exp"].as_u64().unwrap());
    assert!((before - 61..before).contains(&made) && ends - made <= 600 && ends > before + 480, "{claims}");

    // The same key in another wrapping is another configuration, and works as well.
    let integration = fixture.integration(&server.url(""), Some(app(&server, SAME_KEY)));
    integration.http(&authenticated(&server.url("api")), None).await.unwrap();
    word(&server.requests()[5]);
}

#[tokio::test]
async fn a_token_is_renewed_early_and_once_when_it_is_refused() {
    let server = Server::start_tls(|request, number| match request.starts_with(PATH) {
        true => granted(&format!("token-number-{number}"), in_an_hour()),
        false => answer(if request.contains("token-number-0") { 401 } else { 200 }, &[], ""),
    })
    .await;
    let fixture = Fixture::new().trusting(&server);
    let integration = fixture.integration(&server.url(""), Some(app(&server, KEY)));
    let connection = rusqlite::Connection::open(fixture.folder.path().join("state.db")).unwrap();
    let age = |minutes: u64| {
        let by = minutes * 60_000;
        let statement =
            format!("UPDATE identities SET saved_at = saved_at - {by}, expires_at = expires_at - {by}");
        connection.execute_batch(&statement).unwrap();
    };
    // As young as it is, a refused token is not the cause.
    assert_eq!(integration.http(&authenticated(&server.url("api")), None).await.unwrap().status(), 401);
    age(10);
    let process = || fixture.integration(&server.url(""), Some(app(&server, KEY)));
    assert_eq!(process().http(&authenticated(&server.url("api")), None).await.unwrap().status(), 200);
    let calls = || server.requests().iter().filter(|request| request.starts_with(PATH)).count();
    assert_eq!(calls(), 2);
    age(54);
    assert_eq!(process().http(&authenticated(&server.url("api")), None).await.unwrap().status(), 200);
    assert_eq!(calls(), 2, "there are six minutes left");
    age(2);
    assert_eq!(process().http(&authenticated(&server.url("api")), None).await.unwrap().status(), 200);
    assert_eq!(calls(), 3, "there are four minutes left");
}

#[tokio::test]
async fn what_an_end_point_answers_decides_the_reason() {
    let suspended = r#"{"message":"This installation has been suspended","status":"403"}"#;
    let hour = json!({ "token": "t", "expires_at": text(in_an_hour()) }).to_string();
    let past = json!({ "token": "t", "expires_at": "2020-01-05T10:00:00Z" }).to_string();
    let limited = r#"{"message":"You have exceeded a secondary rate limit. Please wait"}"#;
    let cases: [(u16, &[&str], &str, Reason, &str); 17] = [
        (403, &[], suspended, Reason::IDENTITY_INVALID, "an owner of the account"),
        (404, &[], r#"{"message":"Not Found"}"#, Reason::IDENTITY_INVALID, "the installation was removed"),
        (404, &[], "<html>", Reason::PROVIDER_ERROR, "look at `api_url`"),
        (
            401,
            &[],
            r#"{"message":"A JSON web token could not be decoded"}"#,
            Reason::IDENTITY_INVALID,
            "the key",
        ),
        (401, &[], "", Reason::IDENTITY_INVALID, "the key"),
        (403, &[], r#"{"message":"not from this network"}"#, Reason::PROVIDER_ERROR, "HTTP 403: not from"),
        (403, &[], limited, Reason::RATE_LIMITED, "secondary"),
        (403, &["x-ratelimit-remaining: 0"], "{}", Reason::RATE_LIMITED, "HTTP 403"),
        (403, &["retry-after: 77"], "{}", Reason::RATE_LIMITED, "HTTP 403"),
        (429, &[], "Retry later", Reason::RATE_LIMITED, "HTTP 429"),
        (422, &[], r#"{"message":["odd"]}"#, Reason::PROVIDER_ERROR, "HTTP 422"),
        (502, &[], "<html>", Reason::PROVIDER_ERROR, "HTTP 502"),
        (503, &["retry-after: 77"], "", Reason::PROVIDER_ERROR, "HTTP 503"),
        (302, &[], "", Reason::PROVIDER_ERROR, "HTTP 302"),
        (201, &[], "<html>", Reason::PROVIDER_ERROR, "HTTP 201 without a token"),
        (201, &[], &past, Reason::PROVIDER_ERROR, "HTTP 201 without a usable `expires_at`"),
        (201, &[], &hour.replace("\"t\"", "\"t\\n\""), Reason::PROVIDER_ERROR, "cannot be sent"),
    ];
    for (status, headers, body, reason, said) in cases {
        let (headers, sent): (Vec<_>, _) =
            (headers.iter().map(|it| (*it).to_owned()).collect(), body.to_owned());
        let server = Server::start_tls(move |_, _| {
            answer(status, &headers.iter().map(String::as_str).collect::<Vec<_>>(), &sent)
        })
        .await;
        let failure = failure(&server).await;
        assert_eq!(failure.reason(), reason, "{status} {body}: {failure}");
        assert!(failure.detail().contains(said), "{status} {body}: {failure}");
        assert_eq!(server.requests().len(), 1, "{status} {body}");
    }
}

#[tokio::test]
async fn a_limit_says_when_it_ends() {
    let reset = |ahead: u64| {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
        format!("x-ratelimit-reset: {}", now + ahead)
    };
    for (headers, range) in [
        (vec!["x-ratelimit-remaining: 0".to_owned(), reset(120)], 60..121),
        (vec!["x-ratelimit-remaining: 0".to_owned(), reset(100_000)], 900..901),
        (vec!["retry-after: 9".to_owned(), reset(120)], 9..10),
    ] {
        let server = Server::start_tls(move |_, _| {
            answer(403, &headers.iter().map(String::as_str).collect::<Vec<_>>(), "{}")
        })
        .await;
        let failure = failure(&server).await;
        assert!(range.contains(&failure.retry_after_s().unwrap()), "{failure:?}");
    }
}

#[tokio::test]
async fn clocks_that_are_apart_are_told_when_the_word_is_refused_and_do_not_matter_otherwise() {
    let apart = |by: i64| {
        let now = SystemTime::now();
        let by_s = Duration::from_secs(by.unsigned_abs());
        if by < 0 { now - by_s } else { now + by_s }
    };
    for (by, said) in [(-3600, "ahead of"), (300, "behind"), (20, "the key")] {
        let date = format!("date: {}", httpdate::fmt_http_date(apart(by)));
        let server = Server::start_tls(move |_, _| answer(401, &[&date], "{}")).await;
        let failure = failure(&server).await;
        assert_eq!(failure.reason(), Reason::IDENTITY_INVALID);
        assert!(failure.detail().contains(said), "{failure}");
        assert_eq!(failure.detail().contains("the clock here is"), by != 20, "{failure}");
    }
    // Two hours behind, and an hour is an hour.
    let now = apart(7200);
    let date = format!("date: {}", httpdate::fmt_http_date(now));
    let body = json!({ "token": "token", "expires_at": text(now + Duration::from_secs(3600)) }).to_string();
    let server = Server::start_tls(move |_, _| answer(201, &[&date], &body)).await;
    let fixture = Fixture::new().trusting(&server);
    let identity = app(&server, KEY);
    let integration = fixture.integration(&server.url(""), Some(Arc::clone(&identity)));
    integration.http(&authenticated(&server.url("api")), None).await.unwrap();
    let left = identity.expires_at().unwrap().duration_since(SystemTime::now()).unwrap();
    assert!((3500..=3600).contains(&left.as_secs()), "{left:?}");
}

#[tokio::test]
async fn what_was_signed_is_not_quoted() {
    let server = Server::start_tls(|request, _| {
        let (_, bearer) = request.split_once("authorization: Bearer ").unwrap();
        let bearer = bearer.split("\r\n").next().unwrap();
        answer(401, &[], json!({ "message": format!("\u{1b}[31myou sent {bearer}") }).to_string())
    })
    .await;
    let failure = failure(&server).await;
    let detail = failure.detail();
    assert!(detail.contains("answered HTTP 401: \\u{1b}[31myou sent ***; "), "{detail}");
}

#[tokio::test]
async fn a_key_that_cannot_sign_is_refused_with_the_way_out_and_not_shown() {
    let elliptic = rcgen::generate_simple_self_signed(["x".to_owned()]).unwrap().signing_key.serialize_pem();
    let lines: Vec<_> = KEY.lines().collect();
    let mut damaged = lines.clone();
    damaged.swap(14, 15);
    let cases = [
        (KEY.replace('\n', "\r\n"), None),
        (KEY.trim_end().to_owned(), None),
        (format!("Bag Attributes\n{SAME_KEY}"), None),
        (SMALL_KEY.to_owned(), Some(KeyError::Size)),
        (elliptic, Some(KeyError::NotRsa)),
        (damaged.join("\n"), Some(KeyError::Damaged)),
        (lines[..10].join("\n"), Some(KeyError::Unreadable)),
        (KEY.replace('\n', "\\n"), Some(KeyError::Unreadable)),
        (KEY.replace('\n', " "), Some(KeyError::Unreadable)),
        ("not a key".to_owned(), Some(KeyError::Unreadable)),
        (SAME_KEY.replace("PRIVATE", "ENCRYPTED PRIVATE"), Some(KeyError::Locked)),
    ];
    let server = Server::start_tls(|_, _| answer(500, &[], "")).await;
    for (key, expected) in cases {
        let material = material(&server, &key);
        assert!(!format!("{material:?}").contains(lines[1]));
        match (Identity::new("app", material), expected) {
            (Ok(_), None) => {}
            (Err(error), Some(expected)) => {
                let text = format!("{error} {error:?}");
                assert!(text.contains(&format!("`identities.app.private_key` {expected}")), "{text}\n{key}");
                assert!(!lines[1..].iter().any(|line| text.contains(line)), "{text}");
            }
            (made, _) => panic!("{made:?} of {key}"),
        }
    }
}
