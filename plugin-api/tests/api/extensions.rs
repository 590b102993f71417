//! The encodings of extensions: what one side writes, the other reads, and what it does not know does no harm.

use std::time::{Duration, SystemTime};

use forgewatch_plugin_api::extensions::{
    check_repositories, limits, list_repositories, probe_identity, requirements,
};
use forgewatch_plugin_api::prelude::*;

fn gone() -> Result<Access, Failure> {
    Err(Failure::new(Reason::DISABLED, "switched off").with_http_status(451).with_retry_after_s(7))
}

#[test]
fn a_page_comes_out_as_it_went_in() {
    let page = RepositoryPage::new(vec![
        ListedRepository::granted("web").with_project("acme").with_external_id("7"),
        ListedRepository::granted("old").with_access(Ok(Access::granted().with_detail("archived"))),
        ListedRepository::granted("gone").with_access(gone()),
    ])
    .with_next("page 2")
    .with_requests_left(41)
    .with_incomplete("an organisation was left out");
    let read = list_repositories::decode_page(&list_repositories::encode_page(page.clone())).unwrap();
    assert_eq!(format!("{read:?}"), format!("{page:?}"));
    let request = ListRequest::after("page 2");
    assert_eq!(list_repositories::decode_request(&list_repositories::encode_request(&request)), Ok(request));
}

#[test]
fn a_batch_comes_out_as_it_went_in() {
    let repositories =
        [Repository::new("web").with_project("acme"), Repository::new("api").with_external_id("5")];
    let read =
        check_repositories::decode_request(&check_repositories::encode_request(&repositories)).unwrap();
    assert_eq!(format!("{read:?}"), format!("{repositories:?}"));

    let answers = [Some(Ok(Access::granted())), None, Some(gone())];
    let bytes = check_repositories::encode_answers(&answers);
    assert_eq!(check_repositories::decode_answers(&bytes, 3).unwrap(), answers);
    let failure = check_repositories::decode_answers(&bytes, 2).unwrap_err();
    assert!(failure.detail().contains("for 3 repositories, and was asked about 2"), "{failure}");
}

#[test]
fn what_is_asked_of_identities_comes_out_as_it_went_in() {
    let expiry = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
    let probe = IdentityProbe::new("acme-bot").with_expiry(expiry).with_scope("read");
    assert_eq!(probe_identity::decode(&probe_identity::encode(&probe)), Ok(probe.clone()));
    assert_eq!(probe.expires_at(), Some(expiry));

    let may = Requirements::unknown().with_read(true).with_webhooks(false);
    assert_eq!(requirements::decode(&requirements::encode(&may)), Ok(may));

    let limit = Limits::unknown().with_requests(5000, Duration::from_secs(3600)).with_page_size(100);
    assert_eq!(limits::decode(&limits::encode(&limit)), Ok(limit));
    let integration = Integration::new("acme", "https://a.example/").with_identity_kind("pat");
    assert_eq!(limits::decode_request(&limits::encode_request(&integration)), Ok(integration));
}

#[test]
fn a_later_version_may_say_more_and_an_earlier_one_less() {
    let page = br#"{"repositories": [{"name": "web", "stars": 7}], "weather": "fine"}"#;
    let page = list_repositories::decode_page(page).unwrap();
    assert_eq!(page.repositories()[0].access(), &Ok(Access::granted()));
    assert_eq!((page.next(), page.requests_left(), page.incomplete()), (None, None, None));
    assert_eq!(requirements::decode(b"{}"), Ok(Requirements::unknown()));
}

#[test]
fn what_is_no_answer_is_a_failure_that_names_the_extension() {
    for broken in [&b""[..], b"[]", b"{\"repositories\": 3}", b"\xff"] {
        let failure = list_repositories::decode_page(broken).unwrap_err();
        assert_eq!(failure.reason(), Reason::PLUGIN_FAILED);
        assert!(failure.detail().contains("`list_repositories` cannot be read"), "{failure}");
    }
}
