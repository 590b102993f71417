//! Names that try to be more than names.

use forgewatch_tests::gallery::{ODD, shown};
use serde_json::json;
use url::form_urlencoded;

use crate::support::Site;

/// Whether everything in the page is of our own making. A dialog would have stopped the browser already.
const IS_OURS: &str = "document.scripts.length === 1 && !document.querySelector('img, iframe, object, embed, base') \
     && ![...document.querySelectorAll('*')].some(it => [...it.attributes].some(({ name }) => /^on|^style$/.test(name))) \
     && !/[\\u202a-\\u202e\\u2066-\\u2069]/.test(document.documentElement.textContent)";

#[test]
fn odd_names_are_text_wherever_they_are_shown_and_lead_to_their_own_page() {
    let site = Site::open();
    let browser = &site.browser;
    for name in ODD {
        search(&site, name);
        let shown = shown(name);
        search(&site, &shown);
        assert_eq!(browser.text("main tbody th a"), shown);

        browser.click("main tbody th a");
        browser.until("location.pathname.startsWith('/repositories/')");
        assert!(browser.is(IS_OURS), "the page of {name:?}");
        assert_eq!(browser.text("main h1"), shown);
        let title = browser.ask("return document.title", Vec::new());
        assert!(title.as_str().is_some_and(|title| title.starts_with(&shown)), "{title}");

        browser.click("main form button");
        browser.until("document.querySelector('main [role=status]')");
        assert_eq!(browser.text("main h1"), shown);
    }
}

/// Looks for a name, which stays in its field as it was.
#[track_caller]
fn search(site: &Site, name: &str) {
    let query = form_urlencoded::Serializer::new(String::new()).append_pair("q", name).finish();
    site.visit(&format!("/repositories?{query}"));
    assert!(site.browser.is(IS_OURS), "the list of {name:?}");
    let value = site.browser.ask("return document.querySelector('[name=q]').value", Vec::new());
    assert_eq!(value, json!(name), "what was searched for");
}
