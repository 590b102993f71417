use std::sync::{Mutex, mpsc};
use std::time::{Duration, SystemTime};

use forgewatch_plugin_api::Reason;
use futures_util::future::join_all;
use rusqlite::Connection;
use secrecy::SecretString;

use super::server::{Reply, Server, answer};
use super::*;

pub(super) const JSON: &[&str] = &["content-type: application/json"];
pub(super) const CLIENT_SECRET: &str = "client-secret-text";

/// A forge whose issuer rotates: each refresh token works once, and the newest access token alone is accepted.
async fn rotating() -> Server {
    let generation = Mutex::new(0);
    Server::start_tls(move |request, _| {
        let mut generation = generation.lock().unwrap();
        if !request.starts_with("POST /token") {
            let is_newest = request.contains(&format!("Bearer access-token-{generation}\r\n"));
            return answer(if is_newest { 200 } else { 401 }, &[], request);
        }
        if !request.contains(&format!("refresh_token=refresh-token-{generation}")) {
            let body = r#"{"Error": "invalid_grant", "ErrorDescription": "used before"}"#;
            return answer(400, JSON, body);
        }
        *generation += 1;
        let body = format!(
            r#"{{"access_token": "access-token-{generation}", "expires_in": "3599", "refresh_token": "refresh-token-{generation}"}}"#
        );
        answer(200, JSON, body)
    })
    .await
}

pub(super) fn oauth2(
    server: &Server,
    refresh_token: Option<&str>,
    expires_at: Option<SystemTime>,
) -> Arc<Identity> {
    let material = Material::OAuth2 {
        token_url: server.url("token"),
        client_id: "client".to_owned(),
        client_secret: Some(CLIENT_SECRET.into()),
        scope: None,
        access_token: Some("access-token-old".into()),
        expires_at,
        refresh_token: refresh_token.map(SecretString::from),
        redirect_uri: None,
    };
    Identity::new("bot", material).unwrap()
}

pub(super) fn entra(server: &Server) -> Arc<Identity> {
    let material = Material::Entra {
        token_url: server.url("token"),
        client_id: "client".to_owned(),
        client_secret: CLIENT_SECRET.into(),
        scope: "resource/.default".to_owned(),
    };
    Identity::new("app", material).unwrap()
}

pub(super) fn past() -> Option<SystemTime> {
    Some(SystemTime::now() - Duration::from_secs(1))
}

fn token_requests(server: &Server) -> usize {
    let requests = server.requests();
    requests.iter().filter(|request| request.starts_with("POST /token")).count()
}

fn sql(fixture: &Fixture, statement: &str) {
    let connection = Connection::open(fixture.folder.path().join("state.db")).unwrap();
    connection.execute_batch(statement).unwrap();
}

async fn status(integration: &IntegrationServices, server: &Server) -> u16 {
    integration.http(&authenticated(&server.url("api")), None).await.unwrap().status()
}

#[tokio::test]
async fn many_refusals_in_two_processes_make_one_refresh() {
    let server = rotating().await;
    let fixture = Fixture::new().trusting(&server);
    let processes = [(), ()].map(|()| {
        let identity = oauth2(&server, Some("refresh-token-0"), None);
        fixture.integration(&server.url(""), Some(identity))
    });
    let calls = (0..40).map(|number| status(&processes[number % 2], &server));
    assert_eq!(join_all(calls).await, vec![200; 40]);
    assert_eq!(token_requests(&server), 1);
}

