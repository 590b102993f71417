//! What authors use directly: encoded segments, extensions that are not offered, answers that were not scripted.

use std::time::Duration;

use forgewatch_plugin_api::path_segment;
use forgewatch_plugin_api::prelude::*;
use forgewatch_plugin_api::testing::{FakeHost, block_on};

#[test]
fn a_segment_stays_one_segment() {
    for (text, expected) in [
        ("kitchen", Some("kitchen")),
        ("a-b._~", Some("a-b._~")),
        ("Web Shop", Some("Web%20Shop")),
        ("a?b#c%2f", Some("a%3Fb%23c%252f")),
        ("Küche", Some("K%C3%BCche")),
        ("...", Some("...")),
        ("", None),
        (".", None),
        ("..", None),
        ("a/b", None),
        ("a\\b", None),
        ("a\nb", None),
    ] {
        let encoded = path_segment(text);
        assert_eq!(encoded.as_deref().ok(), expected, "{text:?}");
        assert!(encoded.err().is_none_or(|failure| failure.reason() == Reason::NOT_FOUND), "{text:?}");
    }
}

#[test]
fn an_extension_that_is_not_offered_is_told_from_one_that_failed() {
    let fake = FakeHost::new();
    let answer = block_on(fake.host().call_extension("nobody.has-it", Vec::new()));
    assert!(answer.unwrap_err().is_unsupported());
    assert!(!Failure::new(Reason::PLUGIN_FAILED, "broken").is_unsupported());
}

#[test]
fn a_pause_is_kept_and_missing_on_an_old_host() {
    let fake = FakeHost::new();
    assert_eq!(fake.host().query_extension("sleep"), Some(1));
    block_on(fake.host().sleep(Duration::from_micros(1500))).unwrap();
    assert_eq!(fake.slept(), [Duration::from_millis(2)]);
    let failure = block_on(fake.host().call_extension("sleep", vec![1, 2, 3])).unwrap_err();
    assert!(!failure.is_unsupported() && failure.detail().contains("with 3 bytes"), "{failure}");

    fake.offer_no_extensions();
    assert_eq!(fake.host().query_extension("sleep"), None);
    assert!(block_on(fake.host().sleep(Duration::from_secs(1))).unwrap_err().is_unsupported());
    assert_eq!(fake.slept().len(), 1);
}

#[test]
fn a_request_without_a_scripted_answer_is_no_outage() {
    let fake = FakeHost::new();
    let failure = block_on(fake.host().http(Request::get("https://my-forge.example/"))).unwrap_err();
    assert_eq!(failure.reason(), Reason::PLUGIN_FAILED);
    assert_eq!(failure.detail(), "no answer is scripted for GET https://my-forge.example/");
}
