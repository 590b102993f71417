//! Without scripts.

use forgewatch_tests::browser::Key;
use forgewatch_tests::gallery::{EVENTFUL, OPERATE, PERSON, TITLES, name};

use crate::support::Site;

#[test]
fn everything_can_be_done_without_scripts() {
    let site = Site::alone(120);
    let browser = &site.browser;
    browser.allow_scripts(false);
    site.visit("/");
    browser.fill("[name=token]", OPERATE);
    browser.press(Key::Enter);
    browser.until("location.pathname === '/'");
    for (path, heading) in [
        ("/repositories", "Repositories"),
        ("/incidents", "Incidents"),
        ("/integrations", "Integrations"),
        ("/alerts", "Alerts"),
        ("/plugins", "Plugins"),
    ] {
        browser.click(&format!("nav a[href='{path}']"));
        browser.until(&format!("location.pathname === '{path}'"));
        assert_eq!(browser.text("h1"), heading);
    }
    assert!(browser.is("!document.documentElement.classList.contains('has-script')"), "no script has run");

    browser.click("nav a[href='/repositories']");
    let first = site.listed();
    browser.click("main a[rel=next]");
    browser.until("location.search.includes('cursor=')");
    let second = site.listed();
    assert!(!second.is_empty() && second.iter().all(|name| !first.contains(name)), "{second:?}");

    browser.choose("[name=verdict]", "denied");
    browser.click(".filters button");
    browser.until("location.search.includes('verdict=denied')");
    assert!(site.listed().contains(&"large-000007".to_owned()), "{:?}", site.listed());

    site.visit(&format!("/repositories/{EVENTFUL}"));
    assert!(browser.text("main time").contains("UTC"), "the exact time, since nothing makes it relative");
    browser.click("main form button");
    browser.until("document.querySelector('main [role=status]')");

    let incident = site.gallery.incident(|incident| incident["repository"] == name(13));
    site.visit(&format!("/incidents/{incident}"));
    browser.choose("[name=person]", PERSON);
    browser.click("form[aria-label=Assign] button");
    browser.until("location.search === '?done=assign'");
    assert!(browser.text("main [role=status]").contains(PERSON));
    browser.fill("[name=query]", "mirror");
    browser.click("form[role=search] button");
    browser.until("location.search.includes('query=mirror')");
    assert!(browser.text("#found").contains(TITLES[0]));
    browser.click("#found button");
    browser.until("location.search === '?done=link'");
    assert!(browser.text("main").contains(TITLES[0]));
    browser.click("form[aria-label='Part from the issue'] button");
    browser.until("location.search === '?done=unlink'");

    browser.click("form[action='/logout'] button");
    browser.until("location.pathname === '/login'");
}