#[tokio::test]
async fn the_stored_refresh_token_counts_when_the_access_token_stays_the_same() {
    let generation = Mutex::new(0);
    let server = Server::start_tls(move |request, _| {
        let mut generation = generation.lock().unwrap();
        if !request.starts_with("POST /token") {
            return answer(200, &[], "");
        }
        if !request.contains(&format!("refresh_token=refresh-token-{generation}")) {
            return answer(400, JSON, r#"{"error": "invalid_grant"}"#);
        }
        *generation += 1;
        let refresh_token = format!("refresh-token-{generation}");
        let body = r#"{"access_token": "access-token-old", "expires_in": 0.0001, "refresh_token": "NEW"}"#;
        answer(200, JSON, body.replace("NEW", &refresh_token))
    })
    .await;
    let fixture = Fixture::new().trusting(&server);
    let expired = past();
    let processes = [(), ()].map(|()| {
        let identity = oauth2(&server, Some("refresh-token-0"), expired);
        fixture.integration(&server.url(""), Some(identity))
    });
    for number in [0, 1, 0] {
        assert_eq!(status(&processes[number], &server).await, 200);
    }
    assert_eq!(token_requests(&server), 3);
}

#[tokio::test]
async fn an_expired_token_is_refreshed_first_and_the_new_one_outlives_the_process() {
    let server = rotating().await;
    let fixture = Fixture::new().trusting(&server);
    let expired = past();
    let process = |refresh_token| {
        let identity = oauth2(&server, Some(refresh_token), expired);
        fixture.integration(&server.url(""), Some(identity))
    };
    for _ in 0..2 {
        assert_eq!(status(&process("refresh-token-0"), &server).await, 200);
    }
    let requests = server.requests();
    assert_eq!(requests.len(), 3, "{requests:?}");
    let form = "grant_type=refresh_token&client_id=client&client_secret=client-secret-text&\
                refresh_token=refresh-token-0";
    assert!(requests[0].ends_with(form), "{}", requests[0]);

    // Another configured refresh token: what was saved for the first one does not count.
    assert_eq!(status(&process("refresh-token-1"), &server).await, 200);
    assert_eq!(token_requests(&server), 2);
}

#[tokio::test]
async fn a_redirect_uri_goes_with_each_refresh() {
    let server = rotating().await;
    let fixture = Fixture::new().trusting(&server);
    let material = Material::OAuth2 {
        token_url: server.url("token"),
        client_id: "client".to_owned(),
        client_secret: None,
        scope: None,
        access_token: None,
        expires_at: None,
        refresh_token: Some("refresh-token-0".into()),
        redirect_uri: Some("https://ci.example/back?a=b".to_owned()),
    };
    let identity = Identity::new("bot", material).unwrap();
    let integration = fixture.integration(&server.url(""), Some(identity));
    assert_eq!(status(&integration, &server).await, 200);
    let form = "refresh_token=refresh-token-0&redirect_uri=https%3A%2F%2Fci.example%2Fback%3Fa%3Db";
    assert!(server.requests()[0].ends_with(form), "{}", server.requests()[0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotated_token_is_stored_before_it_is_used_whoever_waits() {
    let (go, wait) = mpsc::channel::<()>();
    let (asked, mut is_asked) = tokio::sync::mpsc::unbounded_channel();
    let wait = Mutex::new(wait);
    let server = Server::start_tls(move |request, _| {
        if !request.starts_with("POST /token") {
            return answer(200, &[], "");
        }
        asked.send(()).unwrap();
        wait.lock().unwrap().recv().unwrap();
        let body =
            r#"{"access_token": "access-token-new", "expires_in": 3599, "refresh_token": "refresh-new"}"#;
        answer(200, JSON, body)
    })
    .await;
    let fixture = Fixture::new().trusting(&server);
    let services = fixture.services();
    let identity = oauth2(&server, Some("refresh-old"), past());
    let integration = fixture.integration_of(&services, &server.url(""), Some(identity));
    let request = authenticated(&server.url("api"));
    tokio::select! {
        _ = integration.http(&request, None) => panic!("there is no token yet"),
        asked = is_asked.recv() => asked.unwrap(),
    }
    // The call is gone, as when its time is up. What the issuer sends now must not be lost.
    go.send(()).unwrap();
    // The next configuration holds by now, and the process ends under it.
    fixture.services().following(&services).finish().await;
    let connection = Connection::open(fixture.folder.path().join("state.db")).unwrap();
    let query = "SELECT access_token || ' ' || refresh_token FROM identities WHERE name = 'bot'";
    let saved: String = connection.query_row(query, [], |row| row.get(0)).unwrap();
    assert_eq!(saved, "access-token-new refresh-new");
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn a_token_that_could_not_be_stored_is_not_used_until_it_is() {
    let server = rotating().await;
    let fixture = Fixture::new().trusting(&server);
    let identity = oauth2(&server, Some("refresh-token-0"), past());
    let integration = fixture.integration(&server.url(""), Some(identity));
    sql(&fixture, "CREATE TRIGGER full BEFORE INSERT ON identities BEGIN SELECT raise(ABORT, 'full'); END");
    for _ in 0..2 {
        let failure = integration.http(&authenticated(&server.url("api")), None).await.unwrap_err();
        assert_eq!(failure.reason(), Reason::PROVIDER_ERROR);
        assert!(failure.detail().contains("next refresh token would be lost"), "{failure}");
    }
    sql(&fixture, "DROP TRIGGER full");
    assert_eq!(status(&integration, &server).await, 200);
    assert_eq!(token_requests(&server), 1);
}

#[tokio::test]
async fn without_a_writable_store_only_what_does_not_rotate_is_refreshed() {
    let server = Server::start_tls(|request, _| match request.starts_with("POST /token") {
        true => answer(200, JSON, r#"{"access_token": "access-token-new", "expires_in": 3599}"#),
        false => answer(200, &[], ""),
    })
    .await;
    let fixture = Fixture::new().trusting(&server);
    let turned = fixture.state();
    turned.freeze();
    let missing = Arc::new(State::open_read_only(&fixture.folder.path().join("none.db")).unwrap());
    for state in [&turned, &missing] {
        let services = fixture.services_on(Arc::clone(state));
        let identity = oauth2(&server, Some("refresh-token-0"), past());
        let integration = fixture.integration_of(&services, &server.url(""), Some(identity));
        let failure = integration.http(&authenticated(&server.url("api")), None).await.unwrap_err();
        assert_eq!(failure.reason(), Reason::PROVIDER_ERROR);
        assert!(failure.detail().contains("cannot be written"), "{failure}");
        assert!(server.requests().is_empty());
    }

    let services = fixture.services_on(missing);
    let integration = fixture.integration_of(&services, &server.url(""), Some(entra(&server)));
    for _ in 0..2 {
        assert_eq!(status(&integration, &server).await, 200);
    }
    assert_eq!(token_requests(&server), 1);
    let form = "grant_type=client_credentials&client_id=client&client_secret=client-secret-text&\
                scope=resource%2F.default";
    assert!(server.requests()[0].ends_with(form));
}

#[tokio::test]
async fn an_early_refresh_that_fails_leaves_the_old_token_in_use() {
    let server = Server::start_tls(|request, number| match (request.starts_with("POST /token"), number) {
        (true, 0) => answer(200, JSON, r#"{"access_token": "access-token-one", "expires_in": 3599}"#),
        (true, _) => Reply::Reset,
        (false, _) => answer(if request.contains("access-token-one") { 200 } else { 403 }, &[], ""),
    })
    .await;
    let fixture = Fixture::new().trusting(&server);
    let process = || fixture.integration(&server.url(""), Some(entra(&server)));
    assert_eq!(status(&process(), &server).await, 200);
    // An hour later: the end is near and not here.
    sql(&fixture, "UPDATE identities SET saved_at = saved_at - 3540000, expires_at = expires_at - 3540000");
    let process = process();
    for _ in 0..3 {
        assert_eq!(status(&process, &server).await, 200);
    }
    assert_eq!(token_requests(&server), 2);
}

#[tokio::test]
async fn a_young_token_that_is_refused_is_not_renewed_again() {
    let server = Server::start_tls(|request, _| match request.starts_with("POST /token") {
        true => answer(200, JSON, r#"{"access_token": "access-token-new", "expires_in": 3599}"#),
        false => {
            answer(401, &[], format!("access-token-old {}", request.contains("Bearer access-token-new")))
        }
    })
    .await;
    let fixture = Fixture::new().trusting(&server);
    let identity = oauth2(&server, Some("refresh-token-0"), None);
    let integration = fixture.integration(&server.url(""), Some(identity));
    for requests in [3, 4] {
        let response = integration.http(&authenticated(&server.url("api")), None).await.unwrap();
        // The token of the generation before is masked as well.
        assert_eq!((response.status(), response.text()), (401, Some("*** true")));
        assert_eq!(server.requests().len(), requests);
    }
    assert_eq!(token_requests(&server), 1);
}

#[tokio::test]
async fn without_a_refresh_token_the_access_token_is_all_there_is() {
    let server = rotating().await;
    let fixture = Fixture::new().trusting(&server);
    let integration = fixture.integration(&server.url(""), Some(oauth2(&server, None, past())));
    let failure = integration.http(&authenticated(&server.url("api")), None).await.unwrap_err();
    assert_eq!(failure.reason(), Reason::IDENTITY_INVALID);
    assert!(server.requests().is_empty());

    for expires_at in [None, Some(SystemTime::now() + Duration::from_secs(60))] {
        let integration = fixture.integration(&server.url(""), Some(oauth2(&server, None, expires_at)));
        assert_eq!(status(&integration, &server).await, 401);
    }
    assert_eq!(token_requests(&server), 0);
}

#[tokio::test]
async fn what_was_replaced_does_not_take_its_successors_place_in_the_store() {
    let server = Server::start_tls(|request, _| {
        let body = |of| format!(r#"{{"access_token": "access-token-of-{of}", "expires_in": 3599}}"#);
        match (request.starts_with("POST /token"), request.contains("refresh_token=old")) {
            (true, true) => answer(200, JSON, body("old")),
            (true, false) => answer(200, JSON, body("new")),
            _ => answer(200, &[], ""),
        }
    })
    .await;
    let fixture = Fixture::new().trusting(&server);
    let [old, new] = ["old", "new"].map(|token| oauth2(&server, Some(token), past()));
    old.replaced();
    for identity in [new, old] {
        let integration = fixture.integration(&server.url(""), Some(identity));
        assert_eq!(status(&integration, &server).await, 200);
    }
    assert_eq!(token_requests(&server), 2);
    let connection = Connection::open(fixture.folder.path().join("state.db")).unwrap();
    let query = "SELECT access_token FROM identities WHERE name = 'bot'";
    let saved: String = connection.query_row(query, [], |row| row.get(0)).unwrap();
    assert_eq!(saved, "access-token-of-new");
}
