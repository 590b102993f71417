//! The three ways in, and the names behind them.

use super::*;
use crate::fake::{Kind, Presented};

#[tokio::test]
async fn one_port_speaks_plain_http_tls_and_proxy() {
    let fake = Fake::start(World::contoso()).await;
    let path = "tfs/Contoso/Web%20Shop/_apis/git/repositories/storefront?api-version=7.1";
    for (client, base, host, tls) in [
        (direct(&fake), fake.http_base(), "127.0.0.1", false),
        (direct(&fake), fake.https_base(), "localhost", true),
        (proxied(&fake), fake.http_base(), "127.0.0.1", false),
        (proxied(&fake), fake.https_base(), "localhost", true),
    ] {
        let (status, body) = send_json(as_reader(client.get(format!("{base}{path}")))).await;
        assert_eq!((status, &body["id"]), (200, &contoso::STOREFRONT_ID.into()), "{base}");
        assert!(body["url"].as_str().unwrap().starts_with(&format!("{base}tfs/Contoso/")), "{body}");
        let recorded = fake.requests().pop().unwrap();
        assert_eq!((recorded.host.as_str(), recorded.tls), (host, tls));
    }
    assert_eq!(fake.counters().handshakes(), 2);
    assert_eq!(fake.counters().of(Kind::Connect), 1);
}

#[tokio::test]
async fn both_cloud_forms_lead_to_the_same_repository() {
    let (_fake, client) = contoso_by_proxy().await;
    for base in [
        "https://dev.azure.com/contoso/",
        "https://dev.azure.com/CONTOSO/",
        "https://contoso.visualstudio.com/",
        "https://contoso.visualstudio.com/DefaultCollection/",
    ] {
        let url = format!("{base}web%20shop/_apis/git/repositories/StoreFront?api-version=7.1");
        let (status, body) = send_json(as_reader(client.get(url))).await;
        assert_eq!((status, &body["name"]), (200, &"storefront".into()), "{base}");
    }
}

#[tokio::test]
async fn hosts_nobody_mentioned_get_no_tunnel() {
    let (fake, client) = contoso_by_proxy().await;
    assert!(client.get("https://elsewhere.example/").send().await.is_err());
    fake.world(|world| world.hosts.push("elsewhere.example".to_owned()));
    assert_eq!(client.get("https://elsewhere.example/").send().await.unwrap().status(), 404);
    assert!(client.get("https://dev.azure.com.elsewhere.example/").send().await.is_err());
}

#[tokio::test]
async fn bad_certificates_are_refused_by_the_client() {
    let fake = Fake::start(World::contoso()).await;
    for presented in
        [Presented::UnknownAuthority, Presented::WrongName("other.example".to_owned()), Presented::Expired]
    {
        fake.present("dev.azure.com", presented.clone());
        let sent = as_reader(proxied(&fake).get(storefront())).send().await;
        assert!(sent.unwrap_err().is_connect(), "{presented:?}");
    }
    assert_eq!(fake.counters().of(Kind::Repository), 0);
    fake.present("dev.azure.com", Presented::Proper);
    assert_eq!(send(as_reader(proxied(&fake).get(storefront()))).await.0, 200);
}

#[test]
fn a_blocking_caller_gets_a_runtime_with_it() {
    let fake = Fake::start_blocking(World::large(2, 3));
    let file = tempfile::NamedTempFile::new().unwrap();
    fake.write_ca(file.path()).unwrap();
    assert_eq!(std::fs::read_to_string(file.path()).unwrap(), fake.ca_pem());
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let url = format!(
        "{}tfs/large/_apis/git/repositories/{}?api-version=7.1",
        fake.http_base(),
        contoso::large_repository_id(1, 2)
    );
    let (status, body) = runtime.block_on(send_json(as_reader(direct(&fake).get(url))));
    assert_eq!((status, &body["name"]), (200, &"repository-2".into()));
}

#[tokio::test]
async fn stopping_closes_open_connections() {
    let (fake, client) = contoso_by_proxy().await;
    fake.fault(crate::fake::Match::any(), crate::fake::Answer::hang());
    let pending = tokio::spawn(as_reader(client.get(storefront())).send());
    while fake.counters().requests() < 2 {
        tokio::task::yield_now().await;
    }
    fake.stop().await;
    assert!(pending.await.unwrap().is_err());
}
