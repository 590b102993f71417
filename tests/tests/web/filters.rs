//! What was asked for stays when one goes back and forth.

use crate::support::Site;

#[test]
fn going_back_and_forth_keeps_what_was_filtered() {
    let site = Site::open();
    let browser = &site.browser;
    site.visit("/repositories");
    browser.choose("[name=verdict]", "denied");
    browser.click(".filters button");
    browser.until("location.search.includes('verdict=denied')");
    let denied = site.listed();
    browser.fill("[name=q]", "large-");
    browser.click(".filters button");
    browser.until("location.search.includes('q=large-')");
    let both = site.listed();
    assert!(!both.is_empty() && both.len() < denied.len(), "{both:?} of {denied:?}");
    assert!(both.iter().all(|name| denied.contains(name)));
    let place = site.place();

    browser.click("main tbody th a");
    browser.until("location.pathname.startsWith('/repositories/')");
    browser.back();
    assert_eq!((site.place(), site.listed()), (place.clone(), both.clone()));
    let form = "document.querySelector('[name=q]').value === 'large-' \
                && document.querySelector('[name=verdict]').value === 'denied'";
    assert!(browser.is(form), "the form says what is shown");

    browser.back();
    assert_eq!(site.listed(), denied);
    assert!(browser.is("document.querySelector('[name=q]').value === ''"), "the form says what is shown");
    browser.forward();
    assert_eq!((site.place(), site.listed()), (place, both));
}
