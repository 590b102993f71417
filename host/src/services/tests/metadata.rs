use forgewatch_plugin_api::{Reason, Request, SiloMode};

use super::server::{Server, answer};
use super::*;
use crate::services::DOMAIN_NAME;

#[tokio::test]
async fn a_looked_up_base_url_holds_at_once_and_at_the_next_start() {
    let server = Server::start_tls(|_, _| answer(200, &[], "")).await;
    let mut fixture = Fixture::new().trusting(&server);
    let (configured, found) = (server.url("")[8..].to_owned(), server.url("acme"));
    let integration = fixture.integration(&configured, None);
    assert_eq!(integration.domain_name(), configured);
    assert!(integration.http(&Request::get(&*found), None).await.unwrap_err().is_refused());

    assert_eq!(integration.save_metadata(DOMAIN_NAME, &found).await.unwrap(), format!("{found}/"));
    assert_eq!(integration.domain_name(), format!("{found}/"));
    integration.http(&Request::get(&*found), None).await.unwrap();

    assert_eq!(fixture.integration(&configured, None).domain_name(), format!("{found}/"));
    // Trusted all the same, but the operator has said something else since.
    fixture.allow_hosts = vec![configured.trim_end_matches('/').parse().unwrap()];
    assert_eq!(fixture.integration("https://fixed.example/", None).domain_name(), "https://fixed.example/");

    fixture.silo_mode = SiloMode::REGION;
    let region = fixture.integration(&configured, None);
    assert!(region.save_metadata(DOMAIN_NAME, &found).await.unwrap_err().is_refused());
}

#[tokio::test]
async fn an_untrusted_base_url_is_neither_saved_nor_used() {
    let fixture = Fixture::new();
    let integration = fixture.integration("acme.example", pat());
    let failure = integration.save_metadata(DOMAIN_NAME, "https://evil.example/").await.unwrap_err();
    assert_eq!(failure.reason(), Reason::BASE_URL_UNRESOLVED);
    assert!(failure.is_refused());
    let failure = integration.http(&authenticated("https://evil.example/"), None).await.unwrap_err();
    assert!(failure.is_refused());
    assert!(fixture.state().all_metadata("acme").unwrap().is_empty());
}

#[tokio::test]
async fn without_a_writable_store_a_base_url_holds_for_the_run() {
    let fixture = Fixture::new();
    let state = Arc::new(State::open_read_only(&fixture.folder.path().join("state.db")).unwrap());
    let services = fixture.services_on(state);
    let integration = fixture.integration_of(&services, "acme.example", None);
    let saved = integration.save_metadata(DOMAIN_NAME, "https://acme.example").await.unwrap();
    assert_eq!(saved, "https://acme.example/");
    assert_eq!(integration.domain_name(), "https://acme.example/");
}

#[tokio::test]
async fn other_metadata_is_plain_text_of_limited_size() {
    let fixture = Fixture::new();
    let integration = fixture.integration("https://acme.example/", None);
    assert_eq!(integration.save_metadata("account.name", "Acme Ü").await.unwrap(), "Acme Ü");
    let metadata = fixture.integration("https://acme.example/", None).metadata();
    assert_eq!(metadata, BTreeMap::from([("account.name".to_owned(), "Acme Ü".to_owned())]));
    let (long, large) = ("n".repeat(65), "x".repeat(4097));
    for (name, value) in [("", "x"), ("Name", "x"), ("a/b", "x"), (&*long, "x"), ("name", &*large)] {
        assert!(integration.save_metadata(name, value).await.unwrap_err().is_refused(), "{name}");
    }
}
