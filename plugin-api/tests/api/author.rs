//! What authors use directly: encoded segments, extensions that are not offered, answers that were not scripted.

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
fn a_request_without_a_scripted_answer_is_no_outage() {
    let fake = FakeHost::new();
    let failure = block_on(fake.host().http(Request::get("https://my-forge.example/"))).unwrap_err();
    assert_eq!(failure.reason(), Reason::PLUGIN_FAILED);
    assert_eq!(failure.detail(), "no answer is scripted for GET https://my-forge.example/");
}
