//! With keys alone.

use forgewatch_tests::browser::Key;
use forgewatch_tests::gallery::EVENTFUL;
use serde_json::Value;

use crate::support::Site;

/// Stops on one page; beyond these nobody has the patience.
const MOST_STOPS: usize = 250;

/// What has the focus, and how that shows; `null` once it has left the page. Keeps in mind what had it.
const FOCUS: &str = "
    const it = document.activeElement;
    if (it === document.body) return null;
    (window.stops ??= new Set()).add(it);
    const style = getComputedStyle(it), box = it.getBoundingClientRect();
    return {
        html: it.outerHTML.slice(0, 160),
        isOutlined: style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2,
        isInView: box.width > 0 && box.top < innerHeight && box.bottom > 0 && box.left >= 0 && box.right <= innerWidth,
    };";

/// Back to where the page begins: what takes the focus by itself may be somewhere else.
const START: &str = "
    const start = document.createElement('span');
    start.tabIndex = -1;
    document.body.prepend(start);
    start.focus();
    start.remove();";

/// What can be used with a mouse and never had the focus.
const MISSED: &str = "
    const usable = 'a[href], button, input:not([type=hidden]), select, textarea, summary';
    const all = [...document.querySelectorAll(usable)].filter(it => it.checkVisibility());
    return all.filter(it => !window.stops?.has(it)).map(it => it.outerHTML.slice(0, 160));";

#[test]
fn everything_is_reached_in_turn_and_one_sees_where_one_is() {
    let site = Site::strange();
    // Until then an incident may appear on a page that was half walked through.
    site.gallery.until_stale();
    let all: Vec<_> = site.gallery.pages();
    let wanted = ["login", "overview", "repositories-denied", "repository", "incidents", "integrations"];
    for page in all.iter().filter(|page| wanted.contains(&page.name)) {
        if page.is_for_members && site.browser.cookies().is_empty() {
            site.gallery.log_in(&site.browser, forgewatch_tests::gallery::OPERATE);
        }
        site.visit(&page.path);
        site.browser.ask(START, Vec::new());
        for stop in walk(&site) {
            assert!(stop["isOutlined"] == true && stop["isInView"] == true, "{}: {stop:#}", page.name);
        }
        let missed = site.browser.ask(MISSED, Vec::new());
        assert_eq!(missed, Value::Array(Vec::new()), "never reached on {}", page.name);
    }
}

/// Presses Tab until the page is left.
fn walk(site: &Site) -> Vec<Value> {
    let mut stops = Vec::new();
    loop {
        site.browser.press(Key::Tab);
        match site.browser.ask(FOCUS, Vec::new()) {
            Value::Null => return stops,
            stop => stops.push(stop),
        }
        assert!(stops.len() < MOST_STOPS, "there is no end: {:#?}", stops.last());
    }
}

#[test]
fn one_skips_to_the_content_searches_opens_and_orders_a_check() {
    let site = Site::open();
    let browser = &site.browser;
    site.visit("/repositories");
    browser.press(Key::Tab);
    assert!(browser.is("document.activeElement.matches('a[href=\"#main\"]')"));
    assert!(browser.is("document.activeElement.getBoundingClientRect().top >= 0"), "it is seen");
    browser.press(Key::Enter);
    browser.press(Key::Tab);
    assert!(browser.is("document.activeElement.closest('main')"), "the navigation is skipped");

    tab_to(&site, "document.activeElement.name === 'q'");
    browser.type_text(EVENTFUL);
    browser.press(Key::Enter);
    browser.until("location.search.includes('q=')");
    assert_eq!(site.listed(), [EVENTFUL]);

    tab_to(&site, &format!("document.activeElement.textContent === '{EVENTFUL}'"));
    browser.press(Key::Enter);
    browser.until("location.pathname.startsWith('/repositories/')");
    assert_eq!(browser.text("h1"), EVENTFUL);

    tab_to(&site, "document.activeElement.textContent === 'Check now'");
    browser.press(Key::Enter);
    browser.until("document.querySelector('main [role=status]')");
}

/// Presses Tab until what has the focus is what was looked for.
#[track_caller]
fn tab_to(site: &Site, is_there: &str) {
    let found = (0..MOST_STOPS).any(|_| {
        site.browser.press(Key::Tab);
        site.browser.is(is_there)
    });
    assert!(found, "Tab never leads to {is_there}");
}
