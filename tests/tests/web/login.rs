//! Who comes in, and how.

use forgewatch_tests::browser::Key;
use forgewatch_tests::gallery::{EVENTFUL, OPERATE, READ};

use crate::support::Site;

#[test]
fn a_wrong_token_stays_outside_and_a_right_one_leads_where_one_wanted_to_go() {
    let site = Site::strange();
    let browser = &site.browser;
    site.visit("/repositories?verdict=denied");
    assert!(site.place().starts_with("/login"), "{}", site.place());
    assert!(browser.is("document.activeElement.name === 'token'"), "one can type at once");

    browser.expect("the server responded with a status of 403");
    browser.type_text("wrong0token");
    browser.press(Key::Enter);
    browser.until("document.querySelector('[role=alert]')");
    assert!(site.place().starts_with("/login"), "{}", site.place());
    assert!(browser.is("document.querySelector('[name=token]').value === ''"));
    assert!(!browser.is("document.documentElement.outerHTML.includes('wrong0token')"));

    browser.fill("[name=token]", OPERATE);
    browser.press(Key::Enter);
    browser.until("document.querySelector('main table')");
    assert_eq!(site.place(), "/repositories?verdict=denied");
    assert!(browser.is("document.cookie === ''"), "no script sees the session");
    assert!(!browser.is(&format!("document.documentElement.outerHTML.includes('{OPERATE}')")));
}

#[test]
fn who_signs_out_is_outside_and_who_may_only_read_is_offered_no_more() {
    let site = Site::open();
    let browser = &site.browser;
    let page = format!("/repositories/{EVENTFUL}");
    let check = "[...document.querySelectorAll('main button')].some(it => it.textContent === 'Check now')";
    site.visit(&page);
    assert!(browser.is(check));

    browser.click("form[action='/logout'] button");
    browser.until("location.pathname === '/login'");
    browser.back();
    browser.until("location.pathname === '/login'");
    site.visit(&page);
    assert!(site.place().starts_with("/login"), "{}", site.place());

    site.gallery.log_in(browser, READ);
    site.visit(&page);
    assert!(browser.is("document.querySelector('main h1')") && !browser.is(check));
}
